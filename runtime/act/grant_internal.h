/* What the checks of a grant share with the filling in of its templates. */
#ifndef HEAL_RUNTIME_ACT_GRANT_INTERNAL_H
#define HEAL_RUNTIME_ACT_GRANT_INTERNAL_H

#include "runtime/act/grant.h"

/* Letters, digits and _, not beginning with a digit. */
bool grant_is_word(const char *text, size_t length);

#endif
