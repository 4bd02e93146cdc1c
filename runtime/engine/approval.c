/* Approvals: what a person is asked before an act, and what the answer does. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

enum { APPROVAL_DEFAULT_S = 900 }; /* approve without within: 15m */

const char *approval_cause(struct engine *engine, const struct incident *incident,
                           const struct rung *rung, const struct plan *plan)
{
    const struct memory *memory =
        memory_of(engine, incident->policy, plan->target, plan->type, false);
    const bool attended =
        (plan->action->irreversible || plan->action->replaces.text) && !plan->unattended;
    return memory && memory_useless(memory, plan->action->name.text, engine->now)
               ? "it did not help this target twice in a row"
           : unattended_spent(engine, plan)
               ? "a guard leaves this target no further action without a person"
           : rung->four_eyes                 ? "the policy asks for the approval of two people"
           : rung->approve                   ? "the policy asks for an approval"
           : attended                        ? "irreversible, and not granted as unattended"
           : incident->run->mode == MODE_ASK ? "mode ask"
                                             : NULL;
}

/* ---- the plan's hash ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return hash_bytes(hash, &number, sizeof number);
}

/* Of all that a person says yes to, and of the question itself: an answer to another question, of
 * another incident or of another life of the engine is no answer to this one. */
static uint64_t plan_hash(const struct engine *engine, const struct incident *incident,
                          const struct plan *plan, const char *why)
{
    uint64_t hash = hash_text(HASH_INIT, plan->action->name.text);
    hash = hash_text(hash, plan->text);
    hash = hash_text(hash, plan->target);
    hash = hash_text(hash, plan->type);
    hash = hash_number(hash, plan->number_count);
    hash = hash_bytes(hash, plan->numbers, plan->number_count * sizeof plan->numbers[0]);
    hash = hash_text(hash, why);
    hash = hash_number(hash, incident->rung);
    hash = hash_number(hash, incident->cause);
    hash = hash_number(hash, incident->plan);
    hash = hash_number(hash, incident->program_hash);
    hash = hash_number(hash, incident->id);
    hash = hash_number(hash, engine->host->epoch);
    hash = hash_number(hash, incident->approval.asks);
    return hash >> 32 != 0 ? hash : 1ULL << 32 | hash; /* its short form is never 0 */
}

/* ---- the question ---- */

void approval_ask(struct engine *engine, struct incident *incident, const struct rung *rung,
                  const struct plan *plan, const char *why, struct effects *effects)
{
    struct approval *approval = &incident->approval;
    double within = rung->approve && rung->approve_within.text ? rung->approve_within.value
                                                               : (double)APPROVAL_DEFAULT_S;
    *approval = (struct approval){.asks = approval->asks + 1, .wanted = rung->four_eyes ? 2 : 1};
    approval->plan = plan_hash(engine, incident, plan, why);
    approval->until = engine_after(engine, within);
    snprintf(approval->name, sizeof approval->name, "%08" PRIx32, (uint32_t)(approval->plan >> 32));
    snprintf(approval->text, sizeof approval->text, "%s", plan->text);
    engine_record(engine, effects, RECORD_ASKED, incident, "plan %s: %.380s: %s", approval->name,
                  plan->text, why);
    struct record copy = effects->items[effects->count - 1].record;
    copy.rung = ++incident->notices;
    incident->told_own = true;
    told_note(incident, rung->approve ? rung->approver.text : incident->channel);
    snprintf(copy.text, sizeof copy.text, "approve %.300s? healctl approve %llu --plan %s%s",
             plan->text, (unsigned long long)incident->id, approval->name,
             rung->four_eyes ? ", by two people" : "");
    engine_notify(engine, &copy, rung->approve ? rung->approver.text : incident->channel,
                  incident->id << 8 | (incident->notices & 0xFF));
    incident_enter(engine, incident, STATE_ASKED);
    incident->deadline = approval->until;
}

/* ---- the answer ---- */

/* Whether this person's yes counts for what is asked now; if not, why. */
static bool yes_counts(const struct engine *engine, const struct incident *incident,
                       const struct input *input, char *ret_why, size_t size)
{
    const struct approval *approval = &incident->approval;
    const char *who = input->who ? input->who : "?";
    const bool asked = incident->state == STATE_ASKED && incident->run;
    const bool another = input->plan != 0 && input->plan != (uint32_t)(approval->plan >> 32);
    if (!asked) {
        snprintf(ret_why, size, "it awaits no approval: it is %s", incident_texts[incident->state]);
    } else if (another) {
        snprintf(ret_why, size, "the plan asked for is now %s, %.300s", approval->name,
                 approval->text);
    } else if (approval->wanted > 1 && input->uid == 0) {
        snprintf(ret_why, size, "two people must approve, and root does not say who it is");
    } else if (approval->wanted > 1 && engine->host->author &&
               strcmp(engine->host->author, who) == 0) {
        snprintf(ret_why, size,
                 "two people other than the author must approve, and %s is the author", who);
    } else if (approval->given > 0 && strcmp(approval->who[0], who) == 0) {
        snprintf(ret_why, size, "%s has approved it; another person must", who);
    } else {
        return true;
    }
    return false;
}

bool engine_may_approve(const struct engine *engine, const struct input *input, char *ret_why,
                        size_t size)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        if (engine->incidents[i]->id == input->id) {
            return yes_counts(engine, engine->incidents[i], input, ret_why, size);
        }
    }
    snprintf(ret_why, size, "no incident %llu is open", (unsigned long long)input->id);
    return false;
}

/* " by ann: the words" behind what was answered. */
static void record_answer(struct engine *engine, const struct incident *incident,
                          enum record_kind kind, const char *what, const struct input *input,
                          struct effects *effects)
{
    engine_record(engine, effects, kind, incident, "%sby %s%s%.300s", what,
                  input->who ? input->who : "?", input->text && input->text[0] ? ": " : "",
                  input->text ? input->text : "");
}

/* A yes that does not count is kept: it may be an old one that somebody plays again. */
static void refuse_yes(struct engine *engine, const struct incident *incident, const char *why,
                       const struct input *input, struct effects *effects)
{
    char plan[PLAN_NAME_BYTES + 16] = "";
    if (input->plan != 0) {
        snprintf(plan, sizeof plan, " of plan %08" PRIx32, input->plan);
    }
    engine_record(engine, effects, RECORD_REFUSED, incident, "approval%s by %.60s: %s", plan,
                  input->who ? input->who : "?", why);
}

static void take_yes(struct engine *engine, struct incident *incident, const struct input *input,
                     struct effects *effects)
{
    struct approval *approval = &incident->approval;
    snprintf(approval->who[approval->given++], WHO_BYTES, "%s", input->who ? input->who : "?");
    const bool enough = approval->given == approval->wanted;
    record_answer(engine, incident, RECORD_APPROVED, enough ? "" : "1 of 2, ", input, effects);
    if (enough) {
        incident_enter(engine, incident, STATE_OPEN);
    }
}

void incident_answer(struct engine *engine, struct incident *incident, bool approve,
                     const struct input *input, struct effects *effects)
{
    char why[TEXT_BYTES];
    if (approve && (!incident || !yes_counts(engine, incident, input, why, sizeof why))) {
        if (!incident) {
            snprintf(why, sizeof why, "no incident %llu is open", (unsigned long long)input->id);
        }
        refuse_yes(engine, incident, why, input, effects);
    } else if (!incident || incident->state != STATE_ASKED || !incident->run) {
        return;
    } else if (approve && engine->now.ns < incident->approval.until.ns) {
        take_yes(engine, incident, input, effects);
    } else {
        record_answer(engine, incident, RECORD_DENIED, approve ? "approved too late " : "denied ",
                      input, effects);
        incident_hold(engine, incident, effects, "denied by a person");
    }
}

/* ---- its use ---- */

bool approval_given(const struct incident *incident)
{
    const struct approval *approval = &incident->approval;
    return approval->plan != 0 && approval->given >= approval->wanted;
}

void approval_drop(struct incident *incident)
{
    incident->approval = (struct approval){.asks = incident->approval.asks};
}

bool approval_covers(struct engine *engine, struct incident *incident, const struct plan *plan,
                     const char *why, struct effects *effects)
{
    const struct approval *approval = &incident->approval;
    if (!approval_given(incident)) {
        return false;
    }
    const bool same = plan_hash(engine, incident, plan, why) == approval->plan;
    if (same && engine->now.ns < approval->until.ns) {
        return true;
    }
    engine_record(engine, effects, RECORD_REFUSED, incident,
                  same ? "the approval of plan %s ended before it could be used: %.380s"
                       : "plan %s was approved, and the plan is now another one: %.380s",
                  approval->name, plan->text);
    approval_drop(incident);
    return false;
}

void approval_restore(struct incident *incident, const struct record *record)
{
    const struct policy_run *run = incident->run;
    const struct rung *rung =
        run && record->rung < run->rung_count ? run->rungs[record->rung] : NULL;
    told_note(incident, rung && rung->approve ? rung->approver.text : incident->channel);
}

bool engine_approval(const struct engine *engine, uint64_t id, struct approval_view *ret)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        const struct incident *incident = engine->incidents[i];
        if (incident->id == id && incident->state == STATE_ASKED) {
            const struct approval *approval = &incident->approval;
            *ret = (struct approval_view){.plan = (uint32_t)(approval->plan >> 32),
                                          .text = approval->text,
                                          .until = approval->until,
                                          .wanted = approval->wanted,
                                          .given = approval->given};
            return true;
        }
    }
    return false;
}
