/* count_values: how often each value is there. Its label sets are made of values, so they change
 * with them, at any tick; nodes up to the last such one run before the slots of the others are
 * looked at. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/engine/eval_keys.h"

enum { VALUE_BYTES = 400 }; /* of any double, without an exponent */

struct counted {
    uint32_t group;
    double value;
    double count;
    bool drop;
};

/* What the groups are; what was counted stands in the node's slots. */
struct counting {
    struct keys groups;
    bool *drops;
    size_t drop_capacity;
    struct counted *items;
    size_t count, capacity;
};

void count_values_release(struct eval_node *node)
{
    if (node->counting) {
        for (size_t i = 0; i < node->counting->groups.count; i++) {
            label_set_drop(node->eval->store, node->counting->groups.labels[i]);
        }
        keys_release(&node->counting->groups);
        free(node->counting->drops);
        free(node->counting->items);
        free(node->counting);
        node->counting = NULL;
    }
}

void count_values_slots(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    count_values_release(node);
    struct counting *c = node->counting = heap_alloc(sizeof *c);
    node->left = heap_resize(node->left, (child->count + 1) * sizeof *node->left);
    for (size_t i = 0; i < child->count; i++) {
        const struct label_set *labels;
        const char *name = slot_key(node, child, i, !node->p.without, &labels);
        node->left[i] = keys_add(&c->groups, labels, name);
        ARRAY_RESERVE(c->drops, (size_t)node->left[i], c->drop_capacity);
        c->drops[node->left[i]] = name && child->drops[i];
    }
    for (size_t i = 0; i < c->groups.count; i++) { /* kept over ticks */
        label_set_hold(c->groups.labels[i]);
    }
}

/* The shortest decimal that reads as the value, without an exponent. */
static void value_text(double value, char *ret, size_t size)
{
    char text[40];
    if (!isfinite(value)) {
        snprintf(ret, size, "%s", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    int digits = 1;
    do {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
    } while (strtod(text, NULL) != value && ++digits <= 17);
    const long exponent = strtol(strchr(text, 'e') + 1, NULL, 10);
    const long decimals = digits - 1 - exponent;
    snprintf(ret, size, "%.*f", decimals > 0 ? (int)decimals : 0, value);
}

static int compare_counted(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    return memcmp(&x->value, &y->value, sizeof x->value);
}

/* All NaN are one, as are both zeros' texts not. */
static double canonical(double value)
{
    return isnan(value) ? NAN : value;
}

static size_t collect(const struct eval_node *node, struct counted *items)
{
    const struct eval_node *child = node->in[0];
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < child->count; i++) {
        if (bit_get(child->present, i)) {
            items[count++] = (struct counted){.group = node->left[i],
                                              .value = canonical(child->values[i]),
                                              .count = 1,
                                              .drop = node->counting->drops[node->left[i]]};
        }
    }
    qsort(items, count, sizeof *items, compare_counted);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare_counted(&items[kept - 1], &items[i]) == 0) {
            items[kept - 1].count++;
        } else {
            items[kept++] = items[i];
        }
    }
    return kept;
}

static bool same_values(const struct counting *c, const struct counted *items, size_t count)
{
    bool same = c->count == count;
    for (size_t i = 0; i < count && same; i++) {
        same = compare_counted(&c->items[i], &items[i]) == 0;
    }
    return same;
}

static void add_value(struct eval_node *node, const struct counted *item)
{
    struct store *store = node->eval->store;
    const struct label_set *group = node->counting->groups.labels[item->group];
    const char *label = node->p.text[0];
    struct label labels[STORE_LABELS_MAX];
    char text[VALUE_BYTES];
    const struct label_set *rest = store_project(store, group, &label, 1, false);
    size_t count = rest->count;
    memcpy(labels, rest->labels, count * sizeof *labels);
    value_text(item->value, text, sizeof text);
    if (count < STORE_LABELS_MAX) {
        labels[count++] = (struct label){label, text};
    }
    node_add(node, store_intern(store, labels, count), node->counting->groups.names[item->group],
             item->drop);
}

void run_count_values(struct eval_node *node)
{
    struct counting *c = node->counting;
    const struct eval_node *child = node->in[0];
    struct counted *items = heap_alloc((child->count + 1) * sizeof *items);
    const size_t count = collect(node, items);
    if (!same_values(c, items, count)) {
        for (size_t i = 0; i < node->count; i++) {
            label_set_drop(node->eval->store, node->labels[i]);
        }
        node->count = 0;
        node->any_name = node->any_drop = false;
        for (size_t i = 0; i < count; i++) {
            add_value(node, &items[i]);
        }
        node->contention[1].group_count = 0;
        contention_by_labels(node);
        node->generation++;
        node->shape++;
        node->patched = false;
    }
    free(c->items);
    c->items = items;
    c->count = count;
    node->values = node->own;
    bits_fill(node->present, node->count, true);
    bits_fill(node->unknown, node->count, any_bit(child->unknown, child->count));
    for (size_t i = 0; i < node->count; i++) {
        node->own[i] = items[i].count;
    }
    contend(node, &node->contention[1]);
}
