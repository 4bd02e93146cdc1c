/* ewma() and zscore() by SPEC.md: a walk over all ticks from the first. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "tests/oracle/evaluate_part.h"

enum { SAMPLES_MIN = 10 }; /* before a score is known */
#define STEP_MIN   1e-140  /* a smaller difference counts as none */
#define SPREAD_MIN 1e-280L /* v is never less */
#define TINY       1e-300L
#define SURE       1e150 /* squares of more, or of less than one over it, are not ordinary */

/* What the samples of one label set have come to. */
struct walk {
    double alpha, mean;
    long double mean_slack, variance, variance_slack;
    size_t samples;
    bool doubtful;
};

static double step_from(const struct walk *w, double x)
{
    const double d = x - w->mean;
    return fabs(d) < STEP_MIN ? 0 : d;
}

/* The mean with one sample more, which is near x; before: the mean until then. */
static void widen(struct walk *w, double before, struct number x)
{
    const long double size =
        fabsl((long double)x.value) + fabsl((long double)w->mean) + fabsl((long double)before);
    const long double slack =
        w->samples > 0 ? (1 - w->alpha) * w->mean_slack + w->alpha * x.slack : x.slack;
    w->mean_slack = slack > 0 ? slack + 4 * DBL_EPSILON * size : 0;
}

/* m becomes m + A (x - m); one that would make it infinite, or is not finite, is left out. */
static void average_sample(struct walk *w, struct number x)
{
    const double next = w->mean + w->alpha * step_from(w, x.value);
    w->doubtful |= number_is_any(x) || (x.slack > 0 && fabs(x.value) > SURE);
    if (isfinite(x.value) && isfinite(next)) {
        const double before = w->mean;
        w->mean = w->samples > 0 ? next : step_from(w, x.value);
        widen(w, before, x);
        w->samples++;
    }
}

/* The same with v, which becomes (1 - A) (v + A d^2). */
static void score_sample(struct walk *w, struct number x)
{
    const long double d = step_from(w, x.value), a = w->alpha;
    const long double spread = w->variance + a * d * d, next = (1 - a) * spread;
    const long double wide = x.slack + w->mean_slack;
    w->doubtful |= number_is_any(x) || (x.slack > 0 && fabs(x.value) > SURE);
    if (!isfinite(x.value) || !(spread <= DBL_MAX)) {
        return;
    }
    const double before = w->mean;
    if (w->samples == 0) {
        w->mean = (double)d;
        w->variance = SPREAD_MIN;
    } else {
        w->mean += w->alpha * (double)d;
        w->variance = fmaxl(next, SPREAD_MIN);
        w->variance_slack = (1 - a) * (w->variance_slack + a * (2 * fabsl(d) + wide) * wide) +
                            8 * DBL_EPSILON * w->variance;
    }
    widen(w, before, x);
    w->samples++;
}

static bool alpha_of(const struct expr *call, double *ret)
{
    const struct expr *alpha = oracle_named(call, "alpha");
    alpha = alpha ? alpha : oracle_argument(call, 1);
    return alpha && oracle_constant(alpha, ret);
}

/* The samples of a label set at all moments before `end`. */
static void walk_until(struct oracle *oracle, const struct expr *x, const struct oracle_item *item,
                       struct when end, void (*sample)(struct walk *, struct number),
                       struct walk *walk)
{
    for (struct when now = {.clock = end.clock}; now.at < end.at; now.at++) {
        const struct oracle_vector *v = oracle_unnamed(oracle, x, now);
        const struct oracle_item *then = oracle_find(v, item);
        walk->doubtful |= v->wild;
        walk->doubtful |= !then && walk->samples > 0; /* is it forgotten? */
        walk->doubtful |= then && then->doubtful;
        if (then && then->present) {
            sample(walk, then->number);
        }
    }
}

bool oracle_average(struct oracle *oracle, const struct expr *call, struct when when,
                    struct oracle_vector *ret)
{
    const struct expr *x = oracle_argument(call, 0);
    const struct oracle_vector *from = oracle_unnamed(oracle, x, when);
    double alpha;
    if (!from || !alpha_of(call, &alpha)) {
        return false;
    }
    for (size_t i = 0; i < from->count; i++) {
        struct oracle_item item = from->items[i];
        struct walk walk = {.alpha = alpha};
        const struct when after = {when.clock, when.at + 1};
        walk_until(oracle, x, &item, after, average_sample, &walk);
        item.name = NULL;
        item.doubtful |= walk.doubtful;
        item.unknown |= item.present && walk.samples == 0;
        item.present &= walk.samples > 0;
        item.number = (struct number){walk.mean, walk.mean_slack};
        oracle_put(ret, &item);
    }
    oracle_settle(ret);
    oracle_inherit(ret, from);
    return true;
}

/* ---- scores ---- */

/* d and v of one item before its newest sample; the item is there when that is known. */
struct score {
    struct oracle_item item;
    struct number x;
    struct walk walk;
    double d;
    long double slack; /* of d */
};

static struct score score_of(struct oracle *oracle, const struct expr *call,
                             const struct oracle_item *item, double alpha, struct when when)
{
    struct score s = {.item = *item, .x = item->number, .walk = {.alpha = alpha}};
    walk_until(oracle, oracle_argument(call, 0), item, when, score_sample, &s.walk);
    s.item.doubtful |= s.walk.doubtful || (item->present && number_is_any(item->number));
    s.item.unknown |= item->present && s.walk.samples < SAMPLES_MIN;
    s.item.present &= s.walk.samples >= SAMPLES_MIN;
    s.d = step_from(&s.walk, s.x.value);
    s.slack = s.x.slack + s.walk.mean_slack;
    s.item.name = NULL;
    return s;
}

static struct number score_value(const struct score *s)
{
    const long double root = sqrtl(s->walk.variance);
    const long double z = s->d / root;
    if (!isfinite(s->d)) {
        return number_exact(s->d);
    }
    return number_near(z, s->slack / root +
                              fabsl(z) * (s->walk.variance_slack / s->walk.variance + 1e-14L));
}

bool oracle_score(struct oracle *oracle, const struct expr *call, struct when when,
                  struct oracle_vector *ret)
{
    const struct oracle_vector *from = oracle_unnamed(oracle, oracle_argument(call, 0), when);
    double alpha;
    if (!from || !alpha_of(call, &alpha)) {
        return false;
    }
    for (size_t i = 0; i < from->count; i++) {
        struct score score = score_of(oracle, call, &from->items[i], alpha, when);
        score.item.number = score_value(&score);
        oracle_put(ret, &score.item);
    }
    oracle_settle(ret);
    oracle_inherit(ret, from);
    return true;
}

static bool holds(enum operator op, long double a, long double b)
{
    switch ((int)op) {
    case OPERATOR_EQ: return a == b;
    case OPERATOR_NE: return a != b;
    case OPERATOR_LT: return a < b;
    case OPERATOR_LE: return a <= b;
    case OPERATOR_GT: return a > b;
    default: CHECK(op == OPERATOR_GE); return a >= b;
    }
}

/* Squares that over- or underflow in a double. */
static bool ordinary(double k)
{
    return k == 0 || (fabs(k) < SURE && fabs(k) > 1 / SURE);
}

/* By definition d |d| op k |k| v. Of a score that is NaN or infinite nothing is known; a k that is
 * so is compared as anything else is, and left to others here. */
static struct oracle_item score_truth(const struct score *s, enum operator op, double k,
                                      bool return_bool)
{
    struct oracle_item item = s->item;
    const long double left = (long double)s->d * fabsl((long double)s->d);
    const long double right = (long double)k * fabsl((long double)k) * s->walk.variance;
    const long double slack = (2 * fabsl((long double)s->d) + s->slack) * s->slack +
                              fabsl((long double)k * k) * s->walk.variance_slack +
                              1e-15L * (fabsl(left) + fabsl(right));
    item.number = return_bool ? number_exact(holds(op, left, right)) : score_value(s);
    if (!item.present) {
        return item;
    }
    item.unknown |= !isfinite(s->d);
    item.present = return_bool ? isfinite(s->d) : holds(op, left, right);
    item.doubtful |= (isfinite(s->d) && !ordinary(s->d)) || !ordinary(k);
    item.doubtful |= slack > 0 && !(fabsl(left - right) > slack);
    item.doubtful |= right != 0 && fabsl(right) < TINY; /* it may be nothing in a double */
    return item;
}

bool oracle_score_compare(struct oracle *oracle, const struct expr *call, enum operator op,
                          double k, bool return_bool, struct when when, struct oracle_vector *ret)
{
    const struct oracle_vector *from = oracle_unnamed(oracle, oracle_argument(call, 0), when);
    double alpha;
    if (!from || !alpha_of(call, &alpha)) {
        return false;
    }
    struct oracle_vector known = {0}; /* before the comparison: two of the same labels are none */
    for (size_t i = 0; i < from->count; i++) {
        const struct score score = score_of(oracle, call, &from->items[i], alpha, when);
        oracle_put(&known, &score.item);
    }
    oracle_settle(&known);
    for (size_t i = 0; i < from->count; i++) {
        const struct score score = score_of(oracle, call, &from->items[i], alpha, when);
        struct oracle_item item = score_truth(&score, op, k, return_bool);
        item.present &= oracle_find(&known, &item)->present;
        item.unknown |= oracle_find(&known, &item)->unknown;
        oracle_put(ret, &item);
    }
    free(known.items);
    oracle_settle(ret);
    oracle_inherit(ret, from);
    return true;
}
