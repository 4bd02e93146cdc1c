/* Likely origins of trouble, the most upstream first (graph.h has the formula). */
#include <math.h>
#include <stdlib.h>

#include "runtime/engine/graph.h"

#define SCORE_MAX 1e12

/* What is asked: one ranking's scores. */
struct question {
    const double *score;
    double threshold;
};

static bool is_unknown(const struct question *q, uint32_t service)
{
    return isnan(q->score[service]);
}

static bool is_anomalous(const struct question *q, uint32_t service)
{
    return q->score[service] >= q->threshold; /* false for NaN */
}

static void swap(uint32_t **a, uint32_t **b)
{
    uint32_t *other = *a;
    *a = *b;
    *b = other;
}

/* Chains from `origin` through anomalous services, a depth at a time; those of unknown services
 * join the depth they are met at. graph->seen gets depths, via the service before, calls their
 * number. */
static void walk_chains(struct graph *graph, uint32_t origin, const struct question *q)
{
    const struct graph_side *side = &graph->dependencies;
    uint32_t *now = graph->queue[0], *next = graph->queue[1];
    size_t now_count = 1, next_count = 0;
    for (uint32_t s = 0; s < graph->services; s++) {
        graph->seen[s] = graph->via[s] = GRAPH_NONE;
    }
    graph->seen[origin] = graph->calls[origin] = 0;
    now[0] = origin;
    for (uint32_t depth = 0; now_count > 0; depth++) {
        for (size_t i = 0; i < now_count; i++) {
            uint32_t at = now[i];
            for (uint32_t k = side->start[at]; k < side->start[at + 1]; k++) {
                uint32_t to = side->items[k];
                bool unknown = is_unknown(q, to);
                if (graph->seen[to] != GRAPH_NONE || !(unknown || is_anomalous(q, to))) {
                    continue;
                }
                graph->seen[to] = unknown ? depth : depth + 1;
                graph->via[to] = at;
                graph->calls[to] = graph->calls[at] + 1;
                if (unknown) {
                    now[now_count++] = to;
                } else {
                    next[next_count++] = to;
                }
            }
        }
        swap(&now, &next);
        now_count = next_count;
        next_count = 0;
    }
}

static double weight_of(double score, double threshold, uint32_t depth)
{
    double evidence = log(fmin(score, SCORE_MAX) / threshold);
    int power = (int)(depth < GRAPH_DEPTH_MAX ? depth : GRAPH_DEPTH_MAX);
    return ldexp(fmax(evidence, 0), power); /* a threshold above the largest score */
}

/* The worst anomalous service that this one calls, unknown ones looked through. Marks in
 * graph->calls, of which a suspect's own is read before. */
static void look_below(struct graph *graph, const struct question *q, struct graph_suspect *suspect,
                       uint32_t *marks)
{
    const struct graph_side *side = &graph->dependencies;
    uint32_t *stack = graph->queue[0], mark = suspect->service;
    size_t count = 0;
    stack[count++] = suspect->service;
    marks[suspect->service] = mark;
    while (count > 0) {
        uint32_t at = stack[--count];
        for (uint32_t k = side->start[at]; k < side->start[at + 1]; k++) {
            uint32_t to = side->items[k];
            if (marks[to] == mark) {
                continue;
            }
            marks[to] = mark;
            if (is_unknown(q, to)) {
                suspect->blind = true;
                stack[count++] = to;
            } else if (is_anomalous(q, to) && (suspect->dependency == GRAPH_NONE ||
                                               q->score[to] > q->score[suspect->dependency] ||
                                               (q->score[to] == q->score[suspect->dependency] &&
                                                to < suspect->dependency))) {
                suspect->dependency = to;
            }
        }
    }
}

static int compare_suspects(const void *a, const void *b)
{
    const struct graph_suspect *x = a, *y = b;
    if (x->chained != y->chained) {
        return x->chained ? -1 : 1;
    }
    if (x->weight != y->weight) {
        return x->weight > y->weight ? -1 : 1;
    }
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return (x->service > y->service) - (x->service < y->service);
}

/* Distances in calls from `origin` to what no chain leads to. */
static void walk_all(struct graph *graph, uint32_t origin, uint32_t *distance)
{
    const struct graph_side *side = &graph->dependencies;
    uint32_t *queue = graph->queue[0];
    size_t count = 0;
    for (uint32_t s = 0; s < graph->services; s++) {
        distance[s] = GRAPH_NONE;
    }
    distance[origin] = 0;
    queue[count++] = origin;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = side->start[queue[i]]; k < side->start[queue[i] + 1]; k++) {
            if (distance[side->items[k]] == GRAPH_NONE) {
                distance[side->items[k]] = distance[queue[i]] + 1;
                queue[count++] = side->items[k];
            }
        }
    }
}

size_t graph_rank(struct graph *graph, uint32_t seen, const double *score, double threshold,
                  struct graph_suspect *ret)
{
    CHECK(seen < graph->services && isfinite(threshold) && threshold > 0);
    struct question q = {score, threshold};
    uint32_t *distance = graph->queue[2], *marks = graph->via;
    walk_all(graph, seen, distance);
    walk_chains(graph, seen, &q);
    size_t count = 0;
    for (uint32_t s = 0; s < graph->services; s++) {
        marks[s] = GRAPH_NONE;
        if (distance[s] == GRAPH_NONE || !is_anomalous(&q, s)) {
            continue;
        }
        bool chained = graph->seen[s] != GRAPH_NONE;
        ret[count++] = (struct graph_suspect){
            .service = s,
            .depth = chained ? graph->seen[s] : 0,
            .calls = chained ? graph->calls[s] : distance[s],
            .dependency = GRAPH_NONE,
            .chained = chained,
            .score = score[s],
            .weight = chained ? weight_of(score[s], threshold, graph->seen[s]) : 0,
        };
    }
    for (size_t i = 0; i < count; i++) {
        look_below(graph, &q, &ret[i], marks);
    }
    qsort(ret, count, sizeof *ret, compare_suspects);
    return count;
}

size_t graph_rank_chain(struct graph *graph, uint32_t seen, const double *score, double threshold,
                        uint32_t suspect, uint32_t *ret)
{
    CHECK(seen < graph->services && suspect < graph->services);
    CHECK(isfinite(threshold) && threshold > 0);
    struct question q = {score, threshold};
    walk_chains(graph, seen, &q);
    if (graph->seen[suspect] == GRAPH_NONE) {
        return 0;
    }
    size_t length = graph->calls[suspect] + (size_t)1;
    for (size_t i = length; i > 0; i--) {
        ret[i - 1] = suspect;
        suspect = graph->via[suspect];
    }
    return length;
}
