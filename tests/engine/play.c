#include "tests/engine/play.h"

#include <string.h>

#include "tests/unit.h"

void play_init(struct play *play, const char *text, size_t entities)
{
    memset(play, 0, sizeof *play);
    assert_true(entities <= ARRAY_LEN(play->x));
    world_init(&play->world, text, entities);
    play->outcome = OUTCOME_SUCCEEDED;
    for (size_t i = 0; i < entities; i++) {
        play->x[i] = 0.2;
    }
    play->began = play->world.now;
    world_step(&play->world, play->x, NULL, NULL, 0);
}

void play_grant(struct play *play, struct engine_grant *grants, const char *const *actions,
                size_t count)
{
    for (size_t i = 0; i < count; i++) {
        grants[i] = play->world.grant;
        grants[i].action = actions[i];
    }
    play->world.host.grants = grants;
    play->world.host.grant_count = count;
}

void play_step(struct play *play, const struct input *input)
{
    struct input inputs[2];
    size_t count = 0;
    if (play->has_pending) {
        inputs[count++] = play->pending;
        play->has_pending = false;
    }
    if (input) {
        inputs[count++] = *input;
    }
    world_step(&play->world, play->x, NULL, inputs, count);
    for (size_t i = 0; i < play->world.effects.count; i++) {
        const struct effect *effect = &play->world.effects.items[i];
        if (effect->kind != EFFECT_DISPATCH) {
            continue;
        }
        play->dispatched++;
        play->last_dispatch = duration_to_seconds(instant_sub(play->world.now, play->began));
        play->has_pending = !play->silent;
        play->pending = (struct input){.kind = INPUT_RESULT,
                                       .id = effect->id,
                                       .outcome = play->outcome,
                                       .ended = play->world.now,
                                       .text = "never started: says the child"};
        if (play->helps) {
            play->x[effect->target] = 0.1;
        }
    }
}

void play_on(struct play *play, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        play_step(play, NULL);
    }
}

size_t count_of(const struct play *play, enum record_kind kind)
{
    return world_count(&play->world, kind);
}

const struct record *last_of(const struct play *play, enum record_kind kind)
{
    for (size_t i = play->world.record_count; i > 0; i--) {
        if (play->world.records[i - 1].kind == kind) {
            return &play->world.records[i - 1];
        }
    }
    fail_msg("no record %s", record_infos[kind].text);
    return NULL;
}
