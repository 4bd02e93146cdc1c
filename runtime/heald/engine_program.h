/* A program generation: the policies of a signed bundle, checked and made into an engine.
 *
 * Loaded whole or not at all; the generation before serves until the new one stands. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_PROGRAM_H
#define HEAL_RUNTIME_HEALD_ENGINE_PROGRAM_H

#include "lang/diagnostic.h"
#include "runtime/code/link.h"
#include "runtime/config/config.h"
#include "runtime/engine/engine.h"

struct generation {
    struct arena arena;
    struct sources sources;
    struct program *program;
    struct engine_host host;
    struct engine *engine;
    struct slab *slab; /* kernels of the bundle, or NULL */
    struct slab *made; /* kernels made here, in their place, or NULL */
    uint64_t serial;
};

/* config and store must outlive the generation. epoch: of this life of the engine. */
NODISCARD enum status generation_load(const struct config *config, struct store *store,
                                      uint32_t epoch, uint64_t min_serial, struct generation **ret,
                                      struct error *error);
void generation_free(struct generation *generation);

#endif
