/* Taking back what an incident did: `abort when`, newest act first, and whether that helped; and
 * `resolved when`, which ends a ladder early. */
#include <stdio.h>
#include <string.h>

#include "lang/print.h"
#include "runtime/engine/engine_internal.h"

enum { LOOK_MAX_S = 3600 }; /* beyond the verify's time, for samples newer than the undo */

/* ---- what was done ---- */

void done_push(struct incident *incident, uint32_t rung)
{
    struct amounts amounts = incident->amounts;
    for (size_t i = 0; i < incident->done_count; i++) {
        if (incident->done[i].rung == rung) { /* again, after a relapse: one undo takes back both */
            amounts.before =
                incident->done[i].amounts.read ? incident->done[i].amounts.before : amounts.before;
            memmove(incident->done + i, incident->done + i + 1,
                    (incident->done_count - i - 1) * sizeof *incident->done);
            incident->done_count--;
            break;
        }
    }
    CHECK(incident->done_count < ARRAY_LEN(incident->done));
    incident->done[incident->done_count++] = (struct done){rung, amounts};
}

void done_pop(struct incident *incident, uint32_t rung)
{
    if (incident->done_count > 0 && incident->done[incident->done_count - 1].rung == rung) {
        incident->done_count--;
    }
}

static bool held_true(const struct engine *engine, enum truth truth, struct duration hold,
                      struct instant *since)
{
    if (truth != TRUTH_TRUE) {
        *since = (struct instant){0};
        return false;
    }
    if (since->ns == 0) {
        *since = engine->now;
    }
    return engine->now.ns - since->ns >= hold.ns;
}

static enum truth truth_of(const struct incident *incident, const struct eval_watch *watch)
{
    return incident->slot == SLOT_NONE ? TRUTH_UNKNOWN
                                       : policy_truth(incident->run, watch, incident->slot);
}

/* ---- abort when ---- */

static void condition_text(const struct expr *expr, char *ret, size_t size)
{
    struct arena arena = {0};
    snprintf(ret, size, "%.300s", print_expr(&arena, expr));
    arena_release(&arena);
}

bool rollback_due(struct engine *engine, struct incident *incident)
{
    const struct policy_run *run = incident->run;
    if (!run->abort || incident->done_count == 0 || incident->state == STATE_HELD) {
        return false;
    }
    const bool due =
        held_true(engine, truth_of(incident, run->abort), run->abort_hold, &incident->abort_since);
    return due && incident->state != STATE_ACTING && incident->state != STATE_UNDOING;
}

bool rollback_judges(const struct incident *incident)
{
    return incident->state == STATE_VERIFYING || incident->state == STATE_RECOVERED;
}

void rollback_begin(struct engine *engine, struct incident *incident, struct effects *effects)
{
    char text[TEXT_BYTES];
    condition_text(incident->run->policy->abort_when.expr, text, sizeof text);
    incident->aborting = true;
    incident->taken_back = 0;
    engine_record(engine, effects, RECORD_ABORTED, incident, "abort when %.400s", text);
    if (rollback_judges(incident)) {
        incident_judge(engine, incident, JUDGED_USELESS);
    }
    incident_enter(engine, incident, STATE_OPEN);
}

/* A person is told in any case: what heal did made it worse. */
static void rollback_end(struct engine *engine, struct incident *incident, struct effects *effects,
                         const char *how)
{
    char text[TEXT_BYTES];
    condition_text(incident->run->policy->abort_when.expr, text, sizeof text);
    char reason[TEXT_BYTES];
    snprintf(reason, sizeof reason, "aborted: %.300s; %s", text, how);
    incident_hold(engine, incident, effects, reason);
}

/* Undoes the newest act that is not taken back yet. */
static void take_back(struct engine *engine, struct incident *incident, struct effects *effects)
{
    while (incident->done_count > 0) {
        const struct done *last = &incident->done[incident->done_count - 1];
        const struct rung *rung = incident->run->rungs[last->rung];
        CHECK(rung && rung->kind == RUNG_ACT);
        incident->rung = last->rung;
        incident->amounts = last->amounts;
        if (rung->call.resolved->undo) {
            incident_undo(engine, incident, effects);
            return;
        }
        engine_record(engine, effects, RECORD_REFUSED, incident, "%s cannot be taken back",
                      rung->call.resolved->name.text);
        incident->done_count--;
    }
    if (incident->taken_back == 0) {
        rollback_end(engine, incident, effects, "nothing that was done can be taken back");
        return;
    }
    incident_enter(engine, incident, STATE_ROLLED_BACK);
}

/* Whether taking back ended what it was aborted for, by samples newer than the undo. */
static void look(struct engine *engine, struct incident *incident, struct effects *effects)
{
    struct policy_run *run = incident->run;
    if (incident->deadline.ns == 0) {
        incident->deadline = engine_after(engine, run->rungs[incident->rung]->verify_within.value);
    }
    const bool fresh = incident->slot != SLOT_NONE &&
                       eval_watch_oldest_sample(run->abort, incident->slot).ns > incident->ended.ns;
    const enum truth over = !fresh                                          ? TRUTH_UNKNOWN
                            : truth_of(incident, run->abort) == TRUTH_FALSE ? TRUTH_TRUE
                                                                            : TRUTH_FALSE;
    if (held_true(engine, over, run->abort_hold, &incident->true_since)) {
        engine_record(engine, effects, RECORD_ROLLED_BACK, incident, "%u taken back, and it ended",
                      incident->taken_back);
        rollback_end(engine, incident, effects, "what was done is taken back");
    } else if (engine->now.ns >= incident->deadline.ns &&
               (fresh || engine->now.ns - incident->deadline.ns >= LOOK_MAX_S * NS_PER_S)) {
        rollback_end(engine, incident, effects,
                     "what was done is taken back, and that did not end it");
    }
}

void rollback_step(struct engine *engine, struct incident *incident, struct effects *effects)
{
    switch (incident->state) {
    case STATE_ROLLED_BACK: look(engine, incident, effects); break;
    case STATE_ACTING:
    case STATE_UNDOING: incident_await(engine, incident, effects); break;
    case STATE_HELD: incident->aborting = false; break;
    case STATE_OPEN:
    case STATE_WAITING:
    case STATE_JOINED:
    case STATE_SHADOWED:
    case STATE_ASKED:
    case STATE_VERIFYING:
    case STATE_RECOVERED: take_back(engine, incident, effects); break;
    case INCIDENT_STATES: break;
    }
}

/* ---- resolved when ---- */

static bool resolvable(const struct incident *incident)
{
    return incident->state == STATE_OPEN || incident->state == STATE_WAITING ||
           incident->state == STATE_JOINED || incident->state == STATE_ASKED ||
           incident->state == STATE_VERIFYING;
}

void resolved_step(struct engine *engine, struct incident *incident, struct effects *effects)
{
    const struct policy_run *run = incident->run;
    if (!run->resolved || !resolvable(incident) ||
        !held_true(engine, truth_of(incident, run->resolved), run->resolved_hold,
                   &incident->resolved_since)) {
        return;
    }
    char text[TEXT_BYTES];
    condition_text(run->policy->resolved_when.expr, text, sizeof text);
    engine_record(engine, effects, RECORD_RESOLVED, incident, "resolved when %.400s", text);
    if (incident->state == STATE_VERIFYING) {
        incident_judge(engine, incident, JUDGED_OPEN);
    }
    incident->resolved_since = (struct instant){0};
    incident_enter(engine, incident, STATE_RECOVERED);
}
