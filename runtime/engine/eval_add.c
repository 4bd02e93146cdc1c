/* From expressions to nodes. What this version cannot evaluate is refused here, by name. */
#include "runtime/engine/eval_add.h"

#include <math.h>
#include <stdlib.h>
#include <xxhash.h>

#define CHANCE_DEFAULT 0.8

struct eval_node *refuse(struct adding *a, const char *what, const char *text)
{
    error_set(a->error, STATUS_DENIED, "%s%s is not in this version", what, text);
    return NULL;
}

struct eval_node *wrong(struct adding *a, const char *what, const char *text)
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
                          struct eval_node *const in[EVAL_INPUTS_MAX],
                          const struct eval_node *foreign)
{
    uint64_t h = hash_number(1, (uint64_t)kind);
    h = hash_double(hash_double(h, p->number), p->bound);
    h = hash_number(h, (uint64_t)p->op << 32 | (uint64_t)p->aggregate);
    h = hash_number(h, (uint64_t)p->window << 1 | (uint64_t)p->raw);
    h = hash_number(h, (uint64_t)p->math << 3 | (uint64_t)p->fraction << 2 |
                           (uint64_t)p->join << 1 | (uint64_t)p->descending);
    h = hash_number(h, (uint64_t)p->sub_ms);
    for (size_t i = 0; i < ARRAY_LEN(p->text); i++) {
        h = hash_text(h, p->text[i]);
    }
    h = hash_number(h, kind == NODE_SAMPLED ? 0 : (uint64_t)p->range.ns);
    h = hash_number(hash_number(h, (uint64_t)p->offset.ns), (uint64_t)p->every.ns);
    h = hash_number(h, (uint64_t)p->minus | (uint64_t)p->return_bool << 1 | (uint64_t)p->on << 2 |
                           (uint64_t)p->without << 3 | (uint64_t)p->strict << 4 |
                           (uint64_t)p->group << 5 | (uint64_t)p->together << 8);
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
    h = p->lasting ? hash_number(h, p->lasting) : h;
    for (size_t i = 0; i < EVAL_INPUTS_MAX; i++) {
        h = hash_number(h, in[i] ? in[i]->hash : 0);
    }
    return hash_number(h, foreign ? foreign->hash : 0);
}

static void parameters_free(struct node_parameters *p)
{
    for (size_t i = 0; i < p->matcher_count; i++) {
        regex_free(p->matchers[i].regex);
    }
    free(p->matchers);
    regex_free(p->regex);
}

static struct eval_node *node_find(const struct eval *eval, uint64_t hash)
{
    size_t cursor = SIZE_MAX;
    const uint32_t at = table_next(&eval->by_hash, hash, &cursor);
    return at == SLOT_NONE ? NULL : eval->nodes[at];
}

/* Finds the equal node or makes it; takes p's matchers and regex. */
struct eval_node *node_make(struct adding *a, enum node_kind kind, struct node_parameters *p,
                            struct eval_node *const in[EVAL_INPUTS_MAX], struct eval_node *foreign)
{
    struct eval *eval = a->eval;
    uint64_t hash = node_hash(kind, p, in, foreign);
    struct eval_node *node = node_find(eval, hash);
    if (node || eval->node_count >= EVAL_NODES_MAX) {
        parameters_free(p);
        if (!node) {
            error_set(a->error, STATUS_LIMIT, "more than %d distinct operators", EVAL_NODES_MAX);
        }
        return node;
    }
    node = heap_alloc(sizeof *node);
    *node = (struct eval_node){.eval = eval,
                               .index = eval->node_count,
                               .kind = kind,
                               .hash = hash,
                               .span = a->span,
                               .p = *p,
                               .foreign = foreign};
    while (node->in_count < EVAL_INPUTS_MAX && in[node->in_count]) {
        node->in[node->in_count] = in[node->in_count];
        node->in_count++;
    }
    node->scalar = node_is_scalar(node);
    ARRAY_RESERVE(eval->nodes, eval->node_count, eval->node_capacity);
    table_add(&eval->by_hash, hash, (uint32_t)eval->node_count);
    eval->nodes[eval->node_count++] = node;
    node->unique = !node_may_repeat(node);
    return node;
}

struct eval_node *node_get(struct adding *a, enum node_kind kind, struct node_parameters *p,
                           struct eval_node *in0, struct eval_node *in1)
{
    return node_make(a, kind, p, (struct eval_node *[EVAL_INPUTS_MAX]){in0, in1}, NULL);
}

struct eval_node *number_node(struct adding *a, double value)
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

struct duration with_reach(const struct adding *a, struct duration wanted)
{
    const int64_t reach_ms = a->eval->reach_ms;
    return (struct duration){wanted.ns + reach_ms * NS_PER_MS};
}

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

/* As with_reach(); a daemon evaluates what is below a subquery soon after its time. */
static struct duration with_live_reach(const struct adding *a, struct duration wanted)
{
    const bool live = a->eval->store->limits.live;
    const int64_t late_ms = STORE_LIVE_MS + a->eval->gap_ms;
    return live && a->eval->reach_ms > 0 ? (struct duration){wanted.ns + late_ms * NS_PER_MS}
                                         : with_reach(a, wanted);
}

/* What comes between two ticks of a grid is read at the second one. */
static void keep_between(const struct adding *a, const struct eval_node *select)
{
    const struct eval *eval = a->eval;
    struct duration wanted = {(eval->gap_ms + STORE_LIVE_MS) * NS_PER_MS};
    wanted.ns += eval->is_at ? eval->store->limits.lookback.ns : 0;
    if (select && eval->gap_ms > 0) {
        store_keep(eval->store, select->p.metric, wanted);
    }
}

/* The selector without its modifiers. */
struct eval_node *add_select(struct adding *a, const struct expr *expr)
{
    struct node_parameters p = {0};
    size_t capacity = 0;
    p.metric = expr->selector.name.text;
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        ARRAY_RESERVE(p.matchers, p.matcher_count, capacity);
        if (!matcher_copy(a, m, &p.matchers[p.matcher_count])) {
            parameters_free(&p);
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
    if (a->eval->reach_ms > 0) { /* evaluated behind the newest sample */
        store_window(a->eval->store, p.metric, with_reach(a, a->eval->store->limits.lookback));
    }
    p.writes = eval_write_count(a->eval->root, p.metric);
    struct eval_node *select = node_get(a, NODE_SELECT, &p, NULL, NULL);
    keep_between(a, select);
    return select;
}

static struct eval_node *add_rename(struct adding *a, struct eval_node *inner, bool minus)
{
    struct node_parameters p = {.minus = minus};
    return inner ? node_get(a, NODE_RENAME, &p, inner, NULL) : NULL;
}

/* What is remembered is remembered of a label set, whichever way led to it. */
struct eval_node *add_unique(struct adding *a, struct eval_node *inner)
{
    return inner && node_may_repeat(inner) ? add_rename(a, inner, false) : inner;
}

/* The same with names: as a grid samples it. */
struct eval_node *add_together(struct adding *a, struct eval_node *inner)
{
    struct node_parameters p = {.together = true};
    return inner && node_may_repeat(inner) ? node_get(a, NODE_RENAME, &p, inner, NULL) : inner;
}

/* The column of a signal: its expression, or the metric that stands in for it. */
static struct eval_node *add_signal(struct adding *a, const struct signal *signal)
{
    const struct eval *root = a->eval->root;
    for (size_t i = 0; i < root->override_count; i++) {
        if (root->overrides[i].signal == signal) {
            struct node_parameters p = {
                .metric = store_string(a->eval->store, root->overrides[i].metric)};
            p.metric_id = store_metric(a->eval->store, p.metric);
            return add_rename(a, node_get(a, NODE_SELECT, &p, NULL, NULL), false);
        }
    }
    struct adding own = *a;
    own.at_this_time = false; /* what the signal says of time is its own */
    return add_rename(a, expr_node(&own, signal->expr), false);
}

/* The series below stay known while what was made of them is wanted, however long they are gone. */
void remember_below(struct eval *eval, struct eval_node *node, struct duration wanted)
{
    if (node->kind == NODE_SELECT) {
        wanted.ns += eval->store->limits.lookback.ns;
        store_window(eval->store, node->p.metric, wanted);
        return;
    }
    if (node->sub) {
        remember_below(eval, node->foreign, wanted);
    }
    if (node->kind == NODE_COUNT_VALUES) {
        node->p.range.ns = wanted.ns > node->p.range.ns ? wanted.ns : node->p.range.ns;
    } else if (node->kind != NODE_SAMPLED) {
        wanted.ns += node->p.range.ns + (node->p.offset.ns > 0 ? node->p.offset.ns : 0);
        /* A signal of an offset ago is there for as long as its newest sample counts. */
        const bool past = node->kind == NODE_PAST && node->in[0]->kind == NODE_SAMPLED;
        wanted.ns += past ? eval->store->limits.lookback.ns : 0;
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
struct eval_node *add_source(struct adding *a, const struct expr *expr, struct duration wanted)
{
    struct adding below = *a;
    below.lasting = true;
    if (expr->kind != EXPR_SELECTOR) {
        return add_sampled(a, expr_node(&below, expr), false, wanted);
    }
    if (expr->selector.signal) {
        return add_sampled(a, add_signal(&below, expr->selector.signal), false, wanted);
    }
    struct eval_node *select = add_select(a, expr);
    if (select) {
        store_window(a->eval->store, select->p.metric, with_reach(a, wanted));
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
            store_keep(a->eval->store, source->p.metric, with_live_reach(a, wanted));
        }
    }
    return source ? node_get(a, NODE_PAST, &p, source, NULL) : NULL;
}

static struct eval_node *add_selector(struct adding *a, const struct expr *expr)
{
    if (has_at(a, expr) && !a->at_this_time) {
        struct adding at;
        struct eval_sub *sub;
        return at_begin(a, expr, false, &at, &sub) ? at_end(a, sub, add_selector(&at, expr), NULL)
                                                   : NULL;
    }
    if (!expr->has_offset || expr->offset.ns == 0) {
        return expr->selector.signal ? add_signal(a, expr->selector.signal) : add_select(a, expr);
    }
    return add_past(a, expr);
}

/* ---- operators ---- */

/* The scalar of an aggregation: how many of topk, the share of quantile. */
static struct eval_node *add_parameter(struct adding *a, const struct expr *expr)
{
    if (!expr->aggregate.parameter) {
        return wrong(a, aggregate_infos[expr->aggregate.op].text, "() needs its number first");
    }
    return expr_node(a, expr->aggregate.parameter);
}

static bool count_label(struct adding *a, const struct expr *expr, struct node_parameters *p)
{
    const struct expr *label = strip_parens(expr->aggregate.parameter);
    if (!label || label->kind != EXPR_STRING || !label->string.value[0]) {
        wrong(a, "count_values() needs the name of a label first", "");
        return false;
    }
    p->text[0] = store_string(a->eval->store, label->string.value);
    return true;
}

static enum node_kind aggregate_kind(enum aggregate aggregate)
{
    return aggregate == AGGREGATE_TOPK || aggregate == AGGREGATE_BOTTOMK ? NODE_PICK
           : aggregate == AGGREGATE_COUNT_VALUES                         ? NODE_COUNT_VALUES
                                                                         : NODE_AGGREGATE;
}

static struct eval_node *add_aggregate(struct adding *a, const struct expr *expr)
{
    const struct aggregate_info *info = &aggregate_infos[expr->aggregate.op];
    const enum node_kind kind = aggregate_kind(expr->aggregate.op);
    struct node_parameters p = {.aggregate = expr->aggregate.op,
                                .without = expr->aggregate.grouped && expr->aggregate.without,
                                .lasting = kind == NODE_COUNT_VALUES && a->lasting};
    if (!info->ready) {
        return refuse(a, info->text, "()");
    }
    if (!names_copy(a, expr->aggregate.labels, p.names, &p.name_count) ||
        (kind == NODE_COUNT_VALUES && !count_label(a, expr, &p))) {
        return NULL;
    }
    struct eval_node *inner = expr_node(a, expr->aggregate.inner), *number = NULL;
    if (inner && info->parameter && kind != NODE_COUNT_VALUES) {
        number = add_parameter(a, expr);
        inner = number ? inner : NULL;
    }
    struct eval_node *node = inner ? node_get(a, kind, &p, inner, number) : NULL;
    if (node && kind == NODE_COUNT_VALUES && a->eval->early <= node->index) {
        a->eval->early = node->index + 1;
    }
    return node;
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
    struct eval_node *left = expr_node(a, expr->binary.left);
    struct eval_node *right = left ? expr_node(a, expr->binary.right) : NULL;
    if (!right) {
        return NULL;
    }
    bool set = operator_infos[p.op].kind == OPERATOR_SET;
    return node_get(a, set ? NODE_SET : NODE_BINARY, &p, left, right);
}

static struct eval_node *add_percent_of(struct adding *a, const struct expr *expr)
{
    struct node_parameters p = {.op = OPERATOR_MUL};
    struct eval_node *inner = expr_node(a, expr->percent_of.inner);
    struct eval_node *ratio = inner ? number_node(a, expr->percent_of.ratio) : NULL;
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
    struct eval_node *left = expr_node(a, forecast);
    struct eval_node *right = left ? expr_node(a, expr->reaches.threshold) : NULL;
    return right ? node_get(a, NODE_REACHES, &p, left, right) : NULL;
}

static struct eval_node *add_kind(struct adding *a, const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_NUMBER: return number_node(a, expr->number.value);
    case EXPR_STRING: return refuse(a, "a string as a value", "");
    case EXPR_SELECTOR: return add_selector(a, expr);
    case EXPR_RANGE:
        return a->depth == 1 ? add_bare_range(a, expr)
                             : wrong(a, "a range needs a function around it, such as rate()", "");
    case EXPR_SUBQUERY:
        return a->depth == 1 ? add_bare_range(a, expr)
                             : wrong(a, "a subquery needs a function around it", "");
    case EXPR_CALL: return add_call(a, expr);
    case EXPR_AGGREGATE: return add_aggregate(a, expr);
    case EXPR_BINARY: return add_binary(a, expr);
    case EXPR_UNARY:
        return expr->unary.minus ? add_rename(a, expr_node(a, expr->unary.inner), true)
                                 : expr_node(a, expr->unary.inner);
    case EXPR_PAREN: return expr_node(a, expr->inner);
    case EXPR_PERCENT_OF: return add_percent_of(a, expr);
    case EXPR_REACHES: return add_reaches(a, expr);
    case EXPR_LIST: return wrong(a, "a list is not a value", "");
    }
    return NULL;
}

struct eval_node *expr_node(struct adding *a, const struct expr *expr)
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

/* named: whoever reads it asks for the names of metrics. */
static struct eval_node *add_outside(struct eval *eval, const struct expr *expr,
                                     struct duration every, bool named, struct error *error)
{
    struct adding a = {.eval = eval, .every = every, .error = error, .span = expr->span};
    code_free(eval); /* the plan is another one now */
    struct eval_node *node = expr_node(&a, expr);
    if (node && node_may_drop(node) && (named || node_may_repeat(node))) {
        struct node_parameters p = {0};
        node = node_get(&a, NODE_END, &p, node, NULL);
    }
    if (node) {
        node->outside = true;
    }
    return node;
}

struct eval_node *eval_add(struct eval *eval, const struct expr *expr, struct duration every,
                           struct error *error)
{
    return add_outside(eval, expr, every, true, error);
}

struct eval_node *eval_add_unnamed(struct eval *eval, const struct expr *expr,
                                   struct duration every, struct error *error)
{
    return add_outside(eval, expr, every, false, error);
}
