/* Slots of nodes: which label sets they have and how those of the children map to them. Runs only
 * when a series was born or died below. */
#include <stdlib.h>

#include "runtime/engine/eval_node.h"

/* ---- room ---- */

static void *grow(void *p, size_t old, size_t count, size_t size)
{
    p = heap_resize(p, count * size);
    memset((char *)p + old * size, 0, (count - old) * size);
    return p;
}
#define GROW(field)      ((field) = grow((field), old, capacity, sizeof *(field)))
#define GROW_BITS(field) ((field) = grow((field), BIT_WORDS(old), BIT_WORDS(capacity), 8))

static bool wants_join(const struct eval_node *node)
{
    return node->kind == NODE_BINARY || node->kind == NODE_REACHES;
}

bool node_has_state(const struct eval_node *node)
{
    return node->kind == NODE_EWMA || node->kind == NODE_MOMENTS || node->kind == NODE_SAMPLED ||
           node->kind == NODE_REACHES;
}

static void state_grow(struct eval_node *node, size_t old, size_t capacity)
{
    struct node_state *state = &node->state;
    if (node->kind == NODE_SAMPLED) {
        GROW(state->lane);
    } else if (node->kind == NODE_REACHES) {
        GROW(state->side);
    } else if (node_has_state(node)) {
        GROW(state->mean);
        GROW(state->variance);
        GROW(state->history);
        GROW_BITS(state->begun);
    }
}

/* Room for one slot more; everything a tick writes is sized here. */
static void node_reserve(struct eval_node *node, size_t wanted)
{
    size_t old = node->capacity;
    if (wanted <= old) {
        return;
    }
    size_t capacity = old ? old * 2 : 64;
    while (capacity < wanted) {
        capacity *= 2;
    }
    GROW(node->labels);
    GROW(node->names);
    GROW(node->own);
    GROW_BITS(node->present);
    GROW_BITS(node->unknown);
    if (node->kind == NODE_SELECT) {
        GROW(node->left);
        GROW(node->newest_ms);
    }
    if (wants_join(node)) {
        GROW(node->left);
        GROW(node->right);
        GROW(node->scratch[0]);
        GROW(node->scratch[1]);
        GROW_BITS(node->scratch_bits[0]);
        GROW_BITS(node->scratch_bits[1]);
    }
    if (node->kind == NODE_RENAME) {
        GROW_BITS(node->scratch_bits[0]);
    }
    if (node->kind == NODE_REACHES) {
        GROW(node->chance);
    }
    if (node->kind == NODE_MOMENTS) {
        GROW(node->variance);
    }
    if (node->kind == NODE_FORECAST) {
        GROW(node->fits);
    }
    if (node->kind == NODE_AGGREGATE) {
        GROW(node->sums);
        GROW(node->counts);
    }
    state_grow(node, old, capacity);
    node->capacity = capacity;
}

static bool node_add(struct eval_node *node, const struct label_set *labels, const char *name)
{
    if (node->count >= EVAL_SLOTS_MAX) {
        node->overflow = true;
        return false;
    }
    node_reserve(node, node->count + 1);
    node->labels[node->count] = labels;
    node->names[node->count++] = name;
    node->any_name |= name != NULL;
    return true;
}

static void state_release(struct node_state *state)
{
    samples_free(state->samples);
    free(state->mean);
    free(state->variance);
    free(state->history);
    free(state->begun);
    free(state->lane);
    free(state->side);
    *state = (struct node_state){0};
}

void node_release(struct eval_node *node)
{
    state_release(&node->state);
    free(node->labels);
    free(node->names);
    free(node->own);
    free(node->present);
    free(node->unknown);
    free(node->left);
    free(node->right);
    for (int i = 0; i < 2; i++) {
        free(node->contention[i].slots);
        free(node->contention[i].starts);
        free(node->scratch[i]);
        free(node->scratch_bits[i]);
    }
    free(node->newest_ms);
    free(node->fits);
    free(node->chance);
    free(node->variance);
    free(node->sums);
    free(node->counts);
    for (size_t i = 0; i < node->p.matcher_count; i++) {
        regex_free(node->p.matchers[i].regex);
    }
    free(node->p.matchers);
    free(node);
}

/* ---- keys ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ (b * 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;
    return x ^ x >> 32;
}

static uint64_t key_hash(const struct label_set *labels, const char *name)
{
    return mix((uint64_t)(uintptr_t)labels, (uint64_t)(uintptr_t)name);
}

/* A set of (labels, name) pairs numbered in order of arrival. */
struct keys {
    struct table table;
    const struct label_set **labels;
    const char **names;
    size_t count, capacity, name_capacity;
};

static uint32_t keys_find(const struct keys *keys, const struct label_set *labels, const char *name)
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

static uint32_t keys_add(struct keys *keys, const struct label_set *labels, const char *name)
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

static void keys_release(struct keys *keys)
{
    table_release(&keys->table);
    free(keys->labels);
    free(keys->names);
}

static bool names_have(const char *const *names, size_t count, const char *name)
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
static const char *slot_key(const struct eval_node *node, const struct eval_node *child,
                            size_t slot, bool keep, const struct label_set **ret_labels)
{
    const struct node_parameters *p = &node->p;
    *ret_labels =
        store_project(node->eval->store, child->labels[slot], p->names, p->name_count, keep);
    return keep && names_have(p->names, p->name_count, LABEL_NAME_KEY) ? child->names[slot] : NULL;
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
static void contention_build(struct contention *contention, const uint32_t *group, size_t count,
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
static void contention_by_labels(struct eval_node *node)
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

/* ---- selectors ---- */

static bool matcher_holds(const struct node_matcher *matcher, const struct series *series)
{
    const char *value = strcmp(matcher->label, LABEL_NAME_KEY) == 0
                            ? series->name
                            : label_set_get(series->labels, matcher->label);
    value = value ? value : "";
    switch (matcher->op) {
    case MATCH_EQ: return strcmp(value, matcher->value) == 0;
    case MATCH_NE: return strcmp(value, matcher->value) != 0;
    case MATCH_RE: return regex_match(matcher->regex, value);
    case MATCH_NRE: return !regex_match(matcher->regex, value);
    }
    return false;
}

static void select_add(struct eval_node *node, uint32_t id)
{
    const struct series *series = &node->eval->store->series[id];
    for (size_t i = 0; i < node->p.matcher_count; i++) {
        if (!matcher_holds(&node->p.matchers[i], series)) {
            return;
        }
    }
    if (node_add(node, series->labels, series->name)) {
        node->left[node->count - 1] = id;
        node->contiguous &= id == node->left[0] + node->count - 1;
    }
}

static void select_slots(struct eval_node *node)
{
    const struct store *store = node->eval->store;
    node->contiguous = !node->gathers;
    if (node->p.metric) {
        const struct store_metric *metric = &store->metrics[node->p.metric_id];
        for (size_t i = 0; i < metric->count; i++) {
            select_add(node, metric->series[i]);
        }
        return;
    }
    for (uint32_t id = 0; id < store->series_count; id++) {
        if (store->series[id].labels) {
            select_add(node, id);
        }
    }
}

/* ---- joins ---- */

static void copy_slots(struct eval_node *node, const struct eval_node *child, bool names)
{
    for (size_t i = 0; i < child->count; i++) {
        node_add(node, child->labels[i], names ? child->names[i] : NULL);
    }
}

static bool keeps_name(const struct eval_node *node)
{
    return node->kind == NODE_BINARY && operator_infos[node->p.op].kind == OPERATOR_COMPARE &&
           !node->p.return_bool;
}

static void join_with_scalar(struct eval_node *node)
{
    const struct eval_node *vector = node->in[0]->scalar ? node->in[1] : node->in[0];
    copy_slots(node, vector, keeps_name(node));
    for (size_t i = 0; i < node->count; i++) {
        node->left[i] = node->in[0]->scalar ? 0 : (uint32_t)i;
        node->right[i] = node->in[1]->scalar ? 0 : (uint32_t)i;
    }
    if (vector->any_name && !keeps_name(node)) {
        contention_by_labels(node);
    }
}

/* Labels of the result of a pair. many: the side whose labels it carries. */
static const struct label_set *pair_labels(const struct eval_node *node,
                                           const struct label_set *many,
                                           const struct label_set *one)
{
    const struct node_parameters *p = &node->p;
    struct store *store = node->eval->store;
    if (p->group == GROUP_NONE) {
        return store_project(store, many, p->names, p->name_count, p->on);
    }
    if (p->include_count == 0) {
        return many;
    }
    struct label labels[STORE_LABELS_MAX];
    const struct label_set *rest = store_project(store, many, p->include, p->include_count, false);
    size_t count = rest->count;
    memcpy(labels, rest->labels, count * sizeof *labels);
    for (size_t i = 0; i < p->include_count && count < STORE_LABELS_MAX; i++) {
        labels[count++] = (struct label){p->include[i], label_set_get(one, p->include[i])};
    }
    return store_intern(store, labels, count);
}

/* The slots of the one side by key: first[key], then next[slot]. */
struct chains {
    struct keys keys;
    uint32_t *first, *next;
};

static struct chains chains_build(const struct eval_node *node, const struct eval_node *one)
{
    struct chains chains = {.first = heap_alloc(one->count * sizeof(uint32_t)),
                            .next = heap_alloc(one->count * sizeof(uint32_t))};
    for (size_t i = one->count; i-- > 0;) {
        const struct label_set *labels;
        const char *name = slot_key(node, one, i, node->p.on, &labels);
        size_t known = chains.keys.count;
        uint32_t key = keys_add(&chains.keys, labels, name);
        chains.next[i] = key == known ? SLOT_NONE : chains.first[key];
        chains.first[key] = (uint32_t)i;
    }
    return chains;
}

static void join_vectors(struct eval_node *node)
{
    const struct node_parameters *p = &node->p;
    const bool swapped = p->group == GROUP_RIGHT;
    const struct eval_node *many = node->in[swapped], *one = node->in[!swapped];
    struct chains chains = chains_build(node, one);
    struct keys results = {0};
    uint32_t *by_many = NULL, *by_result = NULL;
    size_t many_capacity = 0, result_capacity = 0;
    for (size_t i = 0; i < many->count; i++) {
        const struct label_set *labels;
        const char *key_name = slot_key(node, many, i, p->on, &labels);
        uint32_t key = keys_find(&chains.keys, labels, key_name);
        for (uint32_t j = key == SLOT_NONE ? SLOT_NONE : chains.first[key]; j != SLOT_NONE;
             j = chains.next[j]) {
            const struct label_set *result = pair_labels(node, many->labels[i], one->labels[j]);
            const char *name = keeps_name(node) ? many->names[i] : NULL;
            name = p->group == GROUP_NONE && p->on ? (name ? key_name : NULL) : name;
            size_t slot = node->count;
            if (!node_add(node, result, name)) {
                break;
            }
            (swapped ? node->right : node->left)[slot] = (uint32_t)i;
            (swapped ? node->left : node->right)[slot] = j;
            ARRAY_RESERVE(by_many, slot, many_capacity);
            ARRAY_RESERVE(by_result, slot, result_capacity);
            by_many[slot] = (uint32_t)i;
            by_result[slot] = p->group == GROUP_NONE ? key : keys_add(&results, result, name);
        }
    }
    size_t result_count = p->group == GROUP_NONE ? chains.keys.count : results.count;
    contention_build(&node->contention[0], by_many, node->count, many->count);
    contention_build(&node->contention[1], by_result, node->count, result_count);
    free(by_many);
    free(by_result);
    free(chains.first);
    free(chains.next);
    keys_release(&chains.keys);
    keys_release(&results);
}

bool index_is_same(const uint32_t *index, size_t count, size_t child_count)
{
    bool same = count == child_count;
    for (size_t i = 0; i < count && same; i++) {
        same = index[i] == i;
    }
    return same;
}

static void binary_slots(struct eval_node *node)
{
    node->scalar = node->in[0]->scalar && node->in[1]->scalar;
    if (node->in[0]->scalar || node->in[1]->scalar) {
        join_with_scalar(node);
    } else {
        join_vectors(node);
    }
    node->left_same = index_is_same(node->left, node->count, node->in[0]->count);
    node->right_same = index_is_same(node->right, node->count, node->in[1]->count);
}

static void set_slots(struct eval_node *node)
{
    struct keys keys = {0};
    uint32_t **groups[2] = {&node->left, &node->right};
    for (int side = 0; side < 2; side++) {
        const struct eval_node *child = node->in[side];
        *groups[side] = heap_resize(*groups[side], (child->count + 1) * sizeof(uint32_t));
        for (size_t i = 0; i < child->count; i++) {
            const struct label_set *labels;
            const char *name = slot_key(node, child, i, node->p.on, &labels);
            (*groups[side])[i] = keys_add(&keys, labels, name);
        }
    }
    node->group_count = keys.count;
    for (int i = 0; i < 2; i++) {
        node->scratch_bits[i] =
            heap_resize(node->scratch_bits[i], (BIT_WORDS(keys.count) + 1) * sizeof(uint64_t));
    }
    keys_release(&keys);
    copy_slots(node, node->in[0], true);
    if (node->p.op == OPERATOR_OR) {
        copy_slots(node, node->in[1], true);
    }
}

static void aggregate_slots(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    struct keys keys = {0};
    node->left = heap_resize(node->left, (child->count + 1) * sizeof *node->left);
    for (size_t i = 0; i < child->count; i++) {
        const struct label_set *labels;
        const char *name = slot_key(node, child, i, !node->p.without, &labels);
        size_t known = keys.count;
        node->left[i] = keys_add(&keys, labels, name);
        if (keys.count > known) {
            node_add(node, labels, name);
        }
    }
    keys_release(&keys);
}

/* The labels an absent series would have, as far as its matchers say. */
static void absent_slots(struct eval_node *node)
{
    const struct eval_node *child =
        node->in[0]->kind == NODE_PAST ? node->in[0]->in[0] : node->in[0];
    struct label labels[STORE_LABELS_MAX];
    const char *gone[EVAL_NAMES_MAX];
    size_t count = 0, gone_count = 0;
    const bool selector = node->p.raw && child->kind == NODE_SELECT;
    const size_t matchers = selector ? child->p.matcher_count : 0;
    for (size_t i = 0; i < matchers; i++) {
        const struct node_matcher *m = &child->p.matchers[i];
        bool again = false;
        for (size_t j = 0; j < count; j++) {
            again |= strcmp(labels[j].name, m->label) == 0;
        }
        if (strcmp(m->label, LABEL_NAME_KEY) == 0) {
            continue;
        }
        if ((m->op != MATCH_EQ || again) && gone_count < EVAL_NAMES_MAX) {
            gone[gone_count++] = m->label;
        } else if (m->op == MATCH_EQ && count < STORE_LABELS_MAX) {
            labels[count++] = (struct label){m->label, m->value};
        }
    }
    struct store *store = node->eval->store;
    const struct label_set *all = store_intern(store, labels, count);
    node_add(node, store_project(store, all, gone, gone_count, false), NULL);
}

static void scalar_slots(struct eval_node *node)
{
    node->scalar = true;
    node_add(node, store_intern(node->eval->store, NULL, 0), NULL);
}

/* One slot a label set, whichever slots of the child lead to it. */
static void rename_slots(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    struct keys keys = {0};
    node->scalar = child->scalar;
    node->left = heap_resize(node->left, (child->count + 1) * sizeof *node->left);
    for (size_t i = 0; i < child->count; i++) {
        size_t known = keys.count;
        node->left[i] = keys_add(&keys, child->labels[i], NULL);
        if (keys.count > known) {
            node_add(node, child->labels[i], NULL);
        }
    }
    keys_release(&keys);
}

static void function_slots(struct eval_node *node)
{
    bool names = node->kind == NODE_PAST || (node->kind == NODE_SAMPLED && node->p.raw) ||
                 (node->kind == NODE_WINDOW && node->p.window == WINDOW_LAST_OVER_TIME);
    copy_slots(node, node->in[0], names);
    if (!names && node->in[0]->any_name) {
        contention_by_labels(node);
    }
}

static void build(struct eval_node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_TIME: scalar_slots(node); break;
    case NODE_SELECT: select_slots(node); break;
    case NODE_BINARY:
    case NODE_REACHES: binary_slots(node); break;
    case NODE_SET: set_slots(node); break;
    case NODE_AGGREGATE: aggregate_slots(node); break;
    case NODE_ABSENT: absent_slots(node); break;
    case NODE_RENAME: rename_slots(node); break;
    case NODE_SAMPLED:
    case NODE_PAST:
    case NODE_WINDOW:
    case NODE_FORECAST:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE: function_slots(node); break;
    case NODE_STEP: break;
    }
}

/* ---- state over a rebuild ---- */

static void state_move(struct eval_node *node, size_t to, struct node_state *old, size_t from)
{
    struct node_state *state = &node->state;
    if (state->lane) {
        state->lane[to] = old->lane[from];
        old->lane[from] = SLOT_NONE;
    } else if (state->side) {
        state->side[to] = old->side[from];
    } else {
        state->mean[to] = old->mean[from];
        state->variance[to] = old->variance[from];
        state->history[to] = old->history[from];
        if (bit_get(old->begun, from)) {
            bit_set(state->begun, to);
        }
    }
}

/* Gives every slot the state it had under the same labels. */
static void state_carry(struct eval_node *node, const struct label_set **labels, const char **names,
                        size_t count, struct node_state *old)
{
    struct keys keys = {0};
    bool *taken = heap_alloc(count);
    for (size_t i = 0; i < count; i++) {
        keys_add(&keys, labels[i], names[i]);
    }
    /* With equal label sets the first slot keeps the state; numbers of keys then run behind slots.
     */
    uint32_t *first = heap_alloc((keys.count + 1) * sizeof *first);
    for (size_t i = count; i-- > 0;) {
        first[keys_find(&keys, labels[i], names[i])] = (uint32_t)i;
    }
    for (size_t i = 0; i < node->count; i++) {
        uint32_t key = keys_find(&keys, node->labels[i], node->names[i]);
        if (key != SLOT_NONE && !taken[first[key]]) {
            taken[first[key]] = true;
            state_move(node, i, old, first[key]);
        }
    }
    free(first);
    free(taken);
    keys_release(&keys);
}

static struct samples *samples_for(const struct eval_node *node)
{
    struct duration interval = node->p.every;
    if (node->p.raw) {
        const struct store *store = node->eval->store;
        interval = store->sources[store->series[node->in[0]->left[0]].source].interval;
    }
    return samples_new(node->p.range.ns / NS_PER_MS, interval.ns / NS_PER_MS, node->count);
}

/* Every slot keeps its lane; those of slots that are gone are given to the new ones. */
static void lanes_carry(struct eval_node *node, const struct label_set **labels, const char **names,
                        size_t count, struct node_state *old)
{
    struct node_state *state = &node->state;
    state->samples = old->samples;
    old->samples = NULL;
    for (size_t i = 0; i < node->count; i++) {
        state->lane[i] = SLOT_NONE;
    }
    if (count > 0) {
        state_carry(node, labels, names, count, old);
    }
    for (size_t i = 0; i < count; i++) {
        if (old->lane[i] != SLOT_NONE) {
            samples_lane_free(state->samples, old->lane[i]);
        }
    }
    if (node->count > 0 && !state->samples) {
        state->samples = samples_for(node);
    }
    node->lanes_same = true;
    for (size_t i = 0; i < node->count; i++) {
        state->lane[i] =
            state->lane[i] == SLOT_NONE ? samples_lane_new(state->samples) : state->lane[i];
        node->lanes_same &= state->lane[i] == i;
    }
}

static void rebuild(struct eval_node *node)
{
    const struct label_set **labels = node->labels;
    const char **names = node->names;
    size_t count = node->count;
    struct node_state old = node->state;
    if (node_has_state(node)) {
        node->labels = NULL;
        node->names = NULL;
        node->state = (struct node_state){0};
        free(node->own);
        free(node->present);
        free(node->unknown);
        free(node->left);
        free(node->right);
        for (int i = 0; i < 2; i++) {
            free(node->scratch[i]);
            free(node->scratch_bits[i]);
            node->scratch[i] = NULL;
            node->scratch_bits[i] = NULL;
        }
        free(node->chance);
        free(node->variance);
        node->own = node->chance = node->variance = NULL;
        node->present = node->unknown = NULL;
        node->left = node->right = NULL;
        node->capacity = 0;
    }
    node->count = 0;
    node->any_name = node->overflow = false;
    node->contention[0].group_count = node->contention[1].group_count = 0;
    node_reserve(node, 1);
    build(node);
    node->values = node->own;
    memset(node->present, 0, BIT_WORDS(node->capacity) * 8);
    memset(node->unknown, 0, BIT_WORDS(node->capacity) * 8);
    if (node_has_state(node)) {
        if (node->kind == NODE_SAMPLED) {
            lanes_carry(node, labels, names, count, &old);
        } else if (count > 0) {
            state_carry(node, labels, names, count, &old);
        }
        state_release(&old);
        free(labels);
        free(names);
    }
    node->generation++;
    node->built = true;
}

void node_slots(struct eval_node *node)
{
    uint64_t now[2] = {0, 0};
    if (node->kind == NODE_SELECT) {
        const struct store *store = node->eval->store;
        now[0] = node->p.metric ? store->metrics[node->p.metric_id].generation : store->generation;
    }
    for (size_t i = 0; i < node->in_count; i++) {
        now[i] = node->in[i]->generation;
    }
    if (!node->built || now[0] != node->seen[0] || now[1] != node->seen[1]) {
        node->seen[0] = now[0];
        node->seen[1] = now[1];
        rebuild(node);
    }
}

void node_take(struct eval_node *node, struct eval_node *from)
{
    CHECK(node->kind == from->kind && node->eval->store == from->eval->store);
    struct eval_node saved = *node;
#define SWAP(field)                \
    do {                           \
        node->field = from->field; \
        from->field = saved.field; \
    } while (0)
    SWAP(labels);
    SWAP(names);
    SWAP(count);
    SWAP(capacity);
    SWAP(own);
    SWAP(present);
    SWAP(unknown);
    SWAP(left);
    SWAP(right);
    SWAP(chance);
    SWAP(variance);
    SWAP(scratch[0]);
    SWAP(scratch[1]);
    SWAP(scratch_bits[0]);
    SWAP(scratch_bits[1]);
    SWAP(state);
    SWAP(sampled);
    SWAP(has_sampled);
#undef SWAP
    node->built = from->built = false;
}
