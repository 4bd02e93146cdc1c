/* Rising again: the engine's state from the journal's records, or from the engine before a reload.
 *
 * What was spent, cooldowns and open incidents come back. An action with INTENT only never started;
 * one that was DISPATCHED without an outcome is in doubt, and its actor is asked before anything
 * else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

static struct policy_run *policy_run_of(const struct engine *engine, const char *name,
                                        uint64_t hash)
{
    for (size_t i = 0; i < engine->policy_count; i++) {
        const struct policy *policy = engine->policies[i]->policy;
        if (strcmp(policy->name.text, name) == 0 && policy->hash == hash) {
            return engine->policies[i];
        }
    }
    return NULL;
}

static struct incident *incident_of(struct engine *engine, uint64_t id)
{
    for (size_t i = engine->incident_count; i > 0; i--) {
        if (engine->incidents[i - 1]->id == id) {
            return engine->incidents[i - 1];
        }
    }
    return NULL;
}

static void restore_open(struct engine *engine, const struct record *record)
{
    struct policy_run *run = policy_run_of(engine, record->policy, record->program_hash);
    struct incident *incident = incident_new(engine, run, SLOT_NONE, record->incident);
    incident->opened = record->time;
    incident->program_hash = record->program_hash;
    snprintf(incident->policy, sizeof incident->policy, "%s", record->policy);
    snprintf(incident->target, sizeof incident->target, "%s", record->target);
    snprintf(incident->type, sizeof incident->type, "%s", record->type);
    snprintf(incident->text, sizeof incident->text, "%s", record->text);
    if (run && !policy_acts(run->policy)) { /* it was handed over when it was opened */
        incident_enter(engine, incident, STATE_HELD);
    }
}

/* Cooldown and effect window as they were when the action was dispatched or judged. */
static void restore_memory(struct engine *engine, const struct incident *incident,
                           const struct record *record)
{
    const enum judgment judgment = record->kind == RECORD_VERIFIED   ? JUDGED_VERIFIED
                                   : record->kind == RECORD_RESOLVED ? JUDGED_OPEN
                                   : record->kind == RECORD_FAILED   ? JUDGED_FAILED
                                                                     : JUDGED_USELESS;
    if (record->kind != RECORD_DISPATCHED && incident->state != STATE_UNDOING) {
        experience_learn(engine, incident, record->action, record->time, judgment);
    }
    if (!incident->run) {
        return;
    }
    const struct policy *policy = incident->run->policy;
    struct memory *memory =
        memory_of(engine, record->policy, incident->acts_on, incident->acts_type, true);
    memory->acted = record->time;
    if (record->kind == RECORD_DISPATCHED) {
        const struct action *action = action_named(engine->program, record->action);
        if (action) {
            memory_act(memory, action, record->time);
        }
        return;
    }
    snprintf(memory->action, sizeof memory->action, "%s", record->action);
    if (incident->state != STATE_UNDOING && record->kind != RECORD_RESOLVED) {
        /* of an undo, and of what ended before it could be verified, nothing is judged */
        mode_judge(engine, record->policy, record->program_hash, record->kind != RECORD_VERIFIED);
    }
    memory_judge(memory, policy, record->action, record->time, judgment);
}

/* A page that was decided but of which no delivery is on record goes out again: at least once. */
static void restore_notice(struct engine *engine, const struct record *record)
{
    uint64_t id = record->incident << 8 | (record->rung & 0xFF);
    if (record->kind == RECORD_ESCALATED || record->kind == RECORD_OVER) {
        engine_notify(engine, record, record->action, id);
        return;
    }
    for (size_t i = 0; i < engine->notice_count; i++) {
        if (engine->notices[i]->id == id) {
            notice_remove(engine, i);
            return;
        }
    }
}

/* A reminder, and news of a cascade, leave what is under way alone; any other page held it. */
static void restore_escalated(struct engine *engine, struct incident *incident,
                              const struct record *record)
{
    const char *text = record->text;
    if (record->kind == RECORD_INHIBITED) {
        inhibit_restore(incident, record);
        text = incident->withheld;
    } else {
        incident->notices = record->rung;
        incident->withheld[0] = '\0';
        told_note(incident, record->action);
        climb_restore(incident, record);
    }
    if (strncmp(text, CLIMB_WORD, sizeof CLIMB_WORD - 1) == 0) {
        return;
    }
    snprintf(incident->channel, sizeof incident->channel, "%s", record->action);
    if (strncmp(text, CASCADE_WORD, sizeof CASCADE_WORD - 1) == 0) {
        incident->cascade_told = true;
        return;
    }
    if (strncmp(record->text, BUDGET_WORD, sizeof BUDGET_WORD - 1) == 0) {
        incident->budget_told = true;
        return;
    }
    incident->unresolved_told = true;
    if (strncmp(text, "unresolved for ", 15) == 0) {
        return;
    }
    if (incident->climb.acknowledged) { /* it was held anew */
        climb_anew(incident);
        climb_begin(incident, record->time);
    }
    incident->undo_owed = incident->aborting = false;
    if (incident->state != STATE_RECOVERED) {
        incident_enter(engine, incident, STATE_HELD);
    }
}

/* Success of an undo and the record of it say the same; the second finds it taken back. */
static void restore_undone(struct engine *engine, struct incident *incident,
                           const struct record *record)
{
    if (incident->state != STATE_UNDOING) {
        return;
    }
    done_pop(incident, record->rung);
    incident->taken_back += incident->aborting;
    if (!incident->aborting) {
        incident->rung = record->rung + 1;
    }
    incident_enter(engine, incident, STATE_OPEN);
}

static void restore_incident(struct engine *engine, struct incident *incident,
                             const struct record *record, bool undo)
{
    switch (record->kind) {
    case RECORD_ASKED:
        incident->notices++;
        incident->told_own = true;
        approval_restore(incident, record);
        break; /* approvals do not outlive the engine that asked */
    case RECORD_INTENT:
        incident->intent_only = true;
        incident->undo_owed = undo; /* what was never dispatched is still to be done */
        incident->action_id = record->action_id;
        incident->rung = record->rung;
        incident_restore_target(incident, record);
        incident->amounts = undo ? incident->amounts : amounts_parse(record->text);
        snprintf(incident->action, sizeof incident->action, "%s", record->action);
        break;
    case RECORD_DISPATCHED:
        incident->intent_only = false;
        incident->undo_owed = false;
        incident_restore_target(incident, record);
        incident_enter(engine, incident, undo ? STATE_UNDOING : STATE_ACTING);
        restore_memory(engine, incident, record);
        break;
    case RECORD_DROPPED: /* it never started: an undo is still to be done */
        incident->intent_only = false;
        incident->rung = record->rung;
        incident->undo_owed = incident->undo_owed || incident->state == STATE_UNDOING;
        incident_enter(engine, incident, STATE_OPEN);
        break;
    case RECORD_SUCCEEDED:
    case RECORD_TIMED_OUT:
        incident->ended = record->time;
        if (incident->state != STATE_UNDOING) {
            done_push(incident, record->rung);
            incident_enter(engine, incident,
                           STATE_VERIFYING); /* its time starts at the first step */
        } else if (record->kind == RECORD_SUCCEEDED) {
            restore_undone(engine, incident, record);
        } else {
            incident_enter(engine, incident, STATE_HELD);
        }
        break;
    case RECORD_FAILED:
        restore_memory(engine, incident, record);
        incident->rung = record->rung + 1;
        incident_enter(engine, incident, STATE_OPEN);
        break;
    case RECORD_VERIFIED:
        restore_memory(engine, incident, record);
        incident_enter(engine, incident, STATE_RECOVERED);
        climb_end(incident);
        break;
    case RECORD_UNVERIFIED:
        restore_memory(engine, incident, record);
        incident->undo_owed = true;
        incident_enter(engine, incident, STATE_OPEN);
        break;
    case RECORD_UNDONE: restore_undone(engine, incident, record); break;
    case RECORD_RESOLVED:
        if (incident->state == STATE_VERIFYING) {
            restore_memory(engine, incident, record);
        }
        incident_enter(engine, incident, STATE_RECOVERED);
        climb_end(incident);
        break;
    case RECORD_ABORTED:
        if (rollback_judges(incident)) {
            restore_memory(engine, incident, record);
        }
        incident->aborting = true;
        incident->taken_back = 0;
        incident_enter(engine, incident, STATE_OPEN);
        break;
    case RECORD_MEASURED: experience_restore(incident, record); break;
    case RECORD_CHOSEN: plan_restore(incident, record); break;
    case RECORD_ESCALATED:
    case RECORD_INHIBITED: restore_escalated(engine, incident, record); break;
    case RECORD_NOTIFIED: told_restore(incident, record); break;
    case RECORD_OVER: incident->notices = record->rung; break;
    case RECORD_UNKNOWN:
    case RECORD_DENIED: incident_enter(engine, incident, STATE_HELD); break;
    case RECORD_CONCLUDED:
        (void)record_cause(record->text, incident->cause_name);
        cause_restore(incident, record);
        break;
    case RECORD_ACKNOWLEDGED: climb_restore(incident, record); break;
    case RECORD_PLANNED:
        if (strncmp(record->text, "shadow:", 7) == 0) {
            incident_enter(engine, incident, STATE_SHADOWED);
        }
        break;
    case RECORD_ROLLED_BACK: /* a page follows it */
    case RECORD_STARTED:
    case RECORD_LOADED:
    case RECORD_OPENED:
    case RECORD_JOINED:
    case RECORD_REFUSED:
    case RECORD_APPROVED:
    case RECORD_CLOSED:
    case RECORD_DEMOTED:
    case RECORD_PROMOTED:
    case RECORD_STOPPED:
    case RECORD_RESUMED:
    case RECORD_EVENT:
    case RECORD_KINDS: break;
    }
}

void engine_restore(struct engine *engine, const struct record *record)
{
    CHECK(!engine->stepped);
    if (record->time.ns > engine->now.ns) {
        engine->now = record->time;
    }
    if (record->kind == RECORD_STOPPED || record->kind == RECORD_RESUMED) {
        engine->stopped = record->kind == RECORD_STOPPED;
        snprintf(engine->stopped_by, sizeof engine->stopped_by, "%.60s",
                 strncmp(record->text, "by ", 3) == 0 ? record->text + 3 : record->text);
    }
    if (record->kind == RECORD_DEMOTED || record->kind == RECORD_PROMOTED) {
        mode_restore(engine, record);
    }
    if (record->incident == 0) {
        if (record->kind == RECORD_NOTIFIED) {
            notice_told(engine, record);
        }
        return;
    }
    if (record->incident > engine->next_incident) {
        engine->next_incident = record->incident;
    }
    bool undo = strncmp(record->text, UNDO_WORD, sizeof UNDO_WORD - 1) == 0;
    if (record->kind == RECORD_DISPATCHED) {
        record_spend(engine, record, undo);
    }
    if (record->kind == RECORD_ESCALATED || record->kind == RECORD_OVER ||
        record->kind == RECORD_NOTIFIED) {
        restore_notice(engine, record);
    }
    struct incident *incident = incident_of(engine, record->incident);
    if (!incident && record->kind == RECORD_OPENED) {
        restore_open(engine, record);
    } else if (incident && record->kind == RECORD_CLOSED) {
        experience_close(engine, incident);
        incident_remove(engine, incident);
    } else if (incident) {
        restore_incident(engine, incident, record, undo);
    }
}

/* A policy of the same hash has the same pool, whose entities are in the slots they were in: what
 * has been true for a while goes on being so, and what was told is not told again. */
static void policy_adopt(struct policy_run *run, const struct policy_run *old)
{
    if (run->alerts && old->alerts) {
        alert_rule_adopt(run->alerts, old->alerts);
        run->backlog = old->backlog;
    }
    engine_policy_resize(run);
    const size_t slots = run->slots < old->slots ? run->slots : old->slots;
    for (size_t slot = 0; slot < slots; slot++) {
        run->pending_since[slot] = old->pending_since[slot];
        run->busy[slot / 64] |= (uint64_t)(run->pending_since[slot].ns != 0) << (slot % 64);
    }
    run->last = old->last;
    run->settled = old->settled;
    run->unknown_since = old->unknown_since;
    run->unknown_count = old->unknown_count;
    run->missing_told = old->missing_told;
    run->stale_told = old->stale_told;
    run->blind_told = old->blind_told;
}

/* A share of a pool stays narrow for its window when the pool was smaller before the reload, also
 * where the pool of that name is another one now. */
static void populations_adopt(struct engine *engine, const struct engine *before)
{
    for (size_t i = 0; i < engine->pool_count; i++) {
        for (size_t j = 0; j < before->pool_count; j++) {
            const struct pool *now = engine->pools[i]->pool, *old = before->pools[j]->pool;
            if (now && old && strcmp(now->name.text, old->name.text) == 0) {
                engine->pools[i]->population = before->pools[j]->population;
            }
        }
    }
}

void engine_adopt(struct engine *engine, struct engine *before)
{
    CHECK(engine->incident_count == 0 && !engine->stepped);
    eval_adopt(engine->eval, before->eval);
    engine->now = before->now;
    engine->stopped = before->stopped;
    memcpy(engine->stopped_by, before->stopped_by, sizeof engine->stopped_by);
    engine->next_incident = before->next_incident;
    engine->next_action = before->next_action;
    engine->next_notice = before->next_notice;
    engine->counters = before->counters;
    for (size_t i = 0; i < before->notice_count; i++) {
        *engine->notices[i] = *before->notices[i];
    }
    engine->notice_count = before->notice_count;
    memcpy(engine->windows, before->windows, sizeof engine->windows);
    engine->window_count = before->window_count;
    for (size_t i = 0; i < before->ledger.count; i++) {
        ARRAY_RESERVE(engine->ledger.entries, engine->ledger.count, engine->ledger.capacity);
        engine->ledger.entries[engine->ledger.count++] = before->ledger.entries[i];
    }
    for (size_t i = 0; i < before->memory_count; i++) {
        ARRAY_RESERVE(engine->memories, engine->memory_count, engine->memory_capacity);
        engine->memories[engine->memory_count++] = before->memories[i];
    }
    modes_adopt(engine, before);
    experience_adopt(engine, before);
    populations_adopt(engine, before);
    for (size_t i = 0; i < before->policy_count; i++) {
        const struct policy_run *old = before->policies[i];
        struct policy_run *run = policy_run_of(engine, old->policy->name.text, old->policy->hash);
        if (run) {
            policy_adopt(run, old);
        }
        if (old->alerts) { /* what nobody took over ends */
            recorder_retire(&old->alerts->recorder, before->now);
        }
    }
    for (size_t i = 0; i < before->incident_count; i++) {
        struct incident *old = before->incidents[i];
        struct policy_run *run = policy_run_of(engine, old->policy, old->program_hash);
        struct incident *incident = incident_new(engine, run, SLOT_NONE, old->id);
        *incident = *old;
        old->seen = NULL; /* it is this one's now */
        incident->run = run;
        incident->slot = SLOT_NONE;
        if (run) {
            run->bound += incident->alerting;
        }
    }
}
