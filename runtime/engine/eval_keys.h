/* Keys of slots. Only eval_*.c include this. */
#ifndef HEAL_RUNTIME_ENGINE_EVAL_KEYS_H
#define HEAL_RUNTIME_ENGINE_EVAL_KEYS_H

#include "runtime/engine/eval_node.h"

/* A set of (labels, name) pairs numbered in order of arrival. */
struct keys {
    struct table table;
    const struct label_set **labels;
    const char **names;
    size_t count, capacity, name_capacity;
};
uint32_t keys_find(const struct keys *keys, const struct label_set *labels, const char *name);
uint32_t keys_add(struct keys *keys, const struct label_set *labels, const char *name);
void keys_release(struct keys *keys);

bool labels_named(const char *const *names, size_t count, const char *name);
/* The match or group key of a child's slot: labels in *ret_labels, and its metric name when the key
 * asks for it. */
const char *slot_key(const struct eval_node *node, const struct eval_node *child, size_t slot,
                     bool keep, const struct label_set **ret_labels);

/* group[i] is the group of slot i, below group_count. */
void contention_build(struct contention *contention, const uint32_t *group, size_t count,
                      size_t group_count);
/* Equal results of several slots, as after dropping metric names. */
void contention_by_labels(struct eval_node *node);

#endif
