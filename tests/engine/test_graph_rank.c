/* Origins and cascades are those of the definition on random graphs with cycles, and the chains
 * that explain them hold. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/engine/graph.h"
#include "tests/engine/graph_world.h"
#include "tests/unit.h"

/* ---- cascades ---- */

/* Links between failing services, a row for the earlier one. */
static void links_by_definition(const struct world *world, const struct graph_health *health,
                                int64_t window, uint32_t ret[SIDE][SIDE])
{
    bool unknown[SIDE];
    uint32_t far[SIDE][SIDE];
    for (uint32_t s = 0; s < world->size; s++) {
        unknown[s] = health[s].state == GRAPH_UNKNOWN;
    }
    distances(world, unknown, far);
    for (uint32_t b = 0; b < world->size; b++) {
        for (uint32_t a = 0; a < world->size; a++) {
            int64_t apart = health[a].since.ns - health[b].since.ns;
            bool link = health[a].state == GRAPH_FAILING && health[b].state == GRAPH_FAILING &&
                        far[a][b] < 1000 && apart > 0 && apart <= window;
            ret[b][a] = link ? 1 : 1000;
        }
    }
    for (uint32_t k = 0; k < world->size; k++) {
        for (uint32_t i = 0; i < world->size; i++) {
            for (uint32_t j = 0; j < world->size; j++) {
                uint32_t way = ret[i][k] + ret[k][j];
                ret[i][j] = way < ret[i][j] ? way : ret[i][j];
            }
        }
    }
}

static void check_cascade(struct world *world, const struct graph_health *health, int64_t window,
                          uint32_t links[SIDE][SIDE], uint32_t s)
{
    uint32_t chain[SIDE], origin = s, affected = 0, target = s;
    struct graph_cascade got =
        graph_cascade(&world->graph, s, health, (struct duration){window}, chain);
    if (health[s].state != GRAPH_FAILING) {
        assert_int_equal(got.origin, GRAPH_NONE);
        assert_int_equal(got.length, 0);
        return;
    }
    for (uint32_t t = 0; t < world->size; t++) {
        if (links[t][s] < 1000 && (health[t].since.ns < health[origin].since.ns ||
                                   (health[t].since.ns == health[origin].since.ns && t < origin))) {
            origin = t;
        }
    }
    assert_int_equal(got.origin, origin);
    for (uint32_t t = 0; t < world->size; t++) {
        affected += links[origin][t] < 1000;
        if (origin == s && links[s][t] < 1000 && (target == s || links[s][t] > links[s][target])) {
            target = t;
        }
    }
    assert_int_equal(got.affected, affected);
    assert_int_equal(got.length, affected > 0 ? links[origin][target] + 1 : 0);
    for (size_t i = 0; i + 1 < got.length; i++) {
        assert_int_equal(links[chain[i]][chain[i + 1]], 1);
    }
    if (got.length > 0) {
        assert_int_equal(chain[0], origin);
        assert_int_equal(chain[got.length - 1], target);
    }
}

static void cascades_are_those_of_the_definition(void **state)
{
    (void)state;
    seed = 5;
    size_t found = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct world world;
        world_make(&world);
        struct graph_health health[SIDE];
        uint32_t links[SIDE][SIDE];
        for (uint32_t s = 0; s < world.size; s++) {
            uint32_t kind = random_below(6);
            health[s] = (struct graph_health){kind == 0   ? GRAPH_HEALTHY
                                              : kind == 1 ? GRAPH_UNKNOWN
                                                          : GRAPH_FAILING,
                                              {1000 + random_below(20)}};
        }
        int64_t window = 1 + random_below(12);
        links_by_definition(&world, health, window, links);
        for (uint32_t s = 0; s < world.size; s++) {
            check_cascade(&world, health, window, links, s);
            for (uint32_t t = 0; t < world.size; t++) {
                found += links[s][t] < 1000;
            }
        }
        graph_release(&world.graph);
    }
    assert_true(found > 1000);
}

static const struct graph_edge shop[] = {
    {"web", "cart"}, {"cart", "db"}, {"web", "search"}, {"search", "db"}, {"db", "disk"}};
enum { CART, DB, DISK, SEARCH, WEB, SHOP };

static struct graph shop_graph(void)
{
    struct graph graph;
    assert_int_equal(graph_build(&graph, NULL, 0, shop, ARRAY_LEN(shop), NULL), STATUS_OK);
    assert_int_equal(graph.services, SHOP);
    assert_int_equal(graph_find(&graph, "web"), WEB);
    assert_int_equal(graph_find(&graph, "nobody"), GRAPH_NONE);
    return graph;
}

static void a_cascade_is_told_from_where_it_began(void **state)
{
    (void)state;
    struct graph graph = shop_graph();
    uint32_t chain[SHOP];
    struct graph_health health[SHOP] = {
        [DISK] = {GRAPH_UNKNOWN, {0}},
        [DB] = {GRAPH_FAILING, {duration_seconds(100).ns}},
        [CART] = {GRAPH_UNKNOWN, {0}},
        [SEARCH] = {GRAPH_HEALTHY, {0}},
        [WEB] = {GRAPH_FAILING, {duration_seconds(160).ns}},
    };
    struct graph_cascade got = graph_cascade(&graph, WEB, health, duration_seconds(60), chain);
    assert_int_equal(got.origin, DB);
    assert_int_equal(got.affected, 1);
    assert_int_equal(got.length, 2); /* through the cart, of which nothing is known */
    assert_int_equal(chain[0], DB);
    assert_int_equal(chain[1], WEB);
    got = graph_cascade(&graph, WEB, health, duration_seconds(59), chain);
    assert_int_equal(got.affected, 0);
    health[CART].state = GRAPH_HEALTHY; /* both ways are healthy: two troubles */
    got = graph_cascade(&graph, WEB, health, duration_seconds(60), chain);
    assert_int_equal(got.origin, WEB);
    assert_int_equal(got.length, 0);
    graph_release(&graph);
}

/* ---- ranking ---- */

static void the_most_upstream_of_a_chain_is_named_first(void **state)
{
    (void)state;
    struct graph graph = shop_graph();
    struct graph_suspect got[SHOP];
    uint32_t chain[SHOP];
    double score[SHOP] = {[WEB] = 9, [CART] = 8, [DB] = 7, [DISK] = 0.5, [SEARCH] = 1};
    assert_int_equal(graph_rank(&graph, WEB, score, GRAPH_THRESHOLD, got), 3);
    assert_int_equal(got[0].service, DB);
    assert_int_equal(got[1].service, CART);
    assert_int_equal(got[1].dependency, DB);
    assert_int_equal(got[2].service, WEB);
    assert_int_equal(got[0].depth, 2);
    assert_int_equal(got[0].dependency, GRAPH_NONE);
    assert_false(got[0].blind);
    assert_int_equal(graph_rank_chain(&graph, WEB, score, GRAPH_THRESHOLD, DB, chain), 3);
    assert_int_equal(chain[1], CART);

    score[CART] = NAN; /* looked through: no suspect, no depth, no end of the chain */
    assert_int_equal(graph_rank(&graph, WEB, score, GRAPH_THRESHOLD, got), 2);
    assert_int_equal(got[0].service, DB);
    assert_int_equal(got[0].depth, 1);
    assert_int_equal(got[0].calls, 2);
    assert_true(got[1].blind);
    assert_int_equal(got[1].dependency, DB);

    score[CART] = 0; /* healthy: what lies behind it is another trouble */
    score[DB] = 1000;
    assert_int_equal(graph_rank(&graph, WEB, score, GRAPH_THRESHOLD, got), 2);
    assert_int_equal(got[0].service, WEB);
    assert_false(got[1].chained);
    assert_int_equal(got[1].calls, 2);
    assert_int_equal(graph_rank_chain(&graph, WEB, score, GRAPH_THRESHOLD, DB, chain), 0);
    graph_release(&graph);
}

/* The ranking by definition: from the matrix of calls with unknown services looked through. */
struct naive {
    uint32_t depth[SIDE], dependency[SIDE];
    double weight[SIDE];
    bool blind[SIDE], chained[SIDE], listed[SIDE];
    size_t count;
};

/* Time spent at each service: x = restart + (1 - GRAPH_RESTART) P'x, solved by Gauss and Jordan. */
static void solve(uint32_t n, double matrix[SIDE][SIDE + 1])
{
    for (uint32_t k = 0; k < n; k++) {
        uint32_t pivot = k;
        for (uint32_t i = k; i < n; i++) {
            pivot = fabs(matrix[i][k]) > fabs(matrix[pivot][k]) ? i : pivot;
        }
        for (uint32_t j = 0; j <= n; j++) {
            double other = matrix[k][j];
            matrix[k][j] = matrix[pivot][j];
            matrix[pivot][j] = other;
        }
        for (uint32_t i = 0; i < n; i++) {
            double factor = i == k ? 0 : matrix[i][k] / matrix[k][k];
            for (uint32_t j = 0; j <= n; j++) {
                matrix[i][j] -= factor * matrix[k][j];
            }
        }
    }
}

static void walk_by_definition(const struct world *world, uint32_t seen, const double *score,
                               uint32_t calls[SIDE][SIDE], struct naive *ret)
{
    double evidence[SIDE] = {0}, step[SIDE][SIDE] = {{0}}, matrix[SIDE][SIDE + 1] = {{0}};
    bool on[SIDE];
    for (uint32_t s = 0; s < world->size; s++) {
        on[s] = s == seen || (ret->chained[s] && score[s] >= 3);
        evidence[s] = score[s] >= 3 ? log(score[s] / 3) : 0;
    }
    for (uint32_t a = 0; a < world->size; a++) {
        double worst = 0, total = 0;
        for (uint32_t b = 0; b < world->size; b++) {
            if (a != b && on[a] && on[b]) {
                bool calls_b = calls[a][b] < 1000 && score[b] >= 3;
                bool calls_a = calls[b][a] < 1000 && score[a] >= 3;
                step[a][b] = (calls_b ? evidence[b] : 0) + (calls_a ? 0.1 * evidence[b] : 0);
                worst = calls_b && evidence[b] > worst ? evidence[b] : worst;
            }
        }
        step[a][a] = evidence[a] > worst ? evidence[a] - worst : 0;
        for (uint32_t b = 0; b < world->size; b++) {
            total += step[a][b];
        }
        for (uint32_t b = 0; b < world->size; b++) {
            double chance = total > 0 ? step[a][b] / total : a == b;
            matrix[b][a] = (a == b) - 0.99 * chance;
        }
    }
    matrix[seen][world->size] = 0.01;
    solve(world->size, matrix);
    for (uint32_t s = 0; s < world->size; s++) {
        ret->weight[s] = ret->chained[s] ? matrix[s][world->size] / matrix[s][s] : 0;
    }
}

static void rank_by_definition(const struct world *world, uint32_t seen, const double *score,
                               struct naive *ret)
{
    bool unknown[SIDE], chain[SIDE];
    uint32_t far[SIDE][SIDE], calls[SIDE][SIDE];
    *ret = (struct naive){0};
    for (uint32_t s = 0; s < world->size; s++) {
        unknown[s] = isnan(score[s]);
        chain[s] = unknown[s] || score[s] >= 3;
    }
    distances(world, unknown, calls);
    distances(world, NULL, far);
    for (uint32_t s = 0; s < world->size; s++) {
        ret->depth[s] = s == seen ? 0 : 1000;
    }
    for (uint32_t round = 0; round < world->size; round++) {
        for (uint32_t a = 0; a < world->size; a++) {
            for (uint32_t b = 0; b < world->size; b++) {
                if (calls[a][b] < 1000 && chain[b] && !unknown[b] && ret->depth[a] < 1000 &&
                    ret->depth[a] + 1 < ret->depth[b]) {
                    ret->depth[b] = ret->depth[a] + 1;
                }
            }
        }
    }
    for (uint32_t s = 0; s < world->size; s++) {
        ret->dependency[s] = GRAPH_NONE;
        for (uint32_t t = 0; t < world->size; t++) {
            ret->blind[s] = ret->blind[s] || (world->edge[s][t] && unknown[t]);
            if (t != s && calls[s][t] < 1000 && score[t] >= 3 &&
                (ret->dependency[s] == GRAPH_NONE || score[t] > score[ret->dependency[s]])) {
                ret->dependency[s] = t;
            }
        }
        ret->listed[s] = far[seen][s] < 1000 && score[s] >= 3;
        ret->count += ret->listed[s];
        ret->chained[s] = ret->depth[s] < 1000;
    }
    walk_by_definition(world, seen, score, calls, ret);
}

static void random_scores(const struct world *world, double *ret)
{
    static const double scores[] = {0, 1, 2.9, 3, 4, 4, 10, 50, 1e6};
    for (uint32_t s = 0; s < world->size; s++) {
        uint32_t kind = random_below(ARRAY_LEN(scores) + 2);
        ret[s] = kind < ARRAY_LEN(scores) ? scores[kind] : (double)NAN;
    }
}

static void check_chain(struct world *world, uint32_t seen, const double *score,
                        const struct graph_suspect *suspect)
{
    uint32_t chain[SIDE], depth = 0;
    size_t length = graph_rank_chain(&world->graph, seen, score, 3, suspect->service, chain);
    assert_int_equal(length, suspect->chained ? suspect->calls + 1 : 0);
    for (size_t i = 1; i < length; i++) {
        assert_true(world->edge[chain[i - 1]][chain[i]]);
        assert_true(isnan(score[chain[i]]) || score[chain[i]] >= 3);
        depth += isnan(score[chain[i]]) ? 0 : 1;
    }
    assert_int_equal(depth, suspect->depth);
    if (length > 0) {
        assert_int_equal(chain[0], seen);
        assert_int_equal(chain[length - 1], suspect->service);
    }
}

static void rankings_are_those_of_the_definition(void **state)
{
    (void)state;
    seed = 3;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        struct world world;
        world_make(&world);
        double score[SIDE];
        random_scores(&world, score);
        uint32_t seen = random_below(world.size);
        struct graph_suspect got[SIDE];
        struct naive want;
        rank_by_definition(&world, seen, score, &want);
        size_t count = graph_rank(&world.graph, seen, score, 3, got);
        assert_int_equal(count, want.count);
        for (size_t i = 0; i < count; i++) {
            uint32_t s = got[i].service;
            assert_true(want.listed[s]);
            assert_true(got[i].score == score[s]);
            assert_int_equal(got[i].chained, want.chained[s]);
            assert_int_equal(got[i].depth, want.chained[s] ? want.depth[s] : 0);
            assert_true(fabs(got[i].weight - want.weight[s]) < 1e-7);
            assert_int_equal(got[i].dependency, want.dependency[s]);
            assert_int_equal(got[i].blind, want.blind[s]);
            check_chain(&world, seen, score, &got[i]);
            if (i > 0) {
                const struct graph_suspect *a = &got[i - 1], *b = &got[i];
                assert_true(a->chained >= b->chained);
                assert_true(
                    a->chained != b->chained || a->weight > b->weight ||
                    (a->weight == b->weight &&
                     (a->score > b->score || (a->score == b->score && a->service < b->service))));
            }
        }
        graph_release(&world.graph);
    }
}

static size_t place_of(const struct graph_suspect *list, size_t count, uint32_t service)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].service == service) {
            return i;
        }
    }
    return count;
}

static void a_higher_score_never_lowers_ones_own_place(void **state)
{
    (void)state;
    seed = 17;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        struct world world;
        world_make(&world);
        double score[SIDE];
        random_scores(&world, score);
        uint32_t seen = random_below(world.size), s = random_below(world.size);
        struct graph_suspect got[SIDE];
        size_t before = place_of(got, graph_rank(&world.graph, seen, score, 3, got), s);
        if (score[s] >= 3) {
            score[s] *= 1 + random_below(20);
            size_t after = place_of(got, graph_rank(&world.graph, seen, score, 3, got), s);
            assert_true(after <= before);
        }
        graph_release(&world.graph);
    }
}

static void the_end_of_a_long_chain_is_named_first(void **state)
{
    (void)state;
    char(*names)[24] = calloc(GRAPH_SERVICES_MAX, sizeof *names);
    struct graph_edge *edges = calloc(GRAPH_SERVICES_MAX, sizeof *edges);
    struct graph_suspect *got = calloc(GRAPH_SERVICES_MAX, sizeof *got);
    double *score = calloc(GRAPH_SERVICES_MAX, sizeof *score), sum = 0;
    for (size_t i = 0; i < GRAPH_SERVICES_MAX; i++) {
        snprintf(names[i], sizeof names[i], "n%05zu", i);
        score[i] = i < 100 ? (double)INFINITY : 0;
        if (i > 0) {
            edges[i - 1] = (struct graph_edge){names[i - 1], names[i]};
        }
    }
    struct graph graph;
    assert_int_equal(graph_build(&graph, NULL, 0, edges, GRAPH_SERVICES_MAX - 1, NULL), STATUS_OK);
    assert_int_equal(graph_rank(&graph, 0, score, 3, got), 100);
    for (size_t i = 0; i < 100; i++) {
        sum += got[i].weight;
    }
    assert_true(fabs(sum - 1) < 1e-6);
    assert_int_equal(got[0].service, 99);
    graph_release(&graph);
    free(names);
    free(edges);
    free(got);
    free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cascades_are_those_of_the_definition),
        cmocka_unit_test(a_cascade_is_told_from_where_it_began),
        cmocka_unit_test(the_most_upstream_of_a_chain_is_named_first),
        cmocka_unit_test(rankings_are_those_of_the_definition),
        cmocka_unit_test(a_higher_score_never_lowers_ones_own_place),
        cmocka_unit_test(the_end_of_a_long_chain_is_named_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
