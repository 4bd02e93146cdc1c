/* What the past says: how often an act helped, for the choice among plans, and whether an incident
 * has precedents. Neither ever permits anything.
 *
 * What was seen when an incident opened is a record of its own, so that the past comes back from
 * the journal. An incident becomes a precedent when it closes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

#define PRIOR_WEIGHT 2.0 /* outcomes that what is written of a plan counts for */

void experience_new(struct engine *engine)
{
    engine->learning = learning_new();
}

void experience_free(struct engine *engine)
{
    learning_free(engine->learning);
    for (size_t i = 0; i < engine->policy_count; i++) {
        precedent_free(engine->policies[i]->precedent);
    }
}

void experience_adopt(struct engine *engine, struct engine *before)
{
    learning_free(engine->learning);
    engine->learning = before->learning;
    before->learning = NULL;
    for (size_t i = 0; i < before->policy_count; i++) {
        struct policy_run *old = before->policies[i];
        struct policy_run *run = policy_run_named(engine, old->policy->name.text);
        if (run && run->precedent && old->precedent) {
            precedent_free(run->precedent);
            run->precedent = old->precedent;
            old->precedent = NULL;
        }
    }
}

/* ---- how often an act helped ---- */

void experience_learn(struct engine *engine, const struct incident *incident, const char *action,
                      struct instant time, enum judgment judgment)
{
    static const enum learn_result results[] = {[JUDGED_VERIFIED] = LEARN_VERIFIED,
                                                [JUDGED_USELESS] = LEARN_UNVERIFIED,
                                                [JUDGED_FAILED] = LEARN_FAILED};
    if (judgment == JUDGED_OPEN || action[0] == '\0') {
        return;
    }
    char class[LEARN_CLASS_BYTES];
    learn_class(incident->type, incident->cause_name, class);
    learn_outcome(engine->learning,
                  &(struct learn_key){.policy = incident->policy, .class = class, .action = action},
                  time, results[judgment]);
}

double experience_effect(const struct engine *engine, const struct incident *incident,
                         const struct heal *heal, struct tries *ret)
{
    const double prior = heal->has_effect ? heal->effect.value : PLAN_EFFECT;
    char class[LEARN_CLASS_BYTES];
    learn_class(incident->type, incident->cause_name, class);
    double none = 1; /* of its acts helps */
    *ret = (struct tries){0};
    for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
        if (rung->kind != RUNG_ACT) {
            continue;
        }
        const struct learned learned =
            learn_of(engine->learning,
                     &(struct learn_key){.policy = incident->policy,
                                         .class = class,
                                         .action = rung->call.resolved->name.text},
                     engine->now);
        /* the mean is of a Beta(1, 1) prior: what is written takes that one's place */
        const double helped = learned.mean * (learned.weight + 2) - 1;
        none *= 1 - (PRIOR_WEIGHT * prior + fmax(helped, 0)) / (PRIOR_WEIGHT + learned.weight);
        ret->all += learned.verified + learned.unverified;
        ret->helped += learned.verified;
    }
    return 1 - none;
}

/* ---- precedents ---- */

static size_t seen_signals(const struct policy_run *run)
{
    return run->signal_count < PRECEDENT_SIGNALS_MAX ? run->signal_count : PRECEDENT_SIGNALS_MAX;
}

void experience_open(struct engine *engine, struct incident *incident, struct effects *effects)
{
    const struct policy_run *run = incident->run;
    if (!run->precedent || incident->slot == SLOT_NONE) {
        return;
    }
    incident->seen = heap_alloc(sizeof *incident->seen);
    *incident->seen = (struct precedent_case){.signal_count = seen_signals(run),
                                              .open = (uint32_t)engine->incident_count};
    for (size_t i = 0; i < incident->seen->signal_count; i++) {
        double value;
        incident->seen->values[i] =
            eval_watch_value(run->signals[i], incident->slot, &value) ? value : NAN;
    }
    char text[TEXT_BYTES];
    precedent_print(incident->seen, text);
    engine_record(engine, effects, RECORD_MEASURED, incident, "%s", text);
}

void experience_restore(struct incident *incident, const struct record *record)
{
    struct precedent_case seen;
    if (!incident->seen && precedent_read(record->text, &seen)) {
        incident->seen = heap_alloc(sizeof *incident->seen);
        *incident->seen = seen;
    }
}

void experience_close(struct engine *engine, const struct incident *incident)
{
    struct policy_run *run = policy_run_named(engine, incident->policy);
    if (incident->seen && run && run->precedent) {
        snprintf(incident->seen->cause, sizeof incident->seen->cause, "%s", incident->cause_name);
        precedent_add(run->precedent, incident->seen);
    }
}

bool experience_strange(const struct incident *incident, char *ret, size_t size)
{
    const struct policy_run *run = incident->run;
    if (!run->precedent) {
        return false;
    }
    if (!incident->seen) { /* opened under another text of the policy */
        snprintf(ret, size, "unprecedented: what was seen when it opened is not on record");
        return true;
    }
    struct precedent_signal signals[PRECEDENT_SIGNALS_MAX];
    size_t i = 0;
    for (const struct signal *s = run->policy->signals; s && i < PRECEDENT_SIGNALS_MAX;
         s = s->next) {
        signals[i++] = (struct precedent_signal){s->name.text, s->expr->type.dimension};
    }
    struct precedent_judgment judgment;
    snprintf(incident->seen->cause, sizeof incident->seen->cause, "%s", incident->cause_name);
    precedent_judge(run->precedent, incident->seen, signals, &judgment);
    if (judgment.unprecedented) {
        snprintf(ret, size, "unprecedented: %.400s", judgment.text);
    }
    return judgment.unprecedented;
}
