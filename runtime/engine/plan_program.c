/* The plan of a program: that of an engine over an empty store, which adds what a running one does.
 */
#include "runtime/engine/engine_internal.h"

struct abi_plan *abi_plan_new(const struct program *program, struct duration tick,
                              struct error *error)
{
    struct store *store = store_new(NULL);
    struct engine_host host = {.tick = tick};
    struct engine *engine = engine_new(program, store, &host, error);
    struct abi_plan *plan = engine ? eval_plan(engine->eval) : NULL;
    engine_free(engine);
    store_free(store);
    return plan;
}
