/* Kernels: loops over plain arrays. No allocation, no state of their own; results are the same on
 * every machine (no contraction, no reordering of sums).
 *
 * Bitmaps have a bit a slot, 64 a word; bits behind n are written as 0. */
#ifndef HEAL_STDLIB_KERNEL_H
#define HEAL_STDLIB_KERNEL_H

#include "lang/base.h"

/* One function, compiled once for every machine and once for those with wide lanes. Same IEEE
 * operations, so same results. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#    define KERNEL_CLONES __attribute__((target_clones("avx2", "default")))
#else
#    define KERNEL_CLONES
#endif

/* ---- sums (Neumaier 1974: error-compensated, any order of magnitude) ---- */

struct kernel_sum {
    double sum, error;
};
void kernel_sum_add(struct kernel_sum *sum, double value);

/* ---- all samples of a window, in time order, gaps left out; see stdlib/window.h for windows a
 * step at a time ---- */

struct kernel_window {
    const int64_t *times_ms;
    const double *values;
    size_t count;
    int64_t start_ms, end_ms; /* the window (start, end] */
    double argument;          /* seconds ahead */
};
/* ---- columns ---- */

/* Presence of an instant selector: newest[i] in (after_ms, now_ms]. Returns true when some newest
 * is later than now_ms: those slots need a look into their ring. until: of each 64, before which
 * now their bits stay the same, as long as no newest changes. */
bool kernel_present(const int64_t *newest_ms, size_t n, int64_t after_ms, int64_t now_ms,
                    uint64_t *ret_present, int64_t *ret_until_ms);

enum kernel_compare { COMPARE_EQ, COMPARE_NE, COMPARE_LE, COMPARE_LT, COMPARE_GE, COMPARE_GT };
/* Bits of x[i] op y[i]; a y_step of 0 compares all with y[0], the same for x_step. nan: bits where
 * a side is NaN or infinite: a share of nothing tells nothing. */
void kernel_compare(enum kernel_compare op, const double *x, size_t x_step, const double *y,
                    size_t y_step, size_t n, uint64_t *ret_true, uint64_t *ret_nan);

enum kernel_arithmetic {
    KERNEL_ADD,
    KERNEL_SUBTRACT,
    KERNEL_MULTIPLY,
    KERNEL_DIVIDE,
    KERNEL_MODULO,
    KERNEL_ATAN2,
    KERNEL_POWER
};
void kernel_arithmetic(enum kernel_arithmetic op, const double *x, size_t x_step, const double *y,
                       size_t y_step, size_t n, double *ret);

/* ---- exponential averages ----
 * With d = x - m at each tick with a sample, m += alpha d, and the exponential variance becomes
 * v = (1 - alpha) (v + alpha d d) (West 1979). m starts as the first sample, v as
 * KERNEL_SPREAD_MIN.
 *
 * Both stay finite and ordinary for ever: a |d| below KERNEL_STEP_MIN counts as 0, v is never below
 * KERNEL_SPREAD_MIN, and a sample that would make the average or the variance infinite or NaN is
 * not folded in. */

#define KERNEL_STEP_MIN   1e-140  /* its square times any alpha in use is no subnormal */
#define KERNEL_SPREAD_MIN 1e-280  /* its root is KERNEL_STEP_MIN */
enum { KERNEL_HISTORY_MIN = 10 }; /* samples before a z-score is known */
struct kernel_moments {
    double *mean, *variance;
    uint8_t *history; /* samples folded in, stops at KERNEL_HISTORY_MIN */
    uint64_t *ripe;   /* bit: history has reached it */
};
/* mean and begun are the state, mean is the result where begun. */
void kernel_ewma(const double *x, const uint64_t *present, size_t n, double alpha, double *mean,
                 uint64_t *begun);
/* d of x and v as they are before x, for all that is present; then x is folded in. ret_ripe: where
 * a z-score was known before x. */
void kernel_moments(const double *x, const uint64_t *present, size_t n, double alpha,
                    const struct kernel_moments *state, double *ret_d, double *ret_variance,
                    uint64_t *ret_ripe);
/* z = d / sqrt(v) of all n. */
void kernel_zscore(const double *d, const double *variance, size_t n, double *ret);
/* z op k, by definition d |d| op k |k| v: neither root nor division. Of what is present; ret_nan: d
 * is NaN or infinite. values[i] is the z where ret_true, else unspecified. */
void kernel_zscore_compare(enum kernel_compare op, double k, const double *d,
                           const double *variance, const uint64_t *present, size_t n,
                           double *values, uint64_t *ret_true, uint64_t *ret_nan);

/* ---- forecast ----
 * A least-squares line over the window, looked at `argument` seconds after its end. The error of a
 * new value there is Student t with count - 2 degrees of freedom and variance
 * s^2 (1 + 1/n + (t - mean)^2 / Sxx) (1 + rho) / (1 - rho), rho the lag-1 autocorrelation of the
 * residuals within [0, 0.95]. */
enum { KERNEL_FORECAST_SAMPLES_MIN = 8, KERNEL_FORECAST_SPAN_PART = 10 };
struct kernel_forecast {
    double value;   /* of the line at the horizon */
    double scale;   /* standard error of a new value there; 0 for an exact line */
    double freedom; /* degrees of freedom */
    double newest;  /* newest sample */
};
/* False with fewer than KERNEL_FORECAST_SAMPLES_MIN finite samples, or when they span less than a
 * KERNEL_FORECAST_SPAN_PART-th of the window: nothing honest can be said. */
bool kernel_forecast(const struct kernel_window *window, struct kernel_forecast *ret);
/* P(value at the horizon >= threshold), or <= when falling. */
double kernel_forecast_chance(const struct kernel_forecast *forecast, double threshold,
                              bool falling);
/* P(T <= t) of Student's t. */
double kernel_student_cdf(double t, double freedom);

#endif
