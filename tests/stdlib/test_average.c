/* Exponential averages: what they are, and that they stay ordinary numbers for ever. */
#include <float.h>
#include <math.h>

#include "stdlib/kernel.h"
#include "tests/unit.h"

enum { SLOTS = 64, LONG = 60000 };
#define ALPHA 0.05

struct world {
    double x[SLOTS], mean[SLOTS], variance[SLOTS], d[SLOTS], before[SLOTS], average[SLOTS];
    uint8_t history[SLOTS];
    uint64_t ripe, begun, present, known;
};

static void tick(struct world *w)
{
    const struct kernel_moments state = {w->mean, w->variance, w->history, &w->ripe};
    kernel_moments(w->x, &w->present, SLOTS, ALPHA, &state, w->d, w->before, &w->known);
    kernel_ewma(w->x, &w->present, SLOTS, ALPHA, w->average, &w->begun);
}

static void all(struct world *w, double x)
{
    for (size_t i = 0; i < SLOTS; i++) {
        w->x[i] = x;
    }
}

static bool ordinary(double value)
{
    return value == 0 || isnormal(value);
}

static void moments_are_those_of_their_definition(void **state)
{
    (void)state;
    struct world w = {.present = UINT64_MAX};
    long double mean = 0, variance = 0;
    for (int t = 0; t < 1000; t++) {
        double x = sin(t) * 100 + t % 7;
        all(&w, x);
        w.present = t % 5 ? UINT64_MAX : UINT64_MAX - 1; /* the first slot has gaps */
        tick(&w);
        long double d = t == 0 ? 0 : x - mean;
        if (t > 0) {
            assert_true(fabsl(w.d[1] - d) <= 1e-12L * 100);
            assert_true(fabsl(w.before[1] - variance) <= 1e-12L * (variance + 1));
        }
        mean = t == 0 ? x : mean + (long double)ALPHA * d;
        variance = (1 - (long double)ALPHA) * (variance + (long double)ALPHA * d * d);
        assert_int_equal(w.known >> 1 & 1, t >= KERNEL_HISTORY_MIN);
        assert_int_equal(w.known & 1, t >= 13 && t % 5); /* ten samples, two gaps before them */
    }
    assert_true(fabsl(w.average[1] - mean) < 1e-10L);
}

static void a_constant_series_leaves_no_subnormal_behind(void **state)
{
    (void)state;
    const double ends[] = {0, 3, 5e-324, 1e-310, -1e-200};
    for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
        struct world w = {.present = UINT64_MAX};
        for (int t = 0; t < LONG; t++) {
            all(&w, t < 20 ? t : ends[k]);
            tick(&w);
            assert_true(ordinary(w.mean[5]) && ordinary(w.variance[5]) && ordinary(w.d[5]));
            assert_true(ordinary(w.average[5]));
            assert_true(ordinary(ALPHA * w.d[5]) && ordinary(ALPHA * w.d[5] * w.d[5]));
        }
        assert_true(w.variance[5] >= KERNEL_SPREAD_MIN && w.variance[5] < 1e-20);
    }
}

static void a_sample_that_breaks_the_average_is_left_out(void **state)
{
    (void)state;
    const double odd[] = {NAN, INFINITY, -INFINITY, 1e300, -DBL_MAX};
    for (size_t k = 0; k < ARRAY_LEN(odd); k++) {
        struct world w = {.present = UINT64_MAX};
        for (int t = 0; t < 20; t++) {
            all(&w, t);
            tick(&w);
        }
        double mean = w.mean[9], variance = w.variance[9];
        all(&w, odd[k]);
        tick(&w);
        assert_true(w.mean[9] == mean && w.variance[9] == variance && isfinite(w.average[9]));
        assert_true(isnan(odd[k]) ? isnan(w.d[9]) : w.d[9] == odd[k] - mean);
        all(&w, 20);
        tick(&w);
        assert_true(w.mean[9] == mean + ALPHA * (20 - mean));
    }
}

static void a_comparison_is_that_of_squares(void **state)
{
    (void)state;
    const double d[4] = {3, -3, 0, NAN}, variance[4] = {1, 1, 1, 1};
    const uint64_t present = 15;
    double values[4];
    uint64_t is_true, is_nan;
    kernel_zscore_compare(COMPARE_GE, 3, d, variance, &present, 4, values, &is_true, &is_nan);
    assert_int_equal(is_true, 1);
    assert_int_equal(is_nan, 8);
    assert_true(values[0] == 3);
    kernel_zscore_compare(COMPARE_LT, -2.5, d, variance, &present, 4, values, &is_true, &is_nan);
    assert_int_equal(is_true, 2);
    assert_true(values[1] == -3);
    kernel_zscore(d, variance, 3, values);
    assert_true(values[0] == 3 && values[1] == -3 && values[2] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_those_of_their_definition),
        cmocka_unit_test(a_constant_series_leaves_no_subnormal_behind),
        cmocka_unit_test(a_sample_that_breaks_the_average_is_left_out),
        cmocka_unit_test(a_comparison_is_that_of_squares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
