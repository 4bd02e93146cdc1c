#include "tests/oracle/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static long double largest(const struct oracle_window *w)
{
    long double most = 0;
    for (size_t i = 0; i < w->count; i++) {
        most = fabsl((long double)w->values[i]) > most ? fabsl((long double)w->values[i]) : most;
    }
    return most;
}

static bool all_finite(const struct oracle_window *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (!isfinite(w->values[i])) {
            return false;
        }
    }
    return true;
}

/* Last less first, what restarts lost added, stretched to the ends. The choice at 1.1 intervals is
 * made in doubles, as Prometheus makes it. */
static bool increase(const struct oracle_window *w, bool counter, long double *ret,
                     long double *ret_scale)
{
    if (w->count < 2) {
        return false;
    }
    long double growth = (long double)w->values[w->count - 1] - w->values[0], size = largest(w);
    for (size_t i = 1; counter && i < w->count; i++) { /* NaN is no fall */
        growth += w->values[i] < w->values[i - 1] ? (long double)w->values[i - 1] : 0;
        size += w->values[i] < w->values[i - 1] ? fabsl((long double)w->values[i - 1]) : 0;
    }
    const int64_t first = w->times_ms[0], last = w->times_ms[w->count - 1];
    const double average = (double)(last - first) / 1e3 / (double)(w->count - 1);
    long double span = (long double)(last - first) / 1000, gap = span / (long double)(w->count - 1);
    long double before = (long double)(first - w->start_ms) / 1000;
    long double behind = (long double)(w->end_ms - last) / 1000;
    before = (double)(first - w->start_ms) / 1e3 >= average * 1.1 ? gap / 2 : before;
    behind = (double)(w->end_ms - last) / 1e3 >= average * 1.1 ? gap / 2 : behind;
    if (counter && growth > 0 && w->values[0] >= 0 && span * w->values[0] / growth < before) {
        before = span * w->values[0] / growth;
    }
    *ret = growth * (span + before + behind) / span;
    *ret_scale = size * (span + before + behind) / span;
    return true;
}

static bool rate(const struct oracle_window *w, long double *ret, long double *ret_scale)
{
    const long double range = (long double)(w->end_ms - w->start_ms) / 1000;
    if (!increase(w, true, ret, ret_scale)) {
        return false;
    }
    *ret /= range;
    *ret_scale /= range;
    return true;
}

static bool average(const struct oracle_window *w, long double *ret, long double *ret_scale)
{
    long double sum = 0;
    for (size_t i = 0; i < w->count; i++) {
        sum += w->values[i];
    }
    *ret = sum / (long double)w->count;
    *ret_scale = largest(w);
    return w->count > 0;
}

static bool sum(const struct oracle_window *w, long double *ret, long double *ret_scale)
{
    *ret = 0;
    for (size_t i = 0; i < w->count; i++) {
        *ret += w->values[i];
    }
    *ret_scale = largest(w) * (long double)w->count;
    return w->count > 0;
}

static bool spread(const struct oracle_window *w, bool root, long double *ret,
                   long double *ret_scale)
{
    long double mean, squares = 0;
    if (!average(w, &mean, ret_scale)) {
        return false;
    }
    for (size_t i = 0; i < w->count; i++) {
        squares += ((long double)w->values[i] - mean) * ((long double)w->values[i] - mean);
    }
    squares = all_finite(w) ? squares / (long double)w->count : NAN;
    /* what rounding of the samples' own size leaves of a spread, and that of the spread itself */
    *ret_scale = *ret_scale * *ret_scale * 1e-10L + squares;
    *ret = root ? sqrtl(squares) : squares;
    *ret_scale = root ? sqrtl(*ret_scale) * 1e4L : *ret_scale;
    return true;
}

/* How the last two samples differ. */
static bool pair(const struct oracle_window *w, bool per_second, long double *ret,
                 long double *ret_scale)
{
    if (w->count < 2) {
        return false;
    }
    const double last = w->values[w->count - 1], before = w->values[w->count - 2];
    const int64_t ms = w->times_ms[w->count - 1] - w->times_ms[w->count - 2];
    *ret = per_second && last < before ? last : (long double)last - before;
    *ret_scale = largest(w);
    if (per_second) {
        *ret = *ret * 1000 / ms;
        *ret_scale = *ret_scale * 1000 / ms;
    }
    return true;
}

static bool turns(const struct oracle_window *w, bool only_falls, long double *ret)
{
    *ret = 0;
    for (size_t i = 1; i < w->count; i++) {
        const double a = w->values[i - 1], b = w->values[i];
        *ret += only_falls ? b < a : a != b && !(isnan(a) && isnan(b));
    }
    return w->count > 0;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) {
        return isnan(y) - isnan(x);
    }
    return x < y ? -1 : x > y;
}

static bool quantile(const struct oracle_window *w, long double *ret, long double *ret_scale)
{
    if (w->count == 0) {
        return false;
    }
    double *sorted = malloc(w->count * sizeof *sorted);
    memcpy(sorted, w->values, w->count * sizeof *sorted);
    qsort(sorted, w->count, sizeof *sorted, by_value);
    const double rank = w->argument * (double)(w->count - 1);
    if (isnan(w->argument)) {
        *ret = NAN;
    } else if (w->argument < 0 || w->argument > 1) {
        *ret = w->argument < 0 ? -INFINITY : INFINITY;
    } else {
        const size_t below = (size_t)floor(rank), above = below + (below + 1 < w->count);
        *ret = (long double)sorted[below] * (1 - (rank - floor(rank))) +
               (long double)sorted[above] * (rank - floor(rank));
    }
    *ret_scale = largest(w);
    free(sorted);
    return true;
}

static bool best(const struct oracle_window *w, bool highest, long double *ret)
{
    double found = NAN;
    for (size_t i = 0; i < w->count; i++) {
        double v = w->values[i];
        bool better = isnan(found) || (highest ? v > found : v < found);
        found = better ? v : found;
    }
    *ret = found;
    return w->count > 0;
}

static bool line(const struct oracle_window *w, bool ahead, long double *ret,
                 long double *ret_scale)
{
    const long double n = (long double)w->count;
    long double mean_t = 0, mean = 0, tv = 0, tt = 0, spread = 0;
    if (w->count < 2) {
        return false;
    }
    *ret_scale = 0;
    if (!all_finite(w)) {
        *ret = NAN;
        return true;
    }
    for (size_t i = 0; i < w->count; i++) {
        mean_t += (long double)(w->times_ms[i] - w->end_ms) / 1000 / n;
        mean += w->values[i] / n;
    }
    for (size_t i = 0; i < w->count; i++) {
        long double t = (long double)(w->times_ms[i] - w->end_ms) / 1000 - mean_t;
        long double v = w->values[i] - mean;
        tv += t * v;
        tt += t * t;
        spread += (long double)w->values[i] * w->values[i];
    }
    const long double steep =
        sqrtl(spread / tt); /* |slope| is at most this: what cancels is no error */
    *ret = ahead ? mean + tv / tt * (w->argument - mean_t) : tv / tt;
    *ret_scale = ahead ? fabsl(mean) + steep * fabsl(w->argument - mean_t) : steep;
    return true;
}

static bool count(const struct oracle_window *w, long double value, long double *ret)
{
    *ret = value;
    return w->count > 0;
}

bool oracle_window(const char *text, const struct oracle_window *w, long double *ret,
                   long double *ret_scale)
{
    *ret_scale = 0;
#define IS(name) (strcmp(text, name) == 0)
    return IS("rate")                 ? rate(w, ret, ret_scale)
           : IS("increase")           ? increase(w, true, ret, ret_scale)
           : IS("delta")              ? increase(w, false, ret, ret_scale)
           : IS("irate")              ? pair(w, true, ret, ret_scale)
           : IS("idelta")             ? pair(w, false, ret, ret_scale)
           : IS("avg_over_time")      ? average(w, ret, ret_scale)
           : IS("sum_over_time")      ? sum(w, ret, ret_scale)
           : IS("stddev_over_time")   ? spread(w, true, ret, ret_scale)
           : IS("stdvar_over_time")   ? spread(w, false, ret, ret_scale)
           : IS("count_over_time")    ? count(w, (long double)w->count, ret)
           : IS("present_over_time")  ? count(w, 1, ret)
           : IS("last_over_time")     ? count(w, w->count ? w->values[w->count - 1] : 0, ret)
           : IS("changes")            ? turns(w, false, ret)
           : IS("resets")             ? turns(w, true, ret)
           : IS("max_over_time")      ? best(w, true, ret)
           : IS("min_over_time")      ? best(w, false, ret)
           : IS("quantile_over_time") ? quantile(w, ret, ret_scale)
           : IS("deriv")              ? line(w, false, ret, ret_scale)
                                      : line(w, true, ret, ret_scale);
#undef IS
}
