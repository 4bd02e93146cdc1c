/* The forecast: a line, and how far a new value may lie from it. */
#include <float.h>
#include <math.h>

#include "stdlib/kernel.h"

enum { BETA_STEPS_MAX = 300 };
#define RHO_MAX 0.95

/* Continued fraction of the incomplete beta function, by Lentz's method (Thompson and Barnett
 * 1986). Converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double result = d;
    for (int m = 1; m <= BETA_STEPS_MAX; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double steps[2] = {even, odd};
        double change = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + steps[i] * d;
            c = 1 + steps[i] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            change = c * d;
            result *= change;
        }
        if (fabs(change - 1) < 2 * DBL_EPSILON) {
            break;
        }
    }
    return result;
}

/* lgamma keeps a global sign; this one does not. */
static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* I_x(a, b), the regularised incomplete beta function. */
static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0 || x >= 1) {
        return x <= 0 ? 0 : 1;
    }
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) {
        return front * beta_fraction(a, b, x) / a;
    }
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double kernel_student_cdf(double t, double freedom)
{
    if (isnan(t)) {
        return t;
    }
    if (isinf(t)) {
        return t > 0 ? 1 : 0;
    }
    double square = t * t;
    double tail =
        0.5 * (square < freedom ? 1 - incomplete_beta(0.5, freedom / 2, square / (freedom + square))
                                : incomplete_beta(freedom / 2, 0.5, freedom / (freedom + square)));
    return t > 0 ? 1 - tail : tail;
}

enum { BLOCK = 128 };
/* Into each clone of the kernel, so that all of it has the clone's lanes. */
#define INLINED static inline __attribute__((always_inline))

INLINED bool all_finite(const struct kernel_window *w)
{
    bool ok = true;
    for (size_t i = 0; i < w->count; i++) {
        ok &= isfinite(w->values[i]) != 0;
    }
    return ok;
}

/* Seconds from the window's end of samples [from, from + BLOCK), as many as there are. */
INLINED size_t block_times(const struct kernel_window *w, size_t from, double *ret)
{
    size_t n = w->count - from < BLOCK ? w->count - from : BLOCK;
    if (w->end_ms - w->start_ms <= INT32_MAX) { /* narrow enough for a conversion by lanes */
        for (size_t i = 0; i < n; i++) {
            ret[i] = (double)(int32_t)(w->times_ms[from + i] - w->end_ms) / 1e3;
        }
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        ret[i] = (double)(w->times_ms[from + i] - w->end_ms) / 1e3;
    }
    return n;
}

struct line {
    double mean_x, mean_y, sxx, slope;
};

INLINED void line_means(const struct kernel_window *w, struct line *line)
{
    const double n = (double)w->count;
    double x[BLOCK], y[BLOCK], mean_x = 0, mean_y = 0;
    for (size_t from = 0; from < w->count; from += BLOCK) {
        size_t part = block_times(w, from, x);
        for (size_t i = 0; i < part; i++) {
            x[i] = x[i] / n;
            y[i] = w->values[from + i] / n;
        }
        for (size_t i = 0; i < part; i++) {
            mean_x += x[i];
            mean_y += y[i];
        }
    }
    line->mean_x = mean_x;
    line->mean_y = mean_y;
}

INLINED void line_slope(const struct kernel_window *w, struct line *line)
{
    double x[BLOCK], sxx = 0, sxy = 0;
    for (size_t from = 0; from < w->count; from += BLOCK) {
        size_t part = block_times(w, from, x);
        for (size_t i = 0; i < part; i++) {
            double dx = x[i] - line->mean_x;
            sxx += dx * dx;
            sxy += dx * (w->values[from + i] - line->mean_y);
        }
    }
    line->sxx = sxx;
    line->slope = sxy / sxx;
}

/* Lag-1 autocorrelation of the residuals within [0, RHO_MAX], and their sum of squares. */
INLINED double residuals(const struct kernel_window *w, const struct line *line,
                         double *ret_squares)
{
    double e[BLOCK], squares = 0, products = 0, before = 0;
    for (size_t from = 0; from < w->count; from += BLOCK) {
        size_t part = block_times(w, from, e);
        for (size_t i = 0; i < part; i++) {
            e[i] = (w->values[from + i] - line->mean_y) - line->slope * (e[i] - line->mean_x);
        }
        for (size_t i = 0; i < part; i++) {
            squares += e[i] * e[i];
            products += from + i > 0 ? e[i] * before : 0;
            before = e[i];
        }
    }
    *ret_squares = squares;
    double rho = squares > 0 ? products / squares : 0;
    return rho < 0 ? 0 : rho > RHO_MAX ? RHO_MAX : rho;
}

KERNEL_CLONES bool kernel_forecast(const struct kernel_window *w, struct kernel_forecast *ret)
{
    if (w->count < KERNEL_FORECAST_SAMPLES_MIN || !all_finite(w) ||
        (w->times_ms[w->count - 1] - w->times_ms[0]) * KERNEL_FORECAST_SPAN_PART <
            w->end_ms - w->start_ms) {
        return false;
    }
    struct line line;
    double n = (double)w->count, squares;
    line_means(w, &line);
    line_slope(w, &line);
    double rho = residuals(w, &line, &squares);
    double ahead = w->argument - line.mean_x;
    double variance = squares / (n - 2) * (1 + 1 / n + ahead * ahead / line.sxx);
    *ret = (struct kernel_forecast){.value = line.mean_y + line.slope * ahead,
                                    .scale = sqrt(variance * (1 + rho) / (1 - rho)),
                                    .freedom = n - 2,
                                    .newest = w->values[w->count - 1]};
    return true;
}

double kernel_forecast_chance(const struct kernel_forecast *forecast, double threshold,
                              bool falling)
{
    double over = falling ? threshold - forecast->value : forecast->value - threshold;
    if (!(forecast->scale > 0)) {
        return over >= 0 ? 1 : 0;
    }
    return kernel_student_cdf(over / forecast->scale, forecast->freedom);
}
