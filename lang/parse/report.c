/* Words for a syntax error: what was found, what could stand there, what is likely meant. */
#include "lang/parse/report.h"

#include <string.h>

#include "lang/parse/keyword.h"
#include "lang/parse/token.h"
#include "lang/parser.h"

enum { EXPECTED_SHOWN_MAX = 5 };

void parser_stop(struct parser *parser, struct span span, const char *what, long limit)
{
    if (!parser->stopped) {
        diag_add(parser->diags, DIAG_TOO_LARGE, span, "more than %ld %s", limit, what);
    }
    parser->stopped = true;
    parser->closing = 0;
}

static bool symbols_have(const char *const *symbols, size_t count, const char *symbol)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(symbols[i], symbol) == 0) {
            return true;
        }
    }
    return false;
}

static bool symbol_is_group(const char *symbol)
{
    return strncmp(symbol, "a ", 2) == 0 || strncmp(symbol, "an ", 3) == 0;
}

/* Many symbols become one: where an expression or a name fits, its parts are not listed. */
static const char *expected_words(struct parser *parser, const char *const *expected, size_t count)
{
    const char *words = "";
    size_t shown = 0;
    bool name = symbols_have(expected, count, "a name");
    bool expression =
        name && symbols_have(expected, count, "a number") && symbols_have(expected, count, "'('");
    if (expression || name) {
        const char *close = symbols_have(expected, count, "')'") ? " or ')'" : "";
        return arena_printf(parser->arena, ", expected %s%s",
                            expression ? "an expression" : "a name", close);
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(expected[i], "a clause of later versions") == 0 ||
            strcmp(expected[i], "end of file") == 0) {
            continue;
        }
        if (++shown > EXPECTED_SHOWN_MAX) {
            return symbols_have(expected, count, "'}'") ? ", expected a clause or '}'" : "";
        }
        bool quoted = symbol_is_group(expected[i]) || expected[i][0] == '\'';
        const char *quote = quoted ? "" : "'";
        words = arena_printf(parser->arena, "%s%s%s%s%s", words,
                             shown == 1 ? ", expected " : " or ", quote, expected[i], quote);
    }
    return words;
}

static void report_help(struct parser *parser, struct diag *diag, const char *found,
                        const char *const *expected, size_t count)
{
    bool item = parser->block_count == 0 && symbols_have(expected, count, "policy");
    bool clause = parser->block_count > 0 && symbols_have(expected, count, "'}'");
    const char *near = item     ? keyword_near(found, KEYWORD_OPENS_ITEM)
                       : clause ? keyword_near(found, KEYWORD_OPENS_CLAUSE)
                                : NULL;
    if (near && strcmp(near, found) != 0) {
        diag_help(diag, "did you mean '%s'?", near);
    } else if (parser->previous_token == POLICY_PERCENT) {
        diag_help(diag, "for a remainder put a blank before the %%");
    } else if (strcmp(found, "=") == 0 && symbols_have(expected, count, "==")) {
        diag_help(diag, "to compare, write ==");
    } else if (strcmp(found, "{") == 0 && parser->previous_token == K_INF_NAN) {
        diag_help(diag, "Inf and NaN are numbers, never metrics");
    }
}

void report_syntax(struct parser *parser, struct span span, const char *const *expected,
                   size_t count)
{
    if (parser->stopped) {
        return;
    }
    size_t at = span.start - parser->source->base;
    size_t length = span.end - span.start;
    const char *text = parser->source->text + at;
    const char *words = expected_words(parser, expected, count);
    if (parser->last_token == 0) {
        diag_add(parser->diags, DIAG_SYNTAX, span, "the text ends too early%s", words);
        return;
    }
    const char *found = arena_strndup(parser->arena, text, length < 40 ? length : 40);
    struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, span, "unexpected '%s'%s%s", found,
                                 length < 40 ? "" : "...", words);
    report_help(parser, diag, found, expected, count);
    token_recover(parser);
}
