/* The core: unknown never triggers, bounds hold over restarts, nothing starts twice, stop wins. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/world.h"
#include "tests/unit.h"

static uint64_t seed;
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
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
    "  when x > 90% for 3s\n"                                                       \
    "  clear when x < 50% for 2s\n"                                                 \
    "  on missing hold\n"                                                           \
    "  on stale > 10s notify oncall\n"                                              \
    "  heal { try fix(w) verify x < 50% holds 2s within 6s else page oncall }\n"    \
    "  bound at most min(2, 50%) of ws per 20s\n"                                   \
    "  cooldown 10s doubling to 1m\n"                                               \
    "  escalate to oncall when unresolved for 5m\n"                                 \
    "}\n"

static void fill(double *x, size_t count, double value)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = value;
    }
}

/* Steps until an effect of that kind comes; fails after `limit` steps. */
static const struct effect *step_until(struct world *world, const double *x, enum effect_kind kind,
                                       int limit)
{
    for (int i = 0; i < limit; i++) {
        world_step(world, x, NULL, NULL, 0);
        const struct effect *effect = world_effect(world, kind);
        if (effect) {
            return effect;
        }
    }
    fail_msg("no such effect within %d steps", limit);
    return NULL;
}

static void a_fault_is_seen_done_verified_and_closed(void **state)
{
    (void)state;
    struct world world;
    double x[4];
    world_init(&world, POLICY_TEXT, 4);
    fill(x, 4, 0.2);
    for (int i = 0; i < 5; i++) {
        world_step(&world, x, NULL, NULL, 0);
    }
    assert_int_equal(world.record_count, 0);
    x[2] = 0.95;
    const struct effect *dispatch = step_until(&world, x, EFFECT_DISPATCH, 10);
    assert_string_equal(world.grant.targets[dispatch->target], "w=e2");
    struct input done = {.kind = INPUT_RESULT,
                         .id = dispatch->id,
                         .outcome = OUTCOME_SUCCEEDED,
                         .ended = world.now,
                         .text = "ok"};
    x[2] = 0.1;
    world_step(&world, x, NULL, &done, 1);
    for (int i = 0; i < 10; i++) {
        world_step(&world, x, NULL, NULL, 0);
    }
    static const enum record_kind expected[] = {
        RECORD_OPENED,     RECORD_CONCLUDED, RECORD_PLANNED,  RECORD_INTENT,
        RECORD_DISPATCHED, RECORD_SUCCEEDED, RECORD_VERIFIED, RECORD_CLOSED,
    };
    assert_int_equal(world.record_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_int_equal(world.records[i].kind, expected[i]);
    }
    world_release(&world);
}

static void unknown_never_triggers_and_never_clears(void **state)
{
    (void)state;
    static const double nothing[] = {NAN, NAN, NAN};
    struct world world;
    double x[3];
    bool unseen[3] = {true, true, true};
    world_init(&world, POLICY_TEXT, 3);
    for (int i = 0; i < 40; i++) { /* NaN is not a fault */
        world_step(&world, nothing, NULL, NULL, 0);
    }
    assert_int_equal(world_count(&world, RECORD_OPENED), 0);
    fill(x, 3, 0.2);
    world_step(&world, x, NULL, NULL, 0);
    fill(x, 3, 0.99);
    world_step(&world, x, NULL, NULL, 0);
    for (int i = 0; i < 40; i++) { /* the last seen value was high, but nothing is seen any more */
        world_step(&world, x, unseen, NULL, 0);
    }
    assert_int_equal(world_count(&world, RECORD_OPENED), 0);
    assert_true(world_count(&world, RECORD_ESCALATED) > 0); /* on stale > 10s notify oncall */
    world_release(&world);
}

#define ABSENT_POLICY                                                                    \
    "edition 1\n"                                                                        \
    "metric x ratio by (w)\n"                                                            \
    "policy gone every 1s {\n  when absent(x) for 3s\n  on missing hold\n  escalate to " \
    "oncall\n}\n"                                                                        \
    "channel oncall = log\n"

/* A source that falls silent says nothing about its series, after the lookback neither, and
 * somebody is told that nothing is seen; one that answers without them says that they are gone. */
static void silence_is_never_absence(void **state)
{
    (void)state;
    struct world world;
    double x[1] = {0.2};
    bool unseen[1] = {true};
    world_init(&world, ABSENT_POLICY, 1);
    world_step(&world, x, NULL, NULL, 0);
    for (int i = 0; i < 1200; i++) {
        world_step(&world, x, unseen, NULL, 0);
    }
    assert_int_equal(world_count(&world, RECORD_OPENED), 0);
    assert_int_equal(world_count(&world, RECORD_ESCALATED), 1); /* blind after 15m */
    for (int i = 0; i < 400; i++) { /* it answers, and x is not in its answers */
        world.now = instant_add(world.now, duration_seconds(1));
        store_answered(world.store, world.sources_of[0], world.now);
        world.effects.count = 0;
        engine_step(world.engine, world.now, NULL, 0, &world.effects);
    }
    assert_int_equal(engine_incident_count(world.engine), 1);
    world_release(&world);
}

static void an_unseen_verify_holds_and_pages_instead_of_climbing_the_ladder(void **state)
{
    (void)state;
    struct world world;
    double x[2] = {0.2, 0.2};
    bool unseen[2] = {true, false};
    world_init(&world, POLICY_TEXT, 2);
    world_step(&world, x, NULL, NULL, 0);
    x[0] = 0.95;
    const struct effect *dispatch = step_until(&world, x, EFFECT_DISPATCH, 10);
    struct input done = {.kind = INPUT_RESULT, .id = dispatch->id, .outcome = OUTCOME_SUCCEEDED};
    world_step(&world, x, unseen, &done, 1);
    for (int i = 0; i < 20; i++) {
        world_step(&world, x, unseen, NULL, 0);
    }
    assert_int_equal(world_count(&world, RECORD_UNVERIFIED), 1);
    assert_int_equal(world_count(&world, RECORD_DISPATCHED), 1);
    assert_true(world_count(&world, RECORD_ESCALATED) >= 1);
    assert_string_equal(engine_incident(world.engine, 0).state, "held");
    world_release(&world);
}

#define RANGE_POLICY                                                                              \
    "edition 1\n"                                                                                 \
    "metric x ratio by (w)\n"                                                                     \
    "metric up ratio by (w)\n"                                                                    \
    "pool ws(w) = up\n"                                                                           \
    "channel oncall = log\n"                                                                      \
    "action fix(t: w) { via exec irreversible timeout 5s }\n"                                     \
    "policy high for each w in ws every 1s {\n"                                                   \
    "  when x > 90% for 2s\n"                                                                     \
    "  clear when x < 50%\n"                                                                      \
    "  on missing hold\n"                                                                         \
    "  on stale > 10s notify oncall\n"                                                            \
    "  heal { try fix(w) verify min_over_time(x[8s]) < 50% holds 2s within 30s else page oncall " \
    "}\n"                                                                                         \
    "  bound at most 5 of ws per 20s\n"                                                           \
    "  cooldown 10s\n"                                                                            \
    "}\n"

/* min_over_time of 8s is low at once, for x was low before the fault; but those samples are older
 * than the end of the action. Another entity whose source is silent holds nothing up. */
static void a_verify_uses_only_samples_newer_than_the_action(void **state)
{
    (void)state;
    struct world world;
    double x[2] = {0.2, 0.2};
    bool unseen[2] = {false, true};
    world_init(&world, RANGE_POLICY, 2);
    for (int i = 0; i < 5; i++) {
        world_step(&world, x, NULL, NULL, 0);
    }
    x[0] = 0.95;
    const struct effect *dispatch = step_until(&world, x, EFFECT_DISPATCH, 10);
    struct instant ended = world.now;
    struct input done = {
        .kind = INPUT_RESULT, .id = dispatch->id, .outcome = OUTCOME_SUCCEEDED, .ended = ended};
    x[0] = 0.1;
    world_step(&world, x, unseen, &done, 1);
    while (world_count(&world, RECORD_VERIFIED) == 0 && world.now.ns < ended.ns + 40 * NS_PER_S) {
        world_step(&world, x, unseen, NULL, 0);
    }
    assert_int_equal(world_count(&world, RECORD_VERIFIED), 1);
    assert_true(world.now.ns >= ended.ns + 10 * NS_PER_S); /* 8s of window, 2s of hold */
    assert_true(world.now.ns <= ended.ns + 12 * NS_PER_S);
    world_release(&world);
}

static void stop_wins_and_start_lets_go_on(void **state)
{
    (void)state;
    struct world world;
    double x[2] = {0.95, 0.95};
    struct input stop = {.kind = INPUT_STOP, .who = "ada", .text = "drill"};
    struct input start = {.kind = INPUT_START, .who = "ada", .text = ""};
    world_init(&world, POLICY_TEXT, 2);
    world_step(&world, x, NULL, &stop, 1);
    for (int i = 0; i < 30; i++) {
        world_step(&world, x, NULL, NULL, 0);
        assert_null(world_effect(&world, EFFECT_DISPATCH));
    }
    world_restart(&world);
    for (int i = 0; i < 5; i++) { /* a stop outlives a restart */
        world_step(&world, x, NULL, NULL, 0);
        assert_null(world_effect(&world, EFFECT_DISPATCH));
    }
    world_step(&world, x, NULL, &start, 1);
    assert_non_null(world_effect(&world, EFFECT_DISPATCH));
    world_release(&world);
}

static void an_approval_is_single_use_and_the_trigger_is_read_again(void **state)
{
    (void)state;
    struct world world;
    double x[2] = {0.95, 0.1};
    world_init(&world, POLICY_TEXT, 2);
    world.grant.unattended = false; /* fix is irreversible: it needs a word */
    for (int i = 0; i < 10; i++) {
        world_step(&world, x, NULL, NULL, 0);
        assert_null(world_effect(&world, EFFECT_DISPATCH));
    }
    assert_int_equal(world_count(&world, RECORD_ASKED), 1);
    struct approval_view asked;
    assert_true(engine_approval(world.engine, 1, &asked));
    struct input yes = {.kind = INPUT_APPROVE, .id = 1, .who = "ada", .text = ""};
    x[0] = 0.7; /* neither high nor clear: the condition is gone */
    world_step(&world, x, NULL, &yes, 1);
    world_step(&world, x, NULL, NULL, 0);
    assert_null(world_effect(&world, EFFECT_DISPATCH));
    x[0] = 0.95;
    for (int i = 0; i < 10; i++) { /* it asks again; the old word is spent */
        world_step(&world, x, NULL, NULL, 0);
        assert_null(world_effect(&world, EFFECT_DISPATCH));
    }
    assert_int_equal(world_count(&world, RECORD_ASKED), 2);
    world_step(&world, x, NULL, &yes, 1);
    assert_non_null(world_effect(&world, EFFECT_DISPATCH));
    world_release(&world);
}

static void shadow_says_what_it_would_do_and_does_nothing(void **state)
{
    (void)state;
    struct world world;
    double x[2] = {0.95, 0.95};
    world_init(&world, POLICY_TEXT, 2);
    world.host.default_mode = MODE_SHADOW;
    world_restart(&world);
    for (int i = 0; i < 20; i++) {
        world_step(&world, x, NULL, NULL, 0);
        assert_null(world_effect(&world, EFFECT_DISPATCH));
    }
    assert_int_equal(world_count(&world, RECORD_PLANNED), 2);
    world_release(&world);
}

static void a_shrunken_inventory_is_not_acted_on(void **state)
{
    (void)state;
    enum { N = 10 };
    struct world world;
    double x[N];
    world_init(&world, POLICY_TEXT, N);
    fill(x, N, 0.2);
    for (int i = 0; i < 5; i++) {
        world_step(&world, x, NULL, NULL, 0);
    }
    for (int i = 0; i < 20; i++) { /* every source answers, but most answers lack their series */
        world.now = instant_add(world.now, duration_seconds(1));
        for (size_t e = 0; e < N; e++) {
            if (e < 3) {
                (void)store_append(world.store, world.up[e], world.now, world.now, 1);
                (void)store_append(world.store, world.x[e], world.now, world.now, 0.99);
            }
            store_answered(world.store, world.sources_of[e], world.now);
        }
        world.effects.count = 0;
        engine_step(world.engine, world.now, NULL, 0, &world.effects);
        assert_null(world_effect(&world, EFFECT_DISPATCH));
    }
    assert_true(engine_incident_count(world.engine) > 0);
    world_release(&world);
}

/* What a hostile day may do to the engine: values jump, sources vanish, results come late, twice,
 * or never, people answer at random, the engine is killed. Whatever happens, the outside observer's
 * rules hold. */
struct observer {
    struct {
        struct instant time;
        size_t target;
        uint64_t id;
        bool open, answered; /* open: an answer is to come, perhaps a second one */
        int answer_in;
    } acts[20000];
    size_t count;
    bool stopped;
};

static void observe(struct observer *observer, const struct world *world)
{
    for (size_t i = 0; i < world->effects.count; i++) {
        const struct effect *effect = &world->effects.items[i];
        if (effect->kind != EFFECT_DISPATCH) {
            continue;
        }
        assert_false(observer->stopped);
        assert_true(i >= 2); /* INTENT and DISPATCHED of the same id stand before it */
        assert_int_equal(world->effects.items[i - 2].record.kind, RECORD_INTENT);
        assert_int_equal(world->effects.items[i - 1].record.kind, RECORD_DISPATCHED);
        assert_true(world->effects.items[i - 1].record.action_id == effect->id);
        size_t window = 0, on_target = 0;
        for (size_t a = 0; a < observer->count; a++) {
            assert_true(observer->acts[a].id != effect->id);
            int64_t age = world->now.ns - observer->acts[a].time.ns;
            window += age < 20 * NS_PER_S;
            on_target += age < 60 * NS_PER_S && observer->acts[a].target == effect->target;
            assert_false(!observer->acts[a].answered &&
                         observer->acts[a].target == effect->target && age < 5 * NS_PER_S);
        }
        assert_true(window < 2);    /* bound at most min(2, 50%) of ws per 20s */
        assert_true(on_target < 3); /* guard: at most 3 actions on any w per 1m */
        assert_true(observer->count < ARRAY_LEN(observer->acts));
        observer->acts[observer->count].time = world->now;
        observer->acts[observer->count].target = effect->target;
        observer->acts[observer->count].id = effect->id;
        observer->acts[observer->count].open = true;
        observer->acts[observer->count++].answer_in = (int)(random_next() % 30);
    }
}

static size_t random_inputs(struct observer *observer, const struct world *world,
                            struct input *inputs)
{
    size_t count = 0;
    for (size_t a = 0; a < observer->count && count < 8; a++) {
        if (observer->acts[a].open && observer->acts[a].answer_in-- == 0) {
            inputs[count++] =
                (struct input){.kind = INPUT_RESULT,
                               .id = observer->acts[a].id,
                               .outcome = (enum outcome)(OUTCOME_SUCCEEDED + random_next() % 5),
                               .ended = world->now,
                               .text = "?"};
            observer->acts[a].answered = true;
            observer->acts[a].open = random_next() % 4 == 0;
        }
    }
    if (random_next() % 50 == 0) {
        observer->stopped = random_next() % 4 == 0;
        inputs[count++] = (struct input){
            .kind = observer->stopped ? INPUT_STOP : INPUT_START, .who = "x", .text = ""};
    }
    if (random_next() % 5 == 0) {
        inputs[count++] = (struct input){.kind = random_next() % 2 ? INPUT_APPROVE : INPUT_DENY,
                                         .id = random_next() % 20,
                                         .who = "x",
                                         .text = ""};
    }
    return count;
}

static void no_day_however_hostile_breaks_a_bound(void **state)
{
    (void)state;
    enum { N = 6, STEPS = 400 };
    size_t dispatched = 0, restarts = 0;
    for (uint64_t round = 1; round <= 60; round++) {
        struct world world;
        struct observer *observer = calloc(1, sizeof *observer);
        double x[N];
        bool unseen[N] = {false};
        seed = round * 0x9E3779B97F4A7C15ULL;
        world_init(&world, POLICY_TEXT, N);
        world.grant.unattended = round % 4 != 0;
        fill(x, N, 0.2);
        for (int step = 0; step < STEPS; step++) {
            struct input inputs[16];
            for (size_t e = 0; e < N; e++) {
                uint64_t dice = random_next() % 40;
                x[e] = dice < 3 ? 0.97 : dice < 6 ? 0.1 : dice == 9 ? NAN : x[e];
                unseen[e] = dice == 10 ? random_next() % 2 == 0 : dice < 15 ? false : unseen[e];
            }
            if (random_next() % 60 == 0) {
                restarts++;
                world_restart(&world);
            }
            size_t count = random_inputs(observer, &world, inputs);
            world_step(&world, x, unseen, inputs, count);
            observe(observer, &world);
        }
        dispatched += observer->count;
        free(observer);
        world_release(&world);
    }
    assert_true(dispatched > 200); /* else the day was not hostile, only quiet */
    assert_true(restarts > 100);
}

/* A crash after every record: what is restored never starts an id again, and what is in doubt is
 * asked. */
static void a_crash_after_any_record_never_repeats_an_action(void **state)
{
    (void)state;
    struct world world;
    double x[2] = {0.2, 0.2};
    world_init(&world, POLICY_TEXT, 2);
    world_step(&world, x, NULL, NULL, 0);
    x[0] = 0.95;
    const struct effect *dispatch = step_until(&world, x, EFFECT_DISPATCH, 10);
    uint64_t first_id = dispatch->id;
    size_t all = world.record_count;
    for (size_t keep = 0; keep <= all; keep++) {
        world.record_count = keep;
        world_restart(&world);
        bool in_doubt = keep > 0 && world.records[keep - 1].kind == RECORD_DISPATCHED;
        bool intent = keep > 0 && world.records[keep - 1].kind == RECORD_INTENT;
        bool probed = false, dropped = false;
        for (int i = 0; i < 3; i++) {
            world_step(&world, x, NULL, NULL, 0);
            const struct effect *effect = world_effect(&world, EFFECT_PROBE);
            probed = probed || (effect && effect->id == first_id);
            const struct effect *again = world_effect(&world, EFFECT_DISPATCH);
            assert_true(!again || again->id != first_id);
            assert_false(in_doubt && again);
        }
        for (size_t i = keep; i < world.record_count; i++) {
            dropped = dropped || world.records[i].kind == RECORD_DROPPED;
        }
        assert_int_equal(probed, in_doubt);
        assert_int_equal(dropped, intent);
    }
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_is_seen_done_verified_and_closed),
        cmocka_unit_test(unknown_never_triggers_and_never_clears),
        cmocka_unit_test(silence_is_never_absence),
        cmocka_unit_test(an_unseen_verify_holds_and_pages_instead_of_climbing_the_ladder),
        cmocka_unit_test(a_verify_uses_only_samples_newer_than_the_action),
        cmocka_unit_test(stop_wins_and_start_lets_go_on),
        cmocka_unit_test(an_approval_is_single_use_and_the_trigger_is_read_again),
        cmocka_unit_test(shadow_says_what_it_would_do_and_does_nothing),
        cmocka_unit_test(a_shrunken_inventory_is_not_acted_on),
        cmocka_unit_test(no_day_however_hostile_breaks_a_bound),
        cmocka_unit_test(a_crash_after_any_record_never_repeats_an_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
