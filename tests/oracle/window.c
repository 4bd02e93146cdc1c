#include "tests/oracle/window.h"

#include <math.h>
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
static bool increase(const struct oracle_window *w, long double *ret, long double *ret_scale)
{
    if (w->count < 2) {
        return false;
    }
    long double growth = (long double)w->values[w->count - 1] - w->values[0], size = largest(w);
    for (size_t i = 1; i < w->count; i++) { /* NaN is no fall */
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
    if (growth > 0 && w->values[0] >= 0 && span * w->values[0] / growth < before) {
        before = span * w->values[0] / growth;
    }
    *ret = growth * (span + before + behind) / span;
    *ret_scale = size * (span + before + behind) / span;
    return true;
}

static bool rate(const struct oracle_window *w, long double *ret, long double *ret_scale)
{
    const long double range = (long double)(w->end_ms - w->start_ms) / 1000;
    if (!increase(w, ret, ret_scale)) {
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
    const long double steep = sqrtl(spread / tt); /* |slope| is at most this: what cancels is no error */
    *ret = ahead ? mean + tv / tt * (w->argument - mean_t) : tv / tt;
    *ret_scale = ahead ? fabsl(mean) + steep * fabsl(w->argument - mean_t) : steep;
    return true;
}

bool oracle_window(const char *text, const struct oracle_window *w, long double *ret,
                   long double *ret_scale)
{
    *ret_scale = 0;
    if (strcmp(text, "rate") == 0) {
        return rate(w, ret, ret_scale);
    }
    if (strcmp(text, "increase") == 0) {
        return increase(w, ret, ret_scale);
    }
    if (strcmp(text, "avg_over_time") == 0) {
        return average(w, ret, ret_scale);
    }
    if (strcmp(text, "max_over_time") == 0 || strcmp(text, "min_over_time") == 0) {
        return best(w, strcmp(text, "max_over_time") == 0, ret);
    }
    return line(w, strcmp(text, "predict_linear") == 0, ret, ret_scale);
}
