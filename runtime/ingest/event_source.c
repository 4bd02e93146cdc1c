/* Events to records of the feed. */
#include "runtime/ingest/event_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/ast.h"
#include "runtime/ingest/source_series.h"

struct recent {
    char set[EVENT_SET_BYTES_MAX + 1];
    int64_t ms;
};

struct event_source {
    struct source_series series; /* the first is heal_event_source, of the key "" */
    int64_t *newest_ms;          /* [series.capacity] */
    size_t newest_capacity;
    int64_t keep_after_ms; /* of a sweep */
    struct recent recent[EVENT_RECENT_MAX];
    size_t recent_count; /* ever; a ring */
    uint32_t generation; /* plus one, under which the recent ones were given */
    struct instant due;
    double allowed; /* events that may come now */
    struct instant allowed_at;
    struct event_stats stats;
    event_tell_f *tell;
    void *tell_ctx;
};

static struct slice key_of(const char *set)
{
    return (struct slice){set, (uint32_t)strlen(set)};
}

static size_t encode_key(void *ctx, struct slice key, void *buffer, size_t size)
{
    struct label labels[EVENT_LABELS_MAX + 1];
    json_t *json = NULL;
    (void)ctx;
    if (key.size == 0) {
        return feed_encode_series(EVENT_SOURCE_METRIC, NULL, 0, buffer, size);
    }
    const size_t count = event_set_labels(key.text, key.size, labels, &json);
    const size_t used =
        count > 0 ? feed_encode_series(EVENT_METRIC, labels, count, buffer, size) : 0;
    json_decref(json);
    return used;
}

/* ---- series ---- */

static bool keep(void *ctx, uint32_t n)
{
    const struct event_source *source = ctx;
    return n == 0 || source->newest_ms[n] > source->keep_after_ms;
}

static void moved(void *ctx, uint32_t from, uint32_t to)
{
    struct event_source *source = ctx;
    source->newest_ms[to] = source->newest_ms[from];
}

static int by_time(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The label sets that had no event for longest go; the engine keeps what it has of them. */
static void forget_older_half(struct event_source *source)
{
    const size_t count = source->series.count;
    int64_t *sorted = heap_alloc(count * sizeof *sorted);
    memcpy(sorted, source->newest_ms, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_time);
    source->keep_after_ms = sorted[count / 2];
    free(sorted);
    source_series_sweep(&source->series, keep, moved, source);
}

static uint32_t entry_of(struct event_source *source, struct slice key)
{
    struct source_series *series = &source->series;
    uint32_t n = source_series_find(series, key);
    if (n != SOURCE_SERIES_NONE) {
        return n;
    }
    if (series->count > EVENT_SERIES_MAX) {
        forget_older_half(source);
    }
    const size_t size = encode_key(source, key, series->encoded, sizeof series->encoded);
    n = size > 0 ? source_series_add(series, key, size) : SOURCE_SERIES_NONE;
    if (n != SOURCE_SERIES_NONE) {
        if (source->newest_capacity < series->capacity) {
            source->newest_capacity = series->capacity;
            source->newest_ms =
                heap_resize(source->newest_ms, series->capacity * sizeof *source->newest_ms);
        }
        source->newest_ms[n] = INT64_MIN;
    }
    return n;
}

/* ---- life ---- */

enum status event_source_new(struct feed_writer *feed, uint32_t id, struct event_source **ret,
                             struct error *error)
{
    struct event_source *source = heap_alloc(sizeof *source);
    const struct source_options options = {
        id, EVENT_SOURCE_NAME, duration_seconds(EVENT_INTERVAL_S), duration_seconds(EVENT_GRACE_S)};
    enum status status =
        source_series_init(&source->series, feed, &options, encode_key, source, error);
    if (status == STATUS_OK && entry_of(source, key_of("")) != 0) {
        status = error_set(error, STATUS_LIMIT, "the feed has no number left for events");
    }
    if (status != STATUS_OK) {
        event_source_free(source);
        return status;
    }
    *ret = source;
    return STATUS_OK;
}

void event_source_free(struct event_source *source)
{
    if (source) {
        source_series_release(&source->series);
        free(source->newest_ms);
        free(source);
    }
}

void event_source_tell(struct event_source *source, event_tell_f *tell, void *ctx)
{
    source->tell = tell;
    source->tell_ctx = ctx;
}

const struct event_stats *event_source_stats(const struct event_source *source)
{
    return &source->stats;
}

/* ---- samples ---- */

static enum status write_one(struct event_source *source, uint32_t n, struct slice key, int64_t ms)
{
    struct source_series *series = &source->series;
    TRY(source_series_define(series, n, key));
    return feed_write_sample(series->feed, series->items[n].number,
                             (struct instant){ms * NS_PER_MS}, 1);
}

/* An engine that has just attached may have died over the newest ones: what it has, it knows by
 * their times. */
static enum status write_recent(struct event_source *source)
{
    const size_t count = source->recent_count, kept = EVENT_RECENT_MAX;
    for (size_t i = count > kept ? count - kept : 0; i < count; i++) {
        const struct recent *recent = &source->recent[i % kept];
        const struct slice key = key_of(recent->set);
        const uint32_t n = source_series_find(&source->series, key);
        if (n != SOURCE_SERIES_NONE) { /* else its label set is forgotten */
            TRY(write_one(source, n, key, recent->ms));
        }
    }
    return STATUS_OK;
}

static enum status write_heard(struct event_source *source, struct instant now)
{
    const uint32_t generation = source->series.generation;
    if (source->generation != generation) {
        TRY(write_recent(source));
    }
    TRY(write_one(source, 0, key_of(""), now.ns / NS_PER_MS));
    TRY(feed_write_heard(source->series.feed, source->series.id, now));
    source->generation = generation;
    return STATUS_OK;
}

struct duration event_source_step(struct event_source *source, struct instant now)
{
    const struct duration interval = duration_seconds(EVENT_INTERVAL_S);
    source_series_announce(&source->series);
    const bool fresh = source->generation != source->series.generation;
    const int64_t left = source->due.ns - now.ns;
    if (!fresh && left > 0 && left <= interval.ns) {
        return (struct duration){left};
    }
    if (!source_series_announced(&source->series)) {
        return (struct duration){NS_PER_S}; /* the feed is full */
    }
    source->due = instant_add(now, interval);
    if (write_heard(source, now) == STATUS_OK) {
        feed_commit(source->series.feed);
    } else {
        feed_rollback(source->series.feed);
    }
    return interval;
}

/* Where an event of the entry goes. False: it is older than what is there. */
static bool time_of(const struct event *event, int64_t newest_ms, int64_t *ret_ms)
{
    *ret_ms = event->ms;
    if (!event->timed && event->ms <= newest_ms) {
        *ret_ms = newest_ms + 1;
    }
    return *ret_ms >= newest_ms;
}

struct taken {
    uint32_t n;
    int64_t ms, before_ms;
    bool repeated;
};

/* The entry of each event, known to the reader. That commits, so it comes before the first sample.
 */
static enum status find_entries(struct event_source *source, const struct event *events,
                                size_t count, struct taken *taken)
{
    /* Room for all of them first: forgetting some moves the others. */
    if (source->series.count + count > EVENT_SERIES_MAX) {
        forget_older_half(source);
    }
    for (size_t i = 0; i < count; i++) {
        const struct slice key = key_of(events[i].set);
        taken[i].n = entry_of(source, key);
        if (taken[i].n == SOURCE_SERIES_NONE) {
            return STATUS_LIMIT;
        }
        TRY(source_series_define(&source->series, taken[i].n, key));
    }
    return STATUS_OK;
}

/* The time of each event, which becomes the newest of its entry; *count of them have moved one. */
static enum status find_times(struct event_source *source, const struct event *events,
                              size_t event_count, struct taken *taken, size_t *count,
                              struct error *error)
{
    for (size_t i = 0; i < event_count; i++) {
        struct taken *now = &taken[i];
        now->before_ms = source->newest_ms[now->n];
        if (!time_of(&events[i], now->before_ms, &now->ms)) {
            return error_set(error, STATUS_PROTOCOL,
                             "event %zu: one with the same labels came already that is %.3f s "
                             "newer; send them in the order of their times",
                             i + 1, (double)(now->before_ms - now->ms) / 1000);
        }
        now->repeated = now->ms == now->before_ms;
        source->newest_ms[now->n] = now->ms;
        (*count)++;
    }
    return STATUS_OK;
}

static enum status write_all(struct event_source *source, const struct event *events,
                             size_t event_count, const struct taken *taken, struct instant now)
{
    for (size_t i = 0; i < event_count; i++) {
        if (!taken[i].repeated) {
            TRY(write_one(source, taken[i].n, key_of(events[i].set), taken[i].ms));
        }
    }
    return feed_write_heard(source->series.feed, source->series.id, now);
}

static void note_all(struct event_source *source, const struct event *events, size_t count,
                     const struct taken *taken)
{
    for (size_t i = 0; i < count; i++) {
        if (taken[i].repeated) {
            source->stats.repeated++;
            continue;
        }
        struct recent *recent = &source->recent[source->recent_count++ % EVENT_RECENT_MAX];
        snprintf(recent->set, sizeof recent->set, "%s", events[i].set);
        recent->ms = taken[i].ms;
        source->stats.events++;
        if (source->tell) {
            source->tell(source->tell_ctx, &events[i]);
        }
    }
}

/* Whether so many may come now; they are then spent. A clock that went back gives nothing. */
static bool spend(struct event_source *source, size_t count, struct instant now)
{
    const double gone_s = duration_to_seconds(instant_sub(now, source->allowed_at));
    source->allowed += gone_s > 0 ? gone_s * (double)EVENT_PER_MINUTE_MAX / 60 : 0;
    source->allowed =
        source->allowed < (double)EVENT_BURST_MAX ? source->allowed : (double)EVENT_BURST_MAX;
    source->allowed_at = now;
    if ((double)count > source->allowed) {
        return false;
    }
    source->allowed -= (double)count;
    return true;
}

static enum event_outcome take_all(struct event_source *source, const struct event *events,
                                   size_t event_count, struct instant now, struct error *error)
{
    struct taken taken[EVENT_COUNT_MAX] = {0};
    size_t count = 0;
    enum event_outcome outcome = EVENT_TAKEN;
    source_series_announce(&source->series);
    if (!source_series_announced(&source->series) ||
        find_entries(source, events, event_count, taken) != STATUS_OK) {
        outcome = EVENT_FEED_FULL;
    } else if (find_times(source, events, event_count, taken, &count, error) != STATUS_OK) {
        outcome = EVENT_MALFORMED;
    } else if (write_all(source, events, event_count, taken, now) != STATUS_OK) {
        outcome = EVENT_FEED_FULL;
    }
    if (outcome == EVENT_TAKEN) {
        feed_commit(source->series.feed);
        note_all(source, events, event_count, taken);
        return outcome;
    }
    if (outcome == EVENT_FEED_FULL) {
        error_set(error, STATUS_LIMIT, "the feed to the engine is full; again later");
    }
    feed_rollback(source->series.feed);
    while (count-- > 0) { /* backwards: one entry may have several */
        source->newest_ms[taken[count].n] = taken[count].before_ms;
    }
    return outcome;
}

enum event_outcome event_source_take(struct event_source *source, const char *body, size_t size,
                                     struct instant now, struct error *error)
{
    struct event events[EVENT_COUNT_MAX];
    size_t count = 0;
    source->stats.requests++;
    enum event_outcome outcome = EVENT_MALFORMED;
    if (event_body_read(body, size, now, events, &count, error) == STATUS_OK) {
        outcome = spend(source, count, now) ? take_all(source, events, count, now, error)
                                            : EVENT_TOO_MANY;
    }
    if (outcome == EVENT_TOO_MANY) {
        error_set(error, STATUS_LIMIT, "more than %d events a minute; again later",
                  EVENT_PER_MINUTE_MAX);
    }
    events_release(events, count);
    source->stats.outcomes[outcome]++;
    source->stats.series = source->series.count - 1;
    return outcome;
}
