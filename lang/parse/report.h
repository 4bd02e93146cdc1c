/* Words for a syntax error. */
#ifndef HEAL_LANG_PARSE_REPORT_H
#define HEAL_LANG_PARSE_REPORT_H

#include "lang/parse/parse.h"

/* Reports the token at span, of which the grammar expected one of the named symbols, and starts
 * the recovery. */
void report_syntax(struct parser *parser, struct span span, const char *const *expected,
                   size_t count);

#endif
