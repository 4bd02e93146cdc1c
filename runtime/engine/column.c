/* Rings of samples and the hash table of the store. */
#include "runtime/engine/column.h"

#include <stdlib.h>

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

uint32_t ring_until(const struct ring *ring, int64_t time_ms)
{
    uint32_t low = 0, high = ring->count;
    if (high == 0 || ring_time(ring, high - 1) <= time_ms) {
        return high;
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

size_t ring_window(const struct ring *ring, int64_t start_ms, int64_t end_ms, int64_t *times,
                   double *values)
{
    if (ring->count == 0) {
        return 0;
    }
    const double *from = ring_values(ring);
    uint32_t end = ring_until(ring, end_ms);
    size_t n = 0;
    for (uint32_t i = ring_until(ring, start_ms); i < end; i++) {
        uint32_t at = ring_at(ring, i);
        times[n] = ring->base_ms + ring->offset_ms[at];
        values[n] = from[at];
        n += !is_stale(from[at]);
    }
    return n;
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
