/* Cases of Prometheus' own test scripts, by both evaluators. */
#ifndef HEAL_TESTS_CONFORMANCE_PROMQL_H
#define HEAL_TESTS_CONFORMANCE_PROMQL_H

#include <stdbool.h>

#include "tests/conformance/tally.h"

/* dir: the conformance folder. Each runs the cases below DIR/promql, prints a line a case that
 * fails and adds to the tally; false when the folder is absent. */
bool conformance_promql(const char *dir, struct tally *ret);
/* Expressions that must be accepted or refused. */
bool conformance_grammar(const char *dir, struct tally *ret);
bool conformance_compliance(const char *dir, struct tally *ret);

#endif
