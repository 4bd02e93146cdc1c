/* Stop wins: whatever people say meanwhile, nothing is acted on until start, and then the trigger
 * is read again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/world.h"
#include "tests/unit.h"

#define POLICY(name, heal)                          \
    "policy " name " for each w in ws every 1s {\n" \
    "  when x > 90% for 0s\n"                       \
    "  clear when x < 50% for 0s\n"                 \
    "  on missing hold\n"                           \
    "  on stale > 1m notify oncall\n"               \
    "  heal { " heal " else page oncall }\n"        \
    "  bound at most 1000000 of ws per 1s\n"        \
    "  cooldown 1s\n"                               \
    "  escalate to oncall then boss after 5s repeat every 1m\n}\n"

static const char text[] =
    "edition 1\n"
    "metric x ratio by (w)\n"
    "metric up ratio by (w)\n"
    "pool ws(w) = up ready up == 1\n"
    "channel oncall = log\n"
    "channel boss = log\n"
    "action fix(t: w) { via exec affects t.x within 1s irreversible timeout 3s }\n"
    "action turn(t: w) { via exec affects t.x within 1s undo back(t) timeout 3s }\n"
    "action back(t: w) { via exec affects t.x within 1s irreversible timeout 3s }\n" //
    POLICY("fixes", "try fix(w) verify x < 50% holds 1s within 2s") POLICY(
        "turns", "try turn(w) approve by oncall within 10s verify x < 50% holds 1s within 2s");
static const char *const policies[] = {"fixes", "turns"};

enum { ENTITIES = 4, ROUNDS = 300, STEPS = 60 };

struct play {
    struct world world;
    struct engine_grant grants[3];
    double x[ENTITIES];
    struct input results[16];
    size_t result_count;
    unsigned seed;
    bool stopped;
    size_t stops, acts, undos, words;
};

static unsigned pick(struct play *play, unsigned below)
{
    return (unsigned)rand_r(&play->seed) % below;
}

static void start(struct play *play, unsigned seed)
{
    memset(play, 0, sizeof *play);
    play->seed = seed;
    world_init(&play->world, text, ENTITIES);
    static const char *const actions[] = {"fix", "turn", "back"};
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        play->grants[i] = play->world.grant;
        play->grants[i].action = actions[i];
    }
    play->world.host.grants = play->grants;
    play->world.host.grant_count = ARRAY_LEN(actions);
    play->world.host.default_mode = seed % 2 ? MODE_ACT : MODE_ASK;
    world_reload(&play->world);
    for (size_t i = 0; i < ENTITIES; i++) {
        play->x[i] = 0.2;
    }
}

static struct input some_word(struct play *play)
{
    const size_t open = engine_incident_count(play->world.engine);
    struct input word = {.who = "ann", .uid = 1001, .text = "because"};
    word.id = open > 0 ? engine_incident(play->world.engine, pick(play, (unsigned)open)).id : 1;
    switch (pick(play, 10)) {
    case 0: word.kind = INPUT_STOP; break;
    case 1: word.kind = INPUT_START; break;
    case 2: word.kind = INPUT_DENY; break;
    case 3:
        word.kind = INPUT_MODE;
        word.policy = policies[pick(play, 2)];
        word.mode = (enum mode)pick(play, 3);
        break;
    case 4: word.kind = INPUT_ACKNOWLEDGE; break;
    default: word.kind = INPUT_APPROVE; break;
    }
    return word;
}

/* An act, which may come only of a trigger that is true now; an undo follows its act. */
static void look_at(struct play *play, size_t at)
{
    const struct effects *effects = &play->world.effects;
    const struct effect *effect = &effects->items[at];
    const struct record *record = &effects->items[at - 1].record;
    assert_int_equal(record->kind, RECORD_DISPATCHED);
    assert_false(play->stopped);
    assert_false(engine_stopped(play->world.engine));
    if (strncmp(record->text, "undo: ", 6) == 0) {
        play->undos++;
    } else {
        assert_true(play->x[effect->target] > 0.9);
        play->acts++;
    }
    assert_true(play->result_count < ARRAY_LEN(play->results));
    play->results[play->result_count++] =
        (struct input){.kind = INPUT_RESULT,
                       .id = effect->id,
                       .outcome = pick(play, 4) ? OUTCOME_SUCCEEDED : OUTCOME_FAILED,
                       .ended = play->world.now};
}

static void step(struct play *play)
{
    struct input inputs[24];
    size_t count = play->result_count;
    memcpy(inputs, play->results, count * sizeof inputs[0]);
    play->result_count = 0;
    while (count < ARRAY_LEN(inputs) && pick(play, 3)) {
        const struct input word = some_word(play);
        play->stopped = word.kind == INPUT_STOP || (play->stopped && word.kind != INPUT_START);
        play->stops += word.kind == INPUT_STOP;
        play->words++;
        inputs[count++] = word;
    }
    world_step(&play->world, play->x, NULL, inputs, count);
    for (size_t i = 0; i < play->world.effects.count; i++) {
        if (play->world.effects.items[i].kind == EFFECT_DISPATCH) {
            look_at(play, i);
        }
    }
    for (size_t i = 0; i < ENTITIES; i++) {
        play->x[i] = pick(play, 6) ? play->x[i] : pick(play, 3) ? 0.95 : 0.2;
    }
}

static void nothing_is_acted_on_between_stop_and_start_whatever_is_said(void **state)
{
    (void)state;
    size_t stops = 0, acts = 0, undos = 0, words = 0;
    for (unsigned seed = 1; seed <= ROUNDS; seed++) {
        struct play play;
        start(&play, seed);
        for (int t = 0; t < STEPS; t++) {
            if (pick(&play, 30) == 0) {
                play.result_count = 0;
                world_restart(&play.world);
            } else if (pick(&play, 30) == 0) {
                world_reload(&play.world);
            }
            assert_int_equal(engine_stopped(play.world.engine), play.stopped);
            step(&play);
        }
        stops += play.stops;
        acts += play.acts;
        undos += play.undos;
        words += play.words;
        world_release(&play.world);
    }
    print_message("%zu words, %zu stops, %zu acts, %zu undos\n", words, stops, acts, undos);
    assert_true(stops > 1000 && acts > 1000 && undos > 50);
}

static void what_was_approved_while_stopped_acts_after_start_only_if_it_is_still_ill(void **state)
{
    (void)state;
    for (int ill = 0; ill < 2; ill++) {
        struct play play;
        start(&play, 2); /* mode ask */
        world_step(&play.world, play.x, NULL, NULL, 0);
        play.x[0] = 0.95;
        for (int i = 0; i < 3; i++) {
            world_step(&play.world, play.x, NULL, NULL, 0);
        }
        const struct input words[] = {{.kind = INPUT_STOP, .who = "ann", .uid = 1001},
                                      {.kind = INPUT_APPROVE, .id = 1, .who = "ann", .uid = 1001},
                                      {.kind = INPUT_APPROVE, .id = 2, .who = "ann", .uid = 1001}};
        world_step(&play.world, play.x, NULL, words, 3);
        assert_int_equal(world_count(&play.world, RECORD_APPROVED), 2);
        for (int i = 0; i < 3; i++) {
            world_step(&play.world, play.x, NULL, NULL, 0);
        }
        play.x[0] = ill ? 0.95 : 0.7; /* no trigger, and not clear either */
        world_step(&play.world, play.x, NULL,
                   &(struct input){.kind = INPUT_START, .who = "ann", .uid = 1001}, 1);
        assert_int_equal(world_effect(&play.world, EFFECT_DISPATCH) != NULL, ill);
        world_release(&play.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_acted_on_between_stop_and_start_whatever_is_said),
        cmocka_unit_test(what_was_approved_while_stopped_acts_after_start_only_if_it_is_still_ill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
