/* Numbers of the text format: those of Go's ParseFloat that are decimal. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/ingest/exposition_part.h"

enum { NUMBER_BYTES_MAX = 400, EXACT_POWER = 22 };

static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool word_is(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

static bool read_word(const char *text, size_t size, double *ret_value)
{
    bool sign = size > 0 && (text[0] == '+' || text[0] == '-');
    const char *word = text + sign;
    size_t rest = size - sign;
    if (!sign && word_is(text, size, "nan")) {
        *ret_value = NAN;
        return true;
    }
    if (word_is(word, rest, "inf") || word_is(word, rest, "infinity")) {
        *ret_value = text[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    return false;
}

/* The grammar was checked. strtod follows the locale's point; no process of heal sets a locale. */
static bool read_slowly(const char *text, size_t size, double *ret_value)
{
    char copy[NUMBER_BYTES_MAX + 1];
    if (size > NUMBER_BYTES_MAX) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *end;
    double value = strtod(copy, &end);
    if (end != copy + size || isinf(value)) {
        return false;
    }
    *ret_value = value;
    return true;
}

struct decimal {
    uint64_t digits;
    size_t count;     /* digits read, leading zeros too */
    int64_t exponent; /* of ten */
};

static const char *read_digits(const char *p, const char *end, struct decimal *decimal)
{
    while (p < end && *p >= '0' && *p <= '9') {
        if (decimal->digits < UINT64_MAX / 10 - 1) {
            decimal->digits = decimal->digits * 10 + (uint64_t)(*p - '0');
        } else {
            decimal->digits = UINT64_MAX; /* too long to be exact here */
        }
        decimal->count++;
        p++;
    }
    return p;
}

static bool read_exponent(const char *p, const char *end, int64_t *exponent)
{
    bool negative = p < end && *p == '-';
    int64_t n = 0;
    p += p < end && (*p == '-' || *p == '+');
    if (p == end) {
        return false;
    }
    for (; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
        n = n < 100000 ? n * 10 + (*p - '0') : n;
    }
    *exponent += negative ? -n : n;
    return true;
}

/* Reads digits up to `most`, behind those read before. */
static const char *short_digits(const char *p, const char *most, uint64_t *digits)
{
    unsigned c;
    while (p < most && (c = (unsigned char)*p - '0') <= 9) {
        *digits = *digits * 10 + c;
        p++;
    }
    return p;
}

/* Fifteen digits are exact in a double, and so is one division by a power of ten. */
const char *exposition_short_number(const char *p, double *ret_value)
{
    const bool negative = *p == '-';
    p += negative;
    const char *start = p, *most = p + EXPOSITION_SHORT_DIGITS;
    uint64_t digits = 0;
    double value;
    p = short_digits(p, most, &digits);
    if (p == start || p == most) {
        return NULL;
    }
    if (*p == '.') {
        const char *point = p;
        p = short_digits(p + 1, most, &digits);
        if (p == most) {
            return NULL;
        }
        value = (double)digits / powers[p - point - 1];
    } else {
        value = (double)digits;
    }
    *ret_value = negative ? -value : value;
    return p;
}

/* Digits below 2^53 times or by a power of ten up to 10^22 are exact (Clinger 1990); the rest is
 * strtod's. */
bool exposition_number(const char *text, size_t size, double *ret_value)
{
    const char *p = text, *end = text + size;
    struct decimal decimal = {0};
    bool negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    p = read_digits(p, end, &decimal);
    if (p < end && *p == '.') {
        size_t whole = decimal.count;
        p = read_digits(p + 1, end, &decimal);
        decimal.exponent = -(int64_t)(decimal.count - whole);
    }
    if (decimal.count == 0) {
        return read_word(text, size, ret_value);
    }
    if (p < end) {
        if ((*p != 'e' && *p != 'E') || !read_exponent(p + 1, end, &decimal.exponent)) {
            return false;
        }
    }
    if (decimal.digits > (1ULL << 53) || decimal.exponent > EXACT_POWER ||
        decimal.exponent < -EXACT_POWER) {
        return read_slowly(text, size, ret_value);
    }
    double value = (double)decimal.digits;
    value =
        decimal.exponent < 0 ? value / powers[-decimal.exponent] : value * powers[decimal.exponent];
    *ret_value = negative ? -value : value;
    return true;
}
