/* See engine_debug.h. */
#include "runtime/heald/engine_debug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/heald/engine_place.h"
#include "runtime/heald/log.h"

/* A slab that was told of. */
struct told {
    const struct slab *slab;
    struct debug_objects *objects;
    char *lines; /* of the map */
    struct told *next;
};

static struct {
    bool wanted;
    int map_fd; /* -1: perf is told nothing */
    struct told *told;
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

/* Of all slabs that are there: at a reload the old one is for a moment, too. */
static void write_map(void)
{
    struct error error;
    char *all = heap_alloc(1);
    size_t length = 0;
    for (const struct told *told = debug.told; told; told = told->next) {
        const size_t more = strlen(told->lines);
        all = heap_resize(all, length + more + 1);
        memcpy(all + length, told->lines, more + 1);
        length += more;
    }
    if (debug.map_fd >= 0 && debug_map_write(debug.map_fd, all, &error) != STATUS_OK) {
        log_say(LOG_WARN, "%s", error.message);
    }
    free(all);
}

void engine_debug_linked(const struct generation *generation, const struct slab *slab)
{
    if (!debug.wanted || !slab) {
        return;
    }
    struct naming naming = {generation, eval_plan(engine_eval(generation->engine))};
    struct told *told = heap_alloc(sizeof *told);
    *told = (struct told){.slab = slab,
                          .objects = debug_objects_tell(slab),
                          .lines = debug_map_lines(slab, name_kernel, &naming),
                          .next = debug.told};
    debug.told = told;
    abi_plan_free(naming.plan);
    write_map();
}

void engine_debug_unlinked(const struct slab *slab)
{
    struct told **at = &debug.told;
    while (*at && (*at)->slab != slab) {
        at = &(*at)->next;
    }
    struct told *told = *at;
    if (told) {
        *at = told->next;
        debug_objects_forget(told->objects);
        free(told->lines);
        free(told);
        write_map();
    }
}
