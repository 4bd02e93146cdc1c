/* What is usual, and how far from it something is. */
#include <math.h>

#include "tests/accuracy/robust.h"
#include "tests/unit.h"

static void the_scale_is_that_of_the_median_deviation(void **state)
{
    (void)state;
    double values[] = {5, 1, NAN, 2, 3, 4, 6, 7, 8, 9, 10, 1000};
    struct robust usual = robust_of(values, 12);
    assert_true(usual.median == 6);
    assert_true(fabs(usual.scale - 1.4826 * 3) < 1e-12);
    double rows[] = {6 + usual.scale, NAN, 6 - 3 * usual.scale};
    assert_true(fabs(robust_score(&usual, rows, 3) - 2) < 1e-12);
}

static void what_is_nearly_always_the_same_has_a_scale_too(void **state)
{
    (void)state;
    double values[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 2};
    struct robust usual = robust_of(values, 10);
    assert_true(fabs(usual.scale - 0.12533) < 1e-12);
    values[0] = values[9] = 1;
    double same[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    usual = robust_of(same, 10);
    assert_true(robust_score(&usual, (double[]){1}, 1) == 0);
    assert_true(isinf(robust_score(&usual, (double[]){1.5}, 1)));
}

static void too_little_is_unknown(void **state)
{
    (void)state;
    double values[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, NAN, 10};
    struct robust usual = robust_of(values, 10);
    assert_true(isnan(robust_score(&usual, (double[]){1}, 1)));
    double more[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, NAN, 10};
    usual = robust_of(more, 11);
    assert_true(isnan(robust_score(&usual, (double[]){NAN}, 1)));
    assert_true(robust_score(&usual, (double[]){1}, 1) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scale_is_that_of_the_median_deviation),
        cmocka_unit_test(what_is_nearly_always_the_same_has_a_scale_too),
        cmocka_unit_test(too_little_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
