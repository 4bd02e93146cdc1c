/* A small world for tests of the engine: a program from text, a store, an engine, one source an
 * entity's series and a hand that remembers. */
#ifndef HEAL_TESTS_ENGINE_WORLD_H
#define HEAL_TESTS_ENGINE_WORLD_H

#include "lang/diagnostic.h"
#include "runtime/engine/engine.h"

enum { WORLD_ENTITIES_MAX = 64, WORLD_RECORDS_MAX = 200000 };

struct world {
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
    struct program *program;
    struct store *store;
    struct engine *engine;
    struct engine_host host;
    struct engine_grant grant;
    char target_texts[WORLD_ENTITIES_MAX][32];
    const char *targets[WORLD_ENTITIES_MAX];
    size_t entities;
    uint32_t sources_of[WORLD_ENTITIES_MAX];
    uint32_t up[WORLD_ENTITIES_MAX], x[WORLD_ENTITIES_MAX];
    struct instant now;
    struct effects effects; /* of the last step */
    struct record *records; /* all of this world's life, over restarts */
    size_t record_count;
};

/* Fails the test when the text has an error. Entities are w=e0, w=e1, ...; each has the series
 * up{w} (1) and x{w} of a source of its own; the grant allows action `fix` on all of them,
 * unattended. */
void world_init(struct world *world, const char *text, size_t entities);
void world_release(struct world *world);
/* One second on: entity i is fed x[i] (NAN with unseen[i]: its source does not answer), then a
 * step. */
void world_step(struct world *world, const double *x, const bool *unseen,
                const struct input *inputs, size_t input_count);
/* kill -9 and rise again: a new engine from the records, one epoch on. */
void world_restart(struct world *world);
/* A reload: a new engine of the same program and of the host as it is now takes over. */
void world_reload(struct world *world);
size_t world_count(const struct world *world, enum record_kind kind);
const struct effect *world_effect(const struct world *world, enum effect_kind kind);

#endif
