/* The time of operators is taken at one tick in many, summed by operator, and changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/tree.h"
#include "tests/engine/world.h"
#include "tests/unit.h"

/* A clock that goes on by so much each time it is asked, and one more each time. */
struct fake {
    int64_t now_ns, step_ns;
    uint64_t asked;
};

static struct duration fake_now(void *ctx)
{
    struct fake *fake = ctx;
    fake->asked++;
    fake->now_ns += fake->step_ns++;
    return (struct duration){fake->now_ns};
}

struct bench {
    struct arena arena;
    struct store *store;
    struct eval *eval;
};

/* x0 > 1, x1 > 1, ... */
static void bench_init(struct bench *bench, size_t count)
{
    *bench = (struct bench){.store = store_new(NULL)};
    bench->eval = eval_new(bench->store);
    for (size_t i = 0; i < count; i++) {
        struct error error;
        char *name = arena_alloc(&bench->arena, 24);
        snprintf(name, 24, "x%zu", i);
        struct expr *expr = tree_binary(&bench->arena, tree_select(&bench->arena, name), ">",
                                        tree_number(&bench->arena, 1));
        expr->span = (struct span){100 + (uint32_t)i, 101 + (uint32_t)i};
        assert_non_null(eval_add(bench->eval, expr, duration_seconds(1), &error));
    }
}

static void bench_tick(struct bench *bench, int64_t tick)
{
    eval_tick(bench->eval, (struct instant){(1000 + tick) * NS_PER_S});
}

static void bench_release(struct bench *bench)
{
    eval_free(bench->eval);
    store_free(bench->store);
    arena_release(&bench->arena);
}

static void one_tick_in_many_asks_the_clock_after_each_operator(void **state)
{
    (void)state;
    struct bench bench;
    struct fake fake = {.step_ns = 10};
    bench_init(&bench, 3);
    const size_t nodes = eval_stats(bench.eval).nodes;
    assert_int_equal(nodes, 3 * 2 + 1); /* the number is one */
    eval_time(bench.eval, fake_now, &fake);
    for (int64_t tick = 0; tick < 2 * EVAL_TIMES_EVERY; tick++) {
        uint64_t before = fake.asked;
        bench_tick(&bench, tick);
        assert_int_equal(fake.asked - before, tick % EVAL_TIMES_EVERY == 1 ? nodes + 1 : 0);
    }
    assert_int_equal(eval_costs(bench.eval)->ticks, 2);
    eval_time(bench.eval, NULL, NULL);
    bench_tick(&bench, 2 * EVAL_TIMES_EVERY + 1);
    assert_int_equal(fake.asked, 2 * (nodes + 1));
    assert_int_equal(eval_costs(bench.eval)->ticks, 0);
    bench_release(&bench);
}

static void each_operator_has_what_passed_in_it_the_longest_first(void **state)
{
    (void)state;
    struct bench bench;
    struct fake fake = {.step_ns = 10};
    bench_init(&bench, 2);
    eval_time(bench.eval, fake_now, &fake);
    bench_tick(&bench, 0);
    bench_tick(&bench, 1);
    const struct eval_costs *costs = eval_costs(bench.eval);
    /* In the order they run, x0, 1, >, x1, >: 11, 12, 13, 14, 15 ns. */
    static const char *const texts[] = {">", "x1", ">", "1", "x0"};
    assert_int_equal(costs->count, ARRAY_LEN(texts));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_string_equal(costs->items[i].text, texts[i]);
        assert_int_equal(costs->items[i].time.ns, 15 - i);
        assert_int_equal(costs->items[i].runs, 1);
        assert_false(costs->items[i].code);
    }
    assert_int_equal(costs->items[0].span.start, 101);
    assert_int_equal(costs->items[2].span.start, 100);
    assert_int_equal(costs->other.ns, 0);
    bench_release(&bench);
}

static void what_is_not_among_the_longest_is_summed_up(void **state)
{
    (void)state;
    struct bench bench;
    struct fake fake = {.step_ns = 10};
    bench_init(&bench, EVAL_COSTS_MAX);
    eval_time(bench.eval, fake_now, &fake);
    int64_t all = 0, before = fake.now_ns + fake.step_ns;
    for (int64_t tick = 0; tick < 2 + EVAL_TIMES_EVERY; tick++) {
        before = fake.now_ns + fake.step_ns; /* what the first answer of this tick would be */
        uint64_t asked = fake.asked;
        bench_tick(&bench, tick);
        all += fake.asked > asked ? fake.now_ns - before : 0;
    }
    const struct eval_costs *costs = eval_costs(bench.eval);
    int64_t sum = costs->other.ns;
    assert_int_equal(costs->ticks, 2);
    assert_int_equal(costs->count, EVAL_COSTS_MAX);
    for (size_t i = 0; i < costs->count; i++) {
        sum += costs->items[i].time.ns;
        assert_int_equal(costs->items[i].runs, 2);
        assert_true(i == 0 || costs->items[i].time.ns <= costs->items[i - 1].time.ns);
    }
    assert_true(costs->other.ns > 0);
    assert_int_equal(sum, all);
    bench_release(&bench);
}

#define POLICY_TEXT                                                                 \
    "edition 1\n"                                                                   \
    "metric x ratio by (w)\n"                                                       \
    "metric up ratio by (w)\n"                                                      \
    "pool ws(w) = up ready up == 1\n"                                               \
    "channel oncall = log\n"                                                        \
    "action fix(t: w) { via exec affects t.x within 5s irreversible timeout 5s }\n" \
    "guard host { at most 3 actions on any w per 1m }\n"                            \
    "policy high for each w in ws every 1s {\n"                                     \
    "  about \"x is high\"\n"                                                       \
    "  when x > 90% and ewma(x, alpha: 0.3) > 50% for 1s\n"                         \
    "  clear when x < 50% for 1s\n"                                                 \
    "  on missing hold\n"                                                           \
    "  on stale > 10s notify oncall\n"                                              \
    "  heal { try fix(w) verify x < 50% holds 2s within 6s else page oncall }\n"    \
    "  bound at most min(2, 50%) of ws per 20s\n"                                   \
    "  cooldown 10s doubling to 1m\n"                                               \
    "  escalate to oncall when unresolved for 5m\n"                                 \
    "}\n"

enum { ENTITIES = 6, STEPS = 6000 };

/* Random values, some unseen, every action done at once; the same for the same seed. */
static void live(struct world *world, struct fake *fake)
{
    uint32_t seed = 7;
    double x[ENTITIES] = {0};
    bool unseen[ENTITIES] = {0};
    world_init(world, POLICY_TEXT, ENTITIES);
    if (fake) {
        engine_time(world->engine, fake_now, fake);
    }
    struct input done = {.kind = INPUT_RESULT, .outcome = OUTCOME_SUCCEEDED, .text = "ok"};
    for (int step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < ENTITIES; i++) {
            seed = seed * 1664525u + 1013904223u;
            x[i] = (double)(seed >> 8) / (1 << 24) < 0.5 ? 0.4 : 0.95;
            unseen[i] = seed % 17 == 0;
        }
        const struct effect *dispatch = step ? world_effect(world, EFFECT_DISPATCH) : NULL;
        if (dispatch) {
            done.id = dispatch->id;
            done.ended = world->now;
        }
        world_step(world, x, unseen, &done, dispatch != NULL);
    }
}

static void the_journal_is_the_same_with_and_without(void **state)
{
    (void)state;
    struct world with, without;
    struct fake fake = {.step_ns = 1};
    live(&with, &fake);
    live(&without, NULL);
    assert_true(fake.asked > STEPS / EVAL_TIMES_EVERY);
    assert_true(world_count(&with, RECORD_DISPATCHED) > 3);
    assert_int_equal(with.record_count, without.record_count);
    for (size_t i = 0; i < with.record_count; i++) {
        assert_memory_equal(&with.records[i], &without.records[i], sizeof with.records[i]);
    }
    world_release(&with);
    world_release(&without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_tick_in_many_asks_the_clock_after_each_operator),
        cmocka_unit_test(each_operator_has_what_passed_in_it_the_longest_first),
        cmocka_unit_test(what_is_not_among_the_longest_is_summed_up),
        cmocka_unit_test(the_journal_is_the_same_with_and_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
