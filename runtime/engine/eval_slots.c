/* Slots of nodes: which label sets they have and how those of the children map to them. Runs only
 * when a series was born or died below. */
#include <stdlib.h>

#include "runtime/engine/eval_keys.h"

/* ---- room ---- */

static void *grow(void *p, size_t old, size_t count, size_t size)
{
    p = heap_resize(p, count * size);
    memset((char *)p + old * size, 0, (count - old) * size);
    return p;
}
#define GROW(field)      ((field) = grow((field), old, capacity, sizeof *(field)))
#define GROW_BITS(field) ((field) = grow((field), BIT_WORDS(old), BIT_WORDS(capacity), 8))

/* Two operands, each in an order of its own. */
static bool wants_index(const struct eval_node *node)
{
    return node->kind == NODE_REACHES ||
           (node->kind == NODE_BINARY && !node->in[0]->scalar && !node->in[1]->scalar);
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
    GROW(node->drops);
    GROW(node->own);
    GROW_BITS(node->present);
    GROW_BITS(node->unknown);
    node->fresh_blocks = heap_resize(node->fresh_blocks, BIT_WORDS(BIT_WORDS(capacity)) * 8);
    if (node->kind == NODE_SELECT) {
        GROW(node->left);
        GROW(node->newest_ms);
        node->until_ms = heap_resize(node->until_ms, BIT_WORDS(capacity) * 8);
    }
    if (wants_index(node)) {
        GROW(node->left);
        GROW(node->right);
        GROW(node->scratch[0]);
        GROW(node->scratch[1]);
    }
    if (node->kind == NODE_BINARY || node->kind == NODE_REACHES) {
        GROW_BITS(node->scratch_bits[0]);
        GROW_BITS(node->scratch_bits[1]);
    }
    if (node->kind == NODE_RENAME || node->kind == NODE_END) {
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

bool node_add(struct eval_node *node, const struct label_set *labels, const char *name, bool drop)
{
    if (node->count >= EVAL_SLOTS_MAX) {
        node->overflow = true;
        return false;
    }
    node_reserve(node, node->count + 1);
    label_set_hold(labels);
    node->labels[node->count] = labels;
    node->drops[node->count] = name && drop;
    node->names[node->count++] = name;
    node->any_name |= name != NULL;
    node->any_drop |= name && drop;
    return true;
}

void node_set(struct eval_node *node, size_t slot, const struct label_set *labels, const char *name,
              bool drop)
{
    label_set_hold(labels);
    label_set_drop(node->eval->store, node->labels[slot]);
    node->labels[slot] = labels;
    node->names[slot] = name;
    node->drops[slot] = name && drop;
    node->any_name |= name != NULL;
    node->any_drop |= name && drop;
}

static void labels_drop(struct eval_node *node, const struct label_set **labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        label_set_drop(node->eval->store, labels[i]);
    }
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
    labels_drop(node, node->labels, node->count);
    free(node->labels);
    free(node->names);
    free(node->drops);
    free(node->own);
    free(node->present);
    free(node->unknown);
    free(node->fresh_blocks);
    free(node->until_ms);
    free(node->reads);
    free(node->reads_from);
    free(node->left);
    free(node->right);
    for (int i = 0; i < 2; i++) {
        free(node->contention[i].slots);
        free(node->contention[i].starts);
        free(node->scratch[i]);
        free(node->scratch_bits[i]);
    }
    free(node->newest_ms);
    free(node->changed);
    free(node->free_slots);
    free(node->group_size);
    table_release(&node->slot_table);
    table_release(&node->dead_table);
    free(node->fits);
    free(node->chance);
    free(node->variance);
    free(node->sums);
    free(node->counts);
    free(node->members.slots);
    free(node->members.starts);
    free(node->bounds);
    free(node->order);
    count_values_release(node);
    regex_free(node->p.regex);
    for (size_t i = 0; i < node->p.matcher_count; i++) {
        regex_free(node->p.matchers[i].regex);
    }
    free(node->p.matchers);
    free(node);
}

/* ---- selectors ---- */

static bool matcher_holds(const struct store *store, const struct node_matcher *matcher,
                          const struct series *series)
{
    const char *value = strcmp(matcher->label, LABEL_NAME_KEY) == 0
                            ? series_name(store, series)
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

bool select_matches(const struct eval_node *node, uint32_t id)
{
    const struct store *store = node->eval->store;
    for (size_t i = 0; i < node->p.matcher_count; i++) {
        if (!matcher_holds(store, &node->p.matchers[i], &store->series[id])) {
            return false;
        }
    }
    return true;
}

static void select_add(struct eval_node *node, uint32_t id)
{
    const struct series *series = &node->eval->store->series[id];
    if (select_matches(node, id) &&
        node_add(node, series->labels, series_name(node->eval->store, series), false)) {
        node->left[node->count - 1] = id;
        node->contiguous &= id == node->left[0] + node->count - 1;
    }
}

static int compare_ids(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* In the order of their places, so that series born together lie together. */
static void select_slots(struct eval_node *node)
{
    const struct store *store = node->eval->store;
    node->contiguous = !node->gathers;
    if (node->p.metric) {
        const struct store_metric *metric = &store->metrics[node->p.metric_id];
        uint32_t *ids = heap_alloc((metric->count + 1) * sizeof *ids);
        if (metric->count > 0) {
            memcpy(ids, metric->series, metric->count * sizeof *ids);
            qsort(ids, metric->count, sizeof *ids, compare_ids);
        }
        for (size_t i = 0; i < metric->count; i++) {
            select_add(node, ids[i]);
        }
        free(ids);
        select_index(node);
        return;
    }
    for (uint32_t id = 0; id < store->series_count; id++) {
        if (store->series[id].labels) {
            select_add(node, id);
        }
    }
}

/* ---- joins ---- */

void copy_slots(struct eval_node *node, const struct eval_node *child, bool names, bool drop)
{
    for (size_t i = 0; i < child->count; i++) {
        node_add(node, child->labels[i], names ? child->names[i] : NULL, drop || child->drops[i]);
    }
}

static bool compares(const struct eval_node *node)
{
    return node->kind == NODE_BINARY && operator_infos[node->p.op].kind == OPERATOR_COMPARE;
}

static void join_with_scalar(struct eval_node *node)
{
    const struct eval_node *vector = node->in[0]->scalar ? node->in[1] : node->in[0];
    const bool names = node->kind == NODE_BINARY;
    copy_slots(node, vector, names, !compares(node) || node->p.return_bool);
    for (size_t i = 0; i < node->count && wants_index(node); i++) {
        node->left[i] = node->in[0]->scalar ? 0 : (uint32_t)i;
        node->right[i] = node->in[1]->scalar ? 0 : (uint32_t)i;
    }
    if (vector->any_name && !names) {
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
    label_set_copy(rest, labels);
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
    /* Of one to one the name is among the labels that are matched, or it goes. */
    const bool named = labels_named(p->names, p->name_count, LABEL_NAME_KEY);
    const bool keeps = p->group != GROUP_NONE || named == p->on;
    /* Equal keys are equal results, and the other way round, unless the name made them differ. */
    const bool by_key = p->group == GROUP_NONE && (!named || !p->on || compares(node));
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
            const char *name = compares(node) && keeps ? many->names[i] : NULL;
            size_t slot = node->count;
            if (!node_add(node, result, name, node->p.return_bool || many->drops[i])) {
                break;
            }
            (swapped ? node->right : node->left)[slot] = (uint32_t)i;
            (swapped ? node->left : node->right)[slot] = j;
            ARRAY_RESERVE(by_many, slot, many_capacity);
            ARRAY_RESERVE(by_result, slot, result_capacity);
            by_many[slot] = (uint32_t)i;
            by_result[slot] = by_key ? key : keys_add(&results, result, name);
        }
    }
    size_t result_count = by_key ? chains.keys.count : results.count;
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
    if (node->in[0]->scalar || node->in[1]->scalar) {
        join_with_scalar(node);
    } else {
        join_vectors(node);
    }
    if (!wants_index(node)) {
        node->left_same = !node->in[0]->scalar;
        node->right_same = !node->in[1]->scalar;
        return;
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
    copy_slots(node, node->in[0], true, false);
    if (node->p.op == OPERATOR_OR) {
        copy_slots(node, node->in[1], true, false);
    }
}

/* The selector below, as it is or over a range. */
static const struct eval_node *selector_below(const struct eval_node *node)
{
    while (node->kind == NODE_PAST || node->kind == NODE_WINDOW || node->kind == NODE_AT ||
           (node->kind == NODE_SAMPLED && node->p.raw)) {
        node = node->sub ? node->foreign : node->in[0];
    }
    return node;
}

/* The labels an absent series would have, as far as its matchers say. */
static void absent_slots(struct eval_node *node)
{
    const struct eval_node *child = selector_below(node->in[0]);
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
    node_add(node, store_project(store, all, gone, gone_count, false), NULL, false);
}

static void scalar_slots(struct eval_node *node)
{
    node_add(node, store_intern(node->eval->store, NULL, 0), NULL, false);
}

static void vector_slots(struct eval_node *node)
{
    node_add(node, store_intern(node->eval->store, NULL, 0), NULL, false);
}

/* One slot a label set, whichever slots of the child lead to it. All names go, or those that go at
 * the end. */
static void rename_slots(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    struct keys keys = {0};
    node->left = heap_resize(node->left, (child->count + 1) * sizeof *node->left);
    for (size_t i = 0; i < child->count; i++) {
        const bool end = node->kind == NODE_END && !child->drops[i];
        const char *name = end || node->p.together ? child->names[i] : NULL;
        size_t known = keys.count;
        node->left[i] = keys_add(&keys, child->labels[i], name);
        if (keys.count > known) {
            node_add(node, child->labels[i], name, node->p.together && child->drops[i]);
        }
    }
    keys_release(&keys);
}

static void negated_slots(struct eval_node *node)
{
    copy_slots(node, node->in[0], true, true);
}

static void at_slots(struct eval_node *node)
{
    copy_slots(node, node->foreign, true, false);
}

static void window_slots(struct eval_node *node)
{
    copy_slots(node, node->in[0], true, node->p.window != WINDOW_LAST_OVER_TIME);
}

static void sampled_slots(struct eval_node *node)
{
    copy_slots(node, node->sub ? node->foreign : node->in[0], node->p.raw || node->sub, false);
    if (!node->p.raw && !node->sub && node->in[0]->any_name) {
        contention_by_labels(node);
    }
}

/* What heal adds has no names. */
static void function_slots(struct eval_node *node)
{
    copy_slots(node, node->in[0], false, false);
    if (node->in[0]->any_name) {
        contention_by_labels(node);
    }
}

static void build(struct eval_node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_TIME:
    case NODE_SCALAR: scalar_slots(node); break;
    case NODE_VECTOR: vector_slots(node); break;
    case NODE_SELECT: select_slots(node); break;
    case NODE_BINARY:
    case NODE_REACHES: binary_slots(node); break;
    case NODE_SET: set_slots(node); break;
    case NODE_AGGREGATE: aggregate_slots(node); break;
    case NODE_PICK: pick_slots(node); break;
    case NODE_COUNT_VALUES: count_values_slots(node); break;
    case NODE_HISTOGRAM: histogram_slots(node); break;
    case NODE_ABSENT: absent_slots(node); break;
    case NODE_RENAME: node->p.minus ? negated_slots(node) : rename_slots(node); break;
    case NODE_END: rename_slots(node); break;
    case NODE_LABELS: labels_slots(node); break;
    case NODE_AT: at_slots(node); break;
    case NODE_SAMPLED: sampled_slots(node); break;
    case NODE_WINDOW: window_slots(node); break;
    case NODE_MATH:
    case NODE_TIMESTAMP: copy_slots(node, node->in[0], true, true); break;
    case NODE_PAST:
    case NODE_SORT: copy_slots(node, node->in[0], true, false); break;
    case NODE_FORECAST:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE: function_slots(node); break;
    case NODE_STEP: break;
    }
}

/* ---- when something below has changed ---- */

static void rebuild(struct eval_node *node)
{
    const struct label_set **labels = node->labels;
    const char **names = node->names;
    size_t count = node->count;
    struct node_state old = node->state;
    if (node_has_state(node)) {
        node->labels = NULL;
        node->names = NULL;
        free(node->drops);
        node->drops = NULL;
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
    } else {
        labels_drop(node, labels, count);
    }
    node->count = 0;
    node->any_name = node->any_drop = node->overflow = false;
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
        labels_drop(node, labels, count);
        free(labels);
        free(names);
    }
    node->generation++;
    node->shape++;
    node->patched = false;
    node->built = true;
}

void node_slots(struct eval_node *node)
{
    uint64_t now[EVAL_INPUTS_MAX] = {0};
    if (node->kind == NODE_SELECT) {
        const struct store *store = node->eval->store;
        now[0] = node->p.metric ? store->metrics[node->p.metric_id].generation : store->generation;
    }
    for (size_t i = 0; i < node->in_count; i++) {
        now[i] = node->in[i]->generation;
    }
    if (node->sub) {
        sub_tick(node->eval, node->sub);
    }
    if (node->foreign) { /* then an input is a scalar, whose slot is always the same */
        now[0] = node->foreign->generation;
    }
    if (node->built && memcmp(now, node->seen, sizeof now) == 0) {
        return;
    }
    if (!node->built || !node_patch(node, now)) {
        rebuild(node);
    }
    memcpy(node->seen, now, sizeof now);
}
