/* Samples by how they differ from what is expected. */
#include "runtime/flight/points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN_FOLLOWS = 0x80,
    ADDRESS_FOLLOWS = 0x40,
    VALUE_BITS = 0x3f,
    POINT_BYTES_MAX = 1 + 2 * WIRE_NUMBER_BYTES_MAX + 8 + WIRE_NUMBER_BYTES_MAX
};
/* Of the value. first + 8 * (length - 1) needs first + length <= 8: 36 of 64, the rest is free. */
enum { VALUE_SAME = 57, VALUE_STALE, VALUE_GREW_AS_BEFORE, VALUE_GREW, VALUE_THOUSANDTHS };

static const uint64_t stale_bits = 0x7ff0000000000002ULL;

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double value_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void reserve(struct points *points, size_t series)
{
    if (series >= points->capacity) {
        const size_t was = points->capacity, wanted = was + was / 2 + 256;
        points->capacity = wanted > series ? wanted : series + 1;
        points->series = heap_resize(points->series, points->capacity * sizeof *points->series);
        for (size_t i = was; i < points->capacity; i++) {
            points->series[i] = (struct points_series){.next = (uint32_t)i + 1};
        }
    }
}

/* A whole number of which doubles have every neighbour. */
static bool is_whole(double value)
{
    return fabs(value) < 0x1p53 && value == (double)(int64_t)value &&
           !(value == 0 && signbit(value));
}

/* By how much it grew, where that can be told exactly in 32 bits. */
static bool growth(uint64_t before, uint64_t now, int32_t *ret)
{
    const double a = value_of(before), b = value_of(now);
    if (!is_whole(a) || !is_whole(b)) {
        return false;
    }
    const int64_t grew = (int64_t)b - (int64_t)a;
    *ret = (int32_t)grew;
    return grew == *ret;
}

static uint64_t grown(uint64_t before, int32_t by)
{
    return bits_of((double)((int64_t)value_of(before) + by));
}

/* The nearest whole number of thousandths; 0 for what is too large, or no number. */
static int64_t thousandths(double value)
{
    const double many = value * 1000;
    return fabs(many) < 0x1p52 ? (int64_t)(many + (many < 0 ? -0.5 : 0.5)) : 0;
}

/* ---- writing ---- */

static uint8_t *put_number(uint8_t *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7) {
        *at++ = (uint8_t)(number | 0x80);
    }
    *at++ = (uint8_t)number;
    return at;
}

static uint8_t *put_xor(uint8_t *at, uint8_t *flags, uint64_t difference)
{
    const unsigned first = (unsigned)__builtin_ctzll(difference) / 8;
    const unsigned last = 7 - (unsigned)__builtin_clzll(difference) / 8;
    *flags |= (uint8_t)(first + 8 * (last - first));
    for (unsigned i = first; i <= last; i++) {
        *at++ = (uint8_t)(difference >> 8 * i);
    }
    return at;
}

/* Measurements often have three digits, whose bits have nothing in common. */
static uint8_t *put_fraction(uint8_t *at, uint8_t *flags, uint64_t before, uint64_t now)
{
    const int64_t many = thousandths(value_of(now));
    if (bits_of((double)many / 1000) != now) {
        return put_xor(at, flags, now ^ before);
    }
    *flags |= VALUE_THOUSANDTHS;
    return put_number(at, wire_zigzag(many - thousandths(value_of(before))));
}

/* The value of a series whose bits are others than before. */
static uint8_t *put_value(uint8_t *at, uint8_t *flags, struct points_series *series, uint64_t bits)
{
    int32_t grew = 0;
    if (bits == stale_bits) {
        *flags |= VALUE_STALE;
        return at; /* what comes after it is compared with what came before */
    }
    if (bits == series->bits) {
        *flags |= VALUE_SAME;
        return at;
    }
    if (!growth(series->bits, bits, &grew)) {
        at = put_fraction(at, flags, series->bits, bits);
    } else if (grew == series->grew) {
        *flags |= VALUE_GREW_AS_BEFORE;
    } else {
        *flags |= VALUE_GREW;
        at = put_number(at, wire_zigzag(grew));
        series->grew = grew;
    }
    series->bits = bits;
    return at;
}

/* Behind the last one that was not as expected, or at the beginning. */
static uint8_t *put_run(uint8_t *at, uint8_t *flags, uint64_t run)
{
    if (flags && run == 0) {
        return at;
    }
    if (flags) {
        *flags |= RUN_FOLLOWS;
    }
    return put_number(at, run);
}

void points_put(struct points *points, struct wire_out *out, const struct store_point *items,
                size_t count)
{
    CHECK(count <= POINTS_MAX);
    wire_reserve(out, (count + 1) * POINT_BYTES_MAX);
    uint8_t *at = put_number(out->bytes + out->length, count);
    uint8_t *flags = NULL; /* of the last one that was not as expected */
    uint64_t run = 0;
    int32_t ms = 0;
    reserve(points, points->last);
    for (size_t i = 0; i < count; i++) {
        const struct store_point *item = &items[i];
        CHECK(item->series < POINTS_SERIES_MAX);
        reserve(points, item->series);
        struct points_series *series = &points->series[item->series];
        const uint32_t expected = points->series[points->last].next;
        const uint64_t bits = bits_of(item->value);
        if (item->series == expected && item->ms == ms && bits == series->bits) {
            points->last = expected;
            run++;
            continue;
        }
        at = put_run(at, flags, run);
        run = 0;
        flags = at++;
        *flags = 0;
        if (item->series != expected || item->ms != ms) {
            *flags |= ADDRESS_FOLLOWS;
            at = put_number(at, wire_zigzag((int64_t)item->series - expected));
            at = put_number(at, wire_zigzag((int64_t)item->ms - ms));
            points->series[points->last].next = item->series;
            ms = item->ms;
        }
        points->last = item->series;
        at = put_value(at, flags, series, bits);
    }
    at = count > 0 ? put_run(at, flags, run) : at;
    out->length = (size_t)(at - out->bytes);
}

/* ---- reading ---- */

/* The expected ones, up to count; false when there are not so many to come. */
static bool take_run(struct points *points, struct wire_in *in, struct store_point *ret, size_t *at,
                     size_t count, int32_t ms)
{
    const uint64_t run = wire_number(in, count - *at);
    for (uint64_t i = 0; i < run && !in->bad; i++) {
        const uint32_t series = points->series[points->last].next;
        if (series >= POINTS_SERIES_MAX) {
            in->bad = true;
            break;
        }
        reserve(points, series);
        ret[(*at)++] = (struct store_point){series, ms, value_of(points->series[series].bits)};
        points->last = series;
    }
    return !in->bad;
}

static uint64_t take_xor(struct wire_in *in, unsigned code)
{
    const unsigned first = code % 8, last = first + code / 8;
    uint64_t difference = 0;
    in->bad = in->bad || last > 7;
    for (unsigned i = first; i <= last && !in->bad; i++) {
        difference |= (uint64_t)wire_byte(in) << 8 * i;
    }
    return difference;
}

static uint64_t take_growth(struct points_series *series, struct wire_in *in, bool as_before)
{
    if (!is_whole(value_of(series->bits))) {
        in->bad = true;
        return 0;
    }
    if (!as_before) {
        const int64_t grew = wire_signed(in);
        in->bad = in->bad || grew != (int32_t)grew;
        series->grew = (int32_t)grew;
    }
    return grown(series->bits, series->grew);
}

static uint64_t take_thousandths(uint64_t before, struct wire_in *in)
{
    const int64_t more = wire_signed(in);
    int64_t many = thousandths(value_of(before));
    in->bad = in->bad || __builtin_add_overflow(many, more, &many);
    return bits_of((double)many / 1000);
}

static double take_value(struct points_series *series, struct wire_in *in, unsigned code)
{
    switch (code) {
    case VALUE_STALE: return value_of(stale_bits);
    case VALUE_SAME: break;
    case VALUE_GREW_AS_BEFORE:
    case VALUE_GREW: series->bits = take_growth(series, in, code == VALUE_GREW_AS_BEFORE); break;
    case VALUE_THOUSANDTHS: series->bits = take_thousandths(series->bits, in); break;
    default: series->bits ^= take_xor(in, code); break;
    }
    return value_of(series->bits);
}

static bool take_address(struct points *points, struct wire_in *in, uint32_t *series, int32_t *ms)
{
    const int64_t by = wire_signed(in), later = wire_signed(in);
    const int64_t most = UINT32_MAX;
    if (in->bad || by < -most || by > most || later < -most || later > most) {
        return false;
    }
    const int64_t id = *series + by, at = *ms + later;
    if (id < 0 || id >= POINTS_SERIES_MAX || at != (int32_t)at) {
        return false;
    }
    *series = (uint32_t)id;
    *ms = (int32_t)at;
    points->series[points->last].next = *series;
    return true;
}

size_t points_take(struct points *points, struct wire_in *in, struct store_point *ret)
{
    const size_t count = wire_number(in, POINTS_MAX);
    size_t at = 0;
    int32_t ms = 0;
    reserve(points, points->last);
    bool good = count == 0 || take_run(points, in, ret, &at, count, ms);
    while (good && at < count) {
        const uint8_t flags = wire_byte(in);
        uint32_t series = points->series[points->last].next;
        good = !in->bad && (!(flags & ADDRESS_FOLLOWS) || take_address(points, in, &series, &ms)) &&
               series < POINTS_SERIES_MAX;
        if (!good) {
            break;
        }
        reserve(points, series);
        points->last = series;
        const double value = take_value(&points->series[series], in, flags & VALUE_BITS);
        ret[at++] = (struct store_point){series, ms, value};
        good = !in->bad && (!(flags & RUN_FOLLOWS) || take_run(points, in, ret, &at, count, ms));
    }
    in->bad = in->bad || !good;
    return in->bad ? 0 : at;
}

void points_release(struct points *points)
{
    free(points->series);
    *points = (struct points){0};
}
