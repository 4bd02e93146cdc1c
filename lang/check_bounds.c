/* Are bounds, keeps and guards possible, and what is the worst case they allow (laws 6 and 8)? */
#include <math.h>

#include "lang/check_internal.h"

/* ---- amounts and windows ---- */

static void check_amount(struct check *check, const struct limit *limit)
{
    const struct amount *a = &limit->amount;
    bool zero = (a->has_count && a->count < 1) || (a->has_ratio && !(a->ratio > 0));
    if (zero && (limit->kind == LIMIT_AT_MOST || limit->kind == LIMIT_TOTAL ||
                 limit->kind == LIMIT_DOMAINS)) {
        struct diag *d = diag_add(check->diags, DIAG_BOUND_ZERO, a->span,
                                  "at most %s allows nothing, ever", a->text);
        diag_help(d, "write at least 1, or remove the action");
    } else if (zero && limit->kind == LIMIT_STORM) {
        struct diag *d = diag_add(check->diags, DIAG_BOUND_ZERO, a->span,
                                  "with a storm above %s nothing is ever acted on", a->text);
        diag_help(d, "write how many may fail at once and still be acted on, such as 30%%");
    } else if (zero) {
        struct diag *d =
            diag_add(check->diags, DIAG_BOUND_ZERO, a->span, "at least %s keeps nothing", a->text);
        diag_help(d, "write what must stay ready, such as 80%%");
    }
    if (a->has_ratio && a->ratio > 1) {
        struct diag *d = diag_add(check->diags, DIAG_BOUND_OVER_ALL, a->span,
                                  "%s is more than all of them", a->text);
        diag_help(d, limit->kind == LIMIT_KEEP ? "write 100%% at most"
                                               : "write a share below 100%%, such as 10%%");
    }
    if (a->has_count && a->count != floor(a->count)) {
        struct diag *d = diag_add(check->diags, DIAG_LIMIT_RANGE, a->span,
                                  "targets are counted in whole numbers, %s is not one", a->text);
        diag_help(d, "write %.0f", floor(a->count) < 1 ? 1 : floor(a->count));
    }
}

static void check_window(struct check *check, const struct limit *limit)
{
    check_amount(check, limit);
    if (!(limit->per.value > 0)) {
        struct diag *d = diag_add(check->diags, DIAG_LIMIT_RANGE,
                                  limit->per.text ? limit->per.span : limit->span,
                                  "a window of no length limits nothing");
        diag_help(d, "write a window such as 'per 1h'");
    }
}

static void check_domains(struct check *check, const struct limit *limit)
{
    check_window(check, limit);
    if (limit->pool && !limit->pool->domain.text) {
        struct diag *d =
            diag_add(check->diags, DIAG_NO_DOMAIN, limit->subject.span,
                     "pool '%s' does not say what its failure domains are", limit->pool->name.text);
        diag_label(d, limit->pool->name.span, "declared here");
        diag_help(d, "write 'domain LABEL' behind the pool, such as domain node");
    }
}

static void check_limit(struct check *check, const struct limit *limit)
{
    switch (limit->kind) {
    case LIMIT_AT_MOST: (limit->each_domain ? check_domains : check_window)(check, limit); break;
    case LIMIT_TOTAL: check_window(check, limit); break;
    case LIMIT_DOMAINS: check_domains(check, limit); break;
    case LIMIT_NOT_DURING: check_freeze(check, limit->freeze); break;
    case LIMIT_KEEP:
        check_amount(check, limit);
        if (limit->pool && !limit->pool->ready) {
            struct diag *d =
                diag_add(check->diags, DIAG_KEEP_NOT_READY, limit->subject.span,
                         "pool '%s' does not say what ready is", limit->pool->name.text);
            diag_label(d, limit->pool->name.span, "declared here");
            diag_help(d, "write 'ready CONDITION' behind the pool");
        }
        break;
    case LIMIT_STORM: check_amount(check, limit); break;
    case LIMIT_EXCLUSIVE:
    case LIMIT_STEP:
    case LIMIT_SPEND:
    case LIMIT_ONLY_WHILE: break; /* check_amounts.c */
    case LIMIT_BETWEEN:
        if (!(limit->low <= limit->high)) {
            struct diag *d = diag_add(check->diags, DIAG_LIMIT_RANGE, limit->span,
                                      "nothing is between %g and %g", limit->low, limit->high);
            diag_help(d, "write the smaller number first");
        }
        break;
    }
}

/* ---- constants that a guard will always refuse ---- */

static bool guard_meets(const struct limit *limit, const struct action *action,
                        const struct parameter *parameter)
{
    enum unit unit = unit_find(parameter->type.text, strlen(parameter->type.text));
    return limit->kind == LIMIT_BETWEEN && limit_covers(limit, action_target(action)) &&
           unit != UNIT_NONE && limit->unit != UNIT_NONE &&
           dimension_equal(dimension_of_unit(unit, UNIT_NONE),
                           dimension_of_unit(limit->unit, UNIT_NONE));
}

static void guarded_argument(struct check *check, const struct action *action,
                             const struct parameter *parameter, const struct expr *value)
{
    double number;
    if (expr_strip(value)->kind != EXPR_NUMBER || !expr_constant(value, &number)) {
        return; /* relative amounts are known at run time */
    }
    if (!expr_bare(value) &&
        !dimension_equal(value->type.dimension, parameter_dimension(parameter))) {
        return; /* said by the contracts */
    }
    for (const struct guard *g = check->program->guards; g; g = g->next) {
        for (const struct limit *l = g->limits; l; l = l->next) {
            if (guard_meets(l, action, parameter) && (number < l->low || number > l->high)) {
                struct diag *d =
                    diag_add(check->diags, DIAG_BETWEEN, value->span,
                             "guard '%s' always refuses %s: %g, it allows %g to %g", g->name.text,
                             parameter->name.text, number, l->low, l->high);
                diag_label(d, l->span, "the guard");
                diag_help(d, "write %g", number < l->low ? l->low : l->high);
            }
        }
    }
}

static void guarded_call(struct check *check, const struct act_call *call)
{
    const struct action *action = call->resolved;
    const struct parameter *by_place = action ? action->parameters : NULL;
    for (const struct argument *a = action ? call->arguments : NULL; a; a = a->next) {
        const struct parameter *p = by_place;
        if (a->name.text) {
            for (p = action->parameters; p && !same(p->name.text, a->name.text);) {
                p = p->next;
            }
        }
        if (p && p != action->parameters && p->type.text) {
            guarded_argument(check, action, p, a->value);
        }
        by_place = by_place ? by_place->next : NULL;
    }
}

static void check_limits(struct check *check, const struct limit *limit)
{
    for (; limit; limit = limit->next) {
        check_limit(check, limit);
    }
}

void check_bounds(struct check *check)
{
    for (const struct guard *g = check->program->guards; g; g = g->next) {
        check_limits(check, g->limits);
    }
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        check_limits(check, p->bounds);
        check_limits(check, p->keeps);
        for (const struct heal *heal = p->heals; heal; heal = heal->next) {
            for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
                if (rung->kind == RUNG_ACT) {
                    guarded_call(check, &rung->call);
                }
            }
        }
    }
}

/* ---- worst cases ---- */

/* Most actions in any span of time of this length, where any sliding window holds at most `count`:
 * a burst at once, and the next burst a window later. Windows are half open, so a span of exactly
 * one window holds one burst. */
static double most_actions(const struct limit *limit, double seconds)
{
    if (!limit->amount.has_count || !(limit->per.value > 0)) {
        return INFINITY; /* a share of a pool whose size is not known here */
    }
    return limit->amount.count * ceil(seconds / limit->per.value);
}

double policy_most_of_type(const struct policy *policy, const char *type, double seconds)
{
    double most = INFINITY;
    for (const struct limit *l = policy->bounds; l; l = l->next) {
        if (l->kind == LIMIT_AT_MOST && limit_covers(l, type)) {
            most = fmin(most, most_actions(l, seconds));
        }
    }
    return most;
}

/* True when an earlier rung already acts on this type: a type is counted once. */
bool policy_counts_type(const struct policy *policy, const struct rung *until, const char *type)
{
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (rung == until) {
                return false;
            }
            if (rung->kind == RUNG_ACT && rung->call.resolved &&
                same(action_target(rung->call.resolved), type)) {
                return true;
            }
        }
    }
    return false;
}

static double most_of_policy(const struct policy *policy, double seconds)
{
    double sum = 0;
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            const char *type = rung->kind == RUNG_ACT && rung->call.resolved
                                   ? action_target(rung->call.resolved)
                                   : NULL;
            if (type && !policy_counts_type(policy, rung, type)) {
                sum += policy_most_of_type(policy, type, seconds);
            }
        }
    }
    return sum;
}

/* Costs of the reference evaluator an entity and evaluation; measured in the large, rounded up. */
static const double cost_node_ns = 2;          /* a column read and written */
static const double cost_join_ns = 6;          /* an index vector followed */
static const double cost_aggregate_ns = 8;     /* a group found and added to */
static const double cost_window_ns = 50;       /* what came into a window and went out of it */
static const double cost_sample_ns = 2;        /* a sample of a forecast read */
static const double cost_forecast_ns = 200;    /* the interval of a forecast */
static const double cost_entity_ns = 30;       /* the incident state machine */
static const double bytes_node = 16;           /* value, presence, unknown */
static const double bytes_operator_state = 32; /* ewma, zscore, forecast, a window's sums */
static const double bytes_entity = 256;        /* incident, windows, back-off */

struct cost {
    double every;
    double bytes, ns;
};

/* A forecast looks back over its lookback, or over four times its horizon. */
static double forecast_samples(const struct expr *call, double every)
{
    double ahead = 0, back = 0, value;
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        if (same(a->name.text, "lookback") && expr_constant(a->value, &value)) {
            back = value;
        } else if (same(a->name.text, "in") && expr_constant(a->value, &value)) {
            ahead = value;
        }
    }
    return ceil((back > 0 ? back : 4 * ahead) / every) + 1;
}

static void cost_of(struct expr *expr, void *context)
{
    struct cost *cost = context;
    cost->bytes += bytes_node;
    cost->ns += cost_node_ns;
    if (expr->kind == EXPR_RANGE || expr->kind == EXPR_SUBQUERY) {
        cost->ns += cost_window_ns;
    } else if (expr->kind == EXPR_AGGREGATE) {
        cost->ns += cost_aggregate_ns;
    } else if (expr->kind == EXPR_BINARY) {
        cost->ns += cost_join_ns;
    } else if (expr->kind == EXPR_REACHES) {
        cost->ns += cost_forecast_ns;
    } else if (expr->kind == EXPR_CALL) {
        double samples =
            expr->call.builtin == BUILTIN_FORECAST ? forecast_samples(expr, cost->every) : 0;
        cost->bytes += bytes_operator_state;
        cost->ns += cost_sample_ns * samples;
    }
    expr_children(expr, cost_of, cost);
}

struct policy_bounds policy_bounds_of(const struct policy *policy)
{
    static const double hour = 3600, day = 86400;
    struct cost cost = {
        .every = policy->has_every && policy->every.value > 0 ? policy->every.value
                                                              : POLICY_EVERY_DEFAULT_S,
        .bytes = bytes_entity,
        .ns = cost_entity_ns,
    };
    policy_exprs(policy, cost_of, &cost);
    return (struct policy_bounds){
        .actions_per_hour = most_of_policy(policy, hour),
        .actions_per_day = most_of_policy(policy, day),
        .bytes_per_entity = (uint64_t)fmin(cost.bytes, 1e18),
        .ns_per_entity = (uint64_t)fmin(cost.ns, 1e18),
    };
}
