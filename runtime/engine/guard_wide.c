/* When nothing is done at all, whatever the target: a freeze, heal's own inputs gone, a remedy that
 * seems to spread what it heals, capacity taken away beside trouble. A person is told, and it
 * waits. */
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

enum {
    SOURCES_LEAST = 4, /* of fewer, policies that cannot see say so themselves */
    TOUCHED_LEAST = 3, /* targets that fail after they were acted on */
    TOUCHED_WINDOW_S = 3600
};

/* ---- not during A..B in ZONE ---- */

static bool freezes(const struct engine *engine, const struct freeze *freeze,
                    const struct triage *triage)
{
    if (freeze->above.text && triage->impact <= triage_impact(freeze->above.text)) {
        return false;
    }
    return stretch_holds(&freeze->stretch, zone_local(&freeze->in, engine->now.ns / NS_PER_S));
}

static bool frozen(const struct engine *engine, const struct triage *triage, char *ret, size_t size)
{
    for (const struct guard *guard = engine->program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            if (limit->kind == LIMIT_NOT_DURING && freezes(engine, limit->freeze, triage)) {
                snprintf(ret, size, "guard %s: not during \"%s\"..\"%s\" in %s", guard->name.text,
                         limit->freeze->from.text, limit->freeze->to.text,
                         limit->freeze->zone.text);
                return true;
            }
        }
    }
    return false;
}

/* ---- blindness ---- */

static bool blind(const struct engine *engine, char *ret, size_t size)
{
    size_t sources;
    const size_t silent = store_sources_silent(engine->store, engine->now, &sources);
    if (sources < SOURCES_LEAST || 2 * silent <= sources) {
        return false;
    }
    snprintf(ret, size, "heal's own inputs are gone: %zu of %zu sources do not answer", silent,
             sources);
    return true;
}

/* ---- spreading ---- */

/* The incident is open, and nothing that is under way may still help. */
static bool fails(const struct incident *incident)
{
    return incident && incident->state != STATE_RECOVERED && incident->state != STATE_ACTING &&
           incident->state != STATE_VERIFYING && incident->state != STATE_UNDOING;
}

static bool is_recent(const struct engine *engine, const struct memory *memory, uint64_t policy,
                      uint64_t type)
{
    return memory->policy == policy && memory->type == type && memory->acted.ns > 0 &&
           engine->now.ns - memory->acted.ns < TOUCHED_WINDOW_S * NS_PER_S;
}

/* How many targets the policy acted on of late; of one name, or (target 0) of all. */
static size_t count_touched(const struct engine *engine, const struct policy_run *run,
                            uint64_t target)
{
    const uint64_t policy = ledger_name(run->policy->name.text);
    const uint64_t type = ledger_name(pool_run_type(run->pool));
    size_t count = 0;
    for (size_t i = 0; i < engine->memory_count; i++) {
        const struct memory *memory = &engine->memories[i];
        count +=
            (target == 0 || memory->target == target) && is_recent(engine, memory, policy, type);
    }
    return count;
}

struct shares {
    size_t touched, touched_fail, others, others_fail;
};

static struct shares count_shares(const struct engine *engine, const struct incident *incident)
{
    const struct policy_run *run = incident->run;
    struct shares s = {0};
    const uint64_t *live = eval_entities_live(run->pool->entities);
    for (size_t slot = 0; slot < run->slots; slot++) {
        char target[TARGET_BYTES];
        if (slot == incident->slot || !(live[slot / 64] >> (slot % 64) & 1) ||
            !engine_target_text(run->pool, slot, target, sizeof target)) {
            continue;
        }
        const bool touched = count_touched(engine, run, ledger_name(target)) > 0;
        const bool failing = fails(run->incident_at[slot]);
        s.touched += touched;
        s.touched_fail += touched && failing;
        s.others += !touched;
        s.others_fail += !touched && failing;
    }
    return s;
}

/* Targets that the policy acted on fail more than twice as often as those it left alone; where
 * there is none of these to compare with, more than half of them. The one it would act on now is in
 * neither. */
static bool spreads(const struct engine *engine, const struct incident *incident, char *ret,
                    size_t size)
{
    const struct policy_run *run = incident->run;
    if (!run->pool->pool || count_touched(engine, run, 0) < TOUCHED_LEAST) {
        return false; /* too few for the closer look, which is dear */
    }
    const struct shares s = count_shares(engine, incident);
    const bool worse = s.others > 0 ? s.touched_fail * s.others > 2 * s.others_fail * s.touched
                                    : 2 * s.touched_fail > s.touched;
    if (s.touched_fail < TOUCHED_LEAST || !worse) {
        return false;
    }
    snprintf(
        ret, size,
        "what heals may spread: of %zu targets this policy acted on %zu fail, of the %zu others "
        "%zu",
        s.touched, s.touched_fail, s.others, s.others_fail);
    return true;
}

/* ---- taking capacity away ---- */

/* The service is the one acted on, else that of the policy. */
static uint32_t service_of(const struct engine *engine, const struct incident *incident,
                           const struct plan *plan)
{
    if (strcmp(plan->type, "service") == 0 && strncmp(plan->target, "service=", 8) == 0) {
        return graph_find(&engine->graph, plan->target + 8);
    }
    return incident->run->service;
}

static bool shrinks_beside_trouble(struct engine *engine, const struct incident *incident,
                                   const struct plan *plan, char *ret, size_t size)
{
    const uint32_t service =
        plan->action->reduces.text ? service_of(engine, incident, plan) : GRAPH_NONE;
    if (service == GRAPH_NONE) {
        return false;
    }
    uint32_t *near = engine->cascading.chain; /* scratch */
    for (int way = 0; way < 2; way++) {
        const size_t count = way == 0 ? graph_dependencies(&engine->graph, service, near)
                                      : graph_dependants(&engine->graph, service, near);
        for (size_t i = 0; i < engine->incident_count; i++) {
            const struct incident *other = engine->incidents[i];
            for (size_t n = 0; n < count; n++) {
                if (other->run && other->run->service == near[n] &&
                    other->state != STATE_RECOVERED) {
                    snprintf(ret, size,
                             "%s takes capacity away, and %s has trouble (incident %llu): idle may "
                             "mean cut off",
                             plan->action->name.text, engine->graph.names[near[n]],
                             (unsigned long long)other->id);
                    return true;
                }
            }
        }
    }
    return false;
}

bool wide_waits(struct engine *engine, const struct incident *incident, const struct plan *plan,
                char *ret, size_t size)
{
    return frozen(engine, &incident->run->triage, ret, size) || blind(engine, ret, size) ||
           spreads(engine, incident, ret, size) ||
           shrinks_beside_trouble(engine, incident, plan, ret, size);
}
