/* Cuts a template into tokens, as text/template does. Spaces inside of actions are tokens: they
 * separate arguments. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template_internal.h"

struct lexer {
    const char *text;
    size_t length, at;
    unsigned parens;
    struct template_tokens *tokens;
    struct error *error;
};

enum status template_fail(struct error *error, const char *text, size_t at, const char *fmt, ...)
{
    char words[sizeof((struct error *)NULL)->message - 64];
    va_list args;
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    return error_set(error, STATUS_PROTOCOL, "line %zu column %zu: %s", line, at - start + 1,
                     words);
}

static void emit(struct lexer *lexer, enum template_token_kind kind, size_t at, size_t length)
{
    struct template_tokens *tokens = lexer->tokens;
    ARRAY_RESERVE(tokens->items, tokens->count, tokens->capacity);
    tokens->items[tokens->count++] = (struct template_token){kind, (uint32_t)at, (uint32_t)length};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Bytes of UTF-8 are letters: a field may be named so. */
static bool is_word(char c)
{
    return c == '_' || isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool starts(const struct lexer *lexer, const char *what)
{
    return strncmp(lexer->text + lexer->at, what, strlen(what)) == 0;
}

/* }} or " -}}"; how long it is in ret_length. */
static bool at_close(const struct lexer *lexer, size_t *ret_length, bool *ret_trim)
{
    *ret_trim =
        is_space(lexer->text[lexer->at]) && strncmp(lexer->text + lexer->at + 1, "-}}", 3) == 0;
    *ret_length = *ret_trim ? 4 : 2;
    return *ret_trim || starts(lexer, "}}");
}

static void close_action(struct lexer *lexer, size_t length, bool trim)
{
    emit(lexer, TOKEN_CLOSE, lexer->at + length - 2, 2);
    lexer->at += length;
    while (trim && is_space(lexer->text[lexer->at])) {
        lexer->at++;
    }
}

static const struct {
    const char *word;
    enum template_token_kind kind;
} words[] = {{"true", TOKEN_BOOL},     {"false", TOKEN_BOOL},  {"nil", TOKEN_NIL},
             {"block", TOKEN_BLOCK},   {"break", TOKEN_BREAK}, {"continue", TOKEN_CONTINUE},
             {"define", TOKEN_DEFINE}, {"else", TOKEN_ELSE},   {"end", TOKEN_END},
             {"if", TOKEN_IF},         {"range", TOKEN_RANGE}, {"template", TOKEN_TEMPLATE},
             {"with", TOKEN_WITH}};

static enum template_token_kind word_kind(const char *text, size_t length)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strlen(words[i].word) == length && memcmp(words[i].word, text, length) == 0) {
            return words[i].kind;
        }
    }
    return TOKEN_IDENTIFIER;
}

/* What may stand right behind a word. */
static bool at_terminator(const struct lexer *lexer)
{
    char c = lexer->text[lexer->at];
    return c == '\0' || is_space(c) || strchr(".,|:)(", c) != NULL || starts(lexer, "}}");
}

static enum status lex_word(struct lexer *lexer, enum template_token_kind kind, size_t from)
{
    while (is_word(lexer->text[lexer->at])) {
        lexer->at++;
    }
    if (!at_terminator(lexer)) {
        return template_fail(lexer->error, lexer->text, lexer->at, "bad character '%c'",
                             lexer->text[lexer->at]);
    }
    size_t length = lexer->at - from;
    if (kind == TOKEN_IDENTIFIER) {
        kind = word_kind(lexer->text + from, length);
    } else if (kind == TOKEN_FIELD && length == 1) {
        kind = TOKEN_DOT;
    }
    emit(lexer, kind, from, length);
    return STATUS_OK;
}

static void lex_digits(struct lexer *lexer, const char *digits)
{
    while (lexer->text[lexer->at] && strchr(digits, lexer->text[lexer->at])) {
        lexer->at++;
    }
}

static enum status lex_number(struct lexer *lexer)
{
    size_t from = lexer->at;
    const char *digits = "0123456789_", *text = lexer->text;
    lexer->at += text[from] == '+' || text[from] == '-';
    if (text[lexer->at] == '0') {
        char base = (char)tolower((unsigned char)text[++lexer->at]);
        digits = base == 'x'   ? "0123456789abcdefABCDEF_"
                 : base == 'o' ? "01234567_"
                 : base == 'b' ? "01_"
                               : digits;
        lexer->at += base == 'x' || base == 'o' || base == 'b';
    }
    lex_digits(lexer, digits);
    if (text[lexer->at] == '.') {
        lexer->at++;
        lex_digits(lexer, digits);
    }
    char e = (char)tolower((unsigned char)text[lexer->at]);
    if ((strlen(digits) == 11 && e == 'e') || (strlen(digits) == 23 && e == 'p')) {
        lexer->at++;
        lexer->at += text[lexer->at] == '+' || text[lexer->at] == '-';
        lex_digits(lexer, "0123456789_");
    }
    if (is_word(text[lexer->at])) {
        return template_fail(lexer->error, text, from, "bad number syntax: \"%.*s\"",
                             (int)(lexer->at - from + 1), text + from);
    }
    emit(lexer, TOKEN_NUMBER, from, lexer->at - from);
    return STATUS_OK;
}

static enum status lex_quoted(struct lexer *lexer, char quote, enum template_token_kind kind)
{
    size_t from = lexer->at++;
    while (lexer->text[lexer->at] && lexer->text[lexer->at] != quote) {
        bool escape = quote != '`' && lexer->text[lexer->at] == '\\';
        if (quote != '`' && lexer->text[lexer->at] == '\n') {
            break;
        }
        lexer->at++;
        lexer->at += escape && lexer->text[lexer->at] && lexer->text[lexer->at] != '\n';
    }
    if (lexer->text[lexer->at] != quote) {
        return template_fail(lexer->error, lexer->text, from, "unterminated %s",
                             quote == '`'    ? "raw quoted string"
                             : quote == '\'' ? "character constant"
                                             : "quoted string");
    }
    lexer->at++;
    emit(lexer, kind, from, lexer->at - from);
    return STATUS_OK;
}

static void lex_space(struct lexer *lexer)
{
    size_t from = lexer->at, length;
    bool trim;
    while (is_space(lexer->text[lexer->at]) && !(at_close(lexer, &length, &trim) && trim)) {
        lexer->at++;
    }
    if (lexer->at > from) {
        emit(lexer, TOKEN_SPACE, from, lexer->at - from);
    }
}

static enum status lex_paren(struct lexer *lexer, char c)
{
    if (c == ')' && lexer->parens == 0) {
        return template_fail(lexer->error, lexer->text, lexer->at, "unexpected right parenthesis");
    }
    if (c == '(' && lexer->parens >= TEMPLATE_NEST_MAX) {
        return template_fail(lexer->error, lexer->text, lexer->at,
                             "more than %d parentheses inside each other", TEMPLATE_NEST_MAX);
    }
    lexer->parens += c == '(' ? 1 : -1U;
    emit(lexer, c == '(' ? TOKEN_LEFT : TOKEN_RIGHT, lexer->at++, 1);
    return STATUS_OK;
}

static enum status lex_sign(struct lexer *lexer, char c)
{
    size_t at = lexer->at;
    if (c == '=' || c == '|') {
        emit(lexer, c == '=' ? TOKEN_ASSIGN : TOKEN_PIPE, lexer->at++, 1);
    } else if (c == ':' && lexer->text[at + 1] == '=') {
        emit(lexer, TOKEN_DECLARE, at, 2);
        lexer->at += 2;
    } else if (c == ':') {
        return template_fail(lexer->error, lexer->text, at, "expected :=");
    } else if (isprint((unsigned char)c) && (unsigned char)c < 0x80) {
        emit(lexer, TOKEN_CHAR, lexer->at++, 1);
    } else {
        uint32_t rune;
        template_rune(lexer->text + at, lexer->length - at, &rune);
        return template_fail(lexer->error, lexer->text, at,
                             "unrecognized character in action: U+%04X", rune);
    }
    return STATUS_OK;
}

/* Runes that are no letters, as far as they are likely to be pasted: blanks. */
static bool at_foreign_blank(const struct lexer *lexer)
{
    uint32_t rune;
    template_rune(lexer->text + lexer->at, lexer->length - lexer->at, &rune);
    return rune == 0xA0 || (rune >= 0x2000 && rune <= 0x206F) || rune == 0x3000 || rune == 0xFEFF ||
           rune == 0xFFFD;
}

static enum status lex_inside(struct lexer *lexer)
{
    char c = lexer->text[lexer->at], after = lexer->text[lexer->at + (c != '\0')];
    size_t from = lexer->at;
    if (is_space(c)) {
        lex_space(lexer);
        return STATUS_OK;
    }
    if (c == '"' || c == '`' || c == '\'') {
        return lex_quoted(lexer, c,
                          c == '"'   ? TOKEN_STRING
                          : c == '`' ? TOKEN_RAW_STRING
                                     : TOKEN_CHARACTER);
    }
    if (c == '+' || c == '-' || isdigit((unsigned char)c) ||
        (c == '.' && isdigit((unsigned char)after))) {
        return lex_number(lexer);
    }
    if (c == '.' || c == '$') {
        lexer->at++;
        return lex_word(lexer, c == '.' ? TOKEN_FIELD : TOKEN_VARIABLE, from);
    }
    if (c == '(' || c == ')') {
        return lex_paren(lexer, c);
    }
    return is_word(c) && !at_foreign_blank(lexer) ? lex_word(lexer, TOKEN_IDENTIFIER, from)
                                                  : lex_sign(lexer, c);
}

static enum status lex_action(struct lexer *lexer)
{
    size_t from = lexer->at, length;
    bool trim;
    lexer->parens = 0;
    while (!at_close(lexer, &length, &trim)) {
        if (lexer->text[lexer->at] == '\0') {
            return template_fail(lexer->error, lexer->text, from, "unclosed action");
        }
        TRY(lex_inside(lexer));
    }
    if (lexer->parens > 0) {
        return template_fail(lexer->error, lexer->text, lexer->at, "unclosed left paren");
    }
    close_action(lexer, length, trim);
    return STATUS_OK;
}

static enum status lex_comment(struct lexer *lexer)
{
    size_t from = lexer->at, length;
    bool trim;
    const char *end = strstr(lexer->text + from + 2, "*/");
    if (end == NULL) {
        return template_fail(lexer->error, lexer->text, from, "unclosed comment");
    }
    lexer->at = (size_t)(end - lexer->text) + 2;
    if (!at_close(lexer, &length, &trim)) {
        return template_fail(lexer->error, lexer->text, from,
                             "comment ends before closing delimiter");
    }
    lexer->at += length;
    while (trim && is_space(lexer->text[lexer->at])) {
        lexer->at++;
    }
    return STATUS_OK;
}

/* The text before the next action, and the action's opening. */
static enum status lex_text(struct lexer *lexer)
{
    const char *open = strstr(lexer->text + lexer->at, "{{");
    size_t end = open ? (size_t)(open - lexer->text) : lexer->length, last = end;
    bool trim = open && open[2] == '-' && is_space(open[3]);
    while (trim && last > lexer->at && is_space(lexer->text[last - 1])) {
        last--;
    }
    if (last > lexer->at) {
        emit(lexer, TOKEN_TEXT, lexer->at, last - lexer->at);
    }
    lexer->at = end;
    if (open == NULL) {
        return STATUS_OK;
    }
    lexer->at += trim ? 4 : 2;
    if (starts(lexer, "/*")) {
        return lex_comment(lexer);
    }
    emit(lexer, TOKEN_OPEN, end, 2);
    return lex_action(lexer);
}

enum status template_lex(const char *text, struct template_tokens *ret, struct error *error)
{
    *ret = (struct template_tokens){.text = text};
    struct lexer lexer = {text, strlen(text), 0, 0, ret, error};
    enum status status = STATUS_OK;
    while (status == STATUS_OK && lexer.at < lexer.length) {
        status = lex_text(&lexer);
    }
    emit(&lexer, TOKEN_EOF, lexer.length, 0);
    return status;
}
