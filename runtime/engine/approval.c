/* Approvals: what a person is asked before an act, and what the answer does. */
#include <stdio.h>

#include "runtime/engine/engine_internal.h"

enum { APPROVAL_DEFAULT_S = 900 }; /* approve without within: 15m */

void approval_ask(struct engine *engine, struct incident *incident, const struct rung *rung,
                  const struct plan *plan, const char *why, struct effects *effects)
{
    double within = rung->approve && rung->approve_within.text ? rung->approve_within.value
                                                               : (double)APPROVAL_DEFAULT_S;
    incident->asked = ledger_name(plan->text);
    engine_record(engine, effects, RECORD_ASKED, incident, "%s: %s", plan->text, why);
    struct record copy = effects->items[effects->count - 1].record;
    copy.rung = ++incident->notices;
    snprintf(copy.text, sizeof copy.text, "approve %.300s? healctl approve %llu", plan->text,
             (unsigned long long)incident->id);
    engine_notify(engine, &copy, rung->approve ? rung->approver.text : incident->channel,
                  incident->id << 8 | (incident->notices & 0xFF));
    incident_enter(engine, incident, STATE_ASKED);
    incident->deadline = engine_after(engine, within);
}

void incident_answer(struct engine *engine, struct incident *incident, bool approve,
                     const struct input *input, struct effects *effects)
{
    if (incident->state != STATE_ASKED || !incident->run) {
        return;
    }
    if (approve && engine->now.ns < incident->deadline.ns) {
        engine_record(engine, effects, RECORD_APPROVED, incident, "by %s%s%.300s",
                      input->who ? input->who : "?", input->text && input->text[0] ? ": " : "",
                      input->text ? input->text : "");
        incident_enter(engine, incident, STATE_OPEN);
        incident->approved = true;
        return;
    }
    engine_record(engine, effects, RECORD_DENIED, incident, "%s by %s%s%.300s",
                  approve ? "approved too late" : "denied", input->who ? input->who : "?",
                  input->text && input->text[0] ? ": " : "", input->text ? input->text : "");
    incident_hold(engine, incident, effects, "denied by a person");
}
