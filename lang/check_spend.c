/* What policies can spend in the worst case (law 8): by their limits, and by how often they act. */
#include <math.h>

#include "lang/check_internal.h"

/* What one act costs in a span of time: a rate runs for all of it. An increase has no worst case
 * here. */
static double act_costs(const struct action *action, double seconds)
{
    if (!action->has_costs || !(action->costs.value > 0)) {
        return 0;
    }
    if (action->costs_each > 0) {
        return INFINITY;
    }
    return action->costs.value * (action->costs.per != UNIT_NONE ? seconds : 1);
}

struct spending { /* of the actions that a policy calls */
    bool any, rates;
};

static void add_spending(const struct policy *policy, struct spending *ret)
{
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            const struct action *action = rung->kind == RUNG_ACT ? rung->call.resolved : NULL;
            bool costs = action && action->has_costs && action->costs.value > 0;
            ret->any |= costs;
            ret->rates |= costs && action->costs.per != UNIT_NONE;
        }
    }
}

/* The dearest act on targets of this type. */
static double dearest(const struct policy *policy, const char *type, double seconds)
{
    double most = 0;
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            const struct action *action = rung->kind == RUNG_ACT ? rung->call.resolved : NULL;
            if (action && same(action_target(action), type)) {
                most = fmax(most, act_costs(action, seconds));
            }
        }
    }
    return most;
}

static double by_actions(const struct policy *policy, double seconds)
{
    double sum = 0;
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            const char *type = rung->kind == RUNG_ACT && rung->call.resolved
                                   ? action_target(rung->call.resolved)
                                   : NULL;
            double each = type ? dearest(policy, type, seconds) : 0;
            if (each > 0 && !policy_counts_type(policy, rung, type)) {
                sum += each * policy_most_of_type(policy, type, seconds);
            }
        }
    }
    return sum;
}

/* Bursts that use the limit up, one at the begin of each window. What was charged for one window
 * runs for what is left of the span. */
static double by_limit(const struct limit *limit, bool rates, double seconds)
{
    const double windows = seconds / limit->per.value, bursts = ceil(windows);
    if (!rates) {
        return limit->amount.count * bursts;
    }
    /* The k-th runs for windows - k of them, and costs one at least. */
    const double longer = floor(fmax(windows - 1, 0)) + (windows > 1);
    return limit->amount.count * (longer * windows - longer * (longer - 1) / 2 + (bursts - longer));
}

static double by_limits(const struct limit *limits, bool rates, double seconds)
{
    double least = INFINITY;
    for (const struct limit *l = limits; l; l = l->next) {
        if (l->kind == LIMIT_SPEND && l->per.value > 0) {
            least = fmin(least, by_limit(l, rates, seconds));
        }
    }
    return least;
}

double policy_spends(const struct policy *policy, double seconds)
{
    struct spending spending = {0};
    add_spending(policy, &spending);
    if (!spending.any) {
        return 0;
    }
    return fmin(by_limits(policy->spends, spending.rates, seconds), by_actions(policy, seconds));
}

double program_spends(const struct program *program, double seconds)
{
    double sum = 0;
    struct spending spending = {0};
    for (const struct policy *policy = program->policies; policy; policy = policy->next) {
        add_spending(policy, &spending);
        sum += policy_spends(policy, seconds);
    }
    for (const struct guard *guard = program->guards; guard; guard = guard->next) {
        sum = fmin(sum, by_limits(guard->limits, spending.rates, seconds));
    }
    return sum;
}
