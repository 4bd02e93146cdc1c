/* Beta distributions by plain arithmetic. */
#include "runtime/engine/beta.h"

#include <math.h>

enum { CELLS = 256, POWER_TERMS = 18, LOG_TERMS = 12 };
#define REACH             12.0 /* standard deviations around the mean that are looked at */
#define LN_TWO            0x1.62e42fefa39efp-1
#define LN_THREE_QUARTERS (-0x1.269621134db92p-2)

/* The series of e^y, of 0 <= y < ln 2. */
double power_of_two(double x)
{
    const double whole = floor(x), y = (x - whole) * LN_TWO;
    double sum = 1;
    for (int i = POWER_TERMS; i > 0; i--) {
        sum = 1 + y / i * sum;
    }
    return ldexp(sum, (int)whole); /* exact */
}

/* ln m = 2 (z + z^3/3 + z^5/5 + ...) of z = (m - 1) / (m + 1), of the fraction stretched around 1.
 */
double log_of_two(double x)
{
    int exponent;
    const double mantissa = frexp(x, &exponent) * 4 / 3; /* 2/3..4/3, so |z| <= 1/5 */
    const double z = (mantissa - 1) / (mantissa + 1);
    double sum = 0;
    for (int i = LOG_TERMS; i >= 0; i--) {
        sum = sum * z * z + 1.0 / (2 * i + 1);
    }
    return exponent + (2 * z * sum + LN_THREE_QUARTERS) / LN_TWO;
}

double beta_mean(double a, double b)
{
    return 1 / (1 + b / a); /* each step keeps order, which a / (a + b) does not when it rounds */
}

/* The logarithm of the density, up to a constant. */
static double log_density(double a, double b, double x)
{
    return (a - 1) * log_of_two(x) + (b - 1) * log_of_two(1 - x);
}

/* Where `part` of the mass lies below, in cells from the left. */
static double cells_below(const double mass[CELLS], double part)
{
    double sum = 0;
    for (size_t i = 0; i < CELLS; i++) {
        if (sum + mass[i] >= part && mass[i] > 0) {
            return (double)i + (part - sum) / mass[i];
        }
        sum += mass[i];
    }
    return CELLS;
}

void beta_interval(double a, double b, double share, double *ret_low, double *ret_high)
{
    const double mean = beta_mean(a, b);
    const double deviation = sqrt(mean * (1 - mean) / (a + b + 1));
    const double from = fmax(0, mean - REACH * deviation), to = fmin(1, mean + REACH * deviation);
    const double width = (to - from) / (double)CELLS;
    double mass[CELLS], peak = -INFINITY, total = 0;
    CHECK(a >= 1 && b >= 1 && share > 0 && share < 1);
    for (size_t i = 0; i < CELLS; i++) { /* the middle of a cell is never 0 or 1 */
        mass[i] = log_density(a, b, from + ((double)i + 0.5) * width);
        peak = fmax(peak, mass[i]);
    }
    for (size_t i = 0; i < CELLS; i++) {
        mass[i] = mass[i] - peak < -1000 ? 0 : power_of_two(mass[i] - peak);
        total += mass[i];
    }
    const double outside = (1 - share) / 2;
    *ret_low = fmin(mean, from + width * cells_below(mass, outside * total));
    *ret_high = fmax(mean, from + width * cells_below(mass, (1 - outside) * total));
}
