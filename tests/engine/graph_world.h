/* Random graphs of services, and what is known of them by definition. */
#ifndef HEAL_TESTS_ENGINE_GRAPH_WORLD_H
#define HEAL_TESTS_ENGINE_GRAPH_WORLD_H

#include <stdio.h>

#include "runtime/engine/graph.h"
#include "tests/unit.h"

enum { SIDE = 24, ROUNDS = 400 };

static uint64_t seed; /* set it, then all that is random follows */
static inline uint32_t random_below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % limit;
}

/* A random graph, and what is known of it by definition. */
struct world {
    struct graph graph;
    uint32_t size;
    bool edge[SIDE][SIDE];
    char names[SIDE][16];
    struct graph_edge edges[2 * SIDE * SIDE];
    size_t edge_count;
};

static inline void world_names(struct world *world, const char **ret)
{
    for (uint32_t i = 0; i < world->size; i++) {
        snprintf(world->names[i], sizeof world->names[i], "s%02u", i);
        ret[i] = world->names[i];
    }
}

static inline void world_make(struct world *world)
{
    const char *names[SIDE];
    *world = (struct world){.size = 1 + random_below(SIDE)};
    world_names(world, names);
    uint32_t wanted = random_below(3 * world->size);
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t a = random_below(world->size), b = random_below(world->size);
        world->edge[a][b] = a != b;
        world->edges[world->edge_count++] = (struct graph_edge){names[a], names[b]};
    }
    assert_int_equal(
        graph_build(&world->graph, names, world->size, world->edges, world->edge_count, NULL),
        STATUS_OK);
    assert_int_equal(world->graph.services, world->size);
}

/* Calls from a to b by Floyd and Warshall over the services that may lie between. */
static inline void distances(const struct world *world, const bool *between,
                             uint32_t ret[SIDE][SIDE])
{
    for (uint32_t i = 0; i < world->size; i++) {
        for (uint32_t j = 0; j < world->size; j++) {
            ret[i][j] = i == j ? 0 : world->edge[i][j] ? 1 : 1000;
        }
    }
    for (uint32_t k = 0; k < world->size; k++) {
        for (uint32_t i = 0; i < world->size && (!between || between[k]); i++) {
            for (uint32_t j = 0; j < world->size; j++) {
                uint32_t way = ret[i][k] + ret[k][j];
                ret[i][j] = way < ret[i][j] ? way : ret[i][j];
            }
        }
    }
}

#endif
