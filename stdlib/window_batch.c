/* Functions over windows of samples, as Prometheus 3 computes them. */
#include <math.h>

#include "stdlib/kernel.h"

static double seconds(int64_t ms)
{
    return (double)ms / 1e3;
}

void kernel_sum_add(struct kernel_sum *sum, double value)
{
    double total = sum->sum + value;
    if (isinf(total)) {
        sum->error = 0;
    } else if (fabs(sum->sum) >= fabs(value)) {
        sum->error += (sum->sum - total) + value;
    } else {
        sum->error += (value - total) + sum->sum;
    }
    sum->sum = total;
}

/* Growth of a counter between first and last sample: a fall is a restart from zero. */
static double counter_growth(const struct kernel_window *w)
{
    double growth = w->values[w->count - 1] - w->values[0];
    for (size_t i = 1; i < w->count; i++) {
        growth += w->values[i] < w->values[i - 1] ? w->values[i - 1] : 0;
    }
    return growth;
}

/* By how much the sampled interval is stretched towards the ends of the window: all the way when
 * the gap is below 1.1 average intervals, else half an interval; never beyond the counter's zero.
 */
static double extrapolation(const struct kernel_window *w, double growth)
{
    double to_start = seconds(w->times_ms[0] - w->start_ms);
    double to_end = seconds(w->end_ms - w->times_ms[w->count - 1]);
    double sampled = seconds(w->times_ms[w->count - 1] - w->times_ms[0]);
    double average = sampled / (double)(w->count - 1);
    double threshold = average * 1.1;
    if (to_start >= threshold) {
        to_start = average / 2;
    }
    if (growth > 0 && w->values[0] >= 0) {
        double to_zero = sampled * (w->values[0] / growth);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    if (to_end >= threshold) {
        to_end = average / 2;
    }
    return (sampled + to_start + to_end) / sampled;
}

bool kernel_increase(const struct kernel_window *w, double *ret)
{
    if (w->count < 2) {
        return false;
    }
    double growth = counter_growth(w);
    *ret = growth * extrapolation(w, growth);
    return true;
}

bool kernel_rate(const struct kernel_window *w, double *ret)
{
    if (w->count < 2) {
        return false;
    }
    double growth = counter_growth(w);
    *ret = growth * (extrapolation(w, growth) / seconds(w->end_ms - w->start_ms));
    return true;
}

bool kernel_avg_over_time(const struct kernel_window *w, double *ret)
{
    if (w->count == 0) {
        return false;
    }
    struct kernel_sum sum = {w->values[0], 0};
    size_t i = 1;
    for (; i < w->count; i++) {
        struct kernel_sum next = sum;
        kernel_sum_add(&next, w->values[i]);
        if (isinf(next.sum)) {
            break;
        }
        sum = next;
    }
    double count = (double)i;
    struct kernel_sum mean = {sum.sum / count, sum.error / count};
    if (i == w->count) {
        *ret = mean.sum + mean.error;
        return true;
    }
    for (; i < w->count; i++) {
        count = (double)(i + 1);
        double keep = (count - 1) / count;
        mean = (struct kernel_sum){keep * mean.sum, keep * mean.error};
        kernel_sum_add(&mean, w->values[i] / count);
    }
    *ret = mean.sum + mean.error;
    return true;
}

bool kernel_max_over_time(const struct kernel_window *w, double *ret)
{
    if (w->count == 0) {
        return false;
    }
    double best = w->values[0];
    for (size_t i = 1; i < w->count; i++) {
        best = w->values[i] > best || isnan(best) ? w->values[i] : best;
    }
    *ret = best;
    return true;
}

bool kernel_min_over_time(const struct kernel_window *w, double *ret)
{
    if (w->count == 0) {
        return false;
    }
    double best = w->values[0];
    for (size_t i = 1; i < w->count; i++) {
        best = w->values[i] < best || isnan(best) ? w->values[i] : best;
    }
    *ret = best;
    return true;
}

static bool all_equal(const struct kernel_window *w)
{
    for (size_t i = 1; i < w->count; i++) {
        if (w->values[i] != w->values[0]) {
            return false;
        }
    }
    return true;
}

/* Four compensated sums side by side, a lane each: kernel_sum_add() on every lane, without
 * branches. */
typedef double lanes __attribute__((vector_size(32)));
typedef int64_t lane_bits __attribute__((vector_size(32)));
struct lane_sums {
    lanes sum, error;
};
#define LANES_PICK(mask, a, b) ((lanes)(((mask) & (lane_bits)(a)) | (~(mask) & (lane_bits)(b))))

static inline __attribute__((always_inline)) void lanes_add(struct lane_sums *sums,
                                                            const lanes *value)
{
    const lane_bits magnitude = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    const lanes infinite = {INFINITY, INFINITY, INFINITY, INFINITY};
    lanes total = sums->sum + *value;
    lane_bits sum_larger =
        (lanes)((lane_bits)sums->sum & magnitude) >= (lanes)((lane_bits)*value & magnitude);
    lanes large = LANES_PICK(sum_larger, sums->sum, *value);
    lanes small = LANES_PICK(sum_larger, *value, sums->sum);
    lane_bits finite = (lanes)((lane_bits)total & magnitude) != infinite;
    sums->error = (lanes)(finite & (lane_bits)(sums->error + ((large - total) + small)));
    sums->sum = total;
}

/* Least squares with x in seconds from zero_ms; a constant is exact. */
KERNEL_CLONES static void line_fit(const struct kernel_window *w, int64_t zero_ms,
                                   double *ret_slope, double *ret_intercept)
{
    if (all_equal(w)) {
        *ret_slope = isinf(w->values[0]) ? NAN : 0;
        *ret_intercept = isinf(w->values[0]) ? NAN : w->values[0];
        return;
    }
    struct lane_sums sums = {{0}, {0}}; /* x, y, xy, xx */
    for (size_t i = 0; i < w->count; i++) {
        double at = seconds(w->times_ms[i] - zero_ms), y = w->values[i];
        const lanes value = {at, y, at * y, at * at};
        lanes_add(&sums, &value);
    }
    const lanes total = sums.sum + sums.error;
    double n = (double)w->count;
    double covariance = total[2] - total[0] * total[1] / n;
    double variance = total[3] - total[0] * total[0] / n;
    *ret_slope = covariance / variance;
    *ret_intercept = total[1] / n - *ret_slope * total[0] / n;
}

bool kernel_deriv(const struct kernel_window *w, double *ret)
{
    double intercept;
    if (w->count < 2) {
        return false;
    }
    line_fit(w, w->times_ms[0], ret, &intercept);
    return true;
}

bool kernel_predict_linear(const struct kernel_window *w, double *ret)
{
    double slope, intercept;
    if (w->count < 2) {
        return false;
    }
    line_fit(w, w->end_ms, &slope, &intercept);
    *ret = slope * w->argument + intercept;
    return true;
}
