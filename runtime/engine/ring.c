/* Rings of samples. */
#include "runtime/engine/ring.h"

#include <stdlib.h>

#include "stdlib/kernel.h"

enum { RING_CAPACITY_MAX = 1 << 24 };

/* A small ring is one line; its place in the pool is where its sixth time would be. */
static uint32_t *block_new(struct slab *pool, uint32_t capacity)
{
    if (capacity != RING_SMALL) {
        return heap_resize(NULL, ((size_t)capacity + 1) / 2 * 2 * sizeof(uint32_t) +
                                     (size_t)capacity * sizeof(double));
    }
    uint16_t place;
    uint32_t *block = slab_take(pool, &place);
    block[RING_SMALL] = place;
    return block;
}

void ring_release(struct ring *ring)
{
    if (ring->capacity == RING_SMALL) {
        slab_give(ring->offset_ms, (uint16_t)ring->offset_ms[RING_SMALL]);
    } else {
        free(ring->offset_ms);
    }
    *ring = (struct ring){0};
}

int64_t ring_time(const struct ring *ring, uint32_t i)
{
    return ring->base_ms + ring->offset_ms[ring_at(ring, i)];
}

/* Moves the samples into a block of another capacity, oldest first. */
static void ring_resize(struct slab *pool, struct ring *ring, uint32_t capacity)
{
    struct ring next = {.base_ms = ring->count ? ring_time(ring, 0) : 0,
                        .offset_ms = block_new(pool, capacity),
                        .count = ring->count,
                        .capacity = capacity};
    double *to = ring_values(&next);
    for (uint32_t i = 0; i < ring->count; i++) {
        next.newest_offset_ms = next.offset_ms[i] = (uint32_t)(ring_time(ring, i) - next.base_ms);
        to[i] = ring_values(ring)[ring_at(ring, i)];
    }
    ring_release(ring);
    *ring = next;
}

/* What the retention needs at the pace seen so far, so that a full ring is hardly larger. */
static uint32_t ring_wanted(const struct ring *ring, int64_t time_ms, int64_t retention_ms)
{
    double span = (double)(time_ms - ring_time(ring, 0));
    double pace = span > 0 ? (double)retention_ms / span : 2;
    double need = (double)ring->count * pace * 1.02 + 4;
    double most = (double)ring->capacity * 2;
    double least = (double)ring->capacity + 4;
    need = need > most ? most : need;
    return (uint32_t)(need < least ? least : need);
}

static void ring_rebase(struct slab *pool, struct ring *ring, int64_t time_ms)
{
    while (ring->count && time_ms - ring_time(ring, 0) > UINT32_MAX) {
        ring_drop_oldest(ring);
    }
    if (ring->count == 0) {
        ring->base_ms = time_ms;
    } else {
        ring_resize(pool, ring, ring->capacity);
    }
}

/* Makes room for one more; false when it is the oldest one's. */
static bool ring_grow(struct slab *pool, struct ring *ring, int64_t time_ms, int64_t retention_ms)
{
    if (ring->capacity == 0) {
        ring_resize(pool, ring, RING_SMALL);
        ring->base_ms = time_ms;
        return true;
    }
    if (time_ms - ring_time(ring, 0) < retention_ms && ring->capacity < RING_CAPACITY_MAX) {
        ring_resize(pool, ring, ring_wanted(ring, time_ms, retention_ms));
        return true;
    }
    ring_drop_oldest(ring);
    return false;
}

int ring_append(struct slab *pool, struct ring *ring, int64_t time_ms, double value,
                int64_t retention_ms)
{
    bool gained = true;
    if (time_ms - ring->base_ms > UINT32_MAX || ring->count == 0) {
        ring_rebase(pool, ring, time_ms);
    }
    if (ring->count == ring->capacity) {
        gained = ring_grow(pool, ring, time_ms, retention_ms);
    }
    ring_put(ring, time_ms, value);
    return gained;
}

/* Samples mostly come at an even pace, so that the search starts where the time should be. */
static uint32_t ring_guess(const struct ring *ring, int64_t time_ms, int64_t oldest, int64_t newest)
{
    double part = (double)(time_ms - oldest) / (double)(newest - oldest);
    return (uint32_t)(part * (double)(ring->count - 1));
}

uint32_t ring_until(const struct ring *ring, int64_t time_ms)
{
    uint32_t low = 0, high = ring->count;
    if (high == 0) {
        return 0;
    }
    int64_t oldest = ring_time(ring, 0), newest = ring_time(ring, high - 1);
    if (newest <= time_ms || oldest > time_ms) {
        return newest <= time_ms ? high : 0;
    }
    uint32_t guess = ring_guess(ring, time_ms, oldest, newest);
    for (uint32_t step = 1; low < high && step < ring->count; step *= 2) {
        if (ring_time(ring, guess) <= time_ms) {
            low = guess + 1;
            guess = high - low > step ? low + step - 1 : high - 1;
        } else {
            high = guess;
            guess = high - low > step ? high - step : low;
        }
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ring_time(ring, middle) <= time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Samples [from, from + n) of the block, which do not wrap. True when one is a stale marker. */
KERNEL_CLONES static bool ring_copy(const struct ring *ring, uint32_t from, uint32_t n,
                                    int64_t *restrict times, double *restrict values)
{
    const int64_t base = ring->base_ms;
    const uint32_t *restrict offsets = ring->offset_ms + from;
    const double *restrict samples = ring_values(ring) + from;
    uint64_t stale = 0;
    for (uint32_t i = 0; i < n; i++) {
        times[i] = base + offsets[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &samples[i], sizeof bits);
        stale |= bits == STALE_BITS;
        values[i] = samples[i];
    }
    return stale != 0;
}

static size_t drop_stale(int64_t *times, double *values, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        times[n] = times[i];
        values[n] = values[i];
        n += !is_stale(values[i]);
    }
    return n;
}

size_t ring_window(const struct ring *ring, int64_t start_ms, int64_t end_ms, int64_t *times,
                   double *values)
{
    if (ring->count == 0) {
        return 0;
    }
    uint32_t end = ring_until(ring, end_ms), begin = ring_until(ring, start_ms);
    if (begin >= end) {
        return 0;
    }
    uint32_t n = end - begin, at = ring_at(ring, begin);
    uint32_t first = ring->capacity - at < n ? ring->capacity - at : n;
    bool stale = ring_copy(ring, at, first, times, values);
    if (first < n) {
        stale |= ring_copy(ring, 0, n - first, times + first, values + first);
    }
    return stale ? drop_stale(times, values, n) : n;
}

bool ring_instant(const struct ring *ring, int64_t time_ms, int64_t lookback_ms, double *ret_value,
                  int64_t *ret_time_ms)
{
    uint32_t n = ring_until(ring, time_ms);
    if (n == 0 || ring_time(ring, n - 1) <= time_ms - lookback_ms) {
        return false;
    }
    double value = ring_values(ring)[ring_at(ring, n - 1)];
    if (is_stale(value)) {
        return false;
    }
    *ret_value = value;
    *ret_time_ms = ring_time(ring, n - 1);
    return true;
}
