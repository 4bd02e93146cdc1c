/* What numbers and strings mean. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lang/parse/token.h"

/* ---- numbers ---- */

enum { LITERAL_NUMBER_MAX = 400 };

static const struct {
    const char *text;
    enum unit unit;
} duration_units[] = {
    {"y", UNIT_Y}, {"w", UNIT_W}, {"d", UNIT_D},   {"h", UNIT_H},
    {"m", UNIT_M}, {"s", UNIT_S}, {"ms", UNIT_MS},
};

/* Digits, then letters, again and again; -1 when text is no duration, else its rank of the last
 * unit. Wrong order sets ret_ordered to false. */
static int literal_duration(const char *text, size_t length, double *ret_seconds, bool *ret_ordered)
{
    int rank = -1;
    double seconds = 0;
    *ret_ordered = true;
    for (size_t i = 0; i < length;) {
        double n = 0;
        size_t digits = i;
        for (; i < length && isdigit((unsigned char)text[i]); i++) {
            n = n * 10 + (text[i] - '0');
        }
        size_t word = i;
        while (i < length && isalpha((unsigned char)text[i])) {
            i++;
        }
        int found = -1;
        for (int u = 0; u < (int)ARRAY_LEN(duration_units); u++) {
            if (strlen(duration_units[u].text) == i - word &&
                memcmp(duration_units[u].text, text + word, i - word) == 0) {
                found = u;
            }
        }
        if (digits == word || found < 0) {
            return -1;
        }
        *ret_ordered = *ret_ordered && found > rank;
        rank = found;
        seconds += n * unit_infos[duration_units[found].unit].scale;
    }
    *ret_seconds = seconds;
    return rank;
}

static const char *unit_near(const char *text)
{
    const char *near = NULL;
    unsigned best = strlen(text) > 3 ? 3 : 2;
    for (int i = 0; i < UNIT_COUNT_; i++) {
        unsigned distance = edit_distance(text, unit_infos[i].text);
        if (distance < best) {
            best = distance;
            near = unit_infos[i].text;
        }
    }
    return near;
}

static void literal_unknown_unit(struct parser *parser, struct span span, const char *number,
                                 const char *unit)
{
    struct diag *diag = diag_add(parser->diags, DIAG_NUMBER_FORM, span,
                                 "'%s%s': no unit is called '%s'", number, unit, unit);
    const char *near = unit_near(unit);
    if (near) {
        diag_help(diag, "did you mean %s%s?", number, near);
    } else {
        diag_help(diag, "durations are written like 1h30m, quantities like 4GiB or 5usd/h");
    }
}

/* The decimal at the start of text; where it ends. */
static size_t literal_decimal(const char *text, double *ret)
{
    size_t i = 0;
    while (isdigit((unsigned char)text[i]) || text[i] == '.') {
        i++;
    }
    size_t e = i + 1 + (text[i] && (text[i + 1] == '+' || text[i + 1] == '-'));
    if ((text[i] == 'e' || text[i] == 'E') && isdigit((unsigned char)text[e])) {
        for (i = e; isdigit((unsigned char)text[i]); i++) {
        }
    }
    char digits[LITERAL_NUMBER_MAX + 1] = "";
    memcpy(digits, text, i);
    *ret = strtod(digits, NULL);
    return i;
}

static bool literal_is_hex(const char *text)
{
    size_t i = 2;
    if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X') || !text[2]) {
        return false;
    }
    while (isxdigit((unsigned char)text[i])) {
        i++;
    }
    return text[i] == '\0';
}

/* text is "5MiB", "90%", "1h30m", "0x1F" or "7": no slash. */
static int literal_simple(struct parser *parser, const char *text, struct span span,
                          struct quantity *ret)
{
    bool ordered = true;
    if (literal_is_hex(text)) {
        ret->value = strtod(text, NULL);
        return POLICY_NUMBER;
    }
    size_t end = literal_decimal(text, &ret->value);
    if (text[end] == '\0') {
        return POLICY_NUMBER;
    }
    int rank = literal_duration(text, strlen(text), &ret->value, &ordered);
    if (rank >= 0) {
        ret->unit = duration_units[rank].unit;
        if (!ordered) {
            struct diag *diag = diag_add(parser->diags, DIAG_NUMBER_FORM, span,
                                         "the units of '%s' are not in order", text);
            diag_help(diag, "write the larger unit first, each once: y w d h m s ms");
        } else if (ret->value > 9.2e9) {
            diag_add(parser->diags, DIAG_TOO_LARGE, span, "'%s' is longer than 292 years", text);
        }
        return POLICY_DURATION;
    }
    const char *word = text + end;
    ret->unit = unit_find(word, strlen(word));
    bool duration = false;
    for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
        duration = duration || strcmp(duration_units[i].text, word) == 0;
    }
    if (ret->unit == UNIT_NONE) {
        literal_unknown_unit(parser, span, arena_strndup(parser->arena, text, end), word);
    } else if (duration) {
        struct diag *diag = diag_add(parser->diags, DIAG_NUMBER_FORM, span,
                                     "'%s': the parts of a duration are whole numbers", text);
        diag_help(diag, "use a smaller unit, such as 1h30m for one hour and a half");
    } else {
        ret->value *= unit_infos[ret->unit].scale;
    }
    return ret->unit == UNIT_PERCENT ? POLICY_PERCENT : POLICY_QUANTITY;
}

int literal_number(struct parser *parser, const char *text, size_t length, struct span span,
                   struct quantity *ret, size_t *ret_used)
{
    *ret = (struct quantity){.unit = UNIT_NONE, .per = UNIT_NONE};
    const char *slash = memchr(text, '/', length);
    *ret_used = length;
    if (length > LITERAL_NUMBER_MAX) {
        diag_add(parser->diags, DIAG_TOO_LARGE, span,
                 "a number of %zu characters; at most %d are read", length, LITERAL_NUMBER_MAX);
        ret->text = "0";
        return POLICY_NUMBER;
    }
    if (slash) {
        size_t after = (size_t)(slash - text) + 1;
        const char *follow = parser->source->text + (span.end - parser->source->base);
        ret->per = unit_find(slash + 1, length - after);
        if (ret->per == UNIT_NONE || *follow == '(' || *follow == '{' || *follow == '[' ||
            literal_is_hex(arena_strndup(parser->arena, text, after - 1))) {
            ret->per = UNIT_NONE;
            *ret_used = after - 1;
        }
    }
    size_t simple = slash ? (size_t)(slash - text) : length;
    span.end = span.start + (uint32_t)*ret_used;
    int kind = literal_simple(parser, arena_strndup(parser->arena, text, simple), span, ret);
    ret->text = arena_strndup(parser->arena, text, *ret_used);
    if (ret->per != UNIT_NONE) {
        if (kind == POLICY_NUMBER) { /* 1e5/h: a division after all */
            ret->per = UNIT_NONE;
            *ret_used = simple;
            ret->text = arena_strndup(parser->arena, text, simple);
            return kind;
        }
        ret->value /= unit_infos[ret->per].scale;
        kind = POLICY_QUANTITY;
    }
    return kind;
}

/* ---- strings ---- */

struct unescape {
    struct parser *parser;
    const char *text; /* between the quotes */
    size_t length, at;
    struct span span; /* of the whole string */
    char quote;
    char *out;
};

static void unescape_error(struct unescape *u, size_t from, const char *why)
{
    uint32_t start = u->span.start + 1 + (uint32_t)from;
    struct span place = {start, u->span.start + 1 + (uint32_t)u->at};
    struct diag *diag = diag_add(u->parser->diags, DIAG_STRING_ESCAPE, place, "%s", why);
    diag_help(diag, "escapes are \\a \\b \\f \\n \\r \\t \\v \\\\ \\' \\\" \\101 \\x41 \\u0041 "
                    "\\U00000041; between backquotes nothing is escaped");
}

static void unescape_rune(struct unescape *u, uint32_t c)
{
    if (c < 0x80) {
        *u->out++ = (char)c;
    } else if (c < 0x800) {
        *u->out++ = (char)(0xC0 | (c >> 6));
        *u->out++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *u->out++ = (char)(0xE0 | (c >> 12));
        *u->out++ = (char)(0x80 | ((c >> 6) & 0x3F));
        *u->out++ = (char)(0x80 | (c & 0x3F));
    } else {
        *u->out++ = (char)(0xF0 | (c >> 18));
        *u->out++ = (char)(0x80 | ((c >> 12) & 0x3F));
        *u->out++ = (char)(0x80 | ((c >> 6) & 0x3F));
        *u->out++ = (char)(0x80 | (c & 0x3F));
    }
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 99;
}

/* count digits of a base; false after a report. */
static bool unescape_code(struct unescape *u, size_t from, int count, int base, uint32_t *ret)
{
    uint32_t code = 0;
    for (int i = 0; i < count; i++) {
        if (u->at >= u->length || digit_of(u->text[u->at]) >= base) {
            unescape_error(u, from, "an escape with too few digits");
            return false;
        }
        code = code * (uint32_t)base + (uint32_t)digit_of(u->text[u->at++]);
    }
    *ret = code;
    return true;
}

static void unescape_number(struct unescape *u, size_t from, char c)
{
    uint32_t code = 0;
    bool octal = c >= '0' && c <= '7';
    int count = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : 8;
    if (octal) {
        u->at--;
    }
    if (!unescape_code(u, from, count, octal ? 8 : 16, &code)) {
        return;
    }
    bool rune = c == 'u' || c == 'U';
    if (code == 0) {
        unescape_error(u, from, "a string cannot hold a NUL byte");
    } else if ((octal && code > 255) ||
               (rune && (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)))) {
        unescape_error(u, from, "an escape that is no character");
    } else if (rune) {
        unescape_rune(u, code);
    } else {
        *u->out++ = (char)code;
    }
}

static void unescape_one(struct unescape *u)
{
    static const char letters[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
    size_t from = u->at++;
    char c = u->at < u->length ? u->text[u->at] : '\0';
    u->at += u->at < u->length;
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        *u->out++ = values[letter - letters];
    } else if (c == u->quote) {
        *u->out++ = c;
    } else if ((c >= '0' && c <= '7') || c == 'x' || c == 'u' || c == 'U') {
        unescape_number(u, from, c);
    } else {
        unescape_error(u, from, "strings have no such escape");
    }
}

const char *literal_string(struct parser *parser, const char *text, size_t length, struct span span)
{
    char *value = arena_alloc(parser->arena, length + 1);
    struct unescape u = {.parser = parser,
                         .text = text + 1,
                         .length = length - 2,
                         .span = span,
                         .quote = text[0],
                         .out = value};
    while (u.at < u.length) {
        if (text[0] != '`' && u.text[u.at] == '\\') {
            unescape_one(&u);
        } else if (text[0] == '`' && u.text[u.at] == '\r') {
            u.at++; /* as in Go */
        } else {
            *u.out++ = u.text[u.at++];
        }
    }
    *u.out = '\0';
    return value;
}
