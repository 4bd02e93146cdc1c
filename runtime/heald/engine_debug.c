/* See engine_debug.h. */
#include "runtime/heald/engine_debug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/heald/engine_place.h"
#include "runtime/heald/log.h"

static struct {
    bool wanted;
    int map_fd;                /* -1: perf is told nothing */
    const struct slab *mapped; /* what the map tells of */
} debug = {.map_fd = -1};

void engine_debug_open(void)
{
    struct error error;
    char path[DEBUG_PATH_BYTES];
    debug.wanted = getenv(ENGINE_DEBUG_VARIABLE) != NULL;
    if (!debug.wanted) {
        return;
    }
    debug_map_path(getpid(), path);
    if (debug_map_open(path, &debug.map_fd, &error) != STATUS_OK) {
        log_say(LOG_WARN, "perf is told no names of kernels: %s", error.message);
        return;
    }
    log_say(LOG_INFO, "names of kernels for perf are in %s", path);
}

bool engine_debug_wanted(void)
{
    return debug.wanted;
}

struct naming {
    const struct generation *generation;
    struct abi_plan *plan;
};

static void name_kernel(void *ctx, uint64_t hash, char *ret, size_t size)
{
    const struct naming *naming = ctx;
    for (size_t i = 0; i < naming->plan->group_count; i++) {
        const struct abi_group *group = &naming->plan->groups[i];
        if (group->hash == hash) {
            const struct abi_node *root =
                &naming->plan->nodes[group->members[group->member_count - 1]];
            struct engine_place place = engine_place_of(naming->generation, root->span);
            snprintf(ret, size, "%s%s%s @ %s:%zu", place.policy, place.policy[0] ? ": " : "",
                     root->text, place.path, place.line);
        }
    }
}

static void write_map(const struct generation *generation)
{
    struct error error;
    struct naming naming = {generation, eval_plan(engine_eval(generation->engine))};
    if (debug_map_write(debug.map_fd, generation->slab, name_kernel, &naming, &error) !=
        STATUS_OK) {
        log_say(LOG_WARN, "%s", error.message);
    }
    debug.mapped = generation->slab;
    abi_plan_free(naming.plan);
}

void engine_debug_linked(struct generation *generation)
{
    if (!debug.wanted || !generation->slab) {
        return;
    }
    generation->told = debug_objects_tell(generation->slab);
    if (debug.map_fd >= 0) {
        write_map(generation);
    }
}

void engine_debug_unlinked(struct generation *generation)
{
    struct error error;
    debug_objects_forget(generation->told);
    generation->told = NULL;
    if (generation->slab && generation->slab == debug.mapped) { /* none came in its place */
        debug.mapped = NULL;
        if (debug_map_write(debug.map_fd, NULL, name_kernel, NULL, &error) != STATUS_OK) {
            log_say(LOG_WARN, "%s", error.message);
        }
    }
}
