/* Modes: a policy whose acts do not help loses one, a person gives it back. */
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

static struct standing *standing_of(struct engine *engine, const char *policy, bool make)
{
    for (size_t i = 0; i < engine->standing_count; i++) {
        if (strcmp(engine->standings[i].policy, policy) == 0) {
            return &engine->standings[i];
        }
    }
    if (!make) {
        return NULL;
    }
    ARRAY_RESERVE(engine->standings, engine->standing_count, engine->standing_capacity);
    struct standing *standing = &engine->standings[engine->standing_count++];
    *standing = (struct standing){0};
    snprintf(standing->policy, sizeof standing->policy, "%s", policy);
    return standing;
}

const char *mode_why(const struct engine *engine, const char *policy)
{
    for (size_t i = 0; i < engine->standing_count; i++) {
        if (strcmp(engine->standings[i].policy, policy) == 0) {
            return engine->standings[i].why;
        }
    }
    return "";
}

static void apply(const struct engine *engine, const struct standing *standing)
{
    struct policy_run *run = policy_run_named(engine, standing->policy);
    if (run) {
        run->mode = standing->set && (enum mode)standing->mode < run->ceiling
                        ? (enum mode)standing->mode
                        : run->ceiling;
    }
}

/* ---- what came of its acts ---- */

void mode_judge(struct engine *engine, const char *policy, uint64_t program_hash, bool bad)
{
    struct standing *standing = standing_of(engine, policy, true);
    if (standing->program_hash != program_hash) {
        standing->program_hash = program_hash;
        standing->bad = 0;
    }
    standing->bad = (standing->bad << 1 | bad) & ((1U << MODE_JUDGED) - 1);
    if (__builtin_popcount(standing->bad) >= MODE_BAD) {
        standing->due = true;
        standing->due_at = engine->now;
        standing->bad = 0; /* the count begins anew */
    }
}

/* The record of a change; its action is the new mode. */
static struct record *record_change(struct engine *engine, const struct policy_run *run,
                                    enum record_kind kind, enum mode to, struct effects *effects)
{
    struct record *record = &engine_effect(effects, EFFECT_RECORD)->record;
    record->time = engine->now;
    record->kind = kind;
    record->epoch = engine->host->epoch;
    record->program_hash = run->policy->hash;
    snprintf(record->policy, sizeof record->policy, "%s", run->policy->name.text);
    snprintf(record->action, sizeof record->action, "%s", mode_texts[to]);
    return record;
}

static void set(struct engine *engine, struct standing *standing, enum mode mode, const char *why)
{
    standing->set = true;
    standing->mode = mode;
    snprintf(standing->why, sizeof standing->why, "%s", why);
    apply(engine, standing);
}

static void step_down(struct engine *engine, struct policy_run *run, struct standing *standing,
                      struct effects *effects)
{
    const enum mode to = run->mode - 1;
    struct record *record = record_change(engine, run, RECORD_DEMOTED, to, effects);
    snprintf(record->text, sizeof record->text,
             OUTCOMES_WORD "%d judged actions %d failed or were not verified: %s -> %s",
             MODE_JUDGED, MODE_BAD, mode_texts[run->mode], mode_texts[to]);
    set(engine, standing, to, record->text);
    const struct record copy = *record;
    engine_notify(engine, &copy, policy_channel(run), notice_id(engine));
}

/* It is due at the step that judged so, or, when the journal ends with that step, at the first one
 * after a restart: else it was recorded, or there was no mode to lose. */
void modes_step(struct engine *engine, struct effects *effects)
{
    for (size_t i = 0; i < engine->standing_count; i++) {
        struct standing *standing = &engine->standings[i];
        const bool due = standing->due && standing->due_at.ns >= engine->before.ns;
        struct policy_run *run = due ? policy_run_named(engine, standing->policy) : NULL;
        standing->due = false;
        if (run && run->mode > MODE_SHADOW) {
            step_down(engine, run, standing, effects);
        }
    }
}

/* ---- a person's word ---- */

bool engine_may_set_mode(const struct engine *engine, const struct input *input, char *ret_why,
                         size_t size)
{
    const struct policy_run *run = policy_run_named(engine, input->policy);
    if (!run) {
        snprintf(ret_why, size, "there is no policy '%.63s'", input->policy);
    } else if (!input->text || !input->text[0]) {
        snprintf(ret_why, size, "a change of mode needs a reason: --why TEXT");
    } else if (input->mode > run->ceiling) {
        snprintf(ret_why, size, "heald.yaml gives policy %s mode %s, and nothing above it",
                 input->policy, mode_texts[run->ceiling]);
    } else if (input->mode == run->mode) {
        snprintf(ret_why, size, "policy %s is in mode %s", input->policy, mode_texts[run->mode]);
    } else {
        return true;
    }
    return false;
}

void mode_set(struct engine *engine, const struct input *input, struct effects *effects)
{
    char why[TEXT_BYTES];
    if (!engine_may_set_mode(engine, input, why, sizeof why)) {
        engine_record(engine, effects, RECORD_REFUSED, NULL, "mode %s by %.60s: %s",
                      mode_texts[input->mode], input->who ? input->who : "?", why);
        return;
    }
    const struct policy_run *run = policy_run_named(engine, input->policy);
    struct record *record =
        record_change(engine, run, input->mode > run->mode ? RECORD_PROMOTED : RECORD_DEMOTED,
                      input->mode, effects);
    snprintf(record->text, sizeof record->text, "by %.60s: %.380s: %s -> %s",
             input->who ? input->who : "?", input->text, mode_texts[run->mode],
             mode_texts[input->mode]);
    struct standing *standing = standing_of(engine, input->policy, true);
    standing->bad = 0;
    standing->due = false;
    set(engine, standing, input->mode, record->text);
}

/* ---- over a restart, a reload ---- */

void mode_restore(struct engine *engine, const struct record *record)
{
    for (enum mode mode = MODE_SHADOW; mode <= MODE_ACT; mode++) {
        if (strcmp(record->action, mode_texts[mode]) == 0) {
            struct standing *standing = standing_of(engine, record->policy, true);
            standing->due = false;
            if (strncmp(record->text, OUTCOMES_WORD, sizeof OUTCOMES_WORD - 1) == 0) {
                const struct policy_run *run = policy_run_named(engine, record->policy);
                engine_notify(engine, record, run ? policy_channel(run) : "", notice_id(engine));
            } else {
                standing->bad = 0;
            }
            set(engine, standing, mode, record->text);
        }
    }
}

void modes_adopt(struct engine *engine, const struct engine *before)
{
    for (size_t i = 0; i < before->standing_count; i++) {
        ARRAY_RESERVE(engine->standings, engine->standing_count, engine->standing_capacity);
        engine->standings[engine->standing_count++] = before->standings[i];
    }
    for (size_t i = 0; i < engine->standing_count; i++) {
        apply(engine, &engine->standings[i]);
    }
}
