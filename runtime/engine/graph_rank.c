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

/* The anomalous services that this one calls, unknown ones looked through, into ret[V]; returns how
 * many. *ret_blind: an unknown one was looked through. */
static size_t look_below(struct graph *graph, const struct question *q, uint32_t service,
                         uint32_t *ret, bool *ret_blind)
{
    const struct graph_side *side = &graph->dependencies;
    uint32_t *stack = graph->queue[0], *marks = graph->via;
    size_t height = 0, count = 0;
    *ret_blind = false;
    stack[height++] = service;
    marks[service] = service;
    while (height > 0) {
        uint32_t at = stack[--height];
        for (uint32_t k = side->start[at]; k < side->start[at + 1]; k++) {
            uint32_t to = side->items[k];
            if (marks[to] == service) {
                continue;
            }
            marks[to] = service;
            if (is_unknown(q, to)) {
                *ret_blind = true;
                stack[height++] = to;
            } else if (is_anomalous(q, to)) {
                ret[count++] = to;
            }
        }
    }
    return count;
}

/* ---- the walk ---- */

/* Calls between the services of the chains, and what the walk has of each service. */
struct walk {
    uint32_t *from, *to; /* [GRAPH_EDGES_MAX] */
    size_t calls;
    double *evidence, *own, *total, *share, *next; /* [V] each */
};

static struct walk walk_new(const struct graph *graph, const struct question *q)
{
    size_t slots = graph->services;
    struct walk walk = {
        .from = heap_alloc(GRAPH_EDGES_MAX * sizeof *walk.from),
        .to = heap_alloc(GRAPH_EDGES_MAX * sizeof *walk.to),
        .evidence = heap_alloc(5 * slots * sizeof *walk.evidence),
    };
    walk.own = walk.evidence + slots;
    walk.total = walk.own + slots;
    walk.share = walk.total + slots;
    walk.next = walk.share + slots;
    for (uint32_t s = 0; s < slots; s++) {
        double score = is_anomalous(q, s) ? fmin(q->score[s], SCORE_MAX) : 0;
        walk.evidence[s] = score > q->threshold ? log(score / q->threshold) : 0;
    }
    return walk;
}

static void walk_free(struct walk *walk)
{
    free(walk->from);
    free(walk->to);
    free(walk->evidence);
}

/* The calls of a service on a chain, as look_below() found them. */
static void walk_take(struct walk *walk, uint32_t service, const uint32_t *below, size_t count)
{
    double worst = 0;
    for (size_t i = 0; i < count && walk->calls < GRAPH_EDGES_MAX; i++) {
        walk->from[walk->calls] = service;
        walk->to[walk->calls++] = below[i];
        worst = fmax(worst, walk->evidence[below[i]]);
        walk->total[service] += walk->evidence[below[i]];
        walk->total[below[i]] += GRAPH_BACK * walk->evidence[service];
    }
    walk->own[service] = fmax(walk->evidence[service] - worst, 0);
    walk->total[service] += walk->own[service];
}

/* One step of all: next from share; returns how much changed. */
static double walk_step(struct walk *walk, uint32_t services, uint32_t seen)
{
    double changed = 0;
    for (uint32_t s = 0; s < services; s++) {
        bool stuck = walk->total[s] == 0;
        walk->next[s] = stuck ? walk->share[s] : walk->share[s] / walk->total[s] * walk->own[s];
    }
    for (size_t i = 0; i < walk->calls; i++) {
        uint32_t from = walk->from[i], to = walk->to[i];
        if (walk->total[from] > 0) {
            walk->next[to] += walk->share[from] / walk->total[from] * walk->evidence[to];
        }
        if (walk->total[to] > 0) {
            walk->next[from] +=
                walk->share[to] / walk->total[to] * GRAPH_BACK * walk->evidence[from];
        }
    }
    for (uint32_t s = 0; s < services; s++) {
        double next = (1 - GRAPH_RESTART) * walk->next[s] + (s == seen ? GRAPH_RESTART : 0);
        changed += fabs(next - walk->share[s]);
        walk->share[s] = next;
    }
    return changed;
}

/* Shares of the time, to nine digits, so that what is equal by definition is equal. */
static void walk_run(struct walk *walk, uint32_t services, uint32_t seen)
{
    walk->share[seen] = 1;
    for (int step = 0; step < GRAPH_STEPS_MAX; step++) {
        if (walk_step(walk, services, seen) < 1e-12) {
            break;
        }
    }
    for (uint32_t s = 0; s < services; s++) {
        walk->share[s] = nearbyint(walk->share[s] * 1e9) / 1e9;
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

static uint32_t worst_of(const struct question *q, const uint32_t *list, size_t count)
{
    uint32_t worst = GRAPH_NONE;
    for (size_t i = 0; i < count; i++) {
        uint32_t s = list[i];
        if (worst == GRAPH_NONE || q->score[s] > q->score[worst] ||
            (q->score[s] == q->score[worst] && s < worst)) {
            worst = s;
        }
    }
    return worst;
}

/* The suspects without their shares, in the order of the numbers; the walk gets its calls. */
static size_t take_suspects(struct graph *graph, uint32_t seen, const struct question *q,
                            struct walk *walk, struct graph_suspect *ret)
{
    uint32_t *distance = graph->queue[2], *below = graph->queue[1];
    size_t count = 0;
    for (uint32_t s = 0; s < graph->services; s++) {
        graph->via[s] = GRAPH_NONE;
    }
    for (uint32_t s = 0; s < graph->services; s++) {
        bool chained = graph->seen[s] != GRAPH_NONE, blind;
        if (distance[s] == GRAPH_NONE || !(is_anomalous(q, s) || s == seen)) {
            continue;
        }
        size_t calls = look_below(graph, q, s, below, &blind);
        if (chained) {
            walk_take(walk, s, below, calls);
        }
        if (is_anomalous(q, s)) {
            ret[count++] = (struct graph_suspect){
                .service = s,
                .depth = chained ? graph->seen[s] : 0,
                .calls = chained ? graph->calls[s] : distance[s],
                .dependency = worst_of(q, below, calls),
                .chained = chained,
                .blind = blind,
                .score = q->score[s],
            };
        }
    }
    return count;
}

size_t graph_rank(struct graph *graph, uint32_t seen, const double *score, double threshold,
                  struct graph_suspect *ret)
{
    CHECK(seen < graph->services && isfinite(threshold) && threshold > 0);
    struct question q = {score, threshold};
    struct walk walk = walk_new(graph, &q);
    walk_all(graph, seen, graph->queue[2]);
    walk_chains(graph, seen, &q);
    size_t count = take_suspects(graph, seen, &q, &walk, ret);
    walk_run(&walk, graph->services, seen);
    for (size_t i = 0; i < count; i++) {
        ret[i].weight = ret[i].chained ? walk.share[ret[i].service] : 0;
    }
    walk_free(&walk);
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
