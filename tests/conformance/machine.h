/* Machine code for an evaluator, made on the spot. */
#ifndef HEAL_TESTS_CONFORMANCE_MACHINE_H
#define HEAL_TESTS_CONFORMANCE_MACHINE_H

#include "runtime/code/link.h"
#include "runtime/engine/eval.h"

struct machine {
    struct slab *slab;
};
/* After the last eval_add(). */
bool machine_use(struct machine *machine, struct eval *eval, struct error *error);
/* After the evaluator is freed. */
void machine_release(struct machine *machine);

#endif
