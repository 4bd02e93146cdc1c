/* A line that is only compared rests while it is far from the bound: what the comparison finds is
 * the same as where the line itself is wanted too, and is made at every tick. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/engine/eval.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

enum { SERIES = 150, TICKS = 900, SCRAPE = 15, BEGIN_S = 1700000000 };

static const char *const operators[] = {">", ">=", "<", "<="};

struct side {
    struct eval *eval;
    struct eval_node *found[ARRAY_LEN(operators)][2];
};

/* predict_linear(x[2m], 90), each with a range of its own: no two comparisons share it. */
static struct expr *line(struct arena *arena, size_t which)
{
    struct expr *range = tree_range(arena, tree_select(arena, "x"), 120 + (double)which);
    struct expr *call = tree_call(arena, "predict_linear", range);
    return tree_argument(arena, call, NULL, tree_number(arena, 90));
}

static void side_open(struct side *side, struct store *store, struct arena *arena, bool wanted)
{
    struct error error;
    side->eval = eval_new(store);
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        for (size_t turned = 0; turned < 2; turned++) {
            const size_t which = 2 * i + turned;
            struct expr *number = tree_number(arena, which % 3 ? 100 : 0);
            struct expr *expr = turned
                                    ? tree_binary(arena, number, operators[i], line(arena, which))
                                    : tree_binary(arena, line(arena, which), operators[i], number);
            side->found[i][turned] = eval_add(side->eval, expr, duration_seconds(1), &error);
            assert_non_null(side->found[i][turned]);
            if (wanted) {
                assert_non_null(
                    eval_add(side->eval, line(arena, which), duration_seconds(1), &error));
            }
        }
    }
}

/* Lines that go up, down and along, bend now and then, and are no number now and then. */
static double value(size_t i, int t)
{
    const double slope = ((double)(i % 7) - 3) / 10 * (t / 200 % 2 ? 1 : -1);
    const double bend = i % 11 == 0 && t % 300 > 150 ? 40 : 0;
    return i % 13 == 0 && t % 250 == 0 ? (i % 2 ? NAN : INFINITY)
                                       : 50 + slope * (t % 400) + bend + (double)(i % 5) / 8;
}

static void feed(struct store *store, uint32_t source, int t)
{
    struct error error;
    for (size_t i = 0; i < SERIES; i++) {
        char number[16];
        uint32_t id;
        snprintf(number, sizeof number, "%zu", i);
        const struct label labels[] = {{"i", number}};
        assert_int_equal(store_series(store, source, "x", labels, 1, &id, &error), STATUS_OK);
        if (t % SCRAPE == (i < SERIES / 2 ? 0 : 7)) {
            const struct instant at = {(BEGIN_S + t) * NS_PER_S};
            (void)store_append(store, id, at, at, value(i, t));
        }
    }
}

static size_t compare(const struct eval_node *a, const struct eval_node *b, size_t *changes,
                      uint64_t *before)
{
    const struct eval_column x = eval_column(a), y = eval_column(b);
    size_t present = 0;
    assert_int_equal(x.count, y.count);
    for (size_t i = 0; i < x.count; i++) {
        const bool in = x.present[i / 64] >> (i % 64) & 1;
        assert_int_equal(in, y.present[i / 64] >> (i % 64) & 1);
        assert_int_equal(x.unknown[i / 64] >> (i % 64) & 1, y.unknown[i / 64] >> (i % 64) & 1);
        if (in && memcmp(&x.values[i], &y.values[i], sizeof x.values[i]) != 0) {
            fail_msg("slot %zu: %a and %a", i, x.values[i], y.values[i]);
        }
        present += in;
        *changes += in != (before[i / 64] >> (i % 64) & 1);
    }
    memcpy(before, x.present, (x.count + 63) / 64 * sizeof *before);
    return present;
}

static void a_line_is_compared_when_it_gets_there(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct error error;
    struct store *store = store_new(&(struct store_limits){.live = true});
    struct side resting, wanted;
    uint32_t source;
    uint64_t before[ARRAY_LEN(operators)][2][(SERIES + 63) / 64] = {0};
    size_t present[ARRAY_LEN(operators)][2] = {0}, changes[ARRAY_LEN(operators)][2] = {0};
    assert_int_equal(
        store_source(store, "s", duration_seconds(SCRAPE), duration_seconds(60), &source, &error),
        STATUS_OK);
    side_open(&resting, store, &arena, false);
    side_open(&wanted, store, &arena, true);
    for (int t = 0; t < TICKS; t++) {
        const struct instant now = {(BEGIN_S + t) * NS_PER_S};
        feed(store, source, t);
        store_heard(store, source, now);
        eval_tick(resting.eval, now);
        eval_tick(wanted.eval, now);
        for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
            for (size_t k = 0; k < 2; k++) {
                present[i][k] +=
                    compare(resting.found[i][k], wanted.found[i][k], &changes[i][k], before[i][k]);
            }
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        for (size_t k = 0; k < 2; k++) {
            assert_true(present[i][k] > 0 && present[i][k] < (size_t)SERIES * TICKS);
            assert_true(changes[i][k] > SERIES / 10);
        }
    }
    eval_free(resting.eval);
    eval_free(wanted.eval);
    store_free(store);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_compared_when_it_gets_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
