/* What slots are found by: label sets with names, groups, and slots of which only one may be
 * present. */
#include "runtime/engine/eval_keys.h"

#include <stdlib.h>

/* ---- keys ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ (b * 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;
    return x ^ x >> 32;
}

uint64_t key_hash(const struct label_set *labels, const char *name)
{
    return mix((uint64_t)(uintptr_t)labels, (uint64_t)(uintptr_t)name);
}

uint32_t keys_find(const struct keys *keys, const struct label_set *labels, const char *name)
{
    size_t cursor = SIZE_MAX;
    uint32_t at;
    while ((at = table_next(&keys->table, key_hash(labels, name), &cursor)) != SLOT_NONE) {
        if (keys->labels[at] == labels && keys->names[at] == name) {
            return at;
        }
    }
    return SLOT_NONE;
}

uint32_t keys_add(struct keys *keys, const struct label_set *labels, const char *name)
{
    uint32_t at = keys_find(keys, labels, name);
    if (at != SLOT_NONE) {
        return at;
    }
    ARRAY_RESERVE(keys->labels, keys->count, keys->capacity);
    ARRAY_RESERVE(keys->names, keys->count, keys->name_capacity);
    keys->labels[keys->count] = labels;
    keys->names[keys->count] = name;
    table_add(&keys->table, key_hash(labels, name), (uint32_t)keys->count);
    return (uint32_t)keys->count++;
}

void keys_release(struct keys *keys)
{
    table_release(&keys->table);
    free(keys->labels);
    free(keys->names);
}

bool labels_named(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The match or group key of a child's slot: labels in *ret_labels, and its metric name when the key
 * asks for it. */
const char *slot_key(const struct eval_node *node, const struct eval_node *child, size_t slot,
                     bool keep, const struct label_set **ret_labels)
{
    const struct node_parameters *p = &node->p;
    *ret_labels =
        store_project(node->eval->store, child->labels[slot], p->names, p->name_count, keep);
    return keep && labels_named(p->names, p->name_count, LABEL_NAME_KEY) ? child->names[slot]
                                                                         : NULL;
}

/* ---- contention ---- */

struct grouped {
    uint32_t group, slot;
};
static int compare_grouped(const void *a, const void *b)
{
    const struct grouped *x = a, *y = b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* group[i] is the group of slot i, below group_count. */
void contention_build(struct contention *contention, const uint32_t *group, size_t count,
                      size_t group_count)
{
    uint64_t *seen = heap_alloc((BIT_WORDS(group_count) + 1) * sizeof *seen);
    bool alone = true;
    contention->group_count = 0;
    for (size_t i = 0; i < count && alone; i++) {
        alone = !bit_get(seen, group[i]);
        bit_set(seen, group[i]);
    }
    free(seen);
    if (alone) {
        return;
    }
    struct grouped *sorted = heap_alloc(count * sizeof *sorted);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = (struct grouped){group[i], (uint32_t)i};
    }
    qsort(sorted, count, sizeof *sorted, compare_grouped);
    size_t used = 0;
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && sorted[end].group == sorted[i].group; end++) {
        }
        if (end - i < 2) {
            continue;
        }
        ARRAY_RESERVE(contention->starts, contention->group_count + 1, contention->start_capacity);
        contention->starts[contention->group_count++] = (uint32_t)used;
        for (size_t j = i; j < end; j++) {
            ARRAY_RESERVE(contention->slots, used, contention->slot_capacity);
            contention->slots[used++] = sorted[j].slot;
        }
        contention->starts[contention->group_count] = (uint32_t)used;
    }
    free(sorted);
}

/* Equal results of several slots, as after dropping metric names. */
void contention_by_labels(struct eval_node *node)
{
    struct keys keys = {0};
    uint32_t *group = heap_alloc(node->count * sizeof *group);
    for (size_t i = 0; i < node->count; i++) {
        group[i] = keys_add(&keys, node->labels[i], node->names[i]);
    }
    contention_build(&node->contention[1], group, node->count, keys.count);
    free(group);
    keys_release(&keys);
}
