/* Plans: an action about to be taken, with its target and its numbers as plain values. Relative
 * amounts become absolute here, from what was read, before anything is intended. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lang/print.h"
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

static const char *word_of(const struct expr *value)
{
    return value && value->kind == EXPR_SELECTOR ? value->selector.name.text : NULL;
}

/* The parameter of the outer action that an argument of its undo passes on, or NULL. */
static const struct parameter *passed_on(const struct act_call *outer, const struct expr *value)
{
    const char *word = word_of(value);
    const struct parameter *p = outer && word ? outer->resolved->parameters : NULL;
    while (p && strcmp(p->name.text, word) != 0) {
        p = p->next;
    }
    return p;
}

/* The target: the policy's entity, or a service by its name. */
static bool plan_target(const struct incident *incident, const struct expr *value,
                        struct plan *plan)
{
    const char *word = word_of(value);
    const struct policy *policy = incident->run->policy;
    if (!word) {
        return false;
    }
    if (policy->each.text && strcmp(word, policy->each.text) == 0) {
        snprintf(plan->target, sizeof plan->target, "%s", incident->target);
        snprintf(plan->type, sizeof plan->type, "%s", incident->type);
        return true;
    }
    snprintf(plan->type, sizeof plan->type, "service");
    return (size_t)snprintf(plan->target, sizeof plan->target, "service=%s", word) <
           sizeof plan->target;
}

/* ---- numbers ---- */

static void lacks(struct plan *plan, enum lack lack, const char *why)
{
    if (plan->lack == LACK_NOTHING) {
        plan->lack = lack;
        snprintf(plan->why, sizeof plan->why, "%s", why);
    }
}

static const char *what_is_now(const struct plan *plan, char *ret, size_t size)
{
    snprintf(ret, size, "what %s(%s) is now", plan->action->name.text, plan->target);
    return ret;
}

/* What is there now; false, and what is lacking, when it cannot be said. */
static bool plan_read(const struct engine *engine, const struct incident *incident,
                      struct plan *plan, double *ret_now)
{
    char what[TEXT_BYTES / 2 + 100], why[TEXT_BYTES];
    what_is_now(plan, what, sizeof what);
    switch (reading_of(engine, incident, plan, ret_now)) {
    case READING_KNOWN: return true;
    case READING_NONE: return false;
    case READING_UNKNOWN:
        snprintf(why, sizeof why, "%s is not known", what);
        lacks(plan, LACK_READING, why);
        return false;
    case READING_OLD:
        snprintf(why, sizeof why, "%s was not read since heal last changed it", what);
        lacks(plan, LACK_NEWS, why);
        return false;
    }
    return false;
}

/* A step from what is there. */
static double plan_step(struct plan *plan, const struct parameter *parameter,
                        const struct expr *value, double now)
{
    const enum unit unit = unit_find(parameter->type.text, strlen(parameter->type.text));
    const bool whole = unit == UNIT_REPLICAS || unit == UNIT_COUNT;
    double by = 0, then = now;
    (void)expr_constant(value, &by);
    struct arena arena = {0};
    const char *step = print_expr(&arena, value);
    char why[TEXT_BYTES], number[NUMBER_BYTES], result[NUMBER_BYTES];
    switch (amount_step(now, by, value->type.dimension.ratio, whole, unit != UNIT_NONE, &then)) {
    case STEP_TAKEN: break;
    case STEP_NONE:
        snprintf(why, sizeof why, "%s(%s): %.60s of %s is no change", plan->action->name.text,
                 plan->target, step, number_print(now, number));
        lacks(plan, LACK_CHANGE, why);
        break;
    case STEP_BELOW_ZERO:
        snprintf(why, sizeof why, "%s(%s): %.60s of %s is %s, less than nothing",
                 plan->action->name.text, plan->target, step, number_print(now, number),
                 number_print(then, result));
        lacks(plan, LACK_SENSE, why);
        break;
    }
    arena_release(&arena);
    return then;
}

/* One number of an act. */
static bool act_number(const struct parameter *parameter, const struct expr *value, bool read,
                       double now, struct plan *plan, double *ret)
{
    if (!value || !expr_constant(value, ret) || !isfinite(*ret)) {
        return false;
    }
    if (!expr_relative(value)) {
        return true;
    }
    *ret = read ? plan_step(plan, parameter, value, now) : NAN;
    return read || plan->lack != LACK_NOTHING;
}

/* One number of an undo: what was there, what its action was called with, or a constant. */
static bool undo_number(const struct incident *incident, const struct act_call *outer,
                        const struct expr *value, double *ret)
{
    const struct amounts amounts = incident->amounts;
    const struct parameter *passed = passed_on(outer, value);
    if (passed && passed == action_number(outer->resolved) && amounts.read) {
        *ret = amounts.given;
        return true;
    }
    if (!passed && word_of(value) && strcmp(word_of(value), "before") == 0) {
        *ret = amounts.before;
        return amounts.read;
    }
    value = passed ? call_value(outer, passed) : value;
    return value && !expr_relative(value) && expr_constant(value, ret) && isfinite(*ret);
}

/* An undo runs only while the target still has the value that heal gave it. */
static void undo_untouched(const struct incident *incident, struct plan *plan, double now)
{
    char why[TEXT_BYTES], is[NUMBER_BYTES], was[NUMBER_BYTES];
    const struct amounts amounts = incident->amounts;
    if (!amounts.read) {
        snprintf(why, sizeof why, "what heal gave %s is not on record: nothing is touched",
                 plan->target);
        lacks(plan, LACK_SENSE, why);
    } else if (now != amounts.given) {
        snprintf(why, sizeof why,
                 "%s is at %s now, not the %s that heal gave it: nothing is touched", plan->target,
                 number_print(now, is), number_print(amounts.given, was));
        lacks(plan, LACK_SENSE, why);
    }
}

static bool plan_numbers(const struct incident *incident, const struct act_call *call,
                         const struct act_call *outer, bool read, double now, struct plan *plan)
{
    for (const struct parameter *p = plan->action->parameters->next; p; p = p->next) {
        const struct expr *value = call_value(call, p);
        double number;
        bool known = outer ? undo_number(incident, outer, value, &number)
                           : act_number(p, value, read, now, plan, &number);
        if (plan->number_count == ENGINE_NUMBERS_MAX || !known) {
            return false;
        }
        plan->numbers[plan->number_count++] = number;
    }
    if (read && action_number(plan->action)) {
        plan->amounts = (struct amounts){.read = true, .before = now, .given = plan->numbers[0]};
    }
    return true;
}

/* ---- money ---- */

/* Only more of something costs; an undo is charged with nothing. */
static void plan_costs(struct plan *plan)
{
    const struct action *action = plan->action;
    if (!action->has_costs || plan->undo) {
        return;
    }
    double money = action->costs.value; /* of a rate: for each second */
    if (action->costs_each > 0) {
        double more = plan->amounts.read ? plan->amounts.given - plan->amounts.before : 0;
        money *= fmax(more, 0) / action->costs_each;
    }
    bool rate = action->costs.per != UNIT_NONE;
    plan->amounts.once = rate ? 0 : money_round(money);
    plan->amounts.hourly = rate ? money_round(money * 3600) : 0;
}

/* ---- text ---- */

/* False when it does not fit: what an act costs and changed must come back from its record. */
static bool plan_text(const struct incident *incident, const struct act_call *call,
                      struct plan *plan)
{
    struct arena arena = {0};
    char tail[160], number[NUMBER_BYTES];
    size_t used = (size_t)snprintf(plan->text, sizeof plan->text, "%s(%s", call->action.text,
                                   plan->target[0] ? plan->target : incident->policy);
    const struct parameter *p = plan->action->parameters->next;
    for (uint32_t i = 0; i < plan->number_count && used < sizeof plan->text; i++, p = p->next) {
        const struct expr *value = call_value(call, p);
        bool open = plan->lack != LACK_NOTHING && !plan->undo && expr_relative(value);
        used += (size_t)snprintf(plan->text + used, sizeof plan->text - used, ", %.40s",
                                 open ? print_expr(&arena, value)
                                      : number_print(plan->numbers[i], number));
    }
    if (used < sizeof plan->text) {
        used += (size_t)snprintf(
            plan->text + used, sizeof plan->text - used, ")%s",
            plan->lack == LACK_NOTHING ? amounts_print(&plan->amounts, tail, sizeof tail) : "");
    }
    arena_release(&arena);
    return used + sizeof UNDO_WORD <= sizeof plan->text;
}

bool plan_make(const struct engine *engine, const struct incident *incident,
               const struct act_call *call, const struct act_call *outer, struct plan *ret_plan)
{
    struct plan plan = {.action = call->resolved, .undo = outer != NULL};
    CHECK(plan.action != NULL && plan.action->parameters != NULL);
    const struct expr *target = call_value(call, plan.action->parameters);
    const struct parameter *passed = passed_on(outer, target);
    if (!plan_target(incident, passed ? call_value(outer, passed) : target, &plan)) {
        return false;
    }
    double now = 0;
    bool read = plan_read(engine, incident, &plan, &now);
    if (read && outer) {
        undo_untouched(incident, &plan, now);
    }
    if (!plan_numbers(incident, call, outer, read, now, &plan)) {
        return false;
    }
    plan_costs(&plan);
    if (!plan_text(incident, call, &plan)) {
        return false;
    }
    plan_find_grant(engine, &plan);
    *ret_plan = plan;
    return true;
}
