/* Evaluators below an evaluator: one for the grid of each step of subqueries, one for each time of
 * `@`. They read the same store and have nodes and a clock of their own.
 *
 * A subquery is a hidden signal: its expression is evaluated at each multiple of the step, once,
 * and its values are samples like any others. Where the past is there (a store that is not live)
 * the first tick goes over all of the grid that is wanted; in a daemon the grid begins with the
 * program. */
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/eval_node.h"

enum { SUBS_MAX = 1000 };

struct eval_sub {
    struct eval *eval;
    struct sub_kind is;
    bool ticked;     /* at this tick */
    int64_t done_ms; /* the grid up to here is evaluated; MS_NEVER: none of it */
    int64_t before_ms;
    bool late; /* the samples of its time were gone before it was first evaluated */
    bool over; /* it was evaluated by the evaluator before this one, and its samples are gone */
    struct eval_node **readers;
    size_t count, capacity;
};

static bool same_kind(struct sub_kind a, struct sub_kind b)
{
    return a.step_ms == b.step_ms && a.after_ms == b.after_ms && a.at_ms == b.at_ms &&
           a.again == b.again && a.writes == b.writes;
}

struct eval_sub *sub_get(struct eval *eval, struct sub_kind kind)
{
    kind.writes = eval->root->write_steps;
    for (size_t i = 0; i < eval->sub_count; i++) {
        if (same_kind(eval->subs[i]->is, kind)) {
            return eval->subs[i];
        }
    }
    if (eval->sub_count == SUBS_MAX) {
        return NULL;
    }
    struct eval_sub *sub = heap_alloc(sizeof *sub);
    *sub = (struct eval_sub){.eval = eval_new(eval->store), .is = kind, .done_ms = MS_NEVER};
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
    return sub->is.at_ms;
}

void sub_read(struct eval_sub *sub, struct eval_node *node, int64_t before_ms)
{
    sub->before_ms = before_ms > sub->before_ms ? before_ms : sub->before_ms;
    for (size_t i = 0; i < sub->count; i++) {
        if (sub->readers[i] == node) {
            return;
        }
    }
    ARRAY_RESERVE(sub->readers, sub->count, sub->capacity);
    sub->readers[sub->count++] = node;
}

/* How late it is really: behind an `@` that is still to come, not as late as it says. */
static int64_t come_ms(const struct eval *eval)
{
    return eval->now_ms < eval->come_ms ? eval->now_ms : eval->come_ms;
}

/* ---- grids ---- */

static int64_t grid_at(int64_t time_ms, int64_t step_ms)
{
    int64_t rest = time_ms % step_ms;
    return time_ms - (rest < 0 ? rest + step_ms : rest);
}

/* What the readers keep of one point of the grid. Behind an `@` that is still to come they look at
 * a window ahead of it, and what comes before that is not for them: it would take the rows of
 * samples that they have yet to read. */
static void keep_values(struct eval_node *node, int64_t time_ms)
{
    const struct eval_node *from = node->foreign;
    struct samples *samples = node->state.samples;
    if (!samples) {
        return;
    }
    samples->retention_ms = node->p.range.ns / NS_PER_MS;
    if (samples->ticked_ms != MS_NEVER && time_ms <= samples->ticked_ms - samples->retention_ms) {
        return;
    }
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
    const int64_t now_ms = eval->store->limits.live ? come_ms(eval) : eval->now_ms;
    const int64_t last_ms = grid_at(now_ms + sub->is.after_ms, sub->is.step_ms);
    int64_t next_ms = sub->done_ms + sub->is.step_ms;
    if (sub->done_ms == MS_NEVER) {
        const bool live = eval->store->limits.live;
        next_ms = live ? last_ms : grid_at(eval->now_ms - sub->before_ms, sub->is.step_ms);
    }
    for (; next_ms <= last_ms; next_ms += sub->is.step_ms) {
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
static bool is_to_come(const struct eval *eval, const struct eval_sub *sub)
{
    return eval->store->limits.live && come_ms(eval) < sub->is.at_ms;
}

/* In a daemon the points of a grid below are evaluated as they come. Where all samples are there
 * from the beginning, all of them are evaluated at once. */
static void tick_at(const struct eval *eval, struct eval_sub *sub)
{
    sub->eval->come_ms = come_ms(eval);
    eval_tick(sub->eval, (struct instant){sub->is.at_ms * NS_PER_MS});
}

static void at_tick(const struct eval *eval, struct eval_sub *sub)
{
    const bool live = eval->store->limits.live;
    if (live && sub->done_ms == MS_NEVER && come_ms(eval) > sub->is.at_ms + STORE_LIVE_MS) {
        sub->late = true;
    }
    tick_at(eval, sub);
    sub->done_ms = come_ms(eval) > sub->is.at_ms ? sub->is.at_ms : sub->done_ms;
}

void sub_tick(struct eval *eval, struct eval_sub *sub)
{
    if (sub->ticked || !eval->begun) {
        return;
    }
    sub->ticked = true;
    if (sub->is.step_ms > 0) {
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
    const bool to_come = is_to_come(node->eval, sub);
    if (node->in_count > 0) { /* a scalar of now goes into it */
        tick_at(node->eval, sub);
    }
    node->values = from->values;
    copy_bits(node->present, from->present, to_come ? 0 : node->count);
    copy_bits(node->unknown, from->unknown, node->count);
    node->faulted = from->faulted;
    node->blind = from->blind || sub->late || to_come || (sub->over && !node->kept);
}

void at_adopt(struct eval_node *node, const struct eval_node *before)
{
    node->kept = !before->sub->over || before->kept;
}

/* ---- all of them ---- */

void subs_adopt(struct eval *now, struct eval *before)
{
    for (size_t i = 0; i < now->sub_count; i++) {
        struct eval_sub *sub = now->subs[i];
        for (size_t j = 0; j < before->sub_count; j++) {
            if (same_kind(before->subs[j]->is, sub->is)) {
                const bool known = sub->is.step_ms > 0 || now->store->limits.live;
                sub->done_ms = known ? before->subs[j]->done_ms : MS_NEVER;
                sub->late = before->subs[j]->late;
                sub->over = sub->is.step_ms == 0 && sub->done_ms != MS_NEVER;
                eval_adopt_all(sub->eval, before->subs[j]->eval);
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
