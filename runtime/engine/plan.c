/* Plans: an action about to be taken, with its target and its numbers as plain values. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

/* The grant that names this action and this target. */
static void plan_find_grant(const struct engine *engine, struct plan *plan)
{
    const struct engine_host *host = engine->host;
    if (host->rehearsal) {
        plan->granted = true;
        plan->unattended = true;
        return;
    }
    for (size_t g = 0; g < host->grant_count; g++) {
        const struct engine_grant *grant = &host->grants[g];
        if (strcmp(grant->action, plan->action->name.text) != 0) {
            continue;
        }
        for (size_t t = 0; t < grant->target_count; t++) {
            if (strcmp(grant->targets[t], plan->target) == 0) {
                plan->granted = true;
                plan->unattended = grant->unattended;
                plan->grant = (uint32_t)g;
                plan->grant_target = (uint32_t)t;
                return;
            }
        }
    }
}

/* What an undo passes on: the value its action was called with for the parameter of that name. */
static const struct expr *outer_value(const struct act_call *outer, const struct expr *value)
{
    if (!outer || value->kind != EXPR_SELECTOR || !value->selector.name.text) {
        return value;
    }
    const struct parameter *parameter = outer->resolved->parameters;
    const struct argument *argument = outer->arguments;
    for (; parameter && argument; parameter = parameter->next, argument = argument->next) {
        if (strcmp(parameter->name.text, value->selector.name.text) == 0) {
            return argument->value;
        }
    }
    return value;
}

/* The target: the policy's entity, or a service by its name. */
static bool plan_target(const struct incident *incident, const struct expr *value,
                        struct plan *plan)
{
    if (value->kind != EXPR_SELECTOR || !value->selector.name.text) {
        return false;
    }
    const char *word = value->selector.name.text;
    const struct policy *policy = incident->run->policy;
    if (policy->each.text && strcmp(word, policy->each.text) == 0) {
        snprintf(plan->target, sizeof plan->target, "%s", incident->target);
        snprintf(plan->type, sizeof plan->type, "%s", incident->type);
        return true;
    }
    snprintf(plan->type, sizeof plan->type, "service");
    return (size_t)snprintf(plan->target, sizeof plan->target, "service=%s", word) <
           sizeof plan->target;
}

bool plan_make(const struct engine *engine, const struct incident *incident,
               const struct act_call *call, const struct act_call *outer, struct plan *ret_plan)
{
    struct plan plan = {.action = call->resolved, .undo = outer != NULL};
    CHECK(plan.action != NULL);
    const struct argument *argument = call->arguments;
    if (!argument || !plan_target(incident, outer_value(outer, argument->value), &plan)) {
        return false;
    }
    for (const struct argument *a = argument->next; a; a = a->next) {
        double value;
        if (plan.number_count == ENGINE_NUMBERS_MAX ||
            !expr_constant(outer_value(outer, a->value), &value) || !isfinite(value)) {
            return false;
        }
        plan.numbers[plan.number_count++] = value;
    }
    int used = snprintf(plan.text, sizeof plan.text, "%s(%s", call->action.text,
                        plan.target[0] ? plan.target : incident->policy);
    for (uint32_t i = 0; i < plan.number_count && used > 0 && (size_t)used < sizeof plan.text;
         i++) {
        used +=
            snprintf(plan.text + used, sizeof plan.text - (size_t)used, ", %.15g", plan.numbers[i]);
    }
    if (used > 0 && (size_t)used < sizeof plan.text) {
        snprintf(plan.text + used, sizeof plan.text - (size_t)used, ")");
    }
    plan_find_grant(engine, &plan);
    *ret_plan = plan;
    return true;
}
