/* Evaluators below an evaluator: one for the grid of each step of subqueries, one for each time of
 * `@`. They read the same store and have nodes and a clock of their own.
 *
 * A subquery is a hidden signal: its expression is evaluated at each multiple of the step, once,
 * and its values are samples like any others. Where the past is there (a store that is not live)
 * the first tick goes over all of the grid that is wanted; in a daemon the grid begins with the
 * program. */
#include <stdlib.h>

#include "runtime/engine/eval_node.h"

enum { SUBS_MAX = 1000 };

struct eval_sub {
    struct eval *eval;
    int64_t step_ms, at_ms;
    uint32_t writes; /* steps of the root that stand before what reads it */
    bool ticked;     /* at this tick */
    int64_t done_ms; /* the grid up to here is evaluated; MS_NEVER: none of it */
    int64_t before_ms, after_ms;
    bool late; /* the samples of its time were gone before it was first evaluated */
    struct eval_node **readers;
    size_t count, capacity;
};

struct eval_sub *sub_get(struct eval *eval, int64_t step_ms, int64_t at_ms)
{
    for (size_t i = 0; i < eval->sub_count; i++) {
        if (eval->subs[i]->step_ms == step_ms && eval->subs[i]->at_ms == at_ms &&
            eval->subs[i]->writes == eval->root->write_steps) {
            return eval->subs[i];
        }
    }
    if (eval->sub_count == SUBS_MAX) {
        return NULL;
    }
    struct eval_sub *sub = heap_alloc(sizeof *sub);
    *sub = (struct eval_sub){.eval = eval_new(eval->store),
                             .step_ms = step_ms,
                             .at_ms = at_ms,
                             .writes = eval->root->write_steps,
                             .done_ms = MS_NEVER};
    sub->eval->root = eval->root;
    sub->eval->has_bounds = eval->has_bounds;
    sub->eval->start_ms = eval->start_ms;
    sub->eval->end_ms = eval->end_ms;
    ARRAY_RESERVE(eval->subs, eval->sub_count, eval->sub_capacity);
    eval->subs[eval->sub_count++] = sub;
    return sub;
}

struct eval *sub_eval(struct eval_sub *sub)
{
    return sub->eval;
}

int64_t sub_time(const struct eval_sub *sub)
{
    return sub->at_ms;
}

void sub_read(struct eval_sub *sub, struct eval_node *node, int64_t before_ms, int64_t after_ms)
{
    sub->before_ms = before_ms > sub->before_ms ? before_ms : sub->before_ms;
    sub->after_ms = after_ms > sub->after_ms ? after_ms : sub->after_ms;
    for (size_t i = 0; i < sub->count; i++) {
        if (sub->readers[i] == node) {
            return;
        }
    }
    ARRAY_RESERVE(sub->readers, sub->count, sub->capacity);
    sub->readers[sub->count++] = node;
}

/* ---- grids ---- */

static int64_t grid_at(int64_t time_ms, int64_t step_ms)
{
    int64_t rest = time_ms % step_ms;
    return time_ms - (rest < 0 ? rest + step_ms : rest);
}

/* What the readers keep of one point of the grid. */
static void keep_values(struct eval_node *node, int64_t time_ms)
{
    const struct eval_node *from = node->foreign;
    struct samples *samples = node->state.samples;
    if (!samples) {
        return;
    }
    samples->retention_ms = node->p.range.ns / NS_PER_MS;
    const uint64_t dropped = samples->dropped;
    for (size_t i = 0; i < node->count; i++) {
        const uint32_t lane = node->state.lane[i];
        if (bit_get(from->present, i) && time_ms > samples->newest_ms[lane]) {
            samples_append(samples, lane, time_ms, from->values[i]);
        }
    }
    node->overflow |= samples->dropped > dropped;
}

static void grid_tick(struct eval *eval, struct eval_sub *sub)
{
    const int64_t last_ms = grid_at(eval->now_ms + sub->after_ms, sub->step_ms);
    int64_t next_ms = sub->done_ms + sub->step_ms;
    if (sub->done_ms == MS_NEVER) {
        const bool live = eval->store->limits.live;
        next_ms = live ? last_ms : grid_at(eval->now_ms - sub->before_ms, sub->step_ms);
    }
    for (; next_ms <= last_ms; next_ms += sub->step_ms) {
        eval_tick(sub->eval, (struct instant){next_ms * NS_PER_MS});
        for (size_t i = 0; i < sub->count; i++) {
            node_slots(sub->readers[i]);
            keep_values(sub->readers[i], next_ms);
        }
        sub->done_ms = next_ms;
    }
}

/* ---- one time ---- */

/* A daemon knows only what it has seen: before the time has come, and when it had passed already,
 * nothing can be said. */
static void at_tick(const struct eval *eval, struct eval_sub *sub)
{
    const bool live = eval->store->limits.live;
    if (live && sub->done_ms == MS_NEVER && eval->now_ms > sub->at_ms + STORE_LIVE_MS) {
        sub->late = true;
    }
    eval_tick(sub->eval, (struct instant){sub->at_ms * NS_PER_MS});
    sub->done_ms = eval->now_ms > sub->at_ms ? sub->at_ms : sub->done_ms;
}

void sub_tick(struct eval *eval, struct eval_sub *sub)
{
    if (sub->ticked) {
        return;
    }
    sub->ticked = true;
    if (sub->step_ms > 0) {
        grid_tick(eval, sub);
    } else if (sub->done_ms == MS_NEVER) {
        at_tick(eval, sub);
    }
}

void subs_begin(struct eval *eval)
{
    for (size_t i = 0; i < eval->sub_count; i++) {
        eval->subs[i]->ticked = false;
    }
}

void run_at(struct eval_node *node)
{
    struct eval_sub *sub = node->sub;
    const struct eval_node *from = node->foreign;
    if (node->in_count > 0) { /* a scalar of now goes into it */
        eval_tick(sub->eval, (struct instant){sub->at_ms * NS_PER_MS});
    }
    node->values = from->values;
    copy_bits(node->present, from->present, node->count);
    copy_bits(node->unknown, from->unknown, node->count);
    const bool live = node->eval->store->limits.live;
    node->faulted = from->faulted;
    node->blind = from->blind || sub->late || (live && node->eval->now_ms < sub->at_ms);
}

/* ---- all of them ---- */

void subs_adopt(struct eval *now, struct eval *before)
{
    for (size_t i = 0; i < now->sub_count; i++) {
        struct eval_sub *sub = now->subs[i];
        for (size_t j = 0; j < before->sub_count; j++) {
            if (before->subs[j]->step_ms == sub->step_ms && before->subs[j]->at_ms == sub->at_ms &&
                before->subs[j]->writes == sub->writes) {
                sub->done_ms = before->subs[j]->done_ms;
                sub->late = before->subs[j]->late;
                eval_adopt(sub->eval, before->subs[j]->eval);
            }
        }
    }
}

void subs_free(struct eval *eval)
{
    for (size_t i = 0; i < eval->sub_count; i++) {
        eval_free(eval->subs[i]->eval);
        free(eval->subs[i]->readers);
        free(eval->subs[i]);
    }
    free(eval->subs);
}
