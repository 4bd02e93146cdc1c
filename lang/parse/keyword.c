/* The table of words. */
#include "lang/parse/keyword.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lang/parse/parse.h"
#include "lang/parse/policy_grammar.h"

static const struct keyword keywords[] = {
#define KEYWORD(token, text, use, opens) {K_##token, text, KEYWORD_##use, KEYWORD_OPENS_##opens},
#include "lang/parse/keyword.def"
#undef KEYWORD
};

const struct keyword *keyword_find(const char *text, size_t length)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        const struct keyword *k = &keywords[i];
        bool any_case = k->use == KEYWORD_PROMQL || k->use == KEYWORD_PROMQL_NAME;
        if (tolower((unsigned char)text[0]) == k->text[0] && strlen(k->text) == length &&
            (any_case ? strncasecmp(k->text, text, length) : memcmp(k->text, text, length)) == 0) {
            return k;
        }
    }
    return NULL;
}

const char *keyword_near(const char *text, enum keyword_opens opens)
{
    const char *near = NULL;
    unsigned best = strlen(text) > 4 ? 3 : 2;
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        unsigned distance = edit_distance(text, keywords[i].text);
        if (keywords[i].opens == opens && distance < best) {
            best = distance;
            near = keywords[i].text;
        }
    }
    return near;
}

bool keyword_is_bare_label(const char *text)
{
    size_t n = 0;
    while (text[n] && (isalnum((unsigned char)text[n]) || text[n] == '_')) {
        n++;
    }
    return n > 0 && text[n] == '\0' && !isdigit((unsigned char)text[0]);
}

bool keyword_is_bare_metric(const char *text)
{
    size_t n = 0;
    while (text[n] && (isalnum((unsigned char)text[n]) || text[n] == '_' || text[n] == ':')) {
        n++;
    }
    if (n == 0 || text[n] != '\0' || isdigit((unsigned char)text[0]) || text[n - 1] == ':') {
        return false;
    }
    const struct keyword *keyword = keyword_find(text, n);
    return !keyword || (keyword->use != KEYWORD_RESERVED && keyword->use != KEYWORD_PROMQL);
}
