/* The z-score policy `zscore(x, alpha: 0.05) > 3` for 3 ticks over 100,000 entities: the evaluator
 * against C by hand of the same algebra and layout, compiled with -O3 -march=native.
 *
 * Both start with the newest samples in a column (no appending in either) and end with a bitmap of
 * entities whose condition has held for three ticks. The evaluator also finds out what is present
 * and what is unknown. CPU time, rounds interleaved, medians; a yardstick loop's time beside it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/engine/eval.h"
#include "tests/engine/tree.h"

enum { ENTITIES = 100000, ROUNDS = 201, WORDS = (ENTITIES + 63) / 64, HOLD = 3, VARIANTS = 8 };

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}
static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare_double);
    return values[ROUNDS / 2];
}

/* Adds one to the counter of each slot whose bit is set, zero for the rest; bits of those at HOLD.
 */
static void hold(const uint64_t *yes, uint8_t *held, uint64_t *ret)
{
    for (size_t base = 0; base < ENTITIES; base += 64) {
        uint64_t word = 0;
        size_t part = ENTITIES - base < 64 ? ENTITIES - base : 64;
        if (yes[base / 64] == 0) {
            memset(held + base, 0, part);
            ret[base / 64] = 0;
            continue;
        }
        for (size_t i = 0; i < part; i++) {
            uint8_t next = yes[base / 64] >> i & 1 ? (uint8_t)(held[base + i] + 1) : 0;
            held[base + i] = next > HOLD ? HOLD : next;
            word |= (uint64_t)(held[base + i] == HOLD) << i;
        }
        ret[base / 64] = word;
    }
}

static void by_hand(const double *restrict x, double *restrict mean, double *restrict variance,
                    double alpha, double k, uint8_t *restrict held, uint64_t *restrict ret)
{
    const double bound = k * fabs(k);
    uint64_t yes[WORDS];
    for (size_t base = 0; base < ENTITIES; base += 64) {
        uint8_t is[64] = {0};
        size_t part = ENTITIES - base < 64 ? ENTITIES - base : 64;
        for (size_t i = 0; i < part; i++) {
            double d = x[base + i] - mean[base + i], v = variance[base + i];
            is[i] = d * fabs(d) > bound * v;
            mean[base + i] += alpha * d;
            variance[base + i] = (1 - alpha) * (v + alpha * d * d);
        }
        uint64_t word = 0;
        for (size_t i = 0; i < 64; i += 8) {
            uint64_t bytes;
            memcpy(&bytes, is + i, 8);
            word |= (bytes * 0x0102040810204080ULL) >> 56 << i;
        }
        yes[base / 64] = word;
    }
    hold(yes, held, ret);
}

/* A loop whose speed only the machine decides. */
static double yardstick(const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < ENTITIES; i++) {
        sum = sum * 0.5 + x[i];
    }
    return sum;
}

int main(void)
{
    static double x[VARIANTS][ENTITIES], mean[ENTITIES], variance[ENTITIES];
    static uint8_t held_hand[ENTITIES], held_eval[ENTITIES];
    static uint64_t out_hand[WORDS], out_eval[WORDS];
    static uint32_t ids[ENTITIES];
    static double ns_eval[ROUNDS], ns_hand[ROUNDS], ns_yard[ROUNDS];
    struct arena arena = {0};
    struct error error = {""};
    struct store *store = store_new(NULL);
    struct eval *eval = eval_new(store);
    uint32_t source;
    volatile double sink = 0;
    unsigned seed = 1;
    if (store_source(store, "bench", duration_seconds(10), duration_seconds(5), &source, &error) !=
        STATUS_OK) {
        return 2;
    }
    for (size_t i = 0; i < ENTITIES; i++) {
        char pod[24];
        snprintf(pod, sizeof pod, "pod-%zu", i);
        struct label label = {"pod", pod};
        if (store_series(store, source, "x", &label, 1, &ids[i], &error) != STATUS_OK) {
            return 2;
        }
        for (size_t j = 0; j < VARIANTS; j++) {
            seed = seed * 1664525u + 1013904223u;
            x[j][i] = (double)(seed >> 8) / (1 << 24);
        }
    }
    struct pool pool = {.keys = tree_names(&arena, "pod", NULL), .expr = tree_select(&arena, "x")};
    struct expr *condition = tree_binary(
        &arena, tree_zscore(&arena, tree_select(&arena, "x"), 0.05), ">", tree_number(&arena, 3));
    struct eval_entities *pods = eval_entities_new(eval, &pool, duration_seconds(10), &error);
    struct eval_watch *watch = eval_watch_new(eval, pods, condition, duration_seconds(10), &error);
    if (!watch) {
        fprintf(stderr, "bench_eval: %s\n", error.message);
        return 2;
    }
    size_t differ = 0;
    for (int round = -20; round < ROUNDS; round++) {
        const double *now_x = x[(round + 20) % VARIANTS];
        struct instant now = {(int64_t)(round + 21) * 10 * NS_PER_S};
        for (size_t i = 0; i < ENTITIES; i++) {
            store_append(store, ids[i], now, now, now_x[i]);
        }
        store_answered(store, source, now);
        if (round == -20) {
            memcpy(mean, now_x, sizeof mean); /* both begin with the first sample as the mean */
        }
        double a = cpu_ns();
        eval_tick(eval, now);
        hold(eval_watch_yes(watch), held_eval, out_eval);
        double b = cpu_ns();
        by_hand(now_x, mean, variance, 0.05, 3, held_hand, out_hand);
        double c = cpu_ns();
        sink = sink + yardstick(now_x);
        double d = cpu_ns();
        if (round >= 0) {
            ns_eval[round] = (b - a) / (double)ENTITIES;
            ns_hand[round] = (c - b) / (double)ENTITIES;
            ns_yard[round] = (d - c) / (double)ENTITIES;
            for (size_t w = 0; w < WORDS; w++) {
                differ += out_eval[w] != out_hand[w];
            }
        }
    }
    double e = median(ns_eval), h = median(ns_hand);
    printf("zscore policy, %d entities: eval %.2f ns/entity, by hand %.2f, ratio %.2f, yardstick "
           "%.2f, words that differ %zu\n",
           ENTITIES, e, h, e / h, median(ns_yard), differ);
    eval_free(eval);
    store_free(store);
    arena_release(&arena);
    return differ > 0;
}
