/* A hash table from keys to small numbers; the caller keeps the keys, or their marks, and compares
 * them.
 *
 *     size_t at = 0;
 *     while ((n = lookup_next(&lookup, hash, &at)) != LOOKUP_NONE && !same(n)) {
 *     }
 *
 * Hash with lookup_hash(): its secret is drawn at start, because exporters choose the keys. */
#ifndef HEAL_RUNTIME_INGEST_LOOKUP_H
#define HEAL_RUNTIME_INGEST_LOOKUP_H

#include "lang/base.h"
#include "runtime/ingest/key_mark.h"

#define LOOKUP_NONE UINT32_MAX

struct lookup_slot {
    uint32_t hash;   /* its lower half */
    uint32_t number; /* plus one; 0 is free */
};
struct lookup {
    struct lookup_slot *slots;
    size_t count, capacity; /* more slots than numbers; nothing else is known of it */
};

uint64_t lookup_hash(const void *key, size_t size);

void lookup_release(struct lookup *lookup);
void lookup_clear(struct lookup *lookup); /* keeps the memory */
void lookup_add(struct lookup *lookup, uint64_t hash, uint32_t number);
/* The next number added under this hash; *at starts at 0. */
uint32_t lookup_next(const struct lookup *lookup, uint64_t hash, size_t *at);

#endif
