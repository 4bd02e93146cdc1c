/* Where the engine's time goes, for /metrics and healctl top: the operators that took longest in
 * the ticks that were timed since the policies were loaded. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_COSTS_H
#define HEAL_RUNTIME_HEALD_ENGINE_COSTS_H

#include <jansson.h>

#include "runtime/heald/engine_program.h"

enum { ENGINE_COSTS_BYTES = 32 * 1024 };

/* Lines of heald_kernel_seconds_total. */
void engine_costs_lines(const struct generation *generation, char ret[ENGINE_COSTS_BYTES]);
/* The answer to top. */
json_t *engine_costs_json(const struct generation *generation);

#endif
