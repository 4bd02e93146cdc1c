/* What an act is on: a service has one act at a time, a cooldown and a memory, also where the
 * policy's entity is something else; and the window in which the effects of an act show. */
#include <string.h>

#include "tests/engine/play.h"
#include "tests/unit.h"

#define PROGRAM(guard, cooldown, more)                                                 \
    "edition 1\n"                                                                      \
    "metric x ratio by (w)\n"                                                          \
    "metric up ratio by (w)\n"                                                         \
    "channel oncall = log\n"                                                           \
    "service shop { tier gold }\n"                                                     \
    "service depot { tier gold }\n"                                                    \
    "action fix(s: service) { via exec irreversible timeout 3s }\n"                    \
    "action other(s: service) { via exec irreversible timeout 3s }\n" guard POLICY_OF( \
        "high", "e0", "fix(shop)", cooldown) more
#define POLICY_OF(name, entity, call, cooldown)                                    \
    "policy " name " every 1s {\n"                                                 \
    "  when max(x{w=\"" entity "\"}) > 90% for 2s\n"                               \
    "  clear when max(x{w=\"" entity "\"}) < 50% for 2s\n"                         \
    "  on missing hold\n  on stale > 1m hold\n"                                    \
    "  heal { try " call " verify max(x{w=\"" entity "\"}) < 50% holds 2s within " \
    "5s else page oncall }\n"                                                      \
    "  bound at most 100 of service per 1m\n  cooldown " cooldown "\n}\n"

#define WINDOWED(name, hold, heal)                        \
    "policy " name " for each w in ws every 1s {\n"       \
    "  when x > 90% for " hold "\n  clear when x < 50%\n" \
    "  on missing hold\n  on stale > 1m hold\n"           \
    "  heal { " heal "else page oncall }\n"               \
    "  bound at most 100 of ws per 1m\n  cooldown 20s\n}\n"
#define HELPED "verify x < 50% holds 2s within 8s "

static const char *const services[] = {"service=shop", "service=depot"};
static const char *const actions[] = {"fix", "other"};
static struct engine_grant grants[2];

static void begin(struct play *play, const char *text)
{
    play_init(play, text, 2);
    play->world.grant.targets = services;
    play->world.grant.target_count = 2;
    play_grant(play, grants, actions, 2);
}

/* It fails for ten seconds, then is well for ten. */
static void fail_for_a_while(struct play *play)
{
    play->x[0] = 0.95;
    play_on(play, 10);
    play->x[0] = 0.2;
    play_on(play, 10);
}

static void a_service_has_its_cooldown(void **state)
{
    (void)state;
    struct play play;
    begin(&play, PROGRAM("", "10m", ""));
    fail_for_a_while(&play);
    assert_int_equal(play.dispatched, 1);
    play.x[0] = 0.95;
    play_on(&play, 10);
    assert_int_equal(play.dispatched, 1);
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "cooldown"));
    world_restart(&play.world);
    play_on(&play, 10);
    assert_int_equal(play.dispatched, 1);
    play_on(&play, 600);
    assert_int_equal(play.dispatched, 2);
    world_release(&play.world);
}

static void what_is_of_no_use_to_a_service_is_asked(void **state)
{
    (void)state;
    struct play play;
    begin(&play, PROGRAM("", "1s", ""));
    fail_for_a_while(&play);
    fail_for_a_while(&play);
    world_restart(&play.world);
    assert_int_equal(play.dispatched, 2);
    fail_for_a_while(&play);
    assert_int_equal(play.dispatched, 2);
    assert_non_null(strstr(last_of(&play, RECORD_ASKED)->text, "twice in a row"));
    world_release(&play.world);
}

static void expect_one_at_a_time(const char *text, const char *words)
{
    struct play play;
    begin(&play, text);
    play.x[0] = play.x[1] = 0.95;
    play_on(&play, 4);
    assert_int_equal(play.dispatched, 1);
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, words));
    world_restart(&play.world);
    play_on(&play, 1);
    assert_int_equal(play.dispatched, 1);
    world_release(&play.world);
}

static void one_act_at_a_time_on_a_service(void **state)
{
    (void)state;
    expect_one_at_a_time(PROGRAM("", "5s", POLICY_OF("also", "e1", "other(shop)", "5s")),
                         "incident 1 acts on the target: fix");
}

static void an_exclusive_guard_sees_services(void **state)
{
    (void)state;
    expect_one_at_a_time(PROGRAM("guard host { exclusive on service }\n", "5s",
                                 POLICY_OF("also", "e1", "other(depot)", "5s")),
                         "exclusive on service: incident 1 acts on service=shop");
}

static void the_same_act_on_a_service_is_joined(void **state)
{
    (void)state;
    struct play play;
    begin(&play, PROGRAM("", "5s", POLICY_OF("also", "e1", "fix(shop)", "5s")));
    play.x[0] = play.x[1] = 0.95;
    play_on(&play, 4);
    assert_int_equal(play.dispatched, 1);
    assert_int_equal(count_of(&play, RECORD_JOINED), 1);
    world_release(&play.world);
}

/* fix (window 8 s) fails at once, other (none) too: what fix did may still show. */
static void a_later_act_does_not_end_an_earlier_window(void **state)
{
    (void)state;
    for (int restarted = 0; restarted < 2; restarted++) {
        struct play play;
        play_init(&play,
                  HEAD "action fix(t: w) { via exec affects t.x within 8s irreversible timeout 3s "
                       "}\n"
                       "action other(t: w) { via exec irreversible timeout 3s }\n" WINDOWED(
                           "high", "2s", "try fix(w) " HELPED "then other(w) " HELPED)
                           WINDOWED("also", "3s", "try other(w) " HELPED),
                  1);
        play_grant(&play, grants, actions, 2);
        play.outcome = OUTCOME_FAILED;
        play.x[0] = 0.95;
        while (play.dispatched < 2) {
            play_step(&play, NULL);
        }
        assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "other");
        const double began = play.last_dispatch;
        play_step(&play, NULL);
        if (restarted) {
            world_restart(&play.world);
        }
        play_on(&play, 30);
        assert_string_equal(last_of(&play, RECORD_DISPATCHED)->policy, "also");
        assert_true(play.last_dispatch >= began + 8);
        world_release(&play.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_has_its_cooldown),
        cmocka_unit_test(what_is_of_no_use_to_a_service_is_asked),
        cmocka_unit_test(one_act_at_a_time_on_a_service),
        cmocka_unit_test(an_exclusive_guard_sees_services),
        cmocka_unit_test(the_same_act_on_a_service_is_joined),
        cmocka_unit_test(a_later_act_does_not_end_an_earlier_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
