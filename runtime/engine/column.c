/* The hash table of the store. */
#include "runtime/engine/column.h"

#include <stdlib.h>

enum { TABLE_CAPACITY_FIRST = 16 };

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
