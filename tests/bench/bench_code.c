/* Machine code against C by hand (clang -O3 -march=native, see by_hand.h) and against the reference
 * evaluator: zscore(x, alpha: 0.05) > 3, x > 0.9, a chain of eight arithmetic
 * operations, and a long one that has all of it and an ewma.
 *
 * Kernels are called on columns of their own, all samples present, ripe and ordinary. CPU time,
 * rounds interleaved, medians; ticks are whole ticks of an evaluator. Then what compiling and
 * linking cost. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/code.h"
#include "runtime/code/link.h"
#include "runtime/engine/eval.h"
#include "stdlib/window.h"
#include "tests/bench/by_hand.h"
#include "tests/bench/measure.h"
#include "tests/engine/tree.h"

enum { ROUNDS = 41, VARIANTS = 4, BATCH = 100 };

static struct arena arena;
static struct error error;

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "bench_code: %s: %s\n", what, error.message);
    exit(2);
}

/* ---- policies ---- */

static struct expr *zscore_expr(double k)
{
    return tree_binary(&arena, tree_zscore(&arena, tree_select(&arena, "x"), 0.05), ">",
                       tree_number(&arena, k));
}
static struct expr *threshold_expr(double k)
{
    return tree_binary(&arena, tree_select(&arena, "x"), ">", tree_number(&arena, k));
}
static struct expr *step(struct expr *left, const char *op, struct expr *right)
{
    return tree_binary(&arena, left, op, right);
}
static struct expr *chain_expr(double k)
{
    struct expr *x = tree_select(&arena, "x"), *y = tree_select(&arena, "y");
    struct expr *e = step(step(x, "+", y), "*", tree_number(&arena, 0.5));
    e = step(step(e, "-", x), "/", tree_number(&arena, 3));
    e = step(step(e, "+", y), "*", y);
    return step(step(e, "-", tree_number(&arena, k)), "*", x);
}

static struct expr *long_expr(double k)
{
    struct expr *product = step(tree_select(&arena, "x"), "*", tree_select(&arena, "y"));
    struct expr *average = tree_call(&arena, "ewma", tree_select(&arena, "y"));
    tree_argument(&arena, average, "alpha", tree_number(&arena, 0.05));
    struct expr *far = step(tree_zscore(&arena, product, 0.05), ">", tree_number(&arena, k));
    struct expr *high = step(chain_expr(2), ">", tree_number(&arena, 0.1));
    struct expr *low = step(average, "<", tree_number(&arena, 0.7));
    return step(step(far, "and", high), "and", low);
}

static const struct policy_bench {
    const char *name;
    struct expr *(*expr)(double k);
    double k;
    by_hand_f *bare, *full;
    size_t inputs;
} policies[] = {{"zscore", zscore_expr, 3, bare_zscore, full_zscore, 1},
                {"threshold", threshold_expr, 0.9, bare_threshold, full_threshold, 1},
                {"chain8", chain_expr, 2, bare_chain, full_chain, 2},
                {"long", long_expr, 3, bare_long, full_long, 2}};

static struct abi_plan *plan_of(struct expr *const *exprs, size_t count)
{
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    for (size_t i = 0; i < count; i++) {
        if (!eval_add(eval, exprs[i], duration_seconds(1), &error)) {
            fail("plan");
        }
    }
    struct abi_plan *plan = eval_plan(eval);
    eval_free(eval);
    store_free(store);
    return plan;
}

static struct slab *slab_of(const struct abi_plan *plan)
{
    struct code_object *objects;
    size_t count;
    struct slab *slab = slab_new();
    if (code_compile_plan(plan, &(struct code_options){.cpu = CODE_NATIVE}, &objects, &count,
                          &error) != STATUS_OK) {
        fail("compile");
    }
    for (size_t i = 0; i < count; i++) {
        if (slab_add(slab, objects[i].bytes, objects[i].size, &error) != STATUS_OK) {
            fail("link");
        }
    }
    if (slab_link(slab, &error) != STATUS_OK) {
        fail("link");
    }
    code_objects_free(objects, count);
    return slab;
}

/* ---- kernels alone ---- */

static void *column(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 64 + 63) / 64 * 64);
    memset(p, 0, bytes);
    return p;
}

struct side { /* columns of one contestant */
    struct by_hand c;
    uint8_t *history;
    size_t n;
    void *more[ABI_COLUMNS_MAX]; /* of a kernel that stores several members */
};

static struct side side_new(double *x, double *y, size_t n, const uint64_t *present,
                            const uint64_t *unknown)
{
    struct side s = {.c = {.x = x,
                           .y = y,
                           .present = present,
                           .unknown = unknown,
                           .mean = column(n * 8),
                           .variance = column(n * 8),
                           .other_mean = column(n * 8),
                           .values = column(n * 8),
                           .ripe = column(n / 8 + 8),
                           .begun = column(n / 8 + 8),
                           .ret_present = column(n / 8 + 8),
                           .ret_unknown = column(n / 8 + 8)},
                     .history = column(n),
                     .n = n};
    for (size_t i = 0; i < n; i++) {
        s.c.mean[i] = s.c.other_mean[i] = 0.5;
        s.c.variance[i] = 0.08;
    }
    memset(s.c.ripe, 0xff, n / 8);
    memset(s.c.begun, 0xff, n / 8);
    memset(s.history, 10, n);
    return s;
}

static void side_free(struct side *s)
{
    void *all[] = {s->c.mean, s->c.other_mean,  s->c.begun,       s->c.variance, s->c.values,
                   s->c.ripe, s->c.ret_present, s->c.ret_unknown, s->history};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        free(all[i]);
    }
    for (size_t i = 0; i < ABI_COLUMNS_MAX; i++) {
        free(s->more[i]);
    }
}

/* The first of what is stored goes to the columns that both contestants have. */
static void bind_stored(const struct abi_group *group, struct side *s, struct abi_columns *columns)
{
    bool first = true;
    for (uint32_t i = 0; i < group->member_count; i++) {
        if (group->stored[i] == ABI_NONE) {
            continue;
        }
        void **at = &columns->column[group->stored[i]], **more = &s->more[group->stored[i]];
        for (size_t j = 0; j < 3 && !first && !more[j]; j++) {
            more[j] = column(j == 0 ? s->n * 8 : s->n / 8 + 8);
        }
        at[0] = first ? s->c.values : more[0];
        at[1] = first ? (void *)s->c.ret_present : more[1];
        at[2] = first ? (void *)s->c.ret_unknown : more[2];
        first = false;
    }
}

static void bind(const struct abi_plan *plan, struct side *s, struct abi_columns *columns)
{
    const struct abi_group *group = &plan->groups[0];
    const double *values[] = {s->c.x, s->c.y};
    size_t vector = 0;
    for (uint32_t i = 0; i < group->input_count; i++) {
        if (group->input_column[i] != ABI_NONE) {
            void **at = &columns->column[group->input_column[i]];
            at[0] = (void *)(uintptr_t)values[vector++];
            at[1] = (void *)(uintptr_t)s->c.present;
            at[2] = (void *)(uintptr_t)s->c.unknown;
        }
    }
    for (uint32_t i = 0; i < group->member_count; i++) {
        if (group->state[i] != ABI_NONE) {
            void **at = &columns->column[group->state[i]];
            bool average = plan->nodes[group->members[i]].kind == ABI_EWMA;
            at[0] = average ? s->c.other_mean : s->c.mean;
            at[1] = average ? (void *)s->c.begun : s->c.variance;
            at[2] = average ? at[2] : s->history;
            at[3] = average ? at[3] : s->c.ripe;
        }
    }
    bind_stored(group, s, columns);
}

static void kernel_bench(const struct policy_bench *policy, size_t n)
{
    struct expr *expr = policy->expr(policy->k);
    struct abi_plan *plan = plan_of(&expr, 1);
    struct slab *slab = slab_of(plan);
    abi_kernel_f *kernel = slab_find(slab, plan->groups[0].hash);
    const size_t padded = (n + 63) / 64 * 64, again = n < 100000 ? 100000 / n : 1;
    double *x[VARIANTS], *y = column(padded * 8), ns[3][ROUNDS];
    uint64_t *present = column(padded / 8), *unknown = column(padded / 8);
    unsigned seed = 1;
    memset(present, 0xff, padded / 8);
    for (size_t v = 0; v < VARIANTS; v++) {
        x[v] = column(padded * 8);
        for (size_t i = 0; i < padded; i++) {
            seed = seed * 1664525u + 1013904223u;
            x[v][i] = (double)(seed >> 8) / (1 << 24);
            y[i] = 1 - x[v][i];
        }
    }
    struct side sides[3];
    struct abi_columns columns;
    for (size_t i = 0; i < 3; i++) {
        sides[i] = side_new(x[0], y, padded, present, unknown);
    }
    for (int round = -3; round < ROUNDS; round++) {
        for (size_t i = 0; i < 3; i++) {
            sides[i].c.x = x[(size_t)(round + 3) % VARIANTS];
        }
        bind(plan, &sides[0], &columns);
        for (size_t turn = 0; turn < 3; turn++) { /* the first finds x cold */
            size_t side = (turn + (size_t)(round + 3)) % 3;
            double begin = cpu_ns();
            for (size_t i = 0; i < again; i++) {
                if (side == 0) {
                    kernel(&columns, 0, (int64_t)padded, 0);
                } else {
                    (side == 1 ? policy->full : policy->bare)(&sides[side].c, padded);
                }
            }
            if (round >= 0) {
                ns[side][round] = (cpu_ns() - begin) / (double)(n * again);
            }
        }
    }
    bool same = memcmp(sides[0].c.ret_present, sides[1].c.ret_present, padded / 8) == 0;
    double k = median(ns[0], ROUNDS), full = median(ns[1], ROUNDS), bare = median(ns[2], ROUNDS);
    printf("%-10s %8zu entities: kernel %.3f ns, C %.3f (ratio %.2f), C without presence %.3f "
           "(ratio %.2f)%s\n",
           policy->name, n, k, full, k / full, bare, k / bare, same ? "" : " RESULTS DIFFER");
    for (size_t v = 0; v < VARIANTS; v++) {
        free(x[v]);
    }
    for (size_t i = 0; i < 3; i++) {
        side_free(&sides[i]);
    }
    free(y);
    free(present);
    free(unknown);
    slab_free(slab);
    abi_plan_free(plan);
}

/* ---- whole ticks ---- */

static void tick_bench(const struct policy_bench *policy, size_t n)
{
    static const char *const names[] = {"x", "y"};
    struct store *store = store_new(NULL);
    struct eval *evals[2] = {eval_new(store), eval_new(store)};
    struct expr *expr = policy->expr(policy->k);
    uint32_t source, *ids = heap_alloc(n * policy->inputs * sizeof *ids);
    double ns[2][ROUNDS];
    unsigned seed = 1;
    if (store_source(store, "bench", duration_seconds(10), duration_seconds(5), &source, &error) !=
        STATUS_OK) {
        fail("source");
    }
    for (size_t i = 0; i < n * policy->inputs; i++) {
        char pod[32];
        snprintf(pod, sizeof pod, "pod-%zu", i % n);
        struct label label = {"pod", pod};
        if (store_series(store, source, names[i / n], &label, 1, &ids[i], &error) != STATUS_OK) {
            fail("series");
        }
    }
    for (size_t e = 0; e < 2; e++) {
        if (!eval_add(evals[e], expr, duration_seconds(10), &error)) {
            fail("add");
        }
    }
    struct abi_plan *plan = eval_plan(evals[1]);
    struct slab *slab = slab_of(plan);
    if (!eval_use_code(evals[1], plan->groups[0].hash, slab_find(slab, plan->groups[0].hash))) {
        fail("use");
    }
    for (int round = -15; round < ROUNDS; round++) {
        struct instant now = {(int64_t)(round + 16) * 10 * NS_PER_S};
        for (size_t i = 0; i < n * policy->inputs; i++) {
            seed = seed * 1664525u + 1013904223u;
            store_append(store, ids[i], now, now, (double)(seed >> 8) / (1 << 24));
        }
        store_answered(store, source, now);
        for (size_t j = 0; j < 2; j++) {
            size_t e = (j + (size_t)(round + 15)) % 2;
            double begin = cpu_ns();
            eval_tick(evals[e], now);
            double end = cpu_ns();
            if (round >= 0) {
                ns[e][round] = (end - begin) / (double)n;
            }
        }
    }
    double reference = median(ns[0], ROUNDS), code = median(ns[1], ROUNDS);
    printf("%-10s %8zu entities, whole tick: code %.3f ns, reference %.3f (%.2f times as fast), "
           "%zu nodes on code\n",
           policy->name, n, code, reference, reference / code, eval_code_nodes(evals[1]));
    free(ids);
    eval_free(evals[0]);
    eval_free(evals[1]);
    abi_plan_free(plan);
    slab_free(slab);
    store_free(store);
}

/* ---- ratios that should be small ---- */

/* One thing against another: what a slot costs, and the second over the first. */
struct duel {
    const char *what;
    double ns[2][ROUNDS];
};

static void duel_print(struct duel *duel, size_t n, double most)
{
    double ratios[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        ratios[i] = duel->ns[1][i] / duel->ns[0][i];
    }
    double ratio = median(ratios, ROUNDS);
    printf("%-44s %8zu entities: %.3f ns and %.3f, ratio %.2f (at most %.2f)%s\n", duel->what, n,
           median(duel->ns[0], ROUNDS), median(duel->ns[1], ROUNDS), ratio, most,
           ratio > most ? " MISSED" : "");
}

static double run_ns(abi_kernel_f *kernel, const struct abi_columns *columns, size_t n)
{
    const size_t padded = (n + 63) / 64 * 64, again = n < 100000 ? 100000 / n : 1;
    double begin = cpu_ns();
    for (size_t i = 0; i < again; i++) {
        kernel(columns, 0, (int64_t)padded, 0);
    }
    return (cpu_ns() - begin) / (double)(n * again);
}

/* x of one tick: uniform, one in a thousand far away. */
static void fill(double *x, size_t n, unsigned *seed, double scale)
{
    for (size_t i = 0; i < n; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        double value = (double)(*seed >> 8) / (1 << 24);
        x[i] = scale * (*seed % 1009 == 0 ? 20 : value);
    }
}

struct duelist {
    struct abi_plan *plan;
    struct slab *slab;
    struct side side;
    struct abi_columns columns;
};

static struct duelist duelist_new(struct expr *const *exprs, size_t count, double *x, size_t padded,
                                  const uint64_t *present, const uint64_t *unknown)
{
    struct duelist d = {.plan = plan_of(exprs, count)};
    d.slab = slab_of(d.plan);
    d.side = side_new(x, x, padded, present, unknown);
    bind(d.plan, &d.side, &d.columns);
    return d;
}

static void duelist_free(struct duelist *d)
{
    side_free(&d->side);
    slab_free(d->slab);
    abi_plan_free(d->plan);
}

static double duelist_ns(struct duelist *d, double *x, size_t n)
{
    d->side.c.x = x;
    bind(d->plan, &d->side, &d->columns);
    return run_ns(slab_find(d->slab, d->plan->groups[0].hash), &d->columns, n);
}

/* Ten thresholds on one z-score against one of them, as kernels. */
static void family_bench(size_t n)
{
    const size_t padded = (n + 63) / 64 * 64;
    struct duel duel = {.what = "zscore, one and ten thresholds"};
    double *x[VARIANTS];
    uint64_t *present = column(padded / 8), *unknown = column(padded / 8);
    struct expr *ten[10];
    unsigned seed = 3;
    memset(present, 0xff, padded / 8);
    for (size_t v = 0; v < VARIANTS; v++) {
        x[v] = column(padded * 8);
        fill(x[v], padded, &seed, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(ten); i++) {
        ten[i] = zscore_expr(3 + (double)i / 4);
    }
    struct duelist sides[2] = {duelist_new(ten, 1, x[0], padded, present, unknown),
                               duelist_new(ten, 10, x[0], padded, present, unknown)};
    for (int round = -3; round < ROUNDS; round++) {
        for (size_t turn = 0; turn < 2; turn++) {
            size_t side = (turn + (size_t)(round + 3)) % 2;
            double ns = duelist_ns(&sides[side], x[(size_t)(round + 3) % VARIANTS], n);
            if (round >= 0) {
                duel.ns[side][round] = ns;
            }
        }
    }
    duel_print(&duel, n, 1.6);
    for (size_t v = 0; v < VARIANTS; v++) {
        free(x[v]);
    }
    duelist_free(&sides[0]);
    duelist_free(&sides[1]);
    free(present);
    free(unknown);
}

/* State and samples that are subnormal against ordinary ones. */
static void subnormal_bench(struct expr *expr, const char *what, double x_scale, double mean,
                            double variance)
{
    const size_t n = 1000, padded = 1024;
    struct duel duel = {.what = what};
    double *x[2] = {column(padded * 8), column(padded * 8)};
    uint64_t *present = column(padded / 8), *unknown = column(padded / 8);
    unsigned seed = 3;
    memset(present, 0xff, padded / 8);
    struct duelist sides[2] = {duelist_new(&expr, 1, x[0], padded, present, unknown),
                               duelist_new(&expr, 1, x[1], padded, present, unknown)};
    for (size_t i = 0; i < padded; i++) {
        sides[1].side.c.mean[i] = sides[1].side.c.other_mean[i] = mean;
        sides[1].side.c.variance[i] = variance;
    }
    for (int round = -3; round < ROUNDS; round++) {
        for (size_t turn = 0; turn < 2; turn++) {
            size_t side = (turn + (size_t)(round + 3)) % 2;
            fill(x[side], padded, &seed, side ? x_scale : 1);
            double ns = duelist_ns(&sides[side], x[side], n);
            if (round >= 0) {
                duel.ns[side][round] = ns;
            }
        }
    }
    duel_print(&duel, n, 1.1);
    duelist_free(&sides[0]);
    duelist_free(&sides[1]);
    free(x[0]);
    free(x[1]);
    free(present);
    free(unknown);
}

/* Every `holes`-th slot or so without a sample, against none. */
static void hole_bench(struct expr *expr, const char *what, unsigned holes, size_t n)
{
    const size_t padded = (n + 63) / 64 * 64;
    struct duel duel = {.what = what};
    double *x = column(padded * 8);
    uint64_t *present[2] = {column(padded / 8), column(padded / 8)}, *unknown = column(padded / 8);
    unsigned seed = 3;
    fill(x, padded, &seed, 1);
    memset(present[0], 0xff, padded / 8);
    for (size_t i = 0; i < padded; i++) {
        seed = seed * 1664525u + 1013904223u;
        present[1][i / 64] |= (uint64_t)((seed >> 8) % holes != 0) << (i % 64);
    }
    struct duelist sides[2] = {duelist_new(&expr, 1, x, padded, present[0], unknown),
                               duelist_new(&expr, 1, x, padded, present[1], unknown)};
    for (int round = -3; round < ROUNDS; round++) {
        for (size_t turn = 0; turn < 2; turn++) {
            size_t side = (turn + (size_t)(round + 3)) % 2;
            double ns = duelist_ns(&sides[side], x, n);
            if (round >= 0) {
                duel.ns[side][round] = ns;
            }
        }
    }
    duel_print(&duel, n, 1.1);
    duelist_free(&sides[0]);
    duelist_free(&sides[1]);
    free(x);
    free(present[0]);
    free(present[1]);
    free(unknown);
}

/* ---- evaluators ---- */

struct ticking {
    struct store *store;
    struct eval *eval;
    struct abi_plan *plan;
    struct slab *slab;
    uint32_t source, *ids;
    size_t n, inputs;
    unsigned seed;
    int64_t now_s;
};

static struct ticking ticking_new(struct expr *const *exprs, size_t count, size_t n, size_t inputs)
{
    static const char *const names[] = {"x", "y"};
    struct ticking t = {.store = store_new(NULL), .n = n, .inputs = inputs, .seed = 1};
    t.eval = eval_new(t.store);
    t.ids = heap_alloc(n * inputs * sizeof *t.ids);
    if (store_source(t.store, "bench", duration_seconds(10), duration_seconds(5), &t.source,
                     &error) != STATUS_OK) {
        fail("source");
    }
    for (size_t i = 0; i < n * inputs; i++) {
        char pod[32];
        snprintf(pod, sizeof pod, "pod-%zu", i % n);
        struct label label = {"pod", pod};
        if (store_series(t.store, t.source, names[i / n], &label, 1, &t.ids[i], &error) !=
            STATUS_OK) {
            fail("series");
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!eval_add(t.eval, exprs[i], duration_seconds(10), &error)) {
            fail("add");
        }
    }
    t.plan = eval_plan(t.eval);
    t.slab = slab_of(t.plan);
    for (size_t i = 0; i < t.plan->group_count; i++) {
        uint64_t hash = t.plan->groups[i].hash;
        if (!eval_use_code(t.eval, hash, slab_find(t.slab, hash))) {
            fail("use");
        }
    }
    return t;
}

static void ticking_free(struct ticking *t)
{
    eval_free(t->eval);
    abi_plan_free(t->plan);
    slab_free(t->slab);
    store_free(t->store);
    free(t->ids);
}

static double ticking_ns(struct ticking *t)
{
    t->now_s += 10;
    struct instant now = {t->now_s * NS_PER_S};
    for (size_t i = 0; i < t->n * t->inputs; i++) {
        t->seed = t->seed * 1664525u + 1013904223u;
        store_append(t->store, t->ids[i], now, now, (double)(t->seed >> 8) / (1 << 24));
    }
    store_answered(t->store, t->source, now);
    double begin = cpu_ns();
    eval_tick(t->eval, now);
    return (cpu_ns() - begin) / (double)t->n;
}

static void ticks_duel(struct ticking *one, struct ticking *other, const char *what, double most)
{
    struct duel duel = {.what = what};
    struct ticking *sides[2] = {one, other};
    for (int round = -15; round < ROUNDS; round++) {
        for (size_t turn = 0; turn < 2; turn++) {
            size_t side = (turn + (size_t)(round + 15)) % 2;
            double ns = ticking_ns(sides[side]);
            if (round >= 0) {
                duel.ns[side][round] = ns;
            }
        }
    }
    duel_print(&duel, other->n, most);
    ticking_free(one);
    ticking_free(other);
}

static void family_tick_bench(size_t n)
{
    struct expr *ten[10];
    for (size_t i = 0; i < ARRAY_LEN(ten); i++) {
        ten[i] = zscore_expr(3 + (double)i / 4);
    }
    struct ticking one = ticking_new(ten, 1, n, 1), all = ticking_new(ten, 10, n, 1);
    ticks_duel(&one, &all, "zscore, one and ten thresholds, whole tick", 1.6);
}

/* Entities that fill no block. */
static void odd_bench(const struct policy_bench *policy, size_t n)
{
    char what[80];
    struct expr *expr = policy->expr(policy->k);
    struct ticking even = ticking_new(&expr, 1, 1000, policy->inputs);
    struct ticking odd = ticking_new(&expr, 1, n, policy->inputs);
    snprintf(what, sizeof what, "%s, 1000 entities and more, whole tick", policy->name);
    ticks_duel(&even, &odd, what, 1.1);
}

static void ratios(void)
{
    static const size_t sizes[] = {1000, 100000, 1000000};
    struct expr *z = zscore_expr(3);
    struct expr *mean = tree_argument(&arena, tree_call(&arena, "ewma", tree_select(&arena, "x")),
                                      "alpha", tree_number(&arena, 0.05));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        family_bench(sizes[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        family_tick_bench(sizes[i]);
    }
    for (size_t p = 0; p < ARRAY_LEN(policies); p++) {
        odd_bench(&policies[p], 1001);
        odd_bench(&policies[p], 1063);
    }
    hole_bench(z, "zscore, one of 1000 slots absent", 1000, 1000);
    hole_bench(z, "zscore, one of 100 slots absent", 100, 1000);
    hole_bench(z, "zscore, one of 1000 slots absent", 1000, 100000);
    hole_bench(z, "zscore, one of 100 slots absent", 100, 100000);
    hole_bench(mean, "ewma, one of 100 slots absent", 100, 100000);
    subnormal_bench(z, "zscore, ordinary and subnormal variance", 1, 0.5, 1e-310);
    subnormal_bench(z, "zscore, ordinary and subnormal mean", 0, 1e-310, 1e-280);
    subnormal_bench(z, "zscore, ordinary and subnormal x", 1e-310, 0, 1e-280);
    subnormal_bench(mean, "ewma, ordinary and subnormal mean", 0, 1e-310, 0);
    subnormal_bench(mean, "ewma, ordinary and subnormal x", 1e-310, 0, 0);
}

/* ---- compiling and linking ---- */

static bool line_tables = true; /* each operator in a line of its own */

static double compile_ms(struct expr *const *exprs, size_t count, enum code_cpu cpu,
                         struct code_object **ret, size_t *ret_count, size_t per_object)
{
    struct abi_plan *plan = plan_of(exprs, count);
    for (size_t i = 0; i < plan->node_count && line_tables; i++) {
        plan->nodes[i].path = "bench.heal";
        plan->nodes[i].line = (uint32_t)i + 1;
    }
    double begin = cpu_ns();
    if (code_compile_plan(plan,
                          &(struct code_options){.cpu = cpu, .kernels_per_object = per_object}, ret,
                          ret_count, &error) != STATUS_OK) {
        fail("compile");
    }
    double end = cpu_ns();
    abi_plan_free(plan);
    return (end - begin) / 1e6;
}

static struct expr *window_expr(const char *name, double seconds)
{
    return tree_binary(
        &arena, tree_call(&arena, name, tree_range(&arena, tree_select(&arena, "x"), seconds)), ">",
        tree_number(&arena, 10));
}

static void compile_print(struct expr *const *exprs, size_t count, const char *what)
{
    static const char *const levels[] = {"v2", "v3", "v4", "native"};
    enum { TIMES = 11 };
    printf("%-24s compile", what);
    for (int cpu = CODE_V2; cpu <= CODE_NATIVE; cpu++) {
        double ms[TIMES];
        for (size_t i = 0; i < TIMES; i++) {
            struct code_object *objects;
            size_t object_count;
            ms[i] = compile_ms(exprs, count, (enum code_cpu)cpu, &objects, &object_count, 0);
            code_objects_free(objects, object_count);
        }
        printf(" %s %.2f ms", levels[cpu], median(ms, TIMES) / (double)count);
    }
    printf(" a policy\n");
}

static void link_print(struct expr *const *exprs, size_t exprs_count)
{
    struct code_object *objects;
    size_t count;
    double ms[ROUNDS];
    compile_ms(exprs, exprs_count, CODE_NATIVE, &objects, &count, 10);
    for (int round = 0; round < ROUNDS; round++) {
        struct slab *slab = slab_new();
        double begin = cpu_ns();
        for (size_t i = 0; i < count; i++) {
            if (slab_add(slab, objects[i].bytes, objects[i].size, &error) != STATUS_OK) {
                fail("link");
            }
        }
        if (slab_link(slab, &error) != STATUS_OK) {
            fail("link");
        }
        ms[round] = (cpu_ns() - begin) / 1e6;
        slab_free(slab);
    }
    printf("link %.4f ms an object of 10 kernels (%zu objects, first of %zu bytes)\n",
           median(ms, ROUNDS) / (double)count, count, objects[0].size);
    code_objects_free(objects, count);
}

static void compile_bench(void)
{
    struct expr *batch[BATCH], *windows[BATCH];
    for (size_t p = 0; p < ARRAY_LEN(policies); p++) {
        struct expr *expr = policies[p].expr(policies[p].k);
        compile_print(&expr, 1, policies[p].name);
    }
    for (int kind = 0; kind < WINDOW_KINDS; kind++) {
        if (!kernel_window_infos[kind].argument) {
            struct expr *expr = window_expr(kernel_window_infos[kind].text, 300);
            compile_print(&expr, 1, kernel_window_infos[kind].text);
        }
    }
    for (size_t i = 0; i < BATCH; i++) {
        const struct policy_bench *policy = &policies[i % ARRAY_LEN(policies)];
        batch[i] = policy->expr(policy->k + (double)i / 1024);
        windows[i] = window_expr(i % 2 ? "rate" : "avg_over_time", 60 + (double)i);
    }
    compile_print(batch, BATCH, "100 mixed, in batches");
    line_tables = false;
    compile_print(batch, BATCH, " without line tables");
    line_tables = true;
    compile_print(windows, BATCH, "100 windows, in batches");
    link_print(batch, BATCH);
}

/* bench_code [compile]: all, or only what compiling costs. */
int main(int argc, char **argv)
{
    static const size_t sizes[] = {1000, 100000, 1000000};
    const bool kernels = argc < 2 || strcmp(argv[1], "compile") != 0;
    for (size_t p = 0; p < ARRAY_LEN(policies) && kernels; p++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            kernel_bench(&policies[p], sizes[i]);
        }
    }
    for (size_t p = 0; p < ARRAY_LEN(policies); p++) {
        tick_bench(&policies[p], 1000);
        tick_bench(&policies[p], 100000);
    }
    if (kernels) {
        ratios();
    }
    compile_bench();
    arena_release(&arena);
    return 0;
}
