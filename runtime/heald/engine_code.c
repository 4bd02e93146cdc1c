/* Machine code of a generation. */
#include "runtime/heald/engine_code.h"

#include "runtime/heald/engine_debug.h"
#include "runtime/heald/log.h"

/* The best level of code this CPU runs; -1: none. Code for the CPU of another machine is never
 * taken. */
int engine_code_level(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("x86-64-v4")   ? BUNDLE_V4
           : __builtin_cpu_supports("x86-64-v3") ? BUNDLE_V3
           : __builtin_cpu_supports("x86-64-v2") ? BUNDLE_V2
                                                 : -1;
}

/* The highest level at or below `most` that the bundle has objects of; -1: none. */
static int level_of(const struct bundle *bundle, int most)
{
    int best = -1;
    for (size_t i = 0; i < bundle->object_count; i++) {
        int level = (int)bundle->objects[i].cpu;
        if (bundle->objects[i].abi == ABI_VERSION && level <= most && level > best) {
            best = level;
        }
    }
    return best;
}

static struct slab *slab_open(void)
{
    struct slab *slab = slab_new();
    if (engine_debug_wanted()) {
        slab_keep(slab);
    }
    return slab;
}

static enum status link_level(struct slab *slab, const struct bundle *bundle, int level,
                              struct error *error)
{
    for (size_t i = 0; i < bundle->object_count; i++) {
        const struct bundle_object *object = &bundle->objects[i];
        if ((int)object->cpu == level && object->abi == ABI_VERSION) {
            TRY(slab_add(slab, object->bytes, object->length, error));
        }
    }
    return slab_link(slab, error);
}

/* Gives how many of them the engine took. */
static size_t use_kernels(struct engine *engine, const struct slab *slab)
{
    size_t used = 0;
    for (size_t i = 0; i < slab_count(slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(slab, i, &hash, &size);
        used += engine_use_code(engine, hash, kernel);
    }
    return used;
}

struct slab *engine_code_use(struct engine *engine, const struct bundle *bundle)
{
    struct error error;
    int level = level_of(bundle, engine_code_level());
    if (level < 0) {
        log_say(LOG_INFO,
                "the bundle has no machine code for this CPU; the reference evaluator runs");
        return NULL;
    }
    struct slab *slab = slab_open();
    if (link_level(slab, bundle, level, &error) != STATUS_OK) {
        log_say(LOG_WARN, "machine code is not used, the reference evaluator runs: %s",
                error.message);
        slab_free(slab);
        return NULL;
    }
    log_say(LOG_INFO, "machine code: %zu kernels of level %s", use_kernels(engine, slab),
            bundle_cpu_words[level]);
    return slab;
}

/* ---- made here ---- */

static enum status link_made(struct slab *slab, struct engine *engine, const struct bundle *objects,
                             struct error *error)
{
    for (size_t i = 0; i < objects->object_count; i++) {
        const struct bundle_object *object = &objects->objects[i];
        if (object->abi != ABI_VERSION || (int)object->cpu != engine_code_level()) {
            return error_set(error, STATUS_DENIED, "an object is of another ABI or CPU level");
        }
        TRY(slab_add(slab, object->bytes, object->length, error));
    }
    TRY(slab_link(slab, error));
    for (size_t i = 0; i < slab_count(slab); i++) {
        uint64_t hash;
        size_t size;
        (void)slab_kernel(slab, i, &hash, &size);
        if (!engine_wants_code(engine, hash)) {
            return error_set(error, STATUS_DENIED, "nobody wants the kernel %016llx",
                             (unsigned long long)hash);
        }
    }
    return STATUS_OK;
}

enum status engine_code_take(struct engine *engine, const struct bundle *objects, struct slab **ret,
                             struct error *error)
{
    struct slab *slab = slab_open();
    enum status status = link_made(slab, engine, objects, error);
    if (status != STATUS_OK) {
        slab_free(slab);
        return status;
    }
    (void)use_kernels(engine, slab);
    *ret = slab;
    return STATUS_OK;
}
