/* Numbers by hash, eight bytes a place: for tables of which the store has one entry a series.
 *
 * Open addressing with linear probing; a table is between two thirds and five sixths full once it
 * has grown, so an entry takes 9.6 to 12 bytes. It keeps 32 bits of the hash: what it finds may be
 * another's, and the caller compares.
 *
 *     size_t cursor = SIZE_MAX;
 *     while ((id = id_table_next(&table, hash, &cursor)) != ID_NONE && !same(id)) {
 *     } */
#ifndef HEAL_RUNTIME_ENGINE_ID_TABLE_H
#define HEAL_RUNTIME_ENGINE_ID_TABLE_H

#include "lang/base.h"

#define ID_NONE UINT32_MAX

struct id_slot {
    uint32_t hash, id; /* ID_NONE: empty */
};
struct id_table {
    struct id_slot *slots;
    size_t count, capacity;
};

/* The first id of the hash behind *cursor; ID_NONE at the end. */
uint32_t id_table_next(const struct id_table *table, uint64_t hash, size_t *cursor);
void id_table_add(struct id_table *table, uint64_t hash, uint32_t id);
void id_table_remove(struct id_table *table, uint64_t hash, uint32_t id);
void id_table_release(struct id_table *table);
size_t id_table_bytes(const struct id_table *table);

#endif
