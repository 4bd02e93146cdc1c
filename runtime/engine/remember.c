/* What heal did to a target, and what came of it: cooldown, effect window, remedies of no use. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

struct memory *memory_of(struct engine *engine, const char *policy, const char *target,
                         const char *type, bool make)
{
    uint64_t p = ledger_name(policy), t = ledger_name(target), y = ledger_name(type);
    for (size_t i = 0; i < engine->memory_count; i++) {
        struct memory *memory = &engine->memories[i];
        if (memory->policy == p && memory->target == t && memory->type == y) {
            return memory;
        }
    }
    if (!make) {
        return NULL;
    }
    ARRAY_RESERVE(engine->memories, engine->memory_count, engine->memory_capacity);
    struct memory *memory = &engine->memories[engine->memory_count++];
    *memory = (struct memory){.policy = p, .target = t, .type = y};
    snprintf(memory->by, sizeof memory->by, "%s", policy);
    return memory;
}

static struct remedy *remedy_of(struct memory *memory, uint64_t action)
{
    for (size_t i = 0; i < RUNGS_MAX; i++) {
        if (memory->remedies[i].action == action || memory->remedies[i].action == 0) {
            return &memory->remedies[i];
        }
    }
    return NULL; /* a policy has no more actions */
}

bool memory_useless(const struct memory *memory, const char *action, struct instant now)
{
    const uint64_t wanted = ledger_name(action);
    for (size_t i = 0; i < RUNGS_MAX; i++) {
        const struct remedy *remedy = &memory->remedies[i];
        if (remedy->action == wanted) {
            return remedy->useless >= USELESS_MAX &&
                   now.ns - remedy->last.ns < USELESS_DAYS * 86400 * NS_PER_S;
        }
    }
    return false;
}

void memory_judge(struct memory *memory, const struct policy *policy, const char *action,
                  struct instant time, enum judgment judgment)
{
    struct remedy *remedy = remedy_of(memory, ledger_name(action));
    if (remedy && judgment != JUDGED_FAILED && judgment != JUDGED_OPEN) {
        remedy->action = ledger_name(action);
        remedy->useless = judgment == JUDGED_VERIFIED ? 0 : remedy->useless + 1;
        remedy->last = time;
    }
    memory->failures = judgment == JUDGED_VERIFIED ? 0
                       : judgment == JUDGED_OPEN   ? memory->failures
                                                   : memory->failures + 1;
    if (!policy->has_cooldown) {
        return;
    }
    double seconds = policy->cooldown.value;
    if (policy->cooldown_max.text) {
        unsigned doublings = memory->failures > 1 ? memory->failures - 1 : 0;
        seconds = fmin(ldexp(seconds, (int)(doublings < 60 ? doublings : 60)),
                       policy->cooldown_max.value);
    }
    memory->cooldown_until = instant_add(time, duration_seconds(seconds));
}

const struct action *action_named(const struct program *program, const char *name)
{
    const struct action *action = program->actions;
    while (action && strcmp(action->name.text, name) != 0) {
        action = action->next;
    }
    return action;
}

void memory_act(struct memory *memory, const struct action *action, struct instant time)
{
    const struct instant until =
        instant_add(time, duration_seconds(action->has_within ? action->within.value : 0));
    memory->effect_until = until.ns > memory->effect_until.ns ? until : memory->effect_until;
    memory->acted = time;
    snprintf(memory->action, sizeof memory->action, "%s", action->name.text);
}

/* A unit is spent at dispatch, whatever the outcome. Running out of room to remember is a broken
 * invariant: an action that is not counted must not start. */
void plan_spend(struct engine *engine, const struct incident *incident, const struct plan *plan)
{
    struct memory *memory = memory_of(engine, incident->policy, plan->target, plan->type, true);
    memory_act(memory, plan->action, engine->now);
    CHECK(ledger_spend(&engine->ledger, &(struct ledger_entry){
                                            .time = engine->now,
                                            .policy = ledger_name(incident->policy),
                                            .target = ledger_name(plan->target),
                                            .type = ledger_name(plan->type),
                                            .undo = plan->undo,
                                            .quantity = action_quantity(plan->action),
                                            .amounts = plan->amounts,
                                        }));
}

bool incident_acts_on(const struct incident *incident, const char *target, const char *type)
{
    return strcmp(incident->acts_on, target) == 0 && strcmp(incident->acts_type, type) == 0;
}

/* The call in the record's text names what was acted on: a service, where that is not the
 * incident's own target. */
static bool acted_on_service(const struct record *record, char *ret, size_t size)
{
    return call_target(record->text, ret, size) && strcmp(ret, record->target) != 0;
}

void incident_restore_target(struct incident *incident, const struct record *record)
{
    char target[TARGET_BYTES];
    const bool service = acted_on_service(record, target, sizeof target);
    snprintf(incident->acts_on, sizeof incident->acts_on, "%s", service ? target : record->target);
    snprintf(incident->acts_type, sizeof incident->acts_type, "%s",
             service ? "service" : record->type);
}

void record_spend(struct engine *engine, const struct record *record, bool undo)
{
    char target[TARGET_BYTES];
    const bool service = acted_on_service(record, target, sizeof target);
    CHECK(
        ledger_spend(&engine->ledger,
                     &(struct ledger_entry){
                         .time = engine->now,
                         .policy = ledger_name(record->policy),
                         .target = ledger_name(service ? target : record->target),
                         .type = ledger_name(service ? "service" : record->type),
                         .undo = undo,
                         .quantity = action_quantity(action_named(engine->program, record->action)),
                         .amounts = amounts_parse(record->text),
                     }));
}

struct instant target_acted(const struct engine *engine, const char *target, const char *type)
{
    const uint64_t t = ledger_name(target), y = ledger_name(type);
    struct instant last = {INT64_MIN / 2};
    for (size_t i = 0; i < engine->memory_count; i++) {
        const struct memory *memory = &engine->memories[i];
        if (memory->target == t && memory->type == y && memory->acted.ns > last.ns) {
            last = memory->acted;
        }
    }
    return last;
}

const struct memory *target_effect(const struct engine *engine, const char *target,
                                   const char *type)
{
    const uint64_t t = ledger_name(target), y = ledger_name(type);
    for (size_t i = 0; i < engine->memory_count; i++) {
        const struct memory *memory = &engine->memories[i];
        if (memory->target == t && memory->type == y && memory->effect_until.ns > engine->now.ns) {
            return memory;
        }
    }
    return NULL;
}
