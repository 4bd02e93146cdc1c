/* Which cause is chosen, how sure heal is of it, and that only its ladder is climbed. */
#include <stdio.h>
#include <string.h>

#include "tests/engine/world.h"
#include "tests/unit.h"

#define HEAD                                                                         \
    "edition 1\n"                                                                    \
    "metric x ratio by (w)\n"                                                        \
    "metric up ratio by (w)\n"                                                       \
    "pool ws(w) = up ready up == 1\n"                                                \
    "channel oncall = log\n"                                                         \
    "action fix(t: w) { via exec affects t.x within 2s irreversible timeout 3s }\n"  \
    "action cool(t: w) { via exec affects t.x within 2s irreversible timeout 3s }\n" \
    "action last(t: w) { via exec affects t.x within 2s irreversible timeout 3s }\n"

#define RUNG(word, action) word " " action "(w) verify x < 50% holds 1s within 3s\n"

/* The causes, then the ladders, then what else the policy has. */
#define POLICY(causes, heals, rest)                                                         \
    HEAD "policy high for each w in ws every 1s {\n"                                        \
         "  when x > 90% for 2s\n"                                                          \
         "  clear when x < 50% for 2s\n"                                                    \
         "  on missing hold\n"                                                              \
         "  on stale > 1m notify oncall\n" causes heals "  bound at most 10 of ws per 1m\n" \
         "  cooldown 20s\n" rest "}\n"

#define LADDERS                                     \
    "heal hot { " RUNG("try", "cool")               \
        RUNG("then", "last") "else page oncall }\n" \
                             "heal { " RUNG("try", "fix") "else page oncall }\n"

struct play {
    struct world world;
    struct engine_grant grants[3];
    double x;
    enum outcome outcome;
    bool restless; /* rises again before each step, once something is open */
    struct input pending;
    bool has_pending;
    char acts[200]; /* names of what was dispatched, in order */
};

static void play_init(struct play *play, const char *text, bool restless)
{
    static const char *const actions[] = {"fix", "cool", "last"};
    memset(play, 0, sizeof *play);
    world_init(&play->world, text, 1);
    play->outcome = OUTCOME_FAILED;
    play->restless = restless;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        play->grants[i] = play->world.grant;
        play->grants[i].action = actions[i];
    }
    play->world.host.grants = play->grants;
    play->world.host.grant_count = ARRAY_LEN(actions);
    play->x = 0.2;
    world_step(&play->world, &play->x, NULL, NULL, 0);
}

static void play_on(struct play *play, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        if (play->restless && world_count(&play->world, RECORD_OPENED) > 0) {
            world_restart(&play->world);
        }
        world_step(&play->world, &play->x, NULL, play->has_pending ? &play->pending : NULL,
                   play->has_pending);
        play->has_pending = false;
        for (size_t k = 0; k < play->world.effects.count; k++) {
            const struct effect *effect = &play->world.effects.items[k];
            if (effect->kind == EFFECT_DISPATCH || effect->kind == EFFECT_PROBE) {
                play->pending = (struct input){.kind = INPUT_RESULT,
                                               .id = effect->id,
                                               .outcome = play->outcome,
                                               .ended = play->world.now,
                                               .text = ""};
                play->has_pending = true;
            }
            if (effect->kind == EFFECT_RECORD && effect->record.kind == RECORD_DISPATCHED) {
                const size_t used = strlen(play->acts);
                snprintf(play->acts + used, sizeof play->acts - used, "%s ", effect->record.action);
            }
        }
    }
}

/* The newest record of the kind whose text begins so; NULL: there is none. */
static const char *said(const struct play *play, enum record_kind kind, const char *begin)
{
    for (size_t i = play->world.record_count; i > 0; i--) {
        const struct record *record = &play->world.records[i - 1];
        if (record->kind == kind && strncmp(record->text, begin, strlen(begin)) == 0) {
            return record->text;
        }
    }
    return NULL;
}

static void assert_concluded(const struct play *play, const char *text)
{
    const char *is = said(play, RECORD_CONCLUDED, "cause ");
    assert_string_equal(is ? is : "nothing", text);
}

static void the_ladder_of_the_cause_is_climbed_and_no_other(void **state)
{
    (void)state;
    for (int restless = 0; restless < 2; restless++) {
        struct play play;
        play_init(&play, POLICY("cause hot when x > 95%\ncause rest otherwise\n", LADDERS, ""),
                  restless);
        play.x = 0.97;
        play_on(&play, 60);
        assert_string_equal(play.acts, "cool last ");
        assert_non_null(said(&play, RECORD_CONCLUDED, "cause hot, 100% sure: hot 100%; rest no"));
        assert_int_equal(world_count(&play.world, RECORD_ESCALATED), 1);
        world_release(&play.world);
    }
}

static void otherwise_is_what_is_left(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, POLICY("cause hot when x > 95%\ncause rest otherwise\n", LADDERS, ""), false);
    play.x = 0.92;
    play_on(&play, 30);
    assert_string_equal(play.acts, "fix ");
    assert_concluded(&play, "cause rest, 100% sure: hot no; rest 100%");
    world_release(&play.world);
}

/* hot: 0.2 x 4 = 0.8; warm: 0.6 / 3 = 0.2; the third cause has the 0.2 that is left, and is false.
 */
static void evidence_counts_for_and_against(void **state)
{
    (void)state;
    struct play play;
    play_init(&play,
              POLICY("cause warm prior 60% when x > 91%\nagainst x > 94%\n"
                     "cause hot prior 20% when x > 93%\nevidence x > 95% times 4\n"
                     "evidence x > 99% times 100\ncause never when x > 200%\n",
                     LADDERS, "escalate to oncall when confidence < 70%\n"),
              false);
    play.x = 0.97;
    play_on(&play, 8);
    assert_string_equal(play.acts, "cool last ");
    assert_concluded(&play, "cause hot, 80% sure: warm 20%, against it x > 94%; hot 80%, for it "
                            "x > 95%; never no");
    world_release(&play.world);
}

static void nothing_is_done_where_heal_is_not_sure(void **state)
{
    (void)state;
    struct play play;
    play_init(&play,
              POLICY("cause hot when x > 91%\ncause warm when x > 92%\n", LADDERS,
                     "escalate to oncall when confidence < 70%\n"),
              false);
    play.x = 0.97;
    play_on(&play, 20);
    assert_string_equal(play.acts, "");
    assert_concluded(&play, "cause hot, 50% sure: hot 50%; warm 50%");
    assert_non_null(
        said(&play, RECORD_ESCALATED, "not sure of the cause: hot 50%, and 70% is asked for"));
    assert_int_equal(world_count(&play.world, RECORD_ESCALATED), 1);
    world_release(&play.world);
}

/* x / 0 is infinite, and tells nothing. */
static void a_cause_that_cannot_be_seen_is_not_chosen(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, POLICY("cause hot when x / 0 > 1\ncause rest otherwise\n", LADDERS, ""),
              false);
    play.x = 0.97;
    play_on(&play, 20);
    assert_string_equal(play.acts, "");
    assert_non_null(said(&play, RECORD_CONCLUDED, "no cause: hot not seen, perhaps 100%; rest no"));
    assert_non_null(said(&play, RECORD_ESCALATED, "the cause cannot be seen"));
    world_release(&play.world);
}

static void an_unseen_cause_takes_away_from_the_others(void **state)
{
    (void)state;
    struct play play;
    play_init(&play,
              POLICY("cause odd prior 25% when x / 0 > 1\ncause hot when x > 95%\n", LADDERS, ""),
              false);
    play.x = 0.97;
    play_on(&play, 8);
    assert_string_equal(play.acts, "cool last ");
    assert_concluded(&play, "cause hot, 75% sure: odd not seen, perhaps 25%; hot 75%");
    world_release(&play.world);
}

static void without_a_true_cause_a_person_is_told(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, POLICY("cause hot when x > 95%\ncause warm when x > 94%\n", LADDERS, ""),
              false);
    play.x = 0.92;
    play_on(&play, 20);
    assert_string_equal(play.acts, "");
    assert_non_null(said(&play, RECORD_ESCALATED, "none of the causes is true"));
    world_release(&play.world);
}

/* Recovered, and before it was clear the trigger is there again, of another cause. */
static void a_relapse_is_judged_anew(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, POLICY("cause hot when x > 95%\ncause rest otherwise\n", LADDERS, ""), false);
    play.outcome = OUTCOME_SUCCEEDED;
    play.x = 0.97;
    play_on(&play, 4);
    assert_string_equal(play.acts, "cool ");
    play.x = 0.3;
    while (world_count(&play.world, RECORD_VERIFIED) == 0) {
        play_on(&play, 1);
    }
    play.x = 0.92;
    play_on(&play, 20);
    assert_string_equal(play.acts, "cool fix ");
    assert_concluded(&play, "cause rest, 100% sure: hot no; rest 100%");
    world_release(&play.world);
}

/* The cooldown is that of every ladder, wherever it stands in the policy. */
static void the_cooldown_holds_for_each_ladder(void **state)
{
    (void)state;
    static const char *const policies[] = {
        POLICY("cause hot when x > 95%\ncause rest otherwise\n", LADDERS, ""),
        POLICY("cause rest when x < 95%\ncause hot otherwise\n", LADDERS, ""),
        POLICY(
            "cause hot when x > 95%\ncause rest otherwise\n",
            "heal { " RUNG("try", "fix") "else page oncall }\n"
                                         "heal hot { " RUNG("try", "cool") "else page oncall }\n",
            "")};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct play play;
        play_init(&play, policies[i], false);
        play.outcome = OUTCOME_SUCCEEDED;
        play.x = 0.97;
        play_on(&play, 4);
        assert_string_equal(play.acts, "cool ");
        play.x = 0.3;
        while (world_count(&play.world, RECORD_CLOSED) == 0) {
            play_on(&play, 1);
        }
        play.x = 0.97;
        play_on(&play, 30);
        const struct record *acts[8];
        size_t count = 0;
        const struct record *verified = NULL;
        for (size_t k = 0; k < play.world.record_count; k++) {
            const struct record *record = &play.world.records[k];
            verified = !verified && record->kind == RECORD_VERIFIED ? record : verified;
            if (record->kind == RECORD_DISPATCHED && count < ARRAY_LEN(acts)) {
                acts[count++] = record;
            }
        }
        assert_true(count >= 2 && verified);
        assert_true(acts[1]->time.ns - verified->time.ns >= 20 * NS_PER_S);
        world_release(&play.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ladder_of_the_cause_is_climbed_and_no_other),
        cmocka_unit_test(otherwise_is_what_is_left),
        cmocka_unit_test(evidence_counts_for_and_against),
        cmocka_unit_test(nothing_is_done_where_heal_is_not_sure),
        cmocka_unit_test(a_cause_that_cannot_be_seen_is_not_chosen),
        cmocka_unit_test(an_unseen_cause_takes_away_from_the_others),
        cmocka_unit_test(without_a_true_cause_a_person_is_told),
        cmocka_unit_test(a_relapse_is_judged_anew),
        cmocka_unit_test(the_cooldown_holds_for_each_ladder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
