/* Requests of remote write: the usual form by hand, the rest and all labels by nanopb. */
#include "runtime/ingest/write_request.h"

#include <pb_decode.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/remote_write.pb.h"

/* First bytes of fields: number and wire type. */
enum {
    TAG_SERIES = 0x0a,
    TAG_LABEL = 0x0a,
    TAG_SAMPLE = 0x12,
    TAG_EXEMPLAR = 0x1a,
    TAG_HISTOGRAM = 0x22,
    TAG_VALUE = 0x09,
    TAG_TIME = 0x10
};

void write_request_init(struct write_request *request)
{
    *request = (struct write_request){.scratch = heap_alloc(WRITE_LABEL_BYTES_MAX)};
}

void write_request_release(struct write_request *request)
{
    free(request->samples);
    free(request->scratch);
}

void write_request_open(struct write_request *request, const void *body, size_t size)
{
    request->at = size > 0 ? body : (const void *)"";
    request->end = request->at + size;
    request->predicted.size = 0;
}

static enum status malformed(struct error *error, const char *what)
{
    return error_set(error, STATUS_PROTOCOL, "the request is no WriteRequest: %s", what);
}

static bool add_sample(struct write_request *request, struct write_sample sample)
{
    if (request->sample_count == WRITE_SAMPLES_MAX) {
        return false;
    }
    ARRAY_RESERVE(request->samples, request->sample_count, request->sample_capacity);
    request->samples[request->sample_count++] = sample;
    return true;
}

/* ---- by hand ---- */

/* Behind the number at p; NULL when there is none before end. */
static const unsigned char *read_varint(const unsigned char *p, const unsigned char *end,
                                        uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; p < end; shift += 7) {
        if (shift == 63 && (*p & 0xfe) != 0) {
            return NULL;
        }
        value |= (uint64_t)(*p & 0x7f) << shift;
        if (*p++ < 0x80) {
            *ret = value;
            return p;
        }
    }
    return NULL;
}

/* The bytes that a length at p announces; NULL when they are not all there. */
static const unsigned char *read_length(const unsigned char *p, const unsigned char *end,
                                        const unsigned char **ret_end)
{
    uint64_t size;
    p = read_varint(p, end, &size);
    if (p == NULL || size > (size_t)(end - p)) {
        return NULL;
    }
    *ret_end = p + size;
    return p;
}

/* A value and a time, each there or 0, in this order; false for another form. */
static bool read_sample(const unsigned char *p, const unsigned char *end, struct write_sample *ret)
{
    uint64_t ms = 0;
    ret->value = 0;
    if (end - p >= 9 && *p == TAG_VALUE) {
        memcpy(&ret->value, p + 1, sizeof ret->value);
        p += 9;
    }
    if (p < end && *p == TAG_TIME) {
        p = read_varint(p + 1, end, &ms);
    }
    ret->ms = (int64_t)ms;
    return p == end;
}

/* Samples, exemplars and histograms up to end; false for another form. */
static bool read_samples(struct write_request *request, const unsigned char *p,
                         const unsigned char *end, struct write_item *item)
{
    request->sample_count = 0;
    while (p < end) {
        const unsigned char *field_end = NULL, tag = *p;
        struct write_sample sample;
        p = read_length(p + 1, end, &field_end);
        if (p == NULL) {
            return false;
        }
        if (tag == TAG_SAMPLE) {
            if (!read_sample(p, field_end, &sample) || !add_sample(request, sample)) {
                return false;
            }
        } else if (tag == TAG_EXEMPLAR) {
            item->exemplars++;
        } else if (tag == TAG_HISTOGRAM) {
            item->histograms++;
        } else {
            return false;
        }
        p = field_end;
    }
    return true;
}

/* Behind the labels that stand in front, and how many they are. */
static const unsigned char *skip_labels(const unsigned char *p, const unsigned char *end,
                                        uint32_t *ret_count)
{
    *ret_count = 0;
    while (p < end && *p == TAG_LABEL) {
        const unsigned char *label_end = NULL;
        if (read_length(p + 1, end, &label_end) == NULL) {
            break;
        }
        p = label_end;
        ++*ret_count;
    }
    return p;
}

static bool has_predicted(const struct write_request *request, const unsigned char *p,
                          const unsigned char *end)
{
    const uint32_t size = request->predicted.size;
    return size > 0 && (size_t)(end - p) > size && p[size] != TAG_LABEL &&
           key_mark_is(&request->predicted, p);
}

/* A series as senders write it; false for another form. */
static bool read_usual(struct write_request *request, const unsigned char *p,
                       const unsigned char *end, struct write_item *item)
{
    item->predicted = has_predicted(request, p, end);
    uint32_t count;
    const unsigned char *labels_end =
        item->predicted ? p + request->predicted.size : skip_labels(p, end, &count);
    item->key = (struct slice){(const char *)p, (uint32_t)(labels_end - p)};
    item->exemplars = item->histograms = 0;
    item->labels_read = item->labels_over = false;
    item->label_count = 0;
    return read_samples(request, labels_end, end, item);
}

/* ---- by nanopb ---- */

/* What the callbacks of one message fill. */
struct reading {
    struct write_request *request;
    struct write_item *item;
    bool samples_over;
};

/* A text into the scratch, or past it. */
static bool read_text(struct reading *reading, pb_istream_t *stream, size_t most, struct slice *ret)
{
    struct write_request *request = reading->request;
    size_t size = stream->bytes_left, kept = size < most ? size : most;
    *ret = (struct slice){"", 0};
    if (kept > WRITE_LABEL_BYTES_MAX - request->scratch_used) {
        reading->item->labels_over = true;
        return pb_read(stream, NULL, size);
    }
    char *text = request->scratch + request->scratch_used;
    if (!pb_read(stream, (pb_byte_t *)text, kept) || !pb_read(stream, NULL, size - kept)) {
        return false;
    }
    request->scratch_used += kept;
    *ret = (struct slice){text, (uint32_t)kept};
    return true;
}

/* pb_callback_t hands on one pointer: a text and where it goes. */
struct text_target {
    struct reading *reading;
    size_t most;
    struct slice text;
};

static bool on_text(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    struct text_target *target = *arg;
    (void)field;
    return read_text(target->reading, stream, target->most, &target->text);
}

static bool on_label(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    struct reading *reading = *arg;
    struct write_item *item = reading->item;
    struct text_target name = {reading, WRITE_LABEL_BYTES_MAX + 1, {"", 0}}, value = name;
    remote_write_Label label = remote_write_Label_init_zero;
    (void)field;
    label.name = (pb_callback_t){{.decode = on_text}, &name};
    label.value = (pb_callback_t){{.decode = on_text}, &value};
    if (!pb_decode(stream, remote_write_Label_fields, &label)) {
        return false;
    }
    if (item->label_count == WRITE_LABELS_MAX) {
        item->labels_over = true;
    } else {
        item->labels[item->label_count++] = (struct write_label){name.text, value.text};
    }
    return true;
}

static bool on_sample(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    struct reading *reading = *arg;
    remote_write_Sample sample = remote_write_Sample_init_zero;
    (void)field;
    if (!pb_decode(stream, remote_write_Sample_fields, &sample)) {
        return false;
    }
    if (!add_sample(reading->request, (struct write_sample){sample.timestamp, sample.value})) {
        reading->samples_over = true;
    }
    return true;
}

static bool on_counted(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    uint32_t *count = *arg;
    (void)field;
    ++*count;
    return pb_read(stream, NULL, stream->bytes_left);
}

/* All of a series, whatever the order of its fields. */
static enum status decode_series(struct write_request *request, const void *bytes, size_t size,
                                 struct write_item *item, struct error *error)
{
    struct reading reading = {request, item, false};
    remote_write_TimeSeries series = remote_write_TimeSeries_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(bytes, size);
    request->scratch_used = 0;
    request->sample_count = 0;
    item->label_count = item->exemplars = item->histograms = 0;
    item->labels_over = false;
    series.labels = (pb_callback_t){{.decode = on_label}, &reading};
    series.samples = (pb_callback_t){{.decode = on_sample}, &reading};
    series.exemplars = (pb_callback_t){{.decode = on_counted}, &item->exemplars};
    series.histograms = (pb_callback_t){{.decode = on_counted}, &item->histograms};
    if (!pb_decode(&stream, remote_write_TimeSeries_fields, &series)) {
        return malformed(error, PB_GET_ERROR(&stream));
    }
    if (reading.samples_over) {
        return error_set(error, STATUS_LIMIT, "more than %d samples of one series in a request",
                         WRITE_SAMPLES_MAX);
    }
    item->labels_read = true;
    return STATUS_OK;
}

static enum status decode_metadata(struct write_request *request, const void *bytes, size_t size,
                                   struct write_item *item, struct error *error)
{
    struct reading reading = {request, item, false};
    struct text_target family = {&reading, WRITE_FAMILY_BYTES_MAX, {"", 0}};
    remote_write_Metadata metadata = remote_write_Metadata_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(bytes, size);
    request->scratch_used = 0;
    metadata.metric_family_name = (pb_callback_t){{.decode = on_text}, &family};
    if (!pb_decode(&stream, remote_write_Metadata_fields, &metadata)) {
        return malformed(error, PB_GET_ERROR(&stream));
    }
    item->kind = WRITE_METADATA;
    item->family = family.text;
    item->type = metadata.type;
    return STATUS_OK;
}

/* Past the tag of a field, however it is written, or past a whole field that is none of ours. */
static enum status read_tag(struct write_request *request, uint32_t *ret_tag, struct error *error)
{
    pb_istream_t stream = pb_istream_from_buffer(request->at, (size_t)(request->end - request->at));
    pb_wire_type_t type;
    bool end;
    if (!pb_decode_tag(&stream, &type, ret_tag, &end) || *ret_tag == 0) {
        return malformed(error, end ? "a field has no number" : PB_GET_ERROR(&stream));
    }
    if (*ret_tag == remote_write_WriteRequest_timeseries_tag ||
        *ret_tag == remote_write_WriteRequest_metadata_tag) {
        if (type != PB_WT_STRING) {
            return malformed(error, "a field has another wire type");
        }
    } else if (!pb_skip_field(&stream, type)) {
        return malformed(error, PB_GET_ERROR(&stream));
    }
    request->at = request->end - stream.bytes_left;
    return STATUS_OK;
}

/* ---- items ---- */

static enum status read_series(struct write_request *request, const unsigned char *p,
                               const unsigned char *end, struct write_item *item,
                               struct error *error)
{
    item->kind = WRITE_SERIES;
    if (!read_usual(request, p, end, item)) {
        uint32_t count;
        const unsigned char *labels_end = skip_labels(p, end, &count);
        TRY(decode_series(request, p, (size_t)(end - p), item, error));
        item->predicted = false;
        item->key = (struct slice){(const char *)p, 0};
        if (count == item->label_count) { /* none stands elsewhere */
            item->key.size = (uint32_t)(labels_end - p);
        }
    }
    item->samples = request->samples;
    item->sample_count = request->sample_count;
    return STATUS_OK;
}

/* The item behind its tag. */
static enum status read_item(struct write_request *request, bool series, struct write_item *item,
                             struct error *error)
{
    const unsigned char *end = NULL, *p = read_length(request->at, request->end, &end);
    if (p == NULL) {
        return malformed(error, "it has been cut");
    }
    request->at = end;
    return series ? read_series(request, p, end, item, error)
                  : decode_metadata(request, p, (size_t)(end - p), item, error);
}

enum status write_request_next(struct write_request *request, struct write_item *ret,
                               struct error *error)
{
    ret->kind = WRITE_END;
    while (ret->kind == WRITE_END && request->at < request->end) {
        uint32_t tag = remote_write_WriteRequest_timeseries_tag;
        if (*request->at == TAG_SERIES) {
            request->at++;
        } else {
            TRY(read_tag(request, &tag, error));
        }
        if (tag == remote_write_WriteRequest_timeseries_tag ||
            tag == remote_write_WriteRequest_metadata_tag) {
            TRY(read_item(request, tag == remote_write_WriteRequest_timeseries_tag, ret, error));
        }
    }
    return STATUS_OK;
}

enum status write_request_labels(struct write_request *request, struct write_item *item,
                                 struct error *error)
{
    if (item->labels_read) {
        return STATUS_OK;
    }
    /* The samples are read already, and a key holds none. */
    size_t samples = request->sample_count;
    uint32_t exemplars = item->exemplars, histograms = item->histograms;
    TRY(decode_series(request, item->key.text, item->key.size, item, error));
    request->sample_count = samples;
    item->exemplars = exemplars;
    item->histograms = histograms;
    return STATUS_OK;
}

void write_request_key(struct write_request *request, struct slice key, struct write_item *ret)
{
    struct error error;
    CHECK(decode_series(request, key.text, key.size, ret, &error) == STATUS_OK);
}
