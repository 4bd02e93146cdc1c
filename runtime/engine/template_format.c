/* Go's fmt: what Print prints of a value, and Printf with its verbs and flags. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template_internal.h"

enum {
    FORMAT_WIDTH_MAX = 1000, /* of a field, and digits behind the point */
    FORMAT_FLOAT_BYTES = 310 + FORMAT_WIDTH_MAX + 16
};

struct format {
    bool plus, minus, sharp, space, zero, has_width, has_precision;
    int width, precision;
};

/* ---- quoting ---- */

static bool rune_is_graphic(uint32_t rune)
{
    return !(rune < 0x20 || (rune >= 0x7F && rune <= 0xA0) || rune == 0xAD ||
             (rune >= 0x2000 && rune <= 0x200F) || (rune >= 0x2028 && rune <= 0x202F) ||
             (rune >= 0x205F && rune <= 0x206F) || rune == 0x3000 ||
             (rune >= 0xD800 && rune <= 0xF8FF) || rune == 0xFEFF ||
             (rune >= 0xFFF0 && rune <= 0xFFFB) || rune >= 0xE0000);
}

static void out_quoted_rune(struct template_out *out, uint32_t rune, char quote)
{
    static const char letters[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    const char *letter = rune > 0 && rune < 0x20 ? strchr(values, (int)rune) : NULL;
    if (rune == (uint32_t)quote || rune == '\\') {
        template_out_printf(out, "\\%c", (int)rune);
    } else if (letter) {
        template_out_printf(out, "\\%c", letters[letter - values]);
    } else if (rune_is_graphic(rune)) {
        template_out_rune(out, rune);
    } else if (rune < 0x80) {
        template_out_printf(out, "\\x%02x", rune);
    } else {
        template_out_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
    }
}

void template_out_quoted(struct template_out *out, struct template_text text)
{
    template_out_char(out, '"');
    for (size_t i = 0; i < text.length;) {
        uint32_t rune;
        size_t used = template_rune(text.bytes + i, text.length - i, &rune);
        if (used == 1 && (unsigned char)text.bytes[i] >= 0x80) {
            template_out_printf(out, "\\x%02x", (unsigned char)text.bytes[i]);
        } else {
            out_quoted_rune(out, rune, '"');
        }
        i += used;
    }
    template_out_char(out, '"');
}

/* ---- padding ---- */

static size_t rune_count(const char *text, size_t length)
{
    size_t count = 0;
    uint32_t rune;
    for (size_t i = 0; i < length; count++) {
        i += template_rune(text + i, length - i, &rune);
    }
    return count;
}

static void out_padded(struct template_out *out, const struct format *format, const char *text,
                       size_t length, bool zeros)
{
    size_t count = rune_count(text, length), width = (size_t)format->width;
    size_t fill = format->has_width && width > count ? width - count : 0;
    bool sign = zeros && length > 0 && (text[0] == '-' || text[0] == '+' || text[0] == ' ');
    if (sign && fill > 0) {
        template_out_char(out, text[0]);
        text++;
        length--;
    }
    for (size_t i = 0; i < fill && !format->minus; i++) {
        template_out_char(out, zeros ? '0' : ' ');
    }
    template_out_add(out, text, length);
    for (size_t i = 0; i < fill && format->minus; i++) {
        template_out_char(out, ' ');
    }
}

/* ---- numbers ---- */

/* The fewest digits that read back as the same number, by C's %e. */
static int shortest_digits(double real)
{
    char text[40];
    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, real);
        if (strtod(text, NULL) == real) {
            return digits;
        }
    }
    return 17;
}

static int exponent_of(double real, int digits)
{
    char text[40];
    snprintf(text, sizeof text, "%.*e", digits - 1, real);
    return (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

/* A finite number without its sign; precision -1 is the shortest. */
static void print_finite(char *ret, size_t size, double real, char verb, int precision, bool sharp)
{
    char lower = verb == 'F' ? 'f' : verb;
    if (precision >= 0) {
        snprintf(ret, size,
                 lower == 'e'   ? (sharp ? "%#.*e" : "%.*e")
                 : lower == 'E' ? (sharp ? "%#.*E" : "%.*E")
                 : lower == 'f' ? (sharp ? "%#.*f" : "%.*f")
                 : lower == 'G' ? (sharp ? "%#.*G" : "%.*G")
                                : (sharp ? "%#.*g" : "%.*g"),
                 precision, real);
        return;
    }
    /* As Go's shortest 'g': %e from a million on. */
    int digits = real == 0 ? 1 : shortest_digits(real);
    int exponent = real == 0 ? 0 : exponent_of(real, digits);
    if (exponent < -4 || exponent >= 6) {
        snprintf(ret, size, lower == 'G' ? "%.*E" : "%.*e", digits - 1, real);
    } else {
        snprintf(ret, size, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, real);
    }
}

/* 0x1.8p+01: C's %a with an exponent of two digits, and a one before the point for small numbers
 * too. */
static void print_hex(char *ret, size_t size, double real, char verb, int precision)
{
    enum { LIFT = 200 };
    char text[64 + FORMAT_WIDTH_MAX];
    bool lifted = fpclassify(real) == FP_SUBNORMAL;
    real = lifted ? ldexp(real, LIFT) : real;
    if (precision >= 0) {
        snprintf(text, sizeof text, verb == 'x' ? "%.*a" : "%.*A", precision, real);
    } else {
        snprintf(text, sizeof text, verb == 'x' ? "%a" : "%A", real);
    }
    char *mark = strchr(text, verb == 'x' ? 'p' : 'P');
    long exponent = strtol(mark + 1, NULL, 10) - (lifted ? LIFT : 0);
    mark[1] = '\0';
    snprintf(ret, size, "%s%c%02ld", text, exponent < 0 ? '-' : '+', labs(exponent));
}

/* %#g of the shortest digits: zeros up to six of them, and always a point. */
static void print_sharp(char *ret, size_t size, double real, char verb)
{
    char text[64];
    print_finite(text, sizeof text, real, verb, -1, false);
    size_t end = strcspn(text, "eE"), digits = 0;
    for (size_t i = 0; i < end; i++) {
        digits += text[i] != '.' && (digits > 0 || text[i] != '0' || real == 0);
    }
    snprintf(ret, size, "%.*s%s%.*s%s", (int)end, text, memchr(text, '.', end) ? "" : ".",
             digits < 6 ? (int)(6 - digits) : 0, "000000", text + end);
}

static void out_float(struct template_out *out, const struct format *format, double real, char verb)
{
    char text[FORMAT_FLOAT_BYTES], *digits = text + 1;
    int precision = format->has_precision ? format->precision
                    : verb == 'v' || verb == 'g' || verb == 'G' || verb == 'x' || verb == 'X' ? -1
                                                                                              : 6;
    bool negative = signbit(real) && !isnan(real), special = isnan(real) || isinf(real);
    double size = fabs(real);
    if (special) {
        snprintf(digits, sizeof text - 1, isnan(real) ? "NaN" : "Inf");
    } else if (verb == 'x' || verb == 'X') {
        print_hex(digits, sizeof text - 1, size, verb, precision);
    } else if (format->sharp && precision < 0) {
        print_sharp(digits, sizeof text - 1, size, verb);
    } else {
        print_finite(digits, sizeof text - 1, size, verb == 'v' ? 'g' : verb, precision,
                     format->sharp);
    }
    char sign = negative ? '-' : format->plus ? '+' : format->space ? ' ' : '\0';
    if (isinf(real) && sign == '\0') {
        sign = '+';
    }
    text[0] = sign;
    const char *from = sign ? text : digits;
    out_padded(out, format, from, strlen(from), format->zero && !format->minus && !special);
}

void template_out_float(struct template_out *out, double real)
{
    struct format format = {0};
    out_float(out, &format, real, 'v');
}

static void out_integer(struct template_out *out, const struct format *format, int64_t n, char verb)
{
    char text[FORMAT_WIDTH_MAX + 96], *end = text + sizeof text, *p = end;
    unsigned base = verb == 'b'                  ? 2
                    : verb == 'o' || verb == 'O' ? 8
                    : verb == 'd' || verb == 'v' ? 10
                                                 : 16;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    bool sign = n < 0 || format->plus || format->space;
    int least = format->has_precision ? format->precision
                : format->zero && format->has_width && !format->minus
                    ? format->width - (sign ? 1 : 0)
                    : 1;
    if (format->has_precision && format->precision == 0 && n == 0) {
        out_padded(out, format, "", 0, false);
        return;
    }
    for (int digits = 0; rest > 0 || digits < least; digits++) {
        *--p = (verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[rest % base];
        rest /= base;
    }
    if (format->sharp && (base == 2 || base == 16)) {
        *--p = base == 2 ? 'b' : verb;
        *--p = '0';
    } else if (verb == 'O' || (format->sharp && base == 8 && *p != '0')) {
        *--p = verb == 'O' ? 'o' : '0';
        if (verb == 'O') {
            *--p = '0';
        }
    }
    if (sign) {
        *--p = n < 0 ? '-' : format->plus ? '+' : ' ';
    }
    out_padded(out, format, p, (size_t)(end - p), false);
}

/* ---- values ---- */

static void out_labels(struct template_out *out, const struct template_labels *labels)
{
    template_out_text(out, "map[");
    for (size_t i = 0; i < labels->count; i++) {
        template_out_text(out, i > 0 ? " " : "");
        template_out_add(out, labels->items[i].name.bytes, labels->items[i].name.length);
        template_out_char(out, ':');
        template_out_add(out, labels->items[i].value.bytes, labels->items[i].value.length);
    }
    template_out_char(out, ']');
}

/* Go sorts the keys of maps: arg10 stands before arg2. */
static enum status out_arguments(struct template_run *run, struct template_out *out,
                                 const struct template_value *value)
{
    char name[16], best[16], last[16] = "";
    template_out_text(out, "map[");
    for (size_t printed = 0; printed < value->list.count; printed++) {
        size_t found = 0;
        best[0] = '\0';
        for (size_t i = 0; i < value->list.count; i++) {
            snprintf(name, sizeof name, "arg%u", (unsigned)i);
            if (strcmp(name, last) > 0 && (best[0] == '\0' || strcmp(name, best) < 0)) {
                memcpy(best, name, sizeof best);
                found = i;
            }
        }
        template_out_printf(out, "%s%s:", printed > 0 ? " " : "", best);
        if (value->list.items[found].kind == VALUE_NONE) {
            template_out_text(out, "<nil>");
        } else {
            TRY(template_print(run, out, &value->list.items[found]));
        }
        memcpy(last, best, sizeof last);
    }
    template_out_char(out, ']');
    return STATUS_OK;
}

static void out_data(const struct template_run *run, struct template_out *out)
{
    template_out_char(out, '{');
    out_labels(out, &run->labels);
    template_out_char(out, ' ');
    out_labels(out, &run->external);
    template_out_char(out, ' ');
    template_out_text(out, run->data->external_url ? run->data->external_url : "");
    template_out_char(out, ' ');
    template_out_float(out, run->data->value);
    template_out_char(out, '}');
}

static void out_sample(struct template_out *out, const struct template_element *sample)
{
    template_out_char(out, '{');
    out_labels(out, &sample->labels);
    template_out_char(out, ' ');
    template_out_float(out, sample->value);
    template_out_char(out, '}');
}

enum status template_print(struct template_run *run, struct template_out *out,
                           const struct template_value *value)
{
    static const struct format plain = {0};
    switch (value->kind) {
    case VALUE_NONE: template_out_text(out, "<no value>"); break;
    case VALUE_TRUTH: template_out_text(out, value->truth ? "true" : "false"); break;
    case VALUE_INT:
    case VALUE_BYTE:
    case VALUE_INT64: out_integer(out, &plain, value->integer, 'd'); break;
    case VALUE_FLOAT: template_out_float(out, value->real); break;
    case VALUE_TEXT:
    case VALUE_HTML: template_out_add(out, value->text.bytes, value->text.length); break;
    case VALUE_LABELS: out_labels(out, value->labels); break;
    case VALUE_ARGUMENTS: return out_arguments(run, out, value);
    case VALUE_SAMPLE: out_sample(out, value->sample); break;
    case VALUE_SAMPLES:
        /* Go prints the addresses of the samples: nobody can have meant that. */
        if (value->samples.count > 0) {
            return template_call_fail(run, "can't print a query's answer; use range or first");
        }
        template_out_text(out, "[]");
        break;
    case VALUE_TIME: template_out_time(out, value->integer); break;
    case VALUE_SPAN: template_out_span(out, value->integer); break;
    case VALUE_MONTH: template_out_text(out, template_months[value->integer - 1]); break;
    case VALUE_WEEKDAY: template_out_text(out, template_weekdays[value->integer]); break;
    case VALUE_DATA: out_data(run, out); break;
    }
    return STATUS_OK;
}

/* ---- Printf ---- */

static const char *printf_type(const struct template_value *value)
{
    return value->kind == VALUE_NONE ? "<nil>" : template_value_type(value);
}

static enum status bad_verb(struct template_run *run, struct template_out *out, uint32_t verb,
                            const struct template_value *value)
{
    template_out_text(out, "%!");
    template_out_rune(out, verb);
    template_out_char(out, '(');
    template_out_text(out, printf_type(value));
    if (value->kind != VALUE_NONE) {
        template_out_char(out, '=');
        TRY(template_print(run, out, value));
    }
    template_out_char(out, ')');
    return STATUS_OK;
}

static void out_hex_text(struct template_out *out, const struct format *format,
                         struct template_text text, char verb)
{
    struct template_out hex = {0};
    size_t length = format->has_precision && (size_t)format->precision < text.length
                        ? (size_t)format->precision
                        : text.length;
    for (size_t i = 0; i < length; i++) {
        template_out_text(&hex, i > 0 && format->space ? " " : "");
        if (format->sharp && (i == 0 || format->space)) {
            template_out_printf(&hex, "0%c", verb);
        }
        template_out_printf(&hex, verb == 'x' ? "%02x" : "%02X", (unsigned char)text.bytes[i]);
    }
    out_padded(out, format, hex.bytes ? hex.bytes : "", hex.length, false);
    free(hex.bytes);
}

/* Text for %s, %v and %q, cut to the precision in runes. */
static void out_string(struct template_out *out, const struct format *format,
                       struct template_text text, char verb)
{
    size_t length = 0;
    uint32_t rune;
    for (int i = 0; length < text.length && !(format->has_precision && i >= format->precision);
         i++) {
        length += template_rune(text.bytes + length, text.length - length, &rune);
    }
    text.length = length;
    if (verb != 'q') {
        out_padded(out, format, text.bytes, text.length, format->zero && !format->minus);
        return;
    }
    struct template_out quoted = {0};
    if (format->sharp && memchr(text.bytes, '`', text.length) == NULL) {
        template_out_printf(&quoted, "`");
        template_out_add(&quoted, text.bytes, text.length);
        template_out_char(&quoted, '`');
    } else {
        template_out_quoted(&quoted, text);
    }
    out_padded(out, format, quoted.bytes, quoted.length, format->zero && !format->minus);
    free(quoted.bytes);
}

static void out_character(struct template_out *out, const struct format *format, int64_t n,
                          char verb)
{
    struct template_out text = {0};
    uint32_t rune = n < 0 || n > 0x10FFFF ? 0xFFFD : (uint32_t)n;
    if (verb == 'c') {
        template_out_rune(&text, rune);
    } else if (verb == 'q') {
        template_out_char(&text, '\'');
        out_quoted_rune(&text, rune, '\'');
        template_out_char(&text, '\'');
    } else {
        template_out_printf(&text, "U+%04llX", (unsigned long long)n);
    }
    out_padded(out, format, text.bytes, text.length, false);
    free(text.bytes);
}

/* %s, %v and %q of all that prints as a text of its own. */
static enum status out_printed(struct template_run *run, struct template_out *out,
                               const struct format *format, const struct template_value *value,
                               char verb)
{
    struct template_out text = {0};
    enum status status = template_print(run, &text, value);
    if (status == STATUS_OK) {
        out_string(out, format, (struct template_text){text.bytes ? text.bytes : "", text.length},
                   verb);
    }
    free(text.bytes);
    return status;
}

/* Whether the verb prints this value at all. */
static bool verb_fits(char verb, const struct template_value *value)
{
    const char *verbs = "v";
    if (value->kind == VALUE_NONE) {
        return verb == 'v';
    }
    if (value->kind == VALUE_TRUTH) {
        verbs = "vt";
    } else if (value->kind == VALUE_FLOAT) {
        verbs = "veEfFgGxX";
    } else if (template_value_is_text(value)) {
        verbs = "vsqxX";
    } else if (value->kind == VALUE_SPAN || value->kind == VALUE_MONTH ||
               value->kind == VALUE_WEEKDAY) {
        verbs = "vsqdboOxXcU";
    } else if (template_value_is_integer(value)) {
        verbs = "vdboOxXcqU";
    } else if (value->kind == VALUE_TIME) {
        verbs = "vsq";
    }
    return strchr(verbs, verb) != NULL;
}

static enum status out_value(struct template_run *run, struct template_out *out,
                             const struct format *format, char verb,
                             const struct template_value *value)
{
    bool worded =
        value->kind == VALUE_SPAN || value->kind == VALUE_MONTH || value->kind == VALUE_WEEKDAY;
    if (verb == 'T') {
        out_string(out, format, template_text_of(printf_type(value)), 's');
    } else if (!verb_fits(verb, value)) {
        bool composite = value->kind == VALUE_LABELS || value->kind == VALUE_ARGUMENTS ||
                         value->kind == VALUE_SAMPLE || value->kind == VALUE_SAMPLES ||
                         value->kind == VALUE_DATA || value->kind == VALUE_TIME;
        if (composite && verb == 's') {
            return out_printed(run, out, format, value, verb);
        }
        return composite ? template_call_fail(run, "printf: %%%c of %s", verb, printf_type(value))
                         : bad_verb(run, out, (unsigned char)verb, value);
    } else if (value->kind == VALUE_NONE) {
        out_string(out, format, template_text_of("<nil>"), 's');
    } else if (value->kind == VALUE_FLOAT) {
        out_float(out, format, value->real, verb);
    } else if (template_value_is_text(value)) {
        if (verb == 'x' || verb == 'X') {
            out_hex_text(out, format, value->text, verb);
        } else {
            out_string(out, format, value->text, verb == 'v' && format->sharp ? 'q' : verb);
        }
    } else if (template_value_is_integer(value) && !(worded && strchr("vsq", verb))) {
        if (verb == 'c' || verb == 'q' || verb == 'U') {
            out_character(out, format, value->integer, verb);
        } else {
            out_integer(out, format, value->integer, verb);
        }
    } else {
        return out_printed(run, out, format, value, verb);
    }
    return STATUS_OK;
}

/* The text of a format while it is read. */
struct verbs {
    struct template_text text;
    size_t at;
    const struct template_value *arguments;
    size_t count, used;
    bool reordered, bad_index;
};

/* Digits; false when there are none, or more than any width may be. */
static bool verbs_number(struct verbs *verbs, int *ret)
{
    size_t from = verbs->at;
    int n = 0;
    while (verbs->at < verbs->text.length && verbs->text.bytes[verbs->at] >= '0' &&
           verbs->text.bytes[verbs->at] <= '9') {
        n = n > FORMAT_WIDTH_MAX ? n : n * 10 + (verbs->text.bytes[verbs->at] - '0');
        verbs->at++;
    }
    *ret = n;
    return verbs->at > from;
}

/* [2]: which argument comes next. */
static void verbs_index(struct verbs *verbs)
{
    int n = 0;
    if (verbs->at >= verbs->text.length || verbs->text.bytes[verbs->at] != '[') {
        return;
    }
    verbs->reordered = true;
    verbs->at++;
    bool good = verbs_number(verbs, &n) && verbs->at < verbs->text.length &&
                verbs->text.bytes[verbs->at] == ']' && n >= 1 && (size_t)n <= verbs->count;
    while (verbs->at < verbs->text.length && verbs->text.bytes[verbs->at] != ']') {
        verbs->at++;
    }
    verbs->at += verbs->at < verbs->text.length;
    verbs->bad_index |= !good;
    verbs->used = good ? (size_t)n - 1 : verbs->used;
}

/* A width or precision: digits, or * for the next argument. */
static void verbs_size(struct verbs *verbs, struct template_out *out, bool *ret_has, int *ret,
                       const char *bad)
{
    verbs_index(verbs);
    if (verbs->at >= verbs->text.length || verbs->text.bytes[verbs->at] != '*') {
        *ret_has |= verbs_number(verbs, ret);
    } else {
        verbs->at++;
        const struct template_value *value =
            verbs->used < verbs->count ? &verbs->arguments[verbs->used++] : NULL;
        *ret_has = value && value->kind == VALUE_INT && value->integer >= -FORMAT_WIDTH_MAX &&
                   value->integer <= FORMAT_WIDTH_MAX;
        *ret = *ret_has ? (int)value->integer : 0;
        if (!*ret_has) {
            template_out_text(out, bad);
        }
        verbs_index(verbs);
    }
    if (*ret_has && *ret > FORMAT_WIDTH_MAX) {
        template_out_text(out, bad);
        *ret_has = false;
    }
}

static void verbs_flags(struct verbs *verbs, struct format *format)
{
    for (; verbs->at < verbs->text.length; verbs->at++) {
        switch (verbs->text.bytes[verbs->at]) {
        case '+': format->plus = true; break;
        case '-': format->minus = true; break;
        case '#': format->sharp = true; break;
        case ' ': format->space = true; break;
        case '0': format->zero = true; break;
        default: return;
        }
    }
}

static void verbs_format(struct verbs *verbs, struct template_out *out, struct format *format)
{
    verbs_flags(verbs, format);
    verbs_size(verbs, out, &format->has_width, &format->width, "%!(BADWIDTH)");
    if (format->width < 0) {
        format->width = -format->width;
        format->minus = true;
    }
    if (verbs->at < verbs->text.length && verbs->text.bytes[verbs->at] == '.') {
        verbs->at++;
        format->has_precision = true;
        verbs_size(verbs, out, &format->has_precision, &format->precision, "%!(BADPREC)");
        if (format->precision < 0) {
            format->has_precision = false;
            template_out_text(out, "%!(BADPREC)");
        }
    }
    verbs_index(verbs);
}

/* Behind a %: flags, width, precision, verb. */
static enum status printf_verb(struct template_run *run, struct template_out *out,
                               struct verbs *verbs)
{
    struct format format = {0};
    uint32_t verb;
    verbs->bad_index = false;
    verbs_format(verbs, out, &format);
    if (verbs->at >= verbs->text.length) {
        template_out_text(out, "%!(NOVERB)");
        return STATUS_OK;
    }
    verbs->at +=
        template_rune(verbs->text.bytes + verbs->at, verbs->text.length - verbs->at, &verb);
    if (verb == '%') {
        template_out_char(out, '%');
        return STATUS_OK;
    }
    if (verbs->bad_index || verbs->used >= verbs->count) {
        template_out_text(out, "%!");
        template_out_rune(out, verb);
        template_out_text(out, verbs->bad_index ? "(BADINDEX)" : "(MISSING)");
        return STATUS_OK;
    }
    const struct template_value *value = &verbs->arguments[verbs->used++];
    format.plus &= verb != 'v'; /* %+v asks for the names of fields */
    return verb < 0x80 ? out_value(run, out, &format, (char)verb, value)
                       : bad_verb(run, out, verb, value);
}

static enum status printf_extra(struct template_run *run, struct template_out *out,
                                const struct verbs *verbs)
{
    template_out_text(out, "%!(EXTRA ");
    for (size_t i = verbs->used; i < verbs->count; i++) {
        template_out_text(out, i > verbs->used ? ", " : "");
        template_out_text(out, printf_type(&verbs->arguments[i]));
        if (verbs->arguments[i].kind != VALUE_NONE) {
            template_out_char(out, '=');
            TRY(template_print(run, out, &verbs->arguments[i]));
        }
    }
    template_out_char(out, ')');
    return STATUS_OK;
}

enum status template_printf(struct template_run *run, struct template_out *out,
                            struct template_text format, const struct template_value *arguments,
                            size_t count)
{
    struct verbs verbs = {format, 0, arguments, count, 0, false, false};
    while (verbs.at < format.length) {
        char c = format.bytes[verbs.at++];
        if (c != '%') {
            template_out_char(out, c);
        } else {
            TRY(printf_verb(run, out, &verbs));
        }
    }
    return verbs.used < count && !verbs.reordered ? printf_extra(run, out, &verbs) : STATUS_OK;
}
