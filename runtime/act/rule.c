/* Deny wins: every limit of every guard is asked. */
#include "runtime/act/rule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct action *action_of(const struct program *program, const char *name)
{
    for (const struct action *action = program->actions; action; action = action->next) {
        if (strcmp(action->name.text, name) == 0) {
            return action;
        }
    }
    return NULL;
}

/* ---- which targets a limit is about ---- */

/* The last key of "namespace=shop,pod=a". A comma may be part of a value. */
static void type_of(const char *target, char ret[NAME_BYTES])
{
    const char *key = target;
    for (const char *at = strchr(target, ','); at; at = strchr(at + 1, ',')) {
        if (at[1 + strcspn(at + 1, ",=")] == '=') {
            key = at + 1;
        }
    }
    snprintf(ret, NAME_BYTES, "%.*s", (int)strcspn(key, "="), key);
}

/* What the target says it is, or what the action's contract does: where they differ, both count. */
static bool covers(const struct program *program, const struct limit *limit, const char *action,
                   const char *target)
{
    char type[NAME_BYTES];
    type_of(target, type);
    const struct action *contract = action_of(program, action);
    return limit_covers(limit, type) || (contract && contract->parameters &&
                                         limit_covers(limit, contract->parameters->type.text));
}

struct counting {
    const struct program *program;
    const struct limit *limit;
    const char *target; /* of which alone; NULL: any that the limit covers */
};

static bool counts(const struct past_start *start, const void *context)
{
    const struct counting *counting = context;
    if (start->undoes != 0) {
        return false;
    }
    return counting->target
               ? strcmp(start->target, counting->target) == 0
               : covers(counting->program, counting->limit, start->action, start->target);
}

/* ---- one limit ---- */

/* 0 for a window that cannot be understood: nothing is allowed then. */
static struct duration window_of(const struct limit *limit)
{
    const double seconds = limit->per.value;
    if (!(seconds > 0) || seconds > 1e9) {
        return (struct duration){0};
    }
    const struct duration per = duration_seconds(seconds);
    const int64_t slack = per.ns / 10 < RULE_SLACK.ns ? per.ns / 10 : RULE_SLACK.ns;
    return (struct duration){per.ns - slack};
}

static bool rate_denies(const struct program *program, const struct limit *limit,
                        const struct rule_act *act, char *ret, size_t size)
{
    const struct counting counting = {program, limit, limit->any ? act->target : NULL};
    const struct duration window = window_of(limit);
    const size_t spent = past_count(act->past, act->uptime, window, counts, &counting);
    if (window.ns > 0 && (double)spent + 1 <= floor(limit->amount.count)) {
        return false;
    }
    const bool total = limit->kind == LIMIT_TOTAL;
    snprintf(ret, size, "at most %s%s%s per %s: %zu in the window", limit->amount.text,
             total        ? " actions"
             : limit->any ? " actions on any "
                          : " of ",
             total ? "" : limit->subject.text, limit->per.text, spent);
    return true;
}

static bool between_denies(const struct action *contract, const struct limit *limit,
                           const struct rule_act *act, char *ret, size_t size)
{
    const struct parameter *parameter = contract->parameters;
    for (size_t i = 0; i < act->number_count; i++) {
        parameter = parameter->next;
        if (limit_bounds(limit, parameter) &&
            !(act->numbers[i] >= limit->low && act->numbers[i] <= limit->high)) {
            snprintf(ret, size, "between %s of any %s: %.15g is outside", limit->amount.text,
                     limit->subject.text, act->numbers[i]);
            return true;
        }
    }
    return false;
}

static bool exclusive_denies(const struct limit *limit, const struct rule_act *act, char *ret,
                             size_t size)
{
    for (size_t i = 0; i < act->running_count; i++) {
        char type[NAME_BYTES];
        type_of(act->running[i], type);
        if (limit_covers(limit, type)) {
            snprintf(ret, size, "exclusive on %s: %s is acted on", limit->subject.text,
                     act->running[i]);
            return true;
        }
    }
    return false;
}

static bool freeze_denies(const struct freeze *freeze, struct instant now, char *ret, size_t size)
{
    if (freeze->above.text ||
        !stretch_holds(&freeze->stretch, zone_local(&freeze->in, now.ns / NS_PER_S))) {
        return false;
    }
    snprintf(ret, size, "not during \"%s\"..\"%s\" in %s", freeze->from.text, freeze->to.text,
             freeze->zone.text);
    return true;
}

static bool limit_denies(const struct program *program, const struct action *contract,
                         const struct limit *limit, const struct rule_act *act, char *ret,
                         size_t size)
{
    if (!covers(program, limit, act->action, act->target)) {
        return false;
    }
    switch (limit->kind) {
    case LIMIT_AT_MOST:
        return !act->undo && limit->amount.has_count && !limit->unattended && !limit->each_domain &&
               rate_denies(program, limit, act, ret, size);
    case LIMIT_TOTAL: return !act->undo && rate_denies(program, limit, act, ret, size);
    case LIMIT_BETWEEN: return between_denies(contract, limit, act, ret, size);
    case LIMIT_EXCLUSIVE: return !act->undo && exclusive_denies(limit, act, ret, size);
    case LIMIT_NOT_DURING: return !act->undo && freeze_denies(limit->freeze, act->now, ret, size);
    case LIMIT_KEEP:
    case LIMIT_STORM:
    case LIMIT_STEP:
    case LIMIT_SPEND:
    case LIMIT_ONLY_WHILE:
    case LIMIT_DOMAINS: return false; /* the engine's alone */
    }
    snprintf(ret, size, "a limit that this actor does not know");
    return true;
}

/* ---- all of them ---- */

/* Without the contract it is not known what the numbers are. */
static bool contract_denies(const struct action *contract, const struct rule_act *act, char *ret,
                            size_t size)
{
    size_t parameters = 0;
    for (const struct parameter *p = contract ? contract->parameters : NULL; p; p = p->next) {
        parameters++;
    }
    if (parameters == act->number_count + 1) {
        return false;
    }
    snprintf(ret, size,
             contract ? "the signed policies give %s another count of numbers"
                      : "the signed policies have no action %s",
             act->action);
    return true;
}

bool rule_denies(const struct program *program, const struct rule_act *act, char *ret, size_t size)
{
    if (!program || !program->guards) {
        snprintf(ret, size, "the actor has none, and heal acts only under guards");
        return true;
    }
    const struct action *contract = action_of(program, act->action);
    if (contract_denies(contract, act, ret, size)) {
        return true;
    }
    for (const struct guard *guard = program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            char reason[TEXT_BYTES];
            if (limit_denies(program, contract, limit, act, reason, sizeof reason)) {
                snprintf(ret, size, "guard %s: %.300s", guard->name.text, reason);
                return true;
            }
        }
    }
    return false;
}

uint64_t rule_undone(const struct program *program, const struct past *past, const char *action,
                     const char *target)
{
    for (size_t i = program ? past->count : 0; i-- > 0;) {
        const struct past_start *start = &past->items[i];
        if (strcmp(start->target, target) != 0) {
            continue;
        }
        const struct action *contract = action_of(program, start->action);
        if (contract && contract->undo && strcmp(contract->undo->action.text, action) == 0 &&
            past_stands(past, start)) {
            return start->id;
        }
    }
    return 0;
}

struct duration rule_window(const struct program *program)
{
    struct duration longest = {0};
    for (const struct guard *guard = program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            const struct duration window = window_of(limit);
            if (window.ns > longest.ns) {
                longest = window;
            }
        }
    }
    return longest;
}
