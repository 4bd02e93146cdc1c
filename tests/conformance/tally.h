/* What became of the cases of one kind. */
#ifndef HEAL_TESTS_CONFORMANCE_TALLY_H
#define HEAL_TESTS_CONFORMANCE_TALLY_H

struct tally {
    int passed, failed, skipped;
};

#endif
