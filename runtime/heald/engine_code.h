/* Machine code of a generation: the objects of its bundle that fit this CPU, linked and handed to
 * the engine.
 *
 * Code only makes an engine faster: where there is none, or it cannot be linked, the reference
 * evaluator computes the same. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_CODE_H
#define HEAL_RUNTIME_HEALD_ENGINE_CODE_H

#include "runtime/bundle/bundle.h"
#include "runtime/code/link.h"
#include "runtime/engine/engine.h"

/* Returns the memory of the kernels, to be freed after the engine; NULL when none is used, and why
 * is logged. The best level that this CPU has is taken; objects of another ABI are passed over. */
struct slab *engine_code_use(struct engine *engine, const struct bundle *bundle);

/* The level that code is made for here: the best of this CPU; -1: none. */
int engine_code_level(void);
/* Objects that were made for this engine on this host, and nothing else: all of its level and ABI,
 * every kernel one that it wants. ret as above. */
NODISCARD enum status engine_code_take(struct engine *engine, const struct bundle *objects,
                                       struct slab **ret, struct error *error);

#endif
