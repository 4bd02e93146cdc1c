/* A recount of what random programs did. */
#include "tests/engine/recount.h"

#include <math.h>
#include <string.h>

enum {
    FLIGHT_S = RANDOM_TIMEOUT_S + 6, /* for sure; a restart asks at once, and waits ten seconds */
    LATE_TICKS = 5                   /* a silence as short as this may be lateness */
};

void recount_begin(struct recount *recount, const struct random_program *program)
{
    memset(recount, 0, sizeof *recount);
    recount->program = program;
    for (size_t p = 0; p < RANDOM_POLICIES_MAX; p++) {
        recount->mode[p] = program->policies[p].mode;
        for (size_t o = 0; o < RANDOM_OBJECTS; o++) {
            recount->judged[p][o].at = INT32_MIN / 2;
        }
    }
}

static bool in_flight(const struct recount *r, const struct act *act)
{
    return !act->answered && r->now - act->at <= FLIGHT_S;
}

/* Acts that count with the last one, itself among them. */
static int count_in(const struct recount *r, const struct random_limit *limit)
{
    const struct act *last = &r->acts[r->act_count - 1];
    bool zones[RANDOM_ZONES] = {false};
    int count = 0;
    for (size_t i = r->act_count; i-- > 0 && r->acts[i].at > r->now - limit->per_s;) {
        const struct act *act = &r->acts[i];
        const bool same_type = (act->object == RANDOM_SHOP) == (last->object == RANDOM_SHOP);
        if (act->undo || (limit->policy >= 0 && act->policy != limit->policy) ||
            (limit->kind != RANDOM_TOTAL && limit->kind != RANDOM_SPEND && !same_type)) {
            continue;
        }
        switch (limit->kind) {
        case RANDOM_EACH_DOMAIN:
            count += act->object % RANDOM_ZONES == last->object % RANDOM_ZONES;
            break;
        case RANDOM_ON_ANY: count += act->object == last->object; break;
        case RANDOM_UNATTENDED: count += act->object == last->object && !act->approved; break;
        case RANDOM_DOMAINS:
            count += !zones[act->object % RANDOM_ZONES];
            zones[act->object % RANDOM_ZONES] = true;
            break;
        default: count++; break;
        }
    }
    return count;
}

static double changed_in(const struct recount *r, const struct random_limit *limit)
{
    const struct act *last = &r->acts[r->act_count - 1];
    double sum = 0;
    for (size_t i = r->act_count; i-- > 0 && r->acts[i].at > r->now - limit->per_s;) {
        const struct act *act = &r->acts[i];
        if (act->object == last->object && act->action == ACT_SCALE) {
            sum += fabs(act->given - act->before);
        }
    }
    return sum;
}

/* Entities that are there and not acted on for sure. */
static int ready(const struct recount *r)
{
    bool away[RANDOM_OBJECTS] = {false};
    int count = 0;
    for (size_t i = 0; i < r->act_count; i++) {
        away[r->acts[i].object] |= in_flight(r, &r->acts[i]);
    }
    for (int i = 0; i < RANDOM_ENTITIES; i++) {
        count += !away[i] && !r->gone[i];
    }
    return count;
}

/* The smallest of the window, since the engine rose: it remembers no inventories. */
static int population(const struct recount *r, const struct random_limit *limit)
{
    int smallest = r->population[r->now];
    for (int t = r->now; t > r->rose && t > r->now - limit->per_s; t--) {
        smallest = r->population[t] < smallest ? r->population[t] : smallest;
    }
    return smallest;
}

static int failing(const struct recount *r)
{
    bool watched = false;
    int count = 0;
    for (size_t i = 0; i < r->program->policy_count; i++) {
        watched |= !r->program->policies[i].service;
    }
    for (int i = 0; watched && i < RANDOM_ENTITIES; i++) {
        count += !r->gone[i] && r->x_at[i] == r->now && r->x_read[i] > 0.9;
    }
    return count;
}

static bool others_in_flight(const struct recount *r, bool same_object)
{
    const struct act *last = &r->acts[r->act_count - 1];
    for (size_t i = 0; i + 1 < r->act_count; i++) {
        const struct act *act = &r->acts[i];
        if (in_flight(r, act) && (act->object == last->object) == same_object &&
            (same_object || act->object != RANDOM_SHOP)) {
            return true;
        }
    }
    return false;
}

/* NULL, or how the limit was passed by the last act. */
static const char *passes(const struct recount *r, const struct random_limit *limit,
                          size_t full[RANDOM_KINDS])
{
    const struct act *act = &r->acts[r->act_count - 1];
    const bool service = act->object == RANDOM_SHOP;
    const bool own = limit->policy < 0 || limit->policy == act->policy;
    int count, allowed = limit->count;
    if (!own) {
        return NULL;
    }
    switch (limit->kind) {
    case RANDOM_BETWEEN: /* of undos too */
        return act->action == ACT_SCALE && !(act->given >= limit->low && act->given <= limit->high)
                   ? "between"
                   : NULL;
    case RANDOM_STEP:
        return act->action == ACT_SCALE && changed_in(r, limit) > limit->count + 1e-6 ? "step"
                                                                                      : NULL;
    case RANDOM_KEEP: /* an undo on what left the pool takes nothing from it */
        return !service && !r->gone[act->object] && ready(r) < limit->count ? "keep" : NULL;
    default: break;
    }
    if (act->undo) {
        return NULL;
    }
    switch (limit->kind) {
    case RANDOM_AT_MOST:
        if (limit->percent > 0) {
            const int share = limit->percent * population(r, limit) / 100;
            allowed = share < allowed ? share : allowed;
        }
        break;
    case RANDOM_OF_SERVICE:
    case RANDOM_EACH_DOMAIN:
    case RANDOM_ON_ANY:
    case RANDOM_TOTAL:
    case RANDOM_DOMAINS:
    case RANDOM_SPEND: break;
    case RANDOM_UNATTENDED:
        if (service || act->approved) {
            return NULL;
        }
        break;
    case RANDOM_EXCLUSIVE: return !service && others_in_flight(r, false) ? "exclusive" : NULL;
    case RANDOM_STORM: return !service && failing(r) > limit->count ? "storm" : NULL;
    case RANDOM_ONLY_WHILE:
        return r->now - r->heat_at > LATE_TICKS || r->heat_read >= 0.5 ? "only while" : NULL;
    case RANDOM_FREEZE: {
        const int second = RECOUNT_BEGIN_S + r->now;
        return second >= limit->low && second < limit->high &&
                       r->program->policies[act->policy].impact > limit->count
                   ? "not during"
                   : NULL;
    }
    case RANDOM_BETWEEN:
    case RANDOM_STEP:
    case RANDOM_KEEP:
    case RANDOM_KINDS: return NULL;
    }
    const bool concerns = limit->kind == RANDOM_TOTAL || limit->kind == RANDOM_SPEND ||
                          service == (limit->kind == RANDOM_OF_SERVICE);
    if (!concerns) {
        return NULL;
    }
    count = count_in(r, limit);
    full[limit->kind] += count == allowed;
    return count > allowed ? "more than the limit allows" : NULL;
}

static bool high(const struct recount *r, int entity)
{
    return r->now - r->x_at[entity] <= LATE_TICKS && r->x_read[entity] > 0.9;
}

/* The trigger, true of a target that is seen. */
static bool triggered(const struct recount *r, const struct act *act)
{
    bool any = false;
    for (int i = 0; i < RANDOM_ENTITIES; i++) {
        any = any || high(r, i);
    }
    return act->object == RANDOM_SHOP ? any : high(r, act->object);
}

/* A fix of another policy may show in what is seen. */
static bool in_window(const struct recount *r)
{
    const struct act *last = &r->acts[r->act_count - 1];
    for (size_t i = 0; i + 1 < r->act_count; i++) {
        const struct act *act = &r->acts[i];
        if (act->action == ACT_FIX && act->object == last->object && act->policy != last->policy &&
            r->now - act->at < r->program->window_s) {
            return true;
        }
    }
    return false;
}

static const char *passes_rule(const struct recount *r, const struct known *known)
{
    const struct act *act = &r->acts[r->act_count - 1];
    const struct random_policy *policy = &r->program->policies[act->policy];
    const struct judged *judged = &r->judged[act->policy][act->object];
    if (r->stopped) {
        return "stopped";
    }
    if (act->undo) {
        return known->acts == 0 ? "an undo of nothing" : NULL;
    }
    if (others_in_flight(r, true)) {
        return "two acts on one target";
    }
    const bool irreversible = act->action == ACT_FIX || act->action == ACT_GROW;
    const int mode = r->mode[act->policy];
    const bool gated = mode < 2 || policy->approve[act->action] ||
                       judged->useless[act->action] >= 2 ||
                       (irreversible && !r->program->unattended[act->action]);
    if (mode == 0) {
        return "mode shadow";
    }
    if (gated && !act->approved) {
        return "nobody approved";
    }
    if (policy->approve[act->action] && policy->two && !act->by_two) {
        return "one person approved";
    }
    if (in_window(r)) {
        return "in the effect window of another policy's action";
    }
    if (act->object != RANDOM_SHOP && r->gone[act->object]) {
        return "the target is not in the inventory";
    }
    if (!triggered(r, act)) {
        return "the trigger is not true";
    }
    int cooldown = policy->cooldown_s;
    for (int i = 1; i < judged->failures && cooldown < policy->cooldown_max_s; i++) {
        cooldown *= 2;
    }
    cooldown = cooldown < policy->cooldown_max_s ? cooldown : policy->cooldown_max_s;
    return known->acts == 0 && r->now < judged->at + cooldown ? "cooldown" : NULL;
}

const char *recount_passed(const struct recount *recount, const struct known *known,
                           size_t full[RANDOM_KINDS])
{
    const char *what = passes_rule(recount, known);
    for (size_t i = 0; !what && i < recount->program->limit_count; i++) {
        what = passes(recount, &recount->program->limits[i], full);
    }
    return what;
}
