/* What a sample costs on its way in: from the bytes of an answer to the store of the engine.
 *
 * One source of SERIES series with the labels of a usual exporter; the same series in the same
 * order each time, other values. CPU time, contestants interleaved in one run, medians of ROUNDS.
 * Prints one JSON object, nanoseconds a sample:
 *
 *   scan       find the line feeds of the text, no more
 *   parse      read all items of the text, each predicted
 *   hash       read all items of the text, and hash and look up each series: without prediction
 *   scrape     intake, feed and store: all that heald does with the body of an answer */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/heald/engine_feed.h"
#include "runtime/ingest/intake.h"
#include "runtime/ingest/lookup.h"
#include "runtime/ingest/text.h"
#include "tests/bench/measure.h"

enum { SERIES = 20000, ROUNDS = 101, WARM_UP = 5, FEED_BYTES = 8 << 20, BODIES = 4 };

struct contest {
    struct text bodies[BODIES];
    char **keys;
    uint32_t *key_sizes;
    struct lookup lookup;
    int fd;
    struct feed_writer *writer;
    struct engine_feed feed;
    struct store *store;
    struct intake *intake;
    struct instant now;
};

static void need(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        printf("{\"error\": \"%s\"}\n", error->message);
        exit(1);
    }
}

static void print_key(struct text *text, int i)
{
    text_print(text,
               "http_request_duration_seconds_count{code=\"%d\",handler=\"/api/v1/item%d\","
               "method=\"%s\",pod=\"shop-%d-7d9f\",zone=\"eu-%d\"}",
               i % 5 * 100 + 100, i / 5 % 40, i % 2 ? "GET" : "POST", i / 200, i % 3);
}

static void make_bodies(struct contest *c)
{
    struct text key;
    text_init(&key, 4096);
    c->keys = heap_alloc(SERIES * sizeof *c->keys);
    c->key_sizes = heap_alloc(SERIES * sizeof *c->key_sizes);
    for (int b = 0; b < BODIES; b++) {
        text_init(&c->bodies[b], 64 << 20);
        text_print(&c->bodies[b], "# TYPE http_request_duration_seconds_count counter\n");
        for (int i = 0; i < SERIES; i++) {
            text_clear(&key);
            print_key(&key, i);
            text_add(&c->bodies[b], key.bytes, key.size);
            text_print(&c->bodies[b], i % 4 ? " %d\n" : " %d.25\n", 1000 * i + 17 * b);
            if (b == 0) {
                c->keys[i] = heap_alloc(key.size);
                memcpy(c->keys[i], key.bytes, key.size);
                c->key_sizes[i] = (uint32_t)key.size;
                lookup_add(&c->lookup, lookup_hash(key.bytes, key.size), (uint32_t)i);
            }
        }
    }
    text_release(&key);
}

static void contest_open(struct contest *c)
{
    struct error error;
    struct store_limits limits = {.live = true};
    struct intake_options options = {.id = 1,
                                     .name = "bench",
                                     .job = "shop",
                                     .instance = "10.0.0.1:80",
                                     .interval = {NS_PER_S},
                                     .grace = {NS_PER_S},
                                     .limits = {.series = SERIES}};
    c->now.ns = 1700000000 * NS_PER_S;
    make_bodies(c);
    c->store = store_new(&limits);
    c->fd = feed_create(FEED_BYTES, &error);
    need(c->fd < 0 ? STATUS_IO : STATUS_OK, &error);
    need(feed_writer_new(c->fd, -1, &c->writer, &error), &error);
    need(engine_feed_open(&c->feed, c->fd, c->store, &error), &error);
    need(intake_new(c->writer, &options, &c->intake, &error), &error);
}

/* ---- the contestants ---- */

static void scan(struct contest *c, const struct text *body)
{
    size_t lines = 0;
    const char *p = body->bytes, *end = p + body->size;
    (void)c;
    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        lines++;
        p++;
    }
    CHECK(lines == SERIES + 1);
}

static void parse(struct contest *c, const struct text *body)
{
    struct exposition e;
    struct error error;
    static struct exposition_item item;
    size_t count = 0;
    exposition_init(&e, EXPOSITION_TEXT, body->bytes, body->size, NULL);
    do {
        if (count < SERIES) {
            e.predicted = (struct slice){c->keys[count], c->key_sizes[count]};
        }
        need(exposition_next(&e, &item, &error), &error);
        if (item.kind == EXPOSITION_SAMPLE) {
            CHECK(item.predicted);
            count++;
        }
    } while (item.kind != EXPOSITION_END);
    CHECK(count == SERIES);
}

static void hash(struct contest *c, const struct text *body)
{
    struct exposition e;
    struct error error;
    static struct exposition_item item;
    size_t count = 0;
    exposition_init(&e, EXPOSITION_TEXT, body->bytes, body->size, NULL);
    do {
        need(exposition_next(&e, &item, &error), &error);
        if (item.kind == EXPOSITION_SAMPLE) {
            size_t at = 0;
            uint32_t n = lookup_next(&c->lookup, lookup_hash(item.key.text, item.key.size), &at);
            CHECK(n != LOOKUP_NONE && memcmp(c->keys[n], item.key.text, item.key.size) == 0);
            count++;
        }
    } while (item.kind != EXPOSITION_END);
    CHECK(count == SERIES);
}

static void intake(struct contest *c, const struct text *body)
{
    struct error error = {""};
    c->now.ns += NS_PER_S;
    if (intake_answer(c->intake, EXPOSITION_TEXT, body->bytes, body->size, c->now,
                      (struct duration){NS_PER_MS}, &error) != INTAKE_ANSWERED) {
        need(STATUS_LIMIT, &error);
    }
}

static void drain(struct contest *c, const struct text *body)
{
    (void)body;
    engine_feed_drain(&c->feed, c->fd, c->now);
}

typedef void run_f(struct contest *c, const struct text *body);

static const struct {
    const char *name;
    run_f *run;
} contestants[] = {
    {"scan", scan}, {"parse", parse}, {"hash", hash}, {"intake", intake}, {"drain", drain}};

int main(void)
{
    static struct contest c;
    static double times[ARRAY_LEN(contestants)][ROUNDS];
    contest_open(&c);
    for (int round = -WARM_UP; round < ROUNDS; round++) {
        for (size_t i = 0; i < ARRAY_LEN(contestants); i++) {
            double before = cpu_ns();
            contestants[i].run(&c, &c.bodies[(round + WARM_UP) % BODIES]);
            if (round >= 0) {
                times[i][round] = (cpu_ns() - before) / SERIES;
            }
        }
    }
    CHECK(store_stats(c.store).appended >= (uint64_t)ROUNDS * SERIES);
    for (size_t i = 0; i < ARRAY_LEN(contestants); i++) {
        printf("%s\"%s\": %.2f", i ? ", " : "{", contestants[i].name, median(times[i], ROUNDS));
    }
    printf(", \"body_bytes\": %zu}\n", c.bodies[0].size / SERIES);
    return 0;
}
