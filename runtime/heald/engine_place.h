/* Where in its policies an operator of a generation stands. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_PLACE_H
#define HEAL_RUNTIME_HEALD_ENGINE_PLACE_H

#include "runtime/heald/engine_program.h"

struct engine_place {
    const char *path;   /* the generation's; "?" where there is no place */
    size_t line;        /* from 1 */
    const char *policy; /* "" outside of policies: a pool, a guard */
};
struct engine_place engine_place_of(const struct generation *generation, struct span span);

#endif
