/* histogram_quantile() and histogram_fraction() of classic buckets, as Prometheus' documentation
 * tells them: counts are cumulative, observations lie evenly in their bucket. */
#include <math.h>
#include <stdlib.h>

#include "tests/oracle/evaluate_part.h"

#define SAME 1e-12 /* two counts as near as this, as a part of them, are one */

struct bucket {
    double bound;
    struct number count;
};
struct buckets {
    struct bucket *items;
    size_t count;
};

static int by_bound(const void *a, const void *b)
{
    const struct bucket *x = a, *y = b;
    return x->bound < y->bound ? -1 : x->bound > y->bound;
}

/* One histogram: all labels but le, and the name, which goes at the end. */
static struct oracle_item histogram_of(const struct oracle_item *item)
{
    const struct name_list le = {.name.text = "le"};
    return (struct oracle_item){
        .name = item->name, .drop = true, .labels = oracle_project(&item->labels, &le, false)};
}

static bool bound_of(const struct oracle_item *item, double *ret)
{
    const char *text = oracle_labels_get(&item->labels, "le");
    char *end = NULL;
    *ret = strtod(text, &end);
    return text[0] != '\0' && *end == '\0' && !isnan(*ret);
}

/* Those that are present, by bound; those of one bound together. */
static void buckets_read(const struct oracle_vector *from, struct oracle_item *histogram,
                         struct buckets *ret)
{
    size_t kept = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct oracle_item *item = &from->items[i], of = histogram_of(item);
        double bound;
        if (!oracle_same_name(of.name, histogram->name) ||
            !oracle_labels_equal(&of.labels, &histogram->labels)) {
            continue;
        }
        const bool counts = bound_of(item, &bound);
        histogram->doubtful |= item->doubtful || (item->unknown && !counts); /* is it left out? */
        histogram->unknown |= item->unknown;
        if (item->present && counts) {
            ret->items[ret->count++] = (struct bucket){bound, item->number};
        }
    }
    qsort(ret->items, ret->count, sizeof *ret->items, by_bound);
    for (size_t i = 0; i < ret->count; i++) {
        if (kept > 0 && ret->items[kept - 1].bound == ret->items[i].bound) {
            struct number *into = &ret->items[kept - 1].count;
            *into = number_arithmetic(OPERATOR_ADD, *into, ret->items[i].count);
        } else {
            ret->items[kept++] = ret->items[i];
        }
    }
    ret->count = kept;
}

/* The counts are numbers that add up, and of a size that their products do not leave. */
static bool ordinary(const struct buckets *b, long double *ret_slack)
{
    bool ordinary = true;
    *ret_slack = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct number count = b->items[i].count;
        ordinary &= isfinite(count.value) && fabs(count.value) < 1e150 &&
                    (count.value == 0 || fabs(count.value) > 1e-150) &&
                    isfinite((double)count.slack);
        *ret_slack = fmaxl(*ret_slack, count.slack);
    }
    return ordinary;
}

/* No bucket has less than the one before it; nor is a tiny bit more more. */
static bool make_monotonic(struct buckets *b, long double slack)
{
    bool sure = true;
    for (size_t i = 1; i < b->count; i++) {
        const long double before = b->items[i - 1].count.value, count = b->items[i].count.value;
        const long double more = count - before, size = fabsl(count) + fabsl(before);
        const bool one = count < before || more < SAME * size;
        sure &= more == 0 || fabsl(more - SAME * size) > 1e-15L * size + slack;
        sure &= slack == 0 || fabsl(more) > 4 * slack;
        b->items[i].count.value = one ? (double)before : (double)count;
    }
    return sure;
}

static struct number quantile(struct buckets *b, struct number q)
{
    const size_t n = b->count;
    long double slack;
    if (isnan(q.value) || q.value < 0 || q.value > 1) {
        return number_exact(isnan(q.value) ? NAN : q.value < 0 ? -INFINITY : INFINITY);
    }
    if (n < 2 || b->items[n - 1].bound != INFINITY) {
        return number_exact(NAN);
    }
    if (!ordinary(b, &slack) || !number_is_exact(q) || !make_monotonic(b, slack)) {
        return number_any();
    }
    const double all = b->items[n - 1].count.value, rank = q.value * all;
    size_t at = 0;
    if (fabs(all) <= slack || all == 0) {
        return slack > 0 ? number_any() : number_exact(NAN);
    }
    for (size_t i = 0; i < n; i++) { /* which bucket it falls into must be sure */
        const long double apart = fabsl((long double)b->items[i].count.value - rank);
        if (slack > 0 && apart <= 4 * slack + 1e-14L * fabs(all)) {
            return number_any();
        }
    }
    while (at < n - 1 && !(b->items[at].count.value >= rank)) {
        at++;
    }
    if (at == n - 1) {
        return number_exact(b->items[n - 2].bound);
    }
    if (at == 0 && b->items[0].bound <= 0) {
        return number_exact(b->items[0].bound);
    }
    const long double start = at > 0 ? b->items[at - 1].bound : 0;
    const long double before = at > 0 ? b->items[at - 1].count.value : 0;
    const long double in = b->items[at].count.value - before;
    const long double width = b->items[at].bound - start;
    const long double result = start + width * (rank - before) / in;
    return in == 0
               ? number_any()
               : number_near(result, fabsl(width) * 8 * (slack + 1e-16L * fabs(all)) / fabsl(in) +
                                         1e-15L * (fabsl(start) + fabsl(width)));
}

/* How many observations are at or below v. */
static long double rank_of(const struct buckets *b, double v, bool *ret_sure)
{
    long double before = 0;
    for (size_t i = 0; i < b->count; i++) {
        const double bound = b->items[i].bound;
        const double start = i > 0 ? b->items[i - 1].bound : bound > 0 ? 0 : -INFINITY;
        if (start >= v) {
            return before;
        }
        if (bound > v) {
            const long double in = b->items[i].count.value - before;
            *ret_sure &= isfinite(start);
            return isfinite(bound)
                       ? before + in * ((long double)v - start) / ((long double)bound - start)
                       : before;
        }
        before = b->items[i].count.value;
    }
    return before;
}

static struct number fraction(const struct buckets *b, struct number low, struct number high)
{
    const size_t n = b->count;
    long double slack, size = 0;
    bool sure = number_is_exact(low) && number_is_exact(high);
    if (n == 0 || b->items[n - 1].bound != INFINITY) {
        return number_exact(NAN);
    }
    if (!ordinary(b, &slack)) {
        return number_any();
    }
    const long double all = b->items[n - 1].count.value;
    if (fabsl(all) <= slack || all == 0 || isnan(low.value) || isnan(high.value)) {
        return slack > 0 || !sure ? number_any() : number_exact(NAN);
    }
    if (low.value >= high.value) {
        return sure ? number_exact(0) : number_any();
    }
    for (size_t i = 0; i < n; i++) {
        size = fmaxl(size, fabsl((long double)b->items[i].count.value));
    }
    const long double from = fminl(rank_of(b, low.value, &sure), all);
    const long double to = fminl(rank_of(b, high.value, &sure), all);
    const long double near = 8 * slack + 4e-15L * size;
    return sure && fabsl(all) > 2 * near
               ? number_near((to - from) / all, 4 * near * (1 + size / fabsl(all)) / fabsl(all))
               : number_any();
}

bool oracle_histogram(struct oracle *oracle, const struct expr *call, struct when when,
                      struct oracle_vector *ret)
{
    const bool fractions = oracle_is_call(call, "histogram_fraction");
    const struct oracle_item *a = oracle_scalar(oracle, oracle_argument(call, 0), when, ret);
    const struct oracle_item *b =
        fractions ? oracle_scalar(oracle, oracle_argument(call, 1), when, ret) : a;
    const struct oracle_vector *from =
        oracle_eval(oracle, oracle_argument(call, fractions ? 2 : 1), when);
    if (!a || !b || !from) {
        return false;
    }
    oracle_inherit(ret, from);
    for (size_t i = 0; i < from->count; i++) {
        const struct oracle_item of = histogram_of(&from->items[i]);
        if (!oracle_find(ret, &of)) {
            oracle_put(ret, &of);
        }
    }
    struct buckets buckets = {.items = heap_alloc((from->count + 1) * sizeof *buckets.items)};
    for (size_t i = 0; i < ret->count; i++) {
        struct oracle_item *item = &ret->items[i];
        item->unknown = a->unknown || b->unknown;
        item->doubtful = a->doubtful || b->doubtful;
        buckets.count = 0;
        buckets_read(from, item, &buckets);
        item->present = buckets.count > 0;
        item->number =
            fractions ? fraction(&buckets, a->number, b->number) : quantile(&buckets, a->number);
    }
    free(buckets.items);
    return true;
}
