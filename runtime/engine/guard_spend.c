/* Guards that look at numbers: how far a step may go, what may be spent, and what must hold while
 * anything is done. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lang/print.h"
#include "runtime/engine/engine_internal.h"

/* Sums of doubles are compared with room for their rounding. */
static bool fits(double sum, double allowed)
{
    return sum <= allowed + 1e-9 * fmax(1.0, fabs(allowed));
}

/* ---- step at most AMOUNT per D of any TYPE ---- */

static bool step_concerns(const struct limit *limit, const struct plan *plan)
{
    const struct parameter *p = plan->action->parameters->next;
    while (p && !limit_steps(limit, p)) {
        p = p->next;
    }
    return p != NULL;
}

static double step_allows(const struct limit *limit, double from)
{
    return limit->amount.has_ratio ? limit->amount.ratio * fabs(from) : limit->amount.count;
}

bool step_denies(const struct engine *engine, const struct limit *limit, const struct plan *plan,
                 char *ret_reason, size_t size)
{
    if (!step_concerns(limit, plan)) {
        return false;
    }
    if (!plan->amounts.read) {
        snprintf(ret_reason, size, "step at most %s per %s: what is there is not known",
                 limit->amount.text, limit->per.text);
        return true;
    }
    struct ledger_query query = {.target = ledger_name(plan->target),
                                 .type = ledger_name(plan->type),
                                 .window = duration_seconds(limit->per.value)};
    struct ledger_steps steps =
        ledger_steps(&engine->ledger, engine->now, query, action_quantity(plan->action));
    double change = fabs(plan->amounts.given - plan->amounts.before);
    double from = steps.any ? steps.first : plan->amounts.before;
    double allowed = step_allows(limit, from);
    if (fits(steps.sum + change, allowed)) {
        return false;
    }
    char number[4][NUMBER_BYTES];
    snprintf(ret_reason, size,
             "step at most %s per %s from %s: %s after %s in the window, %s allowed",
             limit->amount.text, limit->per.text, number_print(from, number[0]),
             number_print(change, number[1]), number_print(steps.sum, number[2]),
             number_print(allowed, number[3]));
    return true;
}

bool step_passes_later(const struct engine *engine, const struct plan *plan)
{
    bool denied = false;
    double change = fabs(plan->amounts.given - plan->amounts.before);
    for (const struct guard *guard = engine->program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            char reason[TEXT_BYTES];
            if (limit->kind != LIMIT_STEP || strcmp(limit->subject.text, plan->type) != 0 ||
                !step_denies(engine, limit, plan, reason, sizeof reason)) {
                continue;
            }
            if (!plan->amounts.read || !fits(change, step_allows(limit, plan->amounts.before))) {
                return false;
            }
            denied = true;
        }
    }
    return denied;
}

/* ---- spend at most AMOUNT per D ---- */

static bool spend_denies(const struct engine *engine, const struct limit *limit,
                         const struct policy *policy, const struct plan *plan, char *ret,
                         size_t size)
{
    if (limit->kind != LIMIT_SPEND) {
        return false;
    }
    if (!plan->action->has_costs) {
        snprintf(ret, size, "spend at most %s per %s: what %s costs is not declared",
                 limit->amount.text, limit->per.text, plan->action->name.text);
        return true;
    }
    struct ledger_query query = {.policy = policy ? ledger_name(policy->name.text) : 0,
                                 .window = duration_seconds(limit->per.value)};
    double spent = ledger_money(&engine->ledger, engine->now, query);
    double cost = ledger_cost(&plan->amounts, query.window);
    if (fits(spent + cost, limit->amount.count)) {
        return false;
    }
    snprintf(ret, size, "spend at most %s per %s: %.6g usd after %.6g usd in the window",
             limit->amount.text, limit->per.text, cost, spent);
    return true;
}

bool budget_denies(const struct engine *engine, const struct policy *policy,
                   const struct plan *plan, char *ret_reason, size_t size)
{
    char reason[TEXT_BYTES / 2];
    if (plan->undo) {
        return false;
    }
    for (const struct guard *guard = engine->program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            if (spend_denies(engine, limit, NULL, plan, reason, sizeof reason)) {
                snprintf(ret_reason, size, BUDGET_WORD "guard %s: %s", guard->name.text, reason);
                return true;
            }
        }
    }
    for (const struct limit *limit = policy->spends; limit; limit = limit->next) {
        if (spend_denies(engine, limit, policy, plan, reason, sizeof reason)) {
            snprintf(ret_reason, size, BUDGET_WORD "%s", reason);
            return true;
        }
    }
    return false;
}

void budget_refused(struct engine *engine, struct incident *incident, struct effects *effects,
                    const char *reason)
{
    const struct escalate *escalate = &incident->run->policy->escalate;
    incident_refuse(engine, incident, effects, reason);
    if (!incident->budget_told && (escalate->has_budget || !escalate->has_unresolved)) {
        incident->budget_told = true;
        incident_escalate(engine, incident, effects, "%s", reason);
    }
    incident->state = STATE_WAITING;
}

/* ---- only while EXPR ---- */

enum status whiles_add(struct engine *engine, struct error *error)
{
    struct eval_entities *one = NULL;
    for (const struct guard *guard = engine->program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            if (limit->kind != LIMIT_ONLY_WHILE) {
                continue;
            }
            one = one ? one : eval_entities_new(engine->eval, NULL, engine->host->tick, error);
            struct eval_watch *watch =
                one ? eval_watch_new(engine->eval, one, limit->only, engine->host->tick, error)
                    : NULL;
            if (!watch) {
                return STATUS_LIMIT;
            }
            ARRAY_RESERVE(engine->whiles, engine->while_count, engine->while_capacity);
            engine->whiles[engine->while_count++] = (struct while_run){guard, limit, watch};
        }
    }
    return STATUS_OK;
}

bool while_waits(const struct engine *engine, char *ret_reason, size_t size)
{
    static const uint64_t there = 1;
    for (size_t i = 0; i < engine->while_count; i++) {
        const struct while_run *run = &engine->whiles[i];
        enum truth truth = engine_truth(run->watch, &there, 0);
        if (truth != TRUTH_TRUE) {
            struct arena arena = {0};
            snprintf(ret_reason, size, "guard %s: only while %.300s, which %s",
                     run->guard->name.text, print_expr(&arena, run->limit->only),
                     truth == TRUTH_FALSE ? "is false" : "cannot be seen");
            arena_release(&arena);
            return true;
        }
    }
    return false;
}
