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

static bool all_finite(const struct kernel_window *w)
{
    bool ok = true;
    for (size_t i = 0; i < w->count; i++) {
        ok &= isfinite(w->values[i]) != 0;
    }
    return ok;
}

/* Lag-1 autocorrelation of the residuals within [0, RHO_MAX], and their sum of squares. */
static double residuals(const struct kernel_window *w, double mean_x, double mean_y, double slope,
                        double *ret_squares)
{
    double squares = 0, products = 0, before = 0;
    for (size_t i = 0; i < w->count; i++) {
        double x = (double)(w->times_ms[i] - w->end_ms) / 1e3;
        double e = (w->values[i] - mean_y) - slope * (x - mean_x);
        squares += e * e;
        products += i > 0 ? e * before : 0;
        before = e;
    }
    *ret_squares = squares;
    double rho = squares > 0 ? products / squares : 0;
    return rho < 0 ? 0 : rho > RHO_MAX ? RHO_MAX : rho;
}

bool kernel_forecast(const struct kernel_window *w, struct kernel_forecast *ret)
{
    if (w->count < KERNEL_FORECAST_SAMPLES_MIN || !all_finite(w) ||
        (w->times_ms[w->count - 1] - w->times_ms[0]) * KERNEL_FORECAST_SPAN_PART <
            w->end_ms - w->start_ms) {
        return false;
    }
    double n = (double)w->count, mean_x = 0, mean_y = 0, sxx = 0, sxy = 0, squares;
    for (size_t i = 0; i < w->count; i++) {
        mean_x += (double)(w->times_ms[i] - w->end_ms) / 1e3 / n;
        mean_y += w->values[i] / n;
    }
    for (size_t i = 0; i < w->count; i++) {
        double dx = (double)(w->times_ms[i] - w->end_ms) / 1e3 - mean_x;
        sxx += dx * dx;
        sxy += dx * (w->values[i] - mean_y);
    }
    double slope = sxy / sxx;
    double rho = residuals(w, mean_x, mean_y, slope, &squares);
    double ahead = w->argument - mean_x;
    double variance = squares / (n - 2) * (1 + 1 / n + ahead * ahead / sxx);
    *ret = (struct kernel_forecast){.value = mean_y + slope * ahead,
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
