/* What metadata says of the families of one sender: their types. */
#ifndef HEAL_RUNTIME_INGEST_REMOTE_TYPES_H
#define HEAL_RUNTIME_INGEST_REMOTE_TYPES_H

#include "runtime/ingest/exposition.h"
#include "runtime/ingest/lookup.h"

struct remote_type;
struct remote_types {
    struct remote_type *items;
    size_t count, capacity;
    struct lookup lookup;
};
void remote_types_release(struct remote_types *types);
/* True when the family had another type before; with more than `most` families, a new one is not
 * kept. */
bool remote_types_set(struct remote_types *types, struct slice family, uint32_t type, size_t most);
/* 0 when the family has none. */
uint32_t remote_types_get(const struct remote_types *types, struct slice family);

#endif
