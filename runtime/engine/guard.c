/* What may be done: everything that can say no to a plan.
 *
 * Deny wins and order does not matter: every guard that binds the target is asked, and one that
 * cannot be evaluated denies. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

struct pool_run *pool_run_of(struct engine *engine, const struct pool *pool)
{
    for (size_t i = 0; i < engine->pool_count; i++) {
        if (engine->pools[i]->pool == pool) {
            return engine->pools[i];
        }
    }
    return NULL;
}

/* at most AMOUNT of SUBJECT per D, counted over `policy` (NULL: over all policies). */
static bool at_most_denies(struct engine *engine, const struct limit *limit,
                           const struct policy *policy, const struct plan *plan, char *reason,
                           size_t size)
{
    double population = 1;
    if (limit->pool) {
        struct pool_run *run = pool_run_of(engine, limit->pool);
        if (!run || !eval_entities_complete(run->entities)) {
            snprintf(reason, size, "the inventory of %s was not completely observed",
                     limit->pool->name.text);
            return true;
        }
        population = (double)population_smallest(&run->population, engine->now,
                                                 duration_seconds(limit->per.value));
    }
    double allowed = amount_at_most(&limit->amount, population);
    size_t spent = ledger_count(&engine->ledger, engine->now,
                                (struct ledger_query){
                                    .policy = policy ? ledger_name(policy->name.text) : 0,
                                    .target = limit->any ? ledger_name(plan->target) : 0,
                                    .type = ledger_name(plan->type),
                                    .window = duration_seconds(limit->per.value),
                                });
    if ((double)spent + 1 <= allowed) {
        return false;
    }
    if (limit->any) {
        snprintf(reason, size, "at most %s actions on any %s per %s: %zu in the window",
                 limit->amount.text, limit->subject.text, limit->per.text, spent);
    } else if (allowed < 1) {
        snprintf(reason, size, "at most %s of %s per %s is less than one of %.0f",
                 limit->amount.text, limit->subject.text, limit->per.text, population);
    } else {
        snprintf(reason, size, "at most %s of %s per %s allows %.0f: %zu in the window",
                 limit->amount.text, limit->subject.text, limit->per.text, allowed, spent);
    }
    return true;
}

static bool under_way(const struct incident *incident)
{
    return incident->state == STATE_ACTING || incident->state == STATE_UNDOING ||
           incident->state == STATE_VERIFYING || incident->state == STATE_ROLLED_BACK;
}

/* True when a target of that name and type is acted on now, whichever policy and pool it came from.
 */
static bool target_is_under_way(const struct engine *engine, const char *target, const char *type)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        const struct incident *other = engine->incidents[i];
        if (under_way(other) && incident_acts_on(other, target, type)) {
            return true;
        }
    }
    return false;
}

/* keep at least AMOUNT of POOL ready, as if the target were not ready while it is acted on. A
 * target that is not in the pool takes nothing from it. */
static bool keep_denies(struct engine *engine, const struct limit *limit, const struct plan *plan,
                        char *reason, size_t size)
{
    struct pool_run *run = pool_run_of(engine, limit->pool);
    if (!run || !run->ready || !eval_entities_complete(run->entities)) {
        snprintf(reason, size, "keep at least %s of %s: the inventory was not completely observed",
                 limit->amount.text, limit->subject.text);
        return true;
    }
    const uint64_t *live = eval_entities_live(run->entities);
    size_t ready = 0, slots = eval_entities_count(run->entities);
    bool concerned = false;
    for (size_t slot = 0; slot < slots; slot++) {
        char target[TARGET_BYTES];
        (void)engine_target_text(run, slot, target, sizeof target);
        bool is_target = strcmp(target, plan->target) == 0;
        concerned = concerned || (is_target && (live[slot / 64] >> (slot % 64) & 1));
        ready += !is_target && engine_truth(run->ready, live, slot) == TRUTH_TRUE &&
                 !target_is_under_way(engine, target, plan->type);
    }
    if (!concerned) {
        return false;
    }
    double needed = amount_at_least(&limit->amount, (double)eval_entities_largest(run->entities));
    if ((double)ready >= needed) {
        return false;
    }
    snprintf(reason, size, "keep at least %s of %s ready: %zu would be, %.0f are needed",
             limit->amount.text, limit->subject.text, ready, needed);
    return true;
}

/* storm above AMOUNT of POOL: when so many fail at once the cause is not in them. An entity fails
 * while the trigger of a policy over the pool is true for it, or has an incident that is not
 * recovered. */
static bool storm_denies(struct engine *engine, const struct limit *limit, char *reason,
                         size_t size)
{
    const struct pool_run *pool = pool_run_of(engine, limit->pool);
    if (!pool || !eval_entities_complete(pool->entities)) {
        snprintf(reason, size, "storm above %s of %s: the inventory was not completely observed",
                 limit->amount.text, limit->subject.text);
        return true;
    }
    const uint64_t *live = eval_entities_live(pool->entities);
    const size_t slots = eval_entities_count(pool->entities);
    size_t failing = 0;
    for (size_t slot = 0; slot < slots; slot++) {
        bool fails = false;
        for (size_t i = 0; i < engine->policy_count && !fails; i++) {
            const struct policy_run *run = engine->policies[i];
            if (run->pool != pool || run->alerts || slot >= run->slots) {
                continue;
            }
            const struct incident *incident = run->incident_at[slot];
            fails = (incident && incident->state != STATE_RECOVERED) ||
                    (run->when && engine_truth(run->when, live, slot) == TRUTH_TRUE);
        }
        failing += fails && (live[slot / 64] >> (slot % 64) & 1);
    }
    const size_t population = eval_entities_live_count(pool->entities);
    if ((double)failing <= amount_at_most(&limit->amount, (double)population)) {
        return false;
    }
    snprintf(reason, size, "storm above %s of %s: %zu of %zu fail at once", limit->amount.text,
             limit->subject.text, failing, population);
    return true;
}

/* between A and B of a numeric parameter; all values are in base units. */
static bool between_denies(const struct limit *limit, const struct plan *plan, char *reason,
                           size_t size)
{
    const struct parameter *parameter = plan->action->parameters;
    for (uint32_t i = 0; i < plan->number_count; i++) {
        parameter = parameter ? parameter->next : NULL;
        if (parameter && limit_bounds(limit, parameter) &&
            !(plan->numbers[i] >= limit->low && plan->numbers[i] <= limit->high)) {
            snprintf(reason, size, "between %s of any %s: %.15g is outside", limit->amount.text,
                     limit->subject.text, plan->numbers[i]);
            return true;
        }
    }
    return false;
}

/* Undo is free of rates and storms, never of keep, between and step. */
static bool limit_denies(struct engine *engine, const struct limit *limit,
                         const struct policy *policy, const struct plan *plan, char *reason,
                         size_t size)
{
    if (limit->kind == LIMIT_SPEND || limit->kind == LIMIT_ONLY_WHILE ||
        limit->kind == LIMIT_NOT_DURING) {
        return false; /* wait: budget_denies(), while_waits(), wide_waits() */
    }
    if (!limit_covers(limit, plan->type)) {
        return false;
    }
    switch (limit->kind) {
    case LIMIT_AT_MOST:
        return !plan->undo && !limit->unattended && /* unattended_spent() */
               (limit->each_domain ? each_domain_denies : at_most_denies)(engine, limit, policy,
                                                                          plan, reason, size);
    case LIMIT_TOTAL: return !plan->undo && total_denies(engine, limit, reason, size);
    case LIMIT_DOMAINS: return !plan->undo && domains_deny(engine, limit, plan, reason, size);
    case LIMIT_KEEP: return keep_denies(engine, limit, plan, reason, size);
    case LIMIT_BETWEEN: return between_denies(limit, plan, reason, size);
    case LIMIT_STORM: return !plan->undo && storm_denies(engine, limit, reason, size);
    case LIMIT_STEP: return step_denies(engine, limit, plan, reason, size);
    case LIMIT_SPEND:
    case LIMIT_ONLY_WHILE:
    case LIMIT_NOT_DURING:
    case LIMIT_EXCLUSIVE: return false; /* waits: exclusive_waits() */
    }
    return true;
}

static bool guards_deny(struct engine *engine, const struct plan *plan, char *ret, size_t size)
{
    for (const struct guard *guard = engine->program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            char reason[TEXT_BYTES];
            if (limit_denies(engine, limit, NULL, plan, reason, sizeof reason)) {
                snprintf(ret, size, "guard %s: %.400s", guard->name.text, reason);
                return true;
            }
        }
    }
    return false;
}

static bool list_denies(struct engine *engine, const struct incident *incident,
                        const struct limit *list, const struct plan *plan, const char *word,
                        char *ret, size_t size)
{
    for (const struct limit *limit = list; limit; limit = limit->next) {
        char reason[TEXT_BYTES];
        if (limit_denies(engine, limit, incident->run->policy, plan, reason, sizeof reason)) {
            snprintf(ret, size, "%s: %.400s", word, reason);
            return true;
        }
    }
    return false;
}

/* An act whose target no bound covers never starts, whatever the checks let through. */
static bool bound_covers(const struct policy *policy, const char *type)
{
    for (const struct limit *limit = policy->bounds; limit; limit = limit->next) {
        if (limit->kind == LIMIT_AT_MOST && limit_covers(limit, type)) {
            return true;
        }
    }
    return false;
}

/* The inventory the target was found in. */
static enum refusal inventory_refusal(const struct incident *incident, char *ret, size_t size)
{
    struct pool_run *pool = incident->run->pool;
    if (!pool->pool) {
        return REFUSAL_NONE;
    }
    if (!eval_entities_complete(pool->entities)) {
        snprintf(ret, size, "the inventory of %s was not completely observed",
                 pool->pool->name.text);
        return REFUSAL_WAIT;
    }
    if (incident->slot == SLOT_NONE) {
        snprintf(ret, size, "the target is not in the inventory of %s", pool->pool->name.text);
        return REFUSAL_WAIT;
    }
    size_t live = eval_entities_live_count(pool->entities);
    size_t largest = eval_entities_largest(pool->entities);
    if (2 * live < largest) {
        snprintf(ret, size, "the inventory of %s shrank from %zu to %zu within an hour",
                 pool->pool->name.text, largest, live);
        return REFUSAL_DENY;
    }
    return REFUSAL_NONE;
}

/* Another incident, or the effects of an act of heal, occupy the target. */
static enum refusal target_refusal(struct engine *engine, const struct incident *incident,
                                   const struct plan *plan, char *ret, size_t size)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        const struct incident *other = engine->incidents[i];
        if (other != incident && under_way(other) &&
            incident_acts_on(other, plan->target, plan->type)) {
            snprintf(ret, size, "incident %llu acts on the target: %s",
                     (unsigned long long)other->id, other->action);
            return REFUSAL_WAIT;
        }
    }
    uint64_t target = ledger_name(plan->target), type = ledger_name(plan->type);
    for (size_t i = 0; i < engine->memory_count; i++) {
        const struct memory *memory = &engine->memories[i];
        bool own = memory->policy == ledger_name(incident->policy);
        if (memory->target != target || memory->type != type) {
            continue;
        }
        const int64_t free = memory->effect_until.ns + incident->run->hold.ns;
        if (!own && memory->effect_until.ns > 0 && free > engine->now.ns) {
            snprintf(ret, size,
                     "what is seen of the target may be the effect of %s of policy %s: it must "
                     "last beyond its window",
                     memory->action, memory->by);
            return REFUSAL_WAIT;
        }
        if (own && incident_begins(incident) && memory->cooldown_until.ns > engine->now.ns) {
            snprintf(ret, size, "cooldown of the target after %u unverified action%s",
                     memory->failures, memory->failures == 1 ? "" : "s");
            return REFUSAL_WAIT;
        }
    }
    return REFUSAL_NONE;
}

/* exclusive on SUBJECT: one target of it at a time, whichever policy acts; the others wait. */
static bool exclusive_waits(const struct engine *engine, const struct incident *incident,
                            const struct plan *plan, char *ret, size_t size)
{
    for (const struct guard *guard = engine->program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            if (limit->kind != LIMIT_EXCLUSIVE || !limit_covers(limit, plan->type)) {
                continue;
            }
            for (size_t i = 0; i < engine->incident_count; i++) {
                const struct incident *other = engine->incidents[i];
                if (other != incident && under_way(other) &&
                    limit_covers(limit, other->acts_type)) {
                    snprintf(ret, size, "guard %s: exclusive on %s: incident %llu acts on %s",
                             guard->name.text, limit->subject.text, (unsigned long long)other->id,
                             other->acts_on);
                    return true;
                }
            }
        }
    }
    return false;
}

enum refusal plan_refusal(struct engine *engine, const struct incident *incident,
                          const struct plan *plan, char *ret, size_t size)
{
    const struct policy *policy = incident->run->policy;
    if (engine->stopped) {
        snprintf(ret, size, "stopped by %s", engine->stopped_by);
        return REFUSAL_WAIT;
    }
    if (!plan->granted) {
        snprintf(ret, size, "no grant of the host names %s on '%s'", plan->action->name.text,
                 plan->target);
        return REFUSAL_DENY;
    }
    if (!engine->host->guarded) {
        snprintf(ret, size, "the host names no guard file; heal acts only under guards");
        return REFUSAL_DENY;
    }
    if (!bound_covers(policy, plan->type)) {
        snprintf(ret, size, "no bound of the policy covers a %s", plan->type);
        return REFUSAL_DENY;
    }
    enum refusal refusal = inventory_refusal(incident, ret, size);
    if (refusal == REFUSAL_NONE && !plan->undo) {
        refusal = target_refusal(engine, incident, plan, ret, size);
    }
    if (refusal != REFUSAL_NONE) {
        return refusal;
    }
    if (plan->lack != LACK_NOTHING) {
        snprintf(ret, size, "%s", plan->why);
        return plan->lack == LACK_NEWS ? REFUSAL_WAIT : REFUSAL_DENY;
    }
    if (!plan->undo &&
        (exclusive_waits(engine, incident, plan, ret, size) || while_waits(engine, ret, size))) {
        return REFUSAL_WAIT;
    }
    if (guards_deny(engine, plan, ret, size) ||
        list_denies(engine, incident, policy->keeps, plan, "keep", ret, size)) {
        return REFUSAL_DENY;
    }
    if ((!plan->undo && wide_waits(engine, incident, plan, ret, size)) ||
        list_denies(engine, incident, policy->bounds, plan, "bound", ret, size)) {
        return REFUSAL_BOUND;
    }
    return budget_denies(engine, policy, plan, ret, size) ? REFUSAL_BUDGET : REFUSAL_NONE;
}

static void window_max(const struct limit *limit, struct duration *longest)
{
    for (; limit; limit = limit->next) {
        struct duration per = duration_seconds(limit->per.value);
        if (per.ns > longest->ns) {
            *longest = per;
        }
    }
}

struct duration ledger_window_of(const struct program *program)
{
    struct duration longest = duration_seconds(86400);
    for (const struct policy *policy = program->policies; policy; policy = policy->next) {
        window_max(policy->bounds, &longest);
        window_max(policy->spends, &longest);
    }
    for (const struct guard *guard = program->guards; guard; guard = guard->next) {
        window_max(guard->limits, &longest);
    }
    return longest;
}
