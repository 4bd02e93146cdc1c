/* From functions over ranges to nodes: windows, subqueries, forecasts, and the modifier @. */
#include <math.h>

#include "runtime/engine/eval_add.h"

#define LOOKBACK_HORIZONS 4.0 /* of a forecast, when no lookback is written */

enum { SUBQUERY_STEP_MS = 60000 }; /* where none is written, as Prometheus has it */
#define REACH_EVER_MS (INT64_MAX / NS_PER_MS / 8)

/* ---- arguments ---- */

const struct expr *argument_at(const struct expr *call, size_t index)
{
    for (const struct argument *arg = call->call.arguments; arg; arg = arg->next) {
        if (!arg->name.text && index-- == 0) {
            return arg->value;
        }
    }
    return NULL;
}

const struct expr *argument_named(const struct expr *call, const char *name)
{
    for (const struct argument *arg = call->call.arguments; arg; arg = arg->next) {
        if (arg->name.text && strcmp(arg->name.text, name) == 0) {
            return arg->value;
        }
    }
    return NULL;
}

enum kernel_window_kind window_of(enum builtin builtin)
{
    switch ((int)builtin) {
#define WINDOW(name, text, state, argument) \
    case BUILTIN_##name: return WINDOW_##name;
#include "stdlib/window.def"
#undef WINDOW
    default: return WINDOW_KINDS;
    }
}

/* ---- @ ---- */

bool has_at(const struct adding *a, const struct expr *expr)
{
    return expr->at_kind == AT_TIME || (expr->at_kind != AT_NONE && a->eval->root->has_bounds);
}

static int64_t at_time(const struct adding *a, const struct expr *expr)
{
    const struct eval *root = a->eval->root;
    switch (expr->at_kind) {
    case AT_START: return root->start_ms;
    case AT_END: return root->end_ms;
    case AT_NONE:
    case AT_TIME: break;
    }
    return (int64_t)llround(expr->at * 1e3);
}

bool at_begin(struct adding *a, const struct expr *expr, bool again, struct adding *ret,
              struct eval_sub **ret_sub)
{
    *ret_sub = sub_get(a->eval, (struct sub_kind){.at_ms = at_time(a, expr), .again = again});
    if (!*ret_sub) {
        error_set(a->error, STATUS_LIMIT, "too many different times behind @");
        return false;
    }
    *ret = *a;
    ret->eval = sub_eval(*ret_sub);
    ret->eval->reach_ms = REACH_EVER_MS;
    ret->eval->gap_ms = a->eval->gap_ms;
    ret->eval->is_at = true;
    ret->at_this_time = true;
    return true;
}

/* What steps before it write must be there when the evaluator below is ticked. */
static void run_early(struct adding *a, const struct eval_node *node)
{
    if (a->eval->write_steps > 0 && a->eval->early <= node->index) {
        a->eval->early = node->index + 1;
    }
}

struct eval_node *at_end(struct adding *a, struct eval_sub *sub, struct eval_node *foreign,
                         struct eval_node *argument)
{
    struct node_parameters p = {.sub_ms = sub_time(sub), .writes = a->eval->root->write_steps};
    if (!foreign) {
        return NULL;
    }
    struct eval_node *node =
        node_make(a, NODE_AT, &p, (struct eval_node *[EVAL_INPUTS_MAX]){argument}, foreign);
    if (node) {
        node->sub = sub;
        run_early(a, node);
    }
    return node;
}

/* ---- windows ---- */

/* The place of the range among the arguments; a function's scalar is at the other one. */
static size_t range_place(const struct expr *call)
{
    const struct expr *first = strip_parens(argument_at(call, 0));
    return first && first->kind != EXPR_RANGE && first->kind != EXPR_SUBQUERY;
}

/* The samples of a subquery: its expression on the grid of its step. */
static struct eval_node *add_grid(struct adding *a, const struct expr *range, int64_t before_ms,
                                  int64_t after_ms)
{
    const int64_t written_ms = range->range.step.ns / NS_PER_MS;
    struct node_parameters p = {.sub_ms = written_ms > 0 ? written_ms : SUBQUERY_STEP_MS,
                                .writes = a->eval->root->write_steps};
    p.every = (struct duration){p.sub_ms * NS_PER_MS};
    p.offset = (struct duration){-after_ms * NS_PER_MS};
    p.range = (struct duration){(before_ms + after_ms + p.sub_ms) * NS_PER_MS};
    if (before_ms / p.sub_ms > SAMPLES_ROWS_MAX) {
        error_set(a->error, STATUS_LIMIT, "a subquery of more than %d steps", SAMPLES_ROWS_MAX);
        return NULL;
    }
    struct eval_sub *sub =
        sub_get(a->eval, (struct sub_kind){.step_ms = p.sub_ms, .after_ms = after_ms});
    if (!sub) {
        error_set(a->error, STATUS_LIMIT, "too many different steps of subqueries");
        return NULL;
    }
    struct adding below = *a;
    below.eval = sub_eval(sub);
    below.at_this_time = false;
    below.lasting = true;
    below.eval->is_at = a->eval->is_at;
    below.eval->gap_ms = p.sub_ms > a->eval->gap_ms ? p.sub_ms : a->eval->gap_ms;
    const int64_t reach_ms = a->eval->reach_ms + before_ms + p.sub_ms;
    below.eval->reach_ms = reach_ms > below.eval->reach_ms ? reach_ms : below.eval->reach_ms;
    struct eval_node *foreign = add_together(&below, expr_node(&below, range->range.inner));
    const int64_t range_ns = p.range.ns;
    struct eval_node *node =
        foreign
            ? node_make(a, NODE_SAMPLED, &p, (struct eval_node *[EVAL_INPUTS_MAX]){NULL}, foreign)
            : NULL;
    if (node) {
        node->sub = sub;
        run_early(a, node);
        node->p.range.ns = node->p.range.ns > range_ns ? node->p.range.ns : range_ns;
        sub_read(sub, node, before_ms);
        remember_below(a->eval, foreign, (struct duration){range_ns});
    }
    return node;
}

/* What is read over a range, its offsets in *ret_offset. */
static struct eval_node *add_range(struct adding *a, const struct expr *range,
                                   const struct expr *inner, struct duration *ret_offset)
{
    const bool subquery = range->kind == EXPR_SUBQUERY;
    int64_t offset_ns = range->has_offset ? range->offset.ns : 0;
    offset_ns += !subquery && inner->has_offset ? inner->offset.ns : 0;
    const struct duration wanted = {range->range.range.ns + NS_PER_MS +
                                    (offset_ns > 0 ? offset_ns : 0)};
    ret_offset->ns = offset_ns;
    if (subquery) {
        const int64_t ahead_ms = offset_ns < 0 ? -offset_ns / NS_PER_MS : 0;
        return add_grid(a, range, wanted.ns / NS_PER_MS, ahead_ms);
    }
    if (inner->kind != EXPR_SELECTOR) {
        return wrong(a, "a range needs a selector or a signal", "");
    }
    return add_source(a, inner, wanted);
}

/* predict_linear() looks ahead from the tick, wherever its samples are. */
static struct eval_node *ahead_of_now(struct adding *a, struct eval_node *argument,
                                      const struct expr *timed, struct duration offset)
{
    struct node_parameters p = {0}, minus = {.op = OPERATOR_SUB}, plus = {.op = OPERATOR_ADD};
    const double offset_s = duration_to_seconds(offset);
    struct eval_node *since;
    if (timed) {
        struct eval_node *now = node_get(a, NODE_TIME, &p, NULL, NULL);
        struct eval_node *then = number_node(a, (double)at_time(a, timed) / 1e3 - offset_s);
        since = now && then ? node_get(a, NODE_BINARY, &minus, now, then) : NULL;
    } else if (offset.ns != 0) {
        since = number_node(a, offset_s);
    } else {
        return argument;
    }
    return since ? node_get(a, NODE_BINARY, &plus, argument, since) : NULL;
}

static struct eval_node *add_argument(struct adding *a, const struct expr *call, size_t place,
                                      const struct expr *timed, const struct node_parameters *p)
{
    const struct expr *other = argument_at(call, place);
    if (!other) {
        return wrong(a, call->call.name.text, "() needs two arguments");
    }
    struct eval_node *argument = expr_node(a, other);
    const bool ahead = argument && p->window == WINDOW_PREDICT_LINEAR;
    return ahead ? ahead_of_now(a, argument, timed, p->offset) : argument;
}

/* call: for the argument of functions that have one, else unused. */
static struct eval_node *window_over(struct adding *a, const struct expr *range,
                                     enum kernel_window_kind window, const struct expr *call)
{
    const bool has_argument = kernel_window_infos[window].argument;
    const struct expr *inner = strip_parens(range->range.inner);
    const bool inner_at = range->kind == EXPR_RANGE && has_at(a, inner);
    const struct expr *timed = has_at(a, range) ? range : inner_at ? inner : NULL;
    struct adding at = *a;
    struct eval_sub *sub = NULL;
    if (timed && !at_begin(a, timed, has_argument, &at, &sub)) {
        return NULL;
    }
    struct node_parameters p = {.window = window, .range = range->range.range};
    p.range.ns += a->eval->store->limits.closed_windows ? NS_PER_MS : 0; /* times are whole ms */
    struct eval_node *source = add_range(&at, range, inner, &p.offset);
    struct eval_node *argument =
        source && has_argument ? add_argument(a, call, !range_place(call), timed, &p) : NULL;
    if (!source || (has_argument && !argument)) {
        return NULL;
    }
    struct eval_node *node = node_get(&at, NODE_WINDOW, &p, source, argument);
    return timed && node ? at_end(a, sub, node, argument) : node;
}

struct eval_node *add_window(struct adding *a, const struct expr *call,
                             enum kernel_window_kind window)
{
    const size_t place = kernel_window_infos[window].argument ? range_place(call) : 0;
    const struct expr *range = strip_parens(argument_at(call, place));
    if (!range || (range->kind != EXPR_RANGE && range->kind != EXPR_SUBQUERY)) {
        return wrong(a, call->call.name.text, "() needs a range such as x[5m]");
    }
    return window_over(a, range, window, call);
}

struct eval_node *add_bare_range(struct adding *a, const struct expr *range)
{
    return window_over(a, range, WINDOW_LAST_OVER_TIME, NULL);
}

/* ---- forecasts ---- */

struct eval_node *add_forecast(struct adding *a, const struct expr *call)
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
    if (x->kind == EXPR_SELECTOR && x->at_kind != AT_NONE) {
        return refuse(a, "the modifier @ in a forecast", "");
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
