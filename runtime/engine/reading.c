/* What the number of a target is now, as the action says it can be read.
 *
 * A reading counts when exactly one series is the target's, all of it was observed, and every
 * sample is newer than what heal last did to that number. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

enum { UNDO_READ_S = 300 }; /* an undo waits so long to be read; then a person is told */

static bool call_is_on_entity(const struct policy *policy, const struct act_call *call)
{
    const struct expr *target = call_value(call, call->resolved->parameters);
    return policy->each.text && target && target->kind == EXPR_SELECTOR &&
           target->selector.name.text && strcmp(target->selector.name.text, policy->each.text) == 0;
}

enum status reading_add(struct engine *engine, struct policy_run *run, size_t rung,
                        struct error *error)
{
    const struct act_call *call = &run->rungs[rung]->call;
    const struct expr *target = call_value(call, call->resolved->parameters);
    if (!call->resolved->reads) {
        return STATUS_OK;
    }
    CHECK(target && target->kind == EXPR_SELECTOR && target->selector.name.text);
    run->on_entity[rung] = call_is_on_entity(run->policy, call);
    struct eval_entities *entities =
        run->on_entity[rung]
            ? run->pool->entities
            : eval_entities_one(engine->eval, "service", target->selector.name.text);
    run->reads[rung] =
        eval_watch_new(engine->eval, entities, call->resolved->reads, run->every, error);
    return run->reads[rung] ? STATUS_OK : STATUS_LIMIT;
}

enum base_quantity action_quantity(const struct action *action)
{
    const struct parameter *number = action ? action_number(action) : NULL;
    if (!number) {
        return BASE_QUANTITIES;
    }
    enum unit unit = unit_find(number->type.text, strlen(number->type.text));
    return unit == UNIT_NONE ? BASE_COUNT : unit_infos[unit].base;
}

enum reading reading_of(const struct engine *engine, const struct incident *incident,
                        const struct plan *plan, double *ret_value)
{
    const struct policy_run *run = incident->run;
    const struct action *action = run->rungs[incident->rung]->call.resolved; /* an undo's too */
    const struct eval_watch *watch = run->reads[incident->rung];
    const size_t slot = run->on_entity[incident->rung] ? incident->slot : 0;
    if (!watch) {
        return READING_NONE;
    }
    if (slot == SLOT_NONE || !eval_watch_single(watch, slot, ret_value) || !isfinite(*ret_value)) {
        return READING_UNKNOWN;
    }
    struct ledger_query query = {.target = ledger_name(plan->target),
                                 .type = ledger_name(plan->type),
                                 .window = engine->ledger.keep};
    struct ledger_steps steps =
        ledger_steps(&engine->ledger, engine->now, query, action_quantity(action));
    struct instant oldest = eval_watch_oldest_sample(watch, slot);
    bool old = (steps.any && oldest.ns <= steps.last.ns) || oldest.ns <= incident->ended.ns;
    return old ? READING_OLD : READING_KNOWN;
}

bool undo_may_wait(const struct engine *engine, struct incident *incident, const struct plan *plan)
{
    const bool steps = plan->lack == LACK_NOTHING && step_passes_later(engine, plan);
    if (plan->lack != LACK_READING && !steps) {
        return false;
    }
    if (incident->owed_since.ns == 0) {
        incident->owed_since = engine->now;
    }
    return steps || engine->now.ns - incident->owed_since.ns < UNDO_READ_S * NS_PER_S;
}
