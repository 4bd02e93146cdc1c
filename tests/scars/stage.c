/* A stage: a world whose series, sources and targets the scar names itself. */
#include "tests/scars/stage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

enum { POLICY_BYTES_MAX = 65536, LABELS_MAX = 4 };

static char *read_text(const char *path)
{
    char *text = heap_alloc(POLICY_BYTES_MAX);
    FILE *file = fopen(path, "r");
    if (!file) {
        fail_msg("%s cannot be read", path);
    }
    const size_t size = fread(text, 1, POLICY_BYTES_MAX - 1, file);
    assert_true(size > 0 && size < POLICY_BYTES_MAX - 1);
    (void)fclose(file);
    return text;
}

void stage_init(struct stage *stage, const char *path, bool naive)
{
    memset(stage, 0, sizeof *stage);
    char *text = read_text(path);
    world_init(&stage->world, text, 0);
    free(text);
    stage->naive = naive;
    stage->began = stage->world.now;
    size_t count = 0;
    for (const struct action *action = stage->world.program->actions; action;
         action = action->next) {
        assert_true(count < STAGE_ACTIONS_MAX);
        stage->grants[count++] =
            (struct engine_grant){action->name.text, stage->targets, 0, /*unattended*/ true};
    }
    stage->world.host.grants = stage->grants;
    stage->world.host.grant_count = count;
}

void stage_release(struct stage *stage)
{
    world_release(&stage->world);
}

size_t stage_source(struct stage *stage, const char *fmt, ...)
{
    char name[64];
    struct error error;
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    assert_true(stage->source_count < STAGE_SOURCES_MAX);
    assert_int_equal(store_source(stage->world.store, name, duration_seconds(1),
                                  duration_seconds(1), &stage->sources[stage->source_count].id,
                                  &error),
                     STATUS_OK);
    return stage->source_count++;
}

/* Cuts text at its signs; the labels point into it. */
static size_t cut_labels(char *text, struct label labels[LABELS_MAX])
{
    size_t count = 0;
    for (char *at = text; *at;) {
        assert_true(count < LABELS_MAX);
        char *value = strchr(at, '=');
        assert_non_null(value);
        *value++ = '\0';
        labels[count++] = (struct label){at, value};
        at = value + strcspn(value, ",");
        if (*at == ',') {
            *at++ = '\0';
        }
    }
    return count;
}

size_t stage_series(struct stage *stage, size_t source, const char *metric, const char *fmt, ...)
{
    char text[128];
    struct error error;
    struct label labels[LABELS_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const size_t count = cut_labels(text, labels);
    assert_true(stage->series_count < STAGE_SERIES_MAX);
    assert_int_equal(store_series(stage->world.store, stage->sources[source].id, metric, labels,
                                  count, &stage->series[stage->series_count].id, &error),
                     STATUS_OK);
    stage->series[stage->series_count].source = source;
    return stage->series_count++;
}

void stage_target(struct stage *stage, const char *fmt, ...)
{
    const size_t at = stage->target_count++;
    va_list args;
    assert_true(at < STAGE_TARGETS_MAX);
    va_start(args, fmt);
    vsnprintf(stage->target_texts[at], sizeof stage->target_texts[at], fmt, args);
    va_end(args);
    stage->targets[at] = stage->target_texts[at];
    for (size_t i = 0; i < stage->world.host.grant_count; i++) {
        stage->grants[i].target_count = stage->target_count;
    }
}

void stage_input(struct stage *stage, struct input input)
{
    assert_true(stage->pending_count < STAGE_PENDING_MAX);
    stage->pending[stage->pending_count++] = input;
}

static void take_dispatch(struct stage *stage, const struct effect *effect, bool undo)
{
    assert_true(stage->act_count < STAGE_ACTS_MAX);
    struct stage_act *act = &stage->acts[stage->act_count++];
    *act = (struct stage_act){.number = effect->number_count > 0 ? effect->numbers[0] : 0,
                              .undo = undo,
                              .id = effect->id};
    const struct engine_grant *grant = &stage->grants[effect->grant];
    snprintf(act->action, sizeof act->action, "%s", grant->action);
    snprintf(act->target, sizeof act->target, "%s", grant->targets[effect->target]);
    if (!stage->mute) {
        stage_input(stage, (struct input){.kind = INPUT_RESULT,
                                          .id = effect->id,
                                          .outcome = OUTCOME_SUCCEEDED,
                                          .ended = stage->world.now});
    }
}

static void feed(struct stage *stage)
{
    struct store *store = stage->world.store;
    const struct instant at = instant_add(stage->world.now, duration_seconds(1));
    for (size_t i = 0; i < stage->series_count; i++) {
        if (!isnan(stage->series[i].value) && !stage->sources[stage->series[i].source].silent) {
            assert_int_equal(
                store_append(store, stage->series[i].id, at, at, stage->series[i].value),
                APPEND_OK);
        }
    }
    for (size_t i = 0; i < stage->source_count; i++) {
        if (stage->sources[i].silent) {
            store_failed(store, stage->sources[i].id, at);
        } else {
            store_answered(store, stage->sources[i].id, at);
        }
    }
}

size_t stage_step(struct stage *stage)
{
    const size_t before = stage->act_count;
    struct input inputs[STAGE_PENDING_MAX];
    const size_t count = stage->pending_count;
    memcpy(inputs, stage->pending, count * sizeof *inputs);
    stage->pending_count = 0;
    feed(stage);
    world_step(&stage->world, NULL, NULL, inputs, count);
    const struct effects *effects = &stage->world.effects;
    bool undo = false;
    for (size_t i = 0; i < effects->count; i++) {
        if (effects->items[i].kind == EFFECT_RECORD &&
            effects->items[i].record.kind == RECORD_DISPATCHED) {
            undo = strncmp(effects->items[i].record.text, "undo: ", 6) == 0;
        } else if (effects->items[i].kind == EFFECT_DISPATCH) {
            take_dispatch(stage, &effects->items[i], undo);
        }
    }
    return stage->act_count - before;
}

void stage_expect(struct stage *stage, bool fact)
{
    stage->failed = stage->failed || !fact;
}

double stage_seconds(const struct stage *stage)
{
    return duration_to_seconds(instant_sub(stage->world.now, stage->began));
}

size_t stage_number(const struct stage_act *act)
{
    const size_t length = strlen(act->target);
    size_t at = length;
    while (at > 0 && act->target[at - 1] >= '0' && act->target[at - 1] <= '9') {
        at--;
    }
    assert_true(at < length);
    return strtoul(act->target + at, NULL, 10);
}

const struct record *stage_record(const struct stage *stage, const char *words)
{
    const struct record *other = NULL;
    for (size_t i = stage->world.record_count; i > 0; i--) {
        const struct record *record = &stage->world.records[i - 1];
        if (strstr(record->text, words)) {
            if (record->kind == RECORD_REFUSED) {
                return record;
            }
            other = other ? other : record;
        }
    }
    return other;
}
