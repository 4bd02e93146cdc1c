/* Machine code for an evaluator, made on the spot. */
#ifndef HEAL_TESTS_CONFORMANCE_MACHINE_H
#define HEAL_TESTS_CONFORMANCE_MACHINE_H

#include "runtime/code/link.h"
#include "runtime/engine/engine.h"

struct machine {
    struct slab *slab;
    bool empty; /* nothing of it has code */
};
/* After the last eval_add(). */
bool machine_use(struct machine *machine, struct eval *eval, struct error *error);
/* The same for the engines of one program: hooks of struct promtool_options. */
void *machine_new(struct engine *engine);
void machine_take(void *machine, struct engine *engine);
void machine_free(void *machine);
/* After the evaluator is freed. */
void machine_release(struct machine *machine);

#endif
