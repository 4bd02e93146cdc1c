/* From expressions to nodes. What this version cannot evaluate is refused here, by name. */
#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#include "runtime/engine/eval_node.h"

#define LOOKBACK_HORIZONS 4.0 /* of a forecast, when no lookback is written */
#define CHANCE_DEFAULT    0.8

struct adding {
    struct eval *eval;
    struct duration every;
    struct error *error;
    struct span span; /* of the expression whose nodes are made */
    int depth;
};

static struct eval_node *add(struct adding *a, const struct expr *expr);

static struct eval_node *refuse(struct adding *a, const char *what, const char *text)
{
    error_set(a->error, STATUS_DENIED, "%s%s is not in this version", what, text);
    return NULL;
}

static struct eval_node *wrong(struct adding *a, const char *what, const char *text)
{
    error_set(a->error, STATUS_PROTOCOL, "%s%s", what, text);
    return NULL;
}

const struct expr *strip_parens(const struct expr *expr)
{
    while (expr && expr->kind == EXPR_PAREN) {
        expr = expr->inner;
    }
    return expr;
}

/* ---- identity ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    text = text ? text : "\001";
    return XXH3_64bits_withSeed(text, strlen(text) + 1, hash);
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return XXH3_64bits_withSeed(&number, sizeof number, hash);
}

static uint64_t hash_double(uint64_t hash, double value)
{
    return XXH3_64bits_withSeed(&value, sizeof value, hash);
}

/* Operator, parameters and inputs, by content: the same in every process. The range of SAMPLED is
 * how much it keeps, not what it is. */
static uint64_t node_hash(enum node_kind kind, const struct node_parameters *p,
                          struct eval_node *const in[2])
{
    uint64_t h = hash_number(1, (uint64_t)kind);
    h = hash_double(hash_double(h, p->number), p->bound);
    h = hash_number(h, (uint64_t)p->op << 32 | (uint64_t)p->aggregate);
    h = hash_number(h, (uint64_t)p->window << 1 | (uint64_t)p->raw);
    h = hash_number(h, kind == NODE_SAMPLED ? 0 : (uint64_t)p->range.ns);
    h = hash_number(hash_number(h, (uint64_t)p->offset.ns), (uint64_t)p->every.ns);
    h = hash_number(h, (uint64_t)p->minus | (uint64_t)p->return_bool << 1 | (uint64_t)p->on << 2 |
                           (uint64_t)p->without << 3 | (uint64_t)p->strict << 4 |
                           (uint64_t)p->group << 5);
    for (size_t i = 0; i < p->name_count; i++) {
        h = hash_text(h, p->names[i]);
    }
    h = hash_number(h, p->name_count);
    for (size_t i = 0; i < p->include_count; i++) {
        h = hash_text(h, p->include[i]);
    }
    h = hash_number(hash_text(h, p->metric), p->include_count);
    for (size_t i = 0; i < p->matcher_count; i++) {
        h = hash_text(hash_text(h, p->matchers[i].label), p->matchers[i].value);
        h = hash_number(h, (uint64_t)p->matchers[i].op);
    }
    h = p->writes ? hash_number(h, p->writes) : h;
    h = hash_number(h, in[0] ? in[0]->hash : 0);
    return hash_number(h, in[1] ? in[1]->hash : 0);
}

static void matchers_free(struct node_parameters *p)
{
    for (size_t i = 0; i < p->matcher_count; i++) {
        regex_free(p->matchers[i].regex);
    }
    free(p->matchers);
}

/* Finds the equal node or makes it; takes p's matchers. */
static struct eval_node *node_get(struct adding *a, enum node_kind kind, struct node_parameters *p,
                                  struct eval_node *in0, struct eval_node *in1)
{
    struct eval *eval = a->eval;
    struct eval_node *const in[2] = {in0, in1};
    uint64_t hash = node_hash(kind, p, in);
    for (size_t i = 0; i < eval->node_count; i++) {
        if (eval->nodes[i]->hash == hash) {
            matchers_free(p);
            return eval->nodes[i];
        }
    }
    if (eval->node_count >= EVAL_NODES_MAX) {
        matchers_free(p);
        error_set(a->error, STATUS_LIMIT, "more than %d distinct operators", EVAL_NODES_MAX);
        return NULL;
    }
    struct eval_node *node = heap_alloc(sizeof *node);
    *node = (struct eval_node){.eval = eval,
                               .index = eval->node_count,
                               .kind = kind,
                               .hash = hash,
                               .span = a->span,
                               .p = *p,
                               .in = {in0, in1},
                               .in_count = in1   ? 2
                                           : in0 ? 1
                                                 : 0};
    ARRAY_RESERVE(eval->nodes, eval->node_count, eval->node_capacity);
    eval->nodes[eval->node_count++] = node;
    return node;
}

static struct eval_node *number(struct adding *a, double value)
{
    struct node_parameters p = {.number = value};
    return node_get(a, NODE_NUMBER, &p, NULL, NULL);
}

static bool names_copy(struct adding *a, const struct name_list *list, const char **ret,
                       size_t *ret_count)
{
    for (; list; list = list->next) {
        if (*ret_count == EVAL_NAMES_MAX) {
            error_set(a->error, STATUS_LIMIT, "more than %d labels in one list", EVAL_NAMES_MAX);
            return false;
        }
        ret[(*ret_count)++] = store_string(a->eval->store, list->name.text);
    }
    return true;
}

/* ---- selectors ---- */

static bool matcher_copy(struct adding *a, const struct matcher *from, struct node_matcher *ret)
{
    char reason[200];
    *ret = (struct node_matcher){.label = store_string(a->eval->store, from->label.text),
                                 .value = store_string(a->eval->store, from->value),
                                 .op = from->op};
    if (from->op == MATCH_RE || from->op == MATCH_NRE) {
        ret->regex = regex_new(from->value, reason, sizeof reason);
        if (!ret->regex) {
            error_set(a->error, STATUS_PROTOCOL, "regular expression '%.100s': %s", from->value,
                      reason);
            return false;
        }
    }
    return true;
}

/* The selector without its modifiers. */
static struct eval_node *add_select(struct adding *a, const struct expr *expr)
{
    struct node_parameters p = {0};
    size_t capacity = 0;
    p.metric = expr->selector.name.text;
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        ARRAY_RESERVE(p.matchers, p.matcher_count, capacity);
        if (!matcher_copy(a, m, &p.matchers[p.matcher_count])) {
            matchers_free(&p);
            return NULL;
        }
        p.matcher_count++;
        if (!p.metric && m->op == MATCH_EQ && strcmp(m->label.text, LABEL_NAME_KEY) == 0) {
            p.metric = m->value;
        }
    }
    if (p.metric) {
        p.metric = store_string(a->eval->store, p.metric);
        p.metric_id = store_metric(a->eval->store, p.metric);
    }
    p.writes = eval_write_count(a->eval, p.metric);
    return node_get(a, NODE_SELECT, &p, NULL, NULL);
}

static struct eval_node *add_rename(struct adding *a, struct eval_node *inner, bool minus)
{
    struct node_parameters p = {.minus = minus};
    return inner ? node_get(a, NODE_RENAME, &p, inner, NULL) : NULL;
}

/* Several slots of the node may have the same labels, were it not for the metric's name: at most
 * one of them is present. */
static bool may_repeat(const struct eval_node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_TIME:
    case NODE_STEP:
    case NODE_ABSENT:
    case NODE_AGGREGATE:
    case NODE_RENAME: return false;
    case NODE_SELECT: return node->p.metric == NULL;
    case NODE_SET: return node->p.op == OPERATOR_OR || may_repeat(node->in[0]);
    case NODE_BINARY:
    case NODE_REACHES:
        return node->p.group != GROUP_NONE || node->p.on || node->p.name_count > 0 ||
               may_repeat(node->in[0]) || may_repeat(node->in[1]);
    case NODE_SAMPLED:
    case NODE_PAST:
    case NODE_WINDOW:
    case NODE_FORECAST:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE: return may_repeat(node->in[0]);
    }
    return true;
}

/* What is remembered is remembered of a label set, whichever way led to it. */
static struct eval_node *add_unique(struct adding *a, struct eval_node *inner)
{
    return inner && may_repeat(inner) ? add_rename(a, inner, false) : inner;
}

/* The column of a signal: its expression, or the metric that stands in for it. */
static struct eval_node *add_signal(struct adding *a, const struct signal *signal)
{
    for (size_t i = 0; i < a->eval->override_count; i++) {
        if (a->eval->overrides[i].signal == signal) {
            struct node_parameters p = {
                .metric = store_string(a->eval->store, a->eval->overrides[i].metric)};
            p.metric_id = store_metric(a->eval->store, p.metric);
            return add_rename(a, node_get(a, NODE_SELECT, &p, NULL, NULL), false);
        }
    }
    return add_rename(a, add(a, signal->expr), false);
}

static bool selectable(struct adding *a, const struct expr *expr)
{
    if (expr->at_kind != AT_NONE) {
        refuse(a, "the modifier @", "");
        return false;
    }
    return true;
}

/* The series below stay known while what was made of them is wanted, however long they are gone. */
static void remember_below(struct eval *eval, const struct eval_node *node, struct duration wanted)
{
    if (node->kind == NODE_SELECT) {
        wanted.ns += eval->store->limits.lookback.ns;
        store_window(eval->store, node->p.metric, wanted);
        return;
    }
    if (node->kind != NODE_SAMPLED) {
        wanted.ns += node->p.range.ns + (node->p.offset.ns > 0 ? node->p.offset.ns : 0);
    }
    for (size_t i = 0; i < node->in_count; i++) {
        remember_below(eval, node->in[i], wanted);
    }
}

/* Samples of series, or of an expression as the policy samples it, kept at least so long. */
static struct eval_node *add_sampled(struct adding *a, struct eval_node *inner, bool raw,
                                     struct duration wanted)
{
    struct node_parameters p = {.every = raw ? (struct duration){0} : a->every, .raw = raw};
    inner = raw ? inner : add_unique(a, inner);
    struct eval_node *sampled = inner ? node_get(a, NODE_SAMPLED, &p, inner, NULL) : NULL;
    if (sampled && wanted.ns / NS_PER_MS > SAMPLES_RANGE_MS_MAX) {
        error_set(a->error, STATUS_LIMIT, "a window reaches back more than %d days",
                  WINDOW_DAYS_MAX);
        return NULL;
    }
    if (sampled && sampled->p.range.ns < wanted.ns) {
        sampled->p.range = wanted;
    }
    if (sampled && !raw) {
        remember_below(a->eval, inner, wanted);
    }
    return sampled;
}

/* What a window reads. */
static struct eval_node *add_source(struct adding *a, const struct expr *expr,
                                    struct duration wanted)
{
    if (expr->kind != EXPR_SELECTOR) {
        return add_sampled(a, add(a, expr), false, wanted);
    }
    if (expr->selector.signal) {
        return add_sampled(a, add_signal(a, expr->selector.signal), false, wanted);
    }
    struct eval_node *select = add_select(a, expr);
    if (select) {
        store_window(a->eval->store, select->p.metric, wanted);
    }
    return add_sampled(a, select, true, wanted);
}

/* What was there an offset ago: series by the store's own samples, with their stale markers. */
static struct eval_node *add_past(struct adding *a, const struct expr *expr)
{
    struct node_parameters p = {.offset = expr->offset};
    struct duration wanted = {expr->offset.ns + a->eval->store->limits.lookback.ns};
    struct eval_node *source;
    if (expr->selector.signal) {
        source = add_source(a, expr, wanted);
    } else {
        source = add_select(a, expr);
        if (source) {
            store_keep(a->eval->store, source->p.metric, wanted);
        }
    }
    return source ? node_get(a, NODE_PAST, &p, source, NULL) : NULL;
}

static struct eval_node *add_selector(struct adding *a, const struct expr *expr)
{
    if (!selectable(a, expr)) {
        return NULL;
    }
    if (!expr->has_offset || expr->offset.ns == 0) {
        return expr->selector.signal ? add_signal(a, expr->selector.signal) : add_select(a, expr);
    }
    return add_past(a, expr);
}

/* ---- calls ---- */

static const struct expr *argument_at(const struct expr *call, size_t index)
{
    for (const struct argument *arg = call->call.arguments; arg; arg = arg->next) {
        if (!arg->name.text && index-- == 0) {
            return arg->value;
        }
    }
    return NULL;
}

static const struct expr *argument_named(const struct expr *call, const char *name)
{
    for (const struct argument *arg = call->call.arguments; arg; arg = arg->next) {
        if (arg->name.text && strcmp(arg->name.text, name) == 0) {
            return arg->value;
        }
    }
    return NULL;
}

/* WINDOW_KINDS when it is none. */
static enum kernel_window_kind window_of(enum builtin builtin)
{
    switch ((int)builtin) {
#define WINDOW(name, text, state, argument) \
    case BUILTIN_##name: return WINDOW_##name;
#include "stdlib/window.def"
#undef WINDOW
    default: return WINDOW_KINDS;
    }
}

/* The place of the range among the arguments; a function's scalar is at the other one. */
static size_t range_place(const struct expr *call)
{
    const struct expr *first = strip_parens(argument_at(call, 0));
    return first && first->kind != EXPR_RANGE && first->kind != EXPR_SUBQUERY;
}

static struct eval_node *add_window(struct adding *a, const struct expr *call,
                                    enum kernel_window_kind window)
{
    const size_t place = kernel_window_infos[window].argument ? range_place(call) : 0;
    const struct expr *range = strip_parens(argument_at(call, place));
    struct eval_node *argument = NULL;
    if (range && range->kind == EXPR_SUBQUERY) {
        return refuse(a, "a subquery", "");
    }
    if (!range || range->kind != EXPR_RANGE) {
        return wrong(a, call->call.name.text, "() needs a range such as x[5m]");
    }
    const struct expr *inner = strip_parens(range->range.inner);
    if (!selectable(a, range) || !selectable(a, inner)) {
        return NULL;
    }
    if (inner->kind != EXPR_SELECTOR) {
        return wrong(a, "a range needs a selector or a signal", "");
    }
    struct node_parameters p = {.window = window, .range = range->range.range};
    p.offset.ns =
        (range->has_offset ? range->offset.ns : 0) + (inner->has_offset ? inner->offset.ns : 0);
    struct duration wanted = {p.range.ns + (p.offset.ns > 0 ? p.offset.ns : 0)};
    struct eval_node *source = add_source(a, inner, wanted);
    if (source && kernel_window_infos[window].argument) {
        const struct expr *other = argument_at(call, !place);
        argument = other ? add(a, other) : NULL;
        if (!argument) {
            return other ? NULL : wrong(a, call->call.name.text, "() needs two arguments");
        }
    }
    return source ? node_get(a, NODE_WINDOW, &p, source, argument) : NULL;
}

/* The state below ewma and zscore: of the vector and alpha. */
static struct eval_node *add_average(struct adding *a, const struct expr *call, enum node_kind kind)
{
    struct node_parameters p = {0};
    const struct expr *x = argument_at(call, 0), *alpha = argument_named(call, "alpha");
    alpha = alpha ? alpha : argument_at(call, 1);
    if (!x || !alpha || !expr_constant(alpha, &p.number) || !(p.number > 0 && p.number <= 1)) {
        return wrong(a, call->call.name.text, "() needs alpha: a constant in (0, 1]");
    }
    struct eval_node *inner = add_unique(a, add(a, x));
    return inner ? node_get(a, kind, &p, inner, NULL) : NULL;
}

/* What reads the moments of a zscore: equal x and alpha are one state. */
static struct eval_node *add_zscore(struct adding *a, const struct expr *call, enum node_kind kind,
                                    struct node_parameters *p)
{
    struct eval_node *moments = add_average(a, call, NODE_MOMENTS);
    return moments ? node_get(a, kind, p, moments, NULL) : NULL;
}

static struct eval_node *add_forecast(struct adding *a, const struct expr *call)
{
    const struct expr *x = strip_parens(argument_at(call, 0)), *in = argument_named(call, "in");
    const struct expr *lookback = argument_named(call, "lookback");
    struct node_parameters p = {0};
    double back;
    if (argument_named(call, "season")) {
        return refuse(a, "season: of forecast()", "");
    }
    if (!x || !in || !expr_constant(in, &p.number) || !(p.number > 0)) {
        return wrong(a, "forecast() needs in: a constant duration above 0", "");
    }
    back = LOOKBACK_HORIZONS * p.number;
    if (lookback && (!expr_constant(lookback, &back) || !(back > 0))) {
        return wrong(a, "lookback: of forecast() is a constant duration above 0", "");
    }
    p.range = duration_seconds(back);
    if (x->kind == EXPR_SELECTOR && !selectable(a, x)) {
        return NULL;
    }
    p.offset.ns = x->kind == EXPR_SELECTOR && x->has_offset ? x->offset.ns : 0;
    struct duration wanted = {p.range.ns + (p.offset.ns > 0 ? p.offset.ns : 0)};
    struct eval_node *source = add_source(a, x, wanted);
    if (source && source->p.raw && p.offset.ns != 0) { /* whether it was there then */
        struct duration there = {p.offset.ns + a->eval->store->limits.lookback.ns};
        store_keep(a->eval->store, source->in[0]->p.metric, there);
    }
    return source ? node_get(a, NODE_FORECAST, &p, source, NULL) : NULL;
}

static enum builtin call_builtin(const struct expr *expr)
{
    return expr->call.name.text ? builtin_find(expr->call.name.text) : BUILTIN_NONE;
}

static struct eval_node *add_call(struct adding *a, const struct expr *expr)
{
    enum builtin builtin = call_builtin(expr);
    if (builtin == BUILTIN_NONE) {
        return wrong(a, "no such function: ", expr->call.name.text);
    }
    if (!builtin_infos[builtin].ready) {
        return refuse(a, expr->call.name.text, "()");
    }
    struct node_parameters p = {0};
    enum kernel_window_kind window = window_of(builtin);
    if (window != WINDOW_KINDS) {
        return add_window(a, expr, window);
    }
    switch ((int)builtin) {
    case BUILTIN_TIME: return node_get(a, NODE_TIME, &p, NULL, NULL);
    case BUILTIN_EWMA: return add_average(a, expr, NODE_EWMA);
    case BUILTIN_ZSCORE: return add_zscore(a, expr, NODE_ZSCORE, &p);
    case BUILTIN_FORECAST: return add_forecast(a, expr);
    case BUILTIN_ABSENT: {
        const struct expr *x = argument_at(expr, 0);
        struct eval_node *inner = x ? add(a, x) : NULL;
        p.raw = x && strip_parens(x)->kind == EXPR_SELECTOR; /* its matchers say labels */
        return inner ? node_get(a, NODE_ABSENT, &p, inner, NULL)
                     : (x ? NULL : wrong(a, "absent() needs a vector", ""));
    }
    default: return refuse(a, expr->call.name.text, "()");
    }
}

/* ---- operators ---- */

static struct eval_node *add_aggregate(struct adding *a, const struct expr *expr)
{
    const struct aggregate_info *info = &aggregate_infos[expr->aggregate.op];
    struct node_parameters p = {.aggregate = expr->aggregate.op,
                                .without = expr->aggregate.grouped && expr->aggregate.without};
    if (!info->ready) {
        return refuse(a, info->text, "()");
    }
    if (!names_copy(a, expr->aggregate.labels, p.names, &p.name_count)) {
        return NULL;
    }
    struct eval_node *inner = add(a, expr->aggregate.inner);
    return inner ? node_get(a, NODE_AGGREGATE, &p, inner, NULL) : NULL;
}

static bool matching_copy(struct adding *a, const struct matching *matching,
                          struct node_parameters *p)
{
    p->on = matching->present && matching->on;
    p->group = (int)matching->group;
    p->return_bool = matching->return_bool;
    return names_copy(a, matching->labels, p->names, &p->name_count) &&
           names_copy(a, matching->include, p->include, &p->include_count);
}

static enum operator mirrored(enum operator op)
{
    switch ((int)op) {
    case OPERATOR_LT: return OPERATOR_GT;
    case OPERATOR_GT: return OPERATOR_LT;
    case OPERATOR_LE: return OPERATOR_GE;
    case OPERATOR_GE: return OPERATOR_LE;
    default: return op;
    }
}

static bool is_zscore(const struct expr *expr)
{
    return expr->kind == EXPR_CALL && call_builtin(expr) == BUILTIN_ZSCORE;
}

/* zscore(x) op k is one operator: see kernel_zscore_compare(). */
static bool add_zscore_compare(struct adding *a, const struct expr *expr, struct eval_node **ret)
{
    const struct expr *left = strip_parens(expr->binary.left);
    const struct expr *right = strip_parens(expr->binary.right);
    struct node_parameters p = {.op = expr->binary.op,
                                .return_bool = expr->binary.matching.return_bool};
    if (operator_infos[expr->binary.op].kind != OPERATOR_COMPARE) {
        return false;
    }
    if (is_zscore(left) && expr_constant(right, &p.bound) && isfinite(p.bound)) {
        *ret = add_zscore(a, left, NODE_ZSCORE_COMPARE, &p);
        return true;
    }
    if (is_zscore(right) && expr_constant(left, &p.bound) && isfinite(p.bound)) {
        p.op = mirrored(p.op);
        *ret = add_zscore(a, right, NODE_ZSCORE_COMPARE, &p);
        return true;
    }
    return false;
}

static struct eval_node *add_binary(struct adding *a, const struct expr *expr)
{
    struct node_parameters p = {.op = expr->binary.op};
    struct eval_node *node = NULL;
    if (add_zscore_compare(a, expr, &node)) {
        return node;
    }
    if (!matching_copy(a, &expr->binary.matching, &p)) {
        return NULL;
    }
    struct eval_node *left = add(a, expr->binary.left);
    struct eval_node *right = left ? add(a, expr->binary.right) : NULL;
    if (!right) {
        return NULL;
    }
    bool set = operator_infos[p.op].kind == OPERATOR_SET;
    return node_get(a, set ? NODE_SET : NODE_BINARY, &p, left, right);
}

static struct eval_node *add_percent_of(struct adding *a, const struct expr *expr)
{
    struct node_parameters p = {.op = OPERATOR_MUL};
    struct eval_node *inner = add(a, expr->percent_of.inner);
    struct eval_node *ratio = inner ? number(a, expr->percent_of.ratio) : NULL;
    return ratio ? node_get(a, NODE_BINARY, &p, ratio, inner) : NULL;
}

/* with (chance >= 85%): whether the bound itself is enough. */
static bool chance_condition(struct adding *a, const struct expr *expr, struct node_parameters *p)
{
    p->bound = expr->reaches.chance;
    for (const struct argument *arg = expr->reaches.conditions; arg; arg = arg->next) {
        const struct expr *condition = strip_parens(arg->value);
        if (condition->kind != EXPR_BINARY ||
            (condition->binary.op != OPERATOR_GE && condition->binary.op != OPERATOR_GT) ||
            !expr_constant(condition->binary.right, &p->bound)) {
            wrong(a, "the condition of reaches is chance >= P% or chance > P%", "");
            return false;
        }
        p->strict = condition->binary.op == OPERATOR_GT;
    }
    p->bound = p->bound > 0 ? p->bound : CHANCE_DEFAULT;
    return true;
}

static struct eval_node *add_reaches(struct adding *a, const struct expr *expr)
{
    struct node_parameters p = {0};
    const struct expr *forecast = strip_parens(expr->reaches.forecast);
    if (!forecast || forecast->kind != EXPR_CALL || call_builtin(forecast) != BUILTIN_FORECAST) {
        return wrong(a, "reaches needs a forecast() on its left", "");
    }
    if (!chance_condition(a, expr, &p)) {
        return NULL;
    }
    struct eval_node *left = add(a, forecast);
    struct eval_node *right = left ? add(a, expr->reaches.threshold) : NULL;
    return right ? node_get(a, NODE_REACHES, &p, left, right) : NULL;
}

static struct eval_node *add_kind(struct adding *a, const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_NUMBER: return number(a, expr->number.value);
    case EXPR_STRING: return refuse(a, "a string as a value", "");
    case EXPR_SELECTOR: return add_selector(a, expr);
    case EXPR_RANGE: return wrong(a, "a range needs a function around it, such as rate()", "");
    case EXPR_SUBQUERY: return refuse(a, "a subquery", "");
    case EXPR_CALL: return add_call(a, expr);
    case EXPR_AGGREGATE: return add_aggregate(a, expr);
    case EXPR_BINARY: return add_binary(a, expr);
    case EXPR_UNARY:
        return expr->unary.minus ? add_rename(a, add(a, expr->unary.inner), true)
                                 : add(a, expr->unary.inner);
    case EXPR_PAREN: return add(a, expr->inner);
    case EXPR_PERCENT_OF: return add_percent_of(a, expr);
    case EXPR_REACHES: return add_reaches(a, expr);
    case EXPR_LIST: return wrong(a, "a list is not a value", "");
    }
    return NULL;
}

static struct eval_node *add(struct adding *a, const struct expr *expr)
{
    CHECK(expr != NULL);
    if (++a->depth > EVAL_DEPTH_MAX) {
        error_set(a->error, STATUS_LIMIT, "an expression is deeper than %d", EVAL_DEPTH_MAX);
        return NULL;
    }
    const struct span around = a->span;
    a->span = expr->span;
    struct eval_node *node = add_kind(a, expr);
    a->span = around;
    a->depth--;
    return node;
}

struct eval_node *eval_add(struct eval *eval, const struct expr *expr, struct duration every,
                           struct error *error)
{
    struct adding a = {.eval = eval, .every = every, .error = error};
    code_free(eval); /* the plan is another one now */
    struct eval_node *node = add(&a, expr);
    if (node) {
        node->outside = true;
    }
    return node;
}
