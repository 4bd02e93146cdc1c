/* The forecast and its chance, by SPEC.md: a least-squares line over the window, Student's t around
 * it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"

enum { SAMPLES_MIN = 8, SPAN_PART = 10 };
#define LOOKBACK_HORIZONS 4
#define RHO_MAX           0.95L
#define CHANCE_DEFAULT    0.8
#define EXACT             1e-9L /* residuals of this part of the values are those of rounding */
#define CHANCE_NEAR       1e-7L
#define SURE              1e140L /* squares of more, or of less than one over it, are not ordinary */

struct fit {
    struct oracle_item item; /* of the forecast: its number is the line's value */
    long double error;       /* standard error of a new value at the horizon */
    long double size;        /* of the values, for what is only rounding */
    size_t freedom;
    double newest;
};
struct fits {
    struct fit *items;
    size_t count, capacity;
    bool blind, wild;
};

static bool tells(const struct pasts *pasts, const struct past *past)
{
    bool enough = past->count >= SAMPLES_MIN;
    for (size_t i = 0; i < past->count && enough; i++) {
        enough = isfinite(past->values[i]) != 0;
    }
    return enough && (past->times_ms[past->count - 1] - past->times_ms[0]) * SPAN_PART >=
                         pasts->end_ms - pasts->start_ms;
}

/* s^2 (1 + 1/n + (h - mean)^2 / Sxx) (1 + rho) / (1 - rho), its root. */
static void error_of(const struct pasts *pasts, const struct past *past, double ahead,
                     struct fit *ret)
{
    const long double n = (long double)past->count;
    long double mean_x = 0, mean_y = 0, sxx = 0, sxy = 0, squares = 0, products = 0, before = 0;
    for (size_t i = 0; i < past->count; i++) {
        mean_x += (long double)(past->times_ms[i] - pasts->end_ms) / 1000 / n;
        mean_y += past->values[i] / n;
        ret->size = fmaxl(ret->size, fabsl((long double)past->values[i]));
    }
    for (size_t i = 0; i < past->count; i++) {
        const long double x = (long double)(past->times_ms[i] - pasts->end_ms) / 1000 - mean_x;
        sxx += x * x;
        sxy += x * (past->values[i] - mean_y);
    }
    for (size_t i = 0; i < past->count; i++) {
        const long double x = (long double)(past->times_ms[i] - pasts->end_ms) / 1000 - mean_x;
        const long double residual = past->values[i] - mean_y - sxy / sxx * x;
        squares += residual * residual;
        products += i > 0 ? residual * before : 0;
        before = residual;
    }
    const long double rho = fminl(fmaxl(squares > 0 ? products / squares : 0, 0), RHO_MAX);
    const long double far = ahead - mean_x;
    ret->error = sqrtl(squares / (n - 2) * (1 + 1 / n + far * far / sxx) * (1 + rho) / (1 - rho));
    ret->freedom = past->count - 2;
    ret->newest = past->values[past->count - 1];
}

/* Every series of x that is there at the tick: its forecast, or that it is unknown. */
static struct fit fit_of(const struct pasts *pasts, const struct past *past,
                         const struct oracle_item *now, double ahead)
{
    struct fit fit = {.item = past->item};
    fit.item.name = NULL;
    fit.item.doubtful |= now && now->doubtful;
    if (!now || !now->present) {
        return fit;
    }
    fit.item.present = tells(pasts, past);
    fit.item.unknown |= !fit.item.present;
    if (fit.item.present) {
        past_window(pasts, past, "predict_linear", number_exact(ahead), &fit.item.number);
        error_of(pasts, past, ahead, &fit);
        fit.item.doubtful |= number_is_any(fit.item.number) || fit.size > SURE ||
                             (fit.size > 0 && fit.size < 1 / SURE);
    } else {
        for (size_t i = 0; i < past->count; i++) {
            fit.item.doubtful |= past->slacks[i] == (long double)INFINITY;
        }
    }
    return fit;
}

/* Of several of the same labels at most one is there. */
static void fits_settle(struct fits *fits)
{
    struct oracle_vector together = {0};
    for (size_t i = 0; i < fits->count; i++) {
        oracle_put(&together, &fits->items[i].item);
    }
    oracle_settle(&together);
    for (size_t i = 0; i < fits->count; i++) {
        const struct oracle_item *one = oracle_find(&together, &fits->items[i].item);
        fits->items[i].item.present &= one->present;
        fits->items[i].item.unknown |= one->unknown;
        fits->items[i].item.merged |= one->merged;
    }
    free(together.items);
}

static bool fits_read(struct oracle *oracle, const struct expr *call, struct when when,
                      struct fits *ret)
{
    const struct expr *x = oracle_argument(call, 0), *lookback = oracle_named(call, "lookback");
    const struct oracle_vector *v = oracle_eval(oracle, x, when);
    struct oracle_vector now = {0};
    struct pasts pasts;
    double ahead, back;
    *ret = (struct fits){0};
    if (!v || !oracle_constant(oracle_named(call, "in"), &ahead)) {
        return false;
    }
    back = LOOKBACK_HORIZONS * ahead;
    if (lookback && !oracle_constant(lookback, &back)) {
        return false;
    }
    const bool series = x->kind == EXPR_SELECTOR && !x->selector.signal;
    if (!pasts_read(oracle, x, when, duration_seconds(back).ns / NS_PER_MS,
                    x->has_offset ? x->offset.ns / NS_PER_MS : 0, &pasts)) {
        return false;
    }
    if (!series) {
        oracle_without_names(v, &now);
    }
    for (size_t i = 0; i < pasts.count; i++) {
        ARRAY_RESERVE(ret->items, ret->count, ret->capacity);
        ret->items[ret->count++] = fit_of(
            &pasts, &pasts.items[i], oracle_find(series ? v : &now, &pasts.items[i].item), ahead);
    }
    fits_settle(ret);
    ret->blind = pasts.blind;
    ret->wild = pasts.wild || v->wild;
    free(now.items);
    pasts_release(&pasts);
    return true;
}

bool oracle_forecast(struct oracle *oracle, const struct expr *call, struct when when,
                     struct oracle_vector *ret)
{
    struct fits fits;
    if (!fits_read(oracle, call, when, &fits)) {
        return false;
    }
    for (size_t i = 0; i < fits.count; i++) {
        oracle_put(ret, &fits.items[i].item);
    }
    oracle_settle(ret);
    ret->blind = fits.blind;
    ret->wild = fits.wild;
    free(fits.items);
    return true;
}

/* P(T <= t) of Student's t with whole degrees of freedom (Abramowitz and Stegun 26.7.3, 26.7.4). */
static long double student(long double t, size_t freedom)
{
    const long double angle = atanl(t / sqrtl((long double)freedom)), c = cosl(angle);
    const bool even = freedom % 2 == 0;
    long double term = even ? 1 : c, sum = freedom == 1 ? 0 : term;
    for (size_t k = even ? 2 : 3; k + 2 <= freedom; k += 2) {
        term *= c * c * (long double)(k - 1) / (long double)k;
        sum += term;
    }
    const long double a = even ? sinl(angle) * sum : (angle + sinl(angle) * sum) * 2 / acosl(-1);
    return (1 + a) / 2;
}

/* What `with (chance ...)` says. */
static double chance_bound(const struct expr *expr, bool *ret_above)
{
    double bound = expr->reaches.chance;
    *ret_above = false;
    for (const struct argument *a = expr->reaches.conditions; a; a = a->next) {
        const struct expr *condition = oracle_inner(a->value);
        *ret_above = condition->binary.op == OPERATOR_GT;
        (void)oracle_constant(condition->binary.right, &bound);
    }
    return bound > 0 ? bound : CHANCE_DEFAULT;
}

/* Which way y is crossed: 1 from below, -1 from above, 0 not seen on a side yet. */
static void first_sight(int *side, const struct fit *fit, double y)
{
    if (*side == 0) {
        *side = fit->newest < y ? 1 : fit->newest > y ? -1 : 0;
    }
}

/* The item of a fit and its y at a tick, given the side. */
static struct oracle_item reach(const struct expr *expr, const struct fit *fit,
                                const struct oracle_item *y, int side)
{
    bool above;
    const double bound = chance_bound(expr, &above), level = y->number.value;
    struct oracle_item item = fit->item;
    item.present = fit->item.present && y->present;
    item.unknown |= y->unknown;
    item.doubtful |= y->doubtful;
    item.merged |= y->merged;
    if (!item.present) {
        return item;
    }
    item.doubtful |= !number_is_exact(y->number);
    if (isnan(level)) {
        item.unknown = true;
        item.present = false;
        return item;
    }
    const bool there = side == 0 || (side > 0 ? fit->newest >= level : fit->newest <= level);
    const long double over = side < 0 ? (long double)level - fit->item.number.value
                                      : (long double)fit->item.number.value - level;
    long double chance = over >= 0 ? 1 : 0;
    if (fit->error > EXACT * fit->size) {
        chance = student(over / fit->error, fit->freedom);
    } else { /* without residuals */
        item.doubtful |= !there && fabsl(over) <= 1000 * EXACT * fit->size;
    }
    chance = there ? 1 : chance;
    item.doubtful |= fabsl(chance - bound) < CHANCE_NEAR;
    item.present = above ? chance > bound : chance >= bound;
    return item;
}

/* The threshold of a label set: the scalar, or the item of the same labels. */
static const struct oracle_item *threshold_of(const struct oracle_vector *y,
                                              const struct oracle_item *item, size_t at)
{
    size_t seen = 0;
    for (size_t i = 0; i < y->count; i++) {
        const bool partner = y->scalar || oracle_labels_equal(&y->items[i].labels, &item->labels);
        if (partner && seen++ == at) {
            return &y->items[i];
        }
    }
    return NULL;
}

/* The side on which this label set was first seen. doubtful: a time when that is not certain. */
static int side_of(struct oracle *oracle, const struct expr *expr, struct when when,
                   const struct oracle_item *item, bool *ret_doubtful)
{
    const struct expr *call = oracle_inner(expr->reaches.forecast);
    int side = 0;
    for (struct when now = {.clock = when.clock}; now.at <= when.at && side == 0; now.at++) {
        const struct oracle_vector *y = oracle_eval(oracle, expr->reaches.threshold, now);
        struct fits fits;
        if (!y || !fits_read(oracle, call, now, &fits)) {
            return 0;
        }
        *ret_doubtful |= y->wild || fits.wild;
        for (size_t j = 0; j < fits.count; j++) {
            const struct fit *fit = &fits.items[j];
            const struct oracle_item *level = threshold_of(y, &fit->item, 0);
            if (!level || !oracle_labels_equal(&fit->item.labels, &item->labels)) {
                continue;
            }
            *ret_doubtful |=
                fit->item.doubtful || level->doubtful || !number_is_exact(level->number);
            if (fit->item.present && level->present) {
                first_sight(&side, fit, level->number.value);
            }
        }
        free(fits.items);
    }
    return side;
}

bool oracle_reaches(struct oracle *oracle, const struct expr *expr, struct when when,
                    struct oracle_vector *ret)
{
    const struct oracle_vector *y = oracle_eval(oracle, expr->reaches.threshold, when);
    struct fits fits;
    if (!y || !fits_read(oracle, oracle_inner(expr->reaches.forecast), when, &fits)) {
        return false;
    }
    for (size_t i = 0; i < fits.count; i++) {
        const struct oracle_item *level = threshold_of(y, &fits.items[i].item, 0);
        struct oracle_item item = fits.items[i].item;
        if (!level) {
            continue;
        }
        /* Two series or two thresholds of the same labels: who is meant is not certain. */
        item.merged |= !y->scalar && threshold_of(y, &item, 1) != NULL;
        bool doubtful = item.merged || level->merged;
        const int side = side_of(oracle, expr, when, &item, &doubtful);
        item = reach(expr, &fits.items[i], level, side);
        item.doubtful |= doubtful;
        oracle_put(ret, &item);
    }
    oracle_settle(ret);
    ret->blind = fits.blind || y->blind;
    ret->wild = fits.wild || y->wild;
    free(fits.items);
    return true;
}
