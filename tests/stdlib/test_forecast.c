/* The forecast against plain definitions that share no code with it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stdlib/kernel.h"
#include "tests/unit.h"

enum { ROUNDS = 3000 };

static double noise(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / (1 << 24);
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

/* The sums of kernel_forecast(), one sample and one operation at a time. */
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
        double scale;
        if (kernel_forecast(&w, &f)) {
            double want = forecast_one_by_one(&w, &scale);
            assert_true(memcmp(&f.value, &want, sizeof want) == 0 || isnan(want));
            assert_true(memcmp(&f.scale, &scale, sizeof scale) == 0 || isnan(scale));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(student_cdf_agrees_with_closed_forms),
        cmocka_unit_test(a_forecast_chance_is_calibrated_on_noisy_lines),
        cmocka_unit_test(short_or_flat_histories_are_handled),
        cmocka_unit_test(wide_lanes_give_every_bit_of_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
