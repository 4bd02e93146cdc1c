/* Types of families. */
#include "runtime/ingest/remote_types.h"

#include <stdlib.h>
#include <string.h>

struct remote_type {
    char *family;
    uint32_t size, type;
};

void remote_types_release(struct remote_types *types)
{
    for (size_t i = 0; i < types->count; i++) {
        free(types->items[i].family);
    }
    free(types->items);
    lookup_release(&types->lookup);
}

static struct remote_type *find(const struct remote_types *types, struct slice family,
                                uint64_t hash)
{
    size_t at = 0;
    uint32_t n;
    while ((n = lookup_next(&types->lookup, hash, &at)) != LOOKUP_NONE) {
        struct remote_type *type = &types->items[n];
        if (type->size == family.size && memcmp(type->family, family.text, family.size) == 0) {
            return type;
        }
    }
    return NULL;
}

bool remote_types_set(struct remote_types *types, struct slice family, uint32_t type, size_t most)
{
    uint64_t hash = lookup_hash(family.text, family.size);
    struct remote_type *known = find(types, family, hash);
    if (known) {
        bool flips = known->type != type;
        known->type = type;
        return flips;
    }
    if (types->count < most) {
        ARRAY_RESERVE(types->items, types->count, types->capacity);
        struct remote_type added = {heap_alloc(family.size + 1u), family.size, type};
        memcpy(added.family, family.text, family.size);
        lookup_add(&types->lookup, hash, (uint32_t)types->count);
        types->items[types->count++] = added;
    }
    return false;
}

uint32_t remote_types_get(const struct remote_types *types, struct slice family)
{
    const struct remote_type *known = find(types, family, lookup_hash(family.text, family.size));
    return known ? known->type : 0;
}
