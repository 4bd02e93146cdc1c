/* Open addressing with linear probing, at most three quarters full. */
#include "runtime/ingest/lookup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

uint64_t lookup_hash(const void *key, size_t size)
{
    static uint64_t seed;
    while (seed == 0) {
        if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
            seed = (uint64_t)(uintptr_t)&seed; /* where the loader put us is better than nothing */
        }
    }
    return XXH3_64bits_withSeed(key, size, seed);
}

void lookup_release(struct lookup *lookup)
{
    free(lookup->slots);
    *lookup = (struct lookup){0};
}

void lookup_clear(struct lookup *lookup)
{
    if (lookup->count > 0) {
        memset(lookup->slots, 0, lookup->capacity * sizeof *lookup->slots);
        lookup->count = 0;
    }
}

static void insert(struct lookup *lookup, uint32_t hash, uint32_t number)
{
    size_t i = (size_t)hash & (lookup->capacity - 1);
    while (lookup->slots[i].number != 0) {
        i = (i + 1) & (lookup->capacity - 1);
    }
    lookup->slots[i] = (struct lookup_slot){hash, number};
    lookup->count++;
}

static void grow(struct lookup *lookup)
{
    struct lookup old = *lookup;
    lookup->capacity = old.capacity ? 2 * old.capacity : 64;
    lookup->slots = heap_alloc(lookup->capacity * sizeof *lookup->slots);
    lookup->count = 0;
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].number != 0) {
            insert(lookup, old.slots[i].hash, old.slots[i].number);
        }
    }
    free(old.slots);
}

void lookup_add(struct lookup *lookup, uint64_t hash, uint32_t number)
{
    if (4 * (lookup->count + 1) > 3 * lookup->capacity) {
        grow(lookup);
    }
    insert(lookup, (uint32_t)hash, number + 1);
}

uint32_t lookup_next(const struct lookup *lookup, uint64_t hash, size_t *at)
{
    if (lookup->capacity == 0) {
        return LOOKUP_NONE;
    }
    for (;;) {
        const struct lookup_slot *slot =
            &lookup->slots[((uint32_t)hash + *at) & (lookup->capacity - 1)];
        (*at)++;
        if (slot->number == 0) {
            return LOOKUP_NONE;
        }
        if (slot->hash == (uint32_t)hash) {
            return slot->number - 1;
        }
    }
}
