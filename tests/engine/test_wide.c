/* Limits over failure domains and in total, freezes, and what keeps heal from doing anything. */
#include <stdio.h>
#include <string.h>

#include "tests/engine/play.h"
#include "tests/unit.h"

#define FIX "action fix(t: w) { via exec affects t.x within 4s irreversible timeout 3s }\n"
#define WIDE(pool, head, clauses, bounds)                                         \
    "edition 1\n"                                                                 \
    "metric x ratio by (w)\n"                                                     \
    "metric up ratio by (w)\n"                                                    \
    "metric place ratio by (w, z)\n" pool "channel oncall = log\n" FIX head       \
    "policy high for each w in ws every 1s {\n" clauses "  when x > 90% for 2s\n" \
    "  clear when x < 50% for 2s\n"                                               \
    "  on missing hold\n"                                                         \
    "  on stale > 1m notify oncall\n"                                             \
    "  heal { try fix(w) verify x < 50% holds 1s within 5s else page oncall }\n"  \
    "  bound " bounds "\n"                                                        \
    "  cooldown 5s\n}\n"
#define POOL   "pool ws(w) = up ready up == 1\n"
#define DOMAIN "pool ws(w) = place ready up == 1 domain z\n"
#define LOOSE  "at most 100 of ws per 1m"

/* Entity i is in zone z<zones[i]>: the series place{w, z} of a source of its own. */
struct zones {
    uint32_t source, series[8];
    size_t count;
};

static void zones_begin(struct play *play, struct zones *zones, const int *of, size_t count)
{
    struct error error;
    zones->count = count;
    assert_int_equal(store_source(play->world.store, "zones", duration_seconds(1),
                                  duration_seconds(1), &zones->source, &error),
                     STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        char name[24], zone[24];
        snprintf(name, sizeof name, "e%zu", i);
        snprintf(zone, sizeof zone, "z%d", of[i]);
        const struct label labels[] = {{"w", name}, {"z", zone}};
        assert_int_equal(store_series(play->world.store, zones->source, "place", labels, 2,
                                      &zones->series[i], &error),
                         STATUS_OK);
    }
}

static void zones_step(struct play *play, struct zones *zones, int seconds)
{
    for (int n = 0; n < seconds; n++) {
        const struct instant next = instant_add(play->world.now, duration_seconds(1));
        for (size_t i = 0; i < zones->count; i++) {
            assert_int_equal(store_append(play->world.store, zones->series[i], next, next, 1),
                             APPEND_OK);
        }
        store_answered(play->world.store, zones->source, next);
        play_step(play, NULL);
    }
}

static void one_act_in_each_domain(void **state)
{
    (void)state;
    struct play play;
    struct zones zones;
    play_init(&play, WIDE(DOMAIN, "", "", "at most 1 of ws per 1m in each domain"), 4);
    zones_begin(&play, &zones, (const int[]){0, 0, 1, 1}, 4);
    zones_step(&play, &zones, 2);
    for (size_t i = 0; i < 4; i++) {
        play.x[i] = 0.95;
    }
    zones_step(&play, &zones, 15);
    assert_int_equal(play.dispatched, 2);
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "in each domain allows 1 in z"));
    zones_step(&play, &zones, 60); /* the windows slide */
    assert_int_equal(play.dispatched, 4);
    world_release(&play.world);
}

static void one_domain_at_a_time_over_a_restart(void **state)
{
    (void)state;
    struct play play;
    struct zones zones;
    play_init(&play, WIDE(DOMAIN, "guard host { at most 1 domains of ws per 1m }\n", "", LOOSE), 4);
    zones_begin(&play, &zones, (const int[]){0, 0, 1, 1}, 4);
    zones_step(&play, &zones, 2);
    play.x[0] = 0.95;
    zones_step(&play, &zones, 5);
    assert_int_equal(play.dispatched, 1);
    world_restart(&play.world);
    play.x[1] = play.x[2] = 0.95;
    zones_step(&play, &zones, 20);
    assert_int_equal(play.dispatched, 2); /* e1 is in the domain of e0, e2 is not */
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->target, "w=e1");
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "z1 would be number 2"));
    world_release(&play.world);
}

static void a_target_without_a_known_domain_is_left(void **state)
{
    (void)state;
    struct play play;
    struct zones zones;
    play_init(&play, WIDE(DOMAIN, "guard host { at most 1 domains of ws per 1m }\n", "", LOOSE), 2);
    zones_begin(&play, &zones, (const int[]){0, 1}, 2);
    struct error error;
    uint32_t second;
    const struct label labels[] = {{"w", "e0"}, {"z", "z1"}}; /* it is in two */
    assert_int_equal(
        store_series(play.world.store, zones.source, "place", labels, 2, &second, &error),
        STATUS_OK);
    zones.series[zones.count++] = second;
    play.x[0] = 0.95;
    zones_step(&play, &zones, 10);
    assert_int_equal(count_of(&play, RECORD_OPENED), 1);
    assert_int_equal(play.dispatched, 0);
    world_release(&play.world);
}

static void a_total_counts_every_act(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, WIDE(POOL, "guard host { at most 2 actions per 1m }\n", "", LOOSE), 4);
    for (size_t i = 0; i < 4; i++) {
        play.x[i] = 0.95;
    }
    play_on(&play, 20);
    assert_int_equal(play.dispatched, 2);
    assert_non_null(
        strstr(last_of(&play, RECORD_REFUSED)->text, "guard host: at most 2 actions per 1m"));
    world_release(&play.world);
}

/* ---- freezes: worlds begin at 2023-11-14 22:13:20 UTC, a Tuesday ---- */

static void expect_freeze(const char *text, size_t acts)
{
    struct play play;
    play_init(&play, text, 1);
    play.helps = true;
    play.x[0] = 0.95;
    play_on(&play, 5);
    assert_int_equal(play.dispatched, acts);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), acts == 0);
    if (acts == 0) {
        assert_non_null(strstr(last_of(&play, RECORD_ESCALATED)->text, "not during"));
        play_on(&play, 30); /* told once */
        assert_int_equal(count_of(&play, RECORD_ESCALATED), 1);
    }
    world_release(&play.world);
}
#define FROZEN(freeze, clauses) WIDE(POOL, "guard host { " freeze " }\n", clauses, LOOSE)

static void nothing_is_done_in_a_freeze_and_a_person_is_told_once(void **state)
{
    (void)state;
    expect_freeze(FROZEN("not during \"22:00\"..\"23:00\" in \"UTC\"", ""), 0);
    expect_freeze(FROZEN("not during \"22:00\"..\"23:00\" in \"Europe/Berlin\"", ""), 1);
    expect_freeze(FROZEN("not during \"23:00\"..\"06:00\" in \"Europe/Berlin\"", ""), 0);
    expect_freeze(FROZEN("not during \"Tue 14:13\"..\"Wed 08:00\" in \"America/Los_Angeles\"", ""),
                  0);
    expect_freeze(FROZEN("not during \"11-14\"..\"11-14\" in \"UTC\"", ""), 0);
    expect_freeze(FROZEN("not during \"2023-11-15\"..\"2023-11-16\" in \"UTC\"", ""), 1);
    expect_freeze(FROZEN("not during \"2023-11-15\"..\"2023-11-16\" in \"Asia/Tokyo\"", ""), 0);
}

static void a_freeze_may_be_for_the_larger_impacts_only(void **state)
{
    (void)state;
#define ABOVE(word) "not during \"22:00\"..\"23:00\" in \"UTC\" for impact above " word
    expect_freeze(FROZEN(ABOVE("low"), "  impact low\n"), 1);
    expect_freeze(FROZEN(ABOVE("low"), ""), 0);
    expect_freeze(FROZEN(ABOVE("medium"), ""), 1);
    expect_freeze(FROZEN(ABOVE("high"), "  impact critical\n"), 0);
}

static void the_act_comes_when_the_freeze_ends(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, FROZEN("not during \"22:00\"..\"22:14\" in \"UTC\"", ""), 1);
    play.x[0] = 0.95;
    play_on(&play, 38); /* 22:13:59 */
    assert_int_equal(play.dispatched, 0);
    play_on(&play, 2);
    assert_int_equal(play.dispatched, 1);
    world_release(&play.world);
}

/* ---- unattended ---- */

static void the_second_recovery_of_a_target_needs_a_person(void **state)
{
    (void)state;
    struct play play;
    play_init(
        &play,
        WIDE(POOL, "guard host { at most 1 unattended actions on any w per 1h }\n", "", LOOSE), 2);
    play.helps = true;
    play.x[0] = 0.95;
    play_on(&play, 20);
    assert_int_equal(count_of(&play, RECORD_CLOSED), 1);
    play.x[0] = play.x[1] = 0.95;
    play_on(&play, 10);
    assert_int_equal(play.dispatched, 2); /* the other target's first */
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->target, "w=e1");
    assert_non_null(
        strstr(last_of(&play, RECORD_ASKED)->text, "no further action without a person"));
    const uint64_t asked = last_of(&play, RECORD_ASKED)->incident;
    play_step(&play, &(struct input){.kind = INPUT_APPROVE, .id = asked, .who = "ann"});
    play_on(&play, 3);
    assert_int_equal(play.dispatched, 3);
    world_release(&play.world);
}

/* ---- heal's own inputs, and what spreads ---- */

static void with_its_inputs_gone_heal_only_tells(void **state)
{
    (void)state;
    struct play play;
    bool unseen[5] = {false, false, true, true, true};
    play_init(&play,
              "edition 1\nmetric x ratio by (w)\nmetric up ratio by (w)\nchannel oncall = log\n"
              "pool ws(w) = up{w=~\"e0|e1\"} ready up == 1\n" FIX
              "policy high for each w in ws every 1s {\n"
              "  when x > 90% for 2s\n  clear when x < 50% for 2s\n  on missing hold\n"
              "  on stale > 1m hold\n"
              "  heal { try fix(w) verify x < 50% holds 1s within 5s else page oncall }\n"
              "  bound at most 10 of w per 1m\n  cooldown 5s\n}\n",
              5);
    double x[5] = {0.95, 0.2, 0.2, 0.2, 0.2};
    for (int i = 0; i < 5; i++) { /* until the silence is no lateness any more */
        world_step(&play.world, x, unseen, NULL, 0);
    }
    x[0] = 0.2;
    for (int i = 0; i < 5; i++) {
        world_step(&play.world, x, unseen, NULL, 0);
    }
    const size_t before = count_of(&play, RECORD_DISPATCHED);
    x[0] = x[1] = 0.95;
    for (int i = 0; i < 10; i++) {
        world_step(&play.world, x, unseen, NULL, 0);
    }
    assert_int_equal(count_of(&play, RECORD_DISPATCHED), before);
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "3 of 5 sources do not answer"));
    world_release(&play.world);
}

static void a_remedy_after_which_its_targets_fail_is_stopped(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, WIDE(POOL, "", "", LOOSE), 4);
    for (size_t i = 0; i < 3; i++) {
        play.x[i] = 0.95; /* fix does not help them: each is held, and fails on */
    }
    play_on(&play, 30);
    assert_int_equal(play.dispatched, 3);
    play.x[3] = 0.95;
    play_on(&play, 20);
    assert_int_equal(play.dispatched, 3);
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text,
                           "of 3 targets this policy acted on 3 fail, of the 0 others 0"));
    world_release(&play.world);
}

static void a_remedy_that_helps_is_not_stopped(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, WIDE(POOL, "", "", LOOSE), 4);
    play.helps = true;
    for (size_t i = 0; i < 4; i++) {
        play.x[i] = 0.95;
        play_on(&play, 10);
    }
    assert_int_equal(play.dispatched, 4);
    world_release(&play.world);
}

/* ---- capacity ---- */

#define SHRINK(rest)                                                                     \
    "edition 1\nmetric x ratio by (w)\nmetric up ratio by (w)\nchannel oncall = log\n"   \
    "service db { tier gold }\nservice shop { depends on db }\n"                         \
    "action fix(s: service) { via exec undo grow(s) timeout 3s reduces capacity }\n"     \
    "action grow(s: service) { via exec irreversible timeout 3s }\n"                     \
    "policy idle for service shop every 1s {\n"                                          \
    "  when max(x) < 30% and min(up) > 0 for 2s\n  clear when max(x) > 50% for 2s\n"     \
    "  on missing hold\n  on stale > 1m hold\n"                                          \
    "  heal { try fix(shop) verify max(x) > 10% holds 1s within 5s else page oncall }\n" \
    "  bound at most 10 of service per 1m\n  cooldown 5s\n}\n" rest
#define DB_DOWN \
    "policy db_down for service db every 1s {\n  when min(x) < 15%\n  escalate to oncall\n}\n"

static size_t shrinks(const char *text, double x)
{
    struct play play;
    play_init(&play, text, 1);
    const char *const service[] = {"service=shop"};
    play.world.grant.targets = service;
    play.world.grant.target_count = 1;
    play.x[0] = x;
    play_on(&play, 10);
    const size_t acts = play.dispatched;
    if (acts == 0) {
        assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "db has trouble"));
    }
    world_release(&play.world);
    return acts;
}

static void capacity_is_not_taken_away_beside_trouble(void **state)
{
    (void)state;
    assert_true(shrinks(SHRINK(DB_DOWN), 0.2) > 0);
    assert_int_equal(shrinks(SHRINK(DB_DOWN), 0.12), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_act_in_each_domain),
        cmocka_unit_test(one_domain_at_a_time_over_a_restart),
        cmocka_unit_test(a_target_without_a_known_domain_is_left),
        cmocka_unit_test(a_total_counts_every_act),
        cmocka_unit_test(nothing_is_done_in_a_freeze_and_a_person_is_told_once),
        cmocka_unit_test(a_freeze_may_be_for_the_larger_impacts_only),
        cmocka_unit_test(the_act_comes_when_the_freeze_ends),
        cmocka_unit_test(the_second_recovery_of_a_target_needs_a_person),
        cmocka_unit_test(with_its_inputs_gone_heal_only_tells),
        cmocka_unit_test(a_remedy_after_which_its_targets_fail_is_stopped),
        cmocka_unit_test(a_remedy_that_helps_is_not_stopped),
        cmocka_unit_test(capacity_is_not_taken_away_beside_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
