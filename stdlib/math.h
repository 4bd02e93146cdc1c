/* Functions of one value at a time, and of the buckets of a classic histogram.
 *
 *     kernel_math(MATH_CLAMP, x, n, low, high, ret);
 *
 * Times are seconds since 1970 in UTC, as PromQL has them. */
#ifndef HEAL_STDLIB_MATH_H
#define HEAL_STDLIB_MATH_H

#include "lang/base.h"

enum kernel_math {
#define MATH(name, text, scalars) MATH_##name,
#include "stdlib/math.def"
#undef MATH
    MATH_KINDS
};
struct kernel_math_info {
    const char *text;
    int scalars;
};
extern const struct kernel_math_info kernel_math_infos[MATH_KINDS];

/* ret[i] of x[i], for all n; ret may be x. a, b: the function's scalars: of ROUND a is the multiple
 * that is rounded to, of CLAMP the bounds. */
void kernel_math(enum kernel_math kind, const double *x, size_t n, double a, double b, double *ret);

/* ---- order statistics ---- */

/* Linear interpolation between the two nearest ranks (Hyndman and Fan 1996, type 7); values sorted
 * upwards, NaN first. NaN for no values or q NaN; -Inf and +Inf for q outside of 0 and 1. */
double kernel_quantile(double q, const double *sorted, size_t n);

/* ---- classic histograms ----
 * bound: upper bounds, strictly upwards, the last of them +Inf (else the result is NaN);
 * count: cumulative counts of the buckets, changed in place: buckets that fall, or that differ by
 * less than 1e-12 of their size, are taken as the one before them. */

/* The value below which a share q of the observations lies, by linear interpolation in its bucket.
 */
double kernel_histogram_quantile(double q, const double *bound, double *count, size_t n);
/* The share of the observations that lies between low and high. */
double kernel_histogram_fraction(double low, double high, const double *bound, const double *count,
                                 size_t n);

#endif
