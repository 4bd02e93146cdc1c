/* The line that nearly all lines are: a series that was expected, and a number of few digits.
 *
 * Where a line ends must not depend on a branch, since how many digits a value has cannot be
 * predicted: digits are read eight at a time, by arithmetic on all of them. */
#include <string.h>

#include "runtime/ingest/exposition_part.h"

enum {
    DIGITS_MAX = 15,    /* exact in a double, and so is one division by a power of ten */
    READ_BYTES = 32,    /* behind the key, however short the number is */
    AHEAD_BYTES = 1024, /* of the body are fetched before they are needed */
    EACH = 8            /* digits in a word */
};

static const uint64_t tens[EACH + 1] = {1,      10,      100,      1000,     10000,
                                        100000, 1000000, 10000000, 100000000};

/* How many of the eight bytes at p are digits, up to the first that is none; and their number. */
static unsigned read_eight(const char *p, uint64_t *ret)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    word ^= 0x3030303030303030; /* a digit is 0 to 9 now */
    uint64_t other =
        (((word & 0x7f7f7f7f7f7f7f7f) + 0x7676767676767676) | word) & 0x8080808080808080;
    unsigned count = other ? (unsigned)__builtin_ctzll(other) / 8 : EACH;
    word = count ? word << (64 - 8 * count) : 0; /* zeros in front of them */
    word = (word * 2561) >> 8 & 0x00ff00ff00ff00ff;
    word = (word * 6553601) >> 16 & 0x0000ffff0000ffff;
    *ret = (word * 42949672960001) >> 32;
    return count;
}

/* Behind a number at p that has DIGITS_MAX digits at most and no exponent; NULL for another. */
static const char *read_short(const char *p, double *ret_value)
{
    const bool negative = *p == '-';
    uint64_t number, more;
    p += negative;
    unsigned count = read_eight(p, &number);
    if (count == EACH) {
        unsigned rest = read_eight(p + EACH, &more);
        number = number * tens[rest] + more;
        count += rest;
    }
    if (count == 0 || count > DIGITS_MAX) {
        return NULL;
    }
    p += count;
    double value = (double)number;
    if (*p == '.') {
        unsigned after = read_eight(p + 1, &more);
        if (after == EACH || count + after > DIGITS_MAX) {
            return NULL;
        }
        value = (double)(number * tens[after] + more) / exposition_powers[after];
        p += after + 1;
    }
    *ret_value = negative ? -value : value;
    return p;
}

bool exposition_usual(struct exposition *e, struct exposition_item *item)
{
    const uint32_t size = e->predicted.size;
    const char *p = e->at + size;
    if (size == 0 || (size_t)(e->end - e->at) < size + READ_BYTES || *p != ' ' ||
        e->samples >= e->limits.series || !key_mark_is(&e->predicted, e->at)) {
        return false;
    }
    p = read_short(p + 1, &item->value);
    if (p == NULL || *p != '\n') {
        return false;
    }
    __builtin_prefetch(p + AHEAD_BYTES);
    __builtin_prefetch(p + AHEAD_BYTES + 64);
    item->kind = EXPOSITION_SAMPLE;
    item->key = (struct slice){e->at, size};
    item->line = ++e->line;
    item->column = 1;
    item->label_count = 0;
    item->predicted = true;
    item->has_time = item->has_exemplar = false;
    e->samples++;
    e->at = p + 1;
    return true;
}
