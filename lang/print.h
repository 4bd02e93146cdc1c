/* The one formatter: `healc fmt`, messages that quote code, and round-trip tests. */
#ifndef HEAL_LANG_PRINT_H
#define HEAL_LANG_PRINT_H

#include "lang/ast.h"

/* Canonical text of a whole file with its comments; the arena's. */
char *print_file(struct arena *arena, const struct file *file);
/* Canonical text of one expression on one line; the arena's. */
char *print_expr(struct arena *arena, const struct expr *expr);
/* Canonical text of a policy without comments (what its hash is over). */
char *print_policy(struct arena *arena, const struct policy *policy);
char *print_act_call(struct arena *arena, const struct act_call *call);

#endif
