/* Zones against the C library's, and stretches of local time against their definition. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lang/zone.h"
#include "tests/unit.h"

static uint64_t seed = 88172645463325252ULL;
static int64_t random_below(int64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (int64_t)((seed >> 11) % (uint64_t)limit);
}

static void days_and_dates_are_inverse_to_each_other(void **state)
{
    (void)state;
    for (int64_t days = -800000; days < 800000; days += 13) {
        const struct civil civil = civil_of_days(days);
        assert_true(civil_days(civil.year, civil.month, civil.day) == days);
    }
    assert_int_equal(civil_of_days(0).weekday, 4); /* a Thursday */
}

static void zones_are_those_of_the_c_library(void **state)
{
    (void)state;
    const int64_t begin = 1767225600, years = 12LL * 365 * 86400; /* 2026 on */
    size_t compared = 0;
    for (size_t i = 0; zone_name(i); i++) {
        struct zone zone;
        char path[128];
        assert_true(zone_find(zone_name(i), &zone));
        snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zone.name);
        FILE *file = fopen(path, "r");
        if (!file) {
            continue; /* the system does not have it */
        }
        fclose(file);
        setenv("TZ", zone.name, 1);
        tzset();
        for (int n = 0; n < 300; n++) {
            const time_t utc = begin + random_below(years);
            struct tm tm;
            localtime_r(&utc, &tm);
            const int64_t local = zone_local(&zone, utc);
            const int64_t expected =
                civil_days(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) * 86400 +
                tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
            if (local != expected) {
                fail_msg("%s at %ld: %ld, not %ld", zone.name, (long)utc, (long)local,
                         (long)expected);
            }
            compared++;
        }
    }
    unsetenv("TZ");
    if (compared == 0) {
        skip(); /* no time zones here */
    }
}

static void the_clock_changes_at_the_second(void **state)
{
    (void)state;
    struct zone zone;
    assert_true(zone_find("Europe/Berlin", &zone));
    assert_true(zone_local(&zone, 1774745999) == 1774745999 + 3600); /* 2026-03-29 01:59:59 */
    assert_true(zone_local(&zone, 1774746000) == 1774746000 + 7200);
    assert_false(zone_find("Europe/Berlim", &zone));
}

static int64_t at(int64_t year, int month, int day, int hour, int minute)
{
    return civil_days(year, month, day) * 86400 + hour * 3600 + minute * 60;
}

static void stretches_hold_between_their_ends(void **state)
{
    (void)state;
    struct time_stretch s;
    assert_true(stretch_read("Fri 16:00", "Mon 08:00", &s));
    assert_false(stretch_holds(&s, at(2026, 11, 27, 15, 59))); /* a Friday */
    assert_true(stretch_holds(&s, at(2026, 11, 27, 16, 0)));
    assert_true(stretch_holds(&s, at(2026, 11, 29, 3, 0)));
    assert_true(stretch_holds(&s, at(2026, 11, 30, 7, 59)));
    assert_false(stretch_holds(&s, at(2026, 11, 30, 8, 0)));
    assert_true(stretch_read("22:00", "06:00", &s));
    assert_true(stretch_holds(&s, at(2026, 1, 1, 0, 0)));
    assert_false(stretch_holds(&s, at(2026, 1, 1, 6, 0)));
    assert_true(stretch_read("12-24", "01-02", &s));
    assert_true(stretch_holds(&s, at(2027, 1, 2, 23, 59)));
    assert_false(stretch_holds(&s, at(2027, 1, 3, 0, 0)));
    assert_true(stretch_holds(&s, at(2026, 12, 24, 0, 0)));
    assert_true(stretch_read("2026-12-24", "2026-12-24", &s));
    assert_true(stretch_holds(&s, at(2026, 12, 24, 23, 59)));
    assert_false(stretch_holds(&s, at(2027, 12, 24, 12, 0)));
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    struct time_stretch s;
    static const char *const bad[][2] = {
        {"Fri 16:00", "08:00"},       {"Fri 16:00", "Fri 16:00"},
        {"Fry 16:00", "Mon 08:00"},   {"24:00", "06:00"},
        {"22:60", "06:00"},           {"12-32", "01-02"},
        {"02-30", "03-01"},           {"2026-02-29", "2026-03-01"},
        {"2026-12-24", "2026-12-23"}, {"", ""},
        {"Fri 16:00 ", "Mon 08:00"},  {"9:00", "10:00"},
        {"-1:00", "10:00"},           {"Fri -1:00", "Mon 08:00"},
        {"2026-13-01", "2026-13-02"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (stretch_read(bad[i][0], bad[i][1], &s)) {
            fail_msg("'%s'..'%s' was read", bad[i][0], bad[i][1]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_and_dates_are_inverse_to_each_other),
        cmocka_unit_test(zones_are_those_of_the_c_library),
        cmocka_unit_test(the_clock_changes_at_the_second),
        cmocka_unit_test(stretches_hold_between_their_ends),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
