/* Runs ingest without heald, and prints what an engine would read from its feed.
 *
 *     scrape_probe SECONDS PAGE JOB,URL,INTERVAL_MS,TIMEOUT_MS,BODY_BYTES,SERIES...
 *
 * JOB remote is a receiver of remote write instead: remote,PATH,SERIES,BODY_BYTES.
 *
 * PAGE: fresh, stale, unready or none. Lines: LISTEN port, SAMPLE source{labels} value, STALE
 * source{labels}, ANSWERED source, HEARD source ms, FAILED source reason; where there is a
 * receiver, each SAMPLE and STALE is followed by TIME ms. */
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "runtime/ingest/feed.h"
#include "runtime/ingest/host.h"
#include "runtime/ingest/listener.h"
#include "runtime/ingest/page.h"
#include "runtime/ingest/receiver.h"
#include "runtime/ingest/scrape.h"

enum { FEED_BYTES = 4 << 20, NAME_BYTES = 1600, SOURCES = 64, SERIES = 100000 };

static char sources[SOURCES][NAME_BYTES];
static char *series[SERIES];
static bool print_times;

static struct instant now(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &t);
    return (struct instant){t.tv_sec * NS_PER_S + t.tv_nsec};
}

static void need(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        printf("ERROR %s\n", error->message);
        exit(2);
    }
}

static void name_series(const struct feed_record *r)
{
    char name[NAME_BYTES];
    size_t used = (size_t)snprintf(name, sizeof name, "%.200s{", r->text);
    for (uint32_t i = 0; i < r->label_count && used < sizeof name - 500; i++) {
        used += (size_t)snprintf(name + used, sizeof name - used, "%s%.200s=\"%.200s\"",
                                 i ? "," : "", r->labels[i].name, r->labels[i].value);
    }
    snprintf(name + used, sizeof name - used, "}");
    CHECK(r->series < SERIES);
    free(series[r->series]);
    series[r->series] = heap_strdup(name);
}

static void print_point(const struct feed_record *r, const struct feed_point *point)
{
    uint64_t bits;
    memcpy(&bits, &point->value, sizeof bits);
    if (bits == 0x7ff0000000000002) {
        printf("STALE %s\n", series[point->series]);
    } else {
        printf("SAMPLE %s %.17g\n", series[point->series], point->value);
    }
    if (print_times) {
        printf("TIME %lld\n", (long long)(r->time.ns / NS_PER_MS + point->ms));
    }
}

static void print_record(const struct feed_record *r)
{
    switch (r->kind) {
    case FEED_SOURCE:
        CHECK(r->source < SOURCES);
        snprintf(sources[r->source], NAME_BYTES, "%.1500s", r->text);
        break;
    case FEED_SERIES: name_series(r); break;
    case FEED_SAMPLE: printf("SAMPLE %s %.17g\n", series[r->series], r->value); break;
    case FEED_POINTS:
        for (uint64_t i = 0; i < r->count; i++) {
            print_point(r, &r->points[i]);
        }
        break;
    case FEED_HEARD:
        printf("HEARD %s %lld\n", sources[r->source], (long long)(r->time.ns / NS_PER_MS));
        break;
    case FEED_ANSWERED: printf("ANSWERED %s\n", sources[r->source]); break;
    case FEED_FAILED: printf("FAILED %s %s\n", sources[r->source], r->text); break;
    case FEED_LOST: printf("LOST %llu\n", (unsigned long long)r->count); break;
    case FEED_NONE:
    case FEED_STALE:
    case FEED_FORGET:
    case FEED_RESYNC: break;
    }
}

static void publish(struct page *page, const char *state)
{
    static const char metrics[] = "# HELP heald_engine_ticks_total Ticks of the engine.\n"
                                  "# TYPE heald_engine_ticks_total counter\n"
                                  "heald_engine_ticks_total 1\n";
    struct page_head head = {strcmp(state, "unready") != 0, now(NULL)};
    if (strcmp(state, "none") == 0) {
        return;
    }
    head.heartbeat.ns -= strcmp(state, "stale") == 0 ? 60 * NS_PER_S : 0;
    CHECK(page_publish(page, &head, "all well\n", 9, metrics, sizeof metrics - 1) == STATUS_OK);
}

static void add_remote(struct receiver *receiver, uint32_t id, const char *text)
{
    struct error error;
    char path[200];
    unsigned long most, bytes;
    CHECK(sscanf(text, "remote,%199[^,],%lu,%lu", path, &most, &bytes) == 3);
    struct receiver_options options = {
        .path = path,
        .source = {
            .id = id, .name = path, .interval = {NS_PER_S}, .series = most, .body_bytes = bytes}};
    need(receiver_add(receiver, &options, &error), &error);
    print_times = true;
}

static void add_target(struct scraper *scraper, uint32_t id, char *text)
{
    struct error error;
    char *fields[6] = {NULL}, *save = NULL;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        fields[i] = strtok_r(i ? NULL : text, ",", &save);
        CHECK(fields[i] != NULL);
    }
    struct scrape_target target = {.name = fields[0],
                                   .url = fields[1],
                                   .interval = {strtol(fields[2], NULL, 10) * NS_PER_MS},
                                   .timeout = {strtol(fields[3], NULL, 10) * NS_PER_MS},
                                   .body_bytes_max = (size_t)strtol(fields[4], NULL, 10),
                                   .series_max = (size_t)strtol(fields[5], NULL, 10)};
    need(scrape_add(scraper, id, &target, &error), &error);
}

static void print_port(int fd)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    printf("LISTEN %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct error error = {""};
    struct ingest_clock clock = {now, NULL};
    struct feed_writer *writer;
    struct feed_reader *reader;
    struct scraper *scraper;
    struct host *host;
    struct page *page;
    struct listener *listener;
    struct receiver *receiver;
    static struct feed_record record;
    if (argc < 3) {
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int feed = feed_create(FEED_BYTES, &error);
    need(feed_writer_new(feed, -1, &writer, &error), &error);
    need(feed_reader_new(feed, &reader, &error), &error);
    need(scrape_new(writer, &clock, &scraper, &error), &error);
    receiver_new(writer, &clock, &receiver);
    for (int i = 3; i < argc; i++) {
        if (strncmp(argv[i], "remote,", 7) == 0) {
            add_remote(receiver, (uint32_t)i, argv[i]);
        } else {
            add_target(scraper, (uint32_t)i, argv[i]);
        }
    }
    struct host_options options = {.source = 1, .instance = "me", .interval = {NS_PER_S}};
    need(host_new(writer, &options, &host, &error), &error);
    need(page_attach(page_create(&error), &page, &error), &error);
    struct listener_parts parts = {scraper, host, receiver};
    int fd = listener_bind("127.0.0.1:0", &error);
    need(fd < 0 ? STATUS_IO : STATUS_OK, &error);
    print_port(fd);
    need(listener_new(fd, page, &clock, &parts, &listener, &error), &error);
    struct instant end = instant_add(now(NULL), duration_seconds(strtod(argv[1], NULL)));
    int wait_fd = listener_fd(listener);
    while (now(NULL).ns < end.ns) {
        publish(page, argv[2]);
        struct duration wait = host_step(host, now(NULL));
        wait.ns = wait.ns < 200 * NS_PER_MS ? wait.ns : 200 * NS_PER_MS;
        wait = listener_timeout(listener, wait);
        receiver_announce(receiver);
        need(scrape_step(scraper, wait, &wait_fd, 1, &error), &error);
        listener_step(listener);
        do {
            need(feed_next(reader, &record, &error), &error);
            print_record(&record);
        } while (record.kind != FEED_NONE);
        fflush(stdout);
    }
    listener_free(listener);
    receiver_free(receiver);
    page_free(page);
    host_free(host);
    scrape_free(scraper);
    feed_reader_free(reader);
    feed_writer_free(writer);
    curl_global_cleanup();
    for (size_t i = 0; i < SERIES; i++) {
        free(series[i]);
    }
    return 0;
}
