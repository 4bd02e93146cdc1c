/* Grids of subqueries, below times that are still to come. */
#include "runtime/engine/eval.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

static struct instant at(double seconds)
{
    return (struct instant){(int64_t)(seconds * 1e9)};
}

/* A daemon that slept has many points of a grid to make up for, more than its window reads: they
 * must not take the place of those that it has not read. */
static void points_before_a_time_to_come_leave_what_its_window_reads(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct error error = {""};
    struct store *store = store_new(&(struct store_limits){.live = true});
    struct eval *eval = eval_new(store);
    struct expr *grid = tree_subquery(&arena, tree_select(&arena, "x"), 20, 5);
    struct expr *count = tree_call(&arena, "count_over_time", tree_at(&arena, grid, 190.5));
    const struct eval_node *node = eval_add(eval, count, duration_seconds(10), &error);
    uint32_t source, series;
    assert_non_null(node);
    assert_int_equal(
        store_source(store, "one", duration_seconds(60), duration_seconds(5), &source, &error),
        STATUS_OK);
    assert_int_equal(store_series(store, source, "x", NULL, 0, &series, &error), STATUS_OK);
    for (double t = 100; t < 200; t += t == 130 ? 55 : 10) {
        assert_int_equal(store_append(store, series, at(t), at(t), 1), APPEND_OK);
        store_answered(store, source, at(t));
        eval_tick(eval, at(t));
    }
    const struct eval_column column = eval_column(node);
    assert_int_equal(column.count, 1);
    assert_int_equal(column.present[0], 1);
    assert_int_equal(column.unknown[0], 0);
    assert_true(column.values[0] == 4); /* 175, 180, 185, 190 */
    eval_free(eval);
    store_free(store);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_before_a_time_to_come_leave_what_its_window_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
