/* Numbers of the text format: those of Go's ParseFloat that are decimal. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/ingest/exposition_part.h"

enum { NUMBER_BYTES_MAX = 400, EXACT_POWER = EXPOSITION_POWERS - 1 };

const double exposition_powers[EXPOSITION_POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
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
    value = decimal.exponent < 0 ? value / exposition_powers[-decimal.exponent]
                                 : value * exposition_powers[decimal.exponent];
    *ret_value = negative ? -value : value;
    return true;
}
