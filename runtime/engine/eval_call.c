/* From functions of instants to nodes. */
#include "runtime/engine/eval_add.h"

/* The state below ewma and zscore: of the vector and alpha. */
static struct eval_node *add_average(struct adding *a, const struct expr *call, enum node_kind kind)
{
    struct node_parameters p = {0};
    const struct expr *x = argument_at(call, 0), *alpha = argument_named(call, "alpha");
    alpha = alpha ? alpha : argument_at(call, 1);
    if (!x || !alpha || !expr_constant(alpha, &p.number) || !(p.number > 0 && p.number <= 1)) {
        return wrong(a, call->call.name.text, "() needs alpha: a constant in (0, 1]");
    }
    struct eval_node *inner = add_unique(a, expr_node(a, x));
    return inner ? node_get(a, kind, &p, inner, NULL) : NULL;
}

/* What reads the moments of a zscore: equal x and alpha are one state. */
struct eval_node *add_zscore(struct adding *a, const struct expr *call, enum node_kind kind,
                             struct node_parameters *p)
{
    struct eval_node *moments = add_average(a, call, NODE_MOMENTS);
    return moments ? node_get(a, kind, p, moments, NULL) : NULL;
}

/* ---- values ---- */

/* MATH_KINDS when it is none. */
static enum kernel_math math_of(enum builtin builtin)
{
    switch ((int)builtin) {
#define MATH(name, text, scalars) \
    case BUILTIN_##name: return MATH_##name;
#include "stdlib/math.def"
#undef MATH
    default: return MATH_KINDS;
    }
}

/* hour() is hour(vector(time())). */
static struct eval_node *now_vector(struct adding *a)
{
    struct node_parameters p = {0}, q = {0};
    struct eval_node *now = node_get(a, NODE_TIME, &p, NULL, NULL);
    return now ? node_get(a, NODE_VECTOR, &q, now, NULL) : NULL;
}

/* Positional arguments as nodes; false with the error set. */
static bool add_arguments(struct adding *a, const struct expr *call, size_t from,
                          struct eval_node *ret[EVAL_INPUTS_MAX])
{
    for (size_t i = 0; i < EVAL_INPUTS_MAX; i++) {
        const struct expr *argument = argument_at(call, from + i);
        ret[i] = argument ? expr_node(a, argument) : NULL;
        if (argument && !ret[i]) {
            return false;
        }
    }
    return true;
}

static struct eval_node *add_math(struct adding *a, const struct expr *call, enum kernel_math math)
{
    struct node_parameters p = {.math = math};
    struct eval_node *in[EVAL_INPUTS_MAX];
    if (!add_arguments(a, call, 0, in)) {
        return NULL;
    }
    in[0] = in[0] ? in[0] : now_vector(a);
    return in[0] ? node_make(a, NODE_MATH, &p, in, NULL) : NULL;
}

/* Functions of a histogram: the scalars stand before the buckets. */
static struct eval_node *add_histogram(struct adding *a, const struct expr *call, bool fraction)
{
    static const char *const bucket = "le";
    struct node_parameters p = {.fraction = fraction, .without = true, .name_count = 1};
    struct eval_node *in[EVAL_INPUTS_MAX];
    p.names[0] = store_string(a->eval->store, bucket);
    if (!add_arguments(a, call, 0, in)) {
        return NULL;
    }
    const size_t last = fraction ? 2 : 1;
    if (!in[last]) {
        return wrong(a, call->call.name.text, "() needs its buckets");
    }
    struct eval_node *turned[EVAL_INPUTS_MAX] = {in[last], in[0], fraction ? in[1] : NULL};
    return node_make(a, NODE_HISTOGRAM, &p, turned, NULL);
}

/* The time of a sample stands with the sample: where `@` is, below it. */
static struct eval_node *add_timestamp(struct adding *a, const struct expr *call)
{
    const struct expr *x = strip_parens(argument_at(call, 0));
    struct node_parameters p = {.raw = x && x->kind == EXPR_SELECTOR};
    struct adding at = *a;
    struct eval_sub *sub = NULL;
    if (!x) {
        return wrong(a, "timestamp() needs a vector", "");
    }
    const bool timed = x->kind == EXPR_SELECTOR && has_at(a, x);
    if (timed && !at_begin(a, x, false, &at, &sub)) {
        return NULL;
    }
    struct eval_node *inner = expr_node(&at, x);
    struct eval_node *node = inner ? node_get(&at, NODE_TIMESTAMP, &p, inner, NULL) : NULL;
    return timed ? at_end(a, sub, node, NULL) : node;
}

/* ---- labels ---- */

static const char *string_at(const struct expr *call, size_t index)
{
    const struct expr *argument = strip_parens(argument_at(call, index));
    return argument && argument->kind == EXPR_STRING ? argument->string.value : NULL;
}

static bool label_is_valid(struct adding *a, const char *what, const char *label)
{
    if (label && label[0] && utf8_is_valid(label)) {
        return true;
    }
    error_set(a->error, STATUS_PROTOCOL, "%s: '%.100s' is no name of a label", what,
              label ? label : "");
    return false;
}

static struct eval_node *add_label_replace(struct adding *a, const struct expr *call)
{
    struct store *store = a->eval->store;
    const char *texts[4];
    char reason[200];
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        texts[i] = string_at(call, i + 1);
        if (!texts[i]) {
            return wrong(a, "label_replace() needs a vector and four strings", "");
        }
    }
    if (!label_is_valid(a, "label_replace()", texts[0])) {
        return NULL;
    }
    struct eval_node *inner = expr_node(a, argument_at(call, 0));
    if (!inner) {
        return NULL;
    }
    struct node_parameters p = {.text = {store_string(store, texts[0]),
                                         store_string(store, texts[1]),
                                         store_string(store, texts[2])},
                                .name_count = 1};
    p.names[0] = store_string(store, texts[3]); /* a part of what it is */
    p.regex = regex_new(texts[3], reason, sizeof reason);
    if (!p.regex) {
        error_set(a->error, STATUS_PROTOCOL, "regular expression '%.100s': %s", texts[3], reason);
        return NULL;
    }
    return node_get(a, NODE_LABELS, &p, inner, NULL);
}

static struct eval_node *add_label_join(struct adding *a, const struct expr *call)
{
    struct store *store = a->eval->store;
    struct node_parameters p = {.join = true};
    const char *label = string_at(call, 1), *separator = string_at(call, 2), *source;
    if (!label || !separator) {
        return wrong(a, "label_join() needs a vector, a label and a separator", "");
    }
    if (!label_is_valid(a, "label_join()", label)) {
        return NULL;
    }
    p.text[0] = store_string(store, label);
    p.text[1] = store_string(store, separator);
    for (size_t i = 3; (source = string_at(call, i)) != NULL; i++) {
        if (p.name_count == EVAL_NAMES_MAX) {
            error_set(a->error, STATUS_LIMIT, "more than %d labels in label_join()",
                      EVAL_NAMES_MAX);
            return NULL;
        }
        if (!label_is_valid(a, "label_join()", source)) {
            return NULL;
        }
        p.names[p.name_count++] = store_string(store, source);
    }
    struct eval_node *inner = expr_node(a, argument_at(call, 0));
    return inner ? node_get(a, NODE_LABELS, &p, inner, NULL) : NULL;
}

/* ---- all of them ---- */

/* absent(x), absent_over_time(x[d]): in: x, or whether it was there. */
static struct eval_node *add_absent(struct adding *a, const struct expr *of, struct eval_node *in)
{
    const struct expr *x = strip_parens(of);
    x = x->kind == EXPR_RANGE ? strip_parens(x->range.inner) : x;
    struct node_parameters p = {.raw = x->kind == EXPR_SELECTOR}; /* its matchers say labels */
    return in ? node_get(a, NODE_ABSENT, &p, in, NULL) : NULL;
}

static struct eval_node *add_unary(struct adding *a, const struct expr *call, enum node_kind kind,
                                   struct node_parameters *p)
{
    const struct expr *x = argument_at(call, 0);
    struct eval_node *inner = x ? expr_node(a, x) : NULL;
    if (!x) {
        return wrong(a, call->call.name.text, "() needs an argument");
    }
    return inner ? node_get(a, kind, p, inner, NULL) : NULL;
}

enum builtin call_builtin(const struct expr *expr)
{
    return expr->call.name.text ? builtin_find(expr->call.name.text) : BUILTIN_NONE;
}

#define PI 3.14159265358979323846

static struct eval_node *add_other(struct adding *a, const struct expr *expr, enum builtin builtin)
{
    struct node_parameters p = {0};
    const struct expr *x = argument_at(expr, 0);
    switch ((int)builtin) {
    case BUILTIN_TIME: return node_get(a, NODE_TIME, &p, NULL, NULL);
    case BUILTIN_PI: return number_node(a, PI);
    case BUILTIN_EWMA: return add_average(a, expr, NODE_EWMA);
    case BUILTIN_ZSCORE: return add_zscore(a, expr, NODE_ZSCORE, &p);
    case BUILTIN_FORECAST: return add_forecast(a, expr);
    case BUILTIN_ABSENT:
        return x ? add_absent(a, x, expr_node(a, x)) : wrong(a, "absent() needs a vector", "");
    case BUILTIN_ABSENT_OVER_TIME:
        return x ? add_absent(a, x, add_window(a, expr, WINDOW_PRESENT_OVER_TIME))
                 : wrong(a, "absent_over_time() needs a range", "");
    case BUILTIN_SCALAR: return add_unary(a, expr, NODE_SCALAR, &p);
    case BUILTIN_VECTOR: return add_unary(a, expr, NODE_VECTOR, &p);
    case BUILTIN_TIMESTAMP: return add_timestamp(a, expr);
    case BUILTIN_SORT_DESC: p.descending = true; return add_unary(a, expr, NODE_SORT, &p);
    case BUILTIN_SORT: return add_unary(a, expr, NODE_SORT, &p);
    case BUILTIN_LABEL_REPLACE: return add_label_replace(a, expr);
    case BUILTIN_LABEL_JOIN: return add_label_join(a, expr);
    case BUILTIN_HISTOGRAM_QUANTILE: return add_histogram(a, expr, false);
    case BUILTIN_HISTOGRAM_FRACTION: return add_histogram(a, expr, true);
    default: return refuse(a, expr->call.name.text, "()");
    }
}

struct eval_node *add_call(struct adding *a, const struct expr *expr)
{
    const enum builtin builtin = call_builtin(expr);
    if (expr->call.expansion) {
        return expr_node(a, expr->call.expansion);
    }
    if (builtin == BUILTIN_NONE) {
        return wrong(a, "no such function: ", expr->call.name.text);
    }
    if (!builtin_infos[builtin].ready) {
        return refuse(a, expr->call.name.text, "()");
    }
    const enum kernel_window_kind window = window_of(builtin);
    if (window != WINDOW_KINDS) {
        return add_window(a, expr, window);
    }
    const enum kernel_math math = math_of(builtin);
    return math != MATH_KINDS ? add_math(a, expr, math) : add_other(a, expr, builtin);
}
