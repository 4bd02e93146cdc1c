/* Ladders of channels: a page that nobody acknowledges goes to the next channel, and at the top it
 * comes again. */
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

static bool has_ladder(const struct incident *incident)
{
    const struct escalate *escalate = incident->run ? &incident->run->policy->escalate : NULL;
    return escalate && escalate->present && (escalate->steps || escalate->has_repeat);
}

void climb_begin(struct incident *incident, struct instant now)
{
    struct climb *climb = &incident->climb;
    if (has_ladder(incident) && climb->began.ns == 0 && !climb->acknowledged) {
        *climb = (struct climb){.began = now, .last = now};
    }
}

void climb_anew(struct incident *incident)
{
    if (incident->climb.acknowledged) {
        incident->climb = (struct climb){0};
    }
}

void climb_end(struct incident *incident)
{
    incident->climb.began = (struct instant){0};
}

/* The step above level, or NULL at the top; the channel of level itself in *ret_channel. */
static const struct climb_step *step_above(const struct escalate *escalate, uint32_t level,
                                           const char **ret_channel)
{
    const struct climb_step *step = escalate->steps;
    *ret_channel = escalate->channel.text;
    for (; step && level > 0; step = step->next, level--) {
        *ret_channel = step->channel.text;
    }
    return step;
}

static bool passed(const struct engine *engine, struct instant since, double seconds)
{
    return engine->now.ns - since.ns >= duration_seconds(seconds).ns;
}

static void climb(struct engine *engine, struct incident *incident, struct effects *effects)
{
    const struct escalate *escalate = &incident->run->policy->escalate;
    struct climb *climb = &incident->climb;
    const char *channel;
    const struct climb_step *above = step_above(escalate, climb->level, &channel);
    for (; above && passed(engine, climb->began, above->after.value);
         above = step_above(escalate, climb->level, &channel)) {
        climb->level++;
        climb->last = engine->now;
        incident_page(engine, incident, effects, above->channel.text, CLIMB_WORD "%s: %.400s",
                      above->after.text, incident->text);
    }
    if (!above && escalate->has_repeat && passed(engine, climb->last, escalate->repeat.value)) {
        char since[64];
        climb->last = engine->now;
        duration_print(instant_sub(engine->now, climb->began), since, sizeof since);
        incident_page(engine, incident, effects, channel, CLIMB_WORD "%s: %.400s", since,
                      incident->text);
    }
}

void climbs_step(struct engine *engine, struct effects *effects)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        struct incident *incident = engine->incidents[i];
        if (incident->climb.began.ns == 0) {
            continue;
        }
        if (incident->state == STATE_RECOVERED) {
            climb_end(incident);
        } else if (has_ladder(incident) && !incident->climb.acknowledged) {
            climb(engine, incident, effects);
        }
    }
}

/* ---- a person's word ---- */

static struct incident *incident_of(const struct engine *engine, uint64_t id)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        if (engine->incidents[i]->id == id) {
            return engine->incidents[i];
        }
    }
    return NULL;
}

bool engine_may_acknowledge(const struct engine *engine, const struct input *input, char *ret_why,
                            size_t size)
{
    const struct incident *incident = incident_of(engine, input->id);
    if (!incident) {
        snprintf(ret_why, size, "no incident %llu is open", (unsigned long long)input->id);
    } else if (incident->climb.acknowledged) {
        snprintf(ret_why, size, "incident %llu is acknowledged", (unsigned long long)input->id);
    } else if (incident->notices == 0) {
        snprintf(ret_why, size, "nobody was told of incident %llu yet",
                 (unsigned long long)input->id);
    } else {
        return true;
    }
    return false;
}

void climb_acknowledge(struct engine *engine, const struct input *input, struct effects *effects)
{
    char why[TEXT_BYTES];
    if (!engine_may_acknowledge(engine, input, why, sizeof why)) {
        return;
    }
    struct incident *incident = incident_of(engine, input->id);
    incident->climb.acknowledged = true;
    engine_record(engine, effects, RECORD_ACKNOWLEDGED, incident, "by %.60s%s%.300s",
                  input->who ? input->who : "?", input->text && input->text[0] ? ": " : "",
                  input->text ? input->text : "");
}

/* ---- over a restart ---- */

void climb_restore(struct incident *incident, const struct record *record)
{
    struct climb *climb = &incident->climb;
    if (record->kind == RECORD_ACKNOWLEDGED) {
        climb->acknowledged = true;
    } else if (strncmp(record->text, CLIMB_WORD, sizeof CLIMB_WORD - 1) == 0) {
        const char *channel;
        const struct escalate *escalate = incident->run ? &incident->run->policy->escalate : NULL;
        climb->level += escalate && step_above(escalate, climb->level, &channel) != NULL;
        climb->last = record->time;
    } else {
        climb_begin(incident, record->time);
    }
}
