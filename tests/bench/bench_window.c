/* Windows in machine code, with a comparison behind, against C by hand (by_hand_window.h) and
 * against what the reference evaluator runs: a sample every 15 s, a tick at each, all lanes in
 * step, windows full. CPU time, rounds interleaved, medians. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/code.h"
#include "runtime/code/link.h"
#include "runtime/engine/eval.h"
#include "runtime/engine/samples.h"
#include "stdlib/kernel.h"
#include "tests/bench/by_hand_window.h"
#include "tests/bench/measure.h"
#include "tests/engine/tree.h"

enum { ROUNDS = 41, STEP_MS = 15000, SIDES = 4 };

static struct arena arena;
static struct error error;

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "bench_window: %s: %s\n", what, error.message);
    exit(2);
}

static const struct window_bench {
    const char *text;
    enum kernel_window_kind kind;
    int range_s;
    double argument, bound;
    hand_window_f *full, *bare;
} benches[] = {
    {"rate(c[5m]) > 10", WINDOW_RATE, 300, 0, 10, full_rate, bare_rate},
    {"avg_over_time(m[10m]) > 0.8", WINDOW_AVG_OVER_TIME, 600, 0, 0.8, full_average, bare_average},
    {"predict_linear(m[30m], 7200) > 1", WINDOW_PREDICT_LINEAR, 1800, 7200, 1, full_line,
     bare_line},
};

/* ---- the machine code ---- */

struct code {
    struct abi_plan *plan;
    struct slab *slab;
    const struct abi_group *window, *compare;
};

static struct code code_new(const struct window_bench *bench)
{
    struct code code = {.slab = slab_new()};
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    struct expr *range = tree_range(&arena, tree_select(&arena, "x"), bench->range_s);
    struct expr *call = tree_call(&arena, kernel_window_infos[bench->kind].text, range);
    if (kernel_window_infos[bench->kind].argument) {
        tree_argument(&arena, call, NULL, tree_number(&arena, bench->argument));
    }
    struct expr *expr = tree_binary(&arena, call, ">", tree_number(&arena, bench->bound));
    if (!eval_add(eval, expr, duration_seconds(15), &error)) {
        fail("plan");
    }
    struct code_object *objects;
    size_t count;
    code.plan = eval_plan(eval);
    if (code_compile_plan(code.plan, &(struct code_options){.cpu = CODE_NATIVE}, &objects, &count,
                          &error) != STATUS_OK) {
        fail("compile");
    }
    for (size_t i = 0; i < count; i++) {
        if (slab_add(code.slab, objects[i].bytes, objects[i].size, &error) != STATUS_OK) {
            fail("add");
        }
    }
    if (slab_link(code.slab, &error) != STATUS_OK) {
        fail("link");
    }
    code_objects_free(objects, count);
    for (size_t i = 0; i < code.plan->group_count; i++) {
        const struct abi_group *group = &code.plan->groups[i];
        bool window = code.plan->nodes[group->members[0]].kind == ABI_WINDOW;
        *(window ? &code.window : &code.compare) = group;
    }
    CHECK(code.window && code.compare);
    eval_free(eval);
    store_free(store);
    return code;
}

/* ---- a size ---- */

struct size {
    const struct window_bench *bench;
    size_t lanes;
    struct samples *samples;
    struct samples_window *windows[SIDES];
    uint64_t *unknown, *present, *ret, *is_true, *is_nan; /* of the comparisons */
    double *values;
    int64_t now_ms;
    unsigned seed;
};

static void size_feed(struct size *s)
{
    s->now_ms += STEP_MS;
    for (uint32_t lane = 0; lane < s->lanes; lane++) {
        s->seed = s->seed * 1664525u + 1013904223u;
        double noise = (double)(s->seed >> 8) / (1 << 24);
        double value = s->bench->kind == WINDOW_RATE ? (double)s->now_ms / 1e3 * 9.9 + noise * 15
                                                     : noise * 0.4 + 0.5;
        samples_append(s->samples, lane, s->now_ms, value);
    }
    samples_ticked(s->samples, s->now_ms);
}

static void run_code(struct size *s, const struct code *code)
{
    struct abi_columns columns;
    struct samples_window *window = s->windows[0];
    const int64_t hi = (int64_t)((s->lanes + 63) / 64 * 64);
    double argument = s->bench->argument;
    struct abi_span span = {s->bench->range_s * 1000LL, 0};
    columns.column[ABI_WINDOW_TILES] = s->samples->tiles;
    columns.column[ABI_WINDOW_STATES] = window->states;
    columns.column[ABI_WINDOW_ARGUMENT] = &argument;
    columns.column[ABI_WINDOW_VALUES] = window->values;
    columns.column[ABI_WINDOW_PRESENT] = window->present;
    columns.column[ABI_WINDOW_SPAN] = &span;
    slab_find(code->slab, code->window->hash)(&columns, 0, hi, s->now_ms);
    for (uint32_t i = 0; i < code->compare->input_count; i++) {
        if (code->compare->input_column[i] != ABI_NONE) {
            void **at = &columns.column[code->compare->input_column[i]];
            at[0] = window->values;
            at[1] = window->present;
            at[2] = s->unknown;
        }
    }
    columns.column[code->compare->root_column] = s->values;
    columns.column[code->compare->root_column + 1] = s->present;
    columns.column[code->compare->root_column + 2] = s->unknown;
    slab_find(code->slab, code->compare->hash)(&columns, 0, hi, s->now_ms);
}

static void run_hand(struct size *s, size_t side)
{
    const struct hand_window w = {.tiles = s->samples->tiles,
                                  .states = s->windows[side]->states,
                                  .tile_count = (s->lanes + 63) / 64,
                                  .start_ms = s->now_ms - s->bench->range_s * 1000LL,
                                  .end_ms = s->now_ms,
                                  .argument = s->bench->argument,
                                  .bound = s->bench->bound,
                                  .ret = s->ret};
    (side == 1 ? s->bench->full : s->bench->bare)(&w);
}

static void run_reference(struct size *s)
{
    struct samples_window *window = s->windows[3];
    samples_window_step(s->samples, window, s->now_ms - s->bench->range_s * 1000LL, s->now_ms,
                        s->bench->argument);
    kernel_compare(COMPARE_GT, window->values, 1, &s->bench->bound, 0, s->lanes, s->is_true,
                   s->is_nan);
    for (size_t w = 0; w < (s->lanes + 63) / 64; w++) {
        s->is_nan[w] &= window->present[w];
        s->is_true[w] &= window->present[w];
    }
}

static void size_open(struct size *s, const struct window_bench *bench, size_t lanes)
{
    const size_t words = (lanes + 63) / 64;
    *s = (struct size){.bench = bench, .lanes = lanes, .now_ms = 1000000000, .seed = 1};
    s->samples = samples_new(bench->range_s * 1000LL, STEP_MS, lanes);
    for (size_t i = 0; i < lanes; i++) {
        CHECK(samples_lane_new(s->samples) == i);
    }
    for (size_t side = 0; side < SIDES; side++) {
        s->windows[side] = samples_window(s->samples, side + 1, bench->kind);
    }
    s->unknown = heap_alloc(words * 8);
    s->present = heap_alloc(words * 8);
    s->ret = heap_alloc(words * 8);
    s->is_true = heap_alloc(words * 8);
    s->is_nan = heap_alloc(words * 8);
    s->values = heap_alloc(words * 64 * 8);
}

static void size_free(struct size *s)
{
    samples_free(s->samples);
    free(s->unknown);
    free(s->present);
    free(s->ret);
    free(s->is_true);
    free(s->is_nan);
    free(s->values);
}

static void size_bench(const struct window_bench *bench, const struct code *code, size_t lanes)
{
    struct size s;
    double ns[SIDES][ROUNDS];
    size_open(&s, bench, lanes);
    const int warm = bench->range_s / 15 + 5;
    size_t differ = 0;
    for (int round = -warm; round < ROUNDS; round++) {
        size_feed(&s);
        for (size_t turn = 0; turn < SIDES; turn++) {
            const size_t side = (turn + (size_t)(round + warm)) % SIDES;
            double begin = cpu_ns();
            if (side == 0) {
                run_code(&s, code);
            } else if (side == 3) {
                run_reference(&s);
            } else if (round < 0) { /* what it takes for granted holds only in a full window */
                samples_window_step(s.samples, s.windows[side], s.now_ms - bench->range_s * 1000LL,
                                    s.now_ms, bench->argument);
            } else {
                run_hand(&s, side);
            }
            if (round >= 0) {
                ns[side][round] = (cpu_ns() - begin) / (double)lanes;
            }
        }
        for (size_t i = 0; round >= 0 && i < lanes / 64; i++) {
            differ += (size_t)__builtin_popcountll(s.present[i] ^ s.ret[i]);
        }
    }
    for (size_t side = 0; side < SIDES; side++) {
        qsort(ns[side], ROUNDS, sizeof ns[side][0], compare_double);
    }
    const double kernel = ns[0][ROUNDS / 2], full = ns[1][ROUNDS / 2], bare = ns[2][ROUNDS / 2];
    printf(
        "%-32s %8zu entities: kernel %.2f ns, C %.2f (ratio %.2f), C without a look at lanes and "
        "sums %.2f (ratio %.2f), reference %.2f (%.2f times as fast)%s\n",
        bench->text, lanes, kernel, full, kernel / full, bare, kernel / bare, ns[3][ROUNDS / 2],
        ns[3][ROUNDS / 2] / kernel, differ * 1000000 > lanes * ROUNDS ? " RESULTS DIFFER" : "");
    size_free(&s);
}

/* Every series is replaced every ten minutes: the lanes that are free are given anew. */
static void size_churn(struct size *s, size_t *next)
{
    for (size_t i = 0; i < s->lanes * STEP_MS / 600000; i++) {
        const uint32_t lane = (uint32_t)((*next)++ * 7919 % s->lanes); /* here and there */
        samples_lane_free(s->samples, lane);
        CHECK(samples_lane_new(s->samples) == lane);
    }
}

static void churn_bench(const struct window_bench *bench, const struct code *code, size_t lanes)
{
    struct size sizes[2];
    double ns[2][ROUNDS];
    size_t next = 0;
    const int warm = bench->range_s / 15 + 45;
    for (size_t i = 0; i < 2; i++) {
        size_open(&sizes[i], bench, lanes);
    }
    for (int round = -warm; round < ROUNDS; round++) {
        size_churn(&sizes[1], &next);
        for (size_t turn = 0; turn < 2; turn++) {
            struct size *s = &sizes[(turn + (size_t)(round + warm)) % 2];
            size_feed(s);
            double begin = cpu_ns();
            run_code(s, code);
            if (round >= 0) {
                ns[s - sizes][round] = (cpu_ns() - begin) / (double)lanes;
            }
        }
    }
    const double still = median(ns[0], ROUNDS), churn = median(ns[1], ROUNDS);
    printf("%-32s %8zu entities: %.2f ns, with every series replaced every 10 minutes %.2f, ratio "
           "%.2f "
           "(at most 1.10)%s\n",
           bench->text, lanes, still, churn, churn / still, churn / still > 1.1 ? " MISSED" : "");
    size_free(&sizes[0]);
    size_free(&sizes[1]);
}

int main(void)
{
    static const size_t sizes[] = {1000, 100000, 1000000};
    for (size_t b = 0; b < ARRAY_LEN(benches); b++) {
        struct code code = code_new(&benches[b]);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            size_bench(&benches[b], &code, sizes[i]);
        }
        churn_bench(&benches[b], &code, 1000);
        churn_bench(&benches[b], &code, 100000);
        slab_free(code.slab);
        abi_plan_free(code.plan);
    }
    arena_release(&arena);
    return 0;
}
