/* Incremental equals batch, over the expressions of all rules. */
#ifndef HEAL_TESTS_CONFORMANCE_INCREMENTAL_H
#define HEAL_TESTS_CONFORMANCE_INCREMENTAL_H

#include <stdbool.h>

#include "tests/conformance/tally.h"

/* Every expression of the rules below DIR/alert-rules over random series that its selectors match,
 * which are born, reset, fall silent and die: an evaluator that lived through all of it gives what
 * one gives that is made anew, at every few ticks. Skipped: expressions that nothing was there for
 * at any of these ticks. False when the folder is absent. */
bool conformance_incremental(const char *dir, struct tally *ret);

#endif
