/* Constants of templates: numbers and quoted strings as Go spells them. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template_internal.h"

enum { NUMBER_BYTES_MAX = 400 };

/* Without the underscores; false when it is too long or one stands where none may. */
static bool number_clean(const char *text, size_t length, char *ret)
{
    size_t n = 0;
    if (length == 0 || length >= NUMBER_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '_') {
            ret[n++] = text[i];
        } else if (i == 0 || i + 1 == length || !isalnum((unsigned char)text[i - 1]) ||
                   !isalnum((unsigned char)text[i + 1])) {
            return false;
        }
    }
    ret[n] = '\0';
    return true;
}

/* 12, 0x1f, 0o17, 017, 0b11, with a sign. */
static bool number_integer(const char *text, int64_t *ret)
{
    bool minus = text[0] == '-';
    text += text[0] == '-' || text[0] == '+';
    int base = 10;
    if (text[0] == '0' && text[1] != '\0') {
        char letter = (char)tolower((unsigned char)text[1]);
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        text += letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1;
    }
    char *end;
    if (!isxdigit((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    unsigned long long n = strtoull(text, &end, base);
    if (*end != '\0' || errno != 0 || n > (unsigned long long)INT64_MAX + minus) {
        return false;
    }
    *ret = minus ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

static bool number_real(const char *text, double *ret)
{
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    char *end;
    if (!isdigit((unsigned char)digits[0]) && digits[0] != '.') {
        return false;
    }
    bool hex = digits[0] == '0' && tolower((unsigned char)digits[1]) == 'x';
    if (hex && strpbrk(digits, "pP") == NULL) {
        return false;
    }
    *ret = strtod(text, &end);
    return *end == '\0' && end > text && !isinf(*ret);
}

bool template_number_read(const char *text, size_t length, struct template_number *ret)
{
    char clean[NUMBER_BYTES_MAX];
    *ret = (struct template_number){0};
    if (!number_clean(text, length, clean)) {
        return false;
    }
    bool hex = strpbrk(clean, "xX") != NULL;
    if (number_integer(clean, &ret->integer)) {
        ret->is_int = ret->is_float = true;
        ret->real = (double)ret->integer;
        return true;
    }
    if (!number_real(clean, &ret->real)) {
        return false;
    }
    ret->is_float = true;
    ret->as_float = hex ? strpbrk(clean, "pP") != NULL : strpbrk(clean, ".eE") != NULL;
    if (!ret->as_float) {
        return false; /* an integer that is too large */
    }
    if (ret->real >= -9223372036854775808.0 && ret->real < 9223372036854775808.0 &&
        ret->real == trunc(ret->real)) {
        ret->is_int = true;
        ret->integer = (int64_t)ret->real;
    }
    return true;
}

/* count digits of a base at text; false where they are not. */
static bool escape_digits(const char *text, size_t length, size_t count, int base, uint32_t *ret)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t code = 0;
    if (length < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *digit = text[i] ? strchr(digits, tolower((unsigned char)text[i])) : NULL;
        if (digit == NULL || digit - digits >= base) {
            return false;
        }
        code = code * (uint32_t)base + (uint32_t)(digit - digits);
    }
    *ret = code;
    return true;
}

/* One escape behind its backslash; how many bytes of text it took, 0 when it is wrong. */
static size_t escape_read(const char *text, size_t length, char quote, struct template_out *out)
{
    static const char letters[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
    const char *letter = length && text[0] ? strchr(letters, text[0]) : NULL;
    uint32_t code;
    if (letter) {
        template_out_char(out, values[letter - letters]);
        return 1;
    }
    if (length && text[0] == quote) {
        template_out_char(out, quote);
        return 1;
    }
    if (escape_digits(text, length, 3, 8, &code) && code < 256) {
        template_out_char(out, (char)code);
        return 3;
    }
    if (length && text[0] == 'x' && escape_digits(text + 1, length - 1, 2, 16, &code)) {
        template_out_char(out, (char)code);
        return 3;
    }
    size_t digits = length && text[0] == 'u' ? 4 : length && text[0] == 'U' ? 8 : 0;
    if (digits && escape_digits(text + 1, length - 1, digits, 16, &code) && code <= 0x10FFFF &&
        (code < 0xD800 || code > 0xDFFF)) {
        template_out_rune(out, code);
        return digits + 1;
    }
    return 0;
}

bool template_unquote(struct arena *arena, struct template_text quoted, struct template_text *ret)
{
    struct template_out out = {0};
    char quote = quoted.bytes[0];
    bool good = true;
    for (size_t i = 1; good && i + 1 < quoted.length;) {
        if (quote != '`' && quoted.bytes[i] == '\\') {
            size_t used = escape_read(quoted.bytes + i + 1, quoted.length - i - 2, quote, &out);
            good = used > 0;
            i += used + 1;
        } else {
            if (quote != '`' || quoted.bytes[i] != '\r') {
                template_out_char(&out, quoted.bytes[i]);
            }
            i++;
        }
    }
    *ret = (struct template_text){arena_strndup(arena, out.bytes ? out.bytes : "", out.length),
                                  out.length};
    free(out.bytes);
    return good && !out.full;
}
