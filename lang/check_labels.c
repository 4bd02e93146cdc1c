/* Which labels do the series of an expression carry, can its joins match, and are they the
 * entity's?
 *
 * First form: a shape is exact (declared by the metric, or left by an aggregation) or unknown.
 * Findings stand on exact shapes only. */
#include "lang/check_internal.h"

/* ---- sets of labels ---- */

static size_t names_count(const struct name_list *list)
{
    size_t count = 0;
    for (; list; list = list->next) {
        count++;
    }
    return count;
}

static const char *names_text(const struct check *check, const struct name_list *list)
{
    const char *text = list ? list->name.text : "none";
    for (list = list ? list->next : NULL; list; list = list->next) {
        text = arena_printf(check->arena, "%s, %s", text, list->name.text);
    }
    return text;
}

bool names_equal(const struct name_list *a, const struct name_list *b)
{
    if (names_count(a) != names_count(b)) {
        return false;
    }
    for (; a; a = a->next) {
        if (!names_have(b, a->name.text)) {
            return false;
        }
    }
    return true;
}

/* The names of list that keep says: in (or not in) other. */
static struct name_list *names_filter(struct arena *arena, const struct name_list *list,
                                      const struct name_list *other, bool in)
{
    struct name_list *first = NULL, **last = &first;
    for (; list; list = list->next) {
        if (names_have(other, list->name.text) == in) {
            *last = ARENA_NEW(arena, struct name_list);
            (*last)->name = list->name;
            last = &(*last)->next;
        }
    }
    return first;
}

static struct name_list *names_union(struct arena *arena, const struct name_list *a,
                                     const struct name_list *b)
{
    struct name_list *first = names_filter(arena, a, NULL, false), **last = &first;
    while (*last) {
        last = &(*last)->next;
    }
    *last = names_filter(arena, b, a, false);
    return first;
}

static bool pinned_within(const struct expr *expr, const char *label, unsigned *budget);

/* Every recorded signal of this name gives the label one and the same value. */
static bool recorded_pins(const struct recorded *recorded, const char *label, unsigned *budget)
{
    const char *name = recorded ? recorded->name.text : NULL, *value = NULL;
    bool pins = recorded != NULL;
    for (const struct recorded *r = recorded; r && pins; r = r->next) {
        const struct pair *p = same(r->name.text, name) ? r->labels : NULL;
        while (p && !same(p->name.text, label)) {
            p = p->next;
        }
        if (p) {
            pins = !value || same(value, p->value);
            value = p->value;
        } else if (same(r->name.text, name)) {
            pins = r == recorded && pinned_within(r->expr, label, budget);
        }
    }
    return pins;
}

/* A label that an = matcher below pins to one value: it does not multiply series. */
static bool pinned_within(const struct expr *expr, const char *label, unsigned *budget)
{
    if (*budget == 0) {
        return true; /* too large to know: no finding */
    }
    (*budget)--;
    switch (expr->kind) {
    case EXPR_SELECTOR:
        if (expr->selector.signal) {
            return pinned_within(expr->selector.signal->expr, label, budget);
        }
        for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
            if (m->op == MATCH_EQ && same(m->label.text, label)) {
                return true;
            }
        }
        return recorded_pins(expr->selector.recorded, label, budget);
    case EXPR_RANGE:
    case EXPR_SUBQUERY: return pinned_within(expr->range.inner, label, budget);
    case EXPR_PAREN: return pinned_within(expr->inner, label, budget);
    case EXPR_UNARY: return pinned_within(expr->unary.inner, label, budget);
    case EXPR_PERCENT_OF: return pinned_within(expr->percent_of.inner, label, budget);
    case EXPR_AGGREGATE: return pinned_within(expr->aggregate.inner, label, budget);
    case EXPR_REACHES: return pinned_within(expr->reaches.forecast, label, budget);
    case EXPR_BINARY:
        return pinned_within(expr->binary.left, label, budget) ||
               pinned_within(expr->binary.right, label, budget);
    case EXPR_CALL:
        if (expr->call.expansion) {
            return false; /* a number of events has no labels */
        }
        for (const struct argument *a = expr->call.arguments; a; a = a->next) {
            if (pinned_within(a->value, label, budget)) {
                return true;
            }
        }
        return false;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_LIST: return false;
    }
    return false;
}

static bool label_pinned(const struct expr *expr, const char *label)
{
    unsigned budget = CHECK_WALK_MAX;
    return pinned_within(expr, label, &budget);
}

/* ---- leaves, calls, aggregations ---- */

static void shape_of(struct expr *expr, bool exact, struct name_list *labels)
{
    expr->type.labels_exact = exact;
    expr->type.labels = exact ? labels : NULL;
}

static void label_selector(const struct scope *scope, struct expr *expr)
{
    const struct signal *signal = expr->selector.signal;
    const struct metric *metric = expr->selector.metric;
    if (signal) {
        shape_of(expr, signal->expr->type.labels_exact, signal->expr->type.labels);
        return;
    }
    if (expr->selector.recorded) {
        struct name_list *labels;
        bool exact = shape_of_recorded(scope->check->arena, expr->selector.recorded, &labels);
        shape_of(expr, exact, labels);
        return;
    }
    if (!metric || !metric->has_labels) {
        return;
    }
    shape_of(expr, true, metric->labels);
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        bool asks = (m->op == MATCH_EQ || m->op == MATCH_RE) && m->value && m->value[0];
        if (!asks || names_have(metric->labels, m->label.text) || same(m->label.text, "__name__")) {
            continue;
        }
        struct nearest near = {.word = m->label.text};
        for (const struct name_list *l = metric->labels; l; l = l->next) {
            nearest_try(&near, l->name.text);
        }
        struct diag *d = diag_add(scope->check->diags, DIAG_SELECTOR_LABEL, m->span,
                                  "'%s' has no label '%s', so this selects nothing",
                                  metric->name.text, m->label.text);
        nearest_help(d, &near,
                     arena_printf(scope->check->arena, "its labels are %s",
                                  names_text(scope->check, metric->labels)));
        scope_soften(scope, d, false);
    }
}

/* absent(m{a="x"}) carries the labels that its selector pins. */
static struct name_list *pinned_labels(struct arena *arena, const struct expr *expr)
{
    struct name_list *first = NULL, **last = &first;
    expr = expr_strip(expr);
    if (expr->kind != EXPR_SELECTOR) {
        return NULL;
    }
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        if (m->op == MATCH_EQ && !same(m->label.text, "__name__") &&
            !names_have(first, m->label.text)) {
            *last = ARENA_NEW(arena, struct name_list);
            (*last)->name = m->label;
            last = &(*last)->next;
        }
    }
    return first;
}

static void label_call(const struct scope *scope, struct expr *expr)
{
    if (expr->type.kind == VALUE_SCALAR) {
        shape_of(expr, true, NULL);
        return;
    }
    const enum builtin builtin = expr->call.builtin;
    const struct argument *a = expr->call.arguments;
    while (a && (a->name.text ||
                 (a->value->type.kind != VALUE_VECTOR && a->value->type.kind != VALUE_RANGE))) {
        a = a->next;
    }
    if (builtin == BUILTIN_ABSENT || builtin == BUILTIN_ABSENT_OVER_TIME) {
        shape_of(expr, true, a ? pinned_labels(scope->check->arena, a->value) : NULL);
    } else if (!a) {
        shape_of(expr, true, NULL); /* vector(1), hour() */
    } else if (builtin == BUILTIN_HISTOGRAM_QUANTILE || builtin == BUILTIN_HISTOGRAM_FRACTION) {
        static struct name_list bucket = {.name.text = "le"};
        shape_of(expr, a->value->type.labels_exact,
                 names_filter(scope->check->arena, a->value->type.labels, &bucket, false));
    } else if (builtin != BUILTIN_LABEL_REPLACE && builtin != BUILTIN_LABEL_JOIN) {
        shape_of(expr, a->value->type.labels_exact, a->value->type.labels);
    }
}

static void label_aggregate(const struct scope *scope, struct expr *expr)
{
    const struct type *inner = &expr->aggregate.inner->type;
    struct name_list *labels = expr->aggregate.labels;
    const enum aggregate op = expr->aggregate.op;
    const bool picks = op == AGGREGATE_TOPK || op == AGGREGATE_BOTTOMK;
    if (picks || op == AGGREGATE_COUNT_VALUES) { /* which label that adds is a string's matter */
        shape_of(expr, picks && inner->labels_exact, inner->labels);
        return;
    }
    if (!expr->aggregate.grouped) {
        shape_of(expr, true, NULL);
        return;
    }
    bool by = inner->labels_exact && !expr->aggregate.without;
    for (const struct name_list *l = by ? labels : NULL; l; l = l->next) {
        if (names_have(inner->labels, l->name.text)) {
            continue;
        }
        struct nearest near = {.word = l->name.text};
        for (const struct name_list *has = inner->labels; has; has = has->next) {
            nearest_try(&near, has->name.text);
        }
        struct diag *d = diag_add(scope->check->diags, DIAG_GROUP_LABEL, l->name.span,
                                  "the series have no label '%s'", l->name.text);
        diag_label(d, expr->aggregate.inner->span, "labels: %s",
                   names_text(scope->check, inner->labels));
        nearest_help(d, &near, arena_printf(scope->check->arena, "remove '%s'", l->name.text));
        scope_soften(scope, d, false);
    }
    if (!expr->aggregate.without) {
        shape_of(expr, true, labels);
    } else if (inner->labels_exact) {
        shape_of(expr, true, names_filter(scope->check->arena, inner->labels, labels, false));
    }
}

/* ---- joins ---- */

struct join {
    const struct expr *expr;
    const struct type *left, *right;
    struct name_list *left_key, *right_key; /* labels that are matched on, of exact sides */
};

static struct name_list *join_key(struct arena *arena, const struct matching *m,
                                  const struct type *side)
{
    if (!m->present) {
        return side->labels;
    }
    return names_filter(arena, side->labels, m->labels, m->on);
}

static bool join_never(const struct scope *scope, const struct join *join)
{
    if (!join->left->labels_exact || !join->right->labels_exact ||
        names_equal(join->left_key, join->right_key)) {
        return false;
    }
    const struct check *check = scope->check;
    enum operator op = join->expr->binary.op;
    if (op == OPERATOR_OR) {
        return false;
    }
    struct diag *d = diag_add(check->diags, DIAG_JOIN_NEVER, join->expr->span,
                              "'%s' matches series with equal labels, and these never have them",
                              operator_infos[op].text);
    diag_label(d, join->expr->binary.left->span, "labels: %s", names_text(check, join->left_key));
    diag_label(d, join->expr->binary.right->span, "labels: %s", names_text(check, join->right_key));
    struct name_list *common =
        names_filter(check->arena, join->left->labels, join->right->labels, true);
    if (!join->expr->binary.matching.present) {
        bool group = operator_infos[op].kind != OPERATOR_SET &&
                     names_count(join->left->labels) > names_count(common);
        diag_help(d, "write %s on (%s)%s", operator_infos[op].text,
                  common ? names_text(check, common) : "", group ? " group_left" : "");
    } else {
        diag_help(d, "match on labels that both sides have: %s", names_text(check, common));
    }
    scope_soften(scope, d, false);
    return true;
}

/* Several series of this side can have one key. */
static bool side_is_many(const struct type *side, const struct expr *expr,
                         const struct name_list *key)
{
    if (!side->labels_exact) {
        return false;
    }
    for (const struct name_list *l = side->labels; l; l = l->next) {
        if (!names_have(key, l->name.text) && !label_pinned(expr, l->name.text)) {
            return true;
        }
    }
    return false;
}

static void join_many(const struct scope *scope, const struct join *join)
{
    const struct matching *m = &join->expr->binary.matching;
    if (operator_infos[join->expr->binary.op].kind == OPERATOR_SET) {
        return;
    }
    bool left =
        side_is_many(join->left, join->expr->binary.left, join->left_key) && m->group != GROUP_LEFT;
    bool right = side_is_many(join->right, join->expr->binary.right, join->right_key) &&
                 m->group != GROUP_RIGHT;
    if (!left && !right) {
        return;
    }
    const struct expr *side = left ? join->expr->binary.left : join->expr->binary.right;
    const struct type *type = left ? join->left : join->right;
    const char *key = names_text(scope->check, left ? join->left_key : join->right_key);
    const char *who = left && right ? "both sides" : left ? "the left side" : "the right side";
    bool none = !(left ? join->left_key : join->right_key);
    struct diag *d = diag_add(scope->check->diags, DIAG_JOIN_MANY, join->expr->span,
                              none ? "several series of %s meet one series: no label is matched%s"
                                   : "several series of %s can have the same (%s)",
                              who, none ? "" : key);
    diag_label(d, side->span, "labels: %s", names_text(scope->check, type->labels));
    if (m->group == GROUP_NONE && left != right) {
        diag_help(d, "write %s behind the matching", left ? "group_left" : "group_right");
    } else if (left && right) {
        struct name_list *shared =
            names_filter(scope->check->arena, join->left->labels, join->right->labels, true);
        diag_help(d, "match on all labels that both sides share: (%s)",
                  names_text(scope->check, shared));
    } else if (none) {
        diag_help(d, "aggregate that side to one series, such as sum(...)");
    } else {
        diag_help(d, "aggregate that side by (%s)", key);
    }
    scope_soften(scope, d, false);
}

static void join_shape(const struct scope *scope, struct expr *expr, const struct join *join)
{
    const struct matching *m = &expr->binary.matching;
    struct arena *arena = scope->check->arena;
    enum operator op = expr->binary.op;
    if (operator_infos[op].kind == OPERATOR_SET) {
        bool both = join->left->labels_exact && join->right->labels_exact &&
                    names_equal(join->left->labels, join->right->labels);
        shape_of(expr, op == OPERATOR_OR ? both : join->left->labels_exact, join->left->labels);
    } else if (m->group == GROUP_LEFT) {
        shape_of(expr, join->left->labels_exact,
                 names_union(arena, join->left->labels, m->include));
    } else if (m->group == GROUP_RIGHT) {
        shape_of(expr, join->right->labels_exact,
                 names_union(arena, join->right->labels, m->include));
    } else if (m->present && m->on && !join->left->labels_exact) {
        shape_of(expr, join->right->labels_exact, join->right_key);
    } else {
        shape_of(expr, join->left->labels_exact, join->left_key);
    }
}

static void label_binary(const struct scope *scope, struct expr *expr)
{
    struct expr *left = expr->binary.left, *right = expr->binary.right;
    bool scalar_left = left->type.kind == VALUE_SCALAR,
         scalar_right = right->type.kind == VALUE_SCALAR;
    if (scalar_left || scalar_right) {
        const struct type *side = scalar_left ? &right->type : &left->type;
        bool both = scalar_left && scalar_right;
        shape_of(expr, both || side->labels_exact, both ? NULL : side->labels);
        return;
    }
    struct join join = {
        .expr = expr,
        .left = &left->type,
        .right = &right->type,
        .left_key = join_key(scope->check->arena, &expr->binary.matching, &left->type),
        .right_key = join_key(scope->check->arena, &expr->binary.matching, &right->type),
    };
    if (!join_never(scope, &join)) {
        join_many(scope, &join);
    }
    join_shape(scope, expr, &join);
}

/* A limit without labels holds for every series of the forecast; one with labels is joined. */
static void label_reaches(const struct scope *scope, struct expr *expr)
{
    struct type *left = &expr->reaches.forecast->type, *right = &expr->reaches.threshold->type;
    shape_of(expr, left->labels_exact, left->labels);
    if (right->kind != VALUE_VECTOR || !left->labels_exact || !right->labels_exact ||
        names_equal(left->labels, right->labels)) {
        return;
    }
    struct diag *d = diag_add(scope->check->diags, DIAG_JOIN_NEVER, expr->span,
                              "the forecast and its limit never have equal labels");
    diag_label(d, expr->reaches.forecast->span, "labels: %s",
               names_text(scope->check, left->labels));
    diag_label(d, expr->reaches.threshold->span, "labels: %s",
               names_text(scope->check, right->labels));
    diag_help(d, "aggregate both by (%s)",
              names_text(scope->check,
                         names_filter(scope->check->arena, left->labels, right->labels, true)));
    scope_soften(scope, d, false);
}

static void visit_labels(struct expr *child, void *context)
{
    label_expr(context, child);
}

void label_expr(const struct scope *scope, struct expr *expr)
{
    struct scope inner = *scope;
    expr_children(expr, visit_labels, &inner);
    if (expr->type.kind == VALUE_UNTYPED) {
        return;
    }
    shape_of(expr, false, NULL);
    switch (expr->kind) {
    case EXPR_NUMBER:
    case EXPR_STRING: shape_of(expr, true, NULL); break;
    case EXPR_SELECTOR: label_selector(scope, expr); break;
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
        shape_of(expr, expr->range.inner->type.labels_exact, expr->range.inner->type.labels);
        break;
    case EXPR_CALL: label_call(scope, expr); break;
    case EXPR_AGGREGATE: label_aggregate(scope, expr); break;
    case EXPR_BINARY: label_binary(scope, expr); break;
    case EXPR_UNARY:
        shape_of(expr, expr->unary.inner->type.labels_exact, expr->unary.inner->type.labels);
        break;
    case EXPR_PAREN:
        shape_of(expr, expr->inner->type.labels_exact, expr->inner->type.labels);
        break;
    case EXPR_PERCENT_OF:
        shape_of(expr, expr->percent_of.inner->type.labels_exact,
                 expr->percent_of.inner->type.labels);
        break;
    case EXPR_REACHES: label_reaches(scope, expr); break;
    case EXPR_LIST: break;
    }
}

/* ---- conditions and pools ---- */

static void condition_labels(void *context, const struct condition *condition, const char *what)
{
    const struct scope *scope = context;
    const struct policy *policy = scope->policy;
    const struct expr *expr = condition->expr;
    if (!scope->acts || !expr || expr->type.kind != VALUE_VECTOR || !expr->type.labels_exact ||
        !expr->type.labels || (policy->each.text && !policy->resolved)) {
        return;
    }
    const struct name_list *keys = policy->resolved ? policy->resolved->keys : NULL;
    if (names_equal(expr->type.labels, keys)) {
        return;
    }
    const struct check *check = scope->check;
    const char *have = names_text(check, expr->type.labels);
    struct diag *d =
        diag_add(check->diags, DIAG_CONDITION_LABELS, expr->span,
                 keys ? "%s has the labels (%s), the entities have (%s)"
                      : "%s has the labels (%s), and a policy without 'for each' has none%s",
                 what, have, keys ? names_text(check, keys) : "");
    if (policy->resolved) {
        diag_label(d, policy->resolved->name.span, "keys: %s", names_text(check, keys));
        diag_help(d, "aggregate its signals, such as max by (%s) (...)", names_text(check, keys));
    } else {
        diag_help(d, "aggregate its signals, such as max(...)");
    }
}

static void label_policy(struct check *check, struct policy *policy)
{
    struct scope scope = scope_of_policy(check, policy);
    policy_exprs(policy, visit_labels, &scope);
    policy_conditions(policy, condition_labels, &scope);
}

static void label_pool(struct check *check, struct pool *pool)
{
    struct scope scope = {.check = check, .acts = true};
    struct expr *exprs[] = {pool->expr, pool->ready};
    for (size_t i = 0; i < ARRAY_LEN(exprs); i++) {
        if (!exprs[i]) {
            continue;
        }
        label_expr(&scope, exprs[i]);
        const struct type *type = &exprs[i]->type;
        for (const struct name_list *key = type->labels_exact ? pool->keys : NULL; key;
             key = key->next) {
            if (!names_have(type->labels, key->name.text)) {
                struct diag *d = diag_add(check->diags, DIAG_GROUP_LABEL, key->name.span,
                                          "the series of pool '%s' have no label '%s'",
                                          pool->name.text, key->name.text);
                diag_label(d, exprs[i]->span, "labels: %s", names_text(check, type->labels));
                diag_help(d, "name a label that they have");
            }
        }
    }
    const struct type *type = &pool->expr->type;
    if (pool->domain.text && type->labels_exact && !names_have(type->labels, pool->domain.text)) {
        struct diag *d = diag_add(check->diags, DIAG_GROUP_LABEL, pool->domain.span,
                                  "the series of pool '%s' have no label '%s'", pool->name.text,
                                  pool->domain.text);
        diag_label(d, pool->expr->span, "labels: %s", names_text(check, type->labels));
        diag_help(d, "name a label that says what fails together");
    }
}

static void label_recorded(struct check *check)
{
    struct scope scope = scope_of_recorded(check);
    for (struct recorded *r = check->program->recorded; r; r = r->next) {
        label_expr(&scope, r->expr);
        r->shaped = true;
    }
}

void check_labels(struct check *check)
{
    label_recorded(check);
    for (struct pool *pool = check->program->pools; pool; pool = pool->next) {
        label_pool(check, pool);
    }
    struct scope scope = {.check = check, .acts = true};
    for (struct action *action = check->program->actions; action; action = action->next) {
        if (action->reads) {
            label_expr(&scope, action->reads);
        }
    }
    for (struct guard *guard = check->program->guards; guard; guard = guard->next) {
        for (struct limit *limit = guard->limits; limit; limit = limit->next) {
            if (limit->only) {
                label_expr(&scope, limit->only);
            }
        }
    }
    for (struct policy *policy = check->program->policies; policy; policy = policy->next) {
        label_policy(check, policy);
    }
}
