/* Open addressing with linear probing, two thirds to five sixths full once it has grown. */
#include "runtime/ingest/lookup.h"

#include <stdlib.h>
#include <string.h>

uint64_t lookup_hash(const void *key, size_t size)
{
    return key_mark_hash(key, size);
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

static size_t home_of(const struct lookup *lookup, uint32_t hash)
{
    return (size_t)((uint64_t)hash * lookup->capacity >> 32);
}

static void insert(struct lookup *lookup, uint32_t hash, uint32_t number)
{
    size_t i = home_of(lookup, hash);
    while (lookup->slots[i].number != 0) {
        i = i + 1 == lookup->capacity ? 0 : i + 1;
    }
    lookup->slots[i] = (struct lookup_slot){hash, number};
    lookup->count++;
}

/* A quarter more each time: there may be a million. */
static void grow(struct lookup *lookup)
{
    struct lookup old = *lookup;
    lookup->capacity += lookup->capacity / 4 + 32;
    CHECK(lookup->capacity <= UINT32_MAX);
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
    if (6 * (lookup->count + 1) > 5 * lookup->capacity) {
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
        const size_t i = home_of(lookup, (uint32_t)hash) + (*at)++;
        const struct lookup_slot *slot =
            &lookup->slots[i < lookup->capacity ? i : i - lookup->capacity];
        if (slot->number == 0) {
            return LOOKUP_NONE;
        }
        if (slot->hash == (uint32_t)hash) {
            return slot->number - 1;
        }
    }
}
