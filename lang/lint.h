/* Opinions about policies that are not wrong: one lint a function, its row in diagnostic.def
 * (H10..). */
#ifndef HEAL_LANG_LINT_H
#define HEAL_LANG_LINT_H

#include "lang/ast.h"
#include "lang/diagnostic.h"

/* Runs every lint over a checked program. today: for waivers that expire. */
void lint_program(const struct program *program, struct diag_list *diags, struct instant today);

#endif
