/* Unit tests of promtool through heal's engine: rules are imported, samples come at their time on a
 * virtual clock, alerts and expressions are compared where the tests say. */
#ifndef HEAL_COMPILER_HEALC_PROMTOOL_TEST_H
#define HEAL_COMPILER_HEALC_PROMTOOL_TEST_H

#include <stdbool.h>
#include <stddef.h>

enum { PROMTOOL_STEPS_MAX = 2000000 }; /* of one test */

struct promtool_tally {
    size_t passed, failed;               /* cases */
    size_t groups_passed, groups_failed; /* tests, of which all cases passed or not */
};

struct program;
struct engine;
struct promtool_options {
    bool closed_windows; /* as those of Prometheus 2 */
    /* Machine code for the engines of one program; NULL: the reference evaluator alone. */
    void *(*code_new)(struct engine *engine);
    void (*code_use)(void *code, struct engine *engine);
    void (*code_free)(void *code);
    /* Told of each test, with what it needs that heal has not, or NULL; told NULL: nobody. */
    void (*told)(void *context, const char *path, size_t group, const char *refused, bool passed);
    void *context;
    bool silent; /* nothing is printed */
};

/* *.yml and *.yaml. */
bool promtool_is_test(const char *path);
/* Runs all cases of a file; prints a line for each that fails. False when the file or its rules
 * could not be read. options NULL: none. */
bool promtool_run(const char *path, const struct promtool_options *options,
                  struct promtool_tally *tally);

#endif
