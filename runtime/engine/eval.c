/* The evaluator: its tick, its columns, and what a reload carries over. */
#include <stdlib.h>
#include <xxhash.h>

#include "runtime/engine/eval_node.h"

struct eval *eval_new(struct store *store)
{
    struct eval *eval = heap_alloc(sizeof *eval);
    eval->store = store;
    eval->root = eval;
    eval->come_ms = INT64_MAX;
    eval->now.ns = INT64_MIN / 2; /* before all times, also those before 1970 */
    return eval;
}

void eval_free(struct eval *eval)
{
    if (!eval) {
        return;
    }
    for (size_t i = 0; i < eval->watch_count; i++) {
        watch_free(eval->watches[i]);
    }
    code_free(eval);
    time_free(eval);
    subs_free(eval);
    for (size_t i = 0; i < eval->entities_count; i++) {
        entities_free(eval->entities[i]);
    }
    for (size_t i = 0; i < eval->node_count; i++) {
        node_release(eval->nodes[i]);
    }
    for (size_t i = 0; i < eval->override_count; i++) {
        free(eval->overrides[i].metric);
    }
    records_free(eval);
    free(eval->watches);
    free(eval->entities);
    free(eval->nodes);
    table_release(&eval->by_hash);
    free(eval->overrides);
    free(eval->observed);
    free(eval->times_ms);
    free(eval->samples);
    free(eval);
}

void eval_override(struct eval *eval, const struct signal *signal, const char *metric_name)
{
    ARRAY_RESERVE(eval->overrides, eval->override_count, eval->override_capacity);
    eval->overrides[eval->override_count++] =
        (struct override){.signal = signal, .metric = heap_strdup(metric_name)};
}

static void observe(struct eval *eval)
{
    const struct store *store = eval->store;
    eval->warm = store_warm(store);
    eval->all_observed = true;
    eval->silence = 0;
    if (store->source_count > eval->observed_capacity) {
        eval->observed_capacity = store->source_count * 2;
        eval->observed =
            heap_resize(eval->observed, eval->observed_capacity * sizeof *eval->observed);
    }
    for (uint32_t i = 0; i < store->source_count; i++) {
        eval->observed[i] = store_source_observed(store, i, eval->now);
        eval->all_observed &= eval->observed[i];
        const struct store_source *source = &store->sources[i];
        if (!eval->observed[i] && source->count > 0) {
            const int64_t since[3] = {(int64_t)eval->silence, i,
                                      source->has_answered ? source->answered.ns : eval->now.ns};
            eval->silence = XXH3_64bits(since, sizeof since) | 1ULL << 63;
        }
    }
}

void eval_tick(struct eval *eval, struct instant now)
{
    CHECK(now.ns >= eval->now.ns);
    eval->now = now;
    eval->now_ms = instant_to_ms(now);
    eval->begun = true;
    observe(eval);
    if (eval->watched != eval->node_count) {
        watches_find(eval);
    }
    subs_begin(eval);
    for (size_t i = 0; i < eval->node_count; i++) {
        node_slots(eval->nodes[i]);
        if (i < eval->early) {
            node_run_reference(eval->nodes[i]);
        }
    }
    code_decide(eval);
    if (time_due(eval)) {
        time_tick(eval);
    } else {
        for (size_t i = eval->early; i < eval->node_count; i++) {
            node_run(eval->nodes[i]);
        }
    }
    for (size_t i = 0; i < eval->entities_count; i++) {
        entities_tick(eval->entities[i]);
    }
    for (size_t i = 0; i < eval->watch_count; i++) {
        watch_tick(eval->watches[i]);
    }
}

/* The order survives the end of the expression. */
static enum eval_order order_of(const struct eval_node *node)
{
    node = node->kind == NODE_END ? node->in[0] : node;
    if (node->kind == NODE_SORT) {
        return node->p.descending ? EVAL_DOWNWARDS : EVAL_UPWARDS;
    }
    if (node->kind == NODE_PICK) {
        return node->p.aggregate == AGGREGATE_TOPK ? EVAL_DOWNWARDS : EVAL_UPWARDS;
    }
    return EVAL_UNORDERED;
}

struct eval_column eval_column(const struct eval_node *node)
{
    return (struct eval_column){.count = node->count,
                                .labels = node->labels,
                                .names = node->any_name ? node->names : NULL,
                                .values = node->values,
                                .present = node->present,
                                .unknown = node->unknown,
                                .blind = node->blind,
                                .scalar = node->scalar,
                                .order = order_of(node)};
}

uint64_t eval_node_hash(const struct eval_node *node)
{
    return node->hash;
}

/* Windows that nobody reads any more go. */
static void windows_adopt(struct eval *eval)
{
    for (size_t i = 0; i < eval->node_count; i++) {
        if (eval->nodes[i]->kind == NODE_WINDOW) {
            (void)node_window(eval->nodes[i]);
        }
    }
    for (size_t i = 0; i < eval->node_count; i++) {
        if (eval->nodes[i]->state.samples) {
            samples_windows_sweep(eval->nodes[i]->state.samples);
        }
    }
}

static void node_adopt(struct eval_node *node, struct eval_node *from, bool all)
{
    if (node->kind == NODE_AT) {
        at_adopt(node, from);
    }
    if (all) {
        node_take_all(node, from);
    } else if (node->kind == NODE_COUNT_VALUES) {
        count_values_adopt(node, from);
    } else if (node_has_state(node)) {
        node_take(node, from);
    }
}

static void adopt(struct eval *now, struct eval *before, bool all)
{
    CHECK(now->store == before->store);
    now->now = before->now.ns > now->now.ns ? before->now : now->now;
    for (size_t i = 0; i < now->node_count; i++) {
        struct eval_node *node = now->nodes[i];
        const bool wanted =
            all || node->kind == NODE_AT || node->kind == NODE_COUNT_VALUES || node_has_state(node);
        size_t cursor = SIZE_MAX;
        const uint32_t at = wanted ? table_next(&before->by_hash, node->hash, &cursor) : SLOT_NONE;
        if (at != SLOT_NONE) {
            node_adopt(node, before->nodes[at], all);
        }
    }
    subs_adopt(now, before);
    windows_adopt(now);
}

void eval_adopt_all(struct eval *now, struct eval *before)
{
    adopt(now, before, true);
}

/* What died since the last tick is forgotten, born again or not. Slots that are made of values are
 * those of that tick still. */
static void slots_settle(struct eval *eval)
{
    bool *of_values = heap_alloc(eval->node_count + 1);
    for (size_t i = 0; i < eval->node_count; i++) {
        const struct eval_node *node = eval->nodes[i];
        of_values[i] = node->kind == NODE_COUNT_VALUES;
        for (size_t k = 0; k < node->in_count; k++) {
            of_values[i] |= of_values[node->in[k]->index];
        }
        if (!of_values[i]) {
            node_slots(eval->nodes[i]);
        }
    }
    free(of_values);
}

void eval_adopt(struct eval *now, struct eval *before)
{
    slots_settle(before);
    adopt(now, before, false);
    records_adopt(now, before);
    for (size_t i = 0; i < now->entities_count; i++) {
        for (size_t j = 0; j < before->entities_count; j++) {
            if (entities_same(now->entities[i], before->entities[j])) {
                entities_adopt(now->entities[i], before->entities[j]);
                break;
            }
        }
    }
}

struct eval_stats eval_stats(const struct eval *eval)
{
    enum { SLOT_BYTES = 40 }; /* labels, name, value, bits, and an index or state on average */
    struct eval_stats stats = {.nodes = eval->node_count, .many_to_many = eval->many_to_many};
    for (size_t i = 0; i < eval->node_count; i++) {
        const struct eval_node *node = eval->nodes[i];
        stats.slots += node->count;
        stats.bytes += sizeof *node + node->capacity * SLOT_BYTES;
        stats.bytes += node->state.samples ? samples_bytes(node->state.samples) : 0;
    }
    for (size_t i = 0; i < eval->sub_count; i++) {
        struct eval_stats below = eval_stats(sub_eval(eval->subs[i]));
        stats.nodes += below.nodes;
        stats.slots += below.slots;
        stats.bytes += below.bytes;
        stats.many_to_many += below.many_to_many;
    }
    return stats;
}

void eval_bounds(struct eval *eval, struct instant start, struct instant end)
{
    CHECK(eval->node_count == 0);
    eval->has_bounds = true;
    eval->start_ms = instant_to_ms(start);
    eval->end_ms = instant_to_ms(end);
}
