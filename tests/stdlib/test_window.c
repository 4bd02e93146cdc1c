/* Window kernels against plain definitions in long double that share no code with them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stdlib/kernel.h"
#include "tests/unit.h"

enum { SAMPLES_MAX = 60, ROUNDS = 3000 };

static double noise(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / (1 << 24);
}

static void same(double got, long double want, const char *what, unsigned round)
{
    long double size = fabsl(want) > 1e-9L ? fabsl(want) : 1e-9L;
    if (!(fabsl((long double)got - want) <= 1e-9L * size)) {
        fail_msg("%s, round %u: %.17g, wanted %.17Lg", what, round, got, want);
    }
}

/* The growth over the window, told as Prometheus' documentation tells it: samples joined, resets
 * added, stretched to the ends. */
static long double increase_by_definition(const struct kernel_window *w)
{
    long double growth = 0, first = (long double)w->times_ms[0] / 1000;
    for (size_t i = 1; i < w->count; i++) {
        growth += w->values[i] >= w->values[i - 1] ? (long double)w->values[i] - w->values[i - 1]
                                                   : (long double)w->values[i];
    }
    long double last = (long double)w->times_ms[w->count - 1] / 1000, span = last - first;
    long double gap = span / (long double)(w->count - 1);
    long double before = first - (long double)w->start_ms / 1000;
    long double behind = (long double)w->end_ms / 1000 - last;
    before = before >= gap * 1.1L ? gap / 2 : before;
    behind = behind >= gap * 1.1L ? gap / 2 : behind;
    if (growth > 0 && w->values[0] >= 0 && span * w->values[0] / growth < before) {
        before = span * w->values[0] / growth;
    }
    return growth * (span + before + behind) / span;
}

static long double slope_by_definition(const struct kernel_window *w, long double *ret_mean_t,
                                       long double *ret_mean)
{
    long double n = (long double)w->count, t = 0, v = 0, tv = 0, tt = 0;
    for (size_t i = 0; i < w->count; i++) {
        t += (long double)w->times_ms[i] / 1000 / n;
        v += w->values[i] / n;
    }
    for (size_t i = 0; i < w->count; i++) {
        long double dt = (long double)w->times_ms[i] / 1000 - t;
        tv += dt * (w->values[i] - v);
        tt += dt * dt;
    }
    *ret_mean_t = t;
    *ret_mean = v;
    return tv / tt;
}

static void every_window_function_equals_its_definition(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t times[SAMPLES_MAX], start = 1000000 + (int64_t)(noise(&seed) * 1e9);
        double values[SAMPLES_MAX], counter[SAMPLES_MAX], level = noise(&seed) * 50;
        size_t n = 2 + (size_t)(noise(&seed) * (SAMPLES_MAX - 2));
        int64_t t = start;
        for (size_t i = 0; i < n; i++) {
            t += 1 + (int64_t)(noise(&seed) * (noise(&seed) < 0.1 ? 90000 : 15000));
            times[i] = t;
            values[i] = (noise(&seed) - 0.5) * 100;
            level = noise(&seed) < 0.05 ? noise(&seed) : level + noise(&seed) * 10;
            counter[i] = level;
        }
        struct kernel_window w = {.times_ms = times,
                                  .values = counter,
                                  .count = n,
                                  .start_ms = start,
                                  .end_ms = t + (int64_t)(noise(&seed) * 2e4)};
        double got;
        assert_true(kernel_increase(&w, &got));
        same(got, increase_by_definition(&w), "increase", round);
        assert_true(kernel_rate(&w, &got));
        same(got, increase_by_definition(&w) / ((long double)(w.end_ms - w.start_ms) / 1000),
             "rate", round);
        w.values = values;
        w.argument = noise(&seed) * 7200;
        long double mean_t, mean, high = -INFINITY, low = INFINITY;
        long double slope = slope_by_definition(&w, &mean_t, &mean);
        for (size_t i = 0; i < n; i++) {
            high = values[i] > high ? values[i] : high;
            low = values[i] < low ? values[i] : low;
        }
        assert_true(kernel_avg_over_time(&w, &got));
        assert_true(fabsl((long double)got - mean) < 1e-12L);
        assert_true(kernel_max_over_time(&w, &got) && (long double)got == high);
        assert_true(kernel_min_over_time(&w, &got) && (long double)got == low);
        assert_true(kernel_deriv(&w, &got));
        assert_true(fabsl((long double)got - slope) < 1e-9L * (1 + fabsl(slope)));
        assert_true(kernel_predict_linear(&w, &got));
        long double ahead = (long double)w.end_ms / 1000 + w.argument - mean_t;
        assert_true(fabsl((long double)got - (mean + slope * ahead)) <
                    1e-8L * (1 + fabsl(mean + slope * ahead)));
    }
}

static void sums_keep_what_cancellation_would_lose(void **state)
{
    (void)state;
    const double values[] = {1, 1e100, 1, -1e100}, huge[] = {1.5e308, 1.5e308, -1e308};
    const int64_t times[] = {1, 2, 3, 4};
    double got;
    struct kernel_window w = {.times_ms = times, .values = values, .count = 4, .end_ms = 4};
    assert_true(kernel_avg_over_time(&w, &got) && got == 0.5);
    w.values = huge;
    w.count = 3;
    assert_true(kernel_avg_over_time(&w, &got));
    assert_true(fabs(got / (1e308 / 1.5) - 1) < 1e-12);
}

/* Values of tables of Student's t (two decimals of the quantile are not enough: these are the exact
 * closed forms for 1, 2 and 4 degrees of freedom, and the normal limit). */
static void student_cdf_agrees_with_closed_forms(void **state)
{
    (void)state;
    for (double t = -30; t <= 30; t += 0.37) {
        double one = 0.5 + atan(t) / acos(-1);
        double two = 0.5 + t / (2 * sqrt(2 + t * t));
        double u = t / sqrt(4 + t * t), four = 0.5 + 0.75 * (u - u * u * u / 3);
        assert_true(fabs(kernel_student_cdf(t, 1) - one) < 1e-13);
        assert_true(fabs(kernel_student_cdf(t, 2) - two) < 1e-13);
        assert_true(fabs(kernel_student_cdf(t, 4) - four) < 1e-13);
        assert_true(fabs(kernel_student_cdf(t, 1e7) - 0.5 * erfc(-t / sqrt(2))) < 1e-6);
    }
    assert_true(kernel_student_cdf(0, 6) == 0.5);
}

/* Lines with independent noise: a threshold at the forecast's own quantile is passed about as often
 * as it says. */
static void a_forecast_chance_is_calibrated_on_noisy_lines(void **state)
{
    (void)state;
    unsigned seed = 11;
    int rounds = 4000, over = 0;
    double claimed = 0;
    for (int round = 0; round < rounds; round++) {
        int64_t times[30];
        double values[30], slope = noise(&seed) - 0.5;
        for (int i = 0; i < 31; i++) {
            double e = 0;
            for (int j = 0; j < 12; j++) {
                e += noise(&seed) - 0.5;
            }
            double v = slope * i + e;
            if (i < 30) {
                times[i] = i * 1000;
                values[i] = v;
                continue;
            }
            struct kernel_window w = {.times_ms = times,
                                      .values = values,
                                      .count = 30,
                                      .start_ms = -1000,
                                      .end_ms = 29000,
                                      .argument = 1};
            struct kernel_forecast f;
            assert_true(kernel_forecast(&w, &f));
            double threshold = f.value + f.scale;
            claimed += kernel_forecast_chance(&f, threshold, false);
            over += v >= threshold;
        }
    }
    assert_true(fabs(claimed - over) / rounds < 0.03);
}

static void short_or_flat_histories_are_handled(void **state)
{
    (void)state;
    int64_t times[20];
    double values[20];
    for (int i = 0; i < 20; i++) {
        times[i] = i * 1000;
        values[i] = 5;
    }
    struct kernel_forecast f;
    struct kernel_window w = {.times_ms = times,
                              .values = values,
                              .count = 7,
                              .start_ms = -1000,
                              .end_ms = 19000,
                              .argument = 60};
    assert_false(kernel_forecast(&w, &f));
    w.count = 20;
    assert_true(kernel_forecast(&w, &f) && f.value == 5 && f.scale == 0);
    assert_true(kernel_forecast_chance(&f, 5, false) == 1);
    assert_true(kernel_forecast_chance(&f, 6, false) == 0);
    w.start_ms = -200000; /* they span less than a tenth of it */
    assert_false(kernel_forecast(&w, &f));
}

/* The sums of kernel_deriv() and kernel_forecast(), one sample and one operation at a time. */
static double slope_one_by_one(const struct kernel_window *w)
{
    struct kernel_sum x = {0, 0}, y = {0, 0}, xy = {0, 0}, xx = {0, 0};
    for (size_t i = 0; i < w->count; i++) {
        double at = (double)(w->times_ms[i] - w->times_ms[0]) / 1e3;
        kernel_sum_add(&x, at);
        kernel_sum_add(&y, w->values[i]);
        kernel_sum_add(&xy, at * w->values[i]);
        kernel_sum_add(&xx, at * at);
    }
    double n = (double)w->count, sum_x = x.sum + x.error, sum_y = y.sum + y.error;
    return (xy.sum + xy.error - sum_x * sum_y / n) / (xx.sum + xx.error - sum_x * sum_x / n);
}

static double forecast_one_by_one(const struct kernel_window *w, double *ret_scale)
{
    double n = (double)w->count, mean_x = 0, mean_y = 0, sxx = 0, sxy = 0;
    double squares = 0, products = 0, before = 0;
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
    for (size_t i = 0; i < w->count; i++) {
        double x = (double)(w->times_ms[i] - w->end_ms) / 1e3;
        double e = (w->values[i] - mean_y) - slope * (x - mean_x);
        squares += e * e;
        products += i > 0 ? e * before : 0;
        before = e;
    }
    double rho = squares > 0 ? products / squares : 0;
    rho = rho < 0 ? 0 : rho > 0.95 ? 0.95 : rho;
    double ahead = w->argument - mean_x;
    double variance = squares / (n - 2) * (1 + 1 / n + ahead * ahead / sxx);
    *ret_scale = sqrt(variance * (1 + rho) / (1 - rho));
    return mean_y + slope * ahead;
}

/* Lanes and blocks are an arrangement, not another sum. NaN equals NaN here. */
static void wide_lanes_give_every_bit_of_one_by_one(void **state)
{
    (void)state;
    static int64_t times[700];
    static double values[700];
    const double odd[] = {INFINITY, -INFINITY, NAN, 1e308, -1e308, 0, -0.0, 1e-300};
    unsigned seed = 77;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t n = 3 + (size_t)(noise(&seed) * 690);
        int64_t pace = round % 5 == 0 ? 40000000 : 1000; /* wider than 32 bits of milliseconds */
        for (size_t i = 0; i < n; i++) {
            times[i] = (int64_t)i * pace + (int64_t)(noise(&seed) * (double)pace * 0.9) + 1;
            values[i] = (noise(&seed) - 0.5) * pow(10, (double)(round % 30) - 5);
        }
        if (round % 4 == 0) {
            values[(size_t)(noise(&seed) * (double)n)] = odd[round / 4 % 8];
        }
        struct kernel_window w = {times, values, n, 0, times[n - 1] + 7, 60};
        struct kernel_forecast f;
        double got, scale, want = slope_one_by_one(&w);
        assert_true(kernel_deriv(&w, &got));
        assert_true(memcmp(&got, &want, sizeof got) == 0 || (isnan(got) && isnan(want)));
        if (kernel_forecast(&w, &f)) {
            want = forecast_one_by_one(&w, &scale);
            assert_true(memcmp(&f.value, &want, sizeof want) == 0 || isnan(want));
            assert_true(memcmp(&f.scale, &scale, sizeof scale) == 0 || isnan(scale));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_window_function_equals_its_definition),
        cmocka_unit_test(sums_keep_what_cancellation_would_lose),
        cmocka_unit_test(student_cdf_agrees_with_closed_forms),
        cmocka_unit_test(a_forecast_chance_is_calibrated_on_noisy_lines),
        cmocka_unit_test(short_or_flat_histories_are_handled),
        cmocka_unit_test(wide_lanes_give_every_bit_of_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
