/* Plans and the choice among them, resolved when, abort when and settle, through the whole engine.
 */
#include <math.h>
#include <string.h>

#include "tests/engine/play.h"
#include "tests/unit.h"

#define ACTIONS                                                                     \
    "action fix(t: w) { via exec affects t.x within 4s irreversible timeout 3s }\n" \
    "action cordon(t: w) { via exec undo uncordon(t) timeout 3s }\n"                \
    "action uncordon(t: w) { via exec irreversible timeout 3s }\n"                  \
    "action limit(t: w) { via exec undo unlimit(t) timeout 3s }\n"                  \
    "action unlimit(t: w) { via exec irreversible timeout 3s }\n"                   \
    "action dear(t: w) { via exec undo unlimit(t) timeout 3s costs 3usd }\n"        \
    "metric y ratio by (w)\n"
#define VERIFY " verify x < 50% holds 1s within 5s "

#define HEALS(clauses, heal)                                                     \
    HEAD ACTIONS "policy high for each w in ws every 1s {\n"                     \
                 "  when x > 90% for 2s\n"                                       \
                 "  clear when x < 50% for 2s\n"                                 \
                 "  on missing hold\n"                                           \
                 "  on stale > 1m notify oncall\n" clauses "  heal {" heal "}\n" \
                 "  bound at most 10 of ws per 1m\n"                             \
                 "  cooldown 5s\n}\n"

static const char *const all[] = {"fix", "cordon", "uncordon", "limit", "unlimit", "dear"};

static void begin(struct play *play, struct engine_grant grants[6], const char *text)
{
    play_init(play, text, 2);
    play_grant(play, grants, all, ARRAY_LEN(all));
}

/* ---- the choice ---- */

static const char *chosen(struct play *play)
{
    play->x[0] = 0.95;
    play_on(play, 6);
    return last_of(play, RECORD_CHOSEN)->text;
}

static void the_likelier_plan_is_chosen_and_the_others_are_said(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("", "plan a effect 60% { try cordon(w)" VERIFY "else page oncall }"
                    "plan b effect 80% { try limit(w)" VERIFY "else page oncall }"));
    assert_string_equal(chosen(&play), "plan b: effect 80%, risk low; a: effect 60%, risk low");
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "limit");
    world_release(&play.world);
}

static void risk_takes_away_from_a_plan(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("", "plan a effect 80% { try fix(w)" VERIFY "else page oncall }"
                    "plan b effect 60% { try limit(w)" VERIFY "else page oncall }"));
    assert_string_equal(chosen(&play), "plan b: effect 60%, risk low; a: effect 80%, risk high");
    world_release(&play.world);
    begin(&play, grants,
          HEALS("", "plan a effect 80% risk medium { try fix(w)" VERIFY "else page oncall }"
                    "plan b effect 60% { try limit(w)" VERIFY "else page oncall }"));
    assert_memory_equal(chosen(&play), "plan a: ", 8);
    world_release(&play.world);
}

static void of_equal_plans_the_first_is_chosen(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("", "plan a effect 70.2% { try cordon(w)" VERIFY "else page oncall }"
                    "plan b effect 70.4% { try limit(w)" VERIFY "else page oncall }"));
    assert_memory_equal(chosen(&play), "plan a: ", 8);
    world_release(&play.world);
}

static void of_equal_plans_the_cheaper_is_chosen(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("", "plan a effect 70% { try cordon(w)" VERIFY "else page oncall }"
                    "plan b effect 70% { try dear(w)" VERIFY "else page oncall }"));
    assert_memory_equal(chosen(&play), "plan a: effect 70%, risk low; b: ", 33);
    world_release(&play.world);
    begin(&play, grants,
          HEALS("", "plan a effect 70% { try dear(w)" VERIFY "else page oncall }"
                    "plan b effect 70% { try limit(w)" VERIFY "else page oncall }"));
    assert_string_equal(chosen(&play),
                        "plan b: effect 70%, risk low; a: effect 70%, risk low, cost 3 usd");
    world_release(&play.world);
}

static void a_plan_that_would_be_refused_is_passed_over(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("", "plan a effect 60% { try cordon(w)" VERIFY "else page oncall }"
                    "plan b effect 90% { try limit(w)" VERIFY "else page oncall }"));
    play.world.host.grant_count = 3; /* without limit */
    assert_non_null(strstr(chosen(&play), "; b: effect 90%, risk low, refused: no grant"));
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "cordon");
    world_release(&play.world);
}

static void the_choice_holds_over_restarts_and_a_relapse_chooses_anew(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("", "plan a effect 60% { try cordon(w)" VERIFY "else page oncall }"
                    "plan b effect 80% risk low { try limit(w)" VERIFY "then fix(w)" VERIFY
                    "else page oncall }"));
    chosen(&play);
    world_restart(&play.world);
    play.has_pending = false;
    play_on(&play, 30);
    assert_int_equal(count_of(&play, RECORD_CHOSEN), 1);
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "fix");
    assert_int_equal(count_of(&play, RECORD_UNDONE), 1);
    world_release(&play.world);

    begin(&play, grants,
          HEALS("", "plan a effect 60% { try cordon(w)" VERIFY "else page oncall }"
                    "plan b effect 80% { try limit(w)" VERIFY "else page oncall }"));
    play.x[0] = 0.95;
    for (int i = 0; i < 30; i++) {
        play_step(&play, NULL);
        play.x[0] = count_of(&play, RECORD_VERIFIED) == 1 ? 0.95 : play.dispatched > 0 ? 0.4 : 0.95;
    }
    assert_true(count_of(&play, RECORD_CHOSEN) >= 2);
    world_release(&play.world);
}

/* ---- what the past says ---- */

/* One incident of entity 0 from its trigger until it is closed or held. */
static void live_through(struct play *play, bool helps)
{
    const size_t opened = count_of(play, RECORD_OPENED);
    play->helps = helps;
    play->x[0] = 0.95;
    while (count_of(play, RECORD_OPENED) == opened) {
        play_step(play, NULL);
    }
    play_on(play, 14);
    play->helps = false;
    play->x[0] = 0.2;
    play_on(play, 10);
    assert_int_equal(engine_incident_count(play->world.engine), 0);
}

/* Twice in a row without use, a person is asked: the target is another one each time. */
static void what_came_of_a_plan_changes_the_choice_and_restarts_forget_nothing(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("", "plan a effect 55% { try cordon(w)" VERIFY "else page oncall }"
                    "plan b effect 60% { try limit(w)" VERIFY "else page oncall }"));
    live_through(&play, false);
    assert_memory_equal(last_of(&play, RECORD_CHOSEN)->text, "plan b: effect 60%,", 19);
    live_through(&play, true);
    assert_string_equal(last_of(&play, RECORD_CHOSEN)->text,
                        "plan a: effect 55%, risk low; b: effect 40% (0 of 1 helped), risk low");
    world_restart(&play.world);
    play.has_pending = false;
    play_on(&play, 2);
    live_through(&play, true);
    assert_string_equal(
        last_of(&play, RECORD_CHOSEN)->text,
        "plan a: effect 70% (1 of 1 helped), risk low; b: effect 40% (0 of 1 helped), risk low");
    world_release(&play.world);
}

static void what_is_unprecedented_is_left_to_a_person(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("  signal seen = x\n  escalate to oncall when unprecedented\n",
                "try cordon(w)" VERIFY "else page oncall"));
    for (int i = 0; i < 5; i++) { /* until there are enough of them */
        live_through(&play, true);
        assert_int_equal(play.dispatched, 0);
        assert_non_null(strstr(last_of(&play, RECORD_ESCALATED)->text, "unprecedented: "));
    }
    world_restart(&play.world);
    play_on(&play, 2);
    live_through(&play, true);
    assert_int_equal(play.dispatched, 1); /* like those before */
    play.x[0] = 7;
    play_on(&play, 8);
    assert_int_equal(play.dispatched, 1);
    assert_non_null(strstr(last_of(&play, RECORD_ESCALATED)->text, "unprecedented: seen = "));
    world_release(&play.world);
}

/* ---- resolved when ---- */

static void resolved_when_ends_the_ladder_early(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("  resolved when x < 70%\n",
                "try cordon(w)" VERIFY "then fix(w)" VERIFY "else page oncall"));
    play.x[0] = 0.95;
    play_on(&play, 4);
    assert_int_equal(play.dispatched, 1);
    play.x[0] = 0.6; /* better, but never what verify asks for */
    play_on(&play, 20);
    assert_int_equal(play.dispatched, 1);
    assert_int_equal(count_of(&play, RECORD_RESOLVED), 1);
    assert_int_equal(count_of(&play, RECORD_VERIFIED), 0);
    assert_int_equal(count_of(&play, RECORD_UNVERIFIED), 0);
    assert_int_equal(count_of(&play, RECORD_CLOSED), 0); /* 60% is not clear */
    assert_string_equal(engine_incident(play.world.engine, 0).state, "recovered");
    world_restart(&play.world);
    play_on(&play, 5);
    assert_string_equal(engine_incident(play.world.engine, 0).state, "recovered");
    play.x[0] = 0.2;
    play_on(&play, 5);
    assert_int_equal(count_of(&play, RECORD_CLOSED), 1);
    world_release(&play.world);
}

static void an_unseen_resolved_resolves_nothing(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("  resolved when y < 70% or x < 60%\n", "try cordon(w)" VERIFY "else page oncall"));
    play.x[0] = 0.95;
    play_on(&play, 4);
    play.x[0] = NAN;
    play_on(&play, 3);
    assert_int_equal(count_of(&play, RECORD_RESOLVED), 0);
    world_release(&play.world);
}

/* ---- abort when ---- */

#define TWO_STEPS                   \
    HEALS("  abort when x > 99%\n", \
          "try cordon(w)" VERIFY "then limit(w)" VERIFY "else page oncall")

static void make_worse(struct play *play)
{
    play->x[0] = 0.95;
    play_on(play, 4);
    assert_string_equal(last_of(play, RECORD_DISPATCHED)->action, "cordon");
    play->x[0] = 1;
}

static void abort_takes_back_what_was_done_and_looks_whether_it_helped(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants, TWO_STEPS);
    make_worse(&play);
    while (count_of(&play, RECORD_ABORTED) == 0) {
        play_step(&play, NULL);
        assert_true(count_of(&play, RECORD_UNVERIFIED) == 0);
    }
    play_on(&play, 1);
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "uncordon");
    play.x[0] = 0.95; /* undone, it is as bad as before and no worse */
    play_on(&play, 6);
    assert_int_equal(count_of(&play, RECORD_UNDONE), 1);
    assert_int_equal(count_of(&play, RECORD_ROLLED_BACK), 1);
    assert_non_null(strstr(last_of(&play, RECORD_ESCALATED)->text,
                           "aborted: x > 99%; what was done is taken back"));
    play_on(&play, 30); /* a person has it: nothing more is tried */
    assert_int_equal(play.dispatched, 2);
    assert_string_equal(engine_incident(play.world.engine, 0).state, "held");
    world_release(&play.world);
}

static void a_rollback_that_does_not_help_is_said(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants, TWO_STEPS);
    make_worse(&play);
    play_on(&play, 20);
    assert_int_equal(count_of(&play, RECORD_ROLLED_BACK), 0);
    assert_non_null(strstr(last_of(&play, RECORD_ESCALATED)->text, "that did not end it"));
    world_release(&play.world);
}

/* Recovered by one act, hurt by a second one after a relapse: both are taken back, newest first. */
static void what_was_done_is_taken_back_newest_first(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("  abort when x > 99%\n",
                "plan a effect 60% { try cordon(w)" VERIFY "else page oncall }"
                "plan b effect 80% { try limit(w)" VERIFY "else page oncall }"));
    play.x[0] = 0.95;
    play_on(&play, 4);
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "limit");
    play.x[0] = 0.4;
    while (count_of(&play, RECORD_VERIFIED) == 0) {
        play_step(&play, NULL);
    }
    play.x[0] = 0.95;                /* a relapse */
    play.world.host.grant_count = 3; /* limit is not granted any more: plan a */
    while (count_of(&play, RECORD_CHOSEN) < 2) {
        play_step(&play, NULL);
    }
    play.world.host.grant_count = 6;
    while (play.dispatched < 2) {
        play_step(&play, NULL);
    }
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "cordon");
    play.x[0] = 1;
    const size_t before = play.dispatched;
    while (play.dispatched < before + 1) {
        play_step(&play, NULL);
    }
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "uncordon");
    while (play.dispatched < before + 2) {
        play_step(&play, NULL);
    }
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "unlimit");
    play.x[0] = 0.95;
    play_on(&play, 6);
    assert_int_equal(count_of(&play, RECORD_ROLLED_BACK), 1);
    assert_memory_equal(last_of(&play, RECORD_ROLLED_BACK)->text, "2 taken back", 12);
    world_release(&play.world);
}

/* kill -9 at every second of a rollback: each act is dispatched once, and all is taken back. */
static void a_rollback_survives_a_crash_at_any_second(void **state)
{
    (void)state;
    for (int at = 0; at < 16; at++) {
        struct play play;
        struct engine_grant grants[6];
        begin(&play, grants, TWO_STEPS);
        make_worse(&play);
        for (int i = 0; i < 40; i++) {
            if (i == at) {
                world_restart(&play.world);
            }
            play_step(&play, NULL);
            play.x[0] = count_of(&play, RECORD_UNDONE) > 0 ? 0.95 : 1;
        }
        size_t undone = 0;
        for (size_t i = 0; i < play.world.record_count; i++) {
            const struct record *record = &play.world.records[i];
            undone += record->kind == RECORD_DISPATCHED && strcmp(record->action, "uncordon") == 0;
        }
        assert_int_equal(undone, 1);
        assert_int_equal(count_of(&play, RECORD_UNDONE), 1);
        assert_string_equal(engine_incident(play.world.engine, 0).state, "held");
        world_release(&play.world);
    }
}

static void an_act_without_an_undo_is_named_and_left(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants,
          HEALS("  abort when x > 99%\n",
                "try fix(w)" VERIFY "then cordon(w)" VERIFY "else page oncall"));
    play.x[0] = 0.95;
    play_on(&play, 4);
    play.x[0] = 1;
    play_on(&play, 12);
    assert_string_equal(last_of(&play, RECORD_REFUSED)->text, "fix cannot be taken back");
    assert_non_null(strstr(last_of(&play, RECORD_ESCALATED)->text, "nothing that was done"));
    assert_int_equal(play.dispatched, 1);
    world_release(&play.world);
}

/* fix did not help, and was judged; cordon is only asked about when it is aborted: twice over that
 * is two judgments, too few to take the mode away. */
static void an_abort_does_not_judge_what_was_judged_or_only_planned(void **state)
{
    (void)state;
    for (int restarted = 0; restarted < 2; restarted++) {
        struct play play;
        struct engine_grant grants[6];
        begin(&play, grants,
              HEALS("  abort when x > 99%\n",
                    "try fix(w)" VERIFY "then cordon(w) approve by oncall within 1m" VERIFY
                    "else page oncall"));
        for (size_t round = 1; round <= 2; round++) {
            play.x[0] = 0.95;
            while (count_of(&play, RECORD_ASKED) < round) {
                play_step(&play, NULL);
            }
            play.x[0] = 1;
            play_on(&play, 6);
            assert_int_equal(count_of(&play, RECORD_ABORTED), round);
            play.x[0] = 0.2;
            play_on(&play, 20);
            if (restarted) {
                world_restart(&play.world);
            }
        }
        play_on(&play, 3);
        assert_int_equal(play.dispatched, 2);
        assert_int_equal(count_of(&play, RECORD_DEMOTED), 0);
        world_release(&play.world);
    }
}

static void a_stopped_rollback_goes_on_when_heal_is_started(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants, TWO_STEPS);
    make_worse(&play);
    play_step(&play, &(struct input){.kind = INPUT_STOP, .who = "ann"});
    play_on(&play, 20);
    assert_int_equal(play.dispatched, 1);
    play_step(&play, &(struct input){.kind = INPUT_START, .who = "ann"});
    play_on(&play, 3);
    assert_string_equal(last_of(&play, RECORD_DISPATCHED)->action, "uncordon");
    world_release(&play.world);
}

/* ---- settle ---- */

static void nothing_opens_before_a_policy_has_settled(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants, HEALS("  settle 30s\n", "try cordon(w)" VERIFY "else page oncall"));
    play.x[0] = 0.95;
    play_on(&play, 30);
    assert_int_equal(count_of(&play, RECORD_OPENED), 0);
    play_on(&play, 4);
    assert_int_equal(count_of(&play, RECORD_OPENED), 1);
    world_release(&play.world);
}

static void a_target_settles_after_an_act(void **state)
{
    (void)state;
    struct play play;
    struct engine_grant grants[6];
    begin(&play, grants, HEALS("  settle 20s\n", "try cordon(w)" VERIFY "else page oncall"));
    play.helps = true;
    play_on(&play, 20);
    play.x[0] = 0.95;
    play_on(&play, 12);
    assert_int_equal(count_of(&play, RECORD_CLOSED), 1);
    const double acted = play.last_dispatch;
    play.helps = false;
    play.x[0] = 0.95;
    while (count_of(&play, RECORD_OPENED) < 2) {
        play_step(&play, NULL);
    }
    const double after = duration_to_seconds(instant_sub(play.world.now, play.began)) - acted;
    assert_true(after >= 20 && after <= 24);
    world_release(&play.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_likelier_plan_is_chosen_and_the_others_are_said),
        cmocka_unit_test(risk_takes_away_from_a_plan),
        cmocka_unit_test(of_equal_plans_the_first_is_chosen),
        cmocka_unit_test(of_equal_plans_the_cheaper_is_chosen),
        cmocka_unit_test(a_plan_that_would_be_refused_is_passed_over),
        cmocka_unit_test(the_choice_holds_over_restarts_and_a_relapse_chooses_anew),
        cmocka_unit_test(what_came_of_a_plan_changes_the_choice_and_restarts_forget_nothing),
        cmocka_unit_test(what_is_unprecedented_is_left_to_a_person),
        cmocka_unit_test(resolved_when_ends_the_ladder_early),
        cmocka_unit_test(an_unseen_resolved_resolves_nothing),
        cmocka_unit_test(abort_takes_back_what_was_done_and_looks_whether_it_helped),
        cmocka_unit_test(a_rollback_that_does_not_help_is_said),
        cmocka_unit_test(what_was_done_is_taken_back_newest_first),
        cmocka_unit_test(a_rollback_survives_a_crash_at_any_second),
        cmocka_unit_test(an_act_without_an_undo_is_named_and_left),
        cmocka_unit_test(an_abort_does_not_judge_what_was_judged_or_only_planned),
        cmocka_unit_test(a_stopped_rollback_goes_on_when_heal_is_started),
        cmocka_unit_test(nothing_opens_before_a_policy_has_settled),
        cmocka_unit_test(a_target_settles_after_an_act),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
