/* Do conditions contradict each other (law 9, first form)?
 *
 * A condition is read as conjuncts; each comparison of an expression with a number, or with a share
 * of another expression, is a range of that expression. Two ranges under one key are compared. */
#include <math.h>

#include "lang/check_internal.h"
#include "lang/print.h"

/* ---- comparisons as ranges ---- */

static enum operator flipped(enum operator op)
{
    return op == OPERATOR_LT   ? OPERATOR_GT
           : op == OPERATOR_LE ? OPERATOR_GE
           : op == OPERATOR_GT ? OPERATOR_LT
           : op == OPERATOR_GE ? OPERATOR_LE
                               : op;
}

/* The limit of a comparison: a number, or P% of an expression whose text joins the key. */
static bool read_limit(struct arena *arena, const struct expr *expr, double *ret_value,
                       const char **ret_of)
{
    expr = expr_strip(expr);
    *ret_of = "";
    if (expr->kind == EXPR_PERCENT_OF) {
        *ret_value = expr->percent_of.ratio;
        *ret_of = print_expr(arena, expr_strip(expr->percent_of.inner));
        return true;
    }
    return expr_constant(expr, ret_value);
}

static bool set_range(struct range *range, enum operator op, double value)
{
    *range = (struct range){.low = -INFINITY, .high = INFINITY, .threshold = value};
    switch (op) {
    case OPERATOR_GT: range->low = value, range->low_open = true; return true;
    case OPERATOR_GE: range->low = value; return true;
    case OPERATOR_LT: range->high = value, range->high_open = true; return true;
    case OPERATOR_LE: range->high = value; return true;
    case OPERATOR_EQ: range->low = range->high = value; return true;
    case OPERATOR_NE:
    case OPERATOR_OR:
    case OPERATOR_AND:
    case OPERATOR_UNLESS:
    case OPERATOR_ADD:
    case OPERATOR_SUB:
    case OPERATOR_MUL:
    case OPERATOR_DIV:
    case OPERATOR_MOD:
    case OPERATOR_ATAN2:
    case OPERATOR_POW:
    case OPERATOR_COUNT: return false;
    }
    return false;
}

static struct range *comparison_range(struct arena *arena, const struct expr *expr)
{
    if (expr->kind != EXPR_BINARY || operator_infos[expr->binary.op].kind != OPERATOR_COMPARE ||
        expr->binary.matching.return_bool) {
        return NULL;
    }
    enum operator op = expr->binary.op;
    const struct expr *subject = expr->binary.left;
    double value;
    const char *of;
    if (!read_limit(arena, expr->binary.right, &value, &of)) {
        if (!read_limit(arena, expr->binary.left, &value, &of)) {
            return NULL;
        }
        subject = expr->binary.right;
        op = flipped(op);
    }
    struct range *range = ARENA_NEW(arena, struct range);
    if (!set_range(range, op, value)) {
        return NULL;
    }
    range->key = arena_printf(arena, "%s of %s", print_expr(arena, expr_strip(subject)), of);
    range->share = of[0] != '\0';
    range->span = expr->span;
    return range;
}

struct collect {
    struct arena *arena;
    struct range *first, **last;
    bool all;
};

static void collect_ranges(struct collect *collect, const struct expr *expr)
{
    expr = expr_strip(expr);
    if (expr->kind == EXPR_BINARY && expr->binary.op == OPERATOR_AND) {
        collect_ranges(collect, expr->binary.left);
        collect_ranges(collect, expr->binary.right);
        return;
    }
    struct range *range = comparison_range(collect->arena, expr);
    if (range) {
        *collect->last = range;
        collect->last = &range->next;
    } else {
        collect->all = false;
    }
}

struct range *condition_ranges(struct arena *arena, const struct expr *expr, bool *ret_all)
{
    struct collect collect = {.arena = arena, .all = true};
    collect.last = &collect.first;
    collect_ranges(&collect, expr);
    *ret_all = collect.all;
    return collect.first;
}

bool ranges_disjoint(const struct range *a, const struct range *b)
{
    double low = fmax(a->low, b->low), high = fmin(a->high, b->high);
    bool open = (low == a->low && a->low_open) || (low == b->low && b->low_open) ||
                (high == a->high && a->high_open) || (high == b->high && b->high_open);
    return low > high || (low == high && open);
}

/* A value that is in both: the counterexample of a report. */
static double value_in_both(const struct range *a, const struct range *b)
{
    double low = fmax(a->low, b->low), high = fmin(a->high, b->high);
    if (isinf(low)) {
        return isinf(high) ? 0 : high - fmax(fabs(high) * 0.1, 0.01);
    }
    return isinf(high) ? low + fmax(fabs(low) * 0.1, 0.01) : low + (high - low) / 2;
}

/* ---- the checks ---- */

static void never_true(const struct scope *scope, const struct range *ranges, const char *what)
{
    for (const struct range *b = ranges; b; b = b->next) {
        for (const struct range *a = ranges; a != b; a = a->next) {
            if (!same(a->key, b->key) || !ranges_disjoint(a, b)) {
                continue;
            }
            struct diag *d = diag_add(scope->check->diags, DIAG_NEVER_TRUE, b->span,
                                      "%s can never be true: no value fits both limits", what);
            diag_label(d, a->span, "excludes the other");
            diag_help(d, "write 'or' between them, or swap the limits");
            if (scope->lenient) {
                diag_lower(d);
            }
            return;
        }
    }
}

/* The trigger and what ends it can both hold: every expression they share has a value in both
 * ranges. */
static void overlaps(struct check *check, const struct policy *policy, const struct expr *expr,
                     const char *clause)
{
    bool all_when, all_clear;
    const struct range *when = condition_ranges(check->arena, policy->when.expr, &all_when);
    const struct range *clear = condition_ranges(check->arena, expr, &all_clear);
    if (!all_when || !all_clear) {
        return;
    }
    const struct range *at = NULL, *trigger = NULL;
    for (const struct range *c = clear; c; c = c->next) {
        for (const struct range *w = when; w; w = w->next) {
            if (!same(w->key, c->key)) {
                continue;
            }
            if (ranges_disjoint(w, c)) {
                return;
            }
            at = c;
            trigger = w;
        }
    }
    if (!at) {
        return;
    }
    struct diag *d =
        diag_add(check->diags, DIAG_CLEAR_OVERLAPS, at->span,
                 "policy '%s' would trigger and %s at once, such as at %g%s", policy->name.text,
                 same(clause, "clear when") ? "clear" : "be resolved",
                 value_in_both(at, trigger) * (at->share ? 100 : 1), at->share ? "%" : "");
    diag_label(d, trigger->span, "the trigger");
    diag_help(d, "move the limit of '%s' to the other side of the trigger's", clause);
}

static void loop_lag(struct check *check, const struct policy *policy)
{
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            const struct action *action = rung->kind == RUNG_ACT ? rung->call.resolved : NULL;
            if (!action || !action->has_within || !policy->has_cooldown ||
                policy->cooldown.value >= action->within.value) {
                continue;
            }
            struct diag *d = diag_add(check->diags, DIAG_LOOP_LAG, policy->cooldown.span,
                                      "policy '%s' may act again after %s, before '%s' shows its "
                                      "effect within %s",
                                      policy->name.text, policy->cooldown.text, action->name.text,
                                      action->within.text);
            diag_label(d, action->within.span, "declared here");
            diag_help(d, "write 'cooldown %s' or longer", action->within.text);
            return;
        }
    }
}

static bool typed(const struct expr *expr)
{
    return expr && expr->type.kind != VALUE_UNTYPED;
}

void check_set(struct check *check)
{
    for (const struct policy *policy = check->program->policies; policy; policy = policy->next) {
        bool all;
        struct scope scope = scope_of_policy(check, policy);
        const struct expr *when = policy->when.expr, *clear = policy->clear.expr;
        if (typed(when)) {
            never_true(&scope, condition_ranges(check->arena, when, &all), "when");
        }
        if (typed(clear)) {
            never_true(&scope, condition_ranges(check->arena, clear, &all), "clear when");
        }
        for (const struct cause *cause = policy->causes; cause; cause = cause->next) {
            if (typed(cause->when.expr)) {
                never_true(&scope, condition_ranges(check->arena, cause->when.expr, &all), "cause");
            }
        }
        const struct expr *resolved = policy->resolved_when.expr, *abort = policy->abort_when.expr;
        if (typed(resolved)) {
            never_true(&scope, condition_ranges(check->arena, resolved, &all), "resolved when");
        }
        if (typed(abort)) {
            never_true(&scope, condition_ranges(check->arena, abort, &all), "abort when");
        }
        if (typed(when) && typed(clear)) {
            overlaps(check, policy, clear, "clear when");
        }
        if (typed(when) && typed(resolved)) {
            overlaps(check, policy, resolved, "resolved when");
        }
        loop_lag(check, policy);
    }
}
