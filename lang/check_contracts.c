/* Do actions keep their contracts (law 7): parameters, what they affect, undo, and how they are
 * called? */
#include <stdio.h>

#include "lang/check_internal.h"
#include "lang/connector.h"

static const struct parameter *find_parameter(const struct action *action, const char *name)
{
    for (const struct parameter *p = action->parameters; p; p = p->next) {
        if (same(p->name.text, name)) {
            return p;
        }
    }
    return NULL;
}

/* ---- the contract itself ---- */

static void check_parameters(struct check *check, const struct action *action)
{
    if (!action->parameters) {
        struct diag *d = diag_add(check->diags, DIAG_PARAMETER_TYPE, action->name.span,
                                  "action '%s' has no target", action->name.text);
        diag_help(d, "write action %s(s: service)", action->name.text);
        return;
    }
    for (const struct parameter *p = action->parameters; p; p = p->next) {
        const char *type = p->type.text;
        bool target = p == action->parameters;
        bool unit = type && (same(type, "number") || unit_find(type, strlen(type)) != UNIT_NONE);
        if (target ? type_exists(check, type) : unit) {
            continue;
        }
        struct nearest near = {.word = type};
        nearest_try(&near, "service");
        for (const struct pool *pool = check->program->pools; pool; pool = pool->next) {
            nearest_try(&near, pool_type(pool));
        }
        struct diag *d = diag_add(check->diags, DIAG_PARAMETER_TYPE, p->type.span,
                                  target ? "'%s' is no type of entity, and the first parameter is "
                                           "the target"
                                         : "'%s' is no unit; parameters after the first are "
                                           "quantities",
                                  type ? type : "");
        if (target) {
            nearest_help(d, &near, "the types are service and the last key of each pool");
        } else {
            diag_help(d, "write a unit such as replicas or seconds, or number");
        }
    }
}

static void report_parameter(struct check *check, const struct action *action,
                             const struct name *name, const char *where)
{
    struct nearest near = {.word = name->text};
    for (const struct parameter *p = action->parameters; p; p = p->next) {
        nearest_try(&near, p->name.text);
    }
    struct diag *d =
        diag_add(check->diags, DIAG_UNKNOWN_PARAMETER, name->span,
                 "%s '%s', which is no parameter of '%s'", where, name->text, action->name.text);
    const char *first = action->parameters ? action->parameters->name.text : "";
    nearest_help(d, &near, arena_printf(check->arena, "write '%s'", first));
}

static void check_carried_out(struct check *check, const struct action *action)
{
    if (!action->connector.text) {
        struct diag *d =
            diag_add(check->diags, DIAG_NO_CONNECTOR, action->name.span,
                     "action '%s' does not say what carries it out", action->name.text);
        diag_help(d, "write 'via exec' in it");
    } else if (connector_find(action->connector.text) == CONNECTOR_COUNT) {
        struct nearest near = {.word = action->connector.text};
        for (enum connector i = 0; i < CONNECTOR_COUNT; i++) {
            nearest_try(&near, connector_infos[i].text);
        }
        struct diag *d =
            diag_add(check->diags, DIAG_KIND_NOT_READY, action->connector.span,
                     "the connector '%s' is not in this version", action->connector.text);
        nearest_help(d, &near, "write 'via exec' and grant the program in heald.yaml");
    }
    if (!action->has_timeout) {
        struct diag *d = diag_add(check->diags, DIAG_NO_TIMEOUT, action->name.span,
                                  "action '%s' may run for ever", action->name.text);
        diag_help(d, "write 'timeout 60s' in it");
    } else if (!(action->timeout.value > 0)) {
        struct diag *d = diag_add(check->diags, DIAG_NO_TIMEOUT, action->timeout.span,
                                  "action '%s' is given no time at all", action->name.text);
        diag_help(d, "write 'timeout 60s'");
    }
}

static bool argument_passes(const struct argument *argument, const struct parameter *parameter)
{
    return argument && parameter && same(expr_word(argument->value), parameter->name.text);
}

/* The undo gives every parameter back as it came: it would do the same again. */
static bool undo_repeats(const struct action *action)
{
    if (action->undo->resolved != action) {
        return false;
    }
    const struct argument *a = action->undo->arguments;
    for (const struct parameter *p = action->parameters; p; p = p->next, a = a ? a->next : NULL) {
        if (a && !argument_passes(
                     a, find_parameter(action, a->name.text ? a->name.text : p->name.text))) {
            return false;
        }
    }
    return true;
}

static void check_undo(struct check *check, const struct action *action)
{
    if (!action->undo && !action->irreversible) {
        struct diag *d = diag_add(check->diags, DIAG_NO_UNDO, action->name.span,
                                  "action '%s' does not say how it is undone", action->name.text);
        diag_help(d, "write 'undo ACTION(...)', or 'irreversible' if nothing takes it back");
        return;
    }
    if (action->undo && action->irreversible) {
        struct diag *d = diag_add(check->diags, DIAG_NO_UNDO, action->undo->span,
                                  "action '%s' is irreversible and has an undo", action->name.text);
        diag_help(d, "remove one of them");
        return;
    }
    if (!action->undo || !action->undo->resolved) {
        return;
    }
    if (undo_repeats(action)) {
        struct diag *d =
            diag_add(check->diags, DIAG_UNDO_NOTHING, action->undo->span,
                     "this undo does '%s' once more and restores nothing", action->name.text);
        diag_help(d,
                  action->parameters && action->parameters->next
                      ? "write %s: before for what was there"
                      : "name the action that takes '%s' back, or write 'irreversible'",
                  action->parameters && action->parameters->next
                      ? action->parameters->next->name.text
                      : action->name.text);
    }
}

static void check_contract(struct check *check, const struct action *action)
{
    check_parameters(check, action);
    check_carried_out(check, action);
    check_undo(check, action);
    for (const struct affect *a = action->affects; a; a = a->next) {
        if (!find_parameter(action, a->subject.text)) {
            report_parameter(check, action, &a->subject, "affects names");
        }
    }
    if (action->replaces.text && !find_parameter(action, action->replaces.text)) {
        report_parameter(check, action, &action->replaces, "replaces names");
    }
}

/* ---- calls ---- */

static const char *action_signature(const struct check *check, const struct action *action)
{
    const char *text = arena_printf(check->arena, "%s(", action->name.text);
    for (const struct parameter *p = action->parameters; p; p = p->next) {
        bool target = p == action->parameters;
        text = arena_printf(check->arena, "%s%s%s%s", text, target ? "" : ", ", p->name.text,
                            target ? "" : ": ...");
    }
    return arena_printf(check->arena, "%s)", text);
}

static struct diag *report_arguments(struct check *check, const struct act_call *call,
                                     struct span span, const char *what, const char *name)
{
    struct diag *d = diag_add(check->diags, DIAG_CALL_ARGUMENTS, span, "%s '%s'", what, name);
    diag_help(d, "write %s", action_signature(check, call->resolved));
    return d;
}

/* The parameter of the argument: by name, else by place. */
static const struct parameter *parameter_of(const struct action *action,
                                            const struct act_call *call,
                                            const struct argument *argument)
{
    if (argument->name.text) {
        return find_parameter(action, argument->name.text);
    }
    const struct parameter *p = action->parameters;
    for (const struct argument *a = call->arguments; a && p && a != argument; a = a->next) {
        p = p->next;
    }
    return p;
}

static bool call_arguments(struct check *check, const struct act_call *call)
{
    const struct action *action = call->resolved;
    bool fits = true;
    for (const struct argument *a = call->arguments; a; a = a->next) {
        const struct parameter *p = parameter_of(action, call, a);
        if (!p) {
            report_arguments(check, call, a->name.text ? a->name.span : a->value->span,
                             a->name.text ? "there is no such parameter of the action"
                                          : "there is one argument too many for the action",
                             action->name.text);
            fits = false;
            continue;
        }
        for (const struct argument *b = call->arguments; b != a; b = b->next) {
            if (parameter_of(action, call, b) == p) {
                report_arguments(check, call, a->value->span, "two arguments for the parameter",
                                 p->name.text);
                fits = false;
            }
        }
    }
    for (const struct parameter *p = action->parameters; p; p = p->next) {
        bool given = false;
        for (const struct argument *a = call->arguments; a; a = a->next) {
            given = given || parameter_of(action, call, a) == p;
        }
        if (!given && fits) {
            report_arguments(check, call, call->span, "nothing is given for the parameter",
                             p->name.text);
            fits = false;
        }
    }
    return fits;
}

struct dimension parameter_dimension(const struct parameter *parameter)
{
    const char *type = parameter->type.text;
    enum unit unit = type ? unit_find(type, strlen(type)) : UNIT_NONE;
    return dimension_of_unit(same(type, "number") ? UNIT_COUNT : unit, UNIT_NONE);
}

static void quantity_argument(struct check *check, const struct parameter *p,
                              const struct expr *value)
{
    const struct type *type = &value->type;
    if (type->kind == VALUE_UNTYPED) {
        return;
    }
    if (type->role == ROLE_FORECAST) {
        struct diag *d = diag_add(check->diags, DIAG_FORECAST_TARGET, value->span,
                                  "'%s' is set from a forecast, which may be wrong by its whole "
                                  "interval",
                                  p->name.text);
        diag_help(d, "write a fixed step, such as %s: +50%%", p->name.text);
        return;
    }
    bool number = type->kind == VALUE_SCALAR || type->kind == VALUE_VECTOR;
    struct dimension want = parameter_dimension(p), have = type->dimension;
    bool share = have.known && have.ratio;
    if (number && (expr_bare(value) || (share && expr_relative(value)) ||
                   (dimension_equal(want, have) && (!share || want.ratio)))) {
        return;
    }
    char left[128], right[128];
    dimension_print(want, left, sizeof left);
    dimension_print(have, right, sizeof right);
    struct diag *d =
        diag_add(check->diags, DIAG_ARGUMENT_DIMENSION, value->span, "'%s' is in %s, this is %s",
                 p->name.text, p->type.text, number ? right : kind_text(type->kind));
    if (share) {
        diag_help(d, "write %s: +%s for a relative step", p->name.text, expr_text(check, value));
    } else {
        diag_help(d, "write a number of %s", p->type.text);
    }
}

/* The type of what a policy aims at, and NULL after a report. */
static const char *aimed_type(struct check *check, const struct policy *policy,
                              const struct expr *target)
{
    const char *word = expr_word(target);
    if (word && same(word, policy->each.text)) {
        return policy->resolved ? pool_type(policy->resolved) : NULL;
    }
    if (word && find_service(check, word)) {
        return "service";
    }
    if (word && policy->each.text && !policy->resolved) {
        return NULL;
    }
    struct nearest near = {.word = word};
    nearest_try(&near, policy->each.text);
    for (const struct service *s = check->program->services; s; s = s->next) {
        nearest_try(&near, s->name.text);
    }
    struct diag *d = diag_add(check->diags, DIAG_TARGET, target->span,
                              "'%s' is neither the entity of policy '%s' nor a service",
                              expr_text(check, target), policy->name.text);
    nearest_help(d, &near,
                 policy->each.text
                     ? arena_printf(check->arena, "aim at '%s'", policy->each.text)
                     : arena_printf(check->arena, "declare it: service %s { tier gold }",
                                    word ? word : "NAME"));
    return NULL;
}

static void check_call(struct check *check, const struct policy *policy,
                       const struct act_call *call)
{
    const struct action *action = call->resolved;
    if (!action || !action->parameters || !call_arguments(check, call)) {
        return;
    }
    for (const struct argument *a = call->arguments; a; a = a->next) {
        const struct parameter *p = parameter_of(action, call, a);
        if (p != action->parameters) {
            quantity_argument(check, p, a->value);
            continue;
        }
        const char *have = aimed_type(check, policy, a->value), *want = p->type.text;
        if (have && want && type_exists(check, want) && !same(have, want)) {
            struct diag *d = diag_add(check->diags, DIAG_TARGET, a->value->span,
                                      "'%s' acts on a %s, and '%s' is a %s", action->name.text,
                                      want, expr_word(a->value), have);
            diag_label(d, p->type.span, "declared here");
            diag_help(d, "name a %s, or an action on a %s", want, have);
        }
    }
}

/* In an undo the arguments are parameters of the action, `before`, or constants. */
static void check_undo_call(struct check *check, const struct action *action)
{
    const struct act_call *call = action->undo;
    if (!call || !call->resolved || !call->resolved->parameters || !call_arguments(check, call)) {
        return;
    }
    for (const struct argument *a = call->arguments; a; a = a->next) {
        const char *word = expr_word(a->value);
        double value;
        if (word && !same(word, "before") && !find_parameter(action, word)) {
            struct name name = {.text = word, .span = a->value->span};
            report_parameter(check, action, &name, "the undo names");
        } else if (!word && !expr_constant(a->value, &value)) {
            report_arguments(check, call, a->value->span,
                             "an undo passes parameters, 'before' or numbers to",
                             call->action.text);
        }
    }
    const char *have = action_target(action), *want = action_target(call->resolved);
    if (have && want && !same(have, want)) {
        struct diag *d = diag_add(check->diags, DIAG_TARGET, call->span,
                                  "'%s' acts on a %s, and its undo '%s' on a %s", action->name.text,
                                  have, call->resolved->name.text, want);
        diag_help(d, "name an undo that acts on a %s", have);
    }
}

void check_contracts(struct check *check)
{
    for (struct action *a = check->program->actions; a; a = a->next) {
        check_contract(check, a);
        check_undo_call(check, a);
    }
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        for (const struct heal *heal = p->heals; heal; heal = heal->next) {
            for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
                if (rung->kind == RUNG_ACT) {
                    check_call(check, p, &rung->call);
                }
            }
        }
    }
}
