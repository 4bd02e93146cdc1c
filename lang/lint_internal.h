/* What the lints and their waivers share. Nobody else includes this. */
#ifndef HEAL_LANG_LINT_INTERNAL_H
#define HEAL_LANG_LINT_INTERNAL_H

#include "lang/check_internal.h"
#include "lang/lint.h"

/* # heal: allow H1003 until 2027-01-01 because REASON */
struct waiver {
    enum diag_code code;
    struct span span;   /* of the comment */
    struct span covers; /* where findings are waived */
    bool used;
    struct waiver *next;
};

struct lint {
    const struct program *program;
    struct diag_list *diags;
    struct arena *arena;
    struct waiver *waivers;
};

/* Reads the waivers of all files; reports those that are wrong or past their date. */
void waivers_read(struct lint *lint, struct instant today);
/* True when a waiver covers this finding; the waiver is used then. */
bool waived(struct lint *lint, enum diag_code code, struct span span);
/* Reports waivers that waived nothing. */
void waivers_unused(struct lint *lint);

#endif
