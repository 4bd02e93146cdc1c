/* Modes: lost by acts that do not help, given back by a person, never above what the host gives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/world.h"
#include "tests/unit.h"

static const char text[] =
    "edition 1\n"
    "metric x ratio by (w)\n"
    "metric up ratio by (w)\n"
    "pool ws(w) = up ready up == 1\n"
    "channel oncall = log\n"
    "action fix(t: w) { via exec affects t.x within 1s irreversible timeout 3s }\n"
    "policy high for each w in ws every 1s {\n"
    "  when x > 90% for 0s\n"
    "  clear when x < 50% for 0s\n"
    "  on missing hold\n"
    "  on stale > 1m notify oncall\n"
    "  heal { try fix(w) verify x < 50% holds 1s within 2s else page oncall }\n"
    "  bound at most 1000000 of ws per 1s\n"
    "  cooldown 1s\n"
    "}\n";

enum { ENTITIES = 6 };

struct play {
    struct world world;
    double x[ENTITIES];
    struct input results[ENTITIES];
    size_t result_count;
    unsigned seed, bad_percent;
};

static unsigned pick(struct play *play, unsigned below)
{
    return (unsigned)rand_r(&play->seed) % below;
}

static void start(struct play *play, unsigned seed)
{
    memset(play, 0, sizeof *play);
    play->seed = seed;
    play->bad_percent = 50;
    world_init(&play->world, text, ENTITIES);
    for (size_t i = 0; i < ENTITIES; i++) {
        play->x[i] = 0.2;
    }
}

static bool has_incident(const struct play *play, size_t entity)
{
    for (size_t i = 0; i < engine_incident_count(play->world.engine); i++) {
        if (strcmp(engine_incident(play->world.engine, i).target, play->world.targets[entity]) ==
            0) {
            return true;
        }
    }
    return false;
}

/* One second: each act fails, or ends and heals its target or does not; a person approves what is
 * asked. */
static void step(struct play *play, const struct input *word)
{
    struct input inputs[3 * ENTITIES];
    size_t count = 0;
    for (size_t i = 0; i < play->result_count; i++) {
        inputs[count++] = play->results[i];
    }
    for (size_t i = 0; i < engine_incident_count(play->world.engine); i++) {
        const struct incident_view view = engine_incident(play->world.engine, i);
        if (view.plan[0] != '\0' && count + 1 < ARRAY_LEN(inputs)) {
            inputs[count++] =
                (struct input){.kind = INPUT_APPROVE, .id = view.id, .who = "ann", .uid = 1001};
        }
    }
    if (word) {
        inputs[count++] = *word;
    }
    world_step(&play->world, play->x, NULL, inputs, count);
    play->result_count = 0;
    for (size_t i = 0; i < play->world.effects.count; i++) {
        const struct effect *effect = &play->world.effects.items[i];
        if (effect->kind != EFFECT_DISPATCH) {
            continue;
        }
        const bool bad = pick(play, 100) < play->bad_percent;
        play->results[play->result_count++] =
            (struct input){.kind = INPUT_RESULT,
                           .id = effect->id,
                           .outcome = bad && pick(play, 2) ? OUTCOME_FAILED : OUTCOME_SUCCEEDED,
                           .ended = play->world.now};
        if (!bad) {
            play->x[effect->target] = 0.1;
        }
    }
    for (size_t i = 0; i < ENTITIES;
         i++) { /* what is well falls ill; what is ill gets well by and by */
        play->x[i] = !has_incident(play, i) ? (pick(play, 4) == 0 ? 0.95 : 0.1)
                     : pick(play, 8) == 0   ? 0.1
                                            : play->x[i];
    }
}

static struct input mode_word(enum mode mode, const char *why)
{
    return (struct input){
        .kind = INPUT_MODE, .policy = "high", .mode = mode, .who = "ann", .uid = 1001, .text = why};
}

static enum mode mode_now(const struct play *play)
{
    return engine_policy(play->world.engine, 0).mode;
}

static const struct record *last(const struct world *world, enum record_kind kind)
{
    for (size_t i = world->record_count; i > 0; i--) {
        if (world->records[i - 1].kind == kind) {
            return &world->records[i - 1];
        }
    }
    fail_msg("no record %s", record_infos[kind].text);
    return NULL;
}

/* The rule, read from the records alone: the modes that the outcomes of this step leave. */
struct rule {
    unsigned window[5], judged;
    enum mode mode;
    size_t steps_down;
};

static void rule_judge(struct rule *rule, bool bad, bool *due)
{
    unsigned sum = 0;
    memmove(rule->window + 1, rule->window, 4 * sizeof rule->window[0]);
    rule->window[0] = bad;
    for (size_t i = 0; i < 5; i++) {
        sum += rule->window[i];
    }
    if (sum >= 3) {
        *due = true;
        memset(rule->window, 0, sizeof rule->window);
    }
}

/* word: a person's that counts; NULL: none. A word is heard where its record stands, and the count
 * begins anew with it. */
static void rule_follow(struct rule *rule, const struct world *world, size_t from,
                        const struct input *word)
{
    bool due = false;
    size_t heard = 0;
    for (size_t i = from; i < world->record_count; i++) {
        const enum record_kind kind = world->records[i].kind;
        if ((kind == RECORD_PROMOTED || kind == RECORD_DEMOTED) &&
            strncmp(world->records[i].text, "by ann: ", 8) == 0) {
            assert_non_null(word);
            rule->mode = word->mode;
            memset(rule->window, 0, sizeof rule->window);
            due = false;
            heard++;
        }
        if (kind == RECORD_VERIFIED || kind == RECORD_UNVERIFIED || kind == RECORD_FAILED) {
            rule_judge(rule, kind != RECORD_VERIFIED, &due);
            rule->judged++;
        }
    }
    assert_int_equal(heard, word != NULL);
    if (due && rule->mode > MODE_SHADOW) {
        rule->mode--;
        rule->steps_down++;
    }
}

static void of_five_judged_acts_three_that_did_not_help_cost_one_mode(void **state)
{
    (void)state;
    struct play play;
    start(&play, 1);
    play.bad_percent = 100;
    while (world_count(&play.world, RECORD_DEMOTED) < 2) {
        step(&play, NULL);
    }
    assert_int_equal(mode_now(&play), MODE_SHADOW);
    const struct record *record = last(&play.world, RECORD_DEMOTED);
    assert_string_equal(record->action, "shadow");
    assert_string_equal(
        record->text, "of the last 5 judged actions 3 failed or were not verified: ask -> shadow");
    assert_string_equal(engine_policy(play.world.engine, 0).mode_why, record->text);
    const struct effect *page = NULL;
    for (size_t i = 0; i < play.world.effects.count; i++) {
        if (play.world.effects.items[i].kind == EFFECT_NOTIFY &&
            play.world.effects.items[i].record.kind == RECORD_DEMOTED) {
            page = &play.world.effects.items[i];
        }
    }
    assert_non_null(page);
    assert_string_equal(page->channel, "oncall");
    const size_t acts = world_count(&play.world, RECORD_DISPATCHED);
    for (int i = 0; i < 50; i++) {
        step(&play, NULL);
    }
    assert_int_equal(world_count(&play.world, RECORD_DISPATCHED), acts);
    world_release(&play.world);
}

static void acts_that_help_cost_nothing(void **state)
{
    (void)state;
    struct play play;
    start(&play, 2);
    play.bad_percent = 0;
    while (world_count(&play.world, RECORD_VERIFIED) < 100) {
        step(&play, NULL);
    }
    assert_int_equal(world_count(&play.world, RECORD_DEMOTED), 0);
    assert_int_equal(mode_now(&play), MODE_ACT);
    world_release(&play.world);
}

static void only_a_person_with_a_reason_gives_a_mode_back_and_never_more_than_the_host(void **state)
{
    (void)state;
    struct play play;
    char why[TEXT_BYTES];
    start(&play, 3);
    play.world.host.default_mode = MODE_ASK;
    world_reload(&play.world);
    step(&play, NULL);
    struct input word = mode_word(MODE_SHADOW, "");
    assert_false(engine_may_set_mode(play.world.engine, &word, why, sizeof why));
    assert_non_null(strstr(why, "needs a reason"));
    word = mode_word(MODE_ACT, "I want it");
    assert_false(engine_may_set_mode(play.world.engine, &word, why, sizeof why));
    assert_string_equal(why, "heald.yaml gives policy high mode ask, and nothing above it");
    step(&play, &word);
    assert_int_equal(mode_now(&play), MODE_ASK);
    assert_non_null(strstr(last(&play.world, RECORD_REFUSED)->text, "mode act by ann: heald.yaml"));
    word.policy = "low";
    assert_false(engine_may_set_mode(play.world.engine, &word, why, sizeof why));
    word = mode_word(MODE_SHADOW, "a quiet night");
    step(&play, &word);
    assert_int_equal(mode_now(&play), MODE_SHADOW);
    assert_string_equal(last(&play.world, RECORD_DEMOTED)->text,
                        "by ann: a quiet night: ask -> shadow");
    word = mode_word(MODE_ASK, "morning");
    step(&play, &word);
    assert_int_equal(mode_now(&play), MODE_ASK);
    assert_string_equal(last(&play.world, RECORD_PROMOTED)->action, "ask");
    world_release(&play.world);
}

static void the_page_of_a_demotion_is_sent_until_it_is_delivered_also_over_a_restart(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct play play;
        start(&play, 4);
        play.bad_percent = 100;
        while (world_count(&play.world, RECORD_DEMOTED) == 0) {
            step(&play, NULL);
        }
        uint64_t id = 0;
        for (size_t i = 0; i < play.world.effects.count; i++) {
            const struct effect *effect = &play.world.effects.items[i];
            id = effect->kind == EFFECT_NOTIFY && effect->record.kind == RECORD_DEMOTED ? effect->id
                                                                                        : id;
        }
        if (told) {
            step(&play, &(struct input){.kind = INPUT_NOTIFIED, .id = id, .delivered = true});
        }
        play.result_count = 0;
        world_restart(&play.world);
        step(&play, NULL);
        size_t again = 0;
        for (size_t i = 0; i < play.world.effects.count; i++) {
            again += play.world.effects.items[i].kind == EFFECT_NOTIFY &&
                     play.world.effects.items[i].record.kind == RECORD_DEMOTED;
        }
        assert_int_equal(again, !told);
        world_release(&play.world);
    }
}

/* Random outcomes, words, restarts and reloads: the mode is what the rule says, and it never grows
 * but by a word. */
static void the_mode_follows_the_rule_over_random_outcomes_words_and_restarts(void **state)
{
    (void)state;
    size_t down = 0, judged = 0, restarts = 0;
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct play play;
        struct rule rule = {.mode = MODE_ACT};
        start(&play, seed);
        play.bad_percent = 20 + pick(&play, 60);
        enum mode ceiling = MODE_ACT, given = MODE_ACT; /* given: by the last word or demotion */
        for (int t = 0; t < 400; t++) {
            const size_t from = play.world.record_count;
            const unsigned what = pick(&play, 60);
            struct input word = mode_word((enum mode)pick(&play, 3), "because");
            const bool says = what < 4;
            if (what == 4) {
                play.result_count = 0;
                world_restart(&play.world);
                restarts++;
            } else if (what == 5) {
                ceiling = (enum mode)pick(&play, 3);
                play.world.host.default_mode = ceiling;
                world_reload(&play.world);
                play.world.records[play.world.record_count++] =
                    (struct record){.kind = RECORD_LOADED,
                                    .time = instant_add(play.world.now, (struct duration){1})};
            }
            rule.mode = given < ceiling ? given : ceiling;
            assert_int_equal(mode_now(&play), rule.mode);
            const bool counts = says && word.mode <= ceiling && word.mode != rule.mode;
            step(&play, says ? &word : NULL);
            const size_t steps_down = rule.steps_down;
            rule_follow(&rule, &play.world, from, counts ? &word : NULL);
            given = counts || rule.steps_down > steps_down ? rule.mode : given;
            assert_int_equal(mode_now(&play), rule.mode);
            assert_true(mode_now(&play) <= ceiling);
        }
        down += rule.steps_down;
        judged += rule.judged;
        world_release(&play.world);
    }
    print_message("%zu judged, %zu steps down, %zu restarts\n", judged, down, restarts);
    assert_true(down > 100 && judged > 2000 && restarts > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_five_judged_acts_three_that_did_not_help_cost_one_mode),
        cmocka_unit_test(acts_that_help_cost_nothing),
        cmocka_unit_test(
            only_a_person_with_a_reason_gives_a_mode_back_and_never_more_than_the_host),
        cmocka_unit_test(the_page_of_a_demotion_is_sent_until_it_is_delivered_also_over_a_restart),
        cmocka_unit_test(the_mode_follows_the_rule_over_random_outcomes_words_and_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
