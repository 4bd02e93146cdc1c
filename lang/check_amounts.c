/* The numbers of actions: can they be read, stepped, taken back and paid for (laws 5 to 7)? */
#include <math.h>

#include "lang/check_internal.h"

static bool typed(const struct expr *expr)
{
    return expr && expr->type.kind != VALUE_UNTYPED;
}

/* ---- what an action reads ---- */

static bool is_plain(struct dimension d)
{
    for (int i = 0; i < BASE_QUANTITIES; i++) {
        if (d.power[i] != 0) {
            return false;
        }
    }
    return !d.ratio;
}

static void check_reads(struct check *check, const struct action *action)
{
    const struct expr *reads = action->reads;
    const struct parameter *number = action_number(action);
    if (!number) {
        struct diag *d =
            diag_add(check->diags, DIAG_READS, reads->span,
                     "'%s' reads the number that it sets, and has %s one", action->name.text,
                     action->parameters && action->parameters->next ? "more than" : "not even");
        diag_help(d, "leave 'reads' to actions with a target and one number");
        return;
    }
    if (!typed(reads)) {
        return;
    }
    if (reads->type.kind != VALUE_VECTOR || reads->type.role == ROLE_FORECAST) {
        struct diag *d = diag_add(check->diags, DIAG_READS, reads->span,
                                  "what '%s' is now is measured, this is %s", number->name.text,
                                  reads->type.role == ROLE_FORECAST ? "a forecast"
                                                                    : kind_text(reads->type.kind));
        diag_help(d, "write a metric that has it, such as kube_deployment_spec_replicas");
        return;
    }
    struct dimension want = parameter_dimension(number), have = reads->type.dimension;
    if (dimension_equal(want, have) || is_plain(have)) {
        return;
    }
    char left[128], right[128];
    struct diag *d = diag_add(check->diags, DIAG_READS, reads->span, "'%s' is in %s, this is in %s",
                              number->name.text, dimension_print(want, left, sizeof left),
                              dimension_print(have, right, sizeof right));
    diag_label(d, number->type.span, "declared here");
    diag_help(d, "read a metric in %s", left);
}

static const char *labels_text(const struct check *check, const struct name_list *labels)
{
    const char *text = "";
    for (; labels; labels = labels->next) {
        text = arena_printf(check->arena, "%s%s%s", text, *text ? ", " : "", labels->name.text);
    }
    return text;
}

/* The series that an action reads are told apart by the labels of what the policy aims at. */
static void check_reads_target(struct check *check, const struct policy *policy,
                               const struct act_call *call)
{
    static const struct name_list of_service = {.name = {.text = "service"}};
    const struct expr *reads = call->resolved->reads;
    const struct expr *target = call_value(call, call->resolved->parameters);
    const char *word = target ? expr_word(target) : NULL;
    if (!word || !typed(reads) || !reads->type.labels_exact) {
        return;
    }
    const bool entity = same(word, policy->each.text);
    const struct name_list *want =
        entity && policy->resolved ? policy->resolved->keys : &of_service;
    if ((entity && !policy->resolved) || names_equal(reads->type.labels, want)) {
        return;
    }
    const char *keys = labels_text(check, want);
    struct diag *d =
        diag_add(check->diags, DIAG_READS, reads->span,
                 "'%s' reads series with the labels (%s), '%s' is known by (%s)",
                 call->resolved->name.text, labels_text(check, reads->type.labels), word, keys);
    diag_label(d, call->span, "called here");
    diag_help(d, "aggregate it: sum by (%s) (...)", keys);
}

/* ---- amounts that need it ---- */

static void report_unread(struct check *check, const struct action *action, struct span span,
                          const char *what)
{
    struct diag *d =
        diag_add(check->diags, DIAG_UNREAD, span, "%s, and '%s' does not say where it is read",
                 what, action->name.text);
    diag_label(d, action->name.span, "declared here");
    diag_help(d, "write 'reads METRIC' in it, such as reads sum by (service) "
                 "(kube_deployment_spec_replicas)");
}

static void check_amount(struct check *check, const struct action *action,
                         const struct parameter *parameter, const struct expr *value)
{
    double number;
    if (!typed(value) || value->type.role == ROLE_FORECAST) {
        return; /* said by the contracts */
    }
    if (!expr_constant(value, &number) || !isfinite(number)) {
        struct diag *d = diag_add(check->diags, DIAG_CALL_ARGUMENTS, value->span,
                                  "'%s' is given %s, which is no number known beforehand",
                                  parameter->name.text, expr_text(check, value));
        diag_help(d, "write a number, or a step from what is there: %s: +50%%",
                  parameter->name.text);
    } else if (expr_relative(value) && !action->reads) {
        report_unread(check, action, value->span, "this is a step from what is there");
    }
}

static void check_undo_amounts(struct check *check, const struct action *action)
{
    const struct act_call *undo = action->undo;
    const struct parameter *p = undo && undo->resolved && undo->resolved->parameters
                                    ? undo->resolved->parameters->next
                                    : NULL;
    for (; p; p = p->next) {
        const struct expr *value = call_value(undo, p);
        if (!value) {
            continue;
        }
        if (expr_relative(value)) {
            struct diag *d = diag_add(check->diags, DIAG_UNREAD, value->span,
                                      "an undo restores what was there, and takes no further step");
            diag_help(d, "write %s: before", p->name.text);
        } else if (same(expr_word(value), "before") && !action->reads) {
            report_unread(check, action, value->span, "this is what was there before");
        } else if (same(expr_word(value), "before") && action_number(action) &&
                   !dimension_equal(parameter_dimension(p),
                                    parameter_dimension(action_number(action)))) {
            struct diag *d = diag_add(check->diags, DIAG_ARGUMENT_DIMENSION, value->span,
                                      "'%s' is in %s, and what was there before in %s",
                                      p->name.text, p->type.text, action_number(action)->type.text);
            diag_help(d, "name an undo that takes %s", action_number(action)->type.text);
        }
    }
}

/* ---- money ---- */

/* How many base units of the parameter one of `per` is; 0 when it is none of them. `replica` is one
 * of replicas. */
static double per_unit(struct check *check, const struct parameter *parameter, const char *per)
{
    const char *many = arena_printf(check->arena, "%ss", per);
    enum unit unit = unit_find(per, strlen(per)), of = UNIT_NONE;
    unit = unit == UNIT_NONE ? unit_find(many, strlen(many)) : unit;
    if (parameter && parameter->type.text) {
        of = unit_find(parameter->type.text, strlen(parameter->type.text));
        if (same(parameter->type.text, "number")) {
            return same(per, "number") ? 1 : 0;
        }
    }
    return unit != UNIT_NONE && of != UNIT_NONE && unit_infos[unit].base == unit_infos[of].base
               ? unit_infos[unit].scale
               : 0;
}

static void check_costs(struct check *check, struct action *action)
{
    const struct quantity *costs = &action->costs;
    const struct parameter *number = action_number(action);
    bool rate = costs->per != UNIT_NONE;
    if (costs->unit != UNIT_USD || (rate && unit_infos[costs->per].base != BASE_SECONDS) ||
        !(costs->value >= 0) || !isfinite(costs->value)) {
        struct diag *d = diag_add(check->diags, DIAG_COSTS, costs->span,
                                  "'%s' is nothing that an action can cost", costs->text);
        diag_help(d,
                  "write usd once, or usd over a time: costs 3 usd, costs 0.12 usd/h per replica");
    }
    if (!action->costs_per.text) {
        return;
    }
    action->costs_each = per_unit(check, number, action->costs_per.text);
    if (!(action->costs_each > 0)) {
        struct diag *d = diag_add(check->diags, DIAG_COSTS, action->costs_per.span,
                                  "'%s' is no unit of the one number of '%s'",
                                  action->costs_per.text, action->name.text);
        diag_help(d, number ? "write per %s" : "leave 'per' out", number ? number->type.text : "");
    } else if (!action->reads) {
        report_unread(check, action, action->costs_per.span,
                      "what this costs hangs on how much more it is than before");
    }
}

/* Undeclared is not free: what cannot be counted is not allowed. */
static void check_spent(struct check *check, const struct policy *policy,
                        const struct limit *limits, const struct act_call *call)
{
    for (const struct limit *l = limits; l; l = l->next) {
        if (l->kind == LIMIT_SPEND && !call->resolved->has_costs) {
            struct diag *d = diag_add(check->diags, DIAG_NO_COSTS, call->span,
                                      "what policy '%s' spends is limited, and '%s' does not say "
                                      "what it costs",
                                      policy->name.text, call->action.text);
            diag_label(d, l->span, "the limit");
            diag_help(d, "write 'costs 0 usd' in action '%s' if it is free", call->action.text);
            return;
        }
    }
}

/* ---- limits ---- */

static void check_step(struct check *check, const struct limit *limit)
{
    double amount = limit->amount.has_ratio ? limit->amount.ratio : limit->amount.count;
    if (!(amount > 0) || !isfinite(amount) || !(limit->per.value > 0)) {
        struct diag *d = diag_add(check->diags, DIAG_LIMIT_RANGE, limit->span,
                                  "this step allows no change, or is over no time");
        diag_help(d, "write how much may change, such as step at most 50%% per 1m");
    } else if (limit->amount.has_count && limit->unit == UNIT_NONE) {
        struct diag *d = diag_add(check->diags, DIAG_AMOUNT_FORM, limit->amount.span,
                                  "a step of %s: of what?", limit->amount.text);
        diag_help(d, "write its unit, such as %s replicas, or a share", limit->amount.text);
    }
}

static void check_limits(struct check *check, const struct limit *limits)
{
    for (const struct limit *l = limits; l; l = l->next) {
        if (l->kind == LIMIT_STEP) {
            check_step(check, l);
        } else if (l->kind == LIMIT_SPEND &&
                   (!(l->amount.count >= 0) || !isfinite(l->amount.count) || !(l->per.value > 0))) {
            struct diag *d = diag_add(check->diags, DIAG_LIMIT_RANGE, l->span,
                                      "nothing can be spent within this limit");
            diag_help(d, "write money over a time, such as spend at most 500 usd per 1h");
        } else if (l->kind == LIMIT_ONLY_WHILE && typed(l->only) &&
                   !(l->only->type.labels_exact && !l->only->type.labels)) {
            struct diag *d = diag_add(check->diags, DIAG_CONDITION_LABELS, l->only->span,
                                      "only while needs one answer for all, and this may have "
                                      "several series");
            diag_help(d, "aggregate it, such as max(...)");
        }
    }
}

/* A step guard needs to know what is there. */
static void check_stepped(struct check *check, const struct guard *guard,
                          const struct act_call *call)
{
    const struct action *action = call->resolved;
    for (const struct limit *l = guard->limits; l; l = l->next) {
        const struct parameter *p = action->parameters->next;
        while (p && !limit_steps(l, p)) {
            p = p->next;
        }
        if (l->kind == LIMIT_STEP && p && !action->reads &&
            limit_covers(l, action_target(action))) {
            struct diag *d =
                diag_add(check->diags, DIAG_UNREAD, call->span,
                         "guard '%s' limits how far '%s' may step, and '%s' does not say "
                         "where it is read: it is always refused",
                         guard->name.text, p->name.text, action->name.text);
            diag_label(d, l->span, "the guard");
            diag_help(d, "write 'reads METRIC' in action '%s'", action->name.text);
            return;
        }
    }
}

static void check_call(struct check *check, const struct policy *policy,
                       const struct act_call *call)
{
    const struct action *action = call->resolved;
    if (!action || !action->parameters) {
        return;
    }
    for (const struct parameter *p = action->parameters->next; p; p = p->next) {
        const struct expr *value = call_value(call, p);
        if (value) {
            check_amount(check, action, p, value);
        }
    }
    if (action->reads) {
        check_reads_target(check, policy, call);
    }
    check_spent(check, policy, policy->spends, call);
    for (const struct guard *g = check->program->guards; g; g = g->next) {
        check_spent(check, policy, g->limits, call);
        check_stepped(check, g, call);
    }
}

void check_amounts(struct check *check)
{
    for (struct action *a = check->program->actions; a; a = a->next) {
        if (a->reads) {
            check_reads(check, a);
        }
        if (a->has_costs) {
            check_costs(check, a);
        }
        check_undo_amounts(check, a);
    }
    for (const struct guard *g = check->program->guards; g; g = g->next) {
        check_limits(check, g->limits);
    }
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        check_limits(check, p->spends);
        for (const struct heal *heal = p->heals; heal; heal = heal->next) {
            for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
                if (rung->kind == RUNG_ACT) {
                    check_call(check, p, &rung->call);
                }
            }
        }
    }
}
