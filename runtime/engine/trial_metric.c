/* Which metrics do the expressions of policies name? */
#include "runtime/engine/trial_metric.h"

#include <string.h>

bool expr_names_metric(const struct expr *expr, const char *name)
{
    if (!expr) {
        return false;
    }
    switch (expr->kind) {
    case EXPR_SELECTOR:
        return expr->selector.name.text && strcmp(expr->selector.name.text, name) == 0;
    case EXPR_RANGE:
    case EXPR_SUBQUERY: return expr_names_metric(expr->range.inner, name);
    case EXPR_AGGREGATE: return expr_names_metric(expr->aggregate.inner, name);
    case EXPR_BINARY:
        return expr_names_metric(expr->binary.left, name) ||
               expr_names_metric(expr->binary.right, name);
    case EXPR_UNARY: return expr_names_metric(expr->unary.inner, name);
    case EXPR_PAREN: return expr_names_metric(expr->inner, name);
    case EXPR_PERCENT_OF: return expr_names_metric(expr->percent_of.inner, name);
    case EXPR_CALL:
        if (expr->call.expansion) {
            return expr_names_metric(expr->call.expansion, name);
        }
        for (const struct argument *a = expr->call.arguments; a; a = a->next) {
            if (expr_names_metric(a->value, name)) {
                return true;
            }
        }
        return false;
    case EXPR_REACHES:
        return expr_names_metric(expr->reaches.forecast, name) ||
               expr_names_metric(expr->reaches.threshold, name);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_LIST: return false;
    }
    return false;
}

static bool policy_names_metric(const struct policy *policy, const char *name)
{
    for (const struct signal *signal = policy->signals; signal; signal = signal->next) {
        if (expr_names_metric(signal->expr, name)) {
            return true;
        }
    }
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            const struct action *action = rung->call.resolved;
            if ((rung->has_verify && expr_names_metric(rung->verify.expr, name)) ||
                (action && expr_names_metric(action->reads, name))) {
                return true;
            }
        }
    }
    for (const struct cause *cause = policy->causes; cause; cause = cause->next) {
        bool named = expr_names_metric(cause->when.expr, name);
        for (const struct evidence *e = cause->evidence; e; e = e->next) {
            named |= expr_names_metric(e->is.expr, name);
        }
        if (named) {
            return true;
        }
    }
    const struct pool *pool = policy->resolved;
    return expr_names_metric(policy->when.expr, name) ||
           expr_names_metric(policy->clear.expr, name) ||
           (pool && (expr_names_metric(pool->expr, name) || expr_names_metric(pool->ready, name)));
}

bool policies_name_metric(const struct policy *policies, const char *name)
{
    for (; policies; policies = policies->next) {
        if (policy_names_metric(policies, name)) {
            return true;
        }
    }
    return false;
}

bool guards_name_metric(const struct guard *guards, const char *name)
{
    for (; guards; guards = guards->next) {
        for (const struct limit *limit = guards->limits; limit; limit = limit->next) {
            if (expr_names_metric(limit->only, name)) {
                return true;
            }
        }
    }
    return false;
}

bool recorded_name_metric(const struct recorded *recorded, const char *name)
{
    for (; recorded; recorded = recorded->next) {
        if (expr_names_metric(recorded->expr, name)) {
            return true;
        }
    }
    return false;
}
