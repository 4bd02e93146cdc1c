/* What a sample costs on its way in: from the bytes of an answer or a request to the store of the
 * engine.
 *
 * One source of SERIES series with the labels of a usual exporter, scraped and sent; the same
 * series in the same order each time, other values. CPU time, contestants interleaved in one run,
 * medians of ROUNDS. Prints one JSON object, nanoseconds a sample:
 *
 *   scan       find the line feeds of the text, no more
 *   hash       read all items of the text, hash and look up each series: without prediction
 *   parse      read all items of the text, each predicted
 *   intake     parse, and write into the feed
 *   drain      from the feed into the store, as heald's engine does
 *   scrape     intake and drain: all that heald does with the body of an answer
 *   snappy     decompress the requests, no more
 *   nanopb     decompress, and decode all of the requests with nanopb
 *   write      decompress, decode with prediction, write into the feed
 *   receive    write and drain
 *
 * and bytes a series, heap and columns: text_bytes, write_bytes in ingest; store_bytes in the
 * engine, of which sample_bytes are room for samples. */
#include <malloc.h>
#include <pb_decode.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/heald/engine_feed.h"
#include "runtime/ingest/intake.h"
#include "runtime/ingest/lookup.h"
#include "runtime/ingest/remote_source.h"
#include "runtime/ingest/remote_write.pb.h"
#include "runtime/ingest/text.h"
#include "tests/bench/measure.h"

enum {
    SERIES = 10000,
    ROUNDS = 101,
    WARM_UP = 80, /* the rings of the store have grown by then */
    FEED_BYTES = 8 << 20,
    BODIES = 4,
    SEND = 2000, /* samples of one request, as a Prometheus sends them */
    REQUESTS = SERIES / SEND,
    INTERVAL_S = 15 /* as heald scrapes, unless told otherwise */
};

struct request {
    char *packed;
    size_t size;
};

/* One way into the engine: a feed and a store of its own. */
struct way {
    int fd;
    struct feed_writer *writer;
    struct engine_feed feed;
    struct store *store;
};

struct contest {
    struct text bodies[BODIES];
    struct request sends[BODIES][REQUESTS];
    char **keys;
    uint32_t *key_sizes;
    struct key_mark *marks;
    struct lookup lookup;
    struct way text, write;
    struct intake *intake;
    struct remote_source *source;
    char *plain;
    struct instant now;
    size_t text_bytes, write_bytes, store_bytes, sample_bytes;
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
    c->marks = heap_alloc(SERIES * sizeof *c->marks);
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
                c->marks[i] = key_mark(key.bytes, key.size);
                lookup_add(&c->lookup, lookup_hash(key.bytes, key.size), (uint32_t)i);
            }
        }
    }
    text_release(&key);
}

/* ---- requests ---- */

static void put_varint(struct text *text, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) {
        text_add(text, &(char){(char)(n | 0x80)}, 1);
    }
    text_add(text, &(char){(char)n}, 1);
}

static void put_field(struct text *text, char tag, const char *bytes, size_t size)
{
    text_add(text, &tag, 1);
    put_varint(text, size);
    text_add(text, bytes, size);
}

static void put_label(struct text *series, const char *name, const char *value)
{
    char bytes[400];
    struct text label;
    text_init(&label, sizeof bytes);
    put_field(&label, 0x0a, name, strlen(name));
    put_field(&label, 0x12, value, strlen(value));
    put_field(series, 0x0a, label.bytes, label.size);
    text_release(&label);
}

/* The series of print_key(), as a Prometheus that scraped them would send them. */
static void put_series(struct text *body, int i, int64_t ms, double value)
{
    char text[80];
    struct text series, sample;
    text_init(&series, 4096);
    text_init(&sample, 64);
    put_label(&series, "__name__", "http_request_duration_seconds_count");
    snprintf(text, sizeof text, "%d", i % 5 * 100 + 100);
    put_label(&series, "code", text);
    snprintf(text, sizeof text, "/api/v1/item%d", i / 5 % 40);
    put_label(&series, "handler", text);
    put_label(&series, "instance", "10.0.0.1:80");
    put_label(&series, "job", "shop");
    put_label(&series, "method", i % 2 ? "GET" : "POST");
    snprintf(text, sizeof text, "shop-%d-7d9f", i / 200);
    put_label(&series, "pod", text);
    snprintf(text, sizeof text, "eu-%d", i % 3);
    put_label(&series, "zone", text);
    text_add(&sample, "\x09", 1);
    text_add(&sample, (const char *)&value, sizeof value);
    text_add(&sample, "\x10", 1);
    put_varint(&sample, (uint64_t)ms);
    put_field(&series, 0x12, sample.bytes, sample.size);
    put_field(body, 0x0a, series.bytes, series.size);
    text_release(&series);
    text_release(&sample);
}

/* All requests of one round; their samples are of `now`. */
static void pack_requests(struct contest *c, struct request *requests, int round)
{
    struct text body;
    text_init(&body, 16 << 20);
    for (int r = 0; r < REQUESTS; r++) {
        text_clear(&body);
        for (int i = r * SEND; i < (r + 1) * SEND; i++) {
            put_series(&body, i, c->now.ns / NS_PER_MS, 1000 * i + 17 * round + (i % 4 ? 0 : 0.25));
        }
        requests[r].size = snappy_max_compressed_length(body.size);
        requests[r].packed = heap_resize(requests[r].packed, requests[r].size);
        CHECK(snappy_compress(body.bytes, body.size, requests[r].packed, &requests[r].size) ==
              SNAPPY_OK);
    }
    text_release(&body);
}

static void way_open(struct way *way)
{
    struct error error;
    struct store_limits limits = {.live = true};
    way->store = store_new(&limits);
    way->fd = feed_create(FEED_BYTES, &error);
    need(way->fd < 0 ? STATUS_IO : STATUS_OK, &error);
    need(feed_writer_new(way->fd, -1, &way->writer, &error), &error);
    need(engine_feed_open(&way->feed, way->fd, way->store, &error), &error);
}

static void contest_open(struct contest *c)
{
    struct error error;
    struct intake_options options = {.id = 1,
                                     .name = "bench",
                                     .job = "shop",
                                     .instance = "10.0.0.1:80",
                                     .interval = {NS_PER_S},
                                     .grace = {NS_PER_S},
                                     .limits = {.series = SERIES}};
    struct remote_options remote = {
        .id = 1, .name = "bench", .interval = {NS_PER_S}, .grace = {NS_PER_S}, .series = SERIES};
    c->now.ns = 1700000000 * NS_PER_S;
    c->plain = heap_alloc(16 << 20);
    make_bodies(c);
    way_open(&c->text);
    way_open(&c->write);
    need(intake_new(c->text.writer, &options, &c->intake, &error), &error);
    need(remote_source_new(c->write.writer, &remote, &c->source, &error), &error);
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
            e.predicted = c->marks[count];
        }
        need(exposition_next(&e, &item, &error), &error);
        if (item.kind == EXPOSITION_SAMPLE) {
            CHECK(item.predicted);
            count++;
        }
    } while (item.kind != EXPOSITION_END);
    CHECK(count == SERIES);
}

static uint32_t find(const struct contest *c, struct slice key)
{
    const uint64_t key_hash = lookup_hash(key.text, key.size);
    size_t at = 0;
    uint32_t n;
    do {
        n = lookup_next(&c->lookup, key_hash, &at);
    } while (n != LOOKUP_NONE &&
             (c->key_sizes[n] != key.size || memcmp(c->keys[n], key.text, key.size) != 0));
    return n;
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
            count += find(c, item.key) != LOOKUP_NONE;
        }
    } while (item.kind != EXPOSITION_END);
    CHECK(count == SERIES);
}

static void intake(struct contest *c, const struct text *body)
{
    struct error error = {""};
    if (intake_answer(c->intake, EXPOSITION_TEXT, body->bytes, body->size, c->now,
                      (struct duration){NS_PER_MS}, &error) != INTAKE_ANSWERED) {
        need(STATUS_LIMIT, &error);
    }
}

static void drain(struct contest *c, const struct text *body)
{
    (void)body;
    engine_feed_drain(&c->text.feed, c->text.fd, c->now);
}

static struct request *sends_of(struct contest *c, const struct text *body)
{
    return c->sends[body - c->bodies];
}

static size_t unpack(struct contest *c, const struct request *request)
{
    size_t size = 16 << 20;
    CHECK(snappy_uncompress(request->packed, request->size, c->plain, &size) == SNAPPY_OK);
    return size;
}

static void snappy(struct contest *c, const struct text *body)
{
    for (int r = 0; r < REQUESTS; r++) {
        CHECK(unpack(c, &sends_of(c, body)[r]) > 0);
    }
}

static bool on_text(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    char text[STORE_LABEL_BYTES_MAX];
    size_t size = stream->bytes_left;
    (void)field;
    (void)arg;
    return size <= sizeof text && pb_read(stream, (pb_byte_t *)text, size);
}

static bool on_label(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    remote_write_Label label = remote_write_Label_init_zero;
    (void)field;
    (void)arg;
    label.name.funcs.decode = label.value.funcs.decode = on_text;
    return pb_decode(stream, remote_write_Label_fields, &label);
}

static bool on_sample(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    remote_write_Sample sample = remote_write_Sample_init_zero;
    (void)field;
    ++*(size_t *)*arg;
    return pb_decode(stream, remote_write_Sample_fields, &sample);
}

static bool on_series(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    remote_write_TimeSeries series = remote_write_TimeSeries_init_zero;
    (void)field;
    series.labels.funcs.decode = on_label;
    series.samples = (pb_callback_t){{.decode = on_sample}, *arg};
    return pb_decode(stream, remote_write_TimeSeries_fields, &series);
}

static void nanopb(struct contest *c, const struct text *body)
{
    size_t samples = 0;
    for (int r = 0; r < REQUESTS; r++) {
        remote_write_WriteRequest request = remote_write_WriteRequest_init_zero;
        size_t size = unpack(c, &sends_of(c, body)[r]);
        pb_istream_t stream = pb_istream_from_buffer((const pb_byte_t *)c->plain, size);
        request.timeseries = (pb_callback_t){{.decode = on_series}, &samples};
        CHECK(pb_decode(&stream, remote_write_WriteRequest_fields, &request));
    }
    CHECK(samples == SERIES);
}

static void write(struct contest *c, const struct text *body)
{
    struct error error = {""};
    for (int r = 0; r < REQUESTS; r++) {
        const struct request *request = &sends_of(c, body)[r];
        if (remote_source_take(c->source, request->packed, request->size, c->now, &error) !=
            REMOTE_TAKEN) {
            need(STATUS_LIMIT, &error);
        }
    }
}

static void write_drain(struct contest *c, const struct text *body)
{
    (void)body;
    engine_feed_drain(&c->write.feed, c->write.fd, c->now);
}

typedef void run_f(struct contest *c, const struct text *body);

enum { SCAN, HASH, PARSE, INTAKE, DRAIN, SNAPPY, NANOPB, WRITE, WRITE_DRAIN, CONTESTANTS };
static const struct {
    const char *name;
    run_f *run;
} contestants[CONTESTANTS] = {{"scan", scan},     {"hash", hash},   {"parse", parse},
                              {"intake", intake}, {"drain", drain}, {"snappy", snappy},
                              {"nanopb", nanopb}, {"write", write}, {"write_drain", write_drain}};

/* Heap bytes in use. */
static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* The first round: what each series takes. */
static void measure_memory(struct contest *c)
{
    pack_requests(c, c->sends[0], 0);
    size_t before = in_use();
    intake(c, &c->bodies[0]);
    size_t answered = in_use();
    drain(c, &c->bodies[0]);
    size_t drained = in_use();
    write(c, &c->bodies[0]);
    size_t written = in_use();
    write_drain(c, &c->bodies[0]);
    c->text_bytes = (answered - before) / SERIES;
    const struct store_stats stats = store_stats(c->text.store);
    c->store_bytes = (drained - answered + stats.column_bytes) / SERIES;
    c->sample_bytes = stats.sample_bytes / SERIES;
    c->write_bytes = (written - drained) / SERIES;
}

int main(int argc, char **argv)
{
    static struct contest c;
    static double times[CONTESTANTS + 2][ROUNDS];
    contest_open(&c);
    if (argc > 1 && strcmp(argv[1], "body") == 0) { /* for another program to be measured with */
        fwrite(c.bodies[0].bytes, 1, c.bodies[0].size, stdout);
        return 0;
    }
    measure_memory(&c);
    for (int round = -WARM_UP; round < ROUNDS; round++) {
        int body = (round + WARM_UP + 1) % BODIES;
        c.now.ns += INTERVAL_S * NS_PER_S;
        pack_requests(&c, c.sends[body], round);
        for (size_t i = 0; i < CONTESTANTS; i++) {
            double before = cpu_ns();
            contestants[i].run(&c, &c.bodies[body]);
            if (round >= 0) {
                times[i][round] = (cpu_ns() - before) / (double)SERIES;
            }
        }
        for (int i = 0; round >= 0 && i < 2; i++) {
            const int first = i ? WRITE : INTAKE;
            times[CONTESTANTS + i][round] = times[first][round] + times[first + 1][round];
        }
    }
    CHECK(store_stats(c.text.store).appended >= (uint64_t)ROUNDS * SERIES);
    CHECK(store_stats(c.write.store).appended >= (uint64_t)ROUNDS * SERIES);
    for (size_t i = 0; i < CONTESTANTS + 2; i++) {
        const char *name = i < CONTESTANTS    ? contestants[i].name
                           : i == CONTESTANTS ? "scrape"
                                              : "receive";
        printf("%s\"%s\": %.2f", i ? ", " : "{", name, median(times[i], ROUNDS));
    }
    printf(
        ", \"line_bytes\": %zu, \"packed_bytes\": %zu, \"text_bytes\": %zu, \"write_bytes\": %zu, "
        "\"store_bytes\": %zu, \"sample_bytes\": %zu}\n",
        c.bodies[0].size / SERIES, c.sends[0][0].size / SEND, c.text_bytes, c.write_bytes,
        c.store_bytes, c.sample_bytes);
    return 0;
}
