/* Samples, each told by how it differs from what is expected of it.
 *
 * Samples of an answer come in the same order as at the one before, at the same time, and most have
 * the value they had, or grew as they grew before. Of a run of samples that are all as expected
 * only their count is written. Another one has a byte, and what its bits ask for:
 *
 *     count, first run, then for each other sample:
 *     byte     0x80  a run of expected ones follows behind it
 *              0x40  which series and when follows: series less the expected one, ms less the last
 *              0x3f  the value: same, stale marker, a whole number that grew as before, or by a
 *                    number that follows, so many thousandths more than before, or the bytes of
 *                    the exclusive or with the value before (the first that differs and 8 times how
 *                    many come behind it)
 *
 * Writer and reader have one `struct points` each, which is what they expect: the same at both ends
 * as long as the reader reads all that was written. */
#ifndef HEAL_RUNTIME_FLIGHT_POINTS_H
#define HEAL_RUNTIME_FLIGHT_POINTS_H

#include "runtime/engine/series.h"
#include "runtime/flight/wire.h"

enum { POINTS_MAX = 1 << 16, POINTS_SERIES_MAX = STORE_SERIES_MAX + 2 };

struct points_series {
    uint64_t bits; /* of the last value */
    int32_t grew;  /* by how much, where both it and the one before were whole numbers */
    uint32_t next; /* the series that came behind it */
};
struct points {
    struct points_series *series;
    size_t capacity;
    uint32_t last; /* series */
};

/* count: at most POINTS_MAX; series below POINTS_SERIES_MAX. */
void points_put(struct points *points, struct wire_out *out, const struct store_point *items,
                size_t count);
/* Into ret[POINTS_MAX]; 0 and in->bad for what points_put() does not write. */
size_t points_take(struct points *points, struct wire_in *in, struct store_point *ret);
void points_release(struct points *points);

#endif
