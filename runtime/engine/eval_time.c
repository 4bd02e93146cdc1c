/* Where the time of a tick goes. The clock is asked once an operator: what passes between two
 * answers is the operator's between them. Operators inside of a kernel are its root's. */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/engine/eval_node.h"

enum { BY_REFERENCE, BY_CODE, BY_COUNT };

struct spent {
    struct duration time;
    uint64_t runs, slots;
};
struct node_time {
    struct spent by[BY_COUNT];
    uint64_t kernel; /* what ran when it ran by code */
    uint32_t members;
};
struct eval_timing {
    eval_clock_f *clock;
    void *ctx;
    uint64_t ticks; /* of all, timed or not */
    struct node_time *nodes;
    size_t node_count;
    struct eval_costs costs;
};

void eval_time(struct eval *eval, eval_clock_f *clock, void *ctx)
{
    time_free(eval);
    if (clock) {
        struct eval_timing *timing = heap_alloc(sizeof *timing);
        timing->clock = clock;
        timing->ctx = ctx;
        timing->node_count = eval->node_count;
        timing->nodes = heap_alloc((eval->node_count + 1) * sizeof *timing->nodes);
        eval->timing = timing;
    }
}

void time_free(struct eval *eval)
{
    if (eval->timing) {
        free(eval->timing->nodes);
        free(eval->timing);
        eval->timing = NULL;
    }
}

const struct eval_costs *eval_costs(const struct eval *eval)
{
    static const struct eval_costs none;
    return eval->timing ? &eval->timing->costs : &none;
}

/* The second tick is the first one timed: slots are made in the first. */
bool time_due(struct eval *eval)
{
    return eval->timing && eval->timing->ticks++ % EVAL_TIMES_EVERY == 1;
}

/* ---- the longest ones ---- */

static struct eval_cost cost_of(const struct eval_node *node, const struct node_time *time, int by)
{
    const struct spent *spent = &time->by[by];
    return (struct eval_cost){.hash = by == BY_CODE ? time->kernel : node->hash,
                              .code = by == BY_CODE,
                              .time = spent->time,
                              .runs = spent->runs,
                              .slots = spent->slots,
                              .members = by == BY_CODE ? time->members : 1,
                              .span = node->span};
}

/* Into its place among the longest; what has no place there, or loses it, goes to the others. */
static void cost_add(struct eval_costs *costs, const struct eval_node *node,
                     const struct eval_cost *cost)
{
    size_t at = costs->count;
    while (at > 0 && costs->items[at - 1].time.ns < cost->time.ns) {
        at--;
    }
    if (at == EVAL_COSTS_MAX) {
        costs->other.ns += cost->time.ns;
        return;
    }
    if (costs->count == EVAL_COSTS_MAX) {
        costs->other.ns += costs->items[--costs->count].time.ns;
    }
    memmove(costs->items + at + 1, costs->items + at, (costs->count - at) * sizeof costs->items[0]);
    costs->items[at] = *cost;
    node_text(node, costs->items[at].text, sizeof costs->items[at].text);
    costs->count++;
}

static void sum_up(const struct eval *eval)
{
    struct eval_timing *timing = eval->timing;
    timing->costs = (struct eval_costs){.ticks = timing->costs.ticks + 1};
    for (size_t i = 0; i < timing->node_count; i++) {
        for (int by = 0; by < BY_COUNT; by++) {
            if (timing->nodes[i].by[by].runs > 0) {
                struct eval_cost cost = cost_of(eval->nodes[i], &timing->nodes[i], by);
                cost_add(&timing->costs, eval->nodes[i], &cost);
            }
        }
    }
}

/* ---- a tick ---- */

/* Of the operator, or of what it goes over where that is more. */
static size_t slots_of(const struct eval_node *node)
{
    size_t most = node->count;
    for (size_t i = 0; i < node->in_count; i++) {
        most = node->in[i]->count > most ? node->in[i]->count : most;
    }
    return most;
}

static void note(const struct eval_node *node, struct node_time *time, struct duration took)
{
    const bool code = node->run == RUN_KERNEL;
    struct spent *spent = &time->by[code ? BY_CODE : BY_REFERENCE];
    if (code) {
        time->kernel = code_hash(node, &time->members);
    }
    spent->time.ns += took.ns;
    spent->runs++;
    spent->slots += code ? node->count : slots_of(node);
}

void time_tick(struct eval *eval)
{
    struct eval_timing *timing = eval->timing;
    CHECK(timing->node_count == eval->node_count); /* nothing is added afterwards */
    struct duration before = timing->clock(timing->ctx);
    for (size_t i = eval->early; i < eval->node_count; i++) {
        struct eval_node *node = eval->nodes[i];
        node_run(node);
        if (node->run != RUN_INSIDE) {
            struct duration after = timing->clock(timing->ctx);
            note(node, &timing->nodes[i], (struct duration){after.ns - before.ns});
            before = after;
        }
    }
    sum_up(eval);
}
