/* The samples of one series, oldest first: times in whole milliseconds (rounded down), as
 * Prometheus keeps them, four bytes a sample relative to a base, and values. A stale marker is a
 * sample whose value is_stale().
 *
 * The first RING_SMALL samples of a series are a cache line of a pool that all rings share; longer
 * rings have a block of their own.
 *
 *     struct slab pool = RING_POOL;
 *     struct ring ring = {0};
 *     ring_append(&pool, &ring, time_ms, value, retention_ms);
 *     ring_release(&ring); */
#ifndef HEAL_RUNTIME_ENGINE_RING_H
#define HEAL_RUNTIME_ENGINE_RING_H

#include <string.h>

#include "runtime/engine/slab.h"

#define STALE_BITS 0x7ff0000000000002ULL
#define MS_NEVER   (INT64_MIN / 4) /* before every window */
enum { RING_SMALL = 5, RING_SAMPLE_BYTES = 12 };
#define RING_POOL {.size = SLAB_LINE}

static inline bool is_stale(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == STALE_BITS;
}

struct ring {
    int64_t base_ms;
    uint32_t *offset_ms; /* [capacity], values behind it in the same block */
    uint32_t head, count, capacity;
    uint32_t newest_offset_ms;
};
/* Appends; drops what is older than retention, grows when all is still wanted. time_ms must not be
 * older than the newest. Returns the samples gained (0 when the oldest was overwritten). */
int ring_append(struct slab *pool, struct ring *ring, int64_t time_ms, double value,
                int64_t retention_ms);
void ring_release(struct ring *ring);
static inline double *ring_values(const struct ring *ring)
{
    return (double *)(void *)(ring->offset_ms + (ring->capacity + 1) / 2 * 2);
}
static inline uint32_t ring_at(const struct ring *ring, uint32_t i)
{
    uint32_t at = ring->head + i;
    return at >= ring->capacity ? at - ring->capacity : at;
}
/* Of the newest sample or marker; MS_NEVER without one. */
static inline int64_t ring_newest_ms(const struct ring *ring)
{
    return ring->count ? ring->base_ms + ring->newest_offset_ms : MS_NEVER;
}
/* Parts of an append, for who has seen that there is a sample, and room or one too many. */
static inline int64_t ring_oldest_ms(const struct ring *ring)
{
    return ring->base_ms + ring->offset_ms[ring->head];
}
static inline void ring_drop_oldest(struct ring *ring)
{
    ring->head = ring->head + 1 == ring->capacity ? 0 : ring->head + 1;
    ring->count--;
}
static inline void ring_put(struct ring *ring, int64_t time_ms, double value)
{
    const uint32_t at = ring_at(ring, ring->count++);
    ring->newest_offset_ms = ring->offset_ms[at] = (uint32_t)(time_ms - ring->base_ms);
    ring_values(ring)[at] = value;
}
int64_t ring_time(const struct ring *ring, uint32_t i); /* i-th oldest */
/* Number of samples at or before time_ms. */
uint32_t ring_until(const struct ring *ring, int64_t time_ms);
/* Copies samples with start < t <= end, without stale markers, to times and values (room for
 * ring->count each); returns how many. */
size_t ring_window(const struct ring *ring, int64_t start_ms, int64_t end_ms, int64_t *times,
                   double *values);
/* Newest sample at or before time_ms and after time_ms - lookback_ms; false when there is none or
 * it is a stale marker. */
bool ring_instant(const struct ring *ring, int64_t time_ms, int64_t lookback_ms, double *ret_value,
                  int64_t *ret_time_ms);

#endif
