/* The CPU of a tick of the engine: bench_tick POLICIES BODY INTERVAL_S
 *
 * The series of BODY (an answer of a scrape) are fed every INTERVAL_S seconds of a virtual clock,
 * with values that change; the engine steps every second, in shadow. Prints one JSON object: the
 * mean of a tick while the windows of the policies are young (seconds 6 to 36) and when they are
 * full, appending not counted, and what a series and a policy take of memory, and what the process
 * has grown by in between. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/engine.h"
#include "runtime/ingest/exposition.h"
#include "tests/bench/measure.h"

enum { SERIES_MAX = 100000, YOUNG_FROM_S = 6, YOUNG_UNTIL_S = 36, FULL_FROM_S = 630 };
enum { FULL_UNTIL_S = 690, MEBIBYTES_MAX = 64 << 20 };

struct bench {
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
    struct program *program;
    struct store *store;
    struct engine *engine;
    struct effects effects;
    uint32_t source, ids[SERIES_MAX];
    double values[SERIES_MAX];
    bool counter[SERIES_MAX];
    size_t count;
    double append_s;
    size_t appended;
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static enum status load_policies(struct bench *bench, char *path, struct error *error)
{
    diag_list_init(&bench->diags, &bench->arena, &bench->sources);
    bench->program = parse_program(&bench->arena, &bench->sources, &path, 1, &bench->diags);
    if (bench->diags.errors > 0 ||
        !check_program(bench->program, &bench->diags, &(struct check_options){0})) {
        diag_print(&bench->diags, DIAG_FULL, false, stderr);
        return error_set(error, STATUS_PROTOCOL, "'%s' is not a policy set", path);
    }
    return STATUS_OK;
}

static const char *text_of(struct bench *bench, struct slice slice)
{
    char *text = arena_alloc(&bench->arena, slice.size + 1u);
    memcpy(text, slice.text, slice.size);
    return text;
}

static enum status add_series(struct bench *bench, const struct exposition_item *item, bool counter,
                              struct error *error)
{
    struct label labels[STORE_LABELS_MAX];
    size_t count = 0;
    if (bench->count == SERIES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d series", SERIES_MAX);
    }
    for (uint32_t i = 0; i < item->label_count; i++) {
        labels[count++] = (struct label){text_of(bench, item->labels[i].name),
                                         text_of(bench, item->labels[i].value)};
    }
    labels[count++] = (struct label){"instance", "127.0.0.1:9000"};
    labels[count++] = (struct label){"job", "fleet"};
    TRY(store_series(bench->store, bench->source, text_of(bench, item->name), labels, count,
                     &bench->ids[bench->count], error));
    bench->values[bench->count] = item->value;
    bench->counter[bench->count++] = counter;
    return STATUS_OK;
}

static enum status load_body(struct bench *bench, const char *path, struct error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return error_set(error, STATUS_IO, "cannot read '%s'", path);
    }
    char *body = heap_alloc(MEBIBYTES_MAX);
    size_t size = fread(body, 1, MEBIBYTES_MAX, file);
    fclose(file);
    struct exposition exposition;
    struct exposition_item *item = heap_alloc(sizeof *item);
    enum exposition_type type = EXPOSITION_UNTYPED;
    exposition_init(&exposition, EXPOSITION_TEXT, body, size, NULL);
    enum status status;
    while ((status = exposition_next(&exposition, item, error)) == STATUS_OK && item->kind) {
        if (item->kind == EXPOSITION_TYPE) {
            type = item->type;
        } else if (item->kind == EXPOSITION_SAMPLE &&
                   (status = add_series(bench, item, type == EXPOSITION_COUNTER, error)) !=
                       STATUS_OK) {
            break;
        }
    }
    free(item);
    free(body);
    return status;
}

static void feed(struct bench *bench, struct instant now, int second)
{
    double before = cpu_s();
    for (size_t i = 0; i < bench->count; i++) {
        double value = bench->counter[i]
                           ? bench->values[i] + second * (double)(i % 50 + 1)
                           : bench->values[i] * (1 + ((int)i * 13 + second * 17) % 97 * 1e-5);
        store_append(bench->store, bench->ids[i], now, now, value);
    }
    store_answered(bench->store, bench->source, now);
    bench->append_s += cpu_s() - before;
    bench->appended += bench->count;
}

/* Runs to a second; the mean CPU of a tick in milliseconds. */
static double run(struct bench *bench, int from, int until, int interval)
{
    double spent = 0;
    for (int second = from; second < until; second++) {
        struct instant now = {(1700000000LL + second) * NS_PER_S};
        if (second % interval == 0) {
            feed(bench, now, second);
        }
        double before = cpu_s();
        store_expire(bench->store, now);
        bench->effects.count = 0;
        engine_step(bench->engine, now, NULL, 0, &bench->effects);
        spent += cpu_s() - before;
    }
    return spent * 1e3 / (until - from);
}

static enum status set_up(struct bench *bench, char **argv, int interval, struct error *error)
{
    static const struct engine_host host = {
        .default_mode = MODE_SHADOW, .tick = {NS_PER_S}, .epoch = 1};
    TRY(load_policies(bench, argv[1], error));
    bench->store = store_new(&(struct store_limits){.live = true});
    TRY(store_source(bench->store, "bench", duration_seconds(interval), duration_seconds(interval),
                     &bench->source, error));
    TRY(load_body(bench, argv[2], error));
    bench->engine = engine_new(bench->program, bench->store, &host, error);
    return bench->engine ? STATUS_OK : STATUS_LIMIT;
}

int main(int argc, char **argv)
{
    struct bench *bench = heap_alloc(sizeof *bench);
    struct error error = {""};
    long interval_s = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    int interval = interval_s >= 1 && interval_s <= 60 ? (int)interval_s : 0;
    if (interval == 0) {
        fprintf(stderr, "usage: bench_tick POLICIES BODY INTERVAL_S\n");
        return 2;
    }
    if (set_up(bench, argv, interval, &error) != STATUS_OK) {
        fprintf(stderr, "bench_tick: %s\n", error.message);
        return 2;
    }
    (void)run(bench, 0, YOUNG_FROM_S, interval);
    size_t bare = store_stats(bench->store).bytes;
    double young = run(bench, YOUNG_FROM_S, YOUNG_UNTIL_S, interval);
    const size_t resident = resident_bytes();
    (void)run(bench, YOUNG_UNTIL_S, FULL_FROM_S, interval);
    double full = run(bench, FULL_FROM_S, FULL_UNTIL_S, interval);
    struct store_stats store = store_stats(bench->store);
    struct eval_stats eval = eval_stats(engine_eval(bench->engine));
    printf(
        "{\"young_ms\": %.3f, \"tick_ms\": %.3f, \"append_ns\": %.1f, \"store_bytes\": %zu, "
        "\"series_bytes\": %.1f, \"series_bytes_young\": %.1f, \"nodes\": %zu, "
        "\"eval_bytes\": %zu, \"policy_bytes\": %.0f, \"incidents\": %zu, \"grown_bytes\": %zu}\n",
        young, full, bench->append_s * 1e9 / (double)bench->appended, store.bytes,
        (double)store.bytes / (double)bench->count, (double)bare / (double)bench->count, eval.nodes,
        eval.bytes, (double)eval.bytes / (double)engine_policy_count(bench->engine),
        engine_incident_count(bench->engine), resident_bytes() - resident);
    engine_free(bench->engine);
    effects_release(&bench->effects);
    store_free(bench->store);
    sources_release(&bench->sources);
    arena_release(&bench->arena);
    free(bench);
    return 0;
}
