/* What heal says about rules that are imported: whether their templates parse and their statements
 * pass its checks. */
#ifndef HEAL_COMPILER_HEALC_RULES_CHECK_H
#define HEAL_COMPILER_HEALC_RULES_CHECK_H

#include <stdbool.h>
#include <stddef.h>

bool rules_check_template(const char *text, char *why, size_t size);
/* A channel and one policy or signal. */
bool rules_check_statement(const char *text, char *why, size_t size);

#endif
