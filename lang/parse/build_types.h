/* Types of the grammar's values that are not in the tree. */
#ifndef HEAL_LANG_PARSE_BUILD_TYPES_H
#define HEAL_LANG_PARSE_BUILD_TYPES_H

#include "lang/parse/parse.h"

struct grouping { /* by (...) or without (...) */
    bool without;
    struct name_list *labels;
};

#endif
