/* count_values: how often each value is there. Its label sets are made of values, so they change
 * with them, at any tick; nodes up to the last such one run before the slots of the others are
 * looked at. A group with an unknown member has a slot more, without a value, that is unknown:
 * which label sets there are is not known either. Below samples, a value that is gone keeps its
 * slot for as long as a window over the counts looks back; those nodes are not shared with readers
 * of now, to whom such a slot would be a label set of which others may say that it is unknown. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/engine/eval_keys.h"

enum { VALUE_BYTES = 400 }; /* of any double, without an exponent */

struct counted {
    uint32_t group;
    bool is_value; /* else it says that the group is unknown, and stands before its values */
    double value;
    double count; /* 0: it is gone */
    int64_t last_ms;
    bool drop;
};

/* What the groups are; what was counted stands in the node's slots. */
struct counting {
    struct keys groups;
    bool *drops;
    size_t drop_capacity;
    struct counted *items;
    size_t count, capacity;
    bool anew; /* the items have no slots yet */
};

static void counting_free(struct store *store, struct counting *c)
{
    if (c) {
        for (size_t i = 0; i < c->groups.count; i++) {
            label_set_drop(store, c->groups.labels[i]);
        }
        keys_release(&c->groups);
        free(c->drops);
        free(c->items);
        free(c);
    }
}

void count_values_release(struct eval_node *node)
{
    counting_free(node->eval->store, node->counting);
    node->counting = NULL;
}

void count_values_adopt(struct eval_node *node, struct eval_node *from)
{
    count_values_release(node);
    node->counting = from->counting;
    from->counting = NULL;
    from->built = false;
}

/* What was counted in groups that are still there. */
static void counted_carry(struct counting *c, const struct counting *before)
{
    for (size_t i = 0; i < before->count; i++) {
        struct counted item = before->items[i];
        item.group = keys_find(&c->groups, before->groups.labels[item.group],
                               before->groups.names[item.group]);
        if (item.group != SLOT_NONE) {
            ARRAY_RESERVE(c->items, c->count, c->capacity);
            c->items[c->count++] = item;
        }
    }
}

void count_values_slots(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    struct counting *before = node->counting;
    struct counting *c = node->counting = heap_alloc(sizeof *c);
    c->anew = true;
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
    if (before) {
        counted_carry(c, before);
    }
    counting_free(node->eval->store, before);
}

/* The shortest decimal that reads as the value, as -D.DDDe-XX; returns how many digits. */
static int shortest(double value, char *ret, size_t size)
{
    int digits = 1;
    do {
        snprintf(ret, size, "%.*e", digits - 1, value);
    } while (strtod(ret, NULL) != value && ++digits <= 17);
    return digits;
}

/* The same without an exponent: zeros stand for the places that the digits do not reach. */
static void value_text(double value, char *ret, size_t size)
{
    char text[40], digits[40];
    if (!isfinite(value)) {
        snprintf(ret, size, "%s", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    const int count = shortest(value, text, sizeof text);
    const int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < count) {
        snprintf(ret, size, "%.*f", count - 1 - exponent, value);
        return;
    }
    const char *first = text + (text[0] == '-');
    snprintf(digits, sizeof digits, "%c%.*s", first[0], count - 1, count > 1 ? first + 2 : "");
    const int used = snprintf(ret, size, "%s%s", first > text ? "-" : "", digits);
    const size_t zeros = (size_t)(exponent + 1 - count);
    CHECK((size_t)used + zeros < size);
    memset(ret + used, '0', zeros);
    ret[(size_t)used + zeros] = '\0';
}

static int compare_counted(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    if (x->is_value != y->is_value) {
        return x->is_value ? 1 : -1;
    }
    return memcmp(&x->value, &y->value, sizeof x->value);
}

/* All NaN are one, as are both zeros' texts not. */
static double canonical(double value)
{
    return isnan(value) ? NAN : value;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What was counted before, without a count; what is there again has one besides. */
static size_t still_wanted(const struct eval_node *node, struct counted *items)
{
    const struct counting *c = node->counting;
    const int64_t since_ms = node->eval->now_ms - node->p.range.ns / NS_PER_MS;
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].is_value && c->items[i].last_ms > since_ms) {
            items[count] = c->items[i];
            items[count++].count = 0;
        }
    }
    return count;
}

static size_t collect(const struct eval_node *node, struct counted *items)
{
    const struct eval_node *child = node->in[0];
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < child->count; i++) {
        struct counted item = {.group = node->left[i],
                               .drop = node->counting->drops[node->left[i]]};
        if (bit_get(child->unknown, i)) {
            items[count++] = item;
        }
        if (bit_get(child->present, i)) {
            item.is_value = true;
            item.value = canonical(child->values[i]);
            item.count = 1;
            item.last_ms = node->eval->now_ms;
            items[count++] = item;
        }
    }
    count += still_wanted(node, items + count);
    qsort(items, count, sizeof *items, compare_counted);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare_counted(&items[kept - 1], &items[i]) == 0) {
            items[kept - 1].count += items[i].count;
            items[kept - 1].last_ms = later(items[kept - 1].last_ms, items[i].last_ms);
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
    label_set_copy(rest, labels);
    value_text(item->value, text, sizeof text);
    if (item->is_value && count < STORE_LABELS_MAX) {
        labels[count++] = (struct label){label, text};
    }
    node_add(node, store_intern(store, labels, count), node->counting->groups.names[item->group],
             item->drop);
}

void run_count_values(struct eval_node *node)
{
    struct counting *c = node->counting;
    const struct eval_node *child = node->in[0];
    struct counted *items = heap_alloc((2 * child->count + c->count + 1) * sizeof *items);
    const size_t count = collect(node, items);
    if (c->anew || !same_values(c, items, count)) {
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
    c->anew = false;
    node->values = node->own;
    bits_fill(node->present, node->count, false);
    bits_fill(node->unknown, node->count, false);
    bool unknown = false;
    for (size_t i = 0; i < node->count; i++) {
        unknown = !items[i].is_value || (unknown && items[i].group == items[i - 1].group);
        if (unknown && (items[i].count > 0 || !items[i].is_value)) {
            bit_set(node->unknown, i);
        }
        if (items[i].count > 0) {
            bit_set(node->present, i);
        }
        node->own[i] = items[i].count;
    }
    contend(node, &node->contention[1]);
}
