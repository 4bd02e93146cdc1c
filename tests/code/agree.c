#include "tests/code/agree.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/code/link.h"
#include "runtime/engine/eval.h"
#include "stdlib/window.h"
#include "tests/engine/tree.h"

enum { METRICS = 6, ENTITIES_MAX = 700, DEPTH_MAX = 5, PER_NODE = 3 };
#define STEP_S 10.0
/* sparse: not of all pods, and in another order; node: one series for PER_NODE pods;
 * moved: two for each second pod, of which mostly one is there. */
static const char *const metrics[METRICS] = {"x", "y", "z", "sparse", "node", "moved"};

/* ---- chance ---- */

struct dice {
    uint64_t state;
};
static uint64_t roll(struct dice *dice)
{
    uint64_t x = dice->state += 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}
static unsigned below(struct dice *dice, unsigned count)
{
    return (unsigned)(roll(dice) % count);
}
static bool one_in(struct dice *dice, unsigned count)
{
    return below(dice, count) == 0;
}

static double odd_number(struct dice *dice)
{
    static const double odd[] = {NAN,     INFINITY, -INFINITY, 0.0,      -0.0,   5e-324,
                                 -5e-324, DBL_MIN,  DBL_MAX,   -DBL_MAX, 1e-310, 1,
                                 -1,      1e300,    -1e-300,   2.5e-308, 0.1,    3};
    return odd[below(dice, (unsigned)ARRAY_LEN(odd))];
}

static double sample(struct dice *dice)
{
    switch (below(dice, 8)) {
    case 0: return odd_number(dice);
    case 1: return (double)below(dice, 4);
    case 2: {
        uint64_t bits = roll(dice);
        double value;
        memcpy(&value, &bits, sizeof value);
        return isnan(value) ? 7 : value;
    }
    default: return 100 + (double)below(dice, 1000) / 64;
    }
}

/* ---- expressions ---- */

static struct expr *vector(struct arena *arena, struct dice *dice, int depth);

static struct expr *scalar(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"+", "-", "*", "/", "%"};
    if (depth > 0 && one_in(dice, 4)) {
        return tree_binary(arena, scalar(arena, dice, depth - 1),
                           operators[below(dice, ARRAY_LEN(operators))],
                           scalar(arena, dice, depth - 1));
    }
    if (one_in(dice, 5)) {
        return tree_call(arena, "time", NULL);
    }
    return tree_number(arena, one_in(dice, 4) ? odd_number(dice) : sample(dice));
}

static struct expr *averaged(struct arena *arena, struct dice *dice, int depth, const char *name)
{
    static const double alphas[] = {0.05, 0.3, 1, 0.5, 1e-9};
    struct expr *call = tree_call(arena, name, vector(arena, dice, depth));
    return tree_argument(arena, call, "alpha",
                         tree_number(arena, alphas[below(dice, ARRAY_LEN(alphas))]));
}

/* One of a few z-scores, so that many read the same. */
static struct expr *common_score(struct arena *arena, struct dice *dice)
{
    struct expr *x = tree_select(arena, metrics[below(dice, 2)]);
    if (one_in(dice, 3)) {
        x = tree_binary(arena, x, "*", tree_select(arena, "z"));
    }
    return tree_zscore(arena, x, 0.3);
}

static struct expr *compared(struct arena *arena, struct dice *dice, struct expr *left,
                             struct expr *right)
{
    static const char *const operators[] = {"==", "!=", "<=", "<", ">=", ">"};
    struct expr *expr =
        tree_binary(arena, left, operators[below(dice, ARRAY_LEN(operators))], right);
    expr->binary.matching.return_bool = one_in(dice, 3);
    return expr;
}

static struct expr *percent(struct arena *arena, struct dice *dice, int depth)
{
    struct expr *expr = tree_new(arena, EXPR_PERCENT_OF);
    expr->percent_of.inner = vector(arena, dice, depth);
    expr->percent_of.ratio = (double)below(dice, 200) / 100;
    return expr;
}

static struct expr *negated(struct arena *arena, struct expr *inner)
{
    struct expr *expr = tree_new(arena, EXPR_UNARY);
    expr->unary.minus = true;
    expr->unary.inner = inner;
    return expr;
}

/* Many pods on one node: the right side has fewer slots, each wanted several times. */
static struct expr *many_to_one(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"+", "-", "*", "/", ">", "<="};
    struct expr *expr = tree_on(arena,
                                tree_binary(arena, vector(arena, dice, depth),
                                            operators[below(dice, ARRAY_LEN(operators))],
                                            tree_select(arena, "node")),
                                true, "node");
    expr->binary.matching.group = GROUP_LEFT;
    return expr;
}

/* Several series of one pod: which of them is meant says who is there. */
static struct expr *moved(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"+", "/", ">", "and", "unless"};
    return tree_on(arena,
                   tree_binary(arena, vector(arena, dice, depth),
                               operators[below(dice, ARRAY_LEN(operators))],
                               tree_select(arena, "moved")),
                   true, "pod");
}

/* By one label, which is enough to tell pods apart. */
static struct expr *matched(struct arena *arena, struct dice *dice, struct expr *binary)
{
    return one_in(dice, 4)   ? tree_on(arena, binary, true, "pod")
           : one_in(dice, 4) ? tree_on(arena, binary, false, "node")
                             : binary;
}

static struct expr *arithmetic(struct arena *arena, struct dice *dice, int depth)
{
    static const char *const operators[] = {"+", "-", "*", "/", "+", "-", "*", "/", "%", "^"};
    const char *operator= operators[below(dice, ARRAY_LEN(operators))];
    switch (below(dice, 3)) {
    case 0: return tree_binary(arena, vector(arena, dice, depth), operator, scalar(arena, dice, 2));
    case 1: return tree_binary(arena, scalar(arena, dice, 2), operator, vector(arena, dice, depth));
    default:
        return matched(
            arena, dice,
            tree_binary(arena, vector(arena, dice, depth), operator, vector(arena, dice, depth)));
    }
}

static struct expr *comparison(struct arena *arena, struct dice *dice, int depth)
{
    struct expr *a = vector(arena, dice, depth);
    switch (below(dice, 4)) {
    case 0: return compared(arena, dice, scalar(arena, dice, 1), a);
    case 1: return compared(arena, dice, a, vector(arena, dice, depth));
    default: return compared(arena, dice, a, scalar(arena, dice, 1));
    }
}

static double score_bound(struct dice *dice)
{
    static const double bounds[] = {3, 0, -2, 0.5, -0.0, INFINITY, -INFINITY, 1e200, NAN, 1e-160};
    return one_in(dice, 2) ? bounds[below(dice, ARRAY_LEN(bounds))]
                           : (double)below(dice, 400) / 100 - 2;
}

static struct expr *score_comparison(struct arena *arena, struct dice *dice, struct expr *z)
{
    struct expr *k = tree_number(arena, score_bound(dice));
    return one_in(dice, 4) ? compared(arena, dice, k, z) : compared(arena, dice, z, k);
}

/* Comparisons that are filters and point one way, as thresholds do. */
static struct expr *threshold(struct arena *arena, struct dice *dice)
{
    static const char *const operators[] = {">", ">", ">", ">=", "<", "<="};
    return tree_binary(arena, common_score(arena, dice),
                       operators[below(dice, ARRAY_LEN(operators))],
                       tree_number(arena, score_bound(dice)));
}

/* A function over samples of series, or of a signal as it is sampled. */
static struct expr *windowed(struct arena *arena, struct dice *dice, int depth)
{
    const struct kernel_window_info *info = &kernel_window_infos[below(dice, WINDOW_KINDS)];
    struct expr *inner = one_in(dice, 3) ? tree_signal(arena, "sampled", vector(arena, dice, depth))
                                         : tree_select(arena, metrics[below(dice, METRICS)]);
    struct expr *call =
        tree_call(arena, info->text, tree_range(arena, inner, 15 + below(dice, 9) * 10));
    if (one_in(dice, 6)) {
        inner->has_offset = true;
        inner->offset = duration_seconds(below(dice, 40));
    }
    return info->argument ? tree_argument(arena, call, NULL, scalar(arena, dice, 1)) : call;
}

static struct expr *vector(struct arena *arena, struct dice *dice, int depth)
{
    if (depth <= 0) {
        return tree_select(arena, metrics[one_in(dice, 16) ? 3 : below(dice, 3)]);
    }
    depth -= 1 + (int)below(dice, 2);
    switch (below(dice, 24)) {
    case 20:
    case 21:
    case 22: return windowed(arena, dice, depth);
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: return arithmetic(arena, dice, depth);
    case 5:
    case 6:
    case 7: return comparison(arena, dice, depth);
    case 8:
    case 9: return averaged(arena, dice, depth, "ewma");
    case 10: return averaged(arena, dice, depth, "zscore");
    case 11: return score_comparison(arena, dice, averaged(arena, dice, depth, "zscore"));
    case 12: return score_comparison(arena, dice, common_score(arena, dice));
    case 17:
    case 18: return threshold(arena, dice);
    case 13: return percent(arena, dice, depth);
    case 15:
        return matched(
            arena, dice,
            tree_binary(arena, vector(arena, dice, depth), "and", vector(arena, dice, depth)));
    case 16:
        return matched(
            arena, dice,
            tree_binary(arena, vector(arena, dice, depth), "unless", vector(arena, dice, depth)));
    case 19: return many_to_one(arena, dice, depth);
    case 23: return moved(arena, dice, depth);
    case 14: return negated(arena, vector(arena, dice, depth));
    default: return tree_signal(arena, "s", vector(arena, dice, depth));
    }
}

/* What a set is about. */
enum taste { TASTE_ALL, TASTE_SCORES, TASTE_ONE_SCORE };

static enum taste taste(struct dice *dice)
{
    return one_in(dice, 12) ? TASTE_ONE_SCORE : one_in(dice, 6) ? TASTE_SCORES : TASTE_ALL;
}

/* Now and then something on top that only the reference evaluator can. */
static struct expr *expression(struct arena *arena, struct dice *dice, enum taste taste)
{
    if (taste == TASTE_ONE_SCORE) { /* more thresholds than one kernel takes */
        struct expr *z = tree_zscore(arena, tree_select(arena, "x"), 0.05);
        return score_comparison(arena, dice, z);
    }
    if (taste == TASTE_SCORES && !one_in(dice, 4)) {
        return one_in(dice, 6) ? common_score(arena, dice) : threshold(arena, dice);
    }
    struct expr *expr = vector(arena, dice, 1 + (int)below(dice, DEPTH_MAX));
    switch (below(dice, 12)) {
    case 0: return tree_sum(arena, AGGREGATE_SUM, one_in(dice, 2) ? "pod" : NULL, expr);
    case 1: return tree_binary(arena, expr, "or", vector(arena, dice, 2));
    case 2:
        return tree_call(arena, "avg_over_time",
                         tree_range(arena, tree_signal(arena, "sampled", expr), 60));
    default: return expr;
    }
}

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
    return metric == 3 ? entity % 5 != 1 : metric == 4 ? entity % PER_NODE == 0 : true;
}

static bool world_series(struct world *world, struct error *error)
{
    for (size_t m = 0; m < METRICS; m++) {
        for (size_t i = 0; i < world->entities; i++) {
            char pod[32], node[32];
            size_t at = m == 3 ? world->entities - 1 - i : i;
            snprintf(pod, sizeof pod, "pod-%zu", at);
            snprintf(node, sizeof node, "node-%zu", at / PER_NODE);
            struct label labels[] = {{"node", node}, {"pod", pod}};
            if (m == 5) {
                snprintf(pod, sizeof pod, "pod-%zu", i / 2 * 2);
                labels[0] = (struct label){"instance", i % 2 ? "b" : "a"};
            }
            if (has_series(m, i) &&
                store_series(world->store, world->source[m / 2 % 2], metrics[m], labels,
                             m == 4 ? 1 : 2, &world->series[m][i], error) != STATUS_OK) {
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
    *world = (struct world){.store = store_new(NULL), .entities = entities, .now_s = 1000};
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
                double value = calm ? (double)below(dice, 64) * world->scale : sample(dice);
                if (m == 5 && (i % 2 == moved_to(world, i)) && !world->crowded) {
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
        if (!eval_use_code(eval, hash, dice && one_in(dice, 4) ? NULL : kernel)) {
            return false;
        }
    }
    return true;
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
    for (size_t tick = 0; tick < AGREE_TICKS && good; tick++) {
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
    const enum taste about = taste(&dice);
    for (size_t i = 0; i < AGREE_EXPRESSIONS; i++) {
        exprs[i] = expression(&arena, &dice, about);
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
