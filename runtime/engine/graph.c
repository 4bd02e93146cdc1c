/* The service graph: building it, and what stands on what. */
#include "runtime/engine/graph.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two numbers as one that sorts by the first, then the second. */
static int compare_pairs(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t pair_of(uint32_t from, uint32_t to)
{
    return (uint64_t)from << 32 | to;
}

void graph_release(struct graph *graph)
{
    free(graph->names);
    free(graph->weights);
    free(graph->dependencies.start);
    free(graph->dependencies.items);
    free(graph->dependants.start);
    free(graph->dependants.items);
    free(graph->text);
    free(graph->seen);
    free(graph->via);
    for (size_t i = 0; i < ARRAY_LEN(graph->queue); i++) {
        free(graph->queue[i]);
    }
    free(graph->calls);
    *graph = (struct graph){0};
}

uint32_t graph_find(const struct graph *graph, const char *name)
{
    if (graph->services == 0) {
        return GRAPH_NONE;
    }
    const char **found =
        bsearch(&name, graph->names, graph->services, sizeof *graph->names, compare_names);
    return found ? (uint32_t)(found - graph->names) : GRAPH_NONE;
}

static enum status check_name(const char *name, struct error *error)
{
    size_t length = strlen(name);
    if (length == 0) {
        return error_set(error, STATUS_PROTOCOL, "a service has an empty name");
    }
    if (length > GRAPH_NAME_BYTES_MAX) {
        return error_set(error, STATUS_PROTOCOL,
                         "the service name '%.32s...' has more than %d bytes", name,
                         GRAPH_NAME_BYTES_MAX);
    }
    return STATUS_OK;
}

/* Sorts list[count], leaves each name once; returns how many are left. */
static size_t names_once(const char **list, size_t count)
{
    qsort(list, count, sizeof *list, compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(list[kept - 1], list[i]) != 0) {
            list[kept++] = list[i];
        }
    }
    return kept;
}

/* Copies the names into the graph's own text; the storage of a walk comes with them. */
static void take_names(struct graph *graph, const char *const *list, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(list[i]) + 1;
    }
    size_t slots = count + 1; /* never 0 bytes */
    graph->services = (uint32_t)count;
    graph->text = heap_alloc(bytes + 1);
    graph->names = heap_alloc(slots * sizeof *graph->names);
    graph->weights = heap_alloc(slots * sizeof *graph->weights);
    graph->seen = heap_alloc(slots * sizeof *graph->seen);
    graph->via = heap_alloc(slots * sizeof *graph->via);
    graph->calls = heap_alloc(slots * sizeof *graph->calls);
    for (size_t i = 0; i < ARRAY_LEN(graph->queue); i++) {
        graph->queue[i] = heap_alloc(slots * sizeof *graph->queue[i]);
    }
    char *at = graph->text;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(list[i]) + 1;
        memcpy(at, list[i], length);
        graph->names[i] = at;
        graph->weights[i] = 1;
        at += length;
    }
}

/* pairs[count] in ascending order, each once. */
static struct graph_side side_of(uint32_t services, const uint64_t *pairs, size_t count)
{
    struct graph_side side = {
        .start = heap_alloc((services + 1) * sizeof *side.start),
        .items = heap_alloc((count + 1) * sizeof *side.items),
    };
    size_t at = 0;
    for (uint32_t s = 0; s < services; s++) {
        side.start[s] = (uint32_t)at;
        for (; at < count && pairs[at] >> 32 == s; at++) {
            side.items[at] = (uint32_t)pairs[at];
        }
    }
    side.start[services] = (uint32_t)at;
    return side;
}

static void take_edges(struct graph *graph, const struct graph_edge *edges, size_t count)
{
    uint64_t *pairs = heap_alloc((count + 1) * sizeof *pairs);
    size_t kept = 0, once = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t from = graph_find(graph, edges[i].from), to = graph_find(graph, edges[i].to);
        if (from != to) {
            pairs[kept++] = pair_of(from, to);
        }
    }
    qsort(pairs, kept, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < kept; i++) {
        if (once == 0 || pairs[once - 1] != pairs[i]) {
            pairs[once++] = pairs[i];
        }
    }
    graph->edges = (uint32_t)once;
    graph->dependencies = side_of(graph->services, pairs, once);
    for (size_t i = 0; i < once; i++) {
        pairs[i] = pair_of((uint32_t)pairs[i], (uint32_t)(pairs[i] >> 32));
    }
    qsort(pairs, once, sizeof *pairs, compare_pairs);
    graph->dependants = side_of(graph->services, pairs, once);
    free(pairs);
}

enum status graph_build(struct graph *ret_graph, const char *const *names, size_t name_count,
                        const struct graph_edge *edges, size_t edge_count, struct error *error)
{
    *ret_graph = (struct graph){0};
    if (edge_count > GRAPH_EDGES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d edges between services",
                         GRAPH_EDGES_MAX);
    }
    if (name_count > GRAPH_SERVICES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d services", GRAPH_SERVICES_MAX);
    }
    size_t count = name_count;
    for (size_t i = 0; i < name_count; i++) {
        TRY(check_name(names[i], error));
    }
    for (size_t i = 0; i < edge_count; i++) {
        TRY(check_name(edges[i].from, error));
        TRY(check_name(edges[i].to, error));
    }
    const char **list = heap_alloc((name_count + 2 * edge_count + 1) * sizeof *list);
    for (size_t i = 0; i < name_count; i++) {
        list[i] = names[i];
    }
    for (size_t i = 0; i < edge_count; i++) {
        list[count++] = edges[i].from;
        list[count++] = edges[i].to;
    }
    count = names_once(list, count);
    if (count <= GRAPH_SERVICES_MAX) {
        take_names(ret_graph, list, count);
        take_edges(ret_graph, edges, edge_count);
    }
    free(list);
    return count <= GRAPH_SERVICES_MAX
               ? STATUS_OK
               : error_set(error, STATUS_LIMIT, "more than %d services", GRAPH_SERVICES_MAX);
}

double graph_tier_weight(const char *tier)
{
    static const struct {
        const char *name;
        double weight;
    } tiers[] = {{"gold", 4}, {"silver", 2}, {"bronze", 1}};
    for (size_t i = 0; tier && i < ARRAY_LEN(tiers); i++) {
        if (strcmp(tier, tiers[i].name) == 0) {
            return tiers[i].weight;
        }
    }
    return 1;
}

static void program_size(const struct program *program, size_t *ret_services, size_t *ret_edges)
{
    *ret_services = *ret_edges = 0;
    for (const struct service *s = program->services; s; s = s->next) {
        ++*ret_services;
        for (const struct name_list *on = s->depends; on; on = on->next) {
            ++*ret_edges;
        }
    }
}

enum status graph_build_program(struct graph *ret_graph, const struct program *program,
                                struct error *error)
{
    size_t services, edges, service = 0, edge = 0;
    program_size(program, &services, &edges);
    const char **names = heap_alloc((services + 1) * sizeof *names);
    struct graph_edge *list = heap_alloc((edges + 1) * sizeof *list);
    for (const struct service *s = program->services; s; s = s->next) {
        names[service++] = s->name.text;
        for (const struct name_list *on = s->depends; on; on = on->next) {
            list[edge++] = (struct graph_edge){s->name.text, on->name.text};
        }
    }
    enum status status = graph_build(ret_graph, names, services, list, edges, error);
    for (const struct service *s = program->services; status == STATUS_OK && s; s = s->next) {
        ret_graph->weights[graph_find(ret_graph, s->name.text)] = graph_tier_weight(s->tier.text);
    }
    free(names);
    free(list);
    return status;
}

/* Walks from the service, nearest first; graph->seen gets distances, graph->queue[0] the order.
 * Returns how many were reached, the service itself as the first. */
static size_t walk(struct graph *graph, const struct graph_side *side, uint32_t service)
{
    CHECK(service < graph->services);
    uint32_t *queue = graph->queue[0];
    size_t count = 0;
    for (uint32_t s = 0; s < graph->services; s++) {
        graph->seen[s] = GRAPH_NONE;
    }
    graph->seen[service] = 0;
    queue[count++] = service;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = queue[i];
        for (uint32_t k = side->start[at]; k < side->start[at + 1]; k++) {
            uint32_t next = side->items[k];
            if (graph->seen[next] == GRAPH_NONE) {
                graph->seen[next] = graph->seen[at] + 1;
                queue[count++] = next;
            }
        }
    }
    return count;
}

static size_t reached(struct graph *graph, const struct graph_side *side, uint32_t service,
                      uint32_t *ret)
{
    walk(graph, side, service);
    size_t count = 0;
    for (uint32_t s = 0; s < graph->services; s++) {
        if (s != service && graph->seen[s] != GRAPH_NONE) {
            ret[count++] = s;
        }
    }
    return count;
}

size_t graph_dependencies(struct graph *graph, uint32_t service, uint32_t *ret)
{
    return reached(graph, &graph->dependencies, service, ret);
}

size_t graph_dependants(struct graph *graph, uint32_t service, uint32_t *ret)
{
    return reached(graph, &graph->dependants, service, ret);
}

struct graph_impact graph_impact(struct graph *graph, uint32_t service, const double *weights)
{
    const struct graph_side *side = &graph->dependants;
    size_t count = walk(graph, side, service);
    struct graph_impact impact = {
        .direct = side->start[service + 1] - side->start[service],
        .transitive = (uint32_t)count - 1,
        .distance = graph->seen[graph->queue[0][count - 1]],
    };
    weights = weights ? weights : graph->weights;
    for (uint32_t s = 0; s < graph->services;
         s++) { /* by number: the same sum for the same graph */
        if (s != service && graph->seen[s] != GRAPH_NONE) {
            impact.weight += weights[s];
        }
    }
    return impact;
}
