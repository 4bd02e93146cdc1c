/* How many cases of a kind passed. */
#ifndef HEAL_TESTS_CONFORMANCE_TALLY_H
#define HEAL_TESTS_CONFORMANCE_TALLY_H

struct tally {
    int passed, failed, skipped;
};

#endif
