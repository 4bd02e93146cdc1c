/* One sender of remote write. */
#include "runtime/ingest/remote_source.h"

#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/exposition_part.h"
#include "runtime/ingest/remote_types.h"
#include "runtime/ingest/source_series.h"
#include "runtime/ingest/text.h"
#include "runtime/ingest/write_request.h"

enum { SWEEP_EVERY_S = 60, SPARE_BYTES_MAX = 4 << 20, NAME_BYTES = STORE_LABEL_BYTES_MAX + 1 };
#define STALE_MARKER 0x7ff0000000000002ULL

/* The newest sample of a series. */
struct newest {
    int64_t ms;
    double value;
};

/* A sample to be taken, and what its series had before it. */
struct taken {
    uint32_t series;
    int64_t ms;
    double value;
    struct newest before;
};

struct remote_source {
    struct source_series series;
    struct newest *newest; /* of each entry of series */
    size_t newest_capacity;
    struct remote_types types;
    size_t body_bytes, series_max, labels_max, label_bytes_max;
    uint32_t last;  /* entry of the newest series */
    uint32_t round; /* of the newest request */
    struct instant swept;
    struct write_request request, keys; /* of a body; of a key that is read again */
    struct write_item item, key_item;
    char *body;
    struct taken *taken;
    size_t taken_count, taken_capacity;
    struct feed_point *points;
    size_t point_capacity;
    char texts[WRITE_LABEL_BYTES_MAX + 2 * WRITE_LABELS_MAX];
    uint64_t refused[REMOTE_REFUSAL_COUNT]; /* of this request */
    struct error why;                       /* of the first refusal */
    struct remote_stats stats;
};

static const char *const refusal_names[] = {
#define REMOTE_REFUSAL(name, text, doc) text,
#include "runtime/ingest/remote.def"
};
static const char *const refusal_docs[] = {
#define REMOTE_REFUSAL(name, text, doc) doc,
#include "runtime/ingest/remote.def"
};
_Static_assert(ARRAY_LEN(refusal_names) == REMOTE_REFUSAL_COUNT, "every refusal has its row");

const char *remote_refusal_name(enum remote_refusal refusal)
{
    return refusal_names[refusal];
}

/* ---- labels ---- */

static bool label_valid(const struct remote_source *source, const struct write_label *label)
{
    const struct slice name = label->name, value = label->value;
    return name.size <= source->label_bytes_max && value.size <= source->label_bytes_max &&
           text_label_name_valid(name.text, name.size) &&
           memchr(value.text, '\0', value.size) == NULL &&
           text_utf8_check(value.text, value.size) == value.size;
}

static int compare_names(const void *a, const void *b)
{
    const struct slice x = ((const struct write_label *)a)->name;
    const struct slice y = ((const struct write_label *)b)->name;
    int order = memcmp(x.text, y.text, x.size < y.size ? x.size : y.size);
    return order ? order : (x.size > y.size) - (x.size < y.size);
}

static bool is_name_label(const struct write_label *label)
{
    return slice_is(label->name, "__name__");
}

/* Within limits, unique, with the name of a metric. They are sorted, should the sender have not. */
static bool labels_valid(const struct remote_source *source, struct write_item *item)
{
    bool named = false;
    if (item->labels_over || item->label_count > source->labels_max + 1) {
        return false;
    }
    qsort(item->labels, item->label_count, sizeof *item->labels, compare_names);
    for (uint32_t i = 0; i < item->label_count; i++) {
        const struct write_label *label = &item->labels[i];
        if (!label_valid(source, label) || (i > 0 && compare_names(label - 1, label) == 0)) {
            return false;
        }
        named |=
            is_name_label(label) && text_metric_name_valid(label->value.text, label->value.size);
    }
    return named;
}

/* A text that ends in a zero byte, behind what is used of the buffer. */
static const char *end_text(struct slice slice, char *buffer, size_t *used)
{
    char *text = buffer + *used;
    memcpy(text, slice.text, slice.size);
    text[slice.size] = '\0';
    *used += slice.size + 1u;
    return text;
}

/* The labels are valid and sorted. An empty value is no label. */
static size_t encode_item(struct remote_source *source, const struct write_item *item, void *buffer,
                          size_t size)
{
    struct label labels[WRITE_LABELS_MAX];
    const char *name = "";
    size_t count = 0, used = 0;
    for (uint32_t i = 0; i < item->label_count; i++) {
        const struct write_label *label = &item->labels[i];
        const char *value = end_text(label->value, source->texts, &used);
        if (is_name_label(label)) {
            name = value;
        } else if (value[0] != '\0') {
            labels[count++] = (struct label){end_text(label->name, source->texts, &used), value};
        }
    }
    return feed_encode_series(name, labels, count, buffer, size);
}

static size_t encode_key(void *ctx, struct slice key, void *buffer, size_t size)
{
    struct remote_source *source = ctx;
    write_request_key(&source->keys, key, &source->key_item);
    (void)labels_valid(source, &source->key_item); /* they were; this sorts them */
    return encode_item(source, &source->key_item, buffer, size);
}

/* ---- life ---- */

static size_t limit(size_t asked, size_t most, size_t fallback)
{
    return asked == 0 ? fallback : asked > most ? most : asked;
}

enum status remote_source_new(struct feed_writer *feed, const struct remote_options *options,
                              struct remote_source **ret_source, struct error *error)
{
    struct remote_source *source = heap_alloc(sizeof *source);
    struct source_options of = {options->id, options->name, options->interval, options->grace};
    enum status status = source_series_init(&source->series, feed, &of, encode_key, source, error);
    write_request_init(&source->request);
    write_request_init(&source->keys);
    source->body_bytes =
        limit(options->body_bytes, REMOTE_BODY_BYTES_MAX, REMOTE_BODY_BYTES_DEFAULT);
    source->series_max = limit(options->series, STORE_SERIES_MAX, REMOTE_SERIES_DEFAULT);
    source->labels_max = limit(options->labels, STORE_LABELS_MAX, STORE_LABELS_MAX);
    source->label_bytes_max =
        limit(options->label_bytes, STORE_LABEL_BYTES_MAX, STORE_LABEL_BYTES_MAX);
    source->stats.series_max = source->series_max;
    source->last = SOURCE_SERIES_NONE;
    if (status != STATUS_OK) {
        remote_source_free(source);
        return status;
    }
    *ret_source = source;
    return STATUS_OK;
}

void remote_source_free(struct remote_source *source)
{
    if (!source) {
        return;
    }
    source_series_release(&source->series);
    remote_types_release(&source->types);
    write_request_release(&source->request);
    write_request_release(&source->keys);
    free(source->newest);
    free(source->body);
    free(source->taken);
    free(source->points);
    free(source);
}

void remote_source_announce(struct remote_source *source)
{
    source_series_announce(&source->series);
}

const struct remote_stats *remote_source_stats(const struct remote_source *source)
{
    return &source->stats;
}

const char *remote_source_name(const struct remote_source *source)
{
    return source->series.name;
}

uint32_t remote_source_type(const struct remote_source *source, const char *family)
{
    return remote_types_get(&source->types, (struct slice){family, (uint32_t)strlen(family)});
}

/* ---- series ---- */

static void refuse(struct remote_source *source, enum remote_refusal why, uint64_t samples)
{
    bool first = true;
    for (size_t i = 0; i < REMOTE_REFUSAL_COUNT; i++) {
        first &= source->refused[i] == 0;
    }
    if (first) {
        error_set(&source->why, STATUS_DENIED, "%s", refusal_docs[why]);
    }
    source->refused[why] += samples;
}

/* The entry that should come now. */
static uint32_t expected_entry(const struct remote_source *source)
{
    const struct source_series *series = &source->series;
    uint32_t n = source->last < series->count ? series->items[source->last].next : 0;
    return n < series->count ? n : SOURCE_SERIES_NONE;
}

static uint32_t predict(struct remote_source *source)
{
    uint32_t n = expected_entry(source);
    source_series_mark(&source->series, n, &source->request.predicted);
    return n;
}

static uint32_t add_series(struct remote_source *source, size_t size)
{
    struct source_series *series = &source->series;
    if (series->count >= source->series_max) {
        return SOURCE_SERIES_NONE;
    }
    uint32_t n = source_series_add(series, source->item.key, size);
    if (n != SOURCE_SERIES_NONE) {
        if (source->newest_capacity < series->capacity) {
            source->newest_capacity = series->capacity;
            source->newest = heap_resize(source->newest, series->capacity * sizeof *source->newest);
        }
        source->newest[n] = (struct newest){INT64_MIN, 0};
    }
    return n;
}

/* The entry of the item's series, NONE when it is refused. Its labels are read only when its key is
 * new. */
static enum status resolve(struct remote_source *source, uint32_t *ret_n, struct error *error)
{
    struct source_series *series = &source->series;
    struct write_item *item = &source->item;
    uint64_t weight = item->sample_count > 0 ? item->sample_count : 1;
    *ret_n = item->key.size > 0 ? source_series_find(series, item->key) : SOURCE_SERIES_NONE;
    if (*ret_n != SOURCE_SERIES_NONE) {
        return STATUS_OK;
    }
    TRY(write_request_labels(&source->request, item, error));
    size_t size = labels_valid(source, item)
                      ? encode_item(source, item, series->encoded, sizeof series->encoded)
                      : 0;
    /* Labels that do not stand together have no key to be found by again. */
    if (size == 0 || item->key.size == 0) {
        refuse(source, REMOTE_LABELS, weight);
        return STATUS_OK;
    }
    *ret_n = source_series_identify(series, size);
    if (*ret_n == SOURCE_SERIES_NONE) {
        *ret_n = add_series(source, size);
    }
    if (*ret_n == SOURCE_SERIES_NONE) {
        refuse(source, REMOTE_SERIES, weight);
    }
    return STATUS_OK;
}

/* ---- samples ---- */

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void take_sample(struct remote_source *source, uint32_t n, const struct write_sample *sample,
                        int64_t future_ms)
{
    struct newest *newest = &source->newest[n];
    if (sample->ms <= newest->ms) {
        if (sample->ms < newest->ms) {
            refuse(source, REMOTE_OUT_OF_ORDER, 1);
        } else if (!same_bits(sample->value, newest->value)) {
            refuse(source, REMOTE_DUPLICATE, 1);
        }
        return; /* the same again is no news and no fault */
    }
    if (sample->ms > future_ms || sample->ms < -EXPOSITION_MS_MAX) {
        refuse(source, REMOTE_FUTURE, 1);
        return;
    }
    ARRAY_RESERVE(source->taken, source->taken_count, source->taken_capacity);
    source->taken[source->taken_count++] = (struct taken){n, sample->ms, sample->value, *newest};
    *newest = (struct newest){sample->ms, sample->value};
}

static enum status take_series(struct remote_source *source, uint32_t expected, int64_t future_ms,
                               struct error *error)
{
    const struct write_item *item = &source->item;
    uint32_t n = expected;
    source->stats.exemplars += item->exemplars;
    source->stats.histograms += item->histograms;
    if (item->predicted) {
        source->stats.predicted++;
    } else {
        TRY(resolve(source, &n, error));
    }
    if (n == SOURCE_SERIES_NONE) {
        return STATUS_OK;
    }
    if (n != expected && source->last < source->series.count) {
        source->series.items[source->last].next = n;
    }
    source->last = n;
    struct source_entry *entry = &source->series.items[n];
    entry->seen = source->round;
    if (entry->generation != source->series.generation) {
        source_series_note(&source->series, n, item->key);
    }
    for (size_t i = 0; i < item->sample_count; i++) {
        take_sample(source, n, &item->samples[i], future_ms);
    }
    if (source->taken_count > REMOTE_SAMPLES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d samples in a request",
                         REMOTE_SAMPLES_MAX);
    }
    return STATUS_OK;
}

static void take_metadata(struct remote_source *source)
{
    const struct write_item *item = &source->item;
    source->stats.metadata++;
    source->stats.type_flips +=
        remote_types_set(&source->types, item->family, item->type, source->series_max);
}

static enum status take_items(struct remote_source *source, struct instant now, struct error *error)
{
    int64_t future_ms = now.ns / NS_PER_MS + REMOTE_FUTURE_S * 1000;
    for (;;) {
        uint32_t expected = predict(source);
        TRY(write_request_next(&source->request, &source->item, error));
        switch (source->item.kind) {
        case WRITE_END: return STATUS_OK;
        case WRITE_SERIES: TRY(take_series(source, expected, future_ms, error)); break;
        case WRITE_METADATA: take_metadata(source); break;
        }
    }
}

/* ---- bodies ---- */

/* What snappy says the size will be is checked before there is memory for it. */
static enum remote_outcome decompress(struct remote_source *source, const void *body, size_t size,
                                      size_t *ret_size, struct error *error)
{
    size_t plain = 0;
    if (snappy_uncompressed_length(body, size, &plain) != SNAPPY_OK) {
        error_set(error, STATUS_PROTOCOL, "the body is no block of snappy");
        return REMOTE_MALFORMED;
    }
    if (plain > source->body_bytes) {
        error_set(error, STATUS_LIMIT, "the body has more than %zu bytes", source->body_bytes);
        return REMOTE_TOO_LARGE;
    }
    if (plain / REMOTE_RATIO_MAX > size) {
        error_set(error, STATUS_PROTOCOL, "no body of %zu bytes holds %zu", size, plain);
        return REMOTE_MALFORMED;
    }
    source->body = heap_resize(NULL, plain + 1);
    *ret_size = plain;
    if (snappy_uncompress(body, size, source->body, ret_size) != SNAPPY_OK) {
        error_set(error, STATUS_PROTOCOL, "the block of snappy is damaged");
        return REMOTE_MALFORMED;
    }
    return REMOTE_TAKEN;
}

/* Between requests the memory of a body is anybody's: there may be many senders. */
static void spare(struct remote_source *source)
{
    free(source->body);
    source->body = NULL;
    if (source->request.sample_capacity > SPARE_BYTES_MAX / sizeof *source->request.samples) {
        free(source->request.samples);
        source->request.samples = NULL;
        source->request.sample_capacity = 0;
    }
}

/* ---- forgetting ---- */

/* As before the request; the newest samples in the reverse of their order. */
static void take_back(struct remote_source *source, size_t series_before)
{
    for (size_t i = source->taken_count; i > 0; i--) {
        source->newest[source->taken[i - 1].series] = source->taken[i - 1].before;
    }
    source->taken_count = 0;
    source_series_cut(&source->series, series_before);
}

struct sweep {
    struct remote_source *source;
    int64_t before_ms;
};

static bool is_stale(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == STALE_MARKER;
}

static bool is_kept(void *ctx, uint32_t n)
{
    const struct sweep *sweep = ctx;
    const struct newest *newest = &sweep->source->newest[n];
    return newest->ms >= sweep->before_ms && !is_stale(newest->value);
}

static void moved(void *ctx, uint32_t from, uint32_t to)
{
    struct remote_source *source = ((struct sweep *)ctx)->source;
    source->newest[to] = source->newest[from];
}

/* Forgets series that have ended or are idle: now and then, and when there is no room. */
static void sweep_series(struct remote_source *source, struct instant now)
{
    bool full = source->refused[REMOTE_SERIES] > 0;
    if (source->swept.ns == 0) {
        source->swept = now;
    }
    int64_t since_ns = now.ns - source->swept.ns;
    if (since_ns < (full ? 1 : SWEEP_EVERY_S) * NS_PER_S) {
        return;
    }
    struct sweep sweep = {source, now.ns / NS_PER_MS - REMOTE_IDLE_S * 1000};
    size_t gone = 0;
    for (uint32_t i = 0; i < source->series.count; i++) {
        gone += !is_kept(&sweep, i);
    }
    source->swept = now;
    if (gone > 0) {
        source_series_sweep(&source->series, is_kept, moved, &sweep);
        source->last = SOURCE_SERIES_NONE;
    }
}

/* ---- sending ---- */

/* Points in time around a base: one record for all that is not further from it than that. */
static enum status write_points(struct remote_source *source, int64_t base_ms)
{
    struct source_series *series = &source->series;
    size_t count = 0;
    if (source->taken_count > source->point_capacity) {
        source->point_capacity = source->taken_capacity;
        source->points =
            heap_resize(source->points, source->point_capacity * sizeof *source->points);
    }
    for (size_t i = 0; i < source->taken_count; i++) {
        const struct taken *taken = &source->taken[i];
        const uint32_t number = series->items[taken->series].number;
        const int64_t ms = taken->ms - base_ms;
        if (ms == (int32_t)ms) {
            source->points[count++] = (struct feed_point){number, (int32_t)ms, taken->value};
        } else { /* and after it comes what came before it: both are in their own order */
            struct instant time = {taken->ms * NS_PER_MS};
            TRY(feed_write_sample(series->feed, number, time, taken->value));
        }
    }
    return feed_write_points(series->feed, (struct instant){base_ms * NS_PER_MS}, source->points,
                             count);
}

/* The source was heard at its newest sample, and never in the future. */
static enum status write_taken(struct remote_source *source, struct instant now)
{
    int64_t newest_ms = INT64_MIN, now_ms = now.ns / NS_PER_MS;
    for (size_t i = 0; i < source->taken_count; i++) {
        newest_ms = source->taken[i].ms > newest_ms ? source->taken[i].ms : newest_ms;
    }
    if (source->taken_count == 0) {
        return STATUS_OK;
    }
    TRY(write_points(source, newest_ms));
    newest_ms = newest_ms > now_ms ? now_ms : newest_ms;
    return feed_write_heard(source->series.feed, source->series.id,
                            (struct instant){newest_ms * NS_PER_MS});
}

/* The reader is still the one that it was when the body was read. */
static bool send(struct remote_source *source, struct instant now)
{
    const bool sent = source_series_announced(&source->series) &&
                      source_series_define_noted(&source->series) == STATUS_OK &&
                      write_taken(source, now) == STATUS_OK;
    source_series_forget_noted(&source->series);
    if (!sent) {
        feed_rollback(source->series.feed);
        return false;
    }
    feed_commit(source->series.feed);
    return true;
}

static bool count_request(struct remote_source *source)
{
    uint64_t refused = 0;
    source->stats.samples += source->taken_count;
    for (size_t i = 0; i < source->taken_count; i++) {
        source->stats.stale += is_stale(source->taken[i].value);
    }
    for (size_t i = 0; i < REMOTE_REFUSAL_COUNT; i++) {
        source->stats.refused[i] += source->refused[i];
        refused += source->refused[i];
    }
    return refused > 0;
}

/* How many entries the engine knows of or knew before: when the feed is full, they stay, so that a
 * request with very many new series gets through in pieces. */
static size_t defined(const struct remote_source *source, size_t before)
{
    const struct source_series *series = &source->series;
    size_t keep = series->count;
    while (keep > before && series->items[keep - 1].generation != series->generation) {
        keep--;
    }
    return keep;
}

static enum remote_outcome take(struct remote_source *source, const void *body, size_t size,
                                struct instant now, struct error *error)
{
    size_t plain = 0, before = source->series.count;
    enum remote_outcome outcome = decompress(source, body, size, &plain, error);
    if (outcome != REMOTE_TAKEN) {
        return outcome;
    }
    source->round++;
    source->taken_count = 0;
    memset(source->refused, 0, sizeof source->refused);
    source_series_forget_noted(&source->series);
    remote_source_announce(source);
    write_request_open(&source->request, source->body, plain);
    enum status status = take_items(source, now, error);
    if (status != STATUS_OK) {
        take_back(source, before);
        return status == STATUS_LIMIT ? REMOTE_TOO_LARGE : REMOTE_MALFORMED;
    }
    if (!send(source, now)) {
        source->stats.lost += source->taken_count;
        take_back(source, defined(source, before));
        error_set(error, STATUS_LIMIT, "the feed to the engine is full");
        return REMOTE_FEED_FULL;
    }
    bool partial = count_request(source);
    sweep_series(source, now);
    if (partial) {
        *error = source->why;
    }
    return partial ? REMOTE_PARTIAL : REMOTE_TAKEN;
}

enum remote_outcome remote_source_take(struct remote_source *source, const void *body, size_t size,
                                       struct instant now, struct error *error)
{
    enum remote_outcome outcome = take(source, body, size, now, error);
    source->stats.requests++;
    source->stats.outcomes[outcome]++;
    source->stats.series = source->series.count;
    spare(source);
    return outcome;
}
