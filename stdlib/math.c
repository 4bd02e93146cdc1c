/* Functions of one value at a time, order statistics, classic histograms. */
#include "stdlib/math.h"

#include <float.h>
#include <math.h>

const struct kernel_math_info kernel_math_infos[MATH_KINDS] = {
#define MATH(name, text, scalars) [MATH_##name] = {#text, scalars},
#include "stdlib/math.def"
#undef MATH
};

/* ---- one value ---- */

#define DEGREES (180.0 / 3.14159265358979323846)

static double sign_of(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

/* Halves are rounded up; to: 1 / to is exact more often than to. */
static double rounded(double x, double to)
{
    double inverse = 1.0 / to;
    return floor(x * inverse + 0.5) / inverse;
}

/* An infinity decides even against NaN, and 0 is above -0: so are Go's Min and Max. */
static double higher_of(double a, double b)
{
    if (a == INFINITY || b == INFINITY) {
        return INFINITY;
    }
    if (isnan(a) || isnan(b)) {
        return NAN;
    }
    return a > b || (a == b && signbit(b)) ? a : b;
}

static double lower_of(double a, double b)
{
    return -higher_of(-a, -b);
}

/* ---- dates ---- */

enum { SECONDS_A_DAY = 86400, DAYS_OF_ERA = 146097 };

struct date {
    int64_t days, second; /* since 1970; of the day */
    int64_t year;
    int month, day; /* from 1 */
};

/* The civil calendar from days (Hinnant 2013, "chrono-compatible low-level date algorithms"): years
 * begin in March, so that the leap day is their last. */
static struct date date_of(double seconds)
{
    const int64_t whole = seconds > -9e15 && seconds < 9e15 ? (int64_t)seconds : 0;
    struct date date = {.days = whole / SECONDS_A_DAY - (whole % SECONDS_A_DAY < 0)};
    date.second = whole - date.days * SECONDS_A_DAY;
    const int64_t shifted = date.days + 719468;
    const int64_t era = (shifted >= 0 ? shifted : shifted - DAYS_OF_ERA + 1) / DAYS_OF_ERA;
    const int64_t day = shifted - era * DAYS_OF_ERA;
    const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const int64_t of_year = day - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * of_year + 2) / 153;
    date.day = (int)(of_year - (153 * month + 2) / 5 + 1);
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = year + era * 400 + (date.month <= 2);
    return date;
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(const struct date *date)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[date->month - 1] + (date->month == 2 && is_leap(date->year));
}

static int day_of_year(const struct date *date)
{
    static const int before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return before[date->month - 1] + date->day + (date->month > 2 && is_leap(date->year));
}

static double calendar(enum kernel_math kind, double seconds)
{
    const struct date date = date_of(seconds);
    if (isnan(seconds)) {
        return NAN;
    }
    switch ((int)kind) {
    case MATH_MINUTE: return (double)(date.second / 60 % 60);
    case MATH_HOUR: return (double)(date.second / 3600);
    case MATH_DAY_OF_WEEK: return (double)(((date.days + 4) % 7 + 7) % 7);
    case MATH_DAY_OF_MONTH: return date.day;
    case MATH_DAY_OF_YEAR: return day_of_year(&date);
    case MATH_DAYS_IN_MONTH: return days_in_month(&date);
    case MATH_MONTH: return date.month;
    default: return (double)date.year;
    }
}

/* ---- all of them ---- */

#define EACH(value)                  \
    for (size_t i = 0; i < n; i++) { \
        const double v = x[i];       \
        ret[i] = (value);            \
    }                                \
    break

void kernel_math(enum kernel_math kind, const double *x, size_t n, double a, double b, double *ret)
{
    switch (kind) {
    case MATH_ABS: EACH(fabs(v));
    case MATH_CEIL: EACH(ceil(v));
    case MATH_FLOOR: EACH(floor(v));
    case MATH_ROUND: EACH(rounded(v, a));
    case MATH_SGN: EACH(sign_of(v));
    case MATH_SQRT: EACH(sqrt(v));
    case MATH_EXP: EACH(exp(v));
    case MATH_LN: EACH(log(v));
    case MATH_LOG2: EACH(log2(v));
    case MATH_LOG10: EACH(log10(v));
    case MATH_CLAMP: EACH(higher_of(a, lower_of(b, v)));
    case MATH_CLAMP_MIN: EACH(higher_of(a, v));
    case MATH_CLAMP_MAX: EACH(lower_of(a, v));
    case MATH_SIN: EACH(sin(v));
    case MATH_COS: EACH(cos(v));
    case MATH_TAN: EACH(tan(v));
    case MATH_ASIN: EACH(asin(v));
    case MATH_ACOS: EACH(acos(v));
    case MATH_ATAN: EACH(atan(v));
    case MATH_SINH: EACH(sinh(v));
    case MATH_COSH: EACH(cosh(v));
    case MATH_TANH: EACH(tanh(v));
    case MATH_ASINH: EACH(asinh(v));
    case MATH_ACOSH: EACH(acosh(v));
    case MATH_ATANH: EACH(atanh(v));
    case MATH_DEG: EACH(v * DEGREES);
    case MATH_RAD: EACH(v / DEGREES);
    case MATH_MINUTE:
    case MATH_HOUR:
    case MATH_DAY_OF_WEEK:
    case MATH_DAY_OF_MONTH:
    case MATH_DAY_OF_YEAR:
    case MATH_DAYS_IN_MONTH:
    case MATH_MONTH:
    case MATH_YEAR: EACH(calendar(kind, v));
    case MATH_KINDS: CHECK(false);
    }
}

/* ---- order statistics ---- */

double kernel_quantile(double q, const double *sorted, size_t n)
{
    if (n == 0 || isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    const double rank = q * (double)(n - 1), below = floor(rank), weight = rank - below;
    const size_t low = (size_t)below, high = low + 1 < n ? low + 1 : n - 1;
    return sorted[low] * (1 - weight) + sorted[high] * weight;
}

/* ---- classic histograms ---- */

#define SMALL_DELTA 1e-12 /* of two counts: rounding, no difference */

static bool nearly_equal(double a, double b)
{
    if (a == b) {
        return true;
    }
    const double size = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || size < DBL_MIN) {
        return difference < SMALL_DELTA * DBL_MIN;
    }
    return difference / (size < DBL_MAX ? size : DBL_MAX) < SMALL_DELTA;
}

static void make_monotonic(double *count, size_t n)
{
    double before = count[0];
    for (size_t i = 1; i < n; i++) {
        if (count[i] < before || nearly_equal(before, count[i])) {
            count[i] = before;
        } else {
            before = count[i];
        }
    }
}

double kernel_histogram_quantile(double q, const double *bound, double *count, size_t n)
{
    if (isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    if (n == 0 || bound[n - 1] != INFINITY) {
        return NAN;
    }
    make_monotonic(count, n);
    if (n < 2 || count[n - 1] == 0) {
        return NAN;
    }
    double rank = q * count[n - 1];
    size_t b = 0;
    while (b < n - 1 && !(count[b] >= rank)) {
        b++;
    }
    if (b == n - 1) {
        return bound[n - 2];
    }
    if (b == 0 && bound[0] <= 0) {
        return bound[0];
    }
    const double start = b > 0 ? bound[b - 1] : 0, before = b > 0 ? count[b - 1] : 0;
    return start + (bound[b] - start) * ((rank - before) / (count[b] - before));
}

/* Observations at or below v, with those of a bucket spread evenly. */
static double rank_of(double v, const double *bound, const double *count, size_t n)
{
    double before = 0;
    for (size_t i = 0; i < n; i++) {
        const double low = i > 0 ? bound[i - 1] : bound[0] > 0 ? 0 : -INFINITY;
        if (low >= v) {
            return before;
        }
        if (bound[i] > v) {
            return before + (count[i] - before) * (v - low) / (bound[i] - low);
        }
        before = count[i];
    }
    return count[n - 1];
}

double kernel_histogram_fraction(double low, double high, const double *bound, const double *count,
                                 size_t n)
{
    if (n == 0 || bound[n - 1] != INFINITY || count[n - 1] == 0 || isnan(low) || isnan(high)) {
        return NAN;
    }
    if (low >= high) {
        return 0;
    }
    const double all = count[n - 1];
    double from = rank_of(low, bound, count, n), to = rank_of(high, bound, count, n);
    from = from > all ? all : from;
    to = to > all ? all : to;
    return (to - from) / all;
}
