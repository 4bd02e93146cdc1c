/* count_values: which label sets it has. */
#include "runtime/engine/eval.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

static struct arena A;

static struct instant at(double seconds)
{
    return (struct instant){(int64_t)(seconds * 1e9)};
}

static struct expr *counts(void)
{
    struct expr *expr = tree_sum(&A, AGGREGATE_COUNT_VALUES, NULL, tree_select(&A, "x"));
    expr->aggregate.parameter = tree_string(&A, "v");
    return expr;
}

static const struct eval_node *node(struct eval *eval, const struct expr *expr)
{
    struct error error = {""};
    const struct eval_node *made = eval_add(eval, expr, duration_seconds(10), &error);
    if (!made) {
        fail_msg("refused: %s", error.message);
    }
    return made;
}

/* Whether something is said of v="value": that it is present or unknown. */
static bool speaks_of(const struct eval_node *of, const char *value)
{
    const struct eval_column c = eval_column(of);
    bool some = false;
    for (size_t i = 0; i < c.count; i++) {
        const char *v = label_set_get(c.labels[i], "v");
        const bool said = (c.present[i / 64] | c.unknown[i / 64]) >> i % 64 & 1;
        some |= said && v && strcmp(v, value) == 0;
    }
    return some;
}

static void a_value_that_only_a_window_still_has_is_no_label_set_of_now(void **state)
{
    (void)state;
    struct error error;
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    struct expr *few = tree_sum(&A, AGGREGATE_BOTTOMK, NULL, counts());
    few->aggregate.parameter = tree_number(&A, 4);
    struct expr *past = tree_range(&A, tree_signal(&A, "s", counts()), 300);
    const struct eval_node *most = node(eval, tree_call(&A, "max_over_time", past));
    const struct eval_node *picked = node(eval, few);
    uint32_t source, series;
    assert_int_equal(
        store_source(store, "one", duration_seconds(10), duration_seconds(5), &source, &error),
        STATUS_OK);
    assert_int_equal(store_series(store, source, "x", NULL, 0, &series, &error), STATUS_OK);
    for (int t = 10; t <= 20; t += 10) { /* 1, then 2 */
        assert_int_equal(store_append(store, series, at(t), at(t), t / 10), APPEND_OK);
        store_answered(store, source, at(t));
        eval_tick(eval, at(t));
    }
    assert_true(speaks_of(most, "1") && speaks_of(most, "2"));
    assert_true(!speaks_of(picked, "1") && speaks_of(picked, "2"));
    eval_tick(eval, at(40)); /* silent: who is picked is unknown */
    assert_true(speaks_of(most, "1") && speaks_of(most, "2"));
    assert_true(!speaks_of(picked, "1") && speaks_of(picked, "2"));
    eval_free(eval);
    store_free(store);
    arena_release(&A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_only_a_window_still_has_is_no_label_set_of_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
