/* Slots that change one at a time: a series is born or dies, and what stands above it follows,
 * without a rebuild. Each node tells its readers which slots have another label set now; slots that
 * are only gone stay, and are never present, until another label set takes their place. */
#include <stdlib.h>

#include "runtime/engine/eval_keys.h"

static void note(struct eval_node *node, size_t slot)
{
    ARRAY_RESERVE(node->changed, node->changed_count, node->changed_capacity);
    node->changed[node->changed_count++] = (uint32_t)slot;
}

static void free_slot(struct eval_node *node, uint32_t slot)
{
    ARRAY_RESERVE(node->free_slots, node->free_count, node->free_capacity);
    node->free_slots[node->free_count++] = slot;
}

/* ---- selectors ---- */

static uint64_t id_hash(uint32_t id)
{
    return ((uint64_t)id + 1) * 0x9e3779b97f4a7c15ULL;
}

static uint32_t slot_of(const struct eval_node *node, uint32_t id)
{
    size_t cursor = SIZE_MAX;
    uint32_t slot;
    while ((slot = table_next(&node->slot_table, id_hash(id), &cursor)) != SLOT_NONE) {
        if (node->left[slot] == id) {
            return slot;
        }
    }
    return SLOT_NONE;
}

void select_index(struct eval_node *node)
{
    table_clear(&node->slot_table);
    table_clear(&node->dead_table);
    node->free_count = 0;
    for (uint32_t i = 0; i < node->count; i++) {
        table_add(&node->slot_table, id_hash(node->left[i]), i);
    }
}

/* A slot whose label set has no series any more. When that is born again it has its slot again: no
 * two slots have the same labels, and what is remembered of them is found by labels. */
static uint32_t dead_slot(const struct eval_node *node, const struct label_set *labels)
{
    size_t cursor = SIZE_MAX;
    uint32_t slot;
    while ((slot = table_next(&node->dead_table, key_hash(labels, NULL), &cursor)) != SLOT_NONE) {
        if (node->labels[slot] == labels) {
            return slot;
        }
    }
    return SLOT_NONE;
}

static void bury(struct eval_node *node, uint32_t slot)
{
    if (dead_slot(node, node->labels[slot]) == SLOT_NONE) {
        table_add(&node->dead_table, key_hash(node->labels[slot], NULL), slot);
    }
}

static void unbury(struct eval_node *node, uint32_t slot)
{
    if (dead_slot(node, node->labels[slot]) == slot) {
        table_remove(&node->dead_table, key_hash(node->labels[slot], NULL), slot);
    }
}

static void leave(struct eval_node *node, uint32_t slot)
{
    if (node->left[slot] != SERIES_NOBODY) {
        table_remove(&node->slot_table, id_hash(node->left[slot]), slot);
        node->left[slot] = SERIES_NOBODY;
    }
}

static void detach(struct eval_node *node, uint32_t slot)
{
    leave(node, slot);
    bury(node, slot);
    node->contiguous = false;
    if (node->free_count < node->count) {
        free_slot(node, slot);
        return;
    }
    node->free_count = 0; /* most of them were taken again */
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->left[i] == SERIES_NOBODY) {
            free_slot(node, i);
        }
    }
}

/* The slot is the series' from now on. */
static void give(struct eval_node *node, uint32_t slot, uint32_t id)
{
    const struct series *series = &node->eval->store->series[id];
    unbury(node, slot);
    node_set(node, slot, series->labels, series_name(node->eval->store, series), false);
    if (node->left[slot] != id) {
        leave(node, slot);
        node->left[slot] = id;
        table_add(&node->slot_table, id_hash(id), slot);
        /* The others are counted from the first. */
        node->contiguous &= slot > 0 ? id == node->left[0] + slot : node->count == 1;
    }
    note(node, slot);
}

/* One that nobody has; some were taken again since they were freed. */
static uint32_t take_free(struct eval_node *node)
{
    while (node->free_count > 0) {
        const uint32_t slot = node->free_slots[--node->free_count];
        if (node->left[slot] == SERIES_NOBODY) {
            return slot;
        }
    }
    return SLOT_NONE;
}

/* A slot of the selector for a series that it had no slot for. */
static bool attach(struct eval_node *node, uint32_t id)
{
    const struct series *series = &node->eval->store->series[id];
    const bool next = node->contiguous && (node->count == 0 || id == node->left[0] + node->count);
    const uint32_t slot = next ? SLOT_NONE : take_free(node);
    if (slot != SLOT_NONE) {
        give(node, slot, id);
        return true;
    }
    if (!node_add(node, series->labels, series_name(node->eval->store, series), false)) {
        return false;
    }
    const uint32_t last = (uint32_t)node->count - 1;
    node->left[last] = id;
    node->contiguous &= id == node->left[0] + last;
    table_add(&node->slot_table, id_hash(id), last);
    note(node, last);
    return true;
}

/* The series that is at the place now, whatever was there. */
static bool select_take(struct eval_node *node, uint32_t id)
{
    const struct series *series = &node->eval->store->series[id];
    const uint32_t slot = slot_of(node, id);
    if (!series->labels || series->metric != node->p.metric_id) {
        return true; /* dead: its time says so */
    }
    if (!select_matches(node, id)) {
        if (slot != SLOT_NONE) {
            detach(node, slot);
        }
        return true;
    }
    const uint32_t again = dead_slot(node, series->labels);
    if (again != SLOT_NONE && again != slot) {
        if (slot != SLOT_NONE) {
            detach(node, slot);
        }
        give(node, again, id);
        return true;
    }
    if (slot == SLOT_NONE) {
        return attach(node, id);
    }
    give(node, slot, id);
    return true;
}

static void select_lose(struct eval_node *node, uint32_t id)
{
    const uint32_t slot = slot_of(node, id);
    if (slot != SLOT_NONE && node->eval->store->series[id].labels != node->labels[slot]) {
        bury(node, slot);
    }
}

static int compare_slots(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Each once, upwards: those that are new stand behind the others. */
static void sort_changed(struct eval_node *node)
{
    size_t kept = 0;
    if (node->changed_count > 0) {
        qsort(node->changed, node->changed_count, sizeof *node->changed, compare_slots);
    }
    for (size_t i = 0; i < node->changed_count; i++) {
        if (kept == 0 || node->changed[kept - 1] != node->changed[i]) {
            node->changed[kept++] = node->changed[i];
        }
    }
    node->changed_count = kept;
}

static bool patch_select(struct eval_node *node)
{
    const struct store *store = node->eval->store;
    if (!node->p.metric) {
        return false;
    }
    const struct store_metric *metric = &store->metrics[node->p.metric_id];
    if (node->seen[0] < metric->log_start) {
        return false;
    }
    for (size_t i = (size_t)(node->seen[0] - metric->log_start); i < metric->log_count; i++) {
        const struct store_event *event = &metric->log[i];
        if (!event->born) {
            select_lose(node, event->id);
        } else if (!select_take(node, event->id)) {
            return false;
        }
    }
    sort_changed(node);
    return true;
}

/* ---- one slot for each of the child's ---- */

static bool keeps_names(const struct eval_node *node)
{
    switch ((int)node->kind) {
    case NODE_SAMPLED: return node->p.raw || node->sub;
    case NODE_RENAME: return node->p.minus || node->p.together;
    case NODE_FORECAST:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE: return false;
    default: return true;
    }
}

/* Names go at the end after this operator. */
static bool drops_names(const struct eval_node *node)
{
    switch ((int)node->kind) {
    case NODE_WINDOW: return node->p.window != WINDOW_LAST_OVER_TIME;
    case NODE_MATH:
    case NODE_TIMESTAMP: return true;
    case NODE_RENAME: return !node->p.together;
    case NODE_BINARY:
        return operator_infos[node->p.op].kind != OPERATOR_COMPARE || node->p.return_bool;
    default: return false;
    }
}

/* The vector that the slots are of; NULL where they are not one for one. */
static struct eval_node *followed(const struct eval_node *node)
{
    switch ((int)node->kind) {
    case NODE_SAMPLED:
    case NODE_AT: return node->foreign ? node->foreign : node->in[0];
    case NODE_WINDOW:
    case NODE_PAST:
    case NODE_MATH:
    case NODE_TIMESTAMP:
    case NODE_SORT:
    case NODE_RENAME:
    case NODE_END:
    case NODE_FORECAST:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE: return node->in[0];
    case NODE_BINARY:
        return node->in[0]->scalar ? node->in[1] : node->in[1]->scalar ? node->in[0] : NULL;
    default: return NULL;
    }
}

static bool is_one_for_one(const struct eval_node *node, const struct eval_node *child)
{
    const bool merges = node->kind == NODE_END || (node->kind == NODE_RENAME && !node->p.minus) ||
                        !keeps_names(node);
    return (!merges || child->unique) && node->contention[0].group_count == 0 &&
           node->contention[1].group_count == 0;
}

/* A lane for a slot that has none yet. */
static void state_begin(struct eval_node *node, size_t slot)
{
    if (node->kind == NODE_SAMPLED) {
        node->state.lane[slot] = samples_lane_new(node->state.samples);
        node->lanes_same &= node->state.lane[slot] == slot;
    }
}

static bool follow(struct eval_node *node, const struct eval_node *child, size_t slot)
{
    const char *name = keeps_names(node) ? child->names[slot] : NULL;
    const bool end = node->kind == NODE_END, drop = drops_names(node) || child->drops[slot];
    name = end && child->drops[slot] ? NULL : name;
    const size_t count = node->count;
    if (slot < count) {
        node_set(node, slot, child->labels[slot], name, drop && !end);
        if (node_has_state(node)) {
            state_reset(node, slot);
        }
    } else if (slot > count || !node_add(node, child->labels[slot], name, drop && !end)) {
        return false;
    } else {
        state_begin(node, slot);
    }
    if (node->kind == NODE_RENAME || node->kind == NODE_END) {
        node->left[slot] = (uint32_t)slot;
    }
    note(node, slot);
    return true;
}

static bool patch_followed(struct eval_node *node, const struct eval_node *child)
{
    if (!is_one_for_one(node, child) || (node->kind == NODE_SAMPLED && !node->state.samples)) {
        return false;
    }
    if (node->kind == NODE_RENAME || node->kind == NODE_END) { /* not sized by node_reserve() */
        node->left = heap_resize(node->left, (child->count + 1) * sizeof *node->left);
    }
    for (size_t i = 0; i < child->changed_count; i++) {
        if (!follow(node, child, child->changed[i])) {
            return false;
        }
    }
    return node->count == child->count;
}

/* ---- aggregations ---- */

static uint32_t group_find(const struct eval_node *node, const struct label_set *labels,
                           const char *name)
{
    size_t cursor = SIZE_MAX;
    uint32_t slot;
    while ((slot = table_next(&node->slot_table, key_hash(labels, name), &cursor)) != SLOT_NONE) {
        if (node->labels[slot] == labels && node->names[slot] == name) {
            return slot;
        }
    }
    return SLOT_NONE;
}

void aggregate_index(struct eval_node *node)
{
    table_clear(&node->slot_table);
    node->free_count = 0;
    node->group_size = heap_resize(node->group_size, (node->capacity + 1) * sizeof(uint32_t));
    memset(node->group_size, 0, (node->capacity + 1) * sizeof(uint32_t));
    for (uint32_t g = 0; g < node->count; g++) {
        table_add(&node->slot_table, key_hash(node->labels[g], node->names[g]), g);
    }
    node->child_count = node->in[0]->count;
    for (size_t i = 0; i < node->child_count; i++) {
        node->group_size[node->left[i]]++;
    }
}

/* Groups that nobody entered again. */
static void groups_release(struct eval_node *node, const uint32_t *left, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t group = left[i];
        if (node->group_size[group] == 0 &&
            group_find(node, node->labels[group], node->names[group]) == group) {
            table_remove(&node->slot_table, key_hash(node->labels[group], node->names[group]),
                         group);
            free_slot(node, group);
        }
    }
}

static uint32_t group_enter(struct eval_node *node, const struct label_set *labels,
                            const char *name, bool drop)
{
    uint32_t group = group_find(node, labels, name);
    if (group == SLOT_NONE) {
        if (node->free_count > 0) {
            group = node->free_slots[--node->free_count];
            node_set(node, group, labels, name, drop);
        } else {
            group = (uint32_t)node->count;
            if (!node_add(node, labels, name, drop)) {
                return SLOT_NONE;
            }
            node->group_size =
                heap_resize(node->group_size, (node->capacity + 1) * sizeof(uint32_t));
        }
        node->group_size[group] = 0;
        table_add(&node->slot_table, key_hash(labels, name), group);
        note(node, group);
    }
    node->group_size[group]++;
    return group;
}

static bool patch_aggregate(struct eval_node *node, size_t before)
{
    const struct eval_node *child = node->in[0];
    uint32_t *left = heap_alloc((child->changed_count + 1) * sizeof *left);
    size_t left_count = 0;
    bool good = node->p.aggregate != AGGREGATE_QUANTILE;
    node->left = heap_resize(node->left, (child->count + 1) * sizeof *node->left);
    for (size_t i = 0; i < child->changed_count && good; i++) {
        if (child->changed[i] < before) {
            left[left_count] = node->left[child->changed[i]];
            node->group_size[left[left_count++]]--;
        }
    }
    for (size_t i = 0; i < child->changed_count && good; i++) {
        const uint32_t slot = child->changed[i];
        const struct label_set *labels;
        const char *name = slot_key(node, child, slot, !node->p.without, &labels);
        node->left[slot] = group_enter(node, labels, name, name && child->drops[slot]);
        good = node->left[slot] != SLOT_NONE;
    }
    groups_release(node, left, left_count);
    free(left);
    return good;
}

/* ---- all of them ---- */

/* The only input that has changed, and that says how; NULL when it is not so. */
static const struct eval_node *changed_child(const struct eval_node *node,
                                             const uint64_t now[EVAL_INPUTS_MAX])
{
    const struct eval_node *child = NULL;
    for (size_t i = 0; i < EVAL_INPUTS_MAX; i++) {
        if (now[i] == node->seen[i]) {
            continue;
        }
        const struct eval_node *in = i == 0 && node->foreign ? node->foreign : node->in[i];
        if (child || !in->patched || now[i] != node->seen[i] + 1) {
            return NULL;
        }
        child = in;
    }
    return child;
}

static bool patch_kind(struct eval_node *node, const uint64_t now[EVAL_INPUTS_MAX])
{
    if (node->kind == NODE_SELECT) {
        return patch_select(node);
    }
    const struct eval_node *child = changed_child(node, now);
    if (!child) {
        return false;
    }
    switch ((int)node->kind) {
    case NODE_ABSENT:
    case NODE_SCALAR:
    case NODE_VECTOR: return true; /* their slot is always the same */
    case NODE_AGGREGATE: return child == node->in[0] && patch_aggregate(node, node->child_count);
    default: return child == followed(node) && patch_followed(node, child);
    }
}

bool node_patch(struct eval_node *node, const uint64_t now[EVAL_INPUTS_MAX])
{
    const size_t count = node->count;
    const bool contiguous = node->contiguous;
    node->changed_count = 0;
    if (!patch_kind(node, now)) {
        return false;
    }
    if (node->kind == NODE_AGGREGATE) {
        node->child_count = node->in[0]->count;
    }
    if (node->count != count || node->contiguous != contiguous) {
        node->shape++;
    }
    node->values = node->own;
    node->generation++;
    node->patched = true;
    return true;
}
