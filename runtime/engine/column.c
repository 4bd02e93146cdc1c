/* Rings of samples and the hash table of the store. */
#include "runtime/engine/column.h"

#include <stdlib.h>

#include "stdlib/kernel.h"

enum { RING_CAPACITY_FIRST = 4, RING_CAPACITY_MAX = 1 << 24, TABLE_CAPACITY_FIRST = 16 };

/* ---- rings ---- */

double *ring_values(const struct ring *ring)
{
    return (double *)(void *)(ring->offset_ms + (ring->capacity + 1) / 2 * 2);
}

void ring_release(struct ring *ring)
{
    free(ring->offset_ms);
    *ring = (struct ring){0};
}

int64_t ring_time(const struct ring *ring, uint32_t i)
{
    return ring->base_ms + ring->offset_ms[ring_at(ring, i)];
}

/* Moves the samples into a block of another capacity, oldest first. */
static void ring_resize(struct ring *ring, uint32_t capacity)
{
    struct ring next = {.base_ms = ring->count ? ring_time(ring, 0) : 0, .capacity = capacity};
    size_t times = ((size_t)capacity + 1) / 2 * 2;
    next.offset_ms = heap_alloc(times * sizeof(uint32_t) + (size_t)capacity * sizeof(double));
    next.count = ring->count;
    double *to = ring_values(&next);
    for (uint32_t i = 0; i < ring->count; i++) {
        next.offset_ms[i] = (uint32_t)(ring_time(ring, i) - next.base_ms);
        to[i] = ring_values(ring)[ring_at(ring, i)];
    }
    free(ring->offset_ms);
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

static void ring_rebase(struct ring *ring, int64_t time_ms)
{
    while (ring->count && time_ms - ring_time(ring, 0) > UINT32_MAX) {
        ring->head = ring_at(ring, 1);
        ring->count--;
    }
    if (ring->count == 0) {
        ring->base_ms = time_ms;
    } else if (time_ms - ring->base_ms > UINT32_MAX) {
        ring_resize(ring, ring->capacity);
    }
}

int ring_append(struct ring *ring, int64_t time_ms, double value, int64_t retention_ms)
{
    int gained = 1;
    ring_rebase(ring, time_ms);
    if (ring->capacity == 0) {
        ring_resize(ring, RING_CAPACITY_FIRST);
        ring->base_ms = time_ms;
    } else if (ring->count == ring->capacity) {
        if (time_ms - ring_time(ring, 0) < retention_ms && ring->capacity < RING_CAPACITY_MAX) {
            ring_resize(ring, ring_wanted(ring, time_ms, retention_ms));
        } else {
            ring->head = ring_at(ring, 1);
            ring->count--;
            gained = 0;
        }
    }
    uint32_t at = ring_at(ring, ring->count++);
    ring->offset_ms[at] = (uint32_t)(time_ms - ring->base_ms);
    ring_values(ring)[at] = value;
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

/* ---- the table ---- */

uint32_t table_next(const struct table *table, uint64_t hash, size_t *cursor)
{
    if (table->capacity == 0) {
        return SLOT_NONE;
    }
    size_t mask = table->capacity - 1;
    size_t at = *cursor == SIZE_MAX ? hash & mask : (*cursor + 1) & mask;
    for (; table->values[at] != SLOT_NONE; at = (at + 1) & mask) {
        if (table->hashes[at] == hash) {
            *cursor = at;
            return table->values[at];
        }
    }
    return SLOT_NONE;
}

static void table_put(struct table *table, uint64_t hash, uint32_t value)
{
    size_t mask = table->capacity - 1, at = hash & mask;
    while (table->values[at] != SLOT_NONE) {
        at = (at + 1) & mask;
    }
    table->hashes[at] = hash;
    table->values[at] = value;
}

void table_add(struct table *table, uint64_t hash, uint32_t value)
{
    CHECK(value != SLOT_NONE);
    if ((table->count + 1) * 3 > table->capacity * 2) {
        struct table old = *table;
        table->capacity = old.capacity ? old.capacity * 2 : TABLE_CAPACITY_FIRST;
        table->hashes = heap_alloc(table->capacity * sizeof *table->hashes);
        table->values = heap_alloc(table->capacity * sizeof *table->values);
        memset(table->values, 0xff, table->capacity * sizeof *table->values);
        for (size_t i = 0; i < old.capacity; i++) {
            if (old.values[i] != SLOT_NONE) {
                table_put(table, old.hashes[i], old.values[i]);
            }
        }
        table_release(&old);
    }
    table_put(table, hash, value);
    table->count++;
}

void table_remove(struct table *table, uint64_t hash, uint32_t value)
{
    size_t cursor = SIZE_MAX, mask = table->capacity - 1;
    uint32_t found = table_next(table, hash, &cursor);
    while (found != value) {
        CHECK(found != SLOT_NONE);
        found = table_next(table, hash, &cursor);
    }
    /* Close the gap: entries behind it that hash before it move up (Knuth 6.4, algorithm R). */
    size_t gap = cursor;
    table->values[gap] = SLOT_NONE;
    for (size_t at = (gap + 1) & mask; table->values[at] != SLOT_NONE; at = (at + 1) & mask) {
        size_t home = table->hashes[at] & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            table->hashes[gap] = table->hashes[at];
            table->values[gap] = table->values[at];
            table->values[at] = SLOT_NONE;
            gap = at;
        }
    }
    table->count--;
}

void table_clear(struct table *table)
{
    if (table->capacity) {
        memset(table->values, 0xff, table->capacity * sizeof *table->values);
    }
    table->count = 0;
}

void table_release(struct table *table)
{
    free(table->hashes);
    free(table->values);
    *table = (struct table){0};
}
