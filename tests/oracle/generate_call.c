/* Random calls: functions of values, labels, buckets and grids, and what goes between them. */
#include <math.h>

#include "stdlib/math.h"
#include "stdlib/window.h"
#include "tests/engine/tree.h"
#include "tests/oracle/generate_part.h"

double generate_epoch_s = 1700000000;

/* ---- values ---- */

/* Half of them are those that rules have. */
struct expr *generate_math(struct arena *arena, struct dice *dice, struct expr *inner)
{
    enum kernel_math math = one_in(dice, 2) ? (enum kernel_math)below(dice, MATH_SQRT)
                                            : (enum kernel_math)below(dice, MATH_KINDS);
    const struct kernel_math_info *info = &kernel_math_infos[math];
    const bool alone = math >= MATH_MINUTE && one_in(dice, 3);
    struct expr *call = tree_call(arena, info->text, alone ? NULL : inner);
    const int wanted = math == MATH_ROUND && one_in(dice, 2) ? 0 : info->scalars;
    struct expr *bound = generate_scalar(arena, dice, 1);
    for (int i = 0; i < wanted; i++) { /* now and then two of the same */
        tree_argument(arena, call, NULL, bound);
        bound = one_in(dice, 4) ? bound : generate_scalar(arena, dice, 1);
    }
    return call;
}

/* ---- aggregations ---- */

static struct expr *some_share(struct arena *arena, struct dice *dice)
{
    static const double shares[] = {0, 0.5, 0.9, 1, 0.25, -1, 2};
    return one_in(dice, 6) ? generate_scalar(arena, dice, 1)
                           : tree_number(arena, shares[below(dice, ARRAY_LEN(shares))]);
}

static struct expr *some_count(struct arena *arena, struct dice *dice)
{
    return one_in(dice, 6) ? generate_scalar(arena, dice, 1)
                           : tree_number(arena, (double)below(dice, 6));
}

/* Which label sets there are hangs on the values: mostly on such as are certain. */
static struct expr *counted(struct arena *arena, struct dice *dice, struct expr *expr)
{
    static const char *const labels[] = {"value", "v", "pod"};
    expr->aggregate.parameter = tree_string(arena, labels[below(dice, ARRAY_LEN(labels))]);
    if (!one_in(dice, 6)) {
        expr->aggregate.inner = generate_series(arena, dice);
    }
    if (one_in(dice, 3)) {
        expr->aggregate.inner = tree_call(arena, "round", expr->aggregate.inner);
    }
    return expr;
}

struct expr *generate_aggregate(struct arena *arena, struct dice *dice, struct expr *inner)
{
    enum aggregate kind;
    do {
        kind = (enum aggregate)below(dice, AGGREGATE_COUNT_);
    } while (!aggregate_infos[kind].ready);
    struct expr *expr = tree_sum(arena, kind, NULL, inner);
    expr->aggregate.labels = generate_labels(arena, dice);
    expr->aggregate.grouped = expr->aggregate.labels != NULL;
    expr->aggregate.without = expr->aggregate.grouped && one_in(dice, 2);
    switch ((int)kind) {
    case AGGREGATE_TOPK:
    case AGGREGATE_BOTTOMK: expr->aggregate.parameter = some_count(arena, dice); break;
    case AGGREGATE_QUANTILE: expr->aggregate.parameter = some_share(arena, dice); break;
    case AGGREGATE_COUNT_VALUES: return counted(arena, dice, expr);
    default: break;
    }
    return expr;
}

/* ---- labels ---- */

static struct expr *strings(struct arena *arena, struct expr *call, const char *const *texts,
                            size_t count)
{
    for (size_t i = 0; i < count && texts[i]; i++) {
        tree_argument(arena, call, NULL, tree_string(arena, texts[i]));
    }
    return call;
}

/* Expressions of which POSIX and RE2 find the same. */
struct expr *generate_relabelled(struct arena *arena, struct dice *dice, struct expr *inner)
{
    static const char *const replacements[][4] = {
        {"joined", "$1", "pod", "pod-(.*)"},  {"joined", "$1-${2}", "pod", "(.)od-(.)"},
        {"pod", "$1", "pod", "(pod)-[01]"},   {"__name__", "named", "pod", "pod-[0-3]"},
        {"zone", "", "zone", "a|b"},          {"v", "$$x$1", "zone", "(.*)"},
        {"joined", "$1", "__name__", "(.*)"}, {"__name__", "$1", "__name__", "(.).*"},
        {"joined", "is", "nothing", ""},      {"le", "$1", "zone", "(.*)"},
        {"__name__", "", "zone", "a"},        {"zone", "$0$3", "zone", "[ab]"}};
    static const char *const joins[][5] = {{"joined", "-", "pod", "zone"},
                                           {"pod", "", "pod", "zone"},
                                           {"__name__", "_", "__name__", "zone", "nothing"},
                                           {"zone", ","},
                                           {"joined", "/", "__name__", "v"}};
    if (one_in(dice, 3)) {
        return strings(arena, tree_call(arena, "label_join", inner),
                       joins[below(dice, ARRAY_LEN(joins))], 5);
    }
    return strings(arena, tree_call(arena, "label_replace", inner),
                   replacements[below(dice, ARRAY_LEN(replacements))], 4);
}

/* ---- histograms ---- */

static struct expr *some_buckets(struct arena *arena, struct dice *dice)
{
    struct expr *buckets = tree_select(arena, "bucket");
    if (one_in(dice, 3)) {
        buckets = tree_call(arena, one_in(dice, 2) ? "rate" : "increase",
                            tree_range(arena, buckets, 25 + below(dice, 5) * 10));
    }
    if (one_in(dice, 3)) {
        buckets = tree_sum(arena, AGGREGATE_SUM, "le", buckets);
    }
    return buckets;
}

struct expr *generate_histogram(struct arena *arena, struct dice *dice, struct expr *inner)
{
    static const double bounds[] = {0, 0.5, 1, 3, 5, 8, -1, INFINITY, -INFINITY};
    const bool fraction = one_in(dice, 2);
    struct expr *buckets = one_in(dice, 6) ? inner : some_buckets(arena, dice);
    if (!fraction) {
        struct expr *call = tree_call(arena, "histogram_quantile", some_share(arena, dice));
        return tree_argument(arena, call, NULL, buckets);
    }
    struct expr *call = tree_call(arena, "histogram_fraction",
                                  tree_number(arena, bounds[below(dice, ARRAY_LEN(bounds))]));
    tree_argument(arena, call, NULL, tree_number(arena, bounds[below(dice, ARRAY_LEN(bounds))]));
    return tree_argument(arena, call, NULL, buckets);
}

/* ---- grids and times ---- */

/* What it is hangs on when it was evaluated before: of that the grid of a subquery has its own. */
static bool has_memory(const struct expr *expr)
{
    if (!expr) {
        return false;
    }
    switch (expr->kind) {
    case EXPR_BINARY: return has_memory(expr->binary.left) || has_memory(expr->binary.right);
    case EXPR_AGGREGATE:
        return has_memory(expr->aggregate.parameter) || has_memory(expr->aggregate.inner);
    case EXPR_UNARY: return has_memory(expr->unary.inner);
    case EXPR_PAREN: return has_memory(expr->inner);
    case EXPR_PERCENT_OF: return has_memory(expr->percent_of.inner);
    case EXPR_SUBQUERY: return has_memory(expr->range.inner);
    case EXPR_RANGE: return expr->range.inner->selector.signal != NULL;
    case EXPR_SELECTOR:
        return expr->selector.signal &&
               (expr->has_offset || has_memory(expr->selector.signal->expr));
    case EXPR_CALL: {
        const char *name = expr->call.name.text;
        bool any = strcmp(name, "ewma") == 0 || strcmp(name, "zscore") == 0 ||
                   strcmp(name, "forecast") == 0;
        for (const struct argument *a = expr->call.arguments; a; a = a->next) {
            any |= has_memory(a->value);
        }
        return any;
    }
    case EXPR_REACHES: return true;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_LIST: return false;
    }
    return true;
}

static struct expr *without_memory(struct arena *arena, struct dice *dice, int depth,
                                   generate_f *generate)
{
    struct expr *expr;
    do {
        expr = generate(arena, dice, depth);
    } while (has_memory(expr));
    return expr;
}

static double some_time(struct dice *dice)
{
    return generate_epoch_s - 50 + below(dice, GENERATE_AT_S) + (one_in(dice, 4) ? 0.5 : 0);
}

/* A function over a range, with its argument where it has one. */
static struct expr *over(struct arena *arena, struct dice *dice, struct expr *range)
{
    const struct kernel_window_info *info = &kernel_window_infos[below(dice, WINDOW_KINDS)];
    if (one_in(dice, 12)) {
        return tree_call(arena, "absent_over_time", range);
    }
    if (!info->argument) {
        return tree_call(arena, info->text, range);
    }
    if (strncmp(info->text, "quantile", 8) == 0 && one_in(dice, 2)) {
        struct expr *call = tree_call(arena, info->text, some_share(arena, dice));
        return tree_argument(arena, call, NULL, range);
    }
    return tree_argument(arena, tree_call(arena, info->text, range), NULL,
                         generate_scalar(arena, dice, 1));
}

struct expr *generate_subquery(struct arena *arena, struct dice *dice, int depth,
                               generate_f *generate)
{
    static const double steps[] = {5, 10, 15, 20, 30, 0};
    struct expr *inner = without_memory(arena, dice, depth, generate);
    const double step = steps[below(dice, ARRAY_LEN(steps))];
    struct expr *range = tree_subquery(arena, inner, 20 + below(dice, 10) * 10, step);
    if (one_in(dice, 4)) {
        tree_offset(arena, range, (double)below(dice, 60) - 15);
    }
    if (one_in(dice, 6)) {
        tree_at(arena, range, some_time(dice));
    }
    return over(arena, dice, range);
}

/* `@` behind a selector, a signal or a range. */
struct expr *generate_timed(struct arena *arena, struct dice *dice, int depth, generate_f *generate)
{
    struct expr *x = generate_series(arena, dice);
    switch (below(dice, 4)) {
    case 0:
        x = tree_signal(arena, "s", without_memory(arena, dice, depth, generate));
        return tree_at(arena, x, some_time(dice));
    case 1: return tree_at(arena, x, some_time(dice));
    case 2: return tree_call(arena, "timestamp", tree_at(arena, x, some_time(dice)));
    default: {
        struct expr *range = tree_range(arena, x, 15 + below(dice, 9) * 10);
        x->has_offset = false;
        if (one_in(dice, 3)) {
            tree_offset(arena, range, below(dice, 40));
        }
        tree_at(arena, one_in(dice, 3) ? x : range, some_time(dice));
        return over(arena, dice, range);
    }
    }
}

/* ---- between scalars and vectors, and what changes nothing ---- */

struct expr *generate_other(struct arena *arena, struct dice *dice, int depth, generate_f *generate)
{
    switch (below(dice, 6)) {
    case 0: return tree_call(arena, "vector", generate_scalar(arena, dice, 1));
    case 1: return tree_call(arena, "timestamp", generate_series(arena, dice));
    case 2: return tree_call(arena, "timestamp", generate(arena, dice, depth));
    case 3:
        return tree_call(arena, "vector", tree_call(arena, "scalar", generate(arena, dice, depth)));
    case 4:
        return tree_call(arena, one_in(dice, 2) ? "sort" : "sort_desc",
                         generate(arena, dice, depth));
    default: {
        struct expr *x = generate_series(arena, dice);
        x->has_offset = false;
        return tree_call(arena, "absent_over_time", tree_range(arena, x, 15 + below(dice, 9) * 10));
    }
    }
}
