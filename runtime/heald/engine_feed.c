/* From the feed ring to the store. */
#include "runtime/heald/engine_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/ast.h"
#include "runtime/heald/log.h"
#include "runtime/ingest/event_source.h"

enum status engine_feed_open(struct engine_feed *feed, int fd, struct store *store,
                             struct error *error)
{
    *feed = (struct engine_feed){.store = store};
    feed->sources = heap_alloc(FEED_SOURCES_MAX * sizeof *feed->sources);
    feed->points = heap_alloc(FEED_RECORD_BYTES_MAX / sizeof *feed->points * sizeof *feed->points);
    return feed_reader_new(fd, &feed->reader, error);
}

void engine_feed_close(struct engine_feed *feed)
{
    feed_reader_free(feed->reader);
    free(feed->series);
    free(feed->sources);
    free(feed->points);
    *feed = (struct engine_feed){0};
}

static void take_source(struct engine_feed *feed, const struct feed_record *record)
{
    struct error error;
    struct intake_source *source = &feed->sources[record->source];
    snprintf(source->name, sizeof source->name, "%s", record->text);
    source->known = store_source(feed->store, record->text, record->interval, record->grace,
                                 &source->store_id, &error) == STATUS_OK;
    if (source->known) {
        flight_source(feed->flight, source->store_id, record->text, record->interval,
                      record->grace);
    } else {
        log_say(LOG_WARN, "source %s: %s", record->text, error.message);
    }
    if (record->source >= feed->source_count) {
        feed->source_count = record->source + 1;
    }
}

/* A number is free or another series' now. As long as ingest may send samples under it, the store
 * keeps its series, even if the source is silent for longer than samples are kept. */
static void let_go(struct engine_feed *feed, uint32_t number)
{
    if (number < feed->series_capacity && feed->series[number] != UINT32_MAX) {
        store_let_go(feed->store, feed->series[number]);
        flight_let_go(feed->flight, feed->series[number]);
        feed->series[number] = UINT32_MAX;
    }
}

/* Events are what the source of events says, and nobody else. */
static bool is_forged(const struct intake_source *source, const char *metric)
{
    return (strcmp(metric, EVENT_METRIC) == 0 || strcmp(metric, EVENT_SOURCE_METRIC) == 0) &&
           strcmp(source->name, EVENT_SOURCE_NAME) != 0;
}

static void take_series(struct engine_feed *feed, const struct feed_record *record)
{
    struct error error;
    const struct intake_source *source = &feed->sources[record->source];
    if (record->series >= feed->series_capacity) {
        size_t capacity = feed->series_capacity + feed->series_capacity / 4 + 1024;
        capacity = capacity > record->series ? capacity : record->series + 1u;
        feed->series = heap_resize(feed->series, capacity * sizeof *feed->series);
        memset(feed->series + feed->series_capacity, 0xFF,
               (capacity - feed->series_capacity) * sizeof *feed->series);
        feed->series_capacity = capacity;
    }
    let_go(feed, record->series);
    if (!source->known || is_forged(source, record->text) ||
        store_series(feed->store, source->store_id, record->text, record->labels,
                     record->label_count, &feed->series[record->series], &error) != STATUS_OK) {
        feed->series[record->series] = UINT32_MAX;
        feed->refused++;
        return;
    }
    store_hold(feed->store, feed->series[record->series]);
    flight_series(feed->flight, feed->series[record->series], source->store_id, record->text,
                  record->labels, record->label_count);
    flight_hold(feed->flight, feed->series[record->series]);
}

static uint32_t series_of(const struct engine_feed *feed, uint32_t number)
{
    return number < feed->series_capacity ? feed->series[number] : UINT32_MAX;
}

static void take_sample(struct engine_feed *feed, const struct feed_record *record,
                        struct instant now)
{
    uint32_t series = series_of(feed, record->series);
    if (series == UINT32_MAX) {
        return;
    }
    const enum append taken = store_append(feed->store, series, now, record->time, record->value);
    flight_append(feed->flight, series, now, record->time, record->value);
    if (taken == APPEND_OK && feed->event &&
        strcmp(store_series_name(feed->store, series), EVENT_METRIC) == 0) {
        feed->event(feed->event_ctx, store_series_labels(feed->store, series), record->time);
    }
}

static void take_points(struct engine_feed *feed, const struct feed_record *record,
                        struct instant now)
{
    size_t count = 0;
    for (uint64_t i = 0; i < record->count; i++) {
        const struct feed_point *point = &record->points[i];
        uint32_t series = series_of(feed, point->series);
        feed->points[count] = (struct store_point){series, point->ms, point->value};
        count += series != UINT32_MAX;
    }
    store_append_all(feed->store, now, record->time, feed->points, count);
    flight_append_all(feed->flight, now, record->time, feed->points, count);
}

static void take_answer(struct engine_feed *feed, const struct feed_record *record)
{
    struct intake_source *source = &feed->sources[record->source];
    if (!source->known) {
        return;
    }
    if (record->kind != FEED_FAILED) {
        if (record->kind == FEED_ANSWERED) {
            store_answered(feed->store, source->store_id, record->time);
            flight_answered(feed->flight, source->store_id, record->time);
        } else {
            store_heard(feed->store, source->store_id, record->time);
            flight_heard(feed->flight, source->store_id, record->time);
        }
        source->last_answer = record->time;
        source->error[0] = '\0';
    } else {
        store_failed(feed->store, source->store_id, record->time);
        flight_failed(feed->flight, source->store_id, record->time);
        snprintf(source->error, sizeof source->error, "%s", record->text);
    }
}

static void take(struct engine_feed *feed, const struct feed_record *record, struct instant now)
{
    uint32_t series;
    switch (record->kind) {
    case FEED_SOURCE: take_source(feed, record); break;
    case FEED_SERIES: take_series(feed, record); break;
    case FEED_SAMPLE: take_sample(feed, record, now); break;
    case FEED_POINTS: take_points(feed, record, now); break;
    case FEED_STALE:
        series = series_of(feed, record->series);
        if (series != UINT32_MAX) {
            store_stale(feed->store, series, record->time);
            flight_stale(feed->flight, series, record->time);
        }
        break;
    case FEED_ANSWERED:
    case FEED_HEARD:
    case FEED_FAILED: take_answer(feed, record); break;
    case FEED_FORGET: let_go(feed, record->series); break;
    case FEED_LOST: feed->lost += record->count; break;
    case FEED_NONE:
    case FEED_RESYNC: break;
    }
}

static void detach(struct engine_feed *feed, const char *reason, struct instant now)
{
    log_say(LOG_ERROR, "the feed cannot be read: %s; nothing is seen until it can", reason);
    feed->broken++;
    feed_reader_free(feed->reader);
    feed->reader = NULL;
    feed->retry = instant_add(now, duration_seconds(1));
    for (size_t i = 0; i < feed->source_count; i++) {
        if (feed->sources[i].known) {
            store_failed(feed->store, feed->sources[i].store_id, now);
            flight_failed(feed->flight, feed->sources[i].store_id, now);
        }
    }
}

void engine_feed_drain(struct engine_feed *feed, int fd, struct instant now)
{
    struct error error;
    if (!feed->reader) {
        if (now.ns < feed->retry.ns) {
            return;
        }
        if (feed_reader_new(fd, &feed->reader, &error) != STATUS_OK) {
            detach(feed, error.message, now);
            return;
        }
    }
    struct feed_record record;
    for (size_t i = 0; i < FEED_RECORDS_PER_DRAIN_MAX; i++) {
        if (feed_next(feed->reader, &record, &error) != STATUS_OK) {
            detach(feed, error.message, now);
            break;
        }
        if (record.kind == FEED_NONE) {
            break;
        }
        feed->records++;
        record.time = instant_add(record.time, feed->skew);
        take(feed, &record, now);
    }
}
