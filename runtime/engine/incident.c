/* The life of an incident: seen, concluded, decided, done, verified; or held and handed to a
 * person.
 *
 * Unknown never triggers, never clears, never verifies. The trigger is read again before every act
 * and after every approval. One act at a time on one target. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/print.h"
#include "runtime/engine/engine_internal.h"

const char *const incident_texts[INCIDENT_STATES] = {
#define INCIDENT(name, text, idle) [STATE_##name] = text,
#include "runtime/engine/incident.def"
#undef INCIDENT
};
static const bool incident_idle[INCIDENT_STATES] = {
#define INCIDENT(name, text, idle) [STATE_##name] = idle,
#include "runtime/engine/incident.def"
#undef INCIDENT
};

enum {
    RESULT_GRACE_S = 10, /* after an action's timeout, before its outcome is asked for */
    EVALUATIONS_MIN = 3  /* a verify without `holds`, an act without `for` */
};

static struct duration evaluations(const struct policy_run *run)
{
    return (struct duration){(EVALUATIONS_MIN - 1) * run->every.ns};
}

void incident_enter(struct engine *engine, struct incident *incident, enum incident_state state)
{
    incident->state = state;
    incident->since = engine->now;
    incident->deadline = (struct instant){0};
    incident->true_since = (struct instant){0};
}

struct incident *incident_new(struct engine *engine, struct policy_run *run, size_t slot,
                              uint64_t id)
{
    struct incident *incident = heap_alloc(sizeof *incident);
    incident->id = id;
    incident->run = run;
    incident->slot = slot;
    incident->opened = engine->now;
    incident->since = engine->now;
    ARRAY_RESERVE(engine->incidents, engine->incident_count, engine->incident_capacity);
    engine->incidents[engine->incident_count++] = incident;
    if (run) {
        run->open++;
        snprintf(incident->policy, sizeof incident->policy, "%s", run->policy->name.text);
        incident->program_hash = run->policy->hash;
        snprintf(incident->channel, sizeof incident->channel, "%s", policy_channel(run));
        if (slot != SLOT_NONE) {
            run->incident_at[slot] = incident;
            run->busy[slot / 64] |= 1ULL << (slot % 64);
        }
    }
    return incident;
}

void incident_remove(struct engine *engine, struct incident *incident)
{
    struct policy_run *run = incident->run;
    if (run) {
        run->open--;
        run->bound -= incident->alerting;
        if (incident->slot != SLOT_NONE) {
            run->incident_at[incident->slot] = NULL;
            run->pending_since[incident->slot] = (struct instant){0};
            run->busy[incident->slot / 64] &= ~(1ULL << (incident->slot % 64));
        }
    }
    for (size_t i = 0; i < engine->incident_count; i++) {
        if (engine->incidents[i] == incident) {
            engine->incident_count--;
            memmove(engine->incidents + i, engine->incidents + i + 1,
                    (engine->incident_count - i) * sizeof *engine->incidents);
            break;
        }
    }
    free(incident->seen);
    free(incident);
}

void incident_close(struct engine *engine, struct incident *incident, struct effects *effects,
                    const char *reason)
{
    if (incident->run) { /* what is abandoned may not be over */
        incident_resolved(engine, incident, reason, effects);
    }
    engine_record(engine, effects, RECORD_CLOSED, incident, "%s", reason);
    engine->counters.closed++;
    experience_close(engine, incident);
    incident_remove(engine, incident);
}

void incident_escalate(struct engine *engine, struct incident *incident, struct effects *effects,
                       const char *fmt, ...)
{
    char reason[TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    if (inhibited(engine, incident, reason, effects)) {
        return;
    }
    incident_page(engine, incident, effects, incident->channel, "%s", reason);
    climb_begin(incident, engine->now);
}

void incident_hold(struct engine *engine, struct incident *incident, struct effects *effects,
                   const char *reason)
{
    climb_anew(incident);
    incident_escalate(engine, incident, effects, "%s", reason);
    incident_enter(engine, incident, STATE_HELD);
}

/* What the policy saw, in its own words: the condition, then the signals of this entity. */
static void conclude(struct engine *engine, struct incident *incident, struct effects *effects)
{
    struct policy_run *run = incident->run;
    struct arena arena = {0};
    char text[TEXT_BYTES];
    int used = snprintf(text, sizeof text, "when %.300s",
                        run->policy->when.expr ? print_expr(&arena, run->policy->when.expr) : "");
    size_t i = 0;
    for (const struct signal *signal = run->policy->signals; signal && i < run->signal_count;
         signal = signal->next, i++) {
        double value;
        if (run->signals[i] && incident->slot != SLOT_NONE && used > 0 &&
            (size_t)used < sizeof text &&
            eval_watch_value(run->signals[i], incident->slot, &value)) {
            char quantity[64];
            used += snprintf(
                text + used, sizeof text - (size_t)used, "; %s = %s", signal->name.text,
                quantity_print(value, signal->expr->type.dimension, quantity, sizeof quantity));
        }
    }
    arena_release(&arena);
    if (run->service != GRAPH_NONE && used > 0 && (size_t)used < sizeof text) {
        const uint32_t stand =
            graph_impact(&engine->graph, run->service, NULL).transitive; /* others */
        used += snprintf(text + used, sizeof text - (size_t)used, "; %u service%s on %s", stand,
                         stand == 1 ? " stands" : "s stand", run->policy->service.text);
    }
    const struct memory *effect = target_effect(engine, incident->target, incident->type);
    if (effect && used > 0 && (size_t)used < sizeof text) {
        snprintf(text + used, sizeof text - (size_t)used,
                 "; perhaps an effect of %s, which policy %s did", effect->action, effect->by);
    }
    engine_record(engine, effects, RECORD_CONCLUDED, incident, "%s", text);
}

void incident_hand_over(struct engine *engine, struct incident *incident, struct effects *effects)
{
    const struct escalate *escalate = &incident->run->policy->escalate;
    if (escalate->present && !escalate->has_unresolved) {
        incident_escalate(engine, incident, effects, "%s", incident->text);
    }
    incident_enter(engine, incident, STATE_HELD);
}

void incident_open(struct engine *engine, struct policy_run *run, size_t slot,
                   struct effects *effects)
{
    if (engine->incident_count >= ENGINE_INCIDENTS_MAX) {
        engine->counters.dropped_incidents++;
        return;
    }
    struct incident *incident = incident_new(engine, run, slot, ++engine->next_incident);
    bool safe = engine_target_text(run->pool, slot, incident->target, sizeof incident->target);
    snprintf(incident->type, sizeof incident->type, "%s", pool_run_type(run->pool));
    snprintf(incident->text, sizeof incident->text, "%s",
             run->policy->about ? run->policy->about : run->policy->name.text);
    engine->counters.opened++;
    engine_record(engine, effects, RECORD_OPENED, incident, "%s", incident->text);
    conclude(engine, incident, effects);
    experience_open(engine, incident, effects);
    if (!policy_acts(run->policy)) {
        incident_hand_over(engine, incident, effects);
    } else if (!safe) {
        incident_hold(engine, incident, effects,
                      "the target's labels hold characters that a target's name cannot have");
    }
}

bool incident_refuse(struct engine *engine, struct incident *incident, struct effects *effects,
                     const char *reason)
{
    uint64_t hash = ledger_name(reason);
    if (incident->reason == hash) {
        return false;
    }
    incident->reason = hash;
    engine->counters.refused++;
    engine_record(engine, effects, RECORD_REFUSED, incident, "%s", reason);
    return true;
}

static void incident_aim(struct incident *incident, const struct plan *plan)
{
    snprintf(incident->action, sizeof incident->action, "%s", plan->action->name.text);
    snprintf(incident->acts_on, sizeof incident->acts_on, "%s", plan->target);
    snprintf(incident->acts_type, sizeof incident->acts_type, "%s", plan->type);
}

static void dispatch(struct engine *engine, struct incident *incident, const struct plan *plan,
                     struct effects *effects)
{
    CHECK(plan->granted && !engine->stopped && plan->lack == LACK_NOTHING);
    CHECK(incident->run->mode == MODE_ACT || plan->gated || plan->undo);
    CHECK(!plan->gated || approval_given(incident));
    approval_drop(incident);
    incident->probed = false;
    incident->reason = 0;
    incident->owed_since = (struct instant){0};
    incident->amounts = plan->undo ? incident->amounts : plan->amounts;
    incident->action_id = (uint64_t)engine->host->epoch << 32 | ++engine->next_action;
    incident_aim(incident, plan);
    incident_enter(engine, incident, plan->undo ? STATE_UNDOING : STATE_ACTING);
    double timeout = plan->action->has_timeout ? plan->action->timeout.value : 60;
    incident->deadline = engine_after(engine, timeout + (double)RESULT_GRACE_S);
    plan_spend(engine, incident, plan);
    engine->counters.dispatched++;
    engine_record(engine, effects, RECORD_INTENT, incident, "%s%s", plan->undo ? UNDO_WORD : "",
                  plan->text);
    engine_record(engine, effects, RECORD_DISPATCHED, incident, "%s%s", plan->undo ? UNDO_WORD : "",
                  plan->text);
    struct effect *effect = engine_effect(effects, EFFECT_DISPATCH);
    effect->id = incident->action_id;
    effect->grant = plan->grant;
    effect->target = plan->grant_target;
    effect->number_count = plan->number_count;
    memcpy(effect->numbers, plan->numbers, sizeof effect->numbers);
    effect->timeout = duration_seconds(timeout);
    effect->undo = plan->undo;
}

static void next_rung(struct engine *engine, struct incident *incident)
{
    incident->rung++;
    incident->reason = 0;
    incident_enter(engine, incident, STATE_OPEN);
}

/* True when another incident's act on the same target is the one this incident wants. */
static struct incident *joins(struct engine *engine, const struct incident *incident,
                              const struct plan *plan)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        struct incident *other = engine->incidents[i];
        if (other != incident && !incident_idle[other->state] &&
            incident_acts_on(other, plan->target, plan->type) &&
            strcmp(other->action, plan->action->name.text) == 0) {
            return other;
        }
    }
    return NULL;
}

static void decide_act(struct engine *engine, struct incident *incident, const struct rung *rung,
                       struct effects *effects)
{
    struct plan plan;
    char reason[TEXT_BYTES];
    if (!plan_make(engine, incident, &rung->call, NULL, &plan)) {
        incident_hold(engine, incident, effects, "the action's target or numbers are not known");
        return;
    }
    incident_aim(incident, &plan);
    struct incident *other = joins(engine, incident, &plan);
    if (other) {
        engine_record(engine, effects, RECORD_JOINED, incident, "joins %s of incident %llu",
                      plan.text, (unsigned long long)other->id);
        incident_enter(engine, incident, STATE_JOINED);
        return;
    }
    if (plan.lack == LACK_CHANGE) { /* nothing would happen */
        incident_refuse(engine, incident, effects, plan.why);
        next_rung(engine, incident);
        return;
    }
    enum refusal refusal = plan_refusal(engine, incident, &plan, reason, sizeof reason);
    if (incident->run->mode == MODE_SHADOW) {
        engine_record(engine, effects, RECORD_PLANNED, incident, "shadow: would %s%s%.300s",
                      plan.text, refusal == REFUSAL_NONE ? "" : "; would be refused: ",
                      refusal == REFUSAL_NONE ? "" : reason);
        incident_enter(engine, incident, STATE_SHADOWED);
        return;
    }
    switch (refusal) {
    case REFUSAL_NONE: break;
    case REFUSAL_WAIT:
        incident_refuse(engine, incident, effects, reason);
        incident->state = STATE_WAITING;
        return;
    case REFUSAL_BOUND:
        if (incident_refuse(engine, incident, effects, reason) && !incident->bound_told) {
            incident->bound_told = true;
            incident_escalate(engine, incident, effects, "%s", reason);
        }
        incident->state = STATE_WAITING;
        return;
    case REFUSAL_BUDGET: budget_refused(engine, incident, effects, reason); return;
    case REFUSAL_DENY:
        incident_refuse(engine, incident, effects, reason);
        incident_hold(engine, incident, effects, reason);
        return;
    }
    const char *why = approval_cause(engine, incident, rung, &plan);
    plan.gated = why != NULL;
    if (plan.gated && !approval_covers(engine, incident, &plan, why, effects)) {
        approval_ask(engine, incident, rung, &plan, why, effects);
        return;
    }
    engine_record(engine, effects, RECORD_PLANNED, incident, "%s", plan.text);
    dispatch(engine, incident, &plan, effects);
}

static enum truth when_truth(const struct incident *incident)
{
    const struct policy_run *run = incident->run;
    if (incident->slot == SLOT_NONE || !run->when) {
        return TRUTH_UNKNOWN;
    }
    return policy_truth(run, run->when, incident->slot);
}

static void step_open(struct engine *engine, struct incident *incident, struct effects *effects)
{
    enum truth when = when_truth(incident);
    if (when != TRUTH_TRUE) {
        if (approval_given(incident)) {
            approval_drop(incident);
            incident_refuse(engine, incident, effects,
                            when == TRUTH_FALSE ? "approved, but the trigger no longer holds"
                                                : "approved, but the trigger cannot be seen");
        }
        return;
    }
    if (incident->run->cause_count > 0 && incident->cause == 0 &&
        !cause_decide(engine, incident, effects)) {
        return;
    }
    char strange[TEXT_BYTES];
    if (incident_begins(incident) && incident->plan == 0 && incident->done_count == 0 &&
        experience_strange(incident, strange, sizeof strange)) {
        incident_hold(engine, incident, effects, strange);
        return;
    }
    if (incident->plan == 0 && incident_begins(incident)) {
        choose_plan(engine, incident, effects);
    }
    const struct rung *rung =
        incident->rung < incident->run->rung_count ? incident->run->rungs[incident->rung] : NULL;
    if (!rung) {
        incident_hold(engine, incident, effects, "no step of the ladder is left");
    } else if (rung->kind == RUNG_PAGE) {
        snprintf(incident->channel, sizeof incident->channel, "%s", rung->channel.text);
        incident_hold(engine, incident, effects, incident->text);
    } else {
        decide_act(engine, incident, rung, effects);
    }
}

static void step_joined(struct engine *engine, struct incident *incident)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        const struct incident *other = engine->incidents[i];
        if (other != incident && !incident_idle[other->state] &&
            incident_acts_on(other, incident->acts_on, incident->acts_type) &&
            strcmp(other->action, incident->action) == 0) {
            return;
        }
    }
    incident_enter(engine, incident, STATE_OPEN);
}

void incident_await(struct engine *engine, struct incident *incident, struct effects *effects)
{
    if (engine->now.ns < incident->deadline.ns) {
        return;
    }
    if (!incident->probed) {
        incident->probed = true;
        incident->deadline = engine_after(engine, RESULT_GRACE_S);
        engine_effect(effects, EFFECT_PROBE)->id = incident->action_id;
        return;
    }
    engine_record(engine, effects, RECORD_UNKNOWN, incident, "the actor does not answer");
    incident_hold(engine, incident, effects, "what became of the action is not known");
}

void incident_judge(struct engine *engine, struct incident *incident, enum judgment judgment)
{
    struct memory *memory =
        memory_of(engine, incident->policy, incident->acts_on, incident->acts_type, true);
    memory_judge(memory, incident->run->policy, incident->action, engine->now, judgment);
    experience_learn(engine, incident, incident->action, engine->now, judgment);
    if (judgment != JUDGED_OPEN) {
        mode_judge(engine, incident->policy, incident->program_hash, judgment != JUDGED_VERIFIED);
    }
}

void incident_undo(struct engine *engine, struct incident *incident, struct effects *effects)
{
    const struct rung *rung = incident->run->rungs[incident->rung];
    const struct act_call *undo = rung->call.resolved->undo;
    struct plan plan;
    char reason[TEXT_BYTES];
    if (!undo) {
        next_rung(engine, incident);
        return;
    }
    if (!plan_make(engine, incident, undo, &rung->call, &plan)) {
        incident_hold(engine, incident, effects, "the undo's target or numbers are not known");
        return;
    }
    enum refusal refusal = plan_refusal(engine, incident, &plan, reason, sizeof reason);
    if (refusal == REFUSAL_DENY && undo_may_wait(engine, incident, &plan)) {
        refusal = REFUSAL_WAIT;
    }
    if (refusal == REFUSAL_WAIT) { /* stopped, or the inventory is not seen yet: it stays owed */
        incident_refuse(engine, incident, effects, reason);
        incident->undo_owed = true;
        incident->state = STATE_WAITING;
        return;
    }
    if (refusal != REFUSAL_NONE) {
        incident_refuse(engine, incident, effects, reason);
        incident_hold(engine, incident, effects, reason);
        return;
    }
    dispatch(engine, incident, &plan, effects);
}

static void step_verifying(struct engine *engine, struct incident *incident,
                           struct effects *effects)
{
    struct policy_run *run = incident->run;
    const struct rung *rung = run->rungs[incident->rung];
    struct eval_watch *watch = run->verify[incident->rung];
    if (incident->deadline.ns == 0) { /* from the first look on, also after a restart */
        incident->deadline = engine_after(engine, rung->verify_within.value);
    }
    enum truth truth =
        incident->slot == SLOT_NONE
            ? TRUTH_UNKNOWN
            : engine_truth(watch, eval_entities_live(run->pool->entities), incident->slot);
    if (truth == TRUTH_TRUE &&
        eval_watch_oldest_sample(watch, incident->slot).ns <= incident->ended.ns) {
        truth = TRUTH_UNKNOWN; /* it was true of samples older than the end of the action */
    }
    struct duration holds =
        rung->verify.has_for ? duration_seconds(rung->verify.hold.value) : evaluations(run);
    incident->last_unknown = truth == TRUTH_UNKNOWN;
    if (truth != TRUTH_TRUE) {
        incident->true_since = (struct instant){0};
    } else if (incident->true_since.ns == 0) {
        incident->true_since = engine->now;
    }
    if (truth == TRUTH_TRUE && engine->now.ns - incident->true_since.ns >= holds.ns) {
        struct arena arena = {0};
        engine_record(engine, effects, RECORD_VERIFIED, incident, "%.400s",
                      print_expr(&arena, rung->verify.expr));
        arena_release(&arena);
        incident_judge(engine, incident, JUDGED_VERIFIED);
        incident_enter(engine, incident, STATE_RECOVERED);
    } else if (engine->now.ns >= incident->deadline.ns) {
        incident_judge(engine, incident, JUDGED_USELESS);
        engine_record(engine, effects, RECORD_UNVERIFIED, incident, "%s",
                      incident->last_unknown ? "it could not be seen whether the action helped"
                                             : "the action did not help in time");
        if (incident->last_unknown) {
            incident_hold(engine, incident, effects,
                          "it could not be seen whether the action helped");
        } else {
            incident_undo(engine, incident, effects);
        }
    }
}

/* True when the incident is over and gone. */
static bool step_clear(struct engine *engine, struct incident *incident, struct effects *effects)
{
    struct policy_run *run = incident->run;
    if (!incident_idle[incident->state]) {
        return false;
    }
    const uint64_t *live = eval_entities_live(run->pool->entities);
    bool gone =
        incident->slot == SLOT_NONE || !(live[incident->slot / 64] >> (incident->slot % 64) & 1);
    if (gone) {
        if (eval_entities_complete(run->pool->entities) && incident->state != STATE_HELD) {
            incident_close(engine, incident, effects, "the target is gone from the inventory");
            return true;
        }
        return false;
    }
    enum truth clear = TRUTH_FALSE;
    if (run->clear) {
        clear = policy_truth(run, run->clear, incident->slot);
    } else if (when_truth(incident) == TRUTH_FALSE) {
        clear = TRUTH_TRUE;
    }
    if (clear != TRUTH_TRUE) {
        incident->clear_since = (struct instant){0};
        return false;
    }
    if (incident->clear_since.ns == 0) {
        incident->clear_since = engine->now;
    }
    if (engine->now.ns - incident->clear_since.ns < run->clear_hold.ns) {
        return false;
    }
    incident_close(engine, incident, effects, "clear");
    return true;
}

static void step_unresolved(struct engine *engine, struct incident *incident,
                            struct effects *effects)
{
    const struct escalate *escalate = &incident->run->policy->escalate;
    if (escalate->has_unresolved && !incident->unresolved_told &&
        incident->state != STATE_RECOVERED &&
        (double)(engine->now.ns - incident->opened.ns) >=
            escalate->unresolved_for.value * (double)NS_PER_S) {
        incident->unresolved_told = true;
        incident_escalate(engine, incident, effects, "unresolved for %s",
                          escalate->unresolved_for.text);
    }
}

/* The policy is gone or another one now: what is under way ends, a person is told, nothing more is
 * done. */
static void step_orphan(struct engine *engine, struct incident *incident, struct effects *effects)
{
    bool in_doubt = incident->state == STATE_ACTING || incident->state == STATE_UNDOING;
    if (in_doubt) {
        incident_await(engine, incident, effects);
        return;
    }
    incident_escalate(engine, incident, effects,
                      "abandoned: the policy that opened the incident is gone or changed");
    incident_close(engine, incident, effects, "abandoned");
}

void incident_step(struct engine *engine, struct incident *incident, struct effects *effects)
{
    if (incident->intent_only) {
        incident->intent_only = false;
        engine_record(engine, effects, RECORD_DROPPED, incident, "never dispatched");
    }
    if (!incident->run) {
        step_orphan(engine, incident, effects);
        return;
    }
    if (incident->run->alerts) { /* its alert opens and closes it */
        step_unresolved(engine, incident, effects);
        return;
    }
    if (incident->undo_owed) {
        incident->undo_owed = false;
        incident_undo(engine, incident, effects);
        step_unresolved(engine, incident, effects);
        return;
    }
    if (!incident->aborting && rollback_due(engine, incident)) {
        rollback_begin(engine, incident, effects);
    }
    if (incident->aborting) {
        rollback_step(engine, incident, effects);
        step_unresolved(engine, incident, effects);
        return;
    }
    if (step_clear(engine, incident, effects)) {
        return;
    }
    resolved_step(engine, incident, effects);
    switch (incident->state) {
    case STATE_OPEN:
    case STATE_WAITING: step_open(engine, incident, effects); break;
    case STATE_JOINED: step_joined(engine, incident); break;
    case STATE_ASKED:
        if (engine->now.ns >= incident->deadline.ns) {
            engine_record(engine, effects, RECORD_DENIED, incident, "no approval in time");
            incident_hold(engine, incident, effects, "no approval in time");
        }
        break;
    case STATE_ACTING:
    case STATE_UNDOING: incident_await(engine, incident, effects); break;
    case STATE_VERIFYING: step_verifying(engine, incident, effects); break;
    case STATE_RECOVERED: /* the trigger came back before it was clear: a relapse starts the ladder
                             again */
        if (when_truth(incident) == TRUTH_TRUE &&
            engine->now.ns - incident->since.ns >= incident->run->hold.ns) {
            incident->rung = incident->cause = incident->plan = 0;
            incident->cause_name[0] = '\0';
            incident->reason = 0;
            incident_enter(engine, incident, STATE_OPEN);
        }
        break;
    case STATE_SHADOWED:
    case STATE_HELD:
    case STATE_ROLLED_BACK:
    case INCIDENT_STATES: break;
    }
    step_unresolved(engine, incident, effects);
}

void incident_result(struct engine *engine, struct incident *incident, const struct input *input,
                     struct effects *effects)
{
    static const enum record_kind kinds[OUTCOME_COUNT] = {
        [OUTCOME_NONE] = RECORD_UNKNOWN,    [OUTCOME_SUCCEEDED] = RECORD_SUCCEEDED,
        [OUTCOME_FAILED] = RECORD_FAILED,   [OUTCOME_TIMED_OUT] = RECORD_TIMED_OUT,
        [OUTCOME_UNKNOWN] = RECORD_UNKNOWN, [OUTCOME_NEVER_STARTED] = RECORD_DROPPED,
        [OUTCOME_REFUSED] = RECORD_REFUSED,
    };
    bool undoing = incident->state == STATE_UNDOING;
    CHECK(input->outcome < OUTCOME_COUNT);
    if (incident->state != STATE_ACTING && !undoing) {
        return; /* an answer that came twice */
    }
    engine_record(engine, effects, kinds[input->outcome], incident, "%s%.400s",
                  input->outcome == OUTCOME_NEVER_STARTED ? "never started: " : "",
                  input->text ? input->text : "");
    incident->ended =
        input->ended.ns > 0 && input->ended.ns <= engine->now.ns ? input->ended : engine->now;
    if (!incident->run) {
        incident_enter(engine, incident, STATE_HELD);
        return;
    }
    switch (input->outcome) {
    case OUTCOME_NONE:
    case OUTCOME_COUNT:
    case OUTCOME_UNKNOWN:
        incident_hold(engine, incident, effects, "what became of the action is not known");
        break;
    case OUTCOME_REFUSED:
        incident_hold(engine, incident, effects, "the actor refused the action");
        break;
    case OUTCOME_NEVER_STARTED:
        incident->undo_owed = undoing;
        incident_enter(engine, incident, STATE_OPEN);
        break;
    case OUTCOME_FAILED:
    case OUTCOME_TIMED_OUT:
        if (undoing) {
            incident_hold(engine, incident, effects, "the undo failed");
        } else if (input->outcome == OUTCOME_FAILED) {
            incident_judge(engine, incident, JUDGED_FAILED);
            next_rung(engine, incident);
        } else { /* it was ended half way: only an observation tells */
            done_push(incident, incident->rung);
            incident_enter(engine, incident, STATE_VERIFYING);
        }
        break;
    case OUTCOME_SUCCEEDED:
        if (undoing) {
            engine_record(engine, effects, RECORD_UNDONE, incident, "%s", incident->action);
            done_pop(incident, incident->rung);
            incident->taken_back += incident->aborting;
            if (incident->aborting) {
                incident_enter(engine, incident, STATE_OPEN);
            } else {
                next_rung(engine, incident);
            }
        } else {
            done_push(incident, incident->rung);
            incident_enter(engine, incident, STATE_VERIFYING);
        }
        break;
    }
}
