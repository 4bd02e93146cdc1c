/* The z-score policy `zscore(x, alpha: 0.05) > 3` for 3 ticks over 100,000 entities: the evaluator
 * against C by hand of the same algebra and layout, compiled with -O3 -march=native.
 *
 * Both start with the newest samples in a column (no appending in either) and end with a bitmap of
 * entities whose condition has held for three ticks. The evaluator also finds out what is present
 * and what is unknown. With --engine, the whole step of the engine runs the policy in shadow, with
 * its own `for`. CPU time, rounds interleaved, medians. Prints one JSON object. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/engine.h"
#include "tests/bench/measure.h"
#include "tests/engine/tree.h"

enum {
    ENTITIES = 100000,
    ROUNDS = 201,
    WORDS = (ENTITIES + 63) / 64,
    HOLD = 3,
    VARIANTS = 8,
    WARM_UP = 20
};

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

static const char policy_text[] =
    "edition 1\n"
    "metric x count by (pod)\n"
    "pool pods(pod) = x\n"
    "channel oncall = log\n"
    "action fix(p: pod) { via exec replaces p affects p.errors within 1m irreversible timeout 10s "
    "}\n"
    "policy high for each pod in pods every 1s {\n"
    "  about \"x is far from its mean\"\n"
    "  risk performance\n"
    "  impact low\n"
    "  when zscore(x, alpha: 0.05) > 3 for 3s\n"
    "  clear when x < 0\n"
    "  on missing hold\n"
    "  on stale > 1m hold\n"
    "  heal { try fix(pod) verify x < 0 within 1m else page oncall }\n"
    "  bound at most 1 of pod per 1h\n"
    "  cooldown 1m\n"
    "  escalate to oncall when unresolved for 1h\n"
    "}\n";

struct bench {
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
    struct store *store;
    uint32_t source, ids[ENTITIES];
    double x[VARIANTS][ENTITIES], mean[ENTITIES], variance[ENTITIES];
    uint8_t held_hand[ENTITIES], held_eval[ENTITIES];
    uint64_t out_hand[WORDS], out_eval[WORDS];
    double ns_eval[ROUNDS], ns_hand[ROUNDS];
    /* one of the two */
    struct eval *eval;
    struct eval_watch *watch;
    struct engine *engine;
    struct effects effects;
};

static enum status fill(struct bench *bench, struct error *error)
{
    unsigned seed = 1;
    bench->store = store_new(NULL);
    TRY(store_source(bench->store, "bench", duration_seconds(10), duration_seconds(5),
                     &bench->source, error));
    for (size_t i = 0; i < ENTITIES; i++) {
        char pod[24];
        snprintf(pod, sizeof pod, "pod-%zu", i);
        struct label label = {"pod", pod};
        TRY(store_series(bench->store, bench->source, "x", &label, 1, &bench->ids[i], error));
        for (size_t j = 0; j < VARIANTS; j++) {
            seed = seed * 1664525u + 1013904223u;
            bench->x[j][i] = (double)(seed >> 8) / (1 << 24);
        }
    }
    return STATUS_OK;
}

static enum status set_up_eval(struct bench *bench, struct error *error)
{
    struct arena *arena = &bench->arena;
    struct pool *pool = arena_alloc(arena, sizeof *pool);
    pool->keys = tree_names(arena, "pod", NULL);
    pool->expr = tree_select(arena, "x");
    struct expr *condition = tree_binary(arena, tree_zscore(arena, tree_select(arena, "x"), 0.05),
                                         ">", tree_number(arena, 3));
    bench->eval = eval_new(bench->store);
    struct eval_entities *pods = eval_entities_new(bench->eval, pool, duration_seconds(10), error);
    bench->watch =
        pods ? eval_watch_new(bench->eval, pods, condition, duration_seconds(10), error) : NULL;
    return bench->watch ? STATUS_OK : STATUS_LIMIT;
}

static enum status set_up_engine(struct bench *bench, struct error *error)
{
    static const struct engine_host host = {
        .default_mode = MODE_SHADOW, .tick = {NS_PER_S}, .epoch = 1};
    struct parse_text text = {"bench.heal", policy_text, sizeof policy_text - 1};
    diag_list_init(&bench->diags, &bench->arena, &bench->sources);
    struct program *program =
        parse_program_texts(&bench->arena, &bench->sources, &text, 1, &bench->diags);
    if (bench->diags.errors > 0 ||
        !check_program(program, &bench->diags, &(struct check_options){0})) {
        diag_print(&bench->diags, DIAG_FULL, false, stderr);
        return error_set(error, STATUS_PROTOCOL, "the policy is not right");
    }
    bench->engine = engine_new(program, bench->store, &host, error);
    return bench->engine ? STATUS_OK : STATUS_LIMIT;
}

static void step(struct bench *bench, struct instant now)
{
    if (bench->engine) {
        bench->effects.count = 0;
        engine_step(bench->engine, now, NULL, 0, &bench->effects);
        return;
    }
    eval_tick(bench->eval, now);
    hold(eval_watch_yes(bench->watch), bench->held_eval, bench->out_eval);
}

/* Both sides once; the words of the results that differ. */
static size_t play(struct bench *bench, int round)
{
    const double *now_x = bench->x[(round + WARM_UP) % VARIANTS];
    struct instant now = {(int64_t)(round + WARM_UP + 1) * (bench->engine ? 1 : 10) * NS_PER_S};
    size_t differ = 0;
    for (size_t i = 0; i < ENTITIES; i++) {
        store_append(bench->store, bench->ids[i], now, now, now_x[i]);
    }
    store_answered(bench->store, bench->source, now);
    if (round == -WARM_UP) { /* both begin with the first sample as the mean */
        memcpy(bench->mean, now_x, sizeof bench->mean);
    }
    double a = cpu_ns();
    step(bench, now);
    double b = cpu_ns();
    by_hand(now_x, bench->mean, bench->variance, 0.05, 3, bench->held_hand, bench->out_hand);
    double c = cpu_ns();
    if (round >= 0) {
        bench->ns_eval[round] = (b - a) / (double)ENTITIES;
        bench->ns_hand[round] = (c - b) / (double)ENTITIES;
        for (size_t w = 0; w < WORDS && !bench->engine; w++) {
            differ += bench->out_eval[w] != bench->out_hand[w];
        }
    }
    return differ;
}

int main(int argc, char **argv)
{
    struct bench *bench = heap_alloc(sizeof *bench);
    struct error error = {""};
    bool engine = argc == 2 && strcmp(argv[1], "--engine") == 0;
    if (fill(bench, &error) != STATUS_OK ||
        (engine ? set_up_engine : set_up_eval)(bench, &error) != STATUS_OK) {
        fprintf(stderr, "bench_eval: %s\n", error.message);
        return 2;
    }
    size_t differ = 0;
    for (int round = -WARM_UP; round < ROUNDS; round++) {
        differ += play(bench, round);
    }
    double e = median(bench->ns_eval, ROUNDS), h = median(bench->ns_hand, ROUNDS);
    printf("{\"entities\": %d, \"eval_ns\": %.3f, \"hand_ns\": %.3f, \"ratio\": %.3f, "
           "\"words_that_differ\": %zu}\n",
           ENTITIES, e, h, e / h, differ);
    effects_release(&bench->effects);
    engine_free(bench->engine);
    eval_free(bench->eval);
    store_free(bench->store);
    sources_release(&bench->sources);
    arena_release(&bench->arena);
    free(bench);
    return differ > 0;
}
