/* heald --debug-code: perf and gdb are told of all kernels that are mapped.
 *
 * The map of symbols is opened before the cage closes. Names are of the policy and operator, with
 * the file and line that the operator stands in. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_DEBUG_H
#define HEAL_RUNTIME_HEALD_ENGINE_DEBUG_H

#include "runtime/code/debug.h"
#include "runtime/heald/engine_program.h"

/* What main sets in the environment for --debug-code, and the engine looks for. */
#define ENGINE_DEBUG_VARIABLE "HEAL_DEBUG_CODE"

/* Before the cage. Without --debug-code nothing happens, here or below. */
void engine_debug_open(void);
/* Whether slabs should keep their objects. */
bool engine_debug_wanted(void);
/* A slab of the generation is linked; it was told to keep its objects. */
void engine_debug_linked(const struct generation *generation, const struct slab *slab);
/* Before a slab goes; NULL, or one that was never told of: nothing happens. */
void engine_debug_unlinked(const struct slab *slab);

#endif
