/* The store of series. */
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "runtime/engine/column.h"

enum { LOOKBACK_S = 300, FUTURE_S = 600, SERIES_FIRST = 64 };

/* ---- the store ---- */

/* A quarter more each time: there may be a million. Each is a line. */
static void series_reserve(struct store *store)
{
    if (store->series_count < store->series_capacity) {
        return;
    }
    const size_t was = (size_t)((char *)store->series - (char *)store->series_memory);
    store->series_capacity += store->series_capacity / 4 + SERIES_FIRST;
    store->series_memory = heap_resize(store->series_memory,
                                       store->series_capacity * sizeof *store->series + SLAB_LINE);
    const size_t shift = -(uintptr_t)store->series_memory % SLAB_LINE;
    store->series = (struct series *)(void *)((char *)store->series_memory + shift);
    if (shift != was) {
        memmove(store->series, (char *)store->series_memory + was,
                store->series_count * sizeof *store->series);
    }
}

/* The first place is nobody's: what leads to it is never present. */
static void series_nobody(struct store *store)
{
    series_reserve(store);
    store->series[SERIES_NOBODY] = (struct series){0};
    store->time_ms[SERIES_NOBODY] = store->before_ms[SERIES_NOBODY] = MS_NEVER;
    store->series_count = SERIES_NOBODY + 1;
}

struct store *store_new(const struct store_limits *limits)
{
    struct store *store = heap_alloc(sizeof *store);
    store->limits = limits ? *limits : (struct store_limits){0};
    if (store->limits.series_max == 0 || store->limits.series_max > STORE_SERIES_MAX) {
        store->limits.series_max = STORE_SERIES_MAX;
    }
    if (store->limits.lookback.ns <= 0) {
        store->limits.lookback.ns = LOOKBACK_S * NS_PER_S;
    }
    if (store->limits.future_max.ns <= 0) {
        store->limits.future_max.ns = FUTURE_S * NS_PER_S;
    }
    store->lookback_ms =
        store->limits.lookback.ns / NS_PER_MS + (store->limits.closed_windows ? 1 : 0);
    store->retention_ms = store->limits.retention.ns / NS_PER_MS;
    if (store->limits.live && store->retention_ms < STORE_LIVE_MS) {
        store->retention_ms = STORE_LIVE_MS;
    }
    /* Never moved, so that columns may point into them; only touched pages take memory. */
    const size_t places = store->limits.series_max + SERIES_NOBODY + 1;
    store->value = heap_alloc(places * sizeof *store->value);
    store->time_ms = heap_alloc(places * sizeof *store->time_ms);
    store->before_ms = heap_alloc(places * sizeof *store->before_ms);
    store->touched = heap_alloc(BIT_WORDS(places) * sizeof *store->touched);
    store->stamp = 1;
    store->rings = (struct slab)RING_POOL;
    series_nobody(store);
    return store;
}

void store_free(struct store *store)
{
    if (!store) {
        return;
    }
    for (size_t i = 0; i < store->series_count; i++) {
        ring_release(&store->series[i].ring);
    }
    for (size_t i = 0; i < store->metric_count; i++) {
        free(store->metrics[i].series);
        free(store->metrics[i].free);
        free(store->metrics[i].log);
    }
    for (size_t i = 0; i < store->source_count; i++) {
        free(store->sources[i].name);
        free(store->sources[i].series);
    }
    intern_free(store);
    slab_release(&store->rings);
    free(store->series_memory);
    free(store->value);
    free(store->time_ms);
    free(store->before_ms);
    free(store->touched);
    free(store->free_series);
    free(store->metrics);
    free(store->sources);
    id_table_release(&store->series_table);
    id_table_release(&store->metric_table);
    free(store);
}

enum status store_source(struct store *store, const char *name, struct duration interval,
                         struct duration grace, uint32_t *ret_source, struct error *error)
{
    for (size_t i = 0; i < store->source_count; i++) {
        if (strcmp(store->sources[i].name, name) == 0) {
            store->sources[i].interval = interval;
            store->sources[i].grace = grace;
            *ret_source = (uint32_t)i;
            return STATUS_OK;
        }
    }
    if (store->source_count >= STORE_SOURCES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d sources", STORE_SOURCES_MAX);
    }
    ARRAY_RESERVE(store->sources, store->source_count, store->source_capacity);
    store->sources[store->source_count] = (struct store_source){
        .name = heap_strdup(name), .interval = interval, .grace = grace, .epoch = 1};
    *ret_source = (uint32_t)store->source_count++;
    return STATUS_OK;
}

uint32_t store_metric(struct store *store, const char *name)
{
    const char *interned = store_string(store, name);
    uint64_t hash = XXH3_64bits(&interned, sizeof interned);
    size_t cursor = SIZE_MAX;
    uint32_t at;
    while ((at = id_table_next(&store->metric_table, hash, &cursor)) != SLOT_NONE) {
        if (store->metrics[at].name == interned) {
            return at;
        }
    }
    CHECK(store->metric_count < UINT32_MAX);
    ARRAY_RESERVE(store->metrics, store->metric_count, store->metric_capacity);
    store->metrics[store->metric_count] = (struct store_metric){.name = interned};
    id_table_add(&store->metric_table, hash, (uint32_t)store->metric_count);
    return (uint32_t)store->metric_count++;
}

static void at_least(int64_t *kept, int64_t ms)
{
    *kept = ms > *kept ? ms : *kept;
}

static void remember(struct store *store, const char *name, struct duration wanted, bool samples)
{
    struct store_metric *metric = name ? &store->metrics[store_metric(store, name)] : NULL;
    int64_t ms = wanted.ns / NS_PER_MS + 1;
    at_least(metric ? &metric->remember_ms : &store->remember_ms, ms);
    if (samples) {
        at_least(metric ? &metric->retention_ms : &store->retention_ms, ms);
    }
}

/* Some samples are from a little later than now. */
void store_keep(struct store *store, const char *name, struct duration retention)
{
    retention.ns += STORE_LIVE_MS * NS_PER_MS;
    remember(store, name, retention, true);
}

void store_window(struct store *store, const char *name, struct duration range)
{
    remember(store, name, range, !store->limits.live);
}

static uint64_t series_hash(const char *name, const struct label_set *labels)
{
    const void *key[2] = {name, labels};
    return XXH3_64bits(key, sizeof key);
}

static enum status check_series(const struct store *store, const char *name,
                                const struct label *labels, size_t count, struct error *error)
{
    if (count > STORE_LABELS_MAX) {
        return error_set(error, STATUS_LIMIT, "series '%.64s' has more than %d labels", name,
                         STORE_LABELS_MAX);
    }
    if (strlen(name) > STORE_LABEL_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT, "a metric name is longer than %d bytes",
                         STORE_LABEL_BYTES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (strlen(labels[i].name) > STORE_LABEL_BYTES_MAX ||
            strlen(labels[i].value) > STORE_LABEL_BYTES_MAX) {
            return error_set(error, STATUS_LIMIT, "a label of '%.64s' is longer than %d bytes",
                             name, STORE_LABEL_BYTES_MAX);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(labels[i].name, labels[j].name) == 0) {
                return error_set(error, STATUS_PROTOCOL,
                                 "series '%.64s' has the label '%.64s' twice", name,
                                 labels[i].name);
            }
        }
    }
    if (store->stats.born - store->stats.died >= store->limits.series_max) {
        return error_set(error, STATUS_LIMIT, "more than %zu series", store->limits.series_max);
    }
    return STATUS_OK;
}

/* The places that a metric has no series in are anybody's. */
static void metric_release(struct store *store, struct store_metric *metric)
{
    while (metric->free_count > 0) {
        MANY_RESERVE(store->free_series, store->free_count, store->free_capacity);
        store->free_series[store->free_count++] = metric->free[--metric->free_count];
    }
    metric->log_count = 0;
    metric->log_start = ++metric->generation;
}

/* All places are taken or kept for some metric. */
static void places_release(struct store *store)
{
    for (size_t i = 0; i < store->metric_count; i++) {
        if (store->metrics[i].free_count > 0) {
            metric_release(store, &store->metrics[i]);
        }
    }
    CHECK(store->free_count > 0);
}

/* A place that the metric had before, so that its series stay together; else one that is anybody's,
 * else a new one. */
static uint32_t series_place(struct store *store, struct store_metric *metric)
{
    if (metric->free_count > 0) {
        return metric->free[--metric->free_count];
    }
    if (store->free_count == 0 && store->series_count > store->limits.series_max) {
        places_release(store);
    }
    if (store->free_count > 0) {
        return store->free_series[--store->free_count];
    }
    series_reserve(store);
    return (uint32_t)store->series_count++;
}

/* What has changed, for readers that know what was before. One that knows nothing of a large part
 * of the metric reads all of it anew: the older half goes when there is more than that. */
static void metric_note(struct store *store, struct store_metric *metric, uint32_t id, bool born)
{
    enum { LOG_MIN = 1024, LOG_PART = 4 };
    if (metric->log_count >= LOG_MIN && metric->log_count >= metric->count / LOG_PART) {
        const size_t gone = metric->log_count / 2;
        metric->log_count -= gone;
        metric->log_start += gone;
        memmove(metric->log, metric->log + gone, metric->log_count * sizeof *metric->log);
    }
    MANY_RESERVE(metric->log, metric->log_count, metric->log_capacity);
    metric->log[metric->log_count++] = (struct store_event){id & INT32_MAX, born};
    metric->generation++;
    store->generation++;
}

static void series_born(struct store *store, uint32_t id, uint32_t source, uint32_t metric_id,
                        const struct label_set *labels)
{
    struct store_source *owner = &store->sources[source];
    struct store_metric *metric = &store->metrics[metric_id];
    label_set_hold(labels);
    store->series[id] = (struct series){.labels = labels,
                                        .metric = metric_id,
                                        .source = (uint16_t)source,
                                        .metric_at = (uint32_t)metric->count,
                                        .source_at = (uint32_t)owner->count};
    store->value[id] = 0;
    store->time_ms[id] = store->before_ms[id] = MS_NEVER;
    store->touched[id / 64] = store->stamp;
    id_table_add(&store->series_table, series_hash(metric->name, labels), id);
    MANY_RESERVE(metric->series, metric->count, metric->capacity);
    metric->series[metric->count++] = id;
    metric_note(store, metric, id, true);
    MANY_RESERVE(owner->series, owner->count, owner->capacity);
    owner->series[owner->count++] = id;
    store->stats.born++;
}

enum status store_series(struct store *store, uint32_t source, const char *name,
                         const struct label *labels, size_t count, uint32_t *ret_series,
                         struct error *error)
{
    CHECK(source < store->source_count);
    enum status status = check_series(store, name, labels, count, error);
    if (status != STATUS_OK) {
        store->stats.refused++;
        return status;
    }
    const struct label_set *set = store_intern(store, labels, count);
    const uint32_t metric = store_metric(store, name);
    uint64_t hash = series_hash(store->metrics[metric].name, set);
    size_t cursor = SIZE_MAX;
    uint32_t id;
    while ((id = id_table_next(&store->series_table, hash, &cursor)) != SLOT_NONE) {
        if (store->series[id].labels == set && store->series[id].metric == metric) {
            if (store->series[id].source != source) {
                store->stats.refused++;
                return error_set(error, STATUS_DENIED,
                                 "'%.100s' is already given by source '%.100s'", name,
                                 store->sources[store->series[id].source].name);
            }
            *ret_series = id;
            return STATUS_OK;
        }
    }
    id = series_place(store, &store->metrics[metric]);
    series_born(store, id, source, metric, set);
    *ret_series = id;
    return STATUS_OK;
}

bool store_series_live(const struct store *store, uint32_t id)
{
    return id < store->series_count && store->series[id].labels != NULL;
}

const char *store_series_name(const struct store *store, uint32_t id)
{
    CHECK(store_series_live(store, id));
    return series_name(store, &store->series[id]);
}

const struct label_set *store_series_labels(const struct store *store, uint32_t id)
{
    CHECK(store_series_live(store, id));
    return store->series[id].labels;
}

/* ---- samples ---- */

/* How long the store keeps samples of the series. */
static int64_t retention_of(const struct store *store, const struct series *series)
{
    const int64_t own = store->metrics[series->metric].retention_ms;
    return own > store->retention_ms ? own : store->retention_ms;
}

/* What most appends are: the ring has room, or its oldest sample is as old as it needs to be. */
static bool push_usual(struct store *store, struct series *series, int64_t time_ms, double value)
{
    struct ring *ring = &series->ring;
    if (ring->count == 0 || time_ms - ring->base_ms > UINT32_MAX) {
        return false;
    }
    if (ring->count < ring->capacity) {
        store->stats.samples++;
    } else if (time_ms - ring_oldest_ms(ring) >= retention_of(store, series)) {
        ring_drop_oldest(ring);
    } else {
        return false;
    }
    ring_put(ring, time_ms, value);
    return true;
}

static void series_push(struct store *store, uint32_t id, int64_t time_ms, double value)
{
    struct series *series = &store->series[id];
    if (!push_usual(store, series, time_ms, value)) {
        const uint32_t capacity = series->ring.capacity;
        store->stats.samples += (size_t)ring_append(&store->rings, &series->ring, time_ms, value,
                                                    retention_of(store, series));
        store->stats.sample_bytes += (size_t)(series->ring.capacity - capacity) * RING_SAMPLE_BYTES;
    }
    if (store->time_ms[id] != MS_NEVER) { /* a stale marker is no sample */
        store->before_ms[id] = store->time_ms[id];
    }
    store->value[id] = value;
    store->time_ms[id] = is_stale(value) ? MS_NEVER : time_ms;
    store->touched[id / 64] = store->stamp;
}

/* Before the series changes take it out of its source's counts, afterwards put it back. */
static void count_series(struct store *store, uint32_t id, bool back)
{
    const struct series *series = &store->series[id];
    struct store_source *owner = &store->sources[series->source];
    const size_t there = store->time_ms[id] != MS_NEVER;
    const size_t fresh = there && series->epoch == owner->epoch;
    owner->there += back ? there : -there;
    owner->fresh += back ? fresh : -fresh;
}

/* The answer at hand has the series, which now has a sample or still has none. */
static void series_given(struct store *store, struct series *series, bool was_there, bool is_there)
{
    struct store_source *owner = &store->sources[series->source];
    const bool was_fresh = was_there && series->epoch == owner->epoch;
    if (was_there != is_there || was_fresh != is_there) {
        owner->there += (size_t)is_there - (size_t)was_there;
        owner->fresh += (size_t)is_there - (size_t)was_fresh;
    }
    series->epoch = owner->epoch;
}

/* No marker, and not too far ahead. */
static enum append append(struct store *store, uint32_t id, int64_t time_ms, double value)
{
    CHECK(store_series_live(store, id));
    struct series *series = &store->series[id];
    const int64_t newest_ms = ring_newest_ms(&series->ring);
    const bool was_there = store->time_ms[id] != MS_NEVER;
    if (time_ms > newest_ms) {
        series_given(store, series, was_there, true);
        series_push(store, id, time_ms, value);
        store->stats.appended++;
        return APPEND_OK;
    }
    series_given(store, series, was_there, was_there);
    *(time_ms == newest_ms ? &store->stats.duplicate : &store->stats.out_of_order) += 1;
    return time_ms == newest_ms ? APPEND_DUPLICATE : APPEND_OUT_OF_ORDER;
}

enum append store_append(struct store *store, uint32_t id, struct instant now, struct instant time,
                         double value)
{
    CHECK(store_series_live(store, id));
    if (time.ns > now.ns && time.ns - now.ns > store->limits.future_max.ns) {
        store->stats.future++;
        return APPEND_FUTURE;
    }
    return append(store, id, instant_to_ms(time), value);
}

/* Series lie all over the memory: what a later point needs is fetched while earlier ones are
 * appended. */
static void fetch_series(const struct store *store, uint32_t id)
{
    __builtin_prefetch(&store->series[id], 1);
    __builtin_prefetch(&store->value[id], 1);
    __builtin_prefetch(&store->time_ms[id], 1);
    __builtin_prefetch(&store->before_ms[id], 1);
}

static void fetch_cell(const struct store *store, uint32_t id)
{
    const struct ring *ring = &store->series[id].ring;
    const uint32_t cell = ring->count < ring->capacity ? ring_at(ring, ring->count) : ring->head;
    __builtin_prefetch(&ring->offset_ms[cell], 1);
    if (ring->capacity > RING_SMALL) { /* else it is the same line */
        __builtin_prefetch(&ring_values(ring)[cell], 1);
    }
}

FLATTEN void store_append_all(struct store *store, struct instant now, struct instant time,
                              const struct store_point *points, size_t count)
{
    enum { FETCH_SERIES = 24, FETCH_CELL = 12 };
    const int64_t base_ms = instant_to_ms(time);
    /* As store_append() has it: time and ms are not after now and future_max. */
    const int64_t last_ms =
        instant_to_ms((struct instant){now.ns + store->limits.future_max.ns - time.ns});
    for (size_t i = 0; i < count; i++) {
        const struct store_point *point = &points[i];
        if (i + FETCH_SERIES < count) {
            fetch_series(store, points[i + FETCH_SERIES].series);
            fetch_cell(store, points[i + FETCH_CELL].series);
        }
        if (is_stale(point->value)) {
            store_stale(store, point->series, (struct instant){time.ns + point->ms * NS_PER_MS});
        } else if (point->ms > last_ms) {
            store->stats.future++;
        } else {
            (void)append(store, point->series, base_ms + point->ms, point->value);
        }
    }
}

void store_stale(struct store *store, uint32_t id, struct instant time)
{
    CHECK(store_series_live(store, id));
    struct series *series = &store->series[id];
    int64_t time_ms = instant_to_ms(time);
    double marker;
    const uint64_t bits = STALE_BITS;
    memcpy(&marker, &bits, sizeof marker);
    if (series->ring.count == 0 || store->time_ms[id] == MS_NEVER) {
        return; /* it has nothing to end */
    }
    count_series(store, id, false);
    const int64_t newest_ms = ring_newest_ms(&series->ring);
    series_push(store, id, time_ms > newest_ms ? time_ms : newest_ms, marker);
    count_series(store, id, true);
}

void store_answered(struct store *store, uint32_t source, struct instant time)
{
    CHECK(source < store->source_count);
    struct store_source *owner = &store->sources[source];
    for (size_t i = 0; i < owner->count && owner->fresh < owner->there; i++) {
        uint32_t id = owner->series[i];
        if (store->series[id].epoch != owner->epoch && store->time_ms[id] != MS_NEVER) {
            store_stale(store, id, time);
        }
    }
    owner->epoch++;
    owner->fresh = 0;
    owner->answered = time;
    owner->has_answered = true;
}

void store_heard(struct store *store, uint32_t source, struct instant time)
{
    CHECK(source < store->source_count);
    struct store_source *owner = &store->sources[source];
    if (!owner->has_answered || time.ns > owner->answered.ns) {
        owner->answered = time;
    }
    owner->has_answered = true;
}

void store_failed(struct store *store, uint32_t source, struct instant time)
{
    (void)time;
    CHECK(source < store->source_count);
    store->sources[source].epoch++; /* samples of the broken answer do not count for the next */
    store->sources[source].fresh = 0;
}

bool store_source_observed(const struct store *store, uint32_t source, struct instant now)
{
    CHECK(source < store->source_count);
    const struct store_source *owner = &store->sources[source];
    return owner->has_answered &&
           now.ns - owner->answered.ns <= owner->interval.ns + owner->grace.ns;
}

size_t store_sources_silent(const struct store *store, struct instant now, size_t *ret_all)
{
    size_t silent = 0, all = 0;
    for (uint32_t i = 0; i < store->source_count; i++) {
        all += store->sources[i].has_answered;
        silent += store->sources[i].has_answered && !store_source_observed(store, i, now);
    }
    *ret_all = all;
    return silent;
}

void store_expect(struct store *store, size_t sources)
{
    store->source_expected = sources;
}

bool store_warm(const struct store *store)
{
    if (store->source_count - store->own_sources < store->source_expected) {
        return false;
    }
    for (size_t i = 0; i < store->source_count; i++) {
        if (!store->sources[i].has_answered) {
            return false;
        }
    }
    return true;
}

/* ---- forgetting ---- */

/* The last of the list takes its place. */
static void list_remove(uint32_t *ids, size_t *count, uint32_t at)
{
    CHECK(at < *count);
    ids[at] = ids[--*count];
}

static void series_died(struct store *store, uint32_t id)
{
    struct series *series = &store->series[id];
    struct store_metric *metric = &store->metrics[series->metric];
    struct store_source *owner = &store->sources[series->source];
    count_series(store, id, false);
    list_remove(metric->series, &metric->count, series->metric_at);
    list_remove(owner->series, &owner->count, series->source_at);
    if (series->metric_at < metric->count) {
        store->series[metric->series[series->metric_at]].metric_at = series->metric_at;
    }
    if (series->source_at < owner->count) {
        store->series[owner->series[series->source_at]].source_at = series->source_at;
    }
    metric_note(store, metric, id, false);
    id_table_remove(&store->series_table, series_hash(metric->name, series->labels), id);
    store->stats.samples -= series->ring.count;
    store->stats.sample_bytes -= (size_t)series->ring.capacity * RING_SAMPLE_BYTES;
    ring_release(&series->ring);
    label_set_drop(store, series->labels);
    series->labels = NULL;
    store->time_ms[id] = store->before_ms[id] = MS_NEVER;
    store->touched[id / 64] = store->stamp;
    MANY_RESERVE(metric->free, metric->free_count, metric->free_capacity);
    metric->free[metric->free_count++] = id;
    store->gone_count++;
    store->stats.died++;
}

void store_hold(struct store *store, uint32_t id)
{
    CHECK(store_series_live(store, id) && store->series[id].holders < UINT32_MAX);
    store->series[id].holders++;
}

void store_let_go(struct store *store, uint32_t id)
{
    CHECK(store_series_live(store, id) && store->series[id].holders > 0);
    store->series[id].holders--;
}

static bool is_forgotten(const struct store *store, const struct series *series, int64_t now_ms,
                         const bool *observed)
{
    int64_t keep = store->metrics[series->metric].remember_ms;
    keep = keep > store->remember_ms ? keep : store->remember_ms;
    keep = keep > store->retention_ms ? keep : store->retention_ms;
    keep = keep > store->lookback_ms ? keep : store->lookback_ms;
    const int64_t newest_ms = ring_newest_ms(&series->ring);
    if (newest_ms >= now_ms - keep) {
        return false;
    }
    if (!observed[series->source]) {
        keep = keep > STORE_SILENT_KEEP_MS ? keep : STORE_SILENT_KEEP_MS;
    }
    return newest_ms < now_ms - keep;
}

/* Large stores are gone over a part at a time. */
void store_expire(struct store *store, struct instant now)
{
    enum { PART_MIN = 4096, PARTS = 64 };
    size_t part = store->series_count / PARTS;
    part = part > PART_MIN ? part : PART_MIN;
    part = part < store->series_count ? part : store->series_count;
    bool *observed = heap_alloc(store->source_count + 1);
    for (uint32_t i = 0; i < store->source_count; i++) {
        observed[i] = store_source_observed(store, i, now);
    }
    const uint64_t gone = store->gone_count;
    for (size_t i = 0; i < part; i++) {
        const uint32_t id = store->expire_at < store->series_count ? store->expire_at : 0;
        const struct series *series = &store->series[id];
        store->expire_at = id + 1;
        if (series->labels && series->holders == 0 &&
            is_forgotten(store, series, instant_to_ms(now), observed)) {
            struct store_metric *metric = &store->metrics[series->metric];
            series_died(store, id);
            if (metric->count == 0) {
                metric_release(store, metric);
            }
        }
    }
    free(observed);
    if (store->gone_count > gone || store->floating_count > store->set_count / 4) {
        store_sweep(store);
    }
}

struct store_limits store_limits_of(const struct store *store)
{
    return store->limits;
}

struct store_stats store_stats(const struct store *store)
{
    struct store_stats stats = store->stats;
    stats.series = stats.born - stats.died;
    stats.sources = store->source_count;
    stats.label_sets = store->set_count;
    stats.strings = store->string_count - store->free_string_count;
    stats.column_bytes = store->series_count * (sizeof *store->value + sizeof *store->time_ms +
                                                sizeof *store->before_ms) +
                         BIT_WORDS(store->series_count) * sizeof *store->touched;
    stats.bytes +=
        store->series_capacity * sizeof *store->series + stats.sample_bytes + stats.column_bytes;
    return stats;
}
