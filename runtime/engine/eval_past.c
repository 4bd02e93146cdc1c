/* One tick of the nodes that look back: samples, offsets, windows, forecasts. Nothing here
 * allocates, except the rings of samples when they grow. */
#include <math.h>
#include <stdlib.h>

#include "runtime/engine/eval_node.h"

/* The selector of raw samples, for what it knows of sources. */
static const struct eval_node *raw_select(const struct eval_node *source)
{
    return source->kind == NODE_SELECT                     ? source
           : source->kind == NODE_SAMPLED && source->p.raw ? source->in[0]
                                                           : NULL;
}

static void source_unknown(struct eval_node *node, int64_t horizon_ms)
{
    const struct eval_node *source = node->in[0], *select = raw_select(source);
    if (select) {
        select_unknown(node, select, horizon_ms);
        return;
    }
    for (size_t b = 0; b < BIT_WORDS(node->count); b++) {
        if (node->unknown[b] != source->unknown[b]) {
            node->unknown[b] = source->unknown[b];
            fresh_mark(node, b);
        }
    }
}

/* All samples of the series that its lane does not have yet. */
static void sample_all(struct samples *samples, const struct ring *ring, uint32_t lane,
                       int64_t after_ms)
{
    after_ms = samples->newest_ms[lane] > after_ms ? samples->newest_ms[lane] : after_ms;
    for (uint32_t i = ring_until(ring, after_ms); i < ring->count; i++) {
        double value = ring_values(ring)[ring_at(ring, i)];
        if (!is_stale(value)) {
            samples_append(samples, lane, ring_time(ring, i), value);
        }
    }
}

/* Mostly one sample came since the last tick, and the store has it at hand. */
static void sample_slots(struct eval_node *node, size_t from, size_t past)
{
    const struct store *store = node->eval->store;
    const uint32_t *series = node->in[0]->left, *lanes = node->state.lane;
    struct samples *samples = node->state.samples;
    const int64_t after_ms = node->eval->now_ms - samples->retention_ms;
    for (size_t i = from; i < past; i++) {
        const uint32_t id = series[i], lane = lanes[i];
        const int64_t time_ms = store->time_ms[id], newest_ms = samples->newest_ms[lane];
        if (time_ms == newest_ms && time_ms != MS_NEVER) {
            continue;
        }
        if (time_ms > newest_ms && newest_ms != MS_NEVER && store->before_ms[id] <= newest_ms) {
            samples_append(samples, lane, time_ms, store->value[id]);
        } else {
            sample_all(samples, &store->series[id].ring, lane, after_ms);
        }
    }
}

static void sample_series(struct eval_node *node)
{
    for (size_t from = 0, past = 0; fresh_next(node, &from, &past);) {
        sample_slots(node, from * 64, past * 64 < node->count ? past * 64 : node->count);
    }
}

/* True when the policy is evaluated at this tick, whether or not there is anything to sample. */
static bool sample_due(struct eval_node *node)
{
    const struct eval *eval = node->eval;
    if (node->has_sampled && eval->now.ns - node->sampled.ns < node->p.every.ns) {
        return false;
    }
    node->has_sampled = true;
    node->sampled = eval->now;
    return true;
}

static void sample_values(struct eval_node *node)
{
    const struct eval *eval = node->eval;
    for (size_t i = 0; i < node->count; i++) {
        if (bit_get(node->present, i) &&
            eval->now_ms > node->state.samples->newest_ms[node->state.lane[i]]) {
            samples_append(node->state.samples, node->state.lane[i], eval->now_ms, node->values[i]);
        }
    }
}

void run_sampled(struct eval_node *node)
{
    const struct eval_node *child = node->sub ? node->foreign : node->in[0];
    node->values = child->values;
    node->blind = child->blind; /* a foreign one is no input */
    node->faulted = child->faulted;
    copy_bits(node->present, child->present, node->count);
    copy_bits(node->unknown, child->unknown, node->count);
    contend(node, &node->contention[1]);
    if (node->sub) {
        node->fresh = FRESH_ALL; /* the other evaluator has ticks of its own */
    } else {
        fresh_add(node, child);
    }
    const bool due = !node->p.raw && !node->sub && sample_due(node);
    if (!node->state.samples) {
        return;
    }
    struct samples *samples = node->state.samples;
    uint64_t dropped = samples->dropped;
    samples->retention_ms = node->p.range.ns / NS_PER_MS;
    if (node->p.raw) {
        sample_series(node);
    } else if (due) {
        sample_values(node);
    }
    samples_ticked(samples, node->eval->now_ms);
    node->overflow |= samples->dropped > dropped;
}

void run_past(struct eval_node *node)
{
    const struct store *store = node->eval->store;
    const struct eval_node *source = node->in[0];
    int64_t at = node->eval->now_ms - node->p.offset.ns / NS_PER_MS, time_ms;
    bits_fill(node->present, node->count, false);
    source_unknown(node, store->lookback_ms + node->p.offset.ns / NS_PER_MS);
    for (size_t i = 0; i < node->count; i++) {
        bool there = source->kind == NODE_SELECT
                         ? ring_instant(&store->series[source->left[i]].ring, at,
                                        store->lookback_ms, &node->own[i], &time_ms)
                         : samples_instant(source->state.samples, source->state.lane[i], at,
                                           store->lookback_ms, &node->own[i]);
        if (there) {
            bit_set(node->present, i);
        }
    }
}

/* The window (ret, ret + range] of this tick. */
static int64_t window_start(const struct eval_node *node, int64_t *ret_end_ms)
{
    *ret_end_ms = node->eval->now_ms - node->p.offset.ns / NS_PER_MS;
    return *ret_end_ms - node->p.range.ns / NS_PER_MS;
}

static int64_t window_horizon(const struct eval_node *node)
{
    int64_t range = node->p.range.ns / NS_PER_MS, lookback = node->eval->store->lookback_ms;
    return (range > lookback ? range : lookback) + node->p.offset.ns / NS_PER_MS;
}

struct samples_window *node_window(struct eval_node *node)
{
    struct samples *samples = node->in[0]->state.samples;
    if (!node->window && samples) {
        node->window = samples_window(samples, node->hash, node->p.window);
    }
    return node->window;
}

/* Values by lane become values by slot. */
static void lanes_to_slots(struct eval_node *node)
{
    const struct samples_window *window = node->window;
    const uint32_t *lane = node->in[0]->state.lane;
    if (node->in[0]->lanes_same) {
        node->values = window->values;
        copy_bits(node->present, window->present, node->count);
        return;
    }
    node->values = node->own;
    if (node->fresh == FRESH_NONE) {
        return;
    }
    node->fresh = FRESH_ALL;
    bits_gather(window->present, lane, node->count, node->present);
    for (size_t i = 0; i < node->count; i++) {
        node->own[i] = window->values[lane[i]];
    }
}

/* One below @ is of the evaluator that reads it, and has run when it is wanted; before that it is
 * not known. */
static double window_argument(const struct eval_node *node, bool *ret_unknown)
{
    const struct eval_node *argument = node->in_count > 1 ? node->in[1] : NULL;
    *ret_unknown = argument && (!argument->built || bit_get(argument->unknown, 0));
    return argument && argument->built ? argument->values[0] : 0;
}

/* Where slots are lanes; else all of them, if any. */
static void tiles_fresh(struct eval_node *node, size_t from, size_t past)
{
    for (size_t at = from; at < past && at < BIT_WORDS(node->count); at++) {
        fresh_mark(node, at);
    }
    node->fresh = node->in[0]->lanes_same ? node->fresh : FRESH_ALL;
}

void run_window(struct eval_node *node)
{
    int64_t end_ms, start_ms = window_start(node, &end_ms);
    bool unknown;
    const double argument = window_argument(node, &unknown);
    node->fresh = node->window ? node->fresh : FRESH_ALL;
    source_unknown(node, window_horizon(node));
    struct samples_window *window = node_window(node);
    if (window) {
        samples_watch(node->in[0]->state.samples, window, node->watch);
        struct samples_step step =
            samples_step_begin(node->in[0]->state.samples, window, start_ms, end_ms, argument);
        while (samples_step_next(&step)) {
            if (node->run == RUN_KERNEL) {
                code_window(node, step.from, step.past);
            } else {
                samples_step_run(&step);
            }
            tiles_fresh(node, step.from, step.past);
        }
        lanes_to_slots(node);
    }
    if (unknown) {
        bits_fill(node->unknown, node->count, true);
        node->fresh = FRESH_ALL;
        node->ran = 0; /* all of it again at the next tick */
    }
    contend(node, &node->contention[1]);
}

/* Samples of one slot's window, in the evaluator's scratch. */
static struct kernel_window window_read(struct eval_node *node, size_t slot)
{
    struct eval *eval = node->eval;
    const struct samples *samples = node->in[0]->state.samples;
    const uint32_t lane = node->in[0]->state.lane[slot];
    struct kernel_window window = {.argument = node->p.number};
    if ((size_t)samples->held[lane] > eval->scratch_capacity) {
        eval->scratch_capacity = (size_t)samples->held[lane] * 2;
        free(eval->times_ms);
        free(eval->samples);
        eval->times_ms = heap_alloc(eval->scratch_capacity * sizeof *eval->times_ms);
        eval->samples = heap_alloc(eval->scratch_capacity * sizeof *eval->samples);
    }
    window.start_ms = window_start(node, &window.end_ms);
    window.count =
        samples_copy(samples, lane, window.start_ms, window.end_ms, eval->times_ms, eval->samples);
    window.times_ms = eval->times_ms;
    window.values = eval->samples;
    return window;
}

/* What is forecast was there at the end of the window. */
static bool forecast_from(const struct eval_node *node, size_t slot)
{
    const struct store *store = node->eval->store;
    const struct eval_node *source = node->in[0];
    int64_t time_ms, end_ms = node->eval->now_ms - node->p.offset.ns / NS_PER_MS;
    double value;
    if (node->p.offset.ns == 0) {
        return bit_get(source->present, slot);
    }
    return source->p.raw ? ring_instant(&store->series[source->in[0]->left[slot]].ring, end_ms,
                                        store->lookback_ms, &value, &time_ms)
                         : samples_instant(source->state.samples, source->state.lane[slot], end_ms,
                                           store->lookback_ms, &value);
}

void run_forecast(struct eval_node *node)
{
    bits_fill(node->present, node->count, false);
    source_unknown(node, window_horizon(node));
    for (size_t i = 0; i < node->count; i++) {
        node->fits[i].freedom = 0;
        if (!forecast_from(node, i)) {
            continue;
        }
        struct kernel_window window = window_read(node, i);
        if (kernel_forecast(&window, &node->fits[i])) {
            node->own[i] = node->fits[i].value;
            bit_set(node->present, i);
        } else {
            bit_set(node->unknown, i);
        }
    }
    contend(node, &node->contention[1]);
}

/* ---- ranges alone ---- */

size_t eval_range_read(const struct eval_node *node, size_t slot, const int64_t **ret_times_ms,
                       const double **ret_values)
{
    node = node->kind == NODE_END ? node->in[0] : node;
    node = node->kind == NODE_AT ? node->foreign : node;
    CHECK(node->kind == NODE_WINDOW && slot < node->count);
    if (!node->in[0]->state.samples) {
        return 0;
    }
    struct kernel_window window = window_read((struct eval_node *)(uintptr_t)node, slot);
    *ret_times_ms = window.times_ms;
    *ret_values = window.values;
    return window.count;
}
