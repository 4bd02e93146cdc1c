/* The service graph is what it was given, and reach and impact are those of the matrix. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/graph.h"
#include "tests/engine/graph_world.h"
#include "tests/unit.h"

static void check_reach(struct world *world, uint32_t far[SIDE][SIDE], uint32_t s)
{
    uint32_t below = 0, above = 0, direct = 0, distance = 0, got[SIDE];
    double weight = 0, weights[SIDE];
    size_t count = graph_dependencies(&world->graph, s, got);
    for (uint32_t t = 0; t < world->size; t++) {
        if (t != s && far[s][t] < 1000) {
            assert_int_equal(got[below++], t);
        }
    }
    assert_int_equal(count, below);
    count = graph_dependants(&world->graph, s, got);
    for (uint32_t t = 0; t < world->size; t++) {
        weights[t] = t % 3;
        direct += world->edge[t][s];
        if (t != s && far[t][s] < 1000) {
            assert_int_equal(got[above++], t);
            distance = far[t][s] > distance ? far[t][s] : distance;
            weight += weights[t];
        }
    }
    assert_int_equal(count, above);
    struct graph_impact impact = graph_impact(&world->graph, s, weights);
    assert_int_equal(impact.direct, direct);
    assert_int_equal(impact.transitive, above);
    assert_int_equal(impact.distance, distance);
    assert_true(impact.weight == weight);
    assert_true(graph_impact(&world->graph, s, NULL).weight == above);
}

static void reach_is_the_closure_of_the_matrix(void **state)
{
    (void)state;
    seed = 7;
    for (int round = 0; round < ROUNDS; round++) {
        struct world world;
        uint32_t far[SIDE][SIDE];
        world_make(&world);
        distances(&world, NULL, far);
        for (uint32_t s = 0; s < world.size; s++) {
            check_reach(&world, far, s);
        }
        graph_release(&world.graph);
    }
}

static void one_more_edge_never_makes_an_impact_smaller(void **state)
{
    (void)state;
    seed = 11;
    for (int round = 0; round < ROUNDS; round++) {
        struct world world;
        world_make(&world);
        struct graph more;
        uint32_t a = random_below(world.size), b = random_below(world.size);
        world.edges[world.edge_count++] = (struct graph_edge){world.names[a], world.names[b]};
        const char *names[SIDE];
        world_names(&world, names);
        assert_int_equal(graph_build(&more, names, world.size, world.edges, world.edge_count, NULL),
                         STATUS_OK);
        for (uint32_t s = 0; s < world.size; s++) {
            struct graph_impact before = graph_impact(&world.graph, s, NULL);
            struct graph_impact after = graph_impact(&more, s, NULL);
            assert_true(after.direct >= before.direct && after.transitive >= before.transitive);
            assert_true(after.weight >= before.weight);
        }
        graph_release(&more);
        graph_release(&world.graph);
    }
}

static void the_order_of_names_and_edges_does_not_matter(void **state)
{
    (void)state;
    seed = 23;
    for (int round = 0; round < ROUNDS; round++) {
        struct world world;
        world_make(&world);
        const char *names[SIDE];
        world_names(&world, names);
        for (uint32_t i = world.size; i > 1; i--) {
            uint32_t j = random_below(i);
            const char *name = names[i - 1];
            names[i - 1] = names[j];
            names[j] = name;
        }
        for (size_t i = world.edge_count; i > 1; i--) {
            uint32_t j = random_below((uint32_t)i);
            struct graph_edge edge = world.edges[i - 1];
            world.edges[i - 1] = world.edges[j];
            world.edges[j] = edge;
        }
        for (size_t i = world.edge_count; i > 0; i--) { /* and each edge twice */
            world.edges[world.edge_count++] = world.edges[i - 1];
        }
        struct graph other;
        assert_int_equal(
            graph_build(&other, names, world.size, world.edges, world.edge_count, NULL), STATUS_OK);
        assert_int_equal(other.services, world.graph.services);
        assert_int_equal(other.edges, world.graph.edges);
        for (uint32_t s = 0; s < other.services; s++) {
            assert_string_equal(other.names[s], world.graph.names[s]);
        }
        size_t starts = (other.services + 1) * sizeof *other.dependencies.start;
        size_t items = other.edges * sizeof *other.dependencies.items;
        assert_memory_equal(other.dependencies.start, world.graph.dependencies.start, starts);
        assert_memory_equal(other.dependants.start, world.graph.dependants.start, starts);
        if (items > 0) {
            assert_memory_equal(other.dependencies.items, world.graph.dependencies.items, items);
            assert_memory_equal(other.dependants.items, world.graph.dependants.items, items);
        }
        graph_release(&other);
        graph_release(&world.graph);
    }
}

static void all_of_a_ring_depend_on_all_others(void **state)
{
    (void)state;
    static const struct graph_edge ring[] = {{"a", "b"}, {"b", "c"}, {"c", "a"}, {"c", "c"}};
    struct graph graph;
    uint32_t got[3];
    assert_int_equal(graph_build(&graph, NULL, 0, ring, ARRAY_LEN(ring), NULL), STATUS_OK);
    assert_int_equal(graph.edges, 3);
    for (uint32_t s = 0; s < 3; s++) {
        assert_int_equal(graph_dependencies(&graph, s, got), 2);
        assert_int_equal(graph_dependants(&graph, s, got), 2);
        assert_int_equal(graph_impact(&graph, s, NULL).distance, 2);
    }
    graph_release(&graph);
}

static void what_is_beyond_the_limits_is_refused(void **state)
{
    (void)state;
    struct graph graph;
    struct error error;
    struct graph_edge *edges = calloc(GRAPH_EDGES_MAX + 1, sizeof *edges);
    char(*names)[24] = calloc(GRAPH_SERVICES_MAX + 1, sizeof *names);
    for (size_t i = 0; i <= GRAPH_SERVICES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "n%05zu", i);
    }
    for (size_t i = 0; i <= GRAPH_EDGES_MAX; i++) {
        edges[i] =
            (struct graph_edge){names[i % GRAPH_SERVICES_MAX], names[(i + 1) % GRAPH_SERVICES_MAX]};
    }
    assert_int_equal(graph_build(&graph, NULL, 0, edges, GRAPH_EDGES_MAX, &error), STATUS_OK);
    assert_int_equal(graph.services, GRAPH_SERVICES_MAX);
    graph_release(&graph);
    assert_int_equal(graph_build(&graph, NULL, 0, edges, GRAPH_EDGES_MAX + 1, &error),
                     STATUS_LIMIT);
    edges[0].from = names[GRAPH_SERVICES_MAX];
    assert_int_equal(graph_build(&graph, NULL, 0, edges, GRAPH_EDGES_MAX, &error), STATUS_LIMIT);
    assert_null(graph.names);
    char name[GRAPH_NAME_BYTES_MAX + 2] = "";
    edges[0].from = name;
    assert_int_equal(graph_build(&graph, NULL, 0, edges, 1, &error), STATUS_PROTOCOL);
    memset(name, 'x', GRAPH_NAME_BYTES_MAX);
    assert_int_equal(graph_build(&graph, NULL, 0, edges, 1, &error), STATUS_OK);
    graph_release(&graph);
    name[GRAPH_NAME_BYTES_MAX] = 'x';
    assert_int_equal(graph_build(&graph, NULL, 0, edges, 1, &error), STATUS_PROTOCOL);
    assert_int_equal(graph_build(&graph, NULL, 0, NULL, 0, &error), STATUS_OK);
    assert_int_equal(graph_find(&graph, "x"), GRAPH_NONE);
    graph_release(&graph);
    free(edges);
    free(names);
}

static void a_program_gives_its_services_and_tiers(void **state)
{
    (void)state;
    struct name_list on_db = {.name.text = "db"};
    struct service db = {.name.text = "db", .tier.text = "silver"};
    struct service web = {.name.text = "web", .tier.text = "gold", .depends = &on_db, .next = &db};
    struct service lone = {.name.text = "lone", .next = &web};
    struct program program = {.services = &lone};
    struct graph graph;
    assert_int_equal(graph_build_program(&graph, &program, NULL), STATUS_OK);
    assert_int_equal(graph.services, 3);
    struct graph_impact impact = graph_impact(&graph, graph_find(&graph, "db"), NULL);
    assert_int_equal(impact.transitive, 1);
    assert_true(impact.weight == 4);
    assert_int_equal(graph_impact(&graph, graph_find(&graph, "lone"), NULL).transitive, 0);
    graph_release(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reach_is_the_closure_of_the_matrix),
        cmocka_unit_test(one_more_edge_never_makes_an_impact_smaller),
        cmocka_unit_test(the_order_of_names_and_edges_does_not_matter),
        cmocka_unit_test(all_of_a_ring_depend_on_all_others),
        cmocka_unit_test(what_is_beyond_the_limits_is_refused),
        cmocka_unit_test(a_program_gives_its_services_and_tiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
