/* What is each expression: its kind as in PromQL, its dimension and its role (law 3)? */
#include <math.h>
#include <stdio.h>

#include "lang/check_internal.h"

enum { DIMENSION_TEXT_MAX = 128 };

const char *kind_text(enum value_kind kind)
{
    switch (kind) {
    case VALUE_UNTYPED: return "nothing";
    case VALUE_SCALAR: return "a number";
    case VALUE_VECTOR: return "an instant vector";
    case VALUE_RANGE: return "a range vector";
    case VALUE_STRING: return "a string";
    }
    return "nothing";
}

/* ---- names of metrics ---- */

static bool strip_suffix(const char *name, size_t *length, const char *suffix)
{
    size_t n = strlen(suffix);
    if (*length <= n || memcmp(name + *length - n, suffix, n) != 0) {
        return false;
    }
    *length -= n;
    return true;
}

struct type type_of_metric_name(const char *name)
{
    struct type type = {.kind = VALUE_VECTOR};
    size_t length = name ? strlen(name) : 0;
    if (length == 0) {
        return type;
    }
    if (strip_suffix(name, &length, "_bucket") || strip_suffix(name, &length, "_count")) {
        return type;
    }
    size_t sum = length; /* the _sum of a histogram stands behind its unit */
    if (strip_suffix(name, &sum, "_sum") && (strip_suffix(name, &(size_t){sum}, "_seconds") ||
                                             strip_suffix(name, &(size_t){sum}, "_bytes"))) {
        length = sum;
        type.counter = true;
    } else {
        type.counter = strip_suffix(name, &length, "_total");
    }
    if (strip_suffix(name, &length, "_bytes")) {
        type.dimension = dimension_of_unit(UNIT_BYTES, UNIT_NONE);
    } else if (strip_suffix(name, &length, "_seconds")) {
        type.dimension = dimension_of_unit(UNIT_SECONDS, UNIT_NONE);
    } else if (strip_suffix(name, &length, "_ratio")) {
        type.dimension = dimension_of_unit(UNIT_RATIO, UNIT_NONE);
    }
    type.weak = type.counter || type.dimension.known;
    return type;
}

/* ---- leaves ---- */

static struct type type_of_selector(const struct expr *expr)
{
    if (expr->selector.signal && !expr->selector.signal->expr) {
        return (struct type){0};
    }
    if (expr->selector.signal) {
        struct type type = expr->selector.signal->expr->type;
        if (type.kind == VALUE_SCALAR) {
            type.kind = VALUE_VECTOR; /* a signal is sampled: one series without labels */
        }
        return type;
    }
    const struct metric *metric = expr->selector.metric;
    if (expr->selector.recorded) {
        return type_of_recorded(expr->selector.recorded);
    }
    if (!metric) {
        return type_of_metric_name(expr->selector.name.text);
    }
    return (struct type){
        .kind = VALUE_VECTOR,
        .counter = metric->counter,
        .dimension = dimension_of_unit(metric->unit.unit, metric->unit.per),
    };
}

static void type_range(const struct scope *scope, struct expr *expr)
{
    struct expr *inner = expr->range.inner;
    if (inner->type.kind == VALUE_UNTYPED) {
        return;
    }
    bool plain = expr->kind == EXPR_SUBQUERY || expr_strip(inner)->kind == EXPR_SELECTOR;
    if (inner->type.kind != VALUE_VECTOR || !plain) {
        struct diag *d = diag_add(scope->check->diags, DIAG_VALUE_KIND, expr->span,
                                  plain ? "a range is taken of %s, not of an instant vector"
                                        : "a range is taken of a signal or metric, this is %s",
                                  plain ? kind_text(inner->type.kind) : "an expression");
        diag_help(d, "give the expression a name with signal, then write NAME[%s]",
                  expr->range.range_text ? expr->range.range_text : "5m");
        return;
    }
    expr->type = inner->type;
    expr->type.kind = VALUE_RANGE;
}

/* ---- aggregations ---- */

static bool parameter_kind(const struct scope *scope, const struct aggregate_info *info,
                           enum aggregate op, const struct expr *parameter)
{
    const enum value_kind want = op == AGGREGATE_COUNT_VALUES ? VALUE_STRING : VALUE_SCALAR;
    if (parameter->type.kind == want) {
        return true;
    }
    struct diag *d = diag_add(scope->check->diags, DIAG_VALUE_KIND, parameter->span,
                              "%s takes %s before its vector, this is %s", info->text,
                              kind_text(want), kind_text(parameter->type.kind));
    diag_help(d, want == VALUE_STRING ? "write the name of the new label, as count_values(\"v\", x)"
                                      : "write a number here");
    return false;
}

static void type_aggregate(const struct scope *scope, struct expr *expr)
{
    struct expr *inner = expr->aggregate.inner, *parameter = expr->aggregate.parameter;
    enum aggregate op = expr->aggregate.op;
    CHECK(op < AGGREGATE_COUNT_);
    const struct aggregate_info *info = &aggregate_infos[op];
    if (info->parameter != (parameter != NULL)) {
        struct diag *d = diag_add(scope->check->diags, DIAG_ARGUMENT_COUNT, expr->span,
                                  info->parameter ? "%s needs a parameter before its vector"
                                                  : "%s takes one vector and no parameter",
                                  info->text);
        diag_help(d, info->parameter ? "write %s(5, ...)" : "write %s(...) of one vector",
                  info->text);
        return;
    }
    if (!inner || inner->type.kind == VALUE_UNTYPED ||
        (parameter && parameter->type.kind == VALUE_UNTYPED)) {
        return;
    }
    if (inner->type.kind != VALUE_VECTOR) {
        struct diag *d = diag_add(scope->check->diags, DIAG_VALUE_KIND, inner->span,
                                  "%s takes an instant vector, this is %s", info->text,
                                  kind_text(inner->type.kind));
        diag_help(d, inner->type.kind == VALUE_RANGE
                         ? "take avg_over_time(...) or rate(...) of it first"
                         : "aggregate a signal or a metric");
        return;
    }
    if (parameter && !parameter_kind(scope, info, op, parameter)) {
        return;
    }
    expr->type = inner->type;
    expr->type.labels = NULL;
    expr->type.labels_exact = false;
    if (op == AGGREGATE_COUNT || op == AGGREGATE_COUNT_VALUES || op == AGGREGATE_GROUP) {
        expr->type = (struct type){.kind = VALUE_VECTOR,
                                   .role = ROLE_COUNT,
                                   .dimension = dimension_of_unit(UNIT_COUNT, UNIT_NONE)};
    } else if (op == AGGREGATE_SUM) {
        expr->type.dimension.ratio = false; /* shares of different wholes do not add up to one */
    } else if (op == AGGREGATE_STDVAR) {
        expr->type.dimension = (struct dimension){0}; /* of the square */
    }
}

/* ---- binary operators ---- */

static const char *verb_of(enum operator op)
{
    switch (operator_infos[op].kind) {
    case OPERATOR_SET: return "join";
    case OPERATOR_COMPARE: return "compare";
    case OPERATOR_ARITHMETIC: return op == OPERATOR_SUB ? "subtract" : "add";
    }
    return "join";
}

static bool operand_kinds(const struct scope *scope, const struct expr *expr)
{
    const struct expr *sides[] = {expr->binary.left, expr->binary.right};
    const struct operator_info *info = &operator_infos[expr->binary.op];
    for (size_t i = 0; i < 2; i++) {
        enum value_kind kind = sides[i]->type.kind;
        bool fits = kind == VALUE_VECTOR || (kind == VALUE_SCALAR && info->kind != OPERATOR_SET);
        if (!fits) {
            struct diag *d =
                diag_add(scope->check->diags, DIAG_OPERAND_KIND, sides[i]->span,
                         "'%s' cannot stand between %s and %s", info->text,
                         kind_text(sides[0]->type.kind), kind_text(sides[1]->type.kind));
            diag_here(d, "%s", kind_text(kind));
            diag_help(d, kind == VALUE_RANGE    ? "take rate(...) or avg_over_time(...) of it"
                         : kind == VALUE_SCALAR ? "compare a signal with it first, such as used > 5"
                                                : "write a number or a signal here");
            return false;
        }
    }
    return true;
}

static bool bool_modifier(const struct scope *scope, const struct expr *expr)
{
    const struct operator_info *info = &operator_infos[expr->binary.op];
    bool compare = info->kind == OPERATOR_COMPARE;
    bool scalars = expr->binary.left->type.kind == VALUE_SCALAR &&
                   expr->binary.right->type.kind == VALUE_SCALAR;
    bool written = expr->binary.matching.return_bool;
    if (written && !compare) {
        struct diag *d =
            diag_add(scope->check->diags, DIAG_BOOL_MODIFIER, expr->span,
                     "bool stands behind comparisons only, not behind '%s'", info->text);
        diag_help(d, "remove bool");
        return false;
    }
    if (compare && scalars && !written) {
        struct diag *d = diag_add(scope->check->diags, DIAG_BOOL_MODIFIER, expr->span,
                                  "two numbers are compared: there is no series to keep or drop");
        diag_help(d, "write '%s bool', or compare a signal", info->text);
        return false;
    }
    return true;
}

static bool matching_fits(const struct scope *scope, const struct expr *expr)
{
    const struct matching *m = &expr->binary.matching;
    bool vectors = expr->binary.left->type.kind == VALUE_VECTOR &&
                   expr->binary.right->type.kind == VALUE_VECTOR;
    const char *why = NULL, *help = NULL;
    if ((m->present || m->group != GROUP_NONE) && !vectors) {
        why = "on, ignoring and group join two vectors, and one side here is a number";
        help = "remove them";
    } else if (m->group != GROUP_NONE && operator_infos[expr->binary.op].kind == OPERATOR_SET) {
        why = "and, or and unless match many to many: group_left and group_right cannot stand here";
        help = "remove the group";
    } else if (m->group != GROUP_NONE && m->present && m->on) {
        for (const struct name_list *l = m->include; l; l = l->next) {
            if (names_have(m->labels, l->name.text)) {
                why = "a label stands in both on(...) and the group";
                help = "remove it from the group: a label that is matched on is the same on both "
                       "sides";
            }
        }
    }
    if (why) {
        struct diag *d = diag_add(scope->check->diags, DIAG_MATCHING, expr->span, "%s", why);
        diag_help(d, "%s", help);
    }
    return !why;
}

static bool dimensions_fit(const struct scope *scope, const struct expr *expr)
{
    const struct expr *a = expr->binary.left, *b = expr->binary.right;
    if (expr_bare(a) || expr_bare(b) || dimension_equal(a->type.dimension, b->type.dimension)) {
        return true;
    }
    char left[DIMENSION_TEXT_MAX], right[DIMENSION_TEXT_MAX];
    dimension_print(a->type.dimension, left, sizeof left);
    dimension_print(b->type.dimension, right, sizeof right);
    bool weak = a->type.weak || b->type.weak;
    struct diag *d = diag_add(scope->check->diags, DIAG_DIMENSION, expr->span,
                              "cannot %s %s and %s", verb_of(expr->binary.op), left, right);
    diag_label(d, a->span, "%s%s", left, a->type.weak ? " (by its name)" : "");
    diag_label(d, b->span, "%s%s", right, b->type.weak ? " (by its name)" : "");
    double value;
    if (expr_constant(b, &value)) {
        diag_help(d, "write the limit in %s", left);
    } else if (a->type.weak != b->type.weak) {
        const struct expr *by_name = a->type.weak ? a : b;
        diag_help(d, "bring both to one unit, or declare what %s is with metric",
                  expr_text(scope->check, by_name));
    } else {
        diag_help(d, "bring both sides to one unit");
    }
    scope_soften(scope, d, weak);
    return !scope->acts && (weak || scope->lenient);
}

static void ratio_number(const struct scope *scope, const struct expr *ratio,
                         const struct expr *number)
{
    double value;
    bool share = ratio->type.dimension.known && ratio->type.dimension.ratio;
    if (!share || !expr_bare(number) || !expr_constant(number, &value) || value <= 1) {
        return;
    }
    struct diag *d = diag_add(scope->check->diags, DIAG_RATIO_NUMBER, number->span,
                              "%s is a ratio, where 1 is all of it; %g is %g%%",
                              expr_text(scope->check, ratio), value, value * 100);
    diag_here(d, "%g times the whole", value);
    diag_help(d, "write %g%%", value);
    scope_soften(scope, d, ratio->type.weak);
}

static void raw_counter(const struct scope *scope, const struct expr *side)
{
    if (!side->type.counter) {
        return;
    }
    const char *text = expr_text(scope->check, side);
    struct diag *d =
        diag_add(scope->check->diags, DIAG_RAW_COUNTER, side->span,
                 "%s is a counter%s: its value only says how long it has been counting", text,
                 side->type.weak ? " by its name" : "");
    diag_help(d, "write rate(%s[5m])", same(text, "it") ? "..." : text);
    scope_soften(scope, d, side->type.weak);
}

static struct dimension number_dimension(const struct expr *expr)
{
    return expr_bare(expr) ? dimension_of_unit(UNIT_COUNT, UNIT_NONE) : expr->type.dimension;
}

static bool scaled_within(const struct expr *expr, unsigned *budget);

static bool any_argument_scaled(const struct expr *call, unsigned *budget)
{
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        if (scaled_within(a->value, budget)) {
            return true;
        }
    }
    return false;
}

/* Multiplied or divided by a plain number somewhere, as in 100 * used / size: then the quotient is
 * a percentage as often as a share, and its dimension cannot tell. */
static bool scaled_within(const struct expr *expr, unsigned *budget)
{
    if (*budget == 0) {
        return true; /* too large to know: no finding */
    }
    (*budget)--;
    switch (expr->kind) {
    case EXPR_PAREN: return scaled_within(expr->inner, budget);
    case EXPR_UNARY: return scaled_within(expr->unary.inner, budget);
    case EXPR_AGGREGATE: return scaled_within(expr->aggregate.inner, budget);
    case EXPR_PERCENT_OF: return scaled_within(expr->percent_of.inner, budget);
    case EXPR_SELECTOR:
        return expr->selector.signal && scaled_within(expr->selector.signal->expr, budget);
    case EXPR_RANGE:
    case EXPR_SUBQUERY: return scaled_within(expr->range.inner, budget);
    case EXPR_CALL: return any_argument_scaled(expr, budget);
    case EXPR_BINARY: {
        enum operator op = expr->binary.op;
        bool factor = (op == OPERATOR_MUL || op == OPERATOR_DIV) &&
                      (expr_bare(expr->binary.left) || expr_bare(expr->binary.right));
        return factor || scaled_within(expr->binary.left, budget) ||
               scaled_within(expr->binary.right, budget);
    }
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_REACHES:
    case EXPR_LIST: return false;
    }
    return false;
}

static bool is_scaled(const struct expr *expr)
{
    unsigned budget = CHECK_WALK_MAX;
    return scaled_within(expr, &budget);
}

static struct dimension arithmetic_dimension(const struct expr *expr)
{
    const struct expr *a = expr->binary.left, *b = expr->binary.right;
    bool both_bare = expr_bare(a) && expr_bare(b);
    struct dimension none = {0};
    switch (expr->binary.op) {
    case OPERATOR_ADD:
    case OPERATOR_SUB:
    case OPERATOR_MOD: {
        struct dimension d = a->type.dimension.known ? a->type.dimension : b->type.dimension;
        const struct dimension *other = &b->type.dimension;
        d.ratio = d.ratio && (!other->known || other->ratio || expr_bare(b));
        return d;
    }
    case OPERATOR_MUL:
        return both_bare ? none : dimension_multiply(number_dimension(a), number_dimension(b));
    case OPERATOR_DIV:
        return both_bare ? none : dimension_divide(number_dimension(a), number_dimension(b));
    case OPERATOR_ATAN2: return dimension_of_unit(UNIT_COUNT, UNIT_NONE);
    case OPERATOR_POW:
    case OPERATOR_OR:
    case OPERATOR_AND:
    case OPERATOR_UNLESS:
    case OPERATOR_EQ:
    case OPERATOR_NE:
    case OPERATOR_LE:
    case OPERATOR_LT:
    case OPERATOR_GE:
    case OPERATOR_GT:
    case OPERATOR_COUNT: return none;
    }
    return none;
}

static enum role joined_role(enum role a, enum role b)
{
    return a == ROLE_FORECAST || b == ROLE_FORECAST ? ROLE_FORECAST : a == b ? a : ROLE_MEASUREMENT;
}

static void type_arithmetic(const struct scope *scope, struct expr *expr)
{
    const struct type *a = &expr->binary.left->type, *b = &expr->binary.right->type;
    enum operator op = expr->binary.op;
    bool adds = op == OPERATOR_ADD || op == OPERATOR_SUB || op == OPERATOR_MOD;
    if (adds && !dimensions_fit(scope, expr)) {
        return;
    }
    bool difference = op == OPERATOR_SUB && a->counter && b->counter;
    expr->type.kind =
        a->kind == VALUE_SCALAR && b->kind == VALUE_SCALAR ? VALUE_SCALAR : VALUE_VECTOR;
    expr->type.role = joined_role(a->role, b->role);
    expr->type.counter = (a->counter || b->counter) && !difference;
    expr->type.weak = a->weak || b->weak;
    expr->type.dimension = arithmetic_dimension(expr);
    if (op == OPERATOR_DIV && (is_scaled(expr->binary.left) || is_scaled(expr->binary.right))) {
        expr->type.dimension.ratio = false;
    }
}

static void type_comparison(const struct scope *scope, struct expr *expr)
{
    struct expr *a = expr->binary.left, *b = expr->binary.right;
    raw_counter(scope, a);
    raw_counter(scope, b);
    if (!dimensions_fit(scope, expr)) {
        return;
    }
    ratio_number(scope, a, b);
    ratio_number(scope, b, a);
    bool scalars = a->type.kind == VALUE_SCALAR && b->type.kind == VALUE_SCALAR;
    expr->type = a->type.kind == VALUE_VECTOR ? a->type : b->type;
    expr->type.kind = scalars ? VALUE_SCALAR : VALUE_VECTOR;
    expr->type.counter = false; /* said once */
    if (expr->binary.matching.return_bool) {
        expr->type.dimension = dimension_of_unit(UNIT_COUNT, UNIT_NONE);
        expr->type.role = ROLE_MEASUREMENT;
    }
}

static void type_binary(const struct scope *scope, struct expr *expr)
{
    const struct expr *a = expr->binary.left, *b = expr->binary.right;
    if (a->type.kind == VALUE_UNTYPED || b->type.kind == VALUE_UNTYPED) {
        return;
    }
    if (!operand_kinds(scope, expr) || !bool_modifier(scope, expr) || !matching_fits(scope, expr)) {
        return;
    }
    switch (operator_infos[expr->binary.op].kind) {
    case OPERATOR_SET:
        expr->type = a->type;
        if (expr->binary.op == OPERATOR_OR &&
            !dimension_equal(a->type.dimension, b->type.dimension)) {
            expr->type.dimension = (struct dimension){0};
        }
        break;
    case OPERATOR_COMPARE: type_comparison(scope, expr); break;
    case OPERATOR_ARITHMETIC: type_arithmetic(scope, expr); break;
    }
}

static void type_inner_number(const struct scope *scope, struct expr *expr, struct expr *inner,
                              const char *what)
{
    enum value_kind kind = inner->type.kind;
    if (kind == VALUE_UNTYPED) {
        return;
    }
    if (kind != VALUE_SCALAR && kind != VALUE_VECTOR) {
        struct diag *d =
            diag_add(scope->check->diags, DIAG_OPERAND_KIND, inner->span,
                     "%s takes a number or an instant vector, this is %s", what, kind_text(kind));
        diag_help(d, kind == VALUE_RANGE ? "take rate(...) or avg_over_time(...) of it"
                                         : "write a number or a signal here");
        return;
    }
    expr->type = inner->type;
}

/* ---- all of them ---- */

static void visit_types(struct expr *child, void *context)
{
    type_expr(context, child);
}

void type_expr(const struct scope *scope, struct expr *expr)
{
    struct scope inner = *scope;
    expr_children(expr, visit_types, &inner);
    switch (expr->kind) {
    case EXPR_NUMBER:
        expr->type.kind = VALUE_SCALAR;
        expr->type.dimension = dimension_of_unit(expr->number.unit, expr->number.per);
        break;
    case EXPR_STRING: expr->type.kind = VALUE_STRING; break;
    case EXPR_SELECTOR: expr->type = type_of_selector(expr); break;
    case EXPR_RANGE:
    case EXPR_SUBQUERY: type_range(scope, expr); break;
    case EXPR_CALL: type_call(scope, expr); break;
    case EXPR_AGGREGATE: type_aggregate(scope, expr); break;
    case EXPR_BINARY: type_binary(scope, expr); break;
    case EXPR_UNARY: type_inner_number(scope, expr, expr->unary.inner, "a sign"); break;
    case EXPR_PAREN: expr->type = expr->inner->type; break;
    case EXPR_PERCENT_OF: type_inner_number(scope, expr, expr->percent_of.inner, "a share"); break;
    case EXPR_REACHES: type_reaches(scope, expr); break;
    case EXPR_LIST: break;
    }
}

/* ---- conditions ---- */

/* A comparison, or what stands for one: absent, reaches, a signal that holds one. */
static bool decides_within(const struct expr *expr, unsigned *budget)
{
    if (*budget == 0) {
        return true; /* too large to know: no finding */
    }
    (*budget)--;
    switch (expr->kind) {
    case EXPR_REACHES: return true;
    case EXPR_PAREN: return decides_within(expr->inner, budget);
    case EXPR_UNARY: return decides_within(expr->unary.inner, budget);
    case EXPR_CALL:
        return expr->call.builtin == BUILTIN_ABSENT ||
               expr->call.builtin == BUILTIN_ABSENT_OVER_TIME;
    case EXPR_AGGREGATE: return decides_within(expr->aggregate.inner, budget);
    case EXPR_BINARY: {
        enum operator op = expr->binary.op;
        if (operator_infos[op].kind == OPERATOR_COMPARE) {
            return true;
        }
        bool left = decides_within(expr->binary.left, budget);
        bool right = decides_within(expr->binary.right, budget);
        return op == OPERATOR_OR ? left && right : op == OPERATOR_UNLESS ? left : left || right;
    }
    case EXPR_SELECTOR:
        return expr->selector.signal && decides_within(expr->selector.signal->expr, budget);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
    case EXPR_PERCENT_OF:
    case EXPR_LIST: return false;
    }
    return false;
}

static bool decides(const struct expr *expr)
{
    unsigned budget = CHECK_WALK_MAX;
    return decides_within(expr, &budget);
}

/* A comparison with bool is present whether it is 0 or 1: it never filters. */
static bool always_present(const struct expr *expr)
{
    expr = expr_strip(expr);
    return expr->kind == EXPR_BINARY && expr->binary.matching.return_bool;
}

static void check_condition(void *context, const struct condition *condition, const char *what)
{
    const struct scope *scope = context;
    struct expr *expr = condition->expr;
    if (!expr || expr->type.kind == VALUE_UNTYPED) {
        return;
    }
    if (expr->type.kind != VALUE_VECTOR) {
        struct diag *d = diag_add(scope->check->diags, DIAG_CONDITION_KIND, expr->span,
                                  "%s needs a comparison of signals, this is %s", what,
                                  kind_text(expr->type.kind));
        diag_help(d, "compare a signal with a limit, such as used > 80%% of limit");
        if (scope->lenient && expr->type.kind == VALUE_SCALAR) {
            diag_lower(d); /* Prometheus takes a number for one series without labels */
        }
    } else if (scope->acts && always_present(expr)) {
        struct diag *d =
            diag_add(scope->check->diags, DIAG_CONDITION_KIND, expr->span,
                     "%s is always true: with bool the result is there as 0 or as 1", what);
        diag_help(d, "remove bool");
    } else if (scope->acts && !decides(expr)) {
        struct diag *d =
            diag_add(scope->check->diags, DIAG_CONDITION_KIND, expr->span,
                     "%s is true whenever the series exists: nothing is compared", what);
        const char *text = expr_text(scope->check, expr);
        diag_help(d, "compare it with a limit, such as %s > 0", same(text, "it") ? "..." : text);
    }
}

static void type_policy(struct check *check, struct policy *policy)
{
    struct scope scope = scope_of_policy(check, policy);
    policy_exprs(policy, visit_types, &scope);
    for (const struct signal *s = policy->signals; s; s = s->next) {
        enum value_kind kind = s->expr->type.kind;
        if (kind == VALUE_RANGE || kind == VALUE_STRING) {
            struct diag *d = diag_add(check->diags, DIAG_VALUE_KIND, s->expr->span,
                                      "signal '%s' is %s; a signal has one value at a time",
                                      s->name.text, kind_text(kind));
            diag_help(d, "take the range where the signal is used: %s[5m]", s->name.text);
            s->expr->type.kind = VALUE_UNTYPED;
        }
    }
    policy_conditions(policy, check_condition, &scope);
}

static void type_pool(struct check *check, struct pool *pool)
{
    struct scope scope = {.check = check, .acts = pool_is_acted_on(check, pool)};
    struct expr *exprs[] = {pool->expr, pool->ready};
    for (size_t i = 0; i < ARRAY_LEN(exprs); i++) {
        struct expr *expr = exprs[i];
        if (!expr) {
            continue;
        }
        type_expr(&scope, expr);
        if (expr->type.kind != VALUE_UNTYPED && expr->type.kind != VALUE_VECTOR) {
            struct diag *d = diag_add(check->diags, DIAG_VALUE_KIND, expr->span,
                                      "pool '%s' needs one series an entity, this is %s",
                                      pool->name.text, kind_text(expr->type.kind));
            diag_help(d, "write a metric that every entity has, such as up{job=\"%s\"}",
                      pool->name.text);
        }
    }
}

static void type_recorded(struct check *check)
{
    struct scope scope = scope_of_recorded(check);
    for (struct recorded *r = check->program->recorded; r; r = r->next) {
        type_expr(&scope, r->expr);
        enum value_kind kind = r->expr->type.kind;
        if (kind == VALUE_RANGE || kind == VALUE_STRING) {
            struct diag *d = diag_add(check->diags, DIAG_VALUE_KIND, r->expr->span,
                                      "signal '%s' is %s; a signal has one value at a time",
                                      r->name.text, kind_text(kind));
            diag_help(d, "take the range where the signal is used: %s[5m]", r->name.text);
            r->expr->type.kind = VALUE_UNTYPED;
        }
        r->typed = r->expr->type.kind != VALUE_UNTYPED;
    }
}

void check_types(struct check *check)
{
    type_recorded(check);
    for (struct pool *pool = check->program->pools; pool; pool = pool->next) {
        type_pool(check, pool);
    }
    for (struct action *action = check->program->actions; action; action = action->next) {
        struct scope scope = {.check = check};
        if (action->probe) {
            type_expr(&scope, action->probe);
        }
        scope.acts = true;
        if (action->reads) {
            type_expr(&scope, action->reads);
        }
    }
    for (struct guard *guard = check->program->guards; guard; guard = guard->next) {
        for (struct limit *limit = guard->limits; limit; limit = limit->next) {
            struct scope scope = {.check = check, .acts = true};
            if (limit->only) {
                type_expr(&scope, limit->only);
                check_condition(&scope, &(struct condition){.expr = limit->only}, "only while");
            }
        }
    }
    for (struct policy *policy = check->program->policies; policy; policy = policy->next) {
        type_policy(check, policy);
    }
}
