/* What is kept of a key in place of its bytes: its size and its hash, under a secret that is drawn
 * at start, because exporters choose the keys. Marks are the same within one process only.
 *
 * Of two million keys, two have the same mark once in ten million times. The hash is XXH3's, and
 * for the usual sizes, where the machine has wide lanes, a shorter one of the same parts: each
 * sample on its way in is hashed once. */
#ifndef HEAL_RUNTIME_INGEST_KEY_MARK_H
#define HEAL_RUNTIME_INGEST_KEY_MARK_H

#include "lang/base.h"

struct key_mark {
    uint64_t hash;
    uint32_t size; /* 0: no key */
};
struct key_mark key_mark(const void *key, size_t size);
/* mark->size bytes are looked at. A mark that was just written in parts is not to be copied whole:
 * that waits for memory. */
bool key_mark_is(const struct key_mark *mark, const void *key);
uint64_t key_mark_hash(const void *key, size_t size);

#endif
