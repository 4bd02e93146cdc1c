/* Ladders, joins, undo, back-off and modes: one claim a test, through the whole engine. */
#include <string.h>

#include "tests/engine/play.h"
#include "tests/unit.h"

#define FIX     "action fix(t: w) { via exec affects t.x within 4s irreversible timeout 3s }\n"
#define RECYCLE "action recycle(t: w) { via exec irreversible timeout 3s }\n"
#define ONE_RUNG \
    HEAD POLICY("high", FIX, "try fix(w) verify x < 50% holds 1s within 5s else page oncall", "")

#define UNDOABLE                                                                 \
    HEAD POLICY("high",                                                          \
                "action cordon(t: w) { via exec undo uncordon(t) timeout 3s }\n" \
                "action uncordon(t: w) { via exec irreversible timeout 3s }\n",  \
                "try cordon(w) verify x < 50% holds 1s within 5s else page boss", "")

static void grant_two(struct play *play, struct engine_grant grants[2], const char *first,
                      const char *second)
{
    play_grant(play, grants, (const char *const[]){first, second}, 2);
}

static void a_second_policy_that_wants_the_same_act_joins_it(void **state)
{
    (void)state;
    struct play play;
    play_init(
        &play,
        HEAD POLICY("one", FIX, "try fix(w) verify x < 50% holds 1s within 5s else page oncall", "")
            POLICY("two", "", "try fix(w) verify x < 50% holds 1s within 5s else page oncall", ""),
        1);
    play.helps = true;
    play.x[0] = 0.95;
    play_on(&play, 12);
    assert_int_equal(count_of(&play, RECORD_OPENED), 2);
    assert_int_equal(count_of(&play, RECORD_JOINED), 1);
    assert_int_equal(play.dispatched, 1);
    assert_int_equal(count_of(&play, RECORD_CLOSED), 2);
    world_release(&play.world);
}

static void another_act_on_a_busy_target_waits_its_turn(void **state)
{
    (void)state;
    struct play play;
    play_init(
        &play,
        HEAD POLICY("one", FIX, "try fix(w) verify x < 50% holds 1s within 5s else page oncall", "")
            POLICY("two", RECYCLE,
                   "try recycle(w) verify x < 50% holds 1s within 5s else page oncall", ""),
        1);
    struct engine_grant grants[2];
    grant_two(&play, grants, "fix", "recycle");
    play.x[0] = 0.95;
    play_on(&play, 5);
    assert_int_equal(play.dispatched, 1);
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "acts on the target: fix"));
    play_on(&play, 20); /* fix did not help; recycle has its turn once the effect window is over */
    assert_int_equal(play.dispatched, 2);
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "recycle");
    world_release(&play.world);
}

static void a_ladder_climbs_only_after_an_observed_failure_and_ends_with_a_page(void **state)
{
    (void)state;
    struct play play;
    play_init(&play,
              HEAD POLICY("high", FIX RECYCLE,
                          "try fix(w) verify x < 50% holds 1s within 5s "
                          "then recycle(w) verify x < 50% holds 1s within 5s else page boss",
                          ""),
              1);
    struct engine_grant grants[2];
    grant_two(&play, grants, "fix", "recycle");
    play.x[0] = 0.95;
    play_on(&play, 25);
    assert_int_equal(count_of(&play, RECORD_UNVERIFIED), 2);
    assert_int_equal(play.dispatched, 2);
    assert_string_equal(last_of(&play, RECORD_ESCALATED)->action, "boss");
    assert_string_equal(engine_incident(play.world.engine, 0).state, "held");
    world_release(&play.world);
}

static void a_failed_verification_undoes_the_act_before_the_next_step(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, UNDOABLE, 1);
    struct engine_grant grants[2];
    grant_two(&play, grants, "cordon", "uncordon");
    play.x[0] = 0.95;
    play_on(&play, 20);
    assert_int_equal(play.dispatched, 2);
    assert_string_equal(last_of(&play, RECORD_UNDONE)->action, "uncordon");
    assert_string_equal(last_of(&play, RECORD_ESCALATED)->action, "boss");
    world_release(&play.world);
}

static void an_undo_owed_when_the_engine_died_is_done_after_it_rose(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, UNDOABLE, 1);
    struct engine_grant grants[2];
    grant_two(&play, grants, "cordon", "uncordon");
    play.x[0] = 0.95;
    while (count_of(&play, RECORD_UNVERIFIED) == 0) {
        play_step(&play, NULL);
    }
    while (play.world.records[play.world.record_count - 1].kind != RECORD_UNVERIFIED) {
        play.world.record_count--; /* what came after it was not durable */
    }
    play.has_pending = false;
    world_restart(&play.world);
    play_on(&play, 10);
    assert_int_equal(count_of(&play, RECORD_UNDONE), 1);
    assert_string_equal(last_of(&play, RECORD_ESCALATED)->action, "boss");
    world_release(&play.world);
}

/* The engine dies after every record of an act, its failed verification and its undo: whatever was
 * durable, the act is started once, and the end is an undo or a person. */
static void a_crash_anywhere_in_an_undo_starts_no_act_twice_and_forgets_none(void **state)
{
    (void)state;
    const char *text = UNDOABLE;
    struct play play;
    size_t all = SIZE_MAX;
    for (size_t keep = 0; keep <= all; keep++) {
        play_init(&play, text, 1);
        struct engine_grant grants[2];
        grant_two(&play, grants, "cordon", "uncordon");
        play.x[0] = 0.95;
        play_on(&play, 20);
        all = play.world.record_count;
        play.world.record_count = keep;
        play.has_pending = false;
        bool in_doubt = keep > 0 && play.world.records[keep - 1].kind == RECORD_DISPATCHED;
        world_restart(&play.world);
        play_on(&play, 40);
        size_t cordons = 0;
        for (size_t i = 0; i < play.world.record_count; i++) {
            cordons += play.world.records[i].kind == RECORD_DISPATCHED &&
                       strcmp(play.world.records[i].action, "cordon") == 0;
        }
        assert_int_equal(cordons, 1);
        assert_int_equal(count_of(&play, RECORD_UNKNOWN), in_doubt);
        bool undone = keep > 0 && play.world.records[keep - 1].kind == RECORD_SUCCEEDED &&
                      strcmp(play.world.records[keep - 1].action, "uncordon") == 0;
        assert_int_equal(count_of(&play, RECORD_UNDONE), in_doubt || undone ? 0 : 1);
        assert_true(count_of(&play, RECORD_ESCALATED) >= 1);
        world_release(&play.world);
    }
    assert_true(all > 10);
}

static void an_unknown_outcome_goes_to_a_person_and_is_not_tried_again(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, ONE_RUNG, 1);
    play.silent = true;
    play.x[0] = 0.95;
    bool probed = false;
    for (int i = 0; i < 60; i++) {
        play_step(&play, NULL);
        probed = probed || world_effect(&play.world, EFFECT_PROBE);
    }
    assert_true(probed);
    assert_int_equal(play.dispatched, 1);
    assert_int_equal(count_of(&play, RECORD_UNKNOWN), 1);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), 1);
    world_release(&play.world);
}

static void a_failed_act_goes_on_to_the_next_step_and_a_timed_out_one_is_observed(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, ONE_RUNG, 1);
    play.outcome = OUTCOME_FAILED;
    play.x[0] = 0.95;
    play_on(&play, 6);
    assert_int_equal(count_of(&play, RECORD_FAILED), 1);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), 1);
    world_release(&play.world);
    play_init(&play, ONE_RUNG, 1);
    play.outcome = OUTCOME_TIMED_OUT;
    play.helps = true; /* it was ended half way, and yet it helped */
    play.x[0] = 0.95;
    play_on(&play, 10);
    assert_int_equal(count_of(&play, RECORD_VERIFIED), 1);
    assert_int_equal(count_of(&play, RECORD_CLOSED), 1);
    world_release(&play.world);
}

static void the_words_of_a_child_decide_nothing_after_a_crash(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, ONE_RUNG, 1);
    play.outcome = OUTCOME_FAILED;
    play.x[0] = 0.95;
    while (count_of(&play, RECORD_FAILED) == 0) {
        play_step(&play, NULL);
    }
    while (play.world.records[play.world.record_count - 1].kind != RECORD_FAILED) {
        play.world.record_count--;
    }
    world_restart(&play.world);
    play_on(&play, 10);
    assert_int_equal(count_of(&play, RECORD_DISPATCHED), 1);
    assert_true(count_of(&play, RECORD_ESCALATED) >= 1);
    world_release(&play.world);
}

static void cooldown_doubles_while_acts_fail_and_starts_anew_once_one_helps(void **state)
{
    (void)state;
    struct play play;
    double gaps[6];
    play_init(&play, ONE_RUNG, 1);
    for (int round = 0; round < 6; round++) {
        size_t before = play.dispatched;
        double begin = play.last_dispatch;
        play.helps = round == 4; /* the fifth act helps, the others do not happen */
        play.outcome = play.helps ? OUTCOME_SUCCEEDED : OUTCOME_FAILED;
        if (engine_policy(play.world.engine, 0).mode != MODE_ACT) { /* acts that fail cost it */
            play_step(&play, &(struct input){.kind = INPUT_MODE,
                                             .policy = "high",
                                             .mode = MODE_ACT,
                                             .who = "ann",
                                             .text = "go on"});
        }
        play.x[0] = 0.95;
        for (int i = 0; i < 90 && play.dispatched == before; i++) {
            play_step(&play, NULL);
        }
        assert_int_equal(play.dispatched, before + 1);
        gaps[round] = play.last_dispatch - begin;
        play_on(&play, 7); /* verified or not */
        play.x[0] = 0.1;
        play_on(&play, 4); /* closed */
    }
    /* From one act to the next: the cooldown, from its failure on. */
    assert_true(gaps[1] >= 10 && gaps[1] < 20);
    assert_true(gaps[2] >= 20 && gaps[2] < 32);
    assert_true(gaps[3] >= 40 && gaps[3] < 52);
    assert_true(gaps[4] >= 40 && gaps[4] < 52); /* doubling to 40s */
    assert_true(gaps[5] >= 10 && gaps[5] < 20); /* reset on verified success */
    world_release(&play.world);
}

/* Done, and of no use, until it was so twice in a row: then a person is asked, also after a
 * restart, and once it helped it may go on by itself. */
static void what_did_not_help_twice_is_not_done_a_third_time(void **state)
{
    (void)state;
    for (int restarts = 0; restarts < 2; restarts++) {
        struct play play;
        play_init(&play, ONE_RUNG, 1);
        for (int round = 0; round < 4; round++) {
            play.x[0] = 0.95;
            play_on(&play, 60);
            assert_int_equal(play.dispatched, round < 2 ? round + 1 : 2);
            play.x[0] = 0.1;
            play_on(&play, 4); /* closed, without a verified improvement */
            if (restarts) {
                world_restart(&play.world);
            }
        }
        assert_int_equal(count_of(&play, RECORD_ASKED), 2);
        play.x[0] = 0.95;
        play_on(&play, 4);
        const uint64_t asked = last_of(&play, RECORD_ASKED)->incident;
        play.helps = true;
        play_step(&play, &(struct input){.kind = INPUT_APPROVE, .id = asked, .who = "ann"});
        play_on(&play, 8);
        assert_int_equal(play.dispatched, 3);
        assert_int_equal(count_of(&play, RECORD_VERIFIED), 1);
        play_on(&play, 15);
        play.x[0] = 0.95;
        play_on(&play, 4);
        assert_int_equal(play.dispatched, 4); /* nobody was asked */
        assert_int_equal(count_of(&play, RECORD_ASKED), 3);
        world_release(&play.world);
    }
}

static void mode_ask_asks_before_every_act_and_a_late_word_is_a_no(void **state)
{
    (void)state;
    struct play play;
    struct input yes = {.kind = INPUT_APPROVE, .id = 1, .who = "ada", .text = ""};
    play_init(&play, ONE_RUNG, 1);
    play.world.host.default_mode = MODE_ASK;
    world_restart(&play.world);
    play.helps = true;
    play.x[0] = 0.95;
    play_on(&play, 6);
    assert_int_equal(play.dispatched, 0);
    assert_int_equal(count_of(&play, RECORD_ASKED), 1);
    play_step(&play, &yes);
    assert_int_equal(play.dispatched, 1);
    play_on(&play, 8);
    play.helps = false;
    play.x[0] = 0.95;
    play_on(&play, 30);
    assert_int_equal(count_of(&play, RECORD_ASKED), 2);
    play_on(&play, 15 * 60 + 5); /* nobody answers for 15m */
    assert_int_equal(count_of(&play, RECORD_DENIED), 1);
    yes.id = 2;
    play_step(&play, &yes);
    assert_int_equal(play.dispatched, 1);
    assert_string_equal(engine_incident(play.world.engine, 0).state, "held");
    world_release(&play.world);
}

static void keep_counts_the_target_as_gone_and_those_under_way_too(void **state)
{
    (void)state;
    struct play play;
    play_init(&play,
              HEAD POLICY("high", FIX,
                          "try fix(w) verify x < 50% holds 1s within 5s else page oncall",
                          "keep at least 50% of ws ready\n"),
              4);
    for (int i = 0; i < 4; i++) {
        play.x[i] = 0.95;
    }
    play_on(&play, 4);
    assert_int_equal(play.dispatched, 2); /* a third would leave one of four */
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "keep at least 50% of ws ready"));
    world_release(&play.world);
}

/* One of three is acted on; when a second fails with it, neither is. */
static void when_a_group_fails_together_none_of_it_is_acted_on(void **state)
{
    (void)state;
    for (int many = 0; many < 2; many++) {
        struct play play;
        play_init(&play, ONE_RUNG "guard house { storm above 40% of ws }\n", 3);
        play.x[0] = 0.95;
        play.x[1] = many ? 0.95 : 0.2;
        play_on(&play, 8);
        assert_int_equal(play.dispatched, many ? 0 : 1);
        assert_int_equal(count_of(&play, RECORD_REFUSED), many ? 2 : 0);
        if (many) {
            assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text,
                                   "guard house: storm above 40% of ws: 2 of 3 fail at once"));
        }
        world_release(&play.world);
    }
}

/* Three fail at once; the second is acted on once the first one's action is judged. */
static void an_exclusive_guard_lets_one_act_at_a_time(void **state)
{
    (void)state;
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        struct play play;
        size_t most = 0;
        play_init(&play, exclusive ? ONE_RUNG "guard house { exclusive on w }\n" : ONE_RUNG, 3);
        play.helps = true;
        play.x[0] = play.x[1] = play.x[2] = 0.95;
        for (int i = 0; i < 60; i++) {
            size_t acting = 0;
            play_step(&play, NULL);
            for (size_t k = 0; k < engine_incident_count(play.world.engine); k++) {
                const char *is = engine_incident(play.world.engine, k).state;
                acting += strcmp(is, "acting") == 0 || strcmp(is, "verifying") == 0;
            }
            most = acting > most ? acting : most;
        }
        assert_int_equal(most, exclusive ? 1 : 3);
        assert_int_equal(play.dispatched, 3);
        if (exclusive) { /* else several answers come at once, and the play has room for one */
            assert_int_equal(count_of(&play, RECORD_VERIFIED), 3);
        }
        world_release(&play.world);
    }
}

static void unresolved_for_tells_a_person_once(void **state)
{
    (void)state;
    struct play play;
    play_init(&play,
              HEAD POLICY("high", FIX,
                          "try fix(w) verify x < 50% holds 1s within 5s else page oncall",
                          "escalate to boss when unresolved for 3s\n"),
              1);
    play.world.host.guarded = true;
    play.x[0] = 0.95;
    play_on(&play, 9);
    size_t to_boss = 0;
    for (size_t i = 0; i < play.world.record_count; i++) {
        to_boss += play.world.records[i].kind == RECORD_ESCALATED &&
                   strcmp(play.world.records[i].action, "boss") == 0;
    }
    assert_int_equal(to_boss, 1);
    world_release(&play.world);
}

static void a_reminder_told_while_an_act_runs_does_not_end_the_doubt_after_a_crash(void **state)
{
    (void)state;
    struct play play;
    play_init(&play,
              HEAD POLICY("high", FIX,
                          "try fix(w) verify x < 50% holds 1s within 5s else page oncall",
                          "escalate to boss when unresolved for 2s\n"),
              1);
    play.silent = true;
    play.x[0] = 0.95;
    play_on(&play, 6);
    assert_int_equal(play.dispatched, 1);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), 1);
    world_restart(&play.world);
    play_step(&play, NULL);
    assert_non_null(world_effect(&play.world, EFFECT_PROBE));
    play_on(&play, 12);
    assert_int_equal(count_of(&play, RECORD_UNKNOWN), 1);
    assert_int_equal(count_of(&play, RECORD_ESCALATED), 2); /* the reminder came once */
    world_release(&play.world);
}

static void as_prometheus_membership_alone_decides_and_nothing_acts(void **state)
{
    (void)state;
    struct world world;
    double x[1] = {0.95};
    bool unseen[1] = {true};
    for (int as = 0; as < 2; as++) {
        char text[1024];
        snprintf(text, sizeof text,
                 HEAD "policy told for each w in ws every 1s {\n  when x > 90%% for 5s\n"
                      "  on missing %s\n  escalate to oncall\n}\n",
                 as ? "as prometheus" : "hold");
        world_init(&world, text, 1);
        world_step(&world, x, NULL, NULL, 0);
        for (int i = 0; i < 20;
             i++) { /* its source is silent, but the sample is within the lookback */
            world_step(&world, x, unseen, NULL, 0);
        }
        assert_int_equal(world_count(&world, RECORD_OPENED), as);
        assert_int_equal(world_count(&world, RECORD_DISPATCHED), 0);
        world_release(&world);
    }
}

static void without_guards_grants_or_bounds_nothing_is_done(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, ONE_RUNG, 1);
    play.world.host.guarded = false;
    play.x[0] = 0.95;
    play_on(&play, 10);
    assert_int_equal(play.dispatched, 0);
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "no guard file"));
    world_release(&play.world);
    play_init(&play, ONE_RUNG, 1);
    play.world.host.grant_count = 0;
    play.x[0] = 0.95;
    play_on(&play, 10);
    assert_int_equal(play.dispatched, 0);
    assert_non_null(strstr(last_of(&play, RECORD_REFUSED)->text, "no grant of the host"));
    world_release(&play.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_policy_that_wants_the_same_act_joins_it),
        cmocka_unit_test(another_act_on_a_busy_target_waits_its_turn),
        cmocka_unit_test(a_ladder_climbs_only_after_an_observed_failure_and_ends_with_a_page),
        cmocka_unit_test(a_failed_verification_undoes_the_act_before_the_next_step),
        cmocka_unit_test(an_undo_owed_when_the_engine_died_is_done_after_it_rose),
        cmocka_unit_test(a_crash_anywhere_in_an_undo_starts_no_act_twice_and_forgets_none),
        cmocka_unit_test(an_unknown_outcome_goes_to_a_person_and_is_not_tried_again),
        cmocka_unit_test(a_failed_act_goes_on_to_the_next_step_and_a_timed_out_one_is_observed),
        cmocka_unit_test(the_words_of_a_child_decide_nothing_after_a_crash),
        cmocka_unit_test(cooldown_doubles_while_acts_fail_and_starts_anew_once_one_helps),
        cmocka_unit_test(what_did_not_help_twice_is_not_done_a_third_time),
        cmocka_unit_test(mode_ask_asks_before_every_act_and_a_late_word_is_a_no),
        cmocka_unit_test(keep_counts_the_target_as_gone_and_those_under_way_too),
        cmocka_unit_test(when_a_group_fails_together_none_of_it_is_acted_on),
        cmocka_unit_test(an_exclusive_guard_lets_one_act_at_a_time),
        cmocka_unit_test(unresolved_for_tells_a_person_once),
        cmocka_unit_test(a_reminder_told_while_an_act_runs_does_not_end_the_doubt_after_a_crash),
        cmocka_unit_test(as_prometheus_membership_alone_decides_and_nothing_acts),
        cmocka_unit_test(without_guards_grants_or_bounds_nothing_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
