/* Unit tests of promtool through heal's engine: rules are imported, samples come at their time on a
 * virtual clock, alerts and expressions are compared where the tests say. */
#ifndef HEAL_COMPILER_HEALC_PROMTOOL_TEST_H
#define HEAL_COMPILER_HEALC_PROMTOOL_TEST_H

#include <stdbool.h>
#include <stddef.h>

enum { PROMTOOL_STEPS_MAX = 2000000 }; /* of one test */

struct promtool_tally {
    size_t passed, failed; /* cases */
};

/* *.yml and *.yaml. */
bool promtool_is_test(const char *path);
/* Runs all cases of a file; prints a line for each that fails. False when the file or its rules
 * could not be read. */
bool promtool_run(const char *path, struct promtool_tally *tally);

#endif
