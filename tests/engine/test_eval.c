/* The reference evaluator: values, joins, what is unknown, and rebuilds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/engine/eval.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

#define STEP_S 10

static struct arena A;

static struct instant at(double seconds)
{
    return (struct instant){(int64_t)(seconds * 1e9)};
}
static struct duration step(void)
{
    return duration_seconds(STEP_S);
}

static uint32_t source(struct store *store, const char *name)
{
    uint32_t id = 0;
    assert_int_equal(store_source(store, name, step(), duration_seconds(5), &id, NULL), STATUS_OK);
    return id;
}

static uint32_t series(struct store *store, uint32_t owner, const char *name, const char *pod)
{
    struct label label = {"pod", pod};
    uint32_t id = 0;
    struct error error;
    assert_int_equal(store_series(store, owner, name, &label, pod ? 1 : 0, &id, &error), STATUS_OK);
    return id;
}

static void put(struct store *store, uint32_t id, double t, double value)
{
    assert_int_equal(store_append(store, id, at(t), at(t), value), APPEND_OK);
}

static struct eval_node *node(struct eval *eval, struct expr *expr)
{
    struct error error = {""};
    struct eval_node *made = eval_add(eval, expr, step(), &error);
    if (!made) {
        fail_msg("refused: %s", error.message);
    }
    return made;
}

/* "pod=value ..." of the present slots, "?" behind those unknown, "blind" before all. */
static const char *show(const struct eval_node *n)
{
    static char text[4000];
    struct eval_column c = eval_column(n);
    size_t used = (size_t)snprintf(text, sizeof text, "%s", c.blind ? "blind " : "");
    for (size_t i = 0; i < c.count; i++) {
        bool present = c.present[i / 64] >> (i % 64) & 1,
             unknown = c.unknown[i / 64] >> (i % 64) & 1;
        const char *pod = label_set_get(c.labels[i], "pod");
        if (present || unknown) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s=", pod ? pod : "");
            used += present ? (size_t)snprintf(text + used, sizeof text - used, "%.6g", c.values[i])
                            : 0;
            used += (size_t)snprintf(text + used, sizeof text - used, unknown ? "? " : " ");
        }
    }
    return text;
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The words of show() in their own order: which slot comes first is nobody's business. */
static char *sorted(const struct eval_node *n)
{
    char *words[200], *text = heap_strdup(show(n)), *ret = heap_alloc(4000), *save = NULL;
    size_t count = 0;
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        assert_true(count < ARRAY_LEN(words));
        words[count++] = w;
    }
    qsort(words, count, sizeof words[0], compare_words);
    for (size_t i = 0; i < count; i++) {
        strncat(ret, words[i], 3999 - strlen(ret));
        strncat(ret, " ", 3999 - strlen(ret));
    }
    free(text);
    return ret;
}

struct world {
    struct store *store;
    struct eval *eval;
    uint32_t s1, s2;
};
static struct world world_new(void)
{
    struct world w = {.store = store_new(NULL)};
    w.eval = eval_new(w.store);
    w.s1 = source(w.store, "one");
    w.s2 = source(w.store, "two");
    return w;
}
static void world_free(struct world *w)
{
    eval_free(w->eval);
    store_free(w->store);
    arena_release(&A);
}
static void answer(struct world *w, double t)
{
    store_answered(w->store, w->s1, at(t));
    store_answered(w->store, w->s2, at(t));
}

static struct expr *plus(struct expr *inner)
{
    struct expr *expr = tree_new(&A, EXPR_UNARY);
    expr->unary.inner = inner;
    return expr;
}

static void operators_join_and_aggregate_as_prometheus_does(void **state)
{
    (void)state;
    struct world w = world_new();
    put(w.store, series(w.store, w.s1, "x", "a"), 10, 6);
    put(w.store, series(w.store, w.s1, "x", "b"), 10, 8);
    put(w.store, series(w.store, w.s1, "x", "c"), 10, 1);
    put(w.store, series(w.store, w.s2, "y", "b"), 10, 2);
    put(w.store, series(w.store, w.s2, "y", "a"), 10, 3);
    answer(&w, 10);
#define X tree_select(&A, "x")
#define Y tree_select(&A, "y")
    const struct {
        struct expr *expr;
        const char *want;
    } rows[] = {
        {X, "a=6 b=8 c=1 "},
        {tree_binary(&A, X, "/", Y), "a=2 b=4 "},
        {tree_binary(&A, Y, "-", X), "b=-6 a=-3 "},
        {tree_binary(&A, X, ">", tree_number(&A, 5)), "a=6 b=8 "},
        {tree_binary(&A, tree_number(&A, 7), ">", X), "a=6 c=1 "},
        {tree_binary(&A, X, "and", tree_binary(&A, Y, ">", tree_number(&A, 2))), "a=6 "},
        {tree_binary(&A, X, "unless", Y), "c=1 "},
        {tree_binary(&A, Y, "or", X), "b=2 a=3 c=1 "},
        {tree_sum(&A, AGGREGATE_SUM, NULL, X), "=15 "},
        {tree_sum(&A, AGGREGATE_AVG, "pod", X), "a=6 b=8 c=1 "},
        {tree_sum(&A, AGGREGATE_COUNT, NULL, Y), "=2 "},
        {tree_on(&A, tree_binary(&A, X, "*", tree_sum(&A, AGGREGATE_MAX, NULL, Y)), true, NULL),
         "=? =? =? "}, /* many to one without group_left: seen in the data only */
        {tree_call(&A, "absent", tree_select(&A, "z")), "=1 "},
        {tree_call(&A, "absent", X), ""},
        {tree_call(&A, "absent", tree_matching(&A, X, "pod", MATCH_EQ, "q")), "q=1 "},
        {tree_call(&A, "absent", plus(tree_matching(&A, X, "pod", MATCH_EQ, "q"))), "=1 "},
        {tree_matching(&A, X, "pod", MATCH_RE, "a|c"), "a=6 c=1 "},
        {tree_matching(&A, X, "pod", MATCH_NRE, "a|"), "b=8 c=1 "},
    };
    struct eval_node *nodes[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        nodes[i] = node(w.eval, rows[i].expr);
    }
    eval_tick(w.eval, at(11));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(show(nodes[i]), rows[i].want) != 0) {
            fail_msg("row %zu: '%s', wanted '%s'", i, show(nodes[i]), rows[i].want);
        }
    }
    assert_int_equal(eval_stats(w.eval).many_to_many, 1);
    world_free(&w);
}

static void a_silent_source_is_unknown_and_a_gone_series_is_absent(void **state)
{
    (void)state;
    struct world w = world_new();
    struct eval_node *x = node(w.eval, X), *gone = node(w.eval, tree_call(&A, "absent", X));
    struct eval_node *total = node(w.eval, tree_sum(&A, AGGREGATE_SUM, NULL, X));
    struct eval_node *nan =
        node(w.eval,
             tree_binary(&A, tree_binary(&A, X, "%", tree_number(&A, 0)), ">", tree_number(&A, 1)));
    eval_tick(w.eval, at(1));
    assert_string_equal(show(x), "blind ");
    assert_string_equal(show(gone), "blind =1? ");
    uint32_t a = series(w.store, w.s1, "x", "a"), b = series(w.store, w.s2, "x", "b");
    put(w.store, a, 10, 1);
    put(w.store, b, 10, 2);
    answer(&w, 10);
    eval_tick(w.eval, at(12));
    assert_string_equal(show(total), "=3 ");
    assert_string_equal(show(nan), "a=? b=? ");
    /* Source two does not answer any more: its series is unknown, and so is the sum. */
    put(w.store, a, 30, 1);
    store_answered(w.store, w.s1, at(30));
    eval_tick(w.eval, at(31));
    assert_string_equal(show(x), "a=1 b=2? ");
    assert_string_equal(show(total), "=3? ");
    /* It answers again, without the series: a known absence. */
    put(w.store, a, 40, 1);
    answer(&w, 40);
    eval_tick(w.eval, at(41));
    assert_string_equal(show(x), "a=1 ");
    assert_string_equal(show(total), "=1 ");
    world_free(&w);
}

static bool bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

static void a_true_operand_of_or_decides_although_the_other_is_unknown(void **state)
{
    (void)state;
    struct world w = world_new();
    struct pool pool = {.keys = tree_names(&A, "pod", NULL), .expr = tree_select(&A, "up")};
    struct error error;
    struct eval_entities *pods = eval_entities_new(w.eval, &pool, step(), &error);
    struct expr *either = tree_binary(&A, tree_binary(&A, X, ">", tree_number(&A, 5)), "or",
                                      tree_binary(&A, Y, ">", tree_number(&A, 5)));
    struct eval_watch *watch = eval_watch_new(w.eval, pods, either, step(), &error);
    uint32_t id[4] = {series(w.store, w.s1, "up", "b"), series(w.store, w.s1, "up", "a"),
                      series(w.store, w.s1, "x", "a"), series(w.store, w.s1, "x", "b")};
    put(w.store, series(w.store, w.s2, "y", "a"), 10, 9);
    put(w.store, series(w.store, w.s2, "y", "b"), 10, 9);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4; i++) {
            put(w.store, id[i], 10 + 20 * round, i == 2 ? 9 : 1); /* x of a is above */
        }
        store_answered(w.store, w.s1, at(10 + 20 * round));
        if (round == 0) {
            store_answered(w.store, w.s2, at(10));
        }
        eval_tick(w.eval, at(11 + 20 * round));
        assert_int_equal(eval_entities_count(pods), 2);
        assert_string_equal(label_set_get(eval_entities_labels(pods, 1), "pod"), "a");
        assert_true(eval_entities_complete(pods));
        assert_true(bit(eval_watch_yes(watch), 1));
        assert_false(bit(eval_watch_unknown(watch), 1));
        assert_true(bit(eval_watch_yes(watch), 0));
        assert_int_equal(bit(eval_watch_unknown(watch), 0), round == 1);
    }
    assert_int_equal(eval_watch_oldest_sample(watch, 0).ns, at(10).ns);
    world_free(&w);
}

static void entities_keep_their_slot_until_gone_for_an_hour(void **state)
{
    (void)state;
    struct world w = world_new();
    struct pool pool = {.keys = tree_names(&A, "pod", NULL), .expr = X};
    struct eval_entities *pods = eval_entities_new(w.eval, &pool, step(), NULL);
    uint32_t a = series(w.store, w.s1, "x", "a");
    put(w.store, a, 10, 1);
    put(w.store, series(w.store, w.s1, "x", "b"), 10, 1);
    answer(&w, 10);
    eval_tick(w.eval, at(11));
    assert_int_equal(eval_entities_live_count(pods), 2);
    for (double t = 20; t <= 4000; t += 10) { /* b is gone */
        put(w.store, a, t, 1);
        if (t >= 3000) {
            series(w.store, w.s1, "x", "c");
            put(w.store, series(w.store, w.s1, "x", "c"), t, 1);
        }
        if (t == 3900) {
            put(w.store, series(w.store, w.s1, "x", "d"), t, 1);
        }
        answer(&w, t);
        store_expire(w.store, at(t));
        eval_tick(w.eval, at(t + 1));
        assert_int_equal(eval_entities_count(pods), t < 3000 ? 2 : 3);
        if (t == 3900) {
            assert_true(bit(eval_entities_reused(pods), 1));
            assert_string_equal(label_set_get(eval_entities_labels(pods, 1), "pod"), "d");
            assert_int_equal(eval_entities_largest(pods), 3);
        }
    }
    world_free(&w);
}

static double noise(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / (1 << 24);
}

static void zscores_of_one_average_share_their_state(void **state)
{
    (void)state;
    struct world w = world_new();
    for (int i = 0; i < 10; i++) {
        node(w.eval, tree_binary(&A, tree_zscore(&A, X, 0.1), ">", tree_number(&A, i)));
    }
    node(w.eval, tree_zscore(&A, X, 0.1));
    /* x, its moments, ten thresholds, the score itself */
    assert_int_equal(eval_stats(w.eval).nodes, 13);
    node(w.eval, tree_zscore(&A, X, 0.2));
    assert_int_equal(eval_stats(w.eval).nodes, 15);
    world_free(&w);
}

static void zscore_compares_by_its_rewritten_form_and_is_unknown_when_young(void **state)
{
    (void)state;
    struct world w = world_new();
    struct eval_node *z = node(w.eval, tree_zscore(&A, X, 0.1));
    struct eval_node *high =
        node(w.eval, tree_binary(&A, tree_zscore(&A, X, 0.1), ">", tree_number(&A, 1.5)));
    uint32_t ids[100];
    double mean[100], variance[100];
    unsigned seed = 7;
    for (int i = 0; i < 100; i++) {
        char pod[20];
        snprintf(pod, sizeof pod, "p%d", i);
        ids[i] = series(w.store, w.s1, "x", pod);
    }
    for (int t = 1; t < 60; t++) {
        double x[100];
        for (int i = 0; i < 100; i++) {
            x[i] = noise(&seed);
            put(w.store, ids[i], t * STEP_S, x[i]);
        }
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S));
        struct eval_column c = eval_column(high), scores = eval_column(z);
        for (size_t i = 0; i < 100; i++) {
            double d = t == 1 ? 0 : x[i] - mean[i];
            bool want = t > 10 && d * fabs(d) > 1.5 * 1.5 * variance[i];
            assert_int_equal(bit(c.present, i), want);
            assert_int_equal(bit(c.unknown, i), t <= 10);
            assert_int_equal(bit(scores.present, i), t > 10);
            if (want) {
                assert_true(c.values[i] == scores.values[i] && c.values[i] > 1.4999);
            }
            mean[i] = t == 1 ? x[i] : mean[i] + 0.1 * d;
            variance[i] = t == 1 ? 0 : (1 - 0.1) * (variance[i] + 0.1 * d * d);
        }
    }
    world_free(&w);
}

/* x / y with y 0: nothing may act on it, whichever way the comparison is made. */
static void an_infinite_zscore_is_unknown(void **state)
{
    (void)state;
    static const double bounds[] = {3, -3, INFINITY, NAN};
    static const char *const operators[] = {">", "<", "!="};
    struct world w = world_new();
    struct expr *share = tree_binary(&A, X, "/", Y);
    struct eval_node *nodes[ARRAY_LEN(bounds) * ARRAY_LEN(operators)];
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        nodes[i] = node(w.eval, tree_binary(&A, tree_zscore(&A, share, 0.1),
                                            operators[i % ARRAY_LEN(operators)],
                                            tree_number(&A, bounds[i / ARRAY_LEN(operators)])));
    }
    uint32_t x = series(w.store, w.s1, "x", "a"), y = series(w.store, w.s1, "y", "a");
    for (int t = 1; t <= 20; t++) {
        put(w.store, x, t * STEP_S, t % 3);
        put(w.store, y, t * STEP_S, t < 20 ? 2 : 0);
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S));
    }
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        assert_true(bit(eval_column(nodes[i]).unknown, 0));
    }
    world_free(&w);
}

static void forecast_reaches_a_threshold_only_with_enough_history(void **state)
{
    (void)state;
    struct world w = world_new();
    struct eval_node *full = node(w.eval, tree_reaches(&A, X, 600, 600, 100));
    struct eval_node *never = node(w.eval, tree_reaches(&A, X, 600, 600, 1000));
    struct eval_node *flat = node(w.eval, tree_reaches(&A, Y, 600, 600, 100));
    struct eval_node *signal =
        node(w.eval, tree_reaches(&A, tree_signal(&A, "s", X), 600, 600, 100));
    uint32_t x = series(w.store, w.s1, "x", "a"), y = series(w.store, w.s1, "y", "a");
    for (int t = 0; t < 40; t++) {
        put(w.store, x, t * STEP_S, t + (t % 2) * 0.1);
        put(w.store, y, t * STEP_S, 7);
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S));
        assert_string_equal(show(never), t < 7 ? "a=? " : "");
        assert_string_equal(show(flat), t < 7 ? "a=? " : "");
    }
    /* 39 now, one every ten seconds: 99 in ten minutes is below 100 by far more than its error. */
    assert_string_equal(show(full), "");
    for (int t = 40; t < 45; t++) {
        put(w.store, x, t * STEP_S, t + (t % 2) * 0.1);
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S));
    }
    assert_non_null(strstr(show(full), "a=104"));
    assert_non_null(strstr(show(signal), "a=104"));
    world_free(&w);
}

/* Series are born, fall silent and are forgotten in random order; at every tick an evaluator made
 * anew gives the same, slot for slot by label. */
static void a_rebuild_equals_a_fresh_evaluator(void **state)
{
    (void)state;
    static const char *const pods[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    for (unsigned seed = 1; seed <= 20; seed++) {
        unsigned random = seed;
        struct world w = world_new();
        struct expr *rows[] = {
            tree_binary(&A, X, "+", Y),
            tree_binary(&A, X, ">", Y),
            tree_binary(&A, X, "or", Y),
            tree_binary(&A, X, "unless", Y),
            tree_sum(&A, AGGREGATE_SUM, "pod", tree_binary(&A, X, "or", Y)),
            tree_call(&A, "rate", tree_range(&A, X, 60)),
            tree_call(&A, "avg_over_time", tree_range(&A, Y, 45)),
            tree_call(&A, "absent", Y),
            tree_sum(&A, AGGREGATE_COUNT, "pod", X),
            tree_sum(&A, AGGREGATE_AVG, NULL, X),
            tree_sum(&A, AGGREGATE_MAX, "pod", tree_call(&A, "rate", tree_range(&A, X, 60))),
            tree_binary(&A, tree_number(&A, 0.5), "<", tree_call(&A, "abs", Y)),
            tree_matching(&A, X, "pod", MATCH_RE, "a|c|e|i"),
            tree_binary(&A, tree_matching(&A, X, "pod", MATCH_NRE, "a|c|e"), "*",
                        tree_number(&A, 2)),
            tree_call(&A, "sgn", tree_call(&A, "ceil", X)),
        };
        struct eval_node *kept[ARRAY_LEN(rows)];
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            kept[i] = node(w.eval, rows[i]);
        }
        for (int t = 1; t < 120; t++) {
            for (size_t i = 0; i < ARRAY_LEN(pods); i++) {
                unsigned phase = (unsigned)t / 40 + (unsigned)i;
                if (phase % 3 != seed % 3 && noise(&random) < 0.8) {
                    put(w.store, series(w.store, w.s1, "x", pods[i]), t * STEP_S, noise(&random));
                    put(w.store, series(w.store, w.s2, "y", pods[9 - i]), t * STEP_S,
                        noise(&random));
                }
            }
            answer(&w, t * STEP_S);
            store_expire(w.store, at(t * STEP_S));
            eval_tick(w.eval, at(t * STEP_S));
            struct eval *fresh = eval_new(w.store);
            struct eval_node *made[ARRAY_LEN(rows)];
            for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                made[i] = node(fresh, rows[i]);
            }
            eval_tick(fresh, at(t * STEP_S));
            for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char *have = sorted(kept[i]), *want = sorted(made[i]);
                assert_string_equal(have, want);
                free(have);
                free(want);
            }
            eval_free(fresh);
        }
        assert_true(store_stats(w.store).died > 0);
        world_free(&w);
    }
}

static void operator_state_survives_births_and_a_reload(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *mean = tree_argument(&A, tree_call(&A, "ewma", X), "alpha", tree_number(&A, 0.5));
    struct eval_node *n = node(w.eval, mean);
    uint32_t b = series(w.store, w.s1, "x", "b");
    put(w.store, b, 10, 8);
    answer(&w, 10);
    eval_tick(w.eval, at(10));
    put(w.store, b, 20, 4);
    put(w.store, series(w.store, w.s1, "x", "a"), 20, 1);
    answer(&w, 20);
    eval_tick(w.eval, at(20));
    assert_string_equal(show(n), "b=6 a=1 ");
    struct eval *next = eval_new(w.store);
    struct eval_node *again = node(next, mean);
    assert_true(eval_node_hash(n) == eval_node_hash(again));
    eval_adopt(next, w.eval);
    eval_free(w.eval);
    w.eval = next;
    put(w.store, b, 30, 4);
    answer(&w, 30);
    eval_tick(w.eval, at(30));
    assert_string_equal(show(again), "b=5 ");
    world_free(&w);
}

static void a_signal_ranges_over_its_own_samples_and_can_be_overridden(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *twice = tree_binary(&A, X, "*", tree_number(&A, 2));
    struct expr *plain = tree_signal(&A, "s", twice), *given = tree_signal(&A, "s", twice);
    eval_override(w.eval, given->selector.signal, "given");
    struct eval_node *mean =
        node(w.eval, tree_call(&A, "avg_over_time", tree_range(&A, plain, 30)));
    struct eval_node *instant = node(w.eval, plain), *other = node(w.eval, given);
    uint32_t x = series(w.store, w.s1, "x", "a"), stand_in = series(w.store, w.s1, "given", "a");
    for (int t = 1; t <= 6; t++) {
        put(w.store, x, t * STEP_S, t);
        put(w.store, stand_in, t * STEP_S, -t);
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S - 5)); /* between two samples of x: not sampled again */
        eval_tick(w.eval, at(t * STEP_S));
    }
    assert_string_equal(show(instant), "a=12 ");
    assert_string_equal(show(other), "a=-6 ");
    assert_null(eval_column(other).names);
    /* Sampled at 5, 15, ... 55, each the x before it: 2 * (3 + 4 + 5) / 3 over (30, 60]. */
    assert_string_equal(show(mean), "a=8 ");
    world_free(&w);
}

static void a_signal_is_sampled_when_its_policy_is_evaluated_whatever_there_is_to_sample(
    void **state)
{
    (void)state;
    struct world w = world_new();
    struct eval_node *most =
        node(w.eval, tree_call(&A, "max_over_time", tree_range(&A, tree_signal(&A, "s", X), 60)));
    eval_tick(w.eval, at(1)); /* there is no x yet */
    uint32_t x = series(w.store, w.s1, "x", "a");
    put(w.store, x, 5, 9);
    answer(&w, 5);
    eval_tick(w.eval, at(9)); /* 8 s behind the evaluation before: none */
    assert_string_equal(show(most), "");
    put(w.store, x, 10, 4);
    answer(&w, 10);
    eval_tick(w.eval, at(11));
    assert_string_equal(show(most), "a=4 ");
    world_free(&w);
}

/* The version of a pod is a label of another metric: when it changes, the pair of series is
 * another, but the label set of the product is the same. */
static void what_is_remembered_is_remembered_of_a_label_set(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *join = tree_on(&A, tree_binary(&A, X, "*", tree_select(&A, "info")), true, "pod");
    join->binary.matching.group = GROUP_LEFT;
    struct expr *signal = tree_signal(&A, "s", join);
    struct eval_node *most =
        node(w.eval, tree_call(&A, "max_over_time", tree_range(&A, signal, 60)));
    struct eval_node *before = node(w.eval, tree_offset(&A, tree_signal(&A, "s", join), 20));
    struct eval_node *mean =
        node(w.eval, tree_argument(&A, tree_call(&A, "ewma", join), "alpha", tree_number(&A, 0.5)));
    uint32_t x = series(w.store, w.s1, "x", "a");
    for (int t = 1; t <= 4; t++) {
        const struct label labels[] = {{"pod", "a"}, {"v", t <= 2 ? "1" : "2"}};
        uint32_t info = 0;
        assert_int_equal(store_series(w.store, w.s1, "info", labels, 2, &info, NULL), STATUS_OK);
        put(w.store, x, t * STEP_S, t == 1 ? 8 : t == 2 ? 6 : 1);
        put(w.store, info, t * STEP_S, 1);
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S));
    }
    assert_string_equal(show(most), "a=8 ");
    assert_string_equal(show(before), "a=6 ");
    assert_string_equal(show(mean), "a=2.5 "); /* 8, 7, 4, 2.5 */
    world_free(&w);
}

static void a_window_with_an_offset_relies_on_samples_as_old_as_its_begin(void **state)
{
    (void)state;
    struct world w = world_new();
    struct eval_entities *all = eval_entities_new(w.eval, NULL, step(), NULL);
    struct expr *range = tree_offset(&A, tree_range(&A, X, 20), 30);
    struct expr *mean = tree_sum(&A, AGGREGATE_SUM, NULL, tree_call(&A, "avg_over_time", range));
    struct expr *condition = tree_binary(&A, mean, ">", tree_number(&A, 0));
    struct eval_watch *watch = eval_watch_new(w.eval, all, condition, step(), NULL);
    uint32_t x = series(w.store, w.s1, "x", "a");
    for (int t = 1; t <= 10; t++) {
        put(w.store, x, t * STEP_S, t);
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S));
    }
    assert_true(bit(eval_watch_yes(watch), 0));
    assert_int_equal(eval_watch_oldest_sample(watch, 0).ns,
                     at(50).ns + NS_PER_MS); /* open on the left */
    world_free(&w);
}

static void a_signal_keeps_its_samples_when_its_series_is_forgotten(void **state)
{
    (void)state;
    struct world w = world_new();
    struct eval_node *most =
        node(w.eval, tree_call(&A, "max_over_time", tree_range(&A, tree_signal(&A, "s", X), 1200)));
    put(w.store, series(w.store, w.s1, "x", "a"), 10, 7);
    for (int t = 10; t <= 1300; t += STEP_S) {
        answer(&w, t);
        store_expire(w.store, at(t));
        eval_tick(w.eval, at(t));
        assert_string_equal(show(most), t < 1210 ? "a=7 " : "");
    }
    world_free(&w);
}

static void a_series_is_known_for_as_long_as_signals_of_signals_look_back(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *once = tree_offset(&A, tree_signal(&A, "s1", X), 100);
    struct expr *twice = tree_offset(&A, tree_signal(&A, "s2", once), 100);
    struct eval_node *most = node(
        w.eval, tree_call(&A, "max_over_time", tree_range(&A, tree_signal(&A, "s3", twice), 600)));
    put(w.store, series(w.store, w.s1, "x", "a"), 10, 7);
    for (int t = 10; t <= 1500; t += STEP_S) {
        answer(&w, t);
        store_expire(w.store, at(t));
        eval_tick(w.eval, at(t));
        assert_string_equal(show(most), t >= 210 && t < 1390 ? "a=7 " : "");
    }
    world_free(&w);
}

static void a_subquery_has_the_last_point_of_a_series_that_ended_before_the_tick(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *grid = tree_range(&A, X, 60);
    grid->kind = EXPR_SUBQUERY;
    grid->range.step = duration_seconds(10);
    struct eval_node *most = node(w.eval, tree_call(&A, "max_over_time", grid));
    uint32_t x = series(w.store, w.s1, "x", "a");
    answer(&w, 6);
    eval_tick(w.eval, at(6));
    put(w.store, x, 8, 7);
    store_stale(w.store, x, at(14));
    eval_tick(w.eval, at(16)); /* the grid is at 10 */
    assert_string_equal(show(most), "a=7 ");
    world_free(&w);
}

static void a_forecast_reaches_no_nan(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *level = tree_binary(&A, tree_number(&A, 0), "/", tree_number(&A, 0));
    struct expr *expr = tree_reaches(&A, X, 60, 100, 0);
    expr->reaches.threshold = level;
    struct eval_node *reaches = node(w.eval, expr);
    uint32_t x = series(w.store, w.s1, "x", "a");
    for (int t = 1; t <= 10; t++) {
        put(w.store, x, t * STEP_S, t);
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S));
    }
    assert_string_equal(show(reaches), "a=? ");
    world_free(&w);
}

static void an_argument_that_is_unknown_or_nan_makes_a_prediction_unknown(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *nan = tree_binary(&A, tree_number(&A, 0), "/", tree_number(&A, 0));
    struct expr *whether = tree_binary(&A, tree_number(&A, 1), ">", nan);
    whether->binary.matching.return_bool = true;
    struct expr *unknown =
        tree_argument(&A, tree_call(&A, "predict_linear", tree_range(&A, X, 60)), NULL, whether);
    struct expr *flat =
        tree_argument(&A, tree_call(&A, "predict_linear", tree_range(&A, X, 60)), NULL, nan);
    struct eval_node *a = node(w.eval, tree_binary(&A, unknown, ">", tree_number(&A, 1)));
    struct eval_node *b = node(w.eval, tree_binary(&A, flat, ">", tree_number(&A, 1)));
    uint32_t x = series(w.store, w.s1, "x", "a");
    put(w.store, x, 10, 5);
    put(w.store, x, 20, 5);
    answer(&w, 20);
    eval_tick(w.eval, at(21));
    assert_string_equal(show(a), "a=5? ");
    assert_string_equal(show(b), "a=? ");
    world_free(&w);
}

static void a_forecast_with_an_offset_is_of_what_was_there_then(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *series_then = tree_offset(&A, X, 30);
    struct expr *signal_then = tree_offset(&A, tree_signal(&A, "s", X), 30);
    struct eval_node *a = node(w.eval, tree_reaches(&A, series_then, 60, 100, 5)->reaches.forecast);
    struct eval_node *b = node(w.eval, tree_reaches(&A, signal_then, 60, 100, 5)->reaches.forecast);
    struct eval_node *c = node(w.eval, tree_offset(&A, tree_signal(&A, "s", X), 0));
    uint32_t x = series(w.store, w.s1, "x", "a");
    for (int t = 1; t <= 14; t++) {
        if (t <= 10) {
            put(w.store, x, t * STEP_S, t);
        }
        answer(&w, t * STEP_S);
        eval_tick(w.eval, at(t * STEP_S));
        assert_string_equal(show(a), t <= 3    ? ""
                                     : t <= 10 ? "a=? "
                                     : t == 11 ? "a=14 "
                                     : t == 12 ? "a=15 "
                                     : t == 13 ? "a=16 "
                                               : ""); /* it ended at 110 */
    }
    assert_string_equal(show(b), "a=17 "); /* what was sampled knows no end */
    assert_string_equal(show(c), "");      /* an offset of nothing is none */
    world_free(&w);
}

static void an_adopted_pool_keeps_its_slots(void **state)
{
    (void)state;
    struct world w = world_new();
    struct pool pool = {.keys = tree_names(&A, "pod", NULL), .expr = X};
    struct eval_entities *pods = eval_entities_new(w.eval, &pool, step(), NULL);
    uint32_t b = series(w.store, w.s1, "x", "b");
    put(w.store, b, 10, 1);
    answer(&w, 10);
    eval_tick(w.eval, at(10));
    uint32_t a = series(w.store, w.s1, "x", "a");
    put(w.store, a, 20, 1);
    answer(&w, 20); /* b is gone */
    eval_tick(w.eval, at(20));
    struct eval *next = eval_new(w.store);
    struct eval_entities *again = eval_entities_new(next, &pool, step(), NULL);
    eval_adopt(next, w.eval);
    eval_free(w.eval);
    w.eval = next;
    eval_tick(w.eval, at(21));
    assert_int_equal(eval_entities_count(again), 2);
    assert_string_equal(label_set_get(eval_entities_labels(again, 0), "pod"), "b");
    assert_int_equal(*eval_entities_live(again), 2);
    assert_int_equal(eval_entities_largest(again), 1);
    (void)pods;
    world_free(&w);
}

static void what_is_not_ready_is_refused_by_name(void **state)
{
    (void)state;
    struct world w = world_new();
    struct expr *rows[] = {tree_call(&A, "histogram_sum", X), tree_sum(&A, AGGREGATE_TOPK, NULL, X),
                           tree_call(&A, "rate", X), tree_call(&A, "nonsense", X),
                           tree_matching(&A, X, "pod", MATCH_RE, "(")};
    const char *const names[] = {"histogram_sum", "topk", "rate", "nonsense", "missing )"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error error = {""};
        assert_null(eval_add(w.eval, rows[i], step(), &error));
        assert_non_null(strstr(error.message, names[i]));
    }
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_join_and_aggregate_as_prometheus_does),
        cmocka_unit_test(a_silent_source_is_unknown_and_a_gone_series_is_absent),
        cmocka_unit_test(a_true_operand_of_or_decides_although_the_other_is_unknown),
        cmocka_unit_test(entities_keep_their_slot_until_gone_for_an_hour),
        cmocka_unit_test(zscores_of_one_average_share_their_state),
        cmocka_unit_test(zscore_compares_by_its_rewritten_form_and_is_unknown_when_young),
        cmocka_unit_test(an_infinite_zscore_is_unknown),
        cmocka_unit_test(forecast_reaches_a_threshold_only_with_enough_history),
        cmocka_unit_test(a_rebuild_equals_a_fresh_evaluator),
        cmocka_unit_test(operator_state_survives_births_and_a_reload),
        cmocka_unit_test(a_signal_ranges_over_its_own_samples_and_can_be_overridden),
        cmocka_unit_test(
            a_signal_is_sampled_when_its_policy_is_evaluated_whatever_there_is_to_sample),
        cmocka_unit_test(what_is_remembered_is_remembered_of_a_label_set),
        cmocka_unit_test(a_window_with_an_offset_relies_on_samples_as_old_as_its_begin),
        cmocka_unit_test(a_signal_keeps_its_samples_when_its_series_is_forgotten),
        cmocka_unit_test(a_series_is_known_for_as_long_as_signals_of_signals_look_back),
        cmocka_unit_test(a_subquery_has_the_last_point_of_a_series_that_ended_before_the_tick),
        cmocka_unit_test(a_forecast_reaches_no_nan),
        cmocka_unit_test(an_argument_that_is_unknown_or_nan_makes_a_prediction_unknown),
        cmocka_unit_test(a_forecast_with_an_offset_is_of_what_was_there_then),
        cmocka_unit_test(an_adopted_pool_keeps_its_slots),
        cmocka_unit_test(what_is_not_ready_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
