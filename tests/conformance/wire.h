/* The cases about what comes over the wire: texts of exporters and requests of remote write.
 *
 * dir is the folder that holds openmetrics/ and exposition/. Each function runs all cases of its
 * kind, prints one line for a case that fails, and adds to the tally; false when there is no such
 * folder. */
#ifndef HEAL_TESTS_CONFORMANCE_WIRE_H
#define HEAL_TESTS_CONFORMANCE_WIRE_H

#include <stdbool.h>

#include "tests/conformance/tally.h"

bool conformance_openmetrics(const char *dir, struct tally *ret);
bool conformance_exposition(const char *dir, struct tally *ret);
bool conformance_remote_write(const char *dir, struct tally *ret);

#endif
