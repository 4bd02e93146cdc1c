/* What is wrong with a policy, where, and what to write instead.
 *
 *     struct diag *d = diag_add(list, DIAG_UNKNOWN_NAME, span, "no pool is called '%s'", name);
 *     diag_label(d, other, "the pools are declared here");
 *     diag_help(d, "did you mean '%s'?", near);
 *
 * Identity (code, severity, slug, title) stands in diagnostic.def; the words of a report at the
 * call. */
#ifndef HEAL_LANG_DIAGNOSTIC_H
#define HEAL_LANG_DIAGNOSTIC_H

#include <stdio.h>

#include "lang/arena.h"
#include "lang/source.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

enum diag_code {
#define DIAGNOSTIC(name, code, severity, slug, title) DIAG_##name,
#include "lang/diagnostic.def"
#undef DIAGNOSTIC
    DIAG_COUNT
};

struct diag_info {
    const char *code; /* "H0203" */
    enum severity severity;
    const char *slug;  /* names its example files */
    const char *title; /* one line, no full stop */
};
extern const struct diag_info diag_infos[DIAG_COUNT];

enum { DIAG_LABELS_MAX = 2, DIAGS_MAX = 100 };

struct diag {
    enum diag_code code;
    enum severity severity; /* the row's, or raised / lowered by the caller */
    struct span span;
    const char *message; /* the arena's; control characters already escaped */
    struct {
        struct span span;
        const char *text;
    } labels[DIAG_LABELS_MAX];
    size_t label_count;
    const char *here; /* words under the caret, or NULL */
    const char *help; /* one suggestion, or NULL */
    struct diag_list *list;
    struct diag *next;
};

/* Reports of one compilation, in the order they were added; at most DIAGS_MAX are kept, all
 * counted. */
struct diag_list {
    struct arena *arena;
    const struct sources *sources;
    struct diag *first;
    struct diag **last;
    size_t kept;
    size_t errors;
    size_t warnings;
};

void diag_list_init(struct diag_list *list, struct arena *arena, const struct sources *sources);

/* Never NULL: past DIAGS_MAX, and for a second report of the same code at the same place, the
 * result is a report that is not in the list. */
struct diag *diag_add(struct diag_list *list, enum diag_code code, struct span span,
                      const char *fmt, ...) PRINTF_LIKE(4, 5);
struct diag *diag_label(struct diag *diag, struct span span, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
struct diag *diag_here(struct diag *diag, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct diag *diag_help(struct diag *diag, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Changes an error to a warning (a finding that rests on a name only, in a policy that only
 * notifies). */
void diag_lower(struct diag *diag);

enum diag_format { DIAG_FULL, DIAG_CONCISE, DIAG_JSON };

/* Sorted by place. full: source line with carets; concise: path:line:column: error[H0203]: words;
 * json: one object a line, "schema": "heal.diag/1". */
void diag_print(const struct diag_list *list, enum diag_format format, bool color, FILE *out);

/* The code "H0203" (any case); DIAG_COUNT when there is none. */
enum diag_code diag_code_find(const char *code);

/* The page of `healc explain`, as Markdown; never NULL. Made at build time from docs/diagnostics.
 */
const char *diag_page(enum diag_code code);

#endif
