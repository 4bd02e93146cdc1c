/* Agreement: random well-typed expressions over random inputs, on the reference evaluator and on
 * machine code, over several ticks with state; values, presence and unknown bit for bit.
 *
 * A NaN agrees with any NaN: which payload an operation of two of them keeps is the choice of the C
 * compiler that made the reference evaluator. Values of slots that are not present are nobody's. */
#ifndef HEAL_TESTS_CODE_AGREE_H
#define HEAL_TESTS_CODE_AGREE_H

#include "compiler/code.h"

enum { AGREE_EXPRESSIONS = 64, AGREE_WORLDS = 6, AGREE_TICKS = 16 };

struct agree {
    uint64_t seed;
    size_t pairs;          /* (expression, input) compared so far */
    size_t slots;          /* compared so far */
    size_t nodes_on_code;  /* summed over ticks */
    size_t kernels, bytes; /* compiled */
    char failure[600];     /* of the first disagreement, or empty */
};

/* One set: AGREE_EXPRESSIONS expressions, compiled once, over AGREE_WORLDS worlds of AGREE_TICKS
 * ticks. False at the first disagreement or refusal. Set n of a seed is always the same. */
bool agree_set(struct agree *agree, uint64_t set);

#endif
