/* Times of ticks: whole periods apart, however late each one is. */
#include "runtime/heald/clock.h"
#include "tests/unit.h"

static const struct duration PERIOD = {1000};
static const struct instant START = {5000};

static int64_t next(struct clock_ticks *ticks, uint64_t expirations, int64_t now_ns)
{
    return clock_ticks_next(ticks, expirations, (struct instant){now_ns}).ns;
}

static void a_late_tick_has_the_time_at_which_it_was_due(void **state)
{
    (void)state;
    struct clock_ticks ticks;
    clock_ticks_start(&ticks, PERIOD, START);
    assert_int_equal(next(&ticks, 1, 5003), 5000);
    assert_int_equal(next(&ticks, 1, 6900), 6000);
    assert_int_equal(next(&ticks, 1, 7000), 7000);
    assert_int_equal(next(&ticks, 1, 8001), 8000);
}

static void ticks_that_were_missed_are_passed_over(void **state)
{
    (void)state;
    struct clock_ticks ticks;
    clock_ticks_start(&ticks, PERIOD, START);
    assert_int_equal(next(&ticks, 3, 7400), 7000);
    assert_int_equal(next(&ticks, 2, 9100), 9000);
}

static void no_tick_is_after_now_or_long_before_it(void **state)
{
    (void)state;
    struct clock_ticks ticks;
    clock_ticks_start(&ticks, PERIOD, START);
    assert_int_equal(next(&ticks, 2, 5400), 5000);
    assert_int_equal(next(&ticks, 1, 90700), 90700);
    assert_int_equal(next(&ticks, 1, 91800), 91700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_tick_has_the_time_at_which_it_was_due),
        cmocka_unit_test(ticks_that_were_missed_are_passed_over),
        cmocka_unit_test(no_tick_is_after_now_or_long_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
