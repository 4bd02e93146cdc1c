#include "tests/code/agree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/code/link.h"
#include "runtime/engine/eval.h"
#include "tests/oracle/generate.h"

enum {
    METRICS = GENERATE_METRICS + 2,
    ENTITIES_MAX = 700,
    PER_NODE = 3,
    START_S = 1000,
    SLOTS_MAX = 50000
};
#define STEP_S 10.0
/* The generator's, of which sparse is not of all pods, and in another order; node: one series for
 * PER_NODE pods; moved: two for each second pod, of which mostly one is there. */
enum { SPARSE = 3, NODE = 4, MOVED = 5 };
static const char *const more_metrics[] = {"node", "moved"};

/* ---- a world ---- */

struct world {
    struct store *store;
    struct eval *reference, *code;
    struct eval_node *nodes[2][AGREE_EXPRESSIONS];
    uint32_t source[2], series[METRICS][ENTITIES_MAX];
    size_t entities;
    double now_s;
    double scale; /* of calm samples */
    bool crowded; /* the series of one pod are all there */
};

/* Not every pod has every metric. */
static bool has_series(size_t metric, size_t entity)
{
    return metric == SPARSE ? entity % 5 != 1 : metric == NODE ? entity % PER_NODE == 0 : true;
}

static bool world_series(struct world *world, struct error *error)
{
    for (size_t m = 0; m < METRICS; m++) {
        const char *name =
            m < GENERATE_METRICS ? generate_metrics[m] : more_metrics[m - GENERATE_METRICS];
        for (size_t i = 0; i < world->entities; i++) {
            char pod[32], node[32];
            size_t at = m == SPARSE ? world->entities - 1 - i : i;
            snprintf(pod, sizeof pod, "pod-%zu", at);
            snprintf(node, sizeof node, "node-%zu", at / PER_NODE);
            struct label labels[] = {{"node", node}, {"pod", pod}};
            if (m == MOVED) {
                snprintf(pod, sizeof pod, "pod-%zu", i / 2 * 2);
                labels[0] = (struct label){"instance", i % 2 ? "b" : "a"};
            }
            if (has_series(m, i) &&
                store_series(world->store, world->source[m / 2 % 2], name, labels,
                             m == NODE ? 1 : 2, &world->series[m][i], error) != STATUS_OK) {
                return false;
            }
        }
    }
    return true;
}

static bool world_open(struct world *world, struct expr *const *exprs, size_t entities,
                       struct error *error)
{
    static const char *const names[] = {"one", "two"};
    *world = (struct world){.store = store_new(NULL), .entities = entities, .now_s = START_S};
    world->reference = eval_new(world->store);
    world->code = eval_new(world->store);
    for (size_t i = 0; i < 2; i++) {
        if (store_source(world->store, names[i], duration_seconds(STEP_S), duration_seconds(5),
                         &world->source[i], error) != STATUS_OK) {
            return false;
        }
    }
    for (size_t i = 0; i < AGREE_EXPRESSIONS; i++) {
        struct duration step = duration_seconds(STEP_S);
        world->nodes[0][i] = eval_add(world->reference, exprs[i], step, error);
        world->nodes[1][i] = eval_add(world->code, exprs[i], step, error);
        if (!world->nodes[0][i] || !world->nodes[1][i]) {
            return false;
        }
    }
    return world_series(world, error);
}

static void world_close(struct world *world)
{
    eval_free(world->reference);
    eval_free(world->code);
    store_free(world->store);
}

static double stale(void)
{
    const uint64_t bits = 0x7ff0000000000002ULL;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Which of a pod's two series is not there: it changes now and then. */
static size_t moved_to(const struct world *world, size_t i)
{
    return ((size_t)(world->now_s / STEP_S) / 5 + i / 2) % 2;
}

/* A tick's samples: some series are not in the answer, some sources do not answer, now and then an
 * entity is born. */
static bool world_feed(struct world *world, struct dice *dice, struct error *error)
{
    const bool calm = one_in(dice, 3) || world->scale != 1;
    world->now_s += STEP_S;
    struct instant now = {(int64_t)(world->now_s * 1e9)};
    if (one_in(dice, 12) && world->entities < ENTITIES_MAX) {
        world->entities++;
        if (!world_series(world, error)) {
            return false;
        }
    }
    for (size_t m = 0; m < METRICS; m++) {
        for (size_t i = 0; i < world->entities; i++) {
            if (has_series(m, i) && (calm || !one_in(dice, 10))) {
                double value =
                    calm ? (double)below(dice, 64) * world->scale : generate_sample(dice);
                if (m == MOVED && (i % 2 == moved_to(world, i)) && !world->crowded) {
                    value = stale();
                }
                store_append(world->store, world->series[m][i], now, now, value);
            }
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (!one_in(dice, 6)) {
            store_answered(world->store, world->source[i], now);
        }
    }
    return true;
}

/* ---- the comparison ---- */

static bool bit(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

static bool same_value(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static bool same_columns(struct agree *agree, const struct world *world, size_t at,
                         const char *where)
{
    struct eval_column a = eval_column(world->nodes[0][at]), b = eval_column(world->nodes[1][at]);
    if (a.count != b.count || a.blind != b.blind || a.scalar != b.scalar) {
        snprintf(agree->failure, sizeof agree->failure, "%s expression %zu: %zu and %zu slots",
                 where, at, a.count, b.count);
        return false;
    }
    for (size_t i = 0; i < a.count; i++) {
        bool present[2] = {bit(a.present, i), bit(b.present, i)};
        bool unknown[2] = {bit(a.unknown, i), bit(b.unknown, i)};
        if (present[0] != present[1] || unknown[0] != unknown[1] ||
            (present[0] && !same_value(a.values[i], b.values[i]))) {
            snprintf(agree->failure, sizeof agree->failure,
                     "%s expression %zu slot %zu of %zu: present %d and %d, unknown %d and %d, "
                     "value %a and %a",
                     where, at, i, a.count, present[0], present[1], unknown[0], unknown[1],
                     a.values[i], b.values[i]);
            return false;
        }
    }
    agree->slots += a.count;
    agree->pairs++;
    return true;
}

/* dice: some kernels are taken away, so that state and columns go from code to reference and back.
 */
static bool use_slab(struct eval *eval, const struct slab *slab, struct dice *dice)
{
    for (size_t i = 0; i < slab_count(slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(slab, i, &hash, &size);
        if (!eval_use_code(eval, hash, dice && one_in(dice, 4) ? NULL : kernel) &&
            !eval_wants_code(eval, hash)) {
            return false;
        }
    }
    return true;
}

/* Joins of all with all, twice over: one tick of such is enough. */
static bool is_huge(const struct world *world)
{
    bool huge = false;
    for (size_t i = 0; i < AGREE_EXPRESSIONS; i++) {
        huge |= eval_column(world->nodes[0][i]).count > SLOTS_MAX;
    }
    return huge;
}

static bool agree_world(struct agree *agree, struct expr *const *exprs, const struct slab *slab,
                        struct dice *dice, size_t entities, const char *where)
{
    struct error error = {""};
    struct world world;
    bool good = world_open(&world, exprs, entities, &error);
    static const double scales[] = {1, 1, 1, 1e-142, 1e-141, 5e-324};
    world.crowded = one_in(dice, 4);
    world.scale = scales[below(dice, (unsigned)ARRAY_LEN(scales))];
    if (good && !use_slab(world.code, slab, NULL)) {
        good = false;
        error_set(&error, STATUS_NOT_FOUND, "a kernel has no group");
    }
    for (size_t tick = 0; tick < AGREE_TICKS && good && !is_huge(&world); tick++) {
        char place[120];
        snprintf(place, sizeof place, "%s, %zu entities, tick %zu,", where, entities, tick);
        good = world_feed(&world, dice, &error);
        if (one_in(dice, 4)) {
            use_slab(world.code, slab, one_in(dice, 2) ? dice : NULL);
        }
        struct instant now = {(int64_t)((world.now_s + 1 + (double)below(dice, 8)) * 1e9)};
        eval_tick(world.reference, now);
        eval_tick(world.code, now);
        agree->nodes_on_code += eval_code_nodes(world.code);
        for (size_t i = 0; i < AGREE_EXPRESSIONS && good; i++) {
            good = same_columns(agree, &world, i, place);
        }
    }
    if (!good && !agree->failure[0]) {
        snprintf(agree->failure, sizeof agree->failure, "%s: %s", where, error.message);
    }
    world_close(&world);
    return good;
}

/* ---- a set ---- */

static enum code_cpu cpu_of(uint64_t set)
{
    enum code_cpu cpu = (enum code_cpu)(set % 4);
    if (cpu == CODE_V4 &&
        !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))) {
        return CODE_NATIVE;
    }
    return cpu == CODE_V3 && !__builtin_cpu_supports("avx2") ? CODE_NATIVE : cpu;
}

static struct slab *compile(struct agree *agree, struct expr *const *exprs, uint64_t set,
                            struct error *error)
{
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    struct abi_plan *plan = NULL;
    struct slab *slab = slab_new();
    struct code_object *objects = NULL;
    size_t count = 0;
    bool good = true;
    for (size_t i = 0; i < AGREE_EXPRESSIONS && good; i++) {
        good = eval_add(eval, exprs[i], duration_seconds(STEP_S), error) != NULL;
    }
    if (good) {
        const struct code_options options = {.cpu = cpu_of(set), .plain = set / 4 % 3 == 2};
        plan = eval_plan(eval);
        good = code_compile_plan(plan, &options, &objects, &count, error) == STATUS_OK;
    }
    for (size_t i = 0; i < count && good; i++) {
        good = slab_add(slab, objects[i].bytes, objects[i].size, error) == STATUS_OK;
        agree->bytes += objects[i].size;
    }
    good = good && slab_link(slab, error) == STATUS_OK;
    agree->kernels += good ? slab_count(slab) : 0;
    code_objects_free(objects, count);
    abi_plan_free(plan);
    eval_free(eval);
    store_free(store);
    if (!good) {
        slab_free(slab);
    }
    return good ? slab : NULL;
}

bool agree_set(struct agree *agree, uint64_t set)
{
    static const size_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 100, 127, 128, 130, 640};
    struct dice dice = {agree->seed * 0x2545f4914f6cdd1dULL + set};
    struct arena arena = {0};
    struct error error = {""};
    struct expr *exprs[AGREE_EXPRESSIONS];
    char where[64];
    snprintf(where, sizeof where, "seed %llu set %llu", (unsigned long long)agree->seed,
             (unsigned long long)set);
    const enum taste about = generate_taste(&dice);
    generate_epoch_s = START_S; /* of what stands behind `@` */
    for (size_t i = 0; i < AGREE_EXPRESSIONS; i++) {
        exprs[i] = one_in(&dice, 8) ? generate_any(&arena, &dice, 3)
                                    : generate_expression(&arena, &dice, about);
    }
    struct slab *slab = compile(agree, exprs, set, &error);
    bool good = slab != NULL;
    if (!good) {
        snprintf(agree->failure, sizeof agree->failure, "%s: %s", where, error.message);
    }
    for (size_t i = 0; i < AGREE_WORLDS && good; i++) {
        size_t entities = sizes[below(&dice, ARRAY_LEN(sizes))];
        good = agree_world(agree, exprs, slab, &dice, entities, where);
    }
    slab_free(slab);
    arena_release(&arena);
    return good;
}
