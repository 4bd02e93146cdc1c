#include <float.h>
#include <math.h>

#include "stdlib/window.h"
#include "tests/engine/tree.h"
#include "tests/oracle/generate_part.h"

enum { DEPTH_MAX = 5 };
const char *const generate_metrics[GENERATE_METRICS] = {"x", "y", "z", "sparse"};

uint64_t roll(struct dice *dice)
{
    uint64_t x = dice->state += 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

unsigned below(struct dice *dice, unsigned count)
{
    return (unsigned)(roll(dice) % count);
}

bool one_in(struct dice *dice, unsigned count)
{
    return below(dice, count) == 0;
}

/* ---- samples ---- */

double generate_odd(struct dice *dice)
{
    static const double odd[] = {NAN,     INFINITY, -INFINITY, 0.0,      -0.0,   5e-324,
                                 -5e-324, DBL_MIN,  DBL_MAX,   -DBL_MAX, 1e-310, 1,
                                 -1,      1e300,    -1e-300,   2.5e-308, 0.1,    3};
    return odd[below(dice, (unsigned)ARRAY_LEN(odd))];
}

double generate_sample(struct dice *dice)
{
    switch (below(dice, 8)) {
    case 0: return generate_odd(dice);
    case 1: return (double)below(dice, 4);
    case 2: {
        uint64_t bits = roll(dice);
        double value;
        memcpy(&value, &bits, sizeof value);
        return isnan(value) ? 7 : value;
    }
    default: return 100 + (double)below(dice, 1000) / 64;
    }
}

/* ---- expressions ---- */

static struct expr *vector(struct arena *arena, struct dice *dice, int depth);

/* Mostly one series, or none. */
static struct expr *one_of(struct arena *arena, struct dice *dice)
{
    struct expr *x = tree_select(arena, one_in(dice, 2) ? "quota" : "x");
    return one_in(dice, 2) ? tree_sum(arena, AGGREGATE_MAX, NULL, x)
           : one_in(dice, 2)
               ? tree_matching(arena, x, "pod", MATCH_EQ, one_in(dice, 2) ? "pod-2" : "pod-4")
               : x;
}

struct expr *generate_scalar(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"+", "-", "*", "/", "%"};
    if (depth > 0 && one_in(dice, 4)) {
        return tree_binary(arena, generate_scalar(arena, dice, depth - 1),
                           operators[below(dice, ARRAY_LEN(operators))],
                           generate_scalar(arena, dice, depth - 1));
    }
    if (one_in(dice, 5)) {
        return tree_call(arena, one_in(dice, 8) ? "pi" : "time", NULL);
    }
    if (one_in(dice, 8)) {
        return tree_call(arena, "scalar", one_of(arena, dice));
    }
    return tree_number(arena, one_in(dice, 4) ? generate_odd(dice) : generate_sample(dice));
}

static struct expr *averaged(struct arena *arena, struct dice *dice, int depth, const char *name)
{
    static const double alphas[] = {0.05, 0.3, 1, 0.5, 1e-9};
    struct expr *call = tree_call(arena, name, vector(arena, dice, depth));
    return tree_argument(arena, call, "alpha",
                         tree_number(arena, alphas[below(dice, ARRAY_LEN(alphas))]));
}

/* One of a few z-scores, so that many read the same. */
static struct expr *common_score(struct arena *arena, struct dice *dice)
{
    struct expr *x = tree_select(arena, generate_metrics[below(dice, 2)]);
    if (one_in(dice, 3)) {
        x = tree_binary(arena, x, "*", tree_select(arena, "z"));
    }
    return tree_zscore(arena, x, 0.3);
}

static struct expr *compared(struct arena *arena, struct dice *dice, struct expr *left,
                             struct expr *right)
{
    static const char *const operators[] = {"==", "!=", "<=", "<", ">=", ">"};
    struct expr *expr =
        tree_binary(arena, left, operators[below(dice, ARRAY_LEN(operators))], right);
    expr->binary.matching.return_bool = one_in(dice, 3);
    return expr;
}

static struct expr *percent(struct arena *arena, struct dice *dice, int depth)
{
    struct expr *expr = tree_new(arena, EXPR_PERCENT_OF);
    expr->percent_of.inner = vector(arena, dice, depth);
    const unsigned share = below(dice, 200);
    expr->percent_of.ratio = (double)share / 100;
    expr->percent_of.text = arena_printf(arena, "%u%%", share);
    return expr;
}

static struct expr *negated(struct arena *arena, struct expr *inner)
{
    struct expr *expr = tree_new(arena, EXPR_UNARY);
    expr->unary.minus = true;
    expr->unary.inner = inner;
    return expr;
}

/* Many pods on one node: the right side has fewer slots, each wanted several times. */
static struct expr *many_to_one(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"+", "-", "*", "/", ">", "<="};
    struct expr *expr = tree_on(arena,
                                tree_binary(arena, vector(arena, dice, depth),
                                            operators[below(dice, ARRAY_LEN(operators))],
                                            tree_select(arena, "node")),
                                true, "node");
    expr->binary.matching.group = GROUP_LEFT;
    return expr;
}

/* Several series of one pod: which of them is meant says who is there. */
static struct expr *moved(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"+", "/", ">", "and", "unless"};
    return tree_on(arena,
                   tree_binary(arena, vector(arena, dice, depth),
                               operators[below(dice, ARRAY_LEN(operators))],
                               tree_select(arena, "moved")),
                   true, "pod");
}

/* By one label, which is enough to tell pods apart. */
static struct expr *by_pod(struct arena *arena, struct dice *dice, struct expr *binary)
{
    return one_in(dice, 4)   ? tree_on(arena, binary, true, "pod")
           : one_in(dice, 4) ? tree_on(arena, binary, false, "node")
                             : binary;
}

static struct expr *arithmetic(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"+", "-", "*", "/", "+", "-", "*", "/", "%", "^"};
    const char *operator= operators[below(dice, ARRAY_LEN(operators))];
    switch (below(dice, 3)) {
    case 0:
        return tree_binary(arena, vector(arena, dice, depth), operator,
                           generate_scalar(arena, dice, 2));
    case 1:
        return tree_binary(arena, generate_scalar(arena, dice, 2), operator,
                           vector(arena, dice, depth));
    default:
        return by_pod(
            arena, dice,
            tree_binary(arena, vector(arena, dice, depth), operator, vector(arena, dice, depth)));
    }
}

static struct expr *comparison(struct arena *arena, struct dice *dice, int depth)
{
    struct expr *a = vector(arena, dice, depth);
    switch (below(dice, 4)) {
    case 0: return compared(arena, dice, generate_scalar(arena, dice, 1), a);
    case 1: return compared(arena, dice, a, vector(arena, dice, depth));
    default: return compared(arena, dice, a, generate_scalar(arena, dice, 1));
    }
}

static double score_bound(struct dice *dice)
{
    static const double bounds[] = {3, 0, -2, 0.5, -0.0, INFINITY, -INFINITY, 1e200, NAN, 1e-160};
    return one_in(dice, 2) ? bounds[below(dice, ARRAY_LEN(bounds))]
                           : (double)below(dice, 400) / 100 - 2;
}

static struct expr *score_comparison(struct arena *arena, struct dice *dice, struct expr *z)
{
    struct expr *k = tree_number(arena, score_bound(dice));
    return one_in(dice, 4) ? compared(arena, dice, k, z) : compared(arena, dice, z, k);
}

/* Comparisons that are filters and point one way, as thresholds do. */
static struct expr *threshold(struct arena *arena, struct dice *dice)
{
    static const char *const operators[] = {">", ">", ">", ">=", "<", "<="};
    return tree_binary(arena, common_score(arena, dice),
                       operators[below(dice, ARRAY_LEN(operators))],
                       tree_number(arena, score_bound(dice)));
}

/* A function over samples of series, or of a signal as it is sampled. */
static struct expr *windowed(struct arena *arena, struct dice *dice, int depth)
{
    const struct kernel_window_info *info = &kernel_window_infos[below(dice, WINDOW_KINDS)];
    struct expr *inner = one_in(dice, 3)
                             ? tree_signal(arena, "sampled", vector(arena, dice, depth))
                             : tree_select(arena, generate_metrics[below(dice, GENERATE_METRICS)]);
    struct expr *call =
        tree_call(arena, info->text, tree_range(arena, inner, 15 + below(dice, 9) * 10));
    if (one_in(dice, 6)) {
        tree_offset(arena, inner, below(dice, 40));
    }
    return info->argument ? tree_argument(arena, call, NULL, generate_scalar(arena, dice, 1))
                          : call;
}

static struct expr *vector(struct arena *arena, struct dice *dice, int depth)
{
    if (depth <= 0) {
        return tree_select(arena, generate_metrics[one_in(dice, 16) ? 3 : below(dice, 3)]);
    }
    depth -= 1 + (int)below(dice, 2);
    switch (below(dice, 25)) {
    case 24: /* what has no code, between what has */
        return one_in(dice, 2)   ? generate_math(arena, dice, vector(arena, dice, depth))
               : one_in(dice, 2) ? generate_subquery(arena, dice, depth, vector)
                                 : generate_other(arena, dice, depth, vector);
    case 20:
    case 21:
    case 22: return windowed(arena, dice, depth);
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: return arithmetic(arena, dice, depth);
    case 5:
    case 6:
    case 7: return comparison(arena, dice, depth);
    case 8:
    case 9: return averaged(arena, dice, depth, "ewma");
    case 10: return averaged(arena, dice, depth, "zscore");
    case 11: return score_comparison(arena, dice, averaged(arena, dice, depth, "zscore"));
    case 12: return score_comparison(arena, dice, common_score(arena, dice));
    case 17:
    case 18: return threshold(arena, dice);
    case 13: return percent(arena, dice, depth);
    case 15:
        return by_pod(
            arena, dice,
            tree_binary(arena, vector(arena, dice, depth), "and", vector(arena, dice, depth)));
    case 16:
        return by_pod(
            arena, dice,
            tree_binary(arena, vector(arena, dice, depth), "unless", vector(arena, dice, depth)));
    case 19: return many_to_one(arena, dice, depth);
    case 23: return moved(arena, dice, depth);
    case 14: return negated(arena, vector(arena, dice, depth));
    default: return tree_signal(arena, "s", vector(arena, dice, depth));
    }
}

enum taste generate_taste(struct dice *dice)
{
    return one_in(dice, 12) ? TASTE_ONE_SCORE : one_in(dice, 6) ? TASTE_SCORES : TASTE_ALL;
}

/* Now and then something on top that only the reference evaluator can. */
struct expr *generate_expression(struct arena *arena, struct dice *dice, enum taste taste)
{
    if (taste == TASTE_ONE_SCORE) { /* more thresholds than one kernel takes */
        struct expr *z = tree_zscore(arena, tree_select(arena, "x"), 0.05);
        return score_comparison(arena, dice, z);
    }
    if (taste == TASTE_SCORES && !one_in(dice, 4)) {
        return one_in(dice, 6) ? common_score(arena, dice) : threshold(arena, dice);
    }
    struct expr *expr = vector(arena, dice, 1 + (int)below(dice, DEPTH_MAX));
    switch (below(dice, 12)) {
    case 0: return tree_sum(arena, AGGREGATE_SUM, one_in(dice, 2) ? "pod" : NULL, expr);
    case 1: return tree_binary(arena, expr, "or", vector(arena, dice, 2));
    case 2:
        return tree_call(arena, "avg_over_time",
                         tree_range(arena, tree_signal(arena, "sampled", expr), 60));
    default: return expr;
    }
}

/* ---- of everything ---- */

struct name_list *generate_labels(struct arena *arena, struct dice *dice)
{
    static const char *const labels[] = {"pod", "zone", "v", "__name__", "nothing"};
    struct name_list *list = NULL;
    for (unsigned i = below(dice, 3); i > 0; i--) {
        list = tree_names(arena, labels[below(dice, one_in(dice, 4) ? 5 : 3)], list);
    }
    return list;
}

struct expr *generate_series(struct arena *arena, struct dice *dice)
{
    static const char *const others[] = {"info", "limit", "quota", "bucket"};
    struct expr *x =
        tree_select(arena, one_in(dice, 4) ? others[below(dice, 4)]
                                           : generate_metrics[below(dice, GENERATE_METRICS)]);
    switch (below(dice, 12)) {
    case 0: tree_matching(arena, x, "pod", MATCH_RE, "pod-[0-3]|pod-7"); break;
    case 1: tree_matching(arena, x, "pod", MATCH_NRE, "pod-.*[12]"); break;
    case 2: tree_matching(arena, x, "pod", MATCH_NE, "pod-1"); break;
    case 3: tree_matching(arena, x, "zone", MATCH_EQ, "a"); break;
    case 4: tree_matching(arena, x, "nothing", MATCH_EQ, one_in(dice, 2) ? "" : "it"); break;
    case 5:
        x->selector.name.text = NULL;
        tree_matching(arena, x, "__name__", MATCH_RE, "x|limit|y");
        break;
    default: break;
    }
    if (one_in(dice, 6)) {
        tree_offset(arena, x, below(dice, 90));
    }
    return x;
}

static struct expr *matched(struct arena *arena, struct dice *dice, struct expr *binary)
{
    struct matching *matching = &binary->binary.matching;
    matching->present = true;
    matching->on = one_in(dice, 2);
    matching->labels = generate_labels(arena, dice);
    return binary;
}

static struct expr *grouped_join(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"*", "-", "/", ">", "<=", "!=", "=="};
    const char *operator= operators[below(dice, ARRAY_LEN(operators))];
    struct expr *many = generate_any(arena, dice, depth);
    const unsigned kind = below(dice, 4);
    struct expr *one = tree_select(arena, kind == 0   ? "info"
                                          : kind == 1 ? "limit"
                                          : kind == 2 ? "quota"
                                                      : "sparse");
    const bool right = one_in(dice, 3);
    struct expr *expr =
        right ? tree_binary(arena, one, operator, many) : tree_binary(arena, many, operator, one);
    struct matching *matching = &expr->binary.matching;
    tree_on(arena, expr, true, kind == 0 ? "pod" : kind == 1 ? "zone" : kind == 2 ? NULL : "zone");
    matching->group = right ? GROUP_RIGHT : GROUP_LEFT;
    matching->include = one_in(dice, 2) ? tree_names(arena, kind == 0 ? "v" : "zone", NULL) : NULL;
    matching->return_bool =
        operator_infos[expr->binary.op].kind == OPERATOR_COMPARE && one_in(dice, 3);
    return expr;
}

static struct expr *plain_join(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {
        "+", "/", ">", ">=", "==", "!=", "or", "or", "and", "unless", "and"};
    const char *operator= operators[below(dice, ARRAY_LEN(operators))];
    struct expr *left = generate_any(arena, dice, depth);
    struct expr *right = generate_any(arena, dice, depth);
    struct expr *expr = tree_binary(arena, left, operator, right);
    return one_in(dice, 2) ? matched(arena, dice, expr) : expr;
}

/* What a window or a forecast may range over. */
static struct expr *ranged(struct arena *arena, struct dice *dice, int depth)
{
    struct expr *x = generate_series(arena, dice);
    x->has_offset = false;
    return one_in(dice, 2) ? x : tree_signal(arena, "s", generate_any(arena, dice, depth));
}

static struct expr *wide_window(struct arena *arena, struct dice *dice, int depth)
{
    const struct kernel_window_info *info = &kernel_window_infos[below(dice, WINDOW_KINDS)];
    struct expr *range = tree_range(arena, ranged(arena, dice, depth), 15 + below(dice, 9) * 10);
    if (one_in(dice, 4)) {
        tree_offset(arena, range, below(dice, 60));
    }
    struct expr *call = tree_call(arena, info->text, range);
    if (!info->argument) {
        return call;
    }
    struct expr *ahead = generate_scalar(arena, dice, 1);
    if (one_in(dice, 4)) {
        ahead = compared(arena, dice, ahead, generate_scalar(arena, dice, 0));
        ahead->binary.matching.return_bool = true;
    }
    return tree_argument(arena, call, NULL, ahead);
}

static struct expr *forecasted(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const limits[] = {"limit", "quota", "x"};
    struct expr *x =
        one_in(dice, 2) ? ranged(arena, dice, depth) : generate_any(arena, dice, depth);
    struct expr *inner = x;
    while (inner->kind == EXPR_PAREN) {
        inner = inner->inner;
    }
    inner->at_kind = AT_NONE; /* not in this version */
    const double ahead = 10 + below(dice, 60), back = 80 + below(dice, 200);
    struct expr *expr = tree_reaches(arena, x, ahead, back, 0);
    if (one_in(dice, 3)) {
        return expr->reaches.forecast;
    }
    if (one_in(dice, 2)) {
        const char *operator= one_in(dice, 2) ? ">=" : ">";
        expr->reaches.conditions = ARENA_NEW(arena, struct argument);
        expr->reaches.conditions->value =
            tree_binary(arena, tree_select(arena, "chance"), operator, tree_number(arena, 0.3));
    }
    expr->reaches.threshold =
        one_in(dice, 3) ? generate_scalar(arena, dice, 1)
        : one_in(dice, 2)
            ? tree_sum(arena, AGGREGATE_MAX, NULL, tree_select(arena, limits[below(dice, 3)]))
            : generate_any(arena, dice, depth);
    if (expr->reaches.threshold->kind == EXPR_AGGREGATE) {
        expr->reaches.threshold->aggregate.labels = tree_names(arena, "pod", NULL);
        expr->reaches.threshold->aggregate.grouped = true;
    }
    return expr;
}

static struct expr *signal_past(struct arena *arena, struct dice *dice, int depth)
{
    struct expr *signal = tree_signal(arena, "s", generate_any(arena, dice, depth));
    return one_in(dice, 2) ? signal : tree_offset(arena, signal, below(dice, 70));
}

static struct expr *in_parens(struct arena *arena, struct dice *dice, int depth)
{
    struct expr *expr = tree_new(arena, one_in(dice, 2) ? EXPR_PAREN : EXPR_UNARY);
    struct expr *inner = generate_any(arena, dice, depth);
    if (expr->kind == EXPR_PAREN) {
        expr->inner = inner;
    } else {
        expr->unary.inner = inner;
    }
    return expr;
}

struct expr *generate_any(struct arena *arena, struct dice *dice, int depth)
{
    if (depth <= 0) {
        return generate_series(arena, dice);
    }
    depth -= 1 + (int)below(dice, 2);
    switch (below(dice, 29)) {
    case 0:
    case 1:
    case 2: return vector(arena, dice, depth);
    case 20:
    case 21: return generate_math(arena, dice, generate_any(arena, dice, depth));
    case 22:
    case 23: return generate_relabelled(arena, dice, generate_any(arena, dice, depth));
    case 24: return generate_histogram(arena, dice, generate_any(arena, dice, depth));
    case 25:
    case 26: return generate_subquery(arena, dice, depth, generate_any);
    case 27: return generate_timed(arena, dice, depth, generate_any);
    case 28: return generate_other(arena, dice, depth, generate_any);
    case 3: return in_parens(arena, dice, depth);
    case 4:
    case 5: return grouped_join(arena, dice, depth);
    case 6:
    case 7:
    case 8: return plain_join(arena, dice, depth);
    case 9:
    case 10:
    case 11: return generate_aggregate(arena, dice, generate_any(arena, dice, depth));
    case 12:
    case 13: return wide_window(arena, dice, depth);
    case 14: return forecasted(arena, dice, depth);
    case 15: return signal_past(arena, dice, depth);
    case 16: return tree_call(arena, "absent", generate_series(arena, dice));
    case 17: return tree_call(arena, "absent", generate_any(arena, dice, depth));
    case 18: return averaged(arena, dice, depth, one_in(dice, 2) ? "ewma" : "zscore");
    default:
        return tree_argument(
            arena,
            tree_call(arena, one_in(dice, 3) ? "zscore" : "ewma", generate_any(arena, dice, depth)),
            "alpha", tree_number(arena, 0.25));
    }
}
