/* Remote write: what is taken of a request, what is refused and why, and what no request can do. */
#include <math.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/ingest/receiver.h"
#include "runtime/ingest/remote_source.h"
#include "runtime/ingest/text.h"
#include "runtime/ingest/write_request.h"
#include "tests/unit.h"

#define T0_MS 1700000000000LL

/* ---- requests ---- */

static void put_varint(struct text *text, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) {
        text_add(text, &(char){(char)(n | 0x80)}, 1);
    }
    text_add(text, &(char){(char)n}, 1);
}

static void put_field(struct text *text, unsigned char tag, const char *bytes, size_t size)
{
    text_add(text, (const char *)&tag, 1);
    put_varint(text, size);
    text_add(text, bytes ? bytes : "", size);
}

static void put_label(struct text *series, const char *name, const char *value)
{
    struct text label;
    text_init(&label, 1 << 20);
    put_field(&label, 0x0a, name, strlen(name));
    put_field(&label, 0x12, value, strlen(value));
    put_field(series, 0x0a, label.bytes, label.size);
    text_release(&label);
}

static void put_sample(struct text *series, int64_t ms, double value)
{
    struct text sample;
    text_init(&sample, 64);
    text_add(&sample, "\x09", 1);
    text_add(&sample, (const char *)&value, sizeof value);
    text_add(&sample, "\x10", 1);
    put_varint(&sample, (uint64_t)ms);
    put_field(series, 0x12, sample.bytes, sample.size);
    text_release(&sample);
}

static void put_metadata(struct text *body, const char *family, unsigned type)
{
    struct text metadata;
    text_init(&metadata, 1 << 12);
    text_add(&metadata, "\x08", 1);
    put_varint(&metadata, type);
    put_field(&metadata, 0x12, family, strlen(family));
    put_field(body, 0x1a, metadata.bytes, metadata.size);
    text_release(&metadata);
}

/* One series "a" or with the labels given as name, value, ... NULL. */
static void put_series(struct text *body, const char *const *labels, int64_t ms, double value)
{
    struct text series;
    text_init(&series, 4 << 20);
    for (; *labels; labels += 2) {
        put_label(&series, labels[0], labels[1]);
    }
    put_sample(&series, ms, value);
    put_field(body, 0x0a, series.bytes, series.size);
    text_release(&series);
}

static void put_named(struct text *body, const char *name, int64_t ms, double value)
{
    put_series(body, (const char *const[]){"__name__", name, NULL}, ms, value);
}

/* ---- the engine's side, in small ---- */

enum { SEEN_MAX = 64 };
struct rig {
    int fd;
    struct feed_writer *writer;
    struct feed_reader *reader;
    struct remote_source *source;
    struct instant now;
    size_t points, series, heard, forgotten;
    int64_t heard_ms;
    struct write_sample seen[SEEN_MAX]; /* the newest points */
    char name[200];                     /* of the newest series, with labels */
    struct error error;
};

static void rig_open_with(struct rig *rig, size_t bytes, struct remote_options options)
{
    options.id = 1;
    options.name = "test";
    options.interval.ns = options.grace.ns = NS_PER_S;
    *rig = (struct rig){.fd = feed_create(bytes, &rig->error), .now = {(T0_MS + 1000) * NS_PER_MS}};
    assert_int_equal(feed_writer_new(rig->fd, -1, &rig->writer, &rig->error), STATUS_OK);
    assert_int_equal(feed_reader_new(rig->fd, &rig->reader, &rig->error), STATUS_OK);
    assert_int_equal(remote_source_new(rig->writer, &options, &rig->source, &rig->error),
                     STATUS_OK);
}

static void rig_open(struct rig *rig)
{
    rig_open_with(rig, 1 << 20, (struct remote_options){0});
}

static void rig_close(struct rig *rig)
{
    remote_source_free(rig->source);
    feed_writer_free(rig->writer);
    feed_reader_free(rig->reader);
    close(rig->fd);
}

static void name_series(struct rig *rig, const struct feed_record *record)
{
    size_t used = (size_t)snprintf(rig->name, sizeof rig->name, "%s{", record->text);
    for (uint32_t i = 0; i < record->label_count && used < sizeof rig->name; i++) {
        used += (size_t)snprintf(rig->name + used, sizeof rig->name - used, "%s=%s,",
                                 record->labels[i].name, record->labels[i].value);
    }
}

static void drain(struct rig *rig)
{
    static struct feed_record r;
    rig->points = rig->series = rig->heard = rig->forgotten = 0;
    do {
        assert_int_equal(feed_next(rig->reader, &r, &rig->error), STATUS_OK);
        for (uint64_t i = 0; r.kind == FEED_POINTS && i < r.count; i++) {
            rig->seen[rig->points++ % SEEN_MAX] =
                (struct write_sample){r.time.ns / NS_PER_MS + r.points[i].ms, r.points[i].value};
        }
        if (r.kind == FEED_SERIES) {
            rig->series++;
            name_series(rig, &r);
        }
        rig->heard += r.kind == FEED_HEARD;
        rig->heard_ms = r.kind == FEED_HEARD ? r.time.ns / NS_PER_MS : rig->heard_ms;
        rig->forgotten += r.kind == FEED_FORGET;
        assert_true(r.kind != FEED_ANSWERED && r.kind != FEED_FAILED);
    } while (r.kind != FEED_NONE);
}

/* Packs and takes a body, and empties it. */
static enum remote_outcome take(struct rig *rig, struct text *body)
{
    size_t size = snappy_max_compressed_length(body->size);
    char *packed = heap_alloc(size);
    assert_int_equal(snappy_compress(body->bytes ? body->bytes : "", body->size, packed, &size),
                     SNAPPY_OK);
    char *exact = heap_alloc(size); /* its own allocation, so that a sanitizer sees the end */
    memcpy(exact, packed, size);
    rig->error.message[0] = '\0';
    enum remote_outcome outcome =
        remote_source_take(rig->source, exact, size, rig->now, &rig->error);
    drain(rig);
    free(packed);
    free(exact);
    text_clear(body);
    return outcome;
}

static uint64_t refused(const struct rig *rig, enum remote_refusal why)
{
    return remote_source_stats(rig->source)->refused[why];
}

/* ---- claims ---- */

static void samples_arrive_as_they_were_sent(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    const uint64_t bits[] = {0x7ff0000000000002, 0x7ff8000000000001, 0xfff0000000000000, 1};
    text_init(&body, 1 << 20);
    rig_open(&rig);
    const char *const labels[] = {"__name__", "a", "b", "\xe2\x82\xac", "c", "", NULL};
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        double value;
        memcpy(&value, &bits[i], sizeof value);
        put_series(&body, labels, T0_MS + (int64_t)i, value);
        assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
        assert_true(rig.points == 1 && rig.heard == 1 && rig.series == (i == 0));
        assert_true(rig.seen[0].ms == T0_MS + (int64_t)i && rig.heard_ms == T0_MS + (int64_t)i);
        assert_memory_equal(&rig.seen[0].value, &bits[i], sizeof value);
    }
    assert_string_equal(rig.name, "a{b=\xe2\x82\xac,");
    assert_int_equal(remote_source_stats(rig.source)->stale, 1);
    assert_int_equal(remote_source_stats(rig.source)->predicted, 2);
    text_release(&body);
    rig_close(&rig);
}

static void a_series_is_its_labels_in_any_order(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    text_init(&body, 1 << 20);
    rig_open(&rig);
    put_series(&body, (const char *const[]){"__name__", "a", "b", "1", "c", "2", NULL}, T0_MS, 1);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    put_series(&body, (const char *const[]){"c", "2", "__name__", "a", "b", "1", NULL}, T0_MS + 1,
               2);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_true(rig.series == 0 && rig.points == 1);
    assert_int_equal(remote_source_stats(rig.source)->series, 1);
    put_series(&body, (const char *const[]){"__name__", "a", "b", "1", "c", "3", NULL}, T0_MS + 1,
               2);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_int_equal(rig.series, 1);
    text_release(&body);
    rig_close(&rig);
}

static void what_is_wrong_is_refused_and_the_rest_taken(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    text_init(&body, 1 << 20);
    rig_open(&rig);
    put_named(&body, "a", T0_MS, 1);
    put_named(&body, "b", T0_MS, 1);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    put_named(&body, "a", T0_MS, 1);      /* the same again: no fault, and no news */
    put_named(&body, "b", T0_MS + 10, 2); /* good */
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_int_equal(rig.points, 1);
    put_named(&body, "a", T0_MS - 1, 1);
    put_named(&body, "a", T0_MS, 2);
    put_named(&body, "a", T0_MS + 1000000, 2);
    put_named(&body, "b", T0_MS + 20, 3);
    assert_int_equal(take(&rig, &body), REMOTE_PARTIAL);
    assert_string_equal(rig.error.message, "older than the newest of its series");
    assert_true(rig.points == 1 && rig.seen[0].value == 3 && rig.heard_ms == T0_MS + 20);
    assert_int_equal(refused(&rig, REMOTE_OUT_OF_ORDER), 1);
    assert_int_equal(refused(&rig, REMOTE_DUPLICATE), 1);
    assert_int_equal(refused(&rig, REMOTE_FUTURE), 1);
    put_named(&body, "a", T0_MS - 1, 1);
    assert_int_equal(take(&rig, &body), REMOTE_PARTIAL);
    assert_true(rig.points == 0 && rig.heard == 0); /* nothing taken is nothing heard */
    text_release(&body);
    rig_close(&rig);
}

static void a_source_is_not_heard_in_the_future(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    text_init(&body, 1 << 20);
    rig_open(&rig);
    put_named(&body, "a", T0_MS + 60000, 1);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_true(rig.points == 1 && rig.heard_ms == T0_MS + 1000);
    put_named(&body, "b", T0_MS - 40LL * 86400 * 1000, 1); /* further away than a point says */
    put_named(&body, "c", T0_MS, 1);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_true(rig.points == 1 && rig.heard_ms == T0_MS);
    text_release(&body);
    rig_close(&rig);
}

static void bad_labels_are_refused(void **state)
{
    (void)state;
    static char long_value[STORE_LABEL_BYTES_MAX + 2];
    memset(long_value, 'x', sizeof long_value - 1);
    const char *const bad[][7] = {
        {"b", "1", NULL},
        {"__name__", "", NULL},
        {"__name__", "a b", NULL},
        {"__name__", "a", "b", "1", "b", "2", NULL},
        {"__name__", "a", "b-c", "1", NULL},
        {"__name__", "a", "", "1", NULL},
        {"__name__", "a", "b", "\xff", NULL},
        {"__name__", "a", "b", long_value, NULL},
        {"__name__", "a", long_value, "b", NULL},
    };
    struct rig rig;
    struct text body;
    text_init(&body, 1 << 20);
    rig_open(&rig);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_series(&body, bad[i], T0_MS + (int64_t)i, 1);
        put_named(&body, "good", T0_MS + (int64_t)i, 1);
        assert_int_equal(take(&rig, &body), REMOTE_PARTIAL);
        assert_int_equal(rig.points, 1);
        assert_int_equal(refused(&rig, REMOTE_LABELS), i + 1);
    }
    assert_int_equal(remote_source_stats(rig.source)->series, 1);
    text_release(&body);
    rig_close(&rig);
}

static void too_many_labels_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct text body, series;
    char name[16];
    text_init(&body, 1 << 20);
    text_init(&series, 1 << 20);
    rig_open_with(&rig, 1 << 20, (struct remote_options){.labels = 3});
    for (int count = 3; count < 200; count += 98) { /* 3, 101, 199 */
        text_clear(&series);
        put_label(&series, "__name__", "a");
        for (int i = 0; i < count; i++) {
            snprintf(name, sizeof name, "l%03d", i);
            put_label(&series, name, "x");
        }
        put_sample(&series, T0_MS + count, 1);
        put_field(&body, 0x0a, series.bytes, series.size);
        assert_int_equal(take(&rig, &body), count == 3 ? REMOTE_TAKEN : REMOTE_PARTIAL);
    }
    assert_int_equal(refused(&rig, REMOTE_LABELS), 2);
    text_release(&series);
    text_release(&body);
    rig_close(&rig);
}

static void series_above_the_limit_are_refused_until_others_end(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    char name[16];
    const uint64_t bits = 0x7ff0000000000002;
    double stale;
    memcpy(&stale, &bits, sizeof stale);
    text_init(&body, 1 << 20);
    rig_open_with(&rig, 1 << 20, (struct remote_options){.series = 10});
    for (int i = 0; i < 15; i++) {
        snprintf(name, sizeof name, "m%d", i);
        put_named(&body, name, T0_MS, 1);
    }
    assert_int_equal(take(&rig, &body), REMOTE_PARTIAL);
    assert_true(rig.points == 10 && refused(&rig, REMOTE_SERIES) == 5);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "m%d", i);
        put_named(&body, name, T0_MS + 1, stale);
    }
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    rig.now.ns += 100 * NS_PER_S;
    put_named(&body, "m14", T0_MS + 2, 1);
    (void)take(&rig, &body); /* makes room, and may still be refused itself */
    put_named(&body, "m14", T0_MS + 3, 1);
    put_named(&body, "m9", T0_MS + 3, 1);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_true(rig.points == 2);
    assert_in_range(remote_source_stats(rig.source)->series, 5, 6);
    text_release(&body);
    rig_close(&rig);
}

static void series_that_churn_take_no_memory(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    char name[32];
    text_init(&body, 1 << 20);
    rig_open_with(&rig, 1 << 20, (struct remote_options){.series = 100});
    for (int i = 0; i < 3000; i++) {
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "m%d_%d", i, k);
            put_named(&body, name, rig.now.ns / NS_PER_MS, 1);
        }
        assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
        assert_in_range(remote_source_stats(rig.source)->series, 3, 100);
        rig.now.ns += 60 * NS_PER_S;
    }
    text_release(&body);
    rig_close(&rig);
}

static void damaged_bodies_are_refused_whole(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    text_init(&body, 1 << 20);
    rig_open(&rig);
    put_named(&body, "a", T0_MS, 1);
    put_named(&body, "b", T0_MS, 1);
    struct text whole = {0};
    text_init(&whole, 1 << 20);
    text_add(&whole, body.bytes, body.size);
    size_t first = 2u + (unsigned char)whole.bytes[1];
    for (size_t cut = 1; cut < whole.size; cut++) {
        text_clear(&body);
        text_add(&body, whole.bytes, cut);
        assert_int_equal(take(&rig, &body), cut == first ? REMOTE_TAKEN : REMOTE_MALFORMED);
        assert_int_equal(rig.points, cut == first);
    }
    assert_int_equal(remote_source_stats(rig.source)->series, 1);
    assert_int_equal(remote_source_take(rig.source, "\xff\xff\xff", 3, rig.now, &rig.error),
                     REMOTE_MALFORMED);
    assert_string_equal(rig.error.message, "the body is no block of snappy");
    assert_int_equal(remote_source_take(rig.source, "", 0, rig.now, &rig.error), REMOTE_MALFORMED);
    text_release(&whole);
    text_release(&body);
    rig_close(&rig);
}

static void a_refused_body_leaves_nothing_behind(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    text_init(&body, 1 << 20);
    rig_open(&rig);
    put_named(&body, "a", T0_MS, 1);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    put_named(&body, "a", T0_MS + 5, 1);
    put_named(&body, "n", T0_MS + 5, 1);
    text_add(&body, "\x0a\x7f", 2);
    assert_int_equal(take(&rig, &body), REMOTE_MALFORMED);
    assert_int_equal(remote_source_stats(rig.source)->series, 1);
    put_named(&body, "a", T0_MS + 1, 7); /* older than what was refused */
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_true(rig.points == 1 && rig.seen[0].value == 7);
    text_release(&body);
    rig_close(&rig);
}

static void bombs_are_refused_before_they_have_memory(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_with(&rig, 1 << 20, (struct remote_options){.body_bytes = 1 << 20});
    /* A length of 4 GiB - 1, and of 1 MiB in a body that cannot hold it. */
    assert_int_equal(
        remote_source_take(rig.source, "\xff\xff\xff\xff\x0f\x00", 6, rig.now, &rig.error),
        REMOTE_TOO_LARGE);
    assert_int_equal(remote_source_take(rig.source, "\x80\x80\x40\x00", 4, rig.now, &rig.error),
                     REMOTE_MALFORMED);
    assert_string_equal(rig.error.message, "no body of 4 bytes holds 1048576");
    struct text body;
    text_init(&body, 4 << 20);
    static char zeros[2 << 20];
    text_add(&body, zeros, sizeof zeros);
    assert_int_equal(take(&rig, &body), REMOTE_TOO_LARGE);
    text_release(&body);
    rig_close(&rig);
}

static void a_full_feed_takes_nothing_and_forgets_nothing(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    char name[16];
    text_init(&body, 8 << 20);
    rig_open_with(&rig, FEED_BYTES_MIN, (struct remote_options){0});
    put_named(&body, "m0", T0_MS, 1);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "m%d", i);
        put_named(&body, name, T0_MS + 1, 1);
    }
    assert_int_equal(take(&rig, &body), REMOTE_FEED_FULL);
    assert_int_equal(rig.points, 0);
    put_named(&body, "m0", T0_MS + 1, 1);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_int_equal(rig.points, 1);
    text_release(&body);
    rig_close(&rig);
}

static void very_many_new_series_get_through_in_pieces(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    char name[80];
    int attempts = 0;
    text_init(&body, 8 << 20);
    rig_open_with(&rig, FEED_BYTES_MIN, (struct remote_options){0});
    do {
        for (int i = 0; i < 5000; i++) {
            snprintf(name, sizeof name, "a_rather_long_name_of_a_series_of_which_there_are_many_%d",
                     i);
            put_named(&body, name, T0_MS, 1);
        }
    } while (take(&rig, &body) == REMOTE_FEED_FULL && ++attempts < 20);
    assert_in_range(attempts, 1, 10);
    assert_int_equal(rig.points, 5000);
    text_release(&body);
    rig_close(&rig);
}

static void too_many_samples_in_a_request_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct text body, series;
    text_init(&body, 16 << 20);
    text_init(&series, 16 << 20);
    rig_open_with(&rig, 16 << 20, (struct remote_options){0});
    for (int i = 0; i < 3; i++) {
        text_clear(&series);
        put_label(&series, "__name__", i == 0 ? "a" : i == 1 ? "b" : "c");
        for (int64_t k = 0; k < 70000; k++) {
            put_sample(&series, T0_MS - 70000 + k, 1);
        }
        put_field(&body, 0x0a, series.bytes, series.size);
    }
    assert_int_equal(take(&rig, &body), REMOTE_TOO_LARGE);
    assert_true(rig.points == 0 && remote_source_stats(rig.source)->series == 0);
    text_release(&series);
    text_release(&body);
    rig_close(&rig);
}

static void metadata_tell_types_and_flips_are_counted(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    text_init(&body, 1 << 20);
    rig_open(&rig);
    put_metadata(&body, "a_total", 1);
    put_metadata(&body, "b", 2);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_int_equal(rig.heard, 0);
    assert_int_equal(remote_source_type(rig.source, "a_total"), 1);
    put_metadata(&body, "a_total", 2);
    put_metadata(&body, "b", 2);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_int_equal(remote_source_type(rig.source, "a_total"), 2);
    assert_int_equal(remote_source_type(rig.source, "c"), 0);
    assert_int_equal(remote_source_stats(rig.source)->type_flips, 1);
    assert_int_equal(remote_source_stats(rig.source)->metadata, 4);
    text_release(&body);
    rig_close(&rig);
}

static void exemplars_and_histograms_are_counted_and_left_out(void **state)
{
    (void)state;
    struct rig rig;
    struct text body, series;
    text_init(&body, 1 << 20);
    text_init(&series, 1 << 20);
    rig_open(&rig);
    put_label(&series, "__name__", "a");
    put_field(&series, 0x22, "\x18\x01", 2);
    put_sample(&series, T0_MS, 1);
    put_field(&series, 0x1a, "anything", 8);
    put_sample(&series, T0_MS + 1, 2);
    put_field(&series, 0x7a, "a field to come", 15);
    put_field(&body, 0x0a, series.bytes, series.size);
    put_field(&body, 0x22, "another", 7);
    assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
    assert_int_equal(rig.points, 2);
    assert_int_equal(remote_source_stats(rig.source)->exemplars, 1);
    assert_int_equal(remote_source_stats(rig.source)->histograms, 1);
    text_release(&series);
    text_release(&body);
    rig_close(&rig);
}

static void a_new_reader_gets_every_definition_again(void **state)
{
    (void)state;
    struct rig rig;
    struct text body;
    text_init(&body, 1 << 20);
    rig_open(&rig);
    for (int64_t i = 0; i < 3; i++) {
        put_named(&body, "a", T0_MS + i, 1);
        put_named(&body, "b", T0_MS + i, 1);
        assert_int_equal(take(&rig, &body), REMOTE_TAKEN);
        assert_int_equal(rig.series, i == 1 ? 0 : 2);
        if (i == 1) {
            feed_reader_free(rig.reader);
            assert_int_equal(feed_reader_new(rig.fd, &rig.reader, &rig.error), STATUS_OK);
        }
    }
    text_release(&body);
    rig_close(&rig);
}

/* ---- the store ---- */

static struct instant at_s(int64_t s)
{
    return (struct instant){T0_MS * NS_PER_MS + s * NS_PER_S};
}

static void a_source_that_is_heard_ends_no_series_and_is_silent_in_time(void **state)
{
    (void)state;
    struct error error;
    struct store *store = store_new(NULL);
    const uint64_t bits = 0x7ff0000000000002;
    uint32_t source, ids[2];
    double stale;
    memcpy(&stale, &bits, sizeof stale);
    assert_int_equal(store_source(store, "sender", (struct duration){15 * NS_PER_S},
                                  (struct duration){60 * NS_PER_S}, &source, &error),
                     STATUS_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(store_series(store, source, i ? "b" : "a", NULL, 0, &ids[i], &error),
                         STATUS_OK);
    }
    assert_false(store_source_observed(store, source, at_s(0)));
    const struct store_point points[] = {{ids[0], -1000, 1}, {ids[1], 0, 2}, {ids[0], 0, 3}};
    store_append_all(store, at_s(0), at_s(0), points, ARRAY_LEN(points));
    store_heard(store, source, at_s(0));
    assert_int_equal(store_stats(store).appended, 3);
    /* A request with b alone: a has not ended, and takes what comes later. */
    store_append_all(store, at_s(15), at_s(15), &(struct store_point){ids[1], 0, 4}, 1);
    store_heard(store, source, at_s(15));
    store_heard(store, source, at_s(3)); /* one that was on its way for longer */
    assert_int_equal(store_stats(store).samples, 4);
    assert_true(store_source_observed(store, source, at_s(90)));
    assert_false(store_source_observed(store, source, at_s(91)));
    store_append_all(store, at_s(16), at_s(16), &(struct store_point){ids[0], 0, stale}, 1);
    assert_int_equal(store_stats(store).samples, 5); /* the marker, once */
    store_append_all(store, at_s(17), at_s(17), &(struct store_point){ids[0], 0, stale}, 1);
    assert_int_equal(store_stats(store).samples, 5);
    store_append_all(store, at_s(17), at_s(9000), &(struct store_point){ids[0], 0, 1}, 1);
    assert_int_equal(store_stats(store).future, 1);
    store_free(store);
}

/* ---- HTTP ---- */

static struct instant fixed_now(void *ctx)
{
    (void)ctx;
    return (struct instant){(T0_MS + 1000) * NS_PER_MS};
}

static unsigned post(struct receiver *receiver, struct receiver_request request, const char *body,
                     size_t size)
{
    struct upload *upload = NULL;
    const char *line = "";
    request.path = "/w";
    request.method = request.method ? request.method : "POST";
    unsigned status = receiver_open(receiver, &request, &upload, &line);
    for (size_t i = 0; status == 0 && i < size; i += 1000) {
        size_t some = size - i < 1000 ? size - i : 1000;
        if (!receiver_bytes(upload, body + i, some)) {
            receiver_drop(upload);
            return 1; /* closed */
        }
    }
    status = status ? status : receiver_close(upload, &line);
    assert_true(status == 204 ? line[0] == '\0' : line[strlen(line) - 1] == '\n');
    receiver_drop(upload);
    return status;
}

static void statuses_are_those_of_prometheus(void **state)
{
    (void)state;
    struct error error;
    struct feed_writer *writer;
    struct receiver *receiver;
    struct ingest_clock clock = {fixed_now, NULL};
    int fd = feed_create(1 << 20, &error);
    assert_int_equal(feed_writer_new(fd, -1, &writer, &error), STATUS_OK);
    receiver_new(writer, &clock, &receiver);
    struct receiver_options options = {
        .path = "/w",
        .token = "secret",
        .source = {.name = "s", .interval = {1}, .body_bytes = 4000, .series = 1}};
    assert_int_equal(receiver_add(receiver, &options, &error), STATUS_OK);
    assert_true(receiver_has(receiver, "/w") && !receiver_has(receiver, "/other"));
    char packed[200];
    size_t size = sizeof packed;
    struct text body;
    text_init(&body, 4096);
    put_named(&body, "a", T0_MS, 1);
    assert_int_equal(snappy_compress(body.bytes, body.size, packed, &size), SNAPPY_OK);
    static char large[20000];
    const struct receiver_request good = {.authorization = "Bearer secret",
                                          .content_encoding = "snappy",
                                          .content_type = "application/x-protobuf",
                                          .version = "0.1.0"};
    struct receiver_request r = good;
    assert_int_equal(post(receiver, r, packed, size), 204);
    r.content_type = "application/x-protobuf;proto=prometheus.WriteRequest";
    assert_int_equal(post(receiver, r, packed, size), 204);
    r = (struct receiver_request){.authorization = "bearer secret"};
    assert_int_equal(post(receiver, r, packed, size), 204); /* no header says otherwise */
    r.authorization = NULL;
    assert_int_equal(post(receiver, r, packed, size), 401);
    r.authorization = "Bearer secreT";
    assert_int_equal(post(receiver, r, packed, size), 401);
    r = good;
    r.method = "GET";
    assert_int_equal(post(receiver, r, "", 0), 405);
    r = good;
    r.content_encoding = "gzip";
    assert_int_equal(post(receiver, r, packed, size), 415);
    r = good;
    r.content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    assert_int_equal(post(receiver, r, packed, size), 415);
    r.content_type = "application/json";
    assert_int_equal(post(receiver, r, packed, size), 415);
    r = good;
    r.version = "2.0.0";
    assert_int_equal(post(receiver, r, packed, size), 415);
    r = good;
    assert_int_equal(post(receiver, r, packed, size - 1), 400);
    r.content_length = "5000";
    assert_int_equal(post(receiver, r, large, 5000), 413);
    r.content_length = NULL; /* it does not say before */
    assert_int_equal(post(receiver, r, large, 5000), 413);
    assert_int_equal(post(receiver, r, large, sizeof large), 1);
    text_clear(&body);
    put_named(&body, "b", T0_MS, 1);
    size = sizeof packed;
    assert_int_equal(snappy_compress(body.bytes, body.size, packed, &size), SNAPPY_OK);
    assert_int_equal(post(receiver, good, packed, size), 400);
    text_clear(&body);
    receiver_show(receiver, &body);
    receiver_free(receiver);
    feed_writer_free(writer);
    close(fd);
    text_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_arrive_as_they_were_sent),
        cmocka_unit_test(a_series_is_its_labels_in_any_order),
        cmocka_unit_test(what_is_wrong_is_refused_and_the_rest_taken),
        cmocka_unit_test(a_source_is_not_heard_in_the_future),
        cmocka_unit_test(bad_labels_are_refused),
        cmocka_unit_test(too_many_labels_are_refused),
        cmocka_unit_test(series_above_the_limit_are_refused_until_others_end),
        cmocka_unit_test(series_that_churn_take_no_memory),
        cmocka_unit_test(damaged_bodies_are_refused_whole),
        cmocka_unit_test(a_refused_body_leaves_nothing_behind),
        cmocka_unit_test(bombs_are_refused_before_they_have_memory),
        cmocka_unit_test(a_full_feed_takes_nothing_and_forgets_nothing),
        cmocka_unit_test(very_many_new_series_get_through_in_pieces),
        cmocka_unit_test(too_many_samples_in_a_request_are_refused),
        cmocka_unit_test(metadata_tell_types_and_flips_are_counted),
        cmocka_unit_test(exemplars_and_histograms_are_counted_and_left_out),
        cmocka_unit_test(a_new_reader_gets_every_definition_again),
        cmocka_unit_test(a_source_that_is_heard_ends_no_series_and_is_silent_in_time),
        cmocka_unit_test(statuses_are_those_of_prometheus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
