/* The feed: order, whole answers, attach and attach again, and a reader that nothing can break. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/ingest/feed.h"
#include "tests/unit.h"

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

struct pair {
    int fd, wake;
    struct feed_writer *writer;
    struct feed_reader *reader;
};

static void pair_open(struct pair *pair, size_t bytes)
{
    struct error error = {""};
    pair->fd = feed_create(bytes, &error);
    pair->wake = eventfd(0, EFD_NONBLOCK);
    assert_true(pair->fd >= 0 && pair->wake >= 0);
    assert_int_equal(feed_writer_new(pair->fd, pair->wake, &pair->writer, &error), STATUS_OK);
    assert_int_equal(feed_reader_new(pair->fd, &pair->reader, &error), STATUS_OK);
    (void)feed_writer_generation(pair->writer);
}

static void pair_close(struct pair *pair)
{
    feed_writer_free(pair->writer);
    feed_reader_free(pair->reader);
    close(pair->fd);
    close(pair->wake);
}

static void every_kind_of_record_arrives_as_it_was_written(void **state)
{
    (void)state;
    struct pair p;
    struct feed_record r;
    struct error error = {""};
    unsigned char encoded[256];
    struct label labels[] = {{"a", "1"}, {"b", "\xc3\xa9"}};
    pair_open(&p, FEED_BYTES_MIN);
    size_t size = feed_encode_series("m", labels, 2, encoded, sizeof encoded);
    assert_true(size > 0);
    assert_int_equal(
        feed_write_source(p.writer, 3, "job/host", (struct duration){5}, (struct duration){6}),
        STATUS_OK);
    assert_int_equal(feed_write_series(p.writer, 7, 3, encoded, size), STATUS_OK);
    assert_int_equal(feed_write_sample(p.writer, 7, (struct instant){8}, 1.5), STATUS_OK);
    assert_int_equal(feed_write_stale(p.writer, 7, (struct instant){9}), STATUS_OK);
    assert_int_equal(feed_write_answered(p.writer, 3, (struct instant){10}), STATUS_OK);
    assert_int_equal(feed_write_failed(p.writer, 3, (struct instant){11}, "why"), STATUS_OK);
    assert_int_equal(feed_write_forget(p.writer, 7), STATUS_OK);
    feed_lost(p.writer, 12);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_int_equal(r.kind, FEED_NONE); /* nothing is seen before the commit */
    feed_commit(p.writer);
    uint64_t woken = 0;
    assert_int_equal(read(p.wake, &woken, sizeof woken), sizeof woken);

    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_SOURCE && r.source == 3 && r.interval.ns == 5 && r.grace.ns == 6);
    assert_string_equal(r.text, "job/host");
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_SERIES && r.series == 7 && r.source == 3 && r.label_count == 2);
    assert_string_equal(r.text, "m");
    assert_string_equal(r.labels[1].value, "\xc3\xa9");
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_SAMPLE && r.series == 7 && r.time.ns == 8 && r.value == 1.5);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_STALE && r.time.ns == 9);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_ANSWERED && r.source == 3 && r.time.ns == 10);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_FAILED && strcmp(r.text, "why") == 0);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_FORGET && r.series == 7);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_LOST && r.count == 12);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_int_equal(r.kind, FEED_NONE);
    pair_close(&p);
}

static void a_full_ring_refuses_and_a_rollback_leaves_no_trace(void **state)
{
    (void)state;
    struct pair p;
    struct feed_record r;
    struct error error = {""};
    pair_open(&p, FEED_BYTES_MIN);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    size_t written = 0;
    while (feed_write_sample(p.writer, 1, (struct instant){1}, 1) == STATUS_OK) {
        written++;
    }
    assert_in_range(written, (FEED_BYTES_MIN - FEED_URGENT_BYTES) / 32 - 2, FEED_BYTES_MIN / 32);
    feed_rollback(p.writer);
    feed_urgent(p.writer, true);
    assert_int_equal(feed_write_failed(p.writer, 1, (struct instant){2}, "full"), STATUS_OK);
    feed_commit(p.writer);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_int_equal(r.kind, FEED_FAILED);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_int_equal(r.kind, FEED_NONE);
    pair_close(&p);
}

static void a_second_reader_sees_nothing_until_definitions_come_again(void **state)
{
    (void)state;
    struct pair p;
    struct feed_record r;
    struct error error = {""};
    pair_open(&p, FEED_BYTES_MIN);
    uint32_t before = feed_writer_generation(p.writer);
    assert_int_equal(feed_write_sample(p.writer, 1, (struct instant){1}, 1), STATUS_OK);
    feed_commit(p.writer);
    feed_reader_free(p.reader);
    assert_int_equal(feed_reader_new(p.fd, &p.reader, &error), STATUS_OK);
    assert_int_equal(feed_write_sample(p.writer, 1, (struct instant){2}, 2), STATUS_OK);
    feed_commit(p.writer);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_int_equal(r.kind, FEED_NONE);
    assert_int_not_equal(feed_writer_generation(p.writer), before);
    assert_int_equal(feed_write_sample(p.writer, 1, (struct instant){3}, 3), STATUS_OK);
    feed_commit(p.writer);
    assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
    assert_true(r.kind == FEED_SAMPLE && r.value == 3);
    pair_close(&p);
}

enum { HAMMER_ANSWERS = 20000 };
static atomic_bool hammer_done;

/* Answers of 1..200 samples whose values are their place; now and then one is rolled back. */
static void *hammer(void *ctx)
{
    struct feed_writer *writer = ctx;
    uint64_t seed = 99;
    for (int64_t i = 1; i <= HAMMER_ANSWERS;) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        uint32_t count = 1 + (uint32_t)(seed >> 33) % 200;
        bool good = true;
        for (uint32_t j = 0; j < count && good; j++) {
            good = feed_write_sample(writer, j, (struct instant){i}, j) == STATUS_OK;
        }
        good = good && feed_write_answered(writer, count, (struct instant){i}) == STATUS_OK;
        if (good && seed >> 60 != 0) {
            feed_commit(writer);
            i++;
        } else {
            feed_rollback(writer);
        }
    }
    atomic_store(&hammer_done, true);
    return NULL;
}

static void answers_are_whole_and_in_order_between_two_threads(void **state)
{
    (void)state;
    struct pair p;
    struct feed_record r;
    struct error error = {""};
    pthread_t thread;
    pair_open(&p, FEED_BYTES_MIN);
    atomic_store(&hammer_done, false);
    assert_int_equal(pthread_create(&thread, NULL, hammer, p.writer), 0);
    int64_t expected = 1;
    uint32_t samples = 0;
    while (expected <= HAMMER_ANSWERS) {
        assert_int_equal(feed_next(p.reader, &r, &error), STATUS_OK);
        if (r.kind == FEED_SAMPLE) {
            assert_true(r.time.ns == expected && r.series == samples && r.value == samples);
            samples++;
        } else if (r.kind == FEED_ANSWERED) {
            assert_true(r.time.ns == expected && r.source == samples);
            expected++;
            samples = 0;
        } else {
            assert_int_equal(r.kind, FEED_NONE);
            sched_yield();
        }
    }
    pthread_join(thread, NULL);
    pair_close(&p);
}

static void write_some(struct pair *p)
{
    unsigned char encoded[256];
    struct label labels[] = {{"a", "1"}, {"b", "2"}};
    size_t size = feed_encode_series("m", labels, 2, encoded, sizeof encoded);
    for (uint32_t i = 0; i < 40; i++) {
        bool good = feed_write_series(p->writer, i, 1, encoded, size) == STATUS_OK &&
                    feed_write_sample(p->writer, i, (struct instant){1}, i) == STATUS_OK &&
                    feed_write_failed(p->writer, 1, (struct instant){1}, "reason") == STATUS_OK;
        assert_true(good);
    }
    feed_commit(p->writer);
}

static void check_record(const struct feed_record *r)
{
    assert_true(r->series < FEED_SERIES_MAX && r->source < FEED_SOURCES_MAX);
    assert_true(strlen(r->text) <= FEED_TEXT_BYTES_MAX && r->label_count <= FEED_LABELS_MAX);
    for (uint32_t i = 0; r->kind == FEED_SERIES && i < r->label_count; i++) {
        assert_true(strlen(r->labels[i].name) > 0 && strlen(r->labels[i].value) > 0);
    }
}

/* Random bytes anywhere in the shared memory, header too: what is read is within its limits or
 * refused, and refused for ever. */
static void a_corrupted_ring_is_refused_and_never_breaks_its_reader(void **state)
{
    (void)state;
    size_t refused = 0, bytes = FEED_BYTES_MIN + 4096;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct pair p;
        struct feed_record r;
        struct error error = {""};
        random_state = seed * 0x9e3779b97f4a7c15ULL;
        pair_open(&p, FEED_BYTES_MIN);
        unsigned char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p.fd, 0);
        assert_true(map != MAP_FAILED);
        write_some(&p);
        size_t flips = 1 + random_next() % 64, reach = seed % 2 ? 4096 + 8000 : bytes;
        for (size_t i = 0; i < flips; i++) {
            map[random_next() % reach] = (unsigned char)random_next();
        }
        if (seed % 4 == 0) {
            for (size_t i = 64; i < 72; i++) {
                map[i] = (unsigned char)random_next(); /* the head */
            }
        }
        enum status status = STATUS_OK;
        for (int i = 0; i < 100000; i++) {
            status = feed_next(p.reader, &r, &error);
            if (status != STATUS_OK || r.kind == FEED_NONE) {
                break;
            }
            check_record(&r);
        }
        if (status != STATUS_OK) {
            refused++;
            assert_int_equal(status, STATUS_PROTOCOL);
            assert_int_equal(feed_next(p.reader, &r, &error), STATUS_PROTOCOL);
        }
        munmap(map, bytes);
        pair_close(&p);
    }
    assert_in_range(refused, 500, 2000);
}

static void a_file_that_is_not_sealed_is_not_mapped(void **state)
{
    (void)state;
    struct error error = {""};
    struct feed_reader *reader;
    int fd = memfd_create("x", MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, FEED_BYTES_MIN + 4096), 0);
    assert_int_equal(feed_reader_new(fd, &reader, &error), STATUS_PROTOCOL);
    close(fd);
    assert_int_equal(feed_create(FEED_BYTES_MIN + 1, &error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_record_arrives_as_it_was_written),
        cmocka_unit_test(a_full_ring_refuses_and_a_rollback_leaves_no_trace),
        cmocka_unit_test(a_second_reader_sees_nothing_until_definitions_come_again),
        cmocka_unit_test(answers_are_whole_and_in_order_between_two_threads),
        cmocka_unit_test(a_corrupted_ring_is_refused_and_never_breaks_its_reader),
        cmocka_unit_test(a_file_that_is_not_sealed_is_not_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
