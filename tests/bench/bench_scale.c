/* Many series under many rules: bench_scale SERIES RULES SCRAPE_S TICKS [churn]
 *
 * SERIES in METRICS metrics, half of them counters, sampled every SCRAPE_S seconds (a part of them
 * each second), under RULES of four kinds (threshold, rate, avg_over_time, predict_linear), each
 * over all series of a metric and with a range of its own. The evaluator ticks once a second on
 * machine code. With `churn` every series is replaced by another one within ten minutes, a part
 * each second. One JSON object: CPU of a tick and of its appends (means of the ticks after the
 * windows are full, or of the last half), bytes a series. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/code.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/code/link.h"
#include "runtime/engine/eval.h"
#include "tests/bench/measure.h"

enum { METRICS = 10, LIFE_S = 600, SERIES_MAX = 2000000, SCRAPE_S_MAX = 600, BEGIN_S = 1700000000 };

struct bench {
    size_t series, rules, scrape_s, ticks;
    bool churn;
    struct arena arena;
    struct store *store;
    struct eval *eval;
    struct slab *slab;
    uint32_t sources[SCRAPE_S_MAX], *ids; /* a source for the targets of each second */
    uint32_t *life;                       /* which one of its place a series is */
    double now_s;
};

static struct instant at(double seconds)
{
    return (struct instant){(int64_t)(seconds * 1e9)};
}

static void make_series(struct bench *b, size_t i)
{
    struct error error;
    char name[32], pod[48], node[32], number[32];
    snprintf(name, sizeof name, i % METRICS % 2 ? "requests_%zu_total" : "memory_%zu_bytes",
             i % METRICS);
    snprintf(pod, sizeof pod, "service-%zu-%08zx-%u", i / METRICS % 500, i / METRICS, b->life[i]);
    snprintf(node, sizeof node, "node-%zu", i / METRICS % 2000);
    snprintf(number, sizeof number, "10.0.%zu.%zu:8080", i / METRICS % 2000 / 256,
             i / METRICS % 2000 % 256);
    const struct label labels[] = {{"cluster", "production"}, {"instance", number}, {"job", "shop"},
                                   {"namespace", "shop"},     {"node", node},       {"pod", pod}};
    CHECK(store_series(b->store, b->sources[i % b->scrape_s], name, labels, 6, &b->ids[i],
                       &error) == STATUS_OK);
}

/* Rule r: kinds take turns, gauges and counters as the kind wants them. */
static void rule_text(size_t r, char *ret, size_t size)
{
    const size_t metric = r % METRICS, range = r / METRICS % 10 + 1;
    if (metric % 2) {
        snprintf(ret, size, "rate(requests_%zu_total[%zum]) > 1000", metric, range);
    } else if (r / METRICS % 3 == 0) {
        snprintf(ret, size, "memory_%zu_bytes > %zue9", metric, range);
    } else if (r / METRICS % 3 == 1) {
        snprintf(ret, size, "avg_over_time(memory_%zu_bytes[%zum]) > 1e12", metric, range);
    } else {
        snprintf(ret, size, "predict_linear(memory_%zu_bytes[%zum], 3600) > 1e12", metric,
                 3 * range);
    }
}

static void add_rules(struct bench *b)
{
    struct sources sources = {0};
    struct diag_list diags;
    struct error error = {""};
    diag_list_init(&diags, &b->arena, &sources);
    for (size_t r = 0; r < b->rules; r++) {
        char text[200];
        rule_text(r, text, sizeof text);
        const struct source *source = sources_add(&sources, "rule", text, strlen(text), &error);
        struct expr *expr = parse_expression(&b->arena, source, &diags);
        CHECK(expr && check_expression(&b->arena, expr, &diags));
        if (!eval_add_unnamed(b->eval, expr, duration_seconds(1), &error)) {
            fprintf(stderr, "%s: %s\n", text, error.message);
            exit(1);
        }
    }
    sources_release(&sources);
}

static void take_code(struct bench *b)
{
    struct error error = {""};
    struct code_object *objects = NULL;
    size_t count = 0;
    struct abi_plan *plan = eval_plan(b->eval);
    const struct code_options options = {.cpu = CODE_NATIVE};
    b->slab = slab_new();
    CHECK(code_compile_plan(plan, &options, &objects, &count, &error) == STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        CHECK(slab_add(b->slab, objects[i].bytes, objects[i].size, &error) == STATUS_OK);
    }
    CHECK(slab_link(b->slab, &error) == STATUS_OK);
    for (size_t i = 0; i < slab_count(b->slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(b->slab, i, &hash, &size);
        (void)eval_use_code(b->eval, hash, kernel);
    }
    code_objects_free(objects, count);
    abi_plan_free(plan);
}

/* The samples of one second, in the order of the targets. */
static size_t feed(struct bench *b, size_t second)
{
    size_t fed = 0;
    for (size_t i = second % b->scrape_s; i < b->series; i += b->scrape_s) {
        const double value = i % METRICS % 2 ? (double)(second * (i % 7))
                                             : 1e9 + (double)(i % 997) * (double)(second % 13);
        if (b->ids[i] == 0) { /* the first place is nobody's */
            make_series(b, i);
        }
        (void)store_append(b->store, b->ids[i], at(b->now_s), at(b->now_s), value);
        fed++;
    }
    return fed;
}

static void replace(struct bench *b, size_t second)
{
    for (size_t i = second % LIFE_S; i < b->series; i += LIFE_S) {
        if (b->ids[i] != 0) {
            store_stale(b->store, b->ids[i], at(b->now_s));
        }
        b->life[i]++;
        b->ids[i] = 0;
    }
}

int main(int argc, char **argv)
{
    struct bench b = {0};
    struct error error;
    if (argc < 5) {
        fprintf(stderr, "usage: bench_scale SERIES RULES SCRAPE_S TICKS [churn]\n");
        return 2;
    }
    b.series = strtoul(argv[1], NULL, 10);
    b.rules = strtoul(argv[2], NULL, 10);
    b.scrape_s = strtoul(argv[3], NULL, 10);
    b.ticks = strtoul(argv[4], NULL, 10);
    b.churn = argc > 5;
    CHECK(b.series <= SERIES_MAX && b.scrape_s > 0 && b.scrape_s <= SCRAPE_S_MAX);
    const size_t empty = resident_bytes();
    b.store = store_new(&(struct store_limits){.live = true});
    b.eval = eval_new(b.store);
    b.ids = heap_alloc(b.series * sizeof *b.ids);
    b.life = heap_alloc(b.series * sizeof *b.life);
    for (size_t i = 0; i < b.scrape_s; i++) {
        char name[32];
        snprintf(name, sizeof name, "targets-%zu", i);
        CHECK(store_source(b.store, name, duration_seconds((double)b.scrape_s),
                           duration_seconds(60), &b.sources[i], &error) == STATUS_OK);
    }
    add_rules(&b);
    take_code(&b);
    double tick_ns = 0, append_ns = 0, churn_ns = 0, worst_ns = 0;
    size_t measured = 0, fed = 0;
    for (size_t t = 0; t < b.ticks; t++) {
        b.now_s = (double)BEGIN_S + (double)t;
        const double begin = cpu_ns();
        const size_t count = feed(&b, t);
        store_answered(b.store, b.sources[t % b.scrape_s], at(b.now_s));
        const double fed_ns = cpu_ns();
        if (b.churn) {
            replace(&b, t);
        }
        store_expire(b.store, at(b.now_s));
        const double replaced = cpu_ns();
        eval_tick(b.eval, at(b.now_s));
        const double end = cpu_ns();
        if (t >= b.ticks / 2) {
            append_ns += fed_ns - begin;
            churn_ns += replaced - fed_ns;
            tick_ns += end - replaced;
            worst_ns = end - begin > worst_ns ? end - begin : worst_ns;
            measured++;
            fed += count;
        }
    }
    const double n = (double)measured, full = (double)resident_bytes();
    printf("{\"series\": %zu, \"rules\": %zu, \"tick_ms\": %.2f, \"append_ms\": %.2f, "
           "\"append_ns\": %.1f, \"churn_ms\": %.2f, \"worst_ms\": %.2f, \"operators\": %zu, "
           "\"on_code\": %zu, \"bytes\": %.0f, \"store_bytes\": %zu, "
           "\"ns_rule_series\": %.3f}\n",
           b.series, b.rules, tick_ns / n / 1e6, append_ns / n / 1e6, append_ns / (double)fed,
           churn_ns / n / 1e6, worst_ns / 1e6, eval_stats(b.eval).nodes, eval_code_nodes(b.eval),
           (full - (double)empty) / (double)b.series, store_stats(b.store).bytes,
           tick_ns / n / ((double)b.rules * (double)b.series / (double)METRICS));
    eval_free(b.eval);
    store_free(b.store);
    slab_free(b.slab);
    arena_release(&b.arena);
    free(b.ids);
    free(b.life);
    return 0;
}
