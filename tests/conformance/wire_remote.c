/* Requests of remote write against what they must decode to. */
#include <math.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/ingest/remote_source.h"
#include "runtime/ingest/text.h"
#include "runtime/ingest/write_request.h"
#include "tests/conformance/wire.h"
#include "tests/conformance/wire_file.h"

enum { FEED_BYTES = 1 << 26, REASON_BYTES = 300, PATH_BYTES = 2048, BODY_BYTES_MAX = 64 << 20 };

static bool fails(char *reason, const char *what)
{
    snprintf(reason, REASON_BYTES, "%s", what);
    return false;
}

/* The bits a value of the JSON stands for. */
static uint64_t bits_of(const json_t *json)
{
    const char *word = json_string_value(json);
    double value = word == NULL                ? json_number_value(json)
                   : strcmp(word, "+Inf") == 0 ? INFINITY
                   : strcmp(word, "-Inf") == 0 ? -INFINITY
                                               : 0;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (word && strcmp(word, "NaN") == 0) {
        return 0x7ff8000000000001;
    }
    return word && strcmp(word, "StaleNaN") == 0 ? 0x7ff0000000000002 : bits;
}

static bool same_value(double value, const json_t *json)
{
    uint64_t bits, wanted = bits_of(json);
    memcpy(&bits, &value, sizeof bits);
    bool any_nan = json_is_string(json) && strcmp(json_string_value(json), "NaN") == 0;
    return bits == wanted || (any_nan && isnan(value) && bits != 0x7ff0000000000002);
}

static bool same_text(struct slice slice, const json_t *json)
{
    return json_string_length(json) == slice.size &&
           memcmp(json_string_value(json), slice.text, slice.size) == 0;
}

/* A pair or an object of two fields: the i-th of them. */
static const json_t *part(const json_t *json, size_t i, const char *name)
{
    return json_is_array(json) ? json_array_get(json, i) : json_object_get(json, name);
}

static bool same_labels(const struct write_item *item, const json_t *labels)
{
    bool same = item->label_count == json_array_size(labels);
    for (uint32_t i = 0; same && i < item->label_count; i++) {
        const json_t *label = json_array_get(labels, i);
        same = same_text(item->labels[i].name, part(label, 0, "name")) &&
               same_text(item->labels[i].value, part(label, 1, "value"));
    }
    return same;
}

static bool same_samples(const struct write_item *item, const json_t *samples)
{
    bool same = item->sample_count == json_array_size(samples);
    for (size_t i = 0; same && i < item->sample_count; i++) {
        const json_t *sample = json_array_get(samples, i);
        same = item->samples[i].ms == json_integer_value(part(sample, 0, "timestamp")) &&
               same_value(item->samples[i].value, part(sample, 1, "value"));
    }
    return same;
}

static uint32_t type_of(const json_t *metadata)
{
    static const char *const names[] = {"UNKNOWN",        "COUNTER", "GAUGE", "HISTOGRAM",
                                        "GAUGEHISTOGRAM", "SUMMARY", "INFO",  "STATESET"};
    const json_t *type = json_object_get(metadata, "type");
    for (uint32_t i = 0; json_is_string(type) && i < ARRAY_LEN(names); i++) {
        if (strcasecmp(names[i], json_string_value(type)) == 0) {
            return i;
        }
    }
    return json_is_integer(type) ? (uint32_t)json_integer_value(type) : UINT32_MAX;
}

static const json_t *family_of(const json_t *metadata)
{
    static const char *const names[] = {"metric_family_name", "family", "metric", "name"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (json_object_get(metadata, names[i])) {
            return json_object_get(metadata, names[i]);
        }
    }
    return NULL;
}

static bool same_series(struct write_request *request, struct write_item *item,
                        const json_t *wanted, char *reason)
{
    struct error error = {""};
    if (write_request_labels(request, item, &error) != STATUS_OK) {
        return fails(reason, error.message);
    }
    if (!same_labels(item, json_object_get(wanted, "labels"))) {
        return fails(reason, "a series has other labels");
    }
    if (!same_samples(item, json_object_get(wanted, "samples"))) {
        return fails(reason, "a series has other samples");
    }
    if (item->exemplars != json_array_size(json_object_get(wanted, "exemplars")) ||
        item->histograms != json_array_size(json_object_get(wanted, "histograms"))) {
        return fails(reason, "a series has other exemplars or histograms");
    }
    return true;
}

/* Each item of the request is the next one of the JSON. */
static bool same_request(const char *body, size_t size, const json_t *wanted, char *reason)
{
    struct write_request request;
    static struct write_item item;
    struct error error = {""};
    const json_t *series = json_object_get(wanted, "timeseries");
    const json_t *metadata = json_object_get(wanted, "metadata");
    size_t series_seen = 0, metadata_seen = 0;
    bool same = true;
    write_request_init(&request);
    write_request_open(&request, body, size);
    while (same) {
        same = write_request_next(&request, &item, &error) == STATUS_OK ||
               fails(reason, error.message);
        if (!same || item.kind == WRITE_END) {
            break;
        }
        if (item.kind == WRITE_SERIES) {
            same = same_series(&request, &item, json_array_get(series, series_seen++), reason);
        } else {
            const json_t *of = json_array_get(metadata, metadata_seen++);
            same = (same_text(item.family, family_of(of)) && item.type == type_of(of)) ||
                   fails(reason, "metadata differ");
        }
    }
    write_request_release(&request);
    if (same &&
        (series_seen != json_array_size(series) || metadata_seen != json_array_size(metadata))) {
        same = fails(reason, "it has more or fewer series or metadata");
    }
    return same;
}

/* ---- the way into the feed ---- */

struct rig {
    int fd;
    struct feed_writer *writer;
    struct feed_reader *reader;
    struct remote_source *source;
    uint64_t points, stale;
};

static bool rig_open(struct rig *rig)
{
    struct error error;
    struct remote_options options = {
        .id = 1, .name = "cases", .interval = {NS_PER_S}, .grace = {NS_PER_S}};
    *rig = (struct rig){.fd = feed_create(FEED_BYTES, &error)};
    return rig->fd >= 0 && feed_writer_new(rig->fd, -1, &rig->writer, &error) == STATUS_OK &&
           feed_reader_new(rig->fd, &rig->reader, &error) == STATUS_OK &&
           remote_source_new(rig->writer, &options, &rig->source, &error) == STATUS_OK;
}

static void rig_close(struct rig *rig)
{
    remote_source_free(rig->source);
    feed_reader_free(rig->reader);
    feed_writer_free(rig->writer);
    close(rig->fd);
}

static void rig_drain(struct rig *rig)
{
    static struct feed_record record;
    struct error error;
    do {
        CHECK(feed_next(rig->reader, &record, &error) == STATUS_OK);
        for (uint64_t i = 0; record.kind == FEED_POINTS && i < record.count; i++) {
            uint64_t bits;
            memcpy(&bits, &record.points[i].value, sizeof bits);
            rig->stale += bits == 0x7ff0000000000002;
            rig->points++;
        }
    } while (record.kind != FEED_NONE);
}

static void count_samples(const json_t *wanted, uint64_t *samples, uint64_t *stale,
                          int64_t *newest_ms)
{
    const json_t *series = json_object_get(wanted, "timeseries");
    for (size_t i = 0; i < json_array_size(series); i++) {
        const json_t *all = json_object_get(json_array_get(series, i), "samples");
        for (size_t k = 0; k < json_array_size(all); k++) {
            const json_t *sample = json_array_get(all, k);
            int64_t ms = json_integer_value(part(sample, 0, "timestamp"));
            *newest_ms = ms > *newest_ms ? ms : *newest_ms;
            *stale += bits_of(part(sample, 1, "value")) == 0x7ff0000000000002;
            ++*samples;
        }
    }
}

/* All samples of a request reach the engine's side of the feed. */
static bool arrives(struct rig *rig, const char *body, size_t size, const json_t *wanted,
                    char *reason)
{
    struct error error = {""};
    uint64_t samples = 0, stale = 0, points_before = rig->points, stale_before = rig->stale;
    int64_t newest_ms = 0;
    count_samples(wanted, &samples, &stale, &newest_ms);
    struct instant now = {(newest_ms + 1) * NS_PER_MS};
    if (remote_source_take(rig->source, body, size, now, &error) != REMOTE_TAKEN) {
        return fails(reason, error.message);
    }
    rig_drain(rig);
    return (rig->points - points_before == samples && rig->stale - stale_before == stale) ||
           fails(reason, "not all samples or stale markers arrive");
}

/* ---- recorded requests ---- */

static struct rig recorded;

static bool check_body(struct file file, const json_t *wanted, char *reason)
{
    size_t size = 0;
    if (snappy_uncompressed_length(file.bytes, file.size, &size) != SNAPPY_OK ||
        size > BODY_BYTES_MAX) {
        return fails(reason, "it is no block of snappy");
    }
    char *body = heap_alloc(size + 1);
    bool good = snappy_uncompress(file.bytes, file.size, body, &size) == SNAPPY_OK ||
                fails(reason, "its block of snappy is damaged");
    good = good && same_request(body, size, wanted, reason) &&
           arrives(&recorded, file.bytes, file.size, wanted, reason);
    free(body);
    return good;
}

static void check_recorded(const char *folder, const char *name, struct tally *tally)
{
    char other[PATH_BYTES], reason[REASON_BYTES] = "it cannot be read";
    const char *dot = strrchr(name, '.');
    if (dot == NULL || strcmp(dot, ".snappy") != 0) {
        return;
    }
    snprintf(other, sizeof other, "%.*s.json", (int)(dot - name), name);
    struct file file = file_read(folder, name);
    json_t *wanted = file_json(folder, other);
    bool good = file.bytes && wanted && check_body(file, wanted, reason);
    tally_case(tally, good, "remote-write/recorded", name, reason);
    json_decref(wanted);
    free(file.bytes);
}

/* ---- requests as JSON ---- */

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
    text_add(text, bytes ? bytes : "", size);
}

static void put_string(struct text *text, char tag, const json_t *json)
{
    put_field(text, tag, json_string_value(json), json_string_length(json));
}

static void put_series(struct text *body, const json_t *series)
{
    struct text text, inner;
    const json_t *labels = json_object_get(series, "labels");
    const json_t *samples = json_object_get(series, "samples");
    text_init(&text, BODY_BYTES_MAX);
    text_init(&inner, BODY_BYTES_MAX);
    for (size_t i = 0; i < json_array_size(labels); i++) {
        text_clear(&inner);
        put_string(&inner, 0x0a, json_object_get(json_array_get(labels, i), "name"));
        put_string(&inner, 0x12, json_object_get(json_array_get(labels, i), "value"));
        put_field(&text, 0x0a, inner.bytes, inner.size);
    }
    for (size_t i = 0; i < json_array_size(samples); i++) {
        const json_t *sample = json_array_get(samples, i);
        uint64_t bits = bits_of(json_object_get(sample, "value"));
        text_clear(&inner);
        text_add(&inner, "\x09", 1);
        text_add(&inner, (const char *)&bits, sizeof bits);
        text_add(&inner, "\x10", 1);
        put_varint(&inner, (uint64_t)json_integer_value(json_object_get(sample, "timestamp")));
        put_field(&text, 0x12, inner.bytes, inner.size);
    }
    for (size_t i = 0; i < json_array_size(json_object_get(series, "histograms")); i++) {
        put_field(&text, 0x22, "\x18\x01", 2);
    }
    put_field(body, 0x0a, text.bytes, text.size);
    text_release(&text);
    text_release(&inner);
}

static bool check_json(const json_t *wanted, char *reason)
{
    struct text body;
    struct rig rig;
    const json_t *series = json_object_get(wanted, "timeseries");
    text_init(&body, BODY_BYTES_MAX);
    for (size_t i = 0; i < json_array_size(series); i++) {
        put_series(&body, json_array_get(series, i));
    }
    size_t size = snappy_max_compressed_length(body.size);
    char *packed = heap_alloc(size);
    bool good = rig_open(&rig) &&
                snappy_compress(body.bytes, body.size, packed, &size) == SNAPPY_OK &&
                same_request(body.bytes, body.size, wanted, reason) &&
                arrives(&rig, packed, size, wanted, reason);
    rig_close(&rig);
    free(packed);
    text_release(&body);
    return good;
}

static void check_telegraf(const char *folder, const char *name, struct tally *tally)
{
    char path[PATH_BYTES], reason[REASON_BYTES] = "it cannot be read";
    snprintf(path, sizeof path, "%s/%s", folder, name);
    json_t *wanted = file_json(path, "input.json");
    if (wanted) {
        tally_case(tally, check_json(wanted, reason), "remote-write/telegraf", name, reason);
    }
    json_decref(wanted);
}

bool conformance_remote_write(const char *dir, struct tally *ret)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/openmetrics/remote-write/recorded", dir);
    CHECK(rig_open(&recorded));
    bool there = folder_visit(path, check_recorded, ret);
    rig_close(&recorded);
    snprintf(path, sizeof path, "%s/openmetrics/remote-write/telegraf", dir);
    return folder_visit(path, check_telegraf, ret) || there;
}
