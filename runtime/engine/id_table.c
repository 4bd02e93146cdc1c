/* Numbers by hash. */
#include "runtime/engine/id_table.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 16 };

static size_t home_of(const struct id_table *table, uint32_t hash)
{
    return (size_t)((uint64_t)hash * table->capacity >> 32);
}

static size_t next_place(const struct id_table *table, size_t at)
{
    return at + 1 == table->capacity ? 0 : at + 1;
}

uint32_t id_table_next(const struct id_table *table, uint64_t hash, size_t *cursor)
{
    if (table->capacity == 0) {
        return ID_NONE;
    }
    size_t at = *cursor == SIZE_MAX ? home_of(table, (uint32_t)hash) : next_place(table, *cursor);
    for (; table->slots[at].id != ID_NONE; at = next_place(table, at)) {
        if (table->slots[at].hash == (uint32_t)hash) {
            *cursor = at;
            return table->slots[at].id;
        }
    }
    return ID_NONE;
}

static void put(struct id_table *table, struct id_slot slot)
{
    size_t at = home_of(table, slot.hash);
    while (table->slots[at].id != ID_NONE) {
        at = next_place(table, at);
    }
    table->slots[at] = slot;
}

static void grow(struct id_table *table)
{
    struct id_table old = *table;
    table->capacity += table->capacity / 4 + CAPACITY_FIRST;
    CHECK(table->capacity <= UINT32_MAX);
    table->slots = heap_resize(NULL, table->capacity * sizeof *table->slots);
    memset(table->slots, 0xff, table->capacity * sizeof *table->slots);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].id != ID_NONE) {
            put(table, old.slots[i]);
        }
    }
    free(old.slots);
}

void id_table_add(struct id_table *table, uint64_t hash, uint32_t id)
{
    CHECK(id != ID_NONE);
    if ((table->count + 1) * 6 > table->capacity * 5) {
        grow(table);
    }
    put(table, (struct id_slot){(uint32_t)hash, id});
    table->count++;
}

static size_t distance(const struct id_table *table, size_t from, size_t to)
{
    return to >= from ? to - from : to + table->capacity - from;
}

void id_table_remove(struct id_table *table, uint64_t hash, uint32_t id)
{
    size_t gap = SIZE_MAX;
    uint32_t found = id_table_next(table, hash, &gap);
    while (found != id) {
        CHECK(found != ID_NONE);
        found = id_table_next(table, hash, &gap);
    }
    /* Close the gap: entries behind it that hash before it move up (Knuth 6.4, algorithm R). */
    table->slots[gap].id = ID_NONE;
    for (size_t at = next_place(table, gap); table->slots[at].id != ID_NONE;
         at = next_place(table, at)) {
        const size_t home = home_of(table, table->slots[at].hash);
        if (distance(table, home, at) >= distance(table, gap, at)) {
            table->slots[gap] = table->slots[at];
            table->slots[at].id = ID_NONE;
            gap = at;
        }
    }
    table->count--;
}

void id_table_release(struct id_table *table)
{
    free(table->slots);
    *table = (struct id_table){0};
}

size_t id_table_bytes(const struct id_table *table)
{
    return table->capacity * sizeof *table->slots;
}
