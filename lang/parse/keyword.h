/* The words with a meaning, and what each may still be used for. */
#ifndef HEAL_LANG_PARSE_KEYWORD_H
#define HEAL_LANG_PARSE_KEYWORD_H

#include "lang/base.h"

enum keyword_use {
    KEYWORD_RESERVED,
    KEYWORD_CONTEXT,
    KEYWORD_PROMQL,
    KEYWORD_PROMQL_NAME,
    KEYWORD_REFUSED
};
enum keyword_opens { KEYWORD_OPENS_NOTHING, KEYWORD_OPENS_ITEM, KEYWORD_OPENS_CLAUSE };

struct keyword {
    int token; /* of the grammar */
    const char *text;
    enum keyword_use use;
    enum keyword_opens opens;
};

/* NULL when text[length] is a plain name. */
const struct keyword *keyword_find(const char *text, size_t length);
/* The nearest word that opens an item (or a clause), for "did you mean"; NULL when none is near. */
const char *keyword_near(const char *text, enum keyword_opens opens);
/* True when text can be written as a metric without braces and quotes. */
bool keyword_is_bare_metric(const char *text);
/* True when text is a label that needs no quotes. */
bool keyword_is_bare_label(const char *text);

#endif
