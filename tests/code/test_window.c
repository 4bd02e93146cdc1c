/* Windows in machine code: for each row of stdlib/window.def and each CPU level the same bits as
 * the functions that the reference evaluator calls, over tiles whose lanes go their own ways. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler/code.h"
#include "runtime/code/link.h"
#include "runtime/engine/eval.h"
#include "stdlib/window.h"
#include "tests/engine/tree.h"
#include "tests/unit.h"

enum { TILES = 3, SLOTS = TILES * TILE_LANES, ROWS = 24, TICKS = 400, STEP_MS = 1000 };
#define RANGE_S  15
#define OFFSET_S 2
#define AHEAD_S  30

static uint64_t seed;

static uint64_t roll(void)
{
    uint64_t x = seed += 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

/* ---- tiles ---- */

struct side { /* one evaluator's state over the common tiles */
    char *state;
    double values[SLOTS];
    uint64_t present[TILES];
};
struct world {
    struct kernel_tile tiles[TILES];
    struct side native, code;
    int64_t until_ms[TILES];
    size_t rested;
};

static void tile_open(struct kernel_tile *tile)
{
    *tile = (struct kernel_tile){.rows = ROWS, .stride = TILE_LANES};
    tile->values = heap_alloc(ROWS * TILE_LANES * sizeof *tile->values);
    tile->times_ms = heap_alloc(ROWS * TILE_LANES * sizeof *tile->times_ms);
}

static void side_open(struct side *side, const struct kernel_window_info *info,
                      enum kernel_window_kind kind, const struct kernel_tile *tiles)
{
    side->state = heap_alloc(TILES * info->state_bytes);
    for (size_t t = 0; t < TILES; t++) {
        void *state = side->state + t * info->state_bytes;
        if (info->rows) {
            *kernel_window_rows(kind, state) = heap_alloc(ROWS * TILE_LANES * sizeof(int32_t));
        }
        for (size_t lane = 0; lane < TILE_LANES; lane++) {
            kernel_window_clear(kind, state, lane, tiles[t].put[lane]);
        }
    }
}

static void side_close(struct side *side, const struct kernel_window_info *info)
{
    const enum kernel_window_kind kind = (enum kernel_window_kind)(info - kernel_window_infos);
    for (size_t t = 0; t < TILES && info->rows; t++) {
        free(*kernel_window_rows(kind, side->state + t * info->state_bytes));
    }
    free(side->state);
}

static double sample(void)
{
    switch (roll() % 16) {
    case 0: return (double)(roll() % 3);
    case 1: return -1e9;
    case 2: return roll() % 40 ? 5e-324 : NAN;
    case 3: return roll() % 40 ? 1e300 : INFINITY;
    default: return (double)(roll() % 4096) / 64;
    }
}

static void put(struct kernel_tile *tile, size_t lane, int32_t time_ms, double value)
{
    const size_t at = (size_t)tile->put[lane] * TILE_LANES + lane;
    tile->values[at] = value;
    tile->times_ms[at] = time_ms;
    tile->put[lane] = (tile->put[lane] + 1) % ROWS;
}

/* The last tile has counters that are scraped at every third tick. */
static bool feed_counters(struct kernel_tile *tile, int32_t now_ms)
{
    const int32_t tick = now_ms / STEP_MS;
    for (size_t lane = 0; tick % 3 == 0 && lane < TILE_LANES; lane++) {
        put(tile, lane, now_ms, 1e6 + (double)(tick % 50 * (int32_t)lane));
    }
    return tick % 3 == 0;
}

/* Most lanes get a sample together; some miss it, and each tile misses some ticks. */
static void feed(struct world *world, int32_t now_ms, bool *fed)
{
    fed[TILES - 1] = feed_counters(&world->tiles[TILES - 1], now_ms);
    for (size_t slot = 0; slot < SLOTS - TILE_LANES; slot++) {
        struct kernel_tile *tile = &world->tiles[slot / TILE_LANES];
        size_t lane = slot % TILE_LANES;
        if (lane == 0) {
            fed[slot / TILE_LANES] = roll() % 3 > 0;
        }
        if (!fed[slot / TILE_LANES] ||
            (roll() % 8 == 0 && slot / TILE_LANES != 1)) { /* the second tile is in step */
            continue;
        }
        const double value = sample();
        put(tile, lane, now_ms - (int32_t)(roll() % 2 ? 0 : roll() % 500), value);
    }
}

/* ---- code ---- */

static struct expr *window_expr(struct arena *arena, const struct kernel_window_info *info)
{
    struct expr *range = tree_range(arena, tree_select(arena, "x"), RANGE_S);
    range->has_offset = true;
    range->offset = duration_seconds(OFFSET_S);
    struct expr *call = tree_call(arena, info->text, range);
    return info->argument ? tree_argument(arena, call, NULL, tree_number(arena, AHEAD_S)) : call;
}

static struct abi_plan *plan_of(const struct kernel_window_info *info)
{
    struct arena arena = {0};
    struct error error;
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    assert_non_null(eval_add(eval, window_expr(&arena, info), duration_seconds(1), &error));
    struct abi_plan *plan = eval_plan(eval);
    eval_free(eval);
    store_free(store);
    arena_release(&arena);
    assert_int_equal(plan->group_count, 1);
    assert_int_equal(plan->groups[0].member_count, 1);
    return plan;
}

static struct slab *slab_of(const struct abi_plan *plan, enum code_cpu cpu)
{
    struct code_object *objects;
    size_t count;
    struct error error = {""};
    struct slab *slab = slab_new();
    const struct code_options options = {.cpu = cpu};
    if (code_compile_plan(plan, &options, &objects, &count, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    if (count == 0) {
        skip(); /* a healc that was built without clang-19 */
    }
    if (slab_add(slab, objects[0].bytes, objects[0].size, &error) != STATUS_OK ||
        slab_link(slab, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    code_objects_free(objects, count);
    return slab;
}

static bool cpu_here(enum code_cpu cpu)
{
    switch (cpu) {
    case CODE_V4:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case CODE_V3: return __builtin_cpu_supports("avx2");
    case CODE_V2:
    case CODE_NATIVE: break;
    }
    return true;
}

/* ---- the comparison ---- */

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void compare(const struct world *world, const char *where)
{
    for (size_t slot = 0; slot < SLOTS; slot++) {
        bool a = world->native.present[slot / 64] >> (slot % 64) & 1;
        bool b = world->code.present[slot / 64] >> (slot % 64) & 1;
        if (a != b || (a && !same(world->native.values[slot], world->code.values[slot]))) {
            fail_msg("%s slot %zu: present %d and %d, %a and %a", where, slot, a, b,
                     world->native.values[slot], world->code.values[slot]);
        }
    }
}

/* The evaluator's own side steps all of each tile at every tick; the code only what is due. */
static size_t tick(struct world *world, const struct kernel_window_info *info, abi_kernel_f *kernel,
                   int64_t now_ms, const bool *fed)
{
    const enum kernel_window_kind kind = (enum kernel_window_kind)(info - kernel_window_infos);
    struct abi_columns columns = {{NULL}};
    const int64_t end = now_ms - OFFSET_S * 1000;
    size_t present = 0;
    for (size_t t = 0; t < TILES; t++) {
        kernel_window_touch(kind, world->native.state + t * info->state_bytes);
        world->native.present[t] = info->step(
            &world->tiles[t], world->native.state + t * info->state_bytes, end - RANGE_S * 1000,
            end, info->argument ? AHEAD_S : 0, world->native.values + t * TILE_LANES);
        present += (size_t)__builtin_popcountll(world->native.present[t]);
    }
    double argument = AHEAD_S;
    struct abi_span span = {RANGE_S * 1000, OFFSET_S * 1000};
    columns.column[ABI_WINDOW_TILES] = world->tiles;
    columns.column[ABI_WINDOW_STATES] = world->code.state;
    columns.column[ABI_WINDOW_ARGUMENT] = &argument;
    columns.column[ABI_WINDOW_VALUES] = world->code.values;
    columns.column[ABI_WINDOW_PRESENT] = world->code.present;
    columns.column[ABI_WINDOW_SPAN] = &span;
    for (int64_t t = 0; t < TILES; t++) {
        void *state = world->code.state + (size_t)t * info->state_bytes;
        if (fed[t]) {
            kernel_window_touch(kind, state);
        }
        if (fed[t] || info->runs || end >= world->until_ms[t]) {
            const uint64_t any = kernel(&columns, t * TILE_LANES, (t + 1) * TILE_LANES, now_ms);
            assert_true((any != 0) == (world->code.present[t] != 0));
            world->until_ms[t] = kernel_window_until(kind, state, &world->tiles[t], RANGE_S * 1000);
        } else {
            world->rested++;
        }
    }
    return present;
}

static void window_agrees(enum kernel_window_kind kind, enum code_cpu cpu)
{
    static const char *const levels[] = {"v2", "v3", "v4", "native"};
    const struct kernel_window_info *info = &kernel_window_infos[kind];
    struct abi_plan *plan = plan_of(info);
    struct slab *slab = slab_of(plan, cpu);
    struct world *world = heap_alloc(sizeof *world);
    size_t present = 0;
    seed = (uint64_t)kind + 1;
    for (size_t t = 0; t < TILES; t++) {
        tile_open(&world->tiles[t]);
    }
    side_open(&world->native, info, kind, world->tiles);
    side_open(&world->code, info, kind, world->tiles);
    for (int i = 1; i <= TICKS; i++) {
        char where[80];
        snprintf(where, sizeof where, "%s on %s, tick %d,", info->text, levels[cpu], i);
        bool fed[TILES];
        feed(world, i * STEP_MS, fed);
        present +=
            tick(world, info, slab_find(slab, plan->groups[0].hash), (int64_t)i * STEP_MS, fed);
        compare(world, where);
    }
    assert_true(present > (size_t)TICKS * SLOTS / 2); /* else nothing was compared */
    assert_true(info->runs || world->rested > 0);
    side_close(&world->native, info);
    side_close(&world->code, info);
    for (size_t t = 0; t < TILES; t++) {
        free(world->tiles[t].values);
        free(world->tiles[t].times_ms);
    }
    free(world);
    slab_free(slab);
    abi_plan_free(plan);
}

static void every_window_gives_the_same_bits_on_every_cpu(void **state)
{
    (void)state;
    for (int cpu = CODE_V2; cpu <= CODE_NATIVE; cpu++) {
        for (int kind = 0; kind < WINDOW_KINDS && cpu_here((enum code_cpu)cpu); kind++) {
            window_agrees((enum kernel_window_kind)kind, (enum code_cpu)cpu);
        }
    }
}

/* However many windows there are, and of whatever length, there is one object of them, and it has
 * the kernel of each function. */
static void windows_of_all_policies_are_one_object(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct error error;
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    for (size_t i = 0; i < 8; i++) {
        struct expr *range = tree_range(&arena, tree_select(&arena, "x"), RANGE_S + (double)i);
        assert_non_null(
            eval_add(eval, tree_call(&arena, "rate", range), duration_seconds(1), &error));
    }
    struct abi_plan *plan = eval_plan(eval);
    struct code_object *objects;
    size_t count;
    assert_int_equal(plan->group_count, 8);
    assert_int_equal(
        code_compile_plan(plan, &(struct code_options){.cpu = CODE_V3}, &objects, &count, &error),
        STATUS_OK);
    if (count == 0) {
        skip();
    }
    assert_int_equal(count, 1);
    struct slab *slab = slab_new();
    assert_int_equal(slab_add(slab, objects[0].bytes, objects[0].size, &error), STATUS_OK);
    assert_int_equal(slab_link(slab, &error), STATUS_OK);
    assert_int_equal(slab_count(slab), WINDOW_KINDS);
    for (uint32_t kind = 0; kind < WINDOW_KINDS; kind++) {
        assert_non_null(slab_find(slab, abi_window_hash(kind)));
    }
    for (size_t i = 0; i < plan->group_count; i++) {
        assert_int_equal(plan->groups[i].hash, abi_window_hash(WINDOW_RATE));
    }
    assert_true(eval_use_code(eval, abi_window_hash(WINDOW_RATE),
                              slab_find(slab, abi_window_hash(WINDOW_RATE))));
    assert_int_equal(eval_lacks_code(eval), 0);
    eval_free(eval);
    slab_free(slab);
    code_objects_free(objects, count);
    abi_plan_free(plan);
    store_free(store);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_window_gives_the_same_bits_on_every_cpu),
        cmocka_unit_test(windows_of_all_policies_are_one_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
