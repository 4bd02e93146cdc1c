/* The tables of operators, functions and aggregations. */
#include "lang/ast.h"

#include <string.h>
#include <strings.h>

const struct operator_info operator_infos[OPERATOR_COUNT] = {
#define OPERATOR(name, text, precedence, kind) \
    [OPERATOR_##name] = {text, precedence, OPERATOR_##kind},
#include "lang/operator.def"
#undef OPERATOR
};

enum builtin_result_letter { v = 'v', s = 's', t = 't' };
const struct builtin_info builtin_infos[BUILTIN_COUNT] = {
#define BUILTIN(name, text, arguments, result, dimension, ready) \
    [BUILTIN_##name] = {text, arguments, result, DIMENSION_##dimension, ready},
#include "stdlib/builtin.def"
#undef BUILTIN
};

const struct aggregate_info aggregate_infos[AGGREGATE_COUNT_] = {
#define AGGREGATE(name, text, parameter, ready) [AGGREGATE_##name] = {text, parameter, ready},
#include "stdlib/aggregate.def"
#undef AGGREGATE
};

enum builtin builtin_find(const char *name)
{
    for (int i = 0; i < BUILTIN_COUNT; i++) {
        if (strcmp(builtin_infos[i].text, name) == 0) {
            return (enum builtin)i;
        }
    }
    return BUILTIN_NONE;
}

enum aggregate aggregate_find(const char *name, size_t length)
{
    for (int i = 0; i < AGGREGATE_COUNT_; i++) {
        if (strlen(aggregate_infos[i].text) == length &&
            strncasecmp(aggregate_infos[i].text, name, length) == 0) {
            return (enum aggregate)i;
        }
    }
    return AGGREGATE_NONE;
}

bool policy_acts(const struct policy *policy)
{
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (rung->kind == RUNG_ACT) {
                return true;
            }
        }
    }
    return false;
}

const struct expr *expr_strip(const struct expr *expr)
{
    while (expr->kind == EXPR_PAREN) {
        expr = expr->inner;
    }
    return expr;
}

bool expr_constant(const struct expr *expr, double *ret_value)
{
    double sign = 1;
    for (expr = expr_strip(expr); expr->kind == EXPR_UNARY; expr = expr_strip(expr->unary.inner)) {
        sign = expr->unary.minus ? -sign : sign;
    }
    if (expr->kind != EXPR_NUMBER) {
        return false;
    }
    *ret_value = sign * expr->number.value;
    return true;
}

bool expr_relative(const struct expr *expr)
{
    return expr_strip(expr)->kind == EXPR_UNARY;
}

bool limit_bounds(const struct limit *limit, const struct parameter *parameter)
{
    const char *type = parameter->type.text;
    const enum unit unit = type ? unit_find(type, strlen(type)) : UNIT_NONE;
    if (limit->unit == UNIT_NONE || unit == UNIT_NONE) {
        return limit->unit == unit;
    }
    return unit_infos[limit->unit].base == unit_infos[unit].base;
}

bool limit_steps(const struct limit *limit, const struct parameter *parameter)
{
    const char *type = parameter->type.text;
    enum unit unit = type ? unit_find(type, strlen(type)) : UNIT_NONE;
    return limit->unit == UNIT_NONE ||
           (unit != UNIT_NONE && unit_infos[unit].base == unit_infos[limit->unit].base);
}

const struct parameter *action_number(const struct action *action)
{
    const struct parameter *number = action->parameters ? action->parameters->next : NULL;
    return number && !number->next ? number : NULL;
}

const struct expr *call_value(const struct act_call *call, const struct parameter *parameter)
{
    const struct parameter *at = call->resolved->parameters;
    for (const struct argument *a = call->arguments; a; a = a->next) {
        if (a->name.text ? strcmp(a->name.text, parameter->name.text) == 0 : at == parameter) {
            return a->value;
        }
        at = at ? at->next : NULL;
    }
    return NULL;
}

double cause_prior(const struct policy *policy, const struct cause *cause)
{
    double left = 1;
    size_t open = 0;
    if (cause->has_prior) {
        return cause->prior.value;
    }
    for (const struct cause *c = policy->causes; c; c = c->next) {
        left -= c->has_prior ? c->prior.value : 0;
        open += !c->has_prior;
    }
    return left / (double)open;
}

double argument_seconds(const struct expr *call, const char *name)
{
    double seconds = 0;
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        if (a->name.text && strcmp(a->name.text, name) == 0 && expr_constant(a->value, &seconds)) {
            return seconds;
        }
    }
    return 0;
}

const char *pool_type(const struct pool *pool)
{
    const char *type = NULL;
    for (const struct name_list *key = pool->keys; key; key = key->next) {
        type = key->name.text;
    }
    return type;
}

bool limit_covers(const struct limit *limit, const char *type)
{
    if (limit->kind == LIMIT_TOTAL || limit->kind == LIMIT_NOT_DURING) {
        return true;
    }
    const char *of = limit->pool ? pool_type(limit->pool) : limit->subject.text;
    return of && type && strcmp(of, type) == 0;
}
