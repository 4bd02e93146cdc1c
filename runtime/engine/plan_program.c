/* The plan of a program: that of an engine over an empty store, which adds what a running one does.
 */
#include "runtime/engine/engine_internal.h"

static void find_place(const struct program *program, struct abi_node *node)
{
    for (const struct file *file = program->files; file && !node->path; file = file->next) {
        struct position position = source_position(file->source, node->span.start);
        node->path = position.source ? position.source->path : NULL;
        node->line = (uint32_t)position.line;
    }
}

struct abi_plan *abi_plan_new(const struct program *program, struct duration tick,
                              struct error *error)
{
    struct store *store = store_new(NULL);
    struct engine_host host = {.tick = tick};
    struct engine *engine = engine_new(program, store, &host, error);
    struct abi_plan *plan = engine ? eval_plan(engine->eval) : NULL;
    for (size_t i = 0; plan && i < plan->node_count; i++) {
        find_place(program, &plan->nodes[i]);
    }
    engine_free(engine);
    store_free(store);
    return plan;
}
