/* Cascades: what failed after what it depends on. */
#include "runtime/engine/graph.h"

/* Which way links are followed, and over what. */
struct links {
    const struct graph_side *side; /* of the dependants: later failures; else earlier ones */
    const struct graph_health *health;
    struct duration window;
    bool later;
};

/* Whether a link joins the two failing services, in the order of the walk. */
static bool is_link(const struct links *links, uint32_t from, uint32_t to)
{
    uint32_t first = links->later ? from : to, second = links->later ? to : from;
    struct duration apart = instant_sub(links->health[second].since, links->health[first].since);
    return apart.ns > 0 && apart.ns <= links->window.ns;
}

/* Takes into queue[0] what links lead to from `from`; returns the new count. Unknown services
 * between are looked through; graph->calls marks those of this walk. */
static size_t take_linked(struct graph *graph, const struct links *links, uint32_t from,
                          size_t count)
{
    uint32_t *stack = graph->queue[1];
    size_t height = 0;
    stack[height++] = from;
    while (height > 0) {
        uint32_t at = stack[--height];
        for (uint32_t k = links->side->start[at]; k < links->side->start[at + 1]; k++) {
            uint32_t to = links->side->items[k];
            if (links->health[to].state == GRAPH_UNKNOWN && graph->calls[to] != from) {
                graph->calls[to] = from;
                stack[height++] = to;
            } else if (links->health[to].state == GRAPH_FAILING && graph->seen[to] == GRAPH_NONE &&
                       is_link(links, from, to)) {
                graph->seen[to] = graph->seen[from] + 1;
                graph->via[to] = from;
                graph->queue[0][count++] = to;
            }
        }
    }
    return count;
}

/* All that links lead to, into queue[0], the start first: returns how many. graph->seen gets the
 * number of links, via the service before. */
static size_t follow(struct graph *graph, const struct links *links, uint32_t start)
{
    for (uint32_t s = 0; s < graph->services; s++) {
        graph->seen[s] = graph->via[s] = graph->calls[s] = GRAPH_NONE;
    }
    size_t count = 0;
    graph->seen[start] = 0;
    graph->queue[0][count++] = start;
    for (size_t i = 0; i < count; i++) {
        count = take_linked(graph, links, graph->queue[0][i], count);
    }
    return count;
}

static uint32_t first_to_fail(const struct graph *graph, const struct graph_health *health,
                              size_t count)
{
    uint32_t first = graph->queue[0][0];
    for (size_t i = 1; i < count; i++) {
        uint32_t s = graph->queue[0][i];
        int64_t apart = instant_sub(health[s].since, health[first].since).ns;
        first = apart < 0 || (apart == 0 && s < first) ? s : first;
    }
    return first;
}

static uint32_t farthest(const struct graph *graph, size_t count)
{
    uint32_t last = graph->queue[0][0];
    for (size_t i = 1; i < count; i++) {
        uint32_t s = graph->queue[0][i];
        bool more = graph->seen[s] > graph->seen[last];
        last = more || (graph->seen[s] == graph->seen[last] && s < last) ? s : last;
    }
    return last;
}

struct graph_cascade graph_cascade(struct graph *graph, uint32_t service,
                                   const struct graph_health *health, struct duration window,
                                   uint32_t *ret_chain)
{
    CHECK(service < graph->services && window.ns > 0);
    struct graph_cascade cascade = {.origin = GRAPH_NONE};
    if (health[service].state != GRAPH_FAILING) {
        return cascade;
    }
    struct links back = {&graph->dependencies, health, window, false};
    cascade.origin = first_to_fail(graph, health, follow(graph, &back, service));
    struct links ahead = {&graph->dependants, health, window, true};
    size_t count = follow(graph, &ahead, cascade.origin);
    cascade.affected = (uint32_t)count - 1;
    if (count == 1) {
        return cascade;
    }
    uint32_t at = service != cascade.origin ? service : farthest(graph, count);
    cascade.length = graph->seen[at] + (size_t)1;
    for (size_t i = cascade.length; i > 0; i--) {
        ret_chain[i - 1] = at;
        at = graph->via[at];
    }
    return cascade;
}
