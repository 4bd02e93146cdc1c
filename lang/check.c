/* Runs the checks in their order, and the small pieces that they share. */
#include <math.h>

#include "lang/check_internal.h"

bool check_program(struct program *program, struct diag_list *diags,
                   const struct check_options *options)
{
    struct check check = {
        .program = program,
        .arena = program->arena,
        .diags = diags,
        .known_metrics = options ? options->known_metrics : NULL,
    };
    size_t errors = diags->errors;
    check_names(&check);
    check_types(&check);
    check_labels(&check);
    check_contracts(&check);
    check_amounts(&check);
    check_alerts(&check);
    check_safety(&check);
    check_bounds(&check);
    check_tests(&check);
    check_set(&check);
    check_causes(&check);
    check_escalations(&check);
    check_plans(&check);
    check_later(&check);
    if (diags->errors == errors) {
        check_hash(&check);
    }
    return diags->errors == errors;
}

static bool check_alone(struct arena *arena, struct expr *expr, struct diag_list *diags,
                        bool lenient)
{
    struct program none = {.arena = arena};
    struct check check = {.program = &none, .arena = arena, .diags = diags};
    struct scope scope = {.check = &check, .lenient = lenient};
    size_t errors = diags->errors;
    names_of_expr(&scope, expr);
    type_expr(&scope, expr);
    label_expr(&scope, expr);
    return diags->errors == errors;
}

bool check_expression(struct arena *arena, struct expr *expr, struct diag_list *diags)
{
    return check_alone(arena, expr, diags, false);
}

bool check_foreign_expression(struct arena *arena, struct expr *expr, struct diag_list *diags)
{
    return check_alone(arena, expr, diags, true);
}

struct scope scope_of_policy(struct check *check, const struct policy *policy)
{
    bool acts = policy_acts(policy);
    return (struct scope){
        .check = check,
        .policy = policy,
        .acts = acts,
        .lenient = !acts && policy->on_missing.kind == MISSING_PROMETHEUS,
    };
}

struct scope scope_of_recorded(struct check *check)
{
    return (struct scope){.check = check, .lenient = true};
}

struct diag *scope_soften(const struct scope *scope, struct diag *diag, bool weak)
{
    bool outside = !scope->policy;
    if (!scope->acts && (weak || scope->lenient || outside)) {
        diag_lower(diag);
    }
    return diag;
}

static void visit_arguments(struct argument *arguments, expr_visit_f *visit, void *context)
{
    for (struct argument *a = arguments; a; a = a->next) {
        if (a->value) {
            visit(a->value, context);
        }
    }
}

static void visit_some(struct expr *expr, expr_visit_f *visit, void *context)
{
    if (expr) {
        visit(expr, context);
    }
}

void expr_children(struct expr *expr, expr_visit_f *visit, void *context)
{
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR: break;
    case EXPR_RANGE:
    case EXPR_SUBQUERY: visit_some(expr->range.inner, visit, context); break;
    case EXPR_CALL:
        if (expr->call.expansion) {
            visit(expr->call.expansion, context);
        } else {
            visit_arguments(expr->call.arguments, visit, context);
        }
        break;
    case EXPR_AGGREGATE:
        visit_some(expr->aggregate.parameter, visit, context);
        visit_some(expr->aggregate.inner, visit, context);
        break;
    case EXPR_BINARY:
        visit_some(expr->binary.left, visit, context);
        visit_some(expr->binary.right, visit, context);
        break;
    case EXPR_UNARY: visit_some(expr->unary.inner, visit, context); break;
    case EXPR_PAREN: visit_some(expr->inner, visit, context); break;
    case EXPR_PERCENT_OF: visit_some(expr->percent_of.inner, visit, context); break;
    case EXPR_REACHES:
        /* The conditions hold words of their own (chance), not metrics. */
        visit_some(expr->reaches.forecast, visit, context);
        visit_some(expr->reaches.threshold, visit, context);
        break;
    case EXPR_LIST: visit_arguments(expr->items, visit, context); break;
    }
}

void policy_exprs(const struct policy *policy, expr_visit_f *visit, void *context)
{
    for (struct signal *signal = policy->signals; signal; signal = signal->next) {
        visit_some(signal->expr, visit, context);
    }
    visit_some(policy->when.expr, visit, context);
    visit_some(policy->clear.expr, visit, context);
    visit_some(policy->resolved_when.expr, visit, context);
    visit_some(policy->abort_when.expr, visit, context);
    for (const struct cause *cause = policy->causes; cause; cause = cause->next) {
        visit_some(cause->when.expr, visit, context);
        for (const struct evidence *e = cause->evidence; e; e = e->next) {
            visit_some(e->is.expr, visit, context);
        }
    }
    for (struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (rung->kind == RUNG_ACT && rung->call.arguments) {
                visit_arguments(rung->call.arguments->next, visit, context);
            }
            visit_some(rung->verify.expr, visit, context);
        }
    }
}

void policy_conditions(const struct policy *policy, condition_visit_f *visit, void *context)
{
    visit(context, &policy->when, "when");
    visit(context, &policy->clear, "clear when");
    visit(context, &policy->resolved_when, "resolved when");
    visit(context, &policy->abort_when, "abort when");
    for (const struct cause *cause = policy->causes; cause; cause = cause->next) {
        visit(context, &cause->when, "cause");
        for (const struct evidence *e = cause->evidence; e; e = e->next) {
            visit(context, &e->is, e->against ? "against" : "evidence");
        }
    }
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            visit(context, &rung->verify, "verify");
        }
    }
}

bool expr_bare(const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_NUMBER: return expr->number.unit == UNIT_NONE && expr->number.per == UNIT_NONE;
    case EXPR_PAREN: return expr_bare(expr->inner);
    case EXPR_UNARY: return expr_bare(expr->unary.inner);
    case EXPR_BINARY:
        return operator_infos[expr->binary.op].kind == OPERATOR_ARITHMETIC &&
               expr_bare(expr->binary.left) && expr_bare(expr->binary.right);
    case EXPR_STRING:
    case EXPR_SELECTOR:
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
    case EXPR_CALL:
    case EXPR_AGGREGATE:
    case EXPR_PERCENT_OF:
    case EXPR_REACHES:
    case EXPR_LIST: return false;
    }
    return false;
}

const char *expr_word(const struct expr *expr)
{
    bool word = expr->kind == EXPR_SELECTOR && !expr->selector.braces && !expr->selector.matchers &&
                !expr->has_offset && expr->at_kind == AT_NONE;
    return word ? expr->selector.name.text : NULL;
}

const char *expr_text(const struct check *check, const struct expr *expr)
{
    if (!check->diags->sources) {
        return "it";
    }
    struct position at = sources_position(check->diags->sources, expr->span.start);
    if (!at.source || expr->span.end <= expr->span.start) {
        return "it";
    }
    enum { TEXT_MAX = 40 };
    size_t start = expr->span.start - at.source->base;
    size_t length = expr->span.end - expr->span.start;
    if (start + length > at.source->length || length > TEXT_MAX) {
        return "it";
    }
    return arena_strndup(check->arena, at.source->text + start, length);
}

bool names_have(const struct name_list *list, const char *text)
{
    for (; list; list = list->next) {
        if (same(list->name.text, text)) {
            return true;
        }
    }
    return false;
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
    if (!candidate || !nearest->word) {
        return;
    }
    unsigned distance = edit_distance(nearest->word, candidate);
    size_t length = strlen(nearest->word);
    unsigned most = length < 4 ? 1 : (unsigned)(length / 3);
    if (distance <= most && (!nearest->best || distance < nearest->distance)) {
        nearest->best = candidate;
        nearest->distance = distance;
    }
}

void nearest_help(struct diag *diag, const struct nearest *nearest, const char *otherwise)
{
    if (nearest->best) {
        diag_help(diag, "did you mean '%s'?", nearest->best);
    } else {
        diag_help(diag, "%s", otherwise);
    }
}

#define FIND(list)                                              \
    for (; name && (list) && !same((list)->name.text, name);) { \
        (list) = (list)->next;                                  \
    }                                                           \
    return name ? (list) : NULL

struct pool *find_pool(const struct check *check, const char *name)
{
    struct pool *list = check->program->pools;
    FIND(list);
}

struct channel *find_channel(const struct check *check, const char *name)
{
    struct channel *list = check->program->channels;
    FIND(list);
}

struct action *find_action(const struct check *check, const char *name)
{
    struct action *list = check->program->actions;
    FIND(list);
}

struct service *find_service(const struct check *check, const char *name)
{
    struct service *list = check->program->services;
    FIND(list);
}

const struct metric *find_metric(const struct check *check, const char *name)
{
    const struct metric *sets[] = {check->program->metrics, check->known_metrics};
    for (size_t i = 0; name && i < ARRAY_LEN(sets); i++) {
        for (const struct metric *m = sets[i]; m; m = m->next) {
            if (same(m->name.text, name)) {
                return m;
            }
        }
    }
    return NULL;
}

const char *action_target(const struct action *action)
{
    return action->parameters ? action->parameters->type.text : NULL;
}

bool type_exists(const struct check *check, const char *name)
{
    if (same(name, "service")) {
        return true;
    }
    for (const struct pool *pool = check->program->pools; pool; pool = pool->next) {
        if (same(pool_type(pool), name)) {
            return true;
        }
    }
    return false;
}

bool pool_is_acted_on(const struct check *check, const struct pool *pool)
{
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        if (policy_acts(p) && same(p->pool.text, pool->name.text)) {
            return true;
        }
    }
    return false;
}
