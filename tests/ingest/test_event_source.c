/* Events in the feed: each one once, at its time and with its labels; a body whole or not at all,
 * however full the feed; and all of them again for an engine that died over them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/ast.h"
#include "runtime/ingest/event_source.h"
#include "tests/unit.h"

#define T0_MS 1700000000000LL

enum { SEEN_MAX = 100000, NUMBERS_MAX = 4096 };

static uint64_t seed = 1;
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* The engine's side, in small. */
struct seen {
    char labels[200]; /* "kind=a,n=1" */
    int64_t ms;
};
struct rig {
    int fd;
    struct feed_writer *writer;
    struct feed_reader *reader;
    struct event_source *source;
    struct instant now;
    char series[NUMBERS_MAX][200]; /* by number; "" is heal_event_source */
    struct seen *seen;             /* events, in their order */
    size_t count, heartbeats, heard;
    struct error error;
};

static void rig_open(struct rig *rig, size_t bytes)
{
    *rig = (struct rig){.fd = feed_create(bytes, &rig->error), .now = {T0_MS * NS_PER_MS}};
    rig->seen = calloc(SEEN_MAX, sizeof *rig->seen);
    assert_int_equal(feed_writer_new(rig->fd, -1, &rig->writer, &rig->error), STATUS_OK);
    assert_int_equal(feed_reader_new(rig->fd, &rig->reader, &rig->error), STATUS_OK);
    assert_int_equal(event_source_new(rig->writer, 1, &rig->source, &rig->error), STATUS_OK);
}

static void rig_close(struct rig *rig)
{
    event_source_free(rig->source);
    feed_reader_free(rig->reader);
    feed_writer_free(rig->writer);
    close(rig->fd);
    free(rig->seen);
}

static void see_series(struct rig *rig, const struct feed_record *record)
{
    char *text = rig->series[record->series];
    size_t used = 0;
    assert_true(record->series < NUMBERS_MAX);
    assert_string_equal(record->text, record->label_count ? EVENT_METRIC : EVENT_SOURCE_METRIC);
    text[0] = '\0';
    for (uint32_t i = 0; i < record->label_count; i++) {
        used += (size_t)snprintf(text + used, sizeof rig->series[0] - used, "%s%s=%s",
                                 i > 0 ? "," : "", record->labels[i].name, record->labels[i].value);
    }
}

static void see_sample(struct rig *rig, const struct feed_record *record)
{
    const char *labels = rig->series[record->series];
    assert_true(record->value == 1);
    if (labels[0] == '\0') {
        rig->heartbeats++;
        return;
    }
    assert_true(rig->count < SEEN_MAX);
    snprintf(rig->seen[rig->count].labels, sizeof rig->seen[0].labels, "%s", labels);
    rig->seen[rig->count++].ms = record->time.ns / NS_PER_MS;
}

static void rig_read(struct rig *rig)
{
    struct feed_record record;
    while (feed_next(rig->reader, &record, &rig->error) == STATUS_OK && record.kind != FEED_NONE) {
        switch ((int)record.kind) {
        case FEED_SERIES: see_series(rig, &record); break;
        case FEED_SAMPLE: see_sample(rig, &record); break;
        case FEED_HEARD: rig->heard++; break;
        case FEED_SOURCE: assert_string_equal(record.text, EVENT_SOURCE_NAME); break;
        case FEED_FORGET: break;
        default: fail_msg("a record of kind %d", (int)record.kind);
        }
    }
}

static enum event_outcome take(struct rig *rig, const char *body)
{
    return event_source_take(rig->source, body, strlen(body), rig->now, &rig->error);
}

static void an_event_is_a_sample_at_its_time_with_its_labels(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1 << 20);
    rig_read(&rig);
    event_source_step(rig.source, rig.now);
    assert_int_equal(
        take(&rig, "{\"labels\":{\"service\":\"a\",\"b\":\"\xc3\xa9\"},\"kind\":\"deploy\"}"),
        EVENT_TAKEN);
    assert_int_equal(take(&rig, "[{\"kind\":\"a\",\"time\":1699999999.25},{\"kind\":\"b\",\"time\":"
                                "\"2023-11-14T22:13:19.5Z\"}]"),
                     EVENT_TAKEN);
    rig_read(&rig);
    assert_int_equal(rig.count, 3);
    assert_string_equal(rig.seen[0].labels, "b=\xc3\xa9,kind=deploy,service=a");
    assert_int_equal(rig.seen[0].ms, T0_MS);
    assert_string_equal(rig.seen[1].labels, "kind=a");
    assert_int_equal(rig.seen[1].ms, T0_MS - 750);
    assert_int_equal(rig.seen[2].ms, T0_MS - 500);
    assert_true(rig.heartbeats == 1 && rig.heard == 3);
    rig_close(&rig);
}

static void it_is_heard_at_each_interval_and_not_oftener(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1 << 20);
    rig_read(&rig);
    for (int ms = 0; ms < 60000; ms += 100) {
        rig.now = (struct instant){(T0_MS + ms) * NS_PER_MS};
        const struct duration wait = event_source_step(rig.source, rig.now);
        assert_true(wait.ns > 0 && wait.ns <= EVENT_INTERVAL_S * NS_PER_S);
    }
    rig_read(&rig);
    assert_int_equal(rig.heartbeats, 60 / EVENT_INTERVAL_S);
    rig_close(&rig);
}

/* A body of random events of few label sets, at times that are mostly in order. */
static size_t random_body(char *body, size_t size, int64_t now_ms)
{
    const size_t count = 1 + random_next() % 20;
    size_t used = (size_t)snprintf(body, size, "[");
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(body + used, size - used, "%s{\"kind\":\"k%d\"", i ? "," : "",
                                 (int)(random_next() % 5));
        if (random_next() % 40 == 0) {
            used += (size_t)snprintf(
                body + used, size - used, ",\"time\":%.3f",
                (double)(now_ms - (int64_t)(random_next() % 2 * (random_next() % 20))) / 1000);
        }
        used += (size_t)snprintf(body + used, size - used, "}");
    }
    snprintf(body + used, size - used, "]");
    return count;
}

/* Within each label set what is seen is strictly in order: so nothing came twice or too late. */
static void expect_in_order(const struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++) {
        for (size_t k = i; k > 0; k--) {
            if (strcmp(rig->seen[k - 1].labels, rig->seen[i].labels) == 0) {
                assert_true(rig->seen[k - 1].ms < rig->seen[i].ms);
                break;
            }
        }
    }
}

static void a_body_is_taken_whole_or_not_at_all_however_full_the_feed(void **state)
{
    (void)state;
    static char body[8192];
    size_t outcomes[EVENT_TOO_MANY + 1] = {0};
    for (seed = 5; seed < 25;) {
        const uint64_t round = seed;
        struct rig rig;
        rig_open(&rig, FEED_BYTES_MIN);
        rig_read(&rig);
        uint64_t expected = 0, repeated = 0;
        for (int i = 0; i < 4000; i++) {
            rig.now.ns += (int64_t)(random_next() % 3000) * NS_PER_MS;
            const size_t count = random_body(body, sizeof body, rig.now.ns / NS_PER_MS);
            const struct event_stats before = *event_source_stats(rig.source);
            const enum event_outcome outcome = take(&rig, body);
            const struct event_stats *after = event_source_stats(rig.source);
            outcomes[outcome]++;
            if (outcome == EVENT_TAKEN) {
                assert_int_equal(after->events + after->repeated - before.events - before.repeated,
                                 count);
            } else {
                assert_true(after->events == before.events && after->repeated == before.repeated);
                assert_true(rig.error.message[0] != '\0');
            }
            expected = after->events;
            repeated = after->repeated;
            if (random_next() % 2000 == 0) { /* the reader is slow: the ring fills up */
                rig_read(&rig);
                assert_int_equal(rig.count, expected);
            }
        }
        rig_read(&rig);
        assert_int_equal(rig.count, expected);
        expect_in_order(&rig);
        assert_true(expected > 100 && repeated > 0);
        rig_close(&rig);
        seed = round + 1;
    }
    assert_true(outcomes[EVENT_TAKEN] > 100 && outcomes[EVENT_MALFORMED] > 100 &&
                outcomes[EVENT_FEED_FULL] > 100);
}

static void an_engine_that_attaches_anew_is_given_the_newest_once_more(void **state)
{
    (void)state;
    struct rig rig;
    char body[200];
    rig_open(&rig, 1 << 20);
    rig_read(&rig);
    event_source_step(rig.source, rig.now);
    for (int i = 0; i < EVENT_RECENT_MAX + 10; i++) {
        rig.now.ns += NS_PER_MS;
        snprintf(body, sizeof body, "{\"kind\":\"k\",\"labels\":{\"n\":\"%d\"}}", i % 7);
        assert_int_equal(take(&rig, body), EVENT_TAKEN);
    }
    feed_reader_free(rig.reader); /* it died before it read them */
    assert_int_equal(feed_reader_new(rig.fd, &rig.reader, &rig.error), STATUS_OK);
    rig_read(&rig);
    assert_int_equal(rig.count, 0);
    event_source_step(rig.source, rig.now); /* at once, though it is not due */
    rig_read(&rig);
    assert_int_equal(rig.count, EVENT_RECENT_MAX);
    assert_int_equal(rig.heartbeats, 1);
    assert_int_equal(rig.seen[EVENT_RECENT_MAX - 1].ms, T0_MS + EVENT_RECENT_MAX + 10);
    expect_in_order(&rig);
    event_source_step(rig.source, rig.now);
    rig_read(&rig);
    assert_int_equal(rig.count, EVENT_RECENT_MAX);
    rig_close(&rig);
}

static void label_sets_are_bounded_and_those_without_events_go_first(void **state)
{
    (void)state;
    struct rig rig;
    char body[200];
    rig_open(&rig, 1 << 22);
    rig_read(&rig);
    event_source_step(rig.source, rig.now);
    for (int i = 0; i < 5 * EVENT_SERIES_MAX; i++) {
        rig.now.ns += NS_PER_MS;
        snprintf(body, sizeof body, "{\"kind\":\"k\",\"labels\":{\"n\":\"%d\"}}",
                 i % 3 == 0 ? 0 : i); /* one of them all the time */
        assert_int_equal(take(&rig, body), EVENT_TAKEN);
        assert_true(event_source_stats(rig.source)->series <= EVENT_SERIES_MAX);
        if (i % 100 == 0) {
            event_source_step(rig.source, rig.now);
            rig_read(&rig);
        }
    }
    rig_read(&rig);
    assert_int_equal(rig.count, 5 * EVENT_SERIES_MAX);
    expect_in_order(&rig);
    assert_true(rig.heartbeats > 0);
    rig_close(&rig);
}

static void more_than_so_many_a_minute_are_put_off(void **state)
{
    (void)state;
    struct rig rig;
    size_t taken = 0;
    rig_open(&rig, 1 << 20);
    rig_read(&rig);
    event_source_step(rig.source, rig.now);
    for (int ms = 0; ms < 600000; ms += 10) { /* ten minutes, 100 a second */
        rig.now = (struct instant){(T0_MS + ms) * NS_PER_MS};
        const enum event_outcome outcome = take(&rig, "{\"kind\":\"k\"}");
        taken += outcome == EVENT_TAKEN;
        assert_true(outcome == EVENT_TAKEN || outcome == EVENT_TOO_MANY);
        rig_read(&rig);
    }
    assert_non_null(strstr(rig.error.message, "more than 600 events a minute"));
    assert_true(taken >= EVENT_BURST_MAX + 10 * EVENT_PER_MINUTE_MAX - 10 &&
                taken <= EVENT_BURST_MAX + 10 * EVENT_PER_MINUTE_MAX + 1);
    assert_int_equal(rig.count, taken);
    rig_close(&rig);
}

static void no_bytes_break_it(void **state)
{
    (void)state;
    struct rig rig;
    static const char good[] =
        "[{\"kind\":\"deploy\",\"time\":1700000000,\"labels\":{\"a\":\"b\\n\"},"
        "\"text\":\"x\"},{\"kind\":\"c\",\"time\":\"2023-11-14T22:13:20+01:00\"}]";
    rig_open(&rig, 1 << 20);
    rig_read(&rig);
    for (seed = 77; seed != 0;) {
        for (int i = 0; i < 200000; i++) {
            char body[sizeof good];
            size_t size = sizeof good - 1;
            memcpy(body, good, sizeof good);
            for (uint64_t k = random_next() % 4; k > 0; k--) {
                body[random_next() % size] = (char)random_next();
            }
            size = random_next() % 3 == 0 ? random_next() % size : size;
            const enum event_outcome outcome =
                event_source_take(rig.source, body, size, rig.now, &rig.error);
            assert_true(outcome == EVENT_TAKEN || rig.error.message[0] != '\0');
            assert_null(strpbrk(outcome == EVENT_TAKEN ? "" : rig.error.message, "\n\r\x1b\x07"));
            if (i % 100 == 0) {
                rig_read(&rig);
            }
        }
        seed = 0;
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_a_sample_at_its_time_with_its_labels),
        cmocka_unit_test(it_is_heard_at_each_interval_and_not_oftener),
        cmocka_unit_test(a_body_is_taken_whole_or_not_at_all_however_full_the_feed),
        cmocka_unit_test(an_engine_that_attaches_anew_is_given_the_newest_once_more),
        cmocka_unit_test(label_sets_are_bounded_and_those_without_events_go_first),
        cmocka_unit_test(more_than_so_many_a_minute_are_put_off),
        cmocka_unit_test(no_bytes_break_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
