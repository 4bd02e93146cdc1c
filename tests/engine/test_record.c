/* Recorded signals: what is written, when it is seen, when it ends. A policy for each series shows
 * what a selector sees. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/eval_record.h"
#include "tests/engine/world.h"
#include "tests/unit.h"

#define HEAD              "channel oncall = log\n"
#define VIEW(name, what)  "policy " name " for each series { about \"a\" when " what TAIL
#define VIEW3(name, what) "policy " name " for each series every 3s { about \"a\" when " what TAIL
#define TAIL              " on missing as prometheus escalate to oncall }\n"
#define VIEW_TRUTH(what) \
    "policy t for each series { about \"a\" when " what " escalate to oncall }\n"

static void step(struct world *world, const double *x)
{
    world_step(world, x, NULL, NULL, 0);
}

static void steps(struct world *world, const double *x, int count)
{
    for (int i = 0; i < count; i++) {
        step(world, x);
    }
}

static void reload_to(struct world *world, const struct program *program)
{
    struct error error = {""};
    struct engine *engine = engine_new(program, world->store, &world->host, &error);
    assert_non_null(engine);
    engine_adopt(engine, world->engine);
    engine_free(world->engine);
    world->engine = engine;
}

/* What the policy sees of entity w=e<i> (SIZE_MAX: of the series without w), NAN when nothing. */
static double seen(const struct world *world, const char *policy, size_t entity)
{
    char name[32];
    snprintf(name, sizeof name, "e%zu", entity);
    for (size_t i = 0; i < engine_alert_count(world->engine); i++) {
        struct alert_view alert = engine_alert(world->engine, i);
        const char *w = label_set_get(alert.labels, "w");
        bool same = entity == SIZE_MAX ? !w : w && strcmp(w, name) == 0;
        if (same && strcmp(alert.policy, policy) == 0) {
            return alert.value;
        }
    }
    return (double)NAN;
}

static size_t seen_count(const struct world *world, const char *policy)
{
    size_t count = 0;
    for (size_t i = 0; i < engine_alert_count(world->engine); i++) {
        count += strcmp(engine_alert(world->engine, i).policy, policy) == 0;
    }
    return count;
}

static void assert_same(double have, double want)
{
    if (!(have == want || (isnan(have) && isnan(want)))) {
        fail_msg("%.17g is not %.17g", have, want);
    }
}

static struct eval_record_view record(const struct world *world, size_t index)
{
    return eval_record(engine_eval(world->engine), index);
}

/* ---- what is seen, and when ---- */

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 11) % n);
}

enum { ENTITIES = 12 };

static void over_random_presence_a_reader_behind_sees_now_and_one_before_the_last_time(void **state)
{
    (void)state;
    seed = 0x9E3779B97F4A7C15ULL;
    for (int every = 1; every <= 4; every++) {
        char text[1000];
        snprintf(
            text, sizeof text,
            HEAD VIEW("before", "rec") "signal rec{team=\"a\"} every %ds = x > 0.5\n" VIEW(
                "behind", "rec{team=\"a\"}") VIEW("direct", "x > 0.5")
                VIEW("chain", "twice") "signal twice every %ds = 2 * rec\n" VIEW("late", "twice"),
            every, every);
        struct world world;
        double x[ENTITIES] = {0}, old[ENTITIES], now[ENTITIES];
        world_init(&world, text, ENTITIES);
        for (size_t i = 0; i < ENTITIES; i++) {
            old[i] = now[i] = (double)NAN;
        }
        for (int round = 0; round < 300; round++) {
            for (size_t i = 0; i < ENTITIES; i++) {
                x[i] = pick(3) == 0 ? 0 : 1 + pick(50);
                old[i] = now[i];
                if (round % every == 0) {
                    now[i] = x[i] > 0.5 ? x[i] : (double)NAN;
                }
            }
            step(&world, x);
            for (size_t i = 0; i < ENTITIES; i++) {
                assert_same(seen(&world, "before", i), old[i]);
                assert_same(seen(&world, "behind", i), now[i]);
                assert_same(seen(&world, "chain", i), 2 * old[i]);
                assert_same(seen(&world, "late", i), 2 * now[i]);
                assert_same(seen(&world, "direct", i), x[i] > 0.5 ? x[i] : (double)NAN);
            }
            if (pick(50) == 0) {
                reload_to(&world, world.program);
            }
        }
        assert_int_equal(record(&world, 0).failures, 0);
        world_release(&world);
    }
}

static void a_signal_may_count_on_itself(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1};
    world_init(&world, HEAD "signal n = (n + 1) or sum(up)\n" VIEW("v", "n"), 1);
    for (int i = 1; i < 400; i++) {
        step(&world, x);
        assert_same(seen(&world, "v", SIZE_MAX), i);
    }
    world_release(&world);
}

static void several_signals_of_one_name_add_up_in_their_order(void **state)
{
    (void)state;
    struct world world;
    double x[] = {3};
    world_init(&world,
               HEAD "signal rec{w=\"e1\"} = x\n" VIEW(
                   "first",
                   "rec") "signal rec{w=\"e2\"} = x + 1\n"
                          "signal rec{w=\"e3\"} = sum(rec)\nsignal rec{w=\"e1\"} = x * 100\n" VIEW(
                              "all", "rec"),
               1);
    step(&world, x);
    assert_int_equal(seen_count(&world, "first"), 1);
    assert_int_equal(seen_count(&world, "all"), 3);
    assert_same(seen(&world, "all", 1), 3); /* the first of two at one time stays */
    assert_same(seen(&world, "all", 3), 7);
    step(&world, x);
    assert_int_equal(seen_count(&world, "first"), 3);
    assert_same(seen(&world, "all", 3), 14); /* with its own of the last time */
    world_release(&world);
}

static void what_one_signal_ends_another_that_writes_it_goes_on_with(void **state)
{
    (void)state;
    struct world world;
    double high[] = {9}, low[] = {1};
    world_init(&world,
               HEAD "signal rec{w=\"e1\"} = x\nsignal rec{w=\"e1\"} = x > 5\n" VIEW("v", "rec"), 1);
    step(&world, high);
    assert_same(seen(&world, "v", 1), 9);
    step(&world, low);
    assert_same(seen(&world, "v", 1), 1);
    world_release(&world);
}

static void a_policy_before_is_told_the_value_that_it_saw(void **state)
{
    (void)state;
    struct world world;
    double x[] = {6};
    world_init(&world,
               HEAD "policy p { about \"a\" when rec > 5 signal r = rec > 0 escalate to oncall }\n"
                    "signal rec = x\n",
               1);
    step(&world, x);
    assert_int_equal(engine_incident_count(world.engine), 0);
    x[0] = 9;
    step(&world, x);
    bool told = false;
    for (size_t i = 0; i < world.record_count; i++) {
        const struct record *record = &world.records[i];
        told |= record->kind == RECORD_CONCLUDED && strstr(record->text, "; r = 6");
    }
    assert_true(told);
    world_release(&world);
}

static void windows_and_offsets_reach_over_what_was_recorded(void **state)
{
    (void)state;
    struct world world;
    double x[1];
    world_init(&world,
               HEAD "signal rec = x\n" VIEW("sum", "sum_over_time(rec[4s])")
                   VIEW("past", "rec offset 3s") VIEW("most", "max_over_time(rec[3s] offset 2s)"),
               1);
    for (int i = 1; i < 100; i++) {
        x[0] = i;
        step(&world, x);
        if (i > 6) {
            assert_same(seen(&world, "sum", 0), i + (i - 1) + (i - 2) + (i - 3));
            assert_same(seen(&world, "past", 0), i - 3);
            assert_same(seen(&world, "most", 0), i - 2);
        }
    }
    world_release(&world);
}

static void a_number_and_the_time_are_recorded_as_one_series(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1};
    world_init(&world,
               HEAD "signal five = 5\nsignal clock{of=\"heald\"} = time()\n" VIEW("v", "five")
                   VIEW("t", "clock{of=\"heald\"}"),
               1);
    step(&world, x);
    assert_same(seen(&world, "v", SIZE_MAX), 5);
    assert_same(seen(&world, "t", SIZE_MAX), (double)(world.now.ns / NS_PER_S));
    world_release(&world);
}

static void a_selector_without_a_name_sees_what_was_recorded_before_it(void **state)
{
    (void)state;
    struct world world;
    double x[] = {7};
    world_init(&world,
               HEAD VIEW("before", "count({team=\"a\"})") "signal rec{team=\"a\"} = x\n" VIEW(
                   "behind", "count({team=\"a\"})"),
               1);
    step(&world, x);
    assert_int_equal(seen_count(&world, "before"), 0);
    assert_same(seen(&world, "behind", SIZE_MAX), 1);
    world_release(&world);
}

/* ---- labels ---- */

static void labels_given_replace_and_empty_ones_remove(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1};
    world_init(
        &world,
        HEAD "signal rec{w=\"\", b=\"2\", a=\"\"} = x\nsignal rec{w=\"e7\"} = x\n" VIEW("v", "rec"),
        1);
    step(&world, x);
    assert_int_equal(engine_alert_count(world.engine), 2);
    assert_same(seen(&world, "v", 7), 1);
    assert_same(seen(&world, "v", SIZE_MAX), 1);
    world_release(&world);
}

static void two_series_with_the_same_labels_write_nothing(void **state)
{
    (void)state;
    struct world world;
    double one[] = {2, 0}, both[] = {3, 4}, none[] = {0, 0};
    world_init(&world, HEAD "signal rec{w=\"all\"} = x > 1\n" VIEW("v", "rec"), 2);
    step(&world, one);
    step(&world, both);
    assert_int_equal(record(&world, 0).failures, 1);
    assert_int_equal(eval_stats(engine_eval(world.engine)).many_to_many, 1);
    assert_int_equal(engine_alert_count(world.engine), 1); /* the last one, by the lookback */
    assert_true(engine_alert(world.engine, 0).value == 2);
    step(&world, none); /* it ends with the next evaluation that has a result */
    assert_int_equal(engine_alert_count(world.engine), 0);
    step(&world, both);
    assert_int_equal(engine_alert_count(world.engine), 0);
    step(&world, one);
    assert_int_equal(engine_alert_count(world.engine), 1);
    world_release(&world);
}

static void a_series_of_another_source_is_not_taken_over(void **state)
{
    (void)state;
    struct world world;
    double x[] = {2, 3};
    world_init(&world, HEAD "signal up = x\n" VIEW("v", "up"), 2);
    step(&world, x);
    assert_same(seen(&world, "v", 0), 1);
    assert_int_equal(record(&world, 0).refused, 2);
    assert_int_equal(record(&world, 0).series, 0);
    world_release(&world);
}

/* ---- reloads, age, what is unknown ---- */

static struct program *parse_again(struct world *world, struct world *other, const char *text)
{
    (void)world;
    world_init(other, text, 0);
    return other->program;
}

static void a_reload_keeps_the_pace_and_writes_nothing_twice(void **state)
{
    (void)state;
    struct world world;
    double x[1];
    world_init(&world, HEAD "signal rec every 3s = x\n" VIEW("n", "count_over_time(rec[1m])"), 1);
    for (int i = 0; i < 60; i++) {
        x[0] = i;
        step(&world, x);
        if (i % 2) {
            reload_to(&world, world.program);
        }
    }
    step(&world, x);
    assert_same(seen(&world, "n", 0), 20);
    world_release(&world);
}

static void what_a_reload_drops_ends_and_what_it_keeps_goes_on(void **state)
{
    (void)state;
    struct world world, other;
    double x[] = {5};
    world_init(&world, HEAD "signal rec = x\nsignal gone = x\n" VIEW("r", "rec") VIEW("g", "gone"),
               1);
    steps(&world, x, 2);
    struct program *next = parse_again(
        &world, &other, HEAD "signal new = x\nsignal rec = x\n" VIEW("r", "rec") VIEW("g", "gone"));
    reload_to(&world, next);
    step(&world, x);
    assert_same(seen(&world, "r", 0), 5);
    assert_same(seen(&world, "g", 0), (double)NAN);
    reload_to(&world, world.program);
    step(&world, x);
    assert_same(seen(&world, "g", 0), 5);
    world_release(&world);
    world_release(&other);
}

static void series_outlive_long_pauses_and_end_with_their_slots(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1};
    world_init(&world,
               HEAD "signal rec every 1h = x\nsignal n = count(x)\n" VIEW3("v", "rec offset 1s"),
               1);
    for (int i = 0; i < 3700; i++) {
        step(&world, x);
        if (i % 7 == 0) {
            store_expire(world.store, world.now);
        }
    }
    assert_int_equal(record(&world, 0).series, 1);
    assert_same(seen(&world, "v", 0), 1);
    size_t series = store_stats(world.store).series;
    assert_int_equal(series, 4);
    engine_free(world.engine);
    world.engine = NULL;
    world.now = instant_add(world.now, duration_seconds(7200));
    store_answered(world.store, world.sources_of[0], world.now); /* x and up end now */
    store_expire(world.store, world.now);
    assert_int_equal(store_stats(world.store).series, 2); /* nothing holds the others any more */
    world_release(&world);
}

static void series_that_come_and_go_leave_no_room_taken(void **state)
{
    (void)state;
    struct world world;
    struct error error;
    uint32_t source, series;
    size_t most = 0;
    world_init(&world, HEAD "signal rec{a=\"b\"} = x\nsignal all = sum(rec)\n" VIEW("v", "rec > 0"),
               0);
    assert_int_equal(
        store_source(world.store, "s", duration_seconds(1), duration_seconds(1), &source, &error),
        STATUS_OK);
    for (int i = 0; i < 3000; i++) { /* each lives for 10 s */
        world.now = instant_add(world.now, duration_seconds(1));
        for (int j = 0; j < 5; j++) {
            char name[16];
            snprintf(name, sizeof name, "e%d", i / 10 * 5 + j);
            struct label label = {"w", name};
            assert_int_equal(store_series(world.store, source, "x", &label, 1, &series, &error),
                             STATUS_OK);
            (void)store_append(world.store, series, world.now, world.now, 1);
        }
        store_answered(world.store, source, world.now);
        world.effects.count = 0;
        engine_step(world.engine, world.now, NULL, 0, &world.effects);
        store_expire(world.store, world.now);
        assert_int_equal(engine_alert_count(world.engine), 5);
        assert_int_equal(record(&world, 0).series, 5);
        size_t count = store_stats(world.store).series;
        most = i == 1000 ? count : most;
        assert_true(i <= 1000 || count <= most + 10);
    }
    world_release(&world);
}

static void what_is_unknown_below_is_unknown_where_it_is_read(void **state)
{
    (void)state;
    struct world world;
    double x[] = {1, 1};
    bool unseen[] = {true, false};
    world_init(&world, HEAD "signal rec{a=\"b\"} = x\n" VIEW_TRUTH("rec > 0.5"), 2);
    steps(&world, x, 2);
    assert_int_equal(engine_incident_count(world.engine), 2);
    assert_true(engine_policy(world.engine, 0).observed);
    for (int i = 0; i < 400; i++) {
        world_step(&world, x, unseen, NULL, 0);
    }
    assert_false(engine_policy(world.engine, 0).observed);
    assert_int_equal(engine_incident_count(world.engine), 2); /* not known to be over */
    x[0] = 0;
    step(&world, x);
    assert_true(engine_policy(world.engine, 0).observed);
    assert_int_equal(engine_incident_count(world.engine), 1);
    world_release(&world);
}

/* Seconds from the end of the action to the verified recovery; x falls at once. */
static long seconds_to_verify(const char *verify)
{
    char text[1500];
    snprintf(text, sizeof text,
             "metric x ratio by (w)\nmetric up ratio by (w)\npool ws(w) = up\n" HEAD
             "action fix(t: w) { via exec affects t.x within 4s irreversible timeout 3s }\n"
             "signal mean = avg_over_time(x[5s])\nsignal copy = mean + 0\n"
             "signal long = max(long) * 0 + x or x\n"
             "policy p for each w in ws every 1s { about \"a\" when x > 90%% for 2s "
             "clear when x < 50%% for 2s on missing hold on stale > 1m notify oncall "
             "heal { try fix(w) verify %s < 0.5 holds 1s within 40s else page oncall } "
             "bound at most 10 of ws per 1m cooldown 10s }\n",
             verify);
    struct world world;
    double x[] = {1};
    long ended = 0, verified = -1;
    world_init(&world, text, 1);
    for (int i = 0; i < 100 && verified < 0; i++) {
        const struct effect *act = world_effect(&world, EFFECT_DISPATCH);
        struct input done = {.kind = INPUT_RESULT,
                             .id = act ? act->id : 0,
                             .outcome = OUTCOME_SUCCEEDED,
                             .ended = world.now};
        if (act) {
            ended = (long)(world.now.ns / NS_PER_S);
            x[0] = 0.1;
        }
        world_step(&world, x, NULL, &done, act != NULL);
        if (world_count(&world, RECORD_VERIFIED) > 0) {
            verified = (long)(world.now.ns / NS_PER_S) - ended;
        }
    }
    world_release(&world);
    return verified;
}

static void a_verify_waits_until_all_that_was_recorded_is_newer_than_the_action(void **state)
{
    (void)state;
    long plain = seconds_to_verify("x"), window = seconds_to_verify("avg_over_time(x[5s])");
    assert_int_equal(plain, 2);
    assert_int_equal(window, 6);
    assert_true(seconds_to_verify("mean") >= window);
    assert_true(seconds_to_verify("mean") <= window + 2);
    assert_true(seconds_to_verify("copy") >= window);
    assert_true(seconds_to_verify("copy") <= window + 4);
    assert_int_equal(seconds_to_verify("long"), -1); /* it remembers what was before */
}

static void what_heal_writes_is_not_waited_for_as_a_source(void **state)
{
    (void)state;
    struct store *store = store_new(&(struct store_limits){0});
    struct recorder recorder;
    struct error error;
    uint32_t source;
    store_expect(store, 1);
    assert_int_equal(recorder_init(&recorder, store, &error), STATUS_OK);
    assert_false(store_warm(store));
    assert_int_equal(
        store_source(store, "s", duration_seconds(1), duration_seconds(1), &source, &error),
        STATUS_OK);
    assert_false(store_warm(store));
    store_answered(store, source, (struct instant){NS_PER_S});
    assert_true(store_warm(store));
    assert_true(store_source_observed(store, recorder.source, (struct instant){INT64_MAX / 4}));
    recorder_release(&recorder);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            over_random_presence_a_reader_behind_sees_now_and_one_before_the_last_time),
        cmocka_unit_test(a_signal_may_count_on_itself),
        cmocka_unit_test(several_signals_of_one_name_add_up_in_their_order),
        cmocka_unit_test(what_one_signal_ends_another_that_writes_it_goes_on_with),
        cmocka_unit_test(a_policy_before_is_told_the_value_that_it_saw),
        cmocka_unit_test(windows_and_offsets_reach_over_what_was_recorded),
        cmocka_unit_test(a_number_and_the_time_are_recorded_as_one_series),
        cmocka_unit_test(a_selector_without_a_name_sees_what_was_recorded_before_it),
        cmocka_unit_test(labels_given_replace_and_empty_ones_remove),
        cmocka_unit_test(two_series_with_the_same_labels_write_nothing),
        cmocka_unit_test(a_series_of_another_source_is_not_taken_over),
        cmocka_unit_test(a_reload_keeps_the_pace_and_writes_nothing_twice),
        cmocka_unit_test(what_a_reload_drops_ends_and_what_it_keeps_goes_on),
        cmocka_unit_test(series_outlive_long_pauses_and_end_with_their_slots),
        cmocka_unit_test(series_that_come_and_go_leave_no_room_taken),
        cmocka_unit_test(what_is_unknown_below_is_unknown_where_it_is_read),
        cmocka_unit_test(a_verify_waits_until_all_that_was_recorded_is_newer_than_the_action),
        cmocka_unit_test(what_heal_writes_is_not_waited_for_as_a_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
