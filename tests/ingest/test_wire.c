/* The recorded texts and requests of the conformance folder, all of them. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/conformance/wire.h"
#include "tests/unit.h"

static const char *folder(void)
{
    static char path[1024];
    const char *shared = getenv("HEAL_SHARED");
    snprintf(path, sizeof path, "%s/conformance", shared ? shared : HEAL_ROOT "/../shared");
    return path;
}

static void all_pass(const char *kind, bool (*run)(const char *, struct tally *), int least)
{
    struct tally tally = {0};
    if (!run(folder(), &tally)) {
        print_message("skipped: no cases of %s in %s\n", kind, folder());
        skip();
    }
    print_message("%s: %d passed, %d failed, %d skipped\n", kind, tally.passed, tally.failed,
                  tally.skipped);
    assert_int_equal(tally.failed, 0);
    assert_true(tally.passed >= least);
}

static void openmetrics_is_taken_if_and_only_if_it_should_be(void **state)
{
    (void)state;
    all_pass("openmetrics", conformance_openmetrics, 100);
}

static void expositions_give_what_an_independent_parser_counts(void **state)
{
    (void)state;
    all_pass("exposition", conformance_exposition, 20);
}

static void recorded_requests_decode_to_the_bit_and_arrive(void **state)
{
    (void)state;
    all_pass("remote write", conformance_remote_write, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openmetrics_is_taken_if_and_only_if_it_should_be),
        cmocka_unit_test(expositions_give_what_an_independent_parser_counts),
        cmocka_unit_test(recorded_requests_decode_to_the_bit_and_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
