/* heald --debug-code: perf and gdb are told of the kernels of each generation.
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
/* The generation's kernels are linked, and its engine uses them. */
void engine_debug_linked(struct generation *generation);
/* Before its slab goes. */
void engine_debug_unlinked(struct generation *generation);

#endif
