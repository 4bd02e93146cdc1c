/* Remote write under libFuzzer. Any bytes are a request or an error; what is read by hand is what
 * nanopb alone reads, with and without prediction; and whatever comes, a source takes it or refuses
 * it, and the engine's side of the feed can read what it wrote. */
#include <pb_decode.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/remote_source.h"
#include "runtime/ingest/remote_write.pb.h"
#include "runtime/ingest/text.h"
#include "runtime/ingest/write_request.h"

enum { FEED_BYTES = 1 << 22, NOTES_BYTES_MAX = 64 << 20, KEYS_MAX = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what a request says, as bytes that can be compared ---- */

static void note_bytes(struct text *notes, const void *bytes, size_t size)
{
    uint64_t length = size;
    text_add(notes, (const char *)&length, sizeof length);
    text_add(notes, bytes, size);
}

static void note_number(struct text *notes, uint64_t number)
{
    note_bytes(notes, &number, sizeof number);
}

/* ---- nanopb alone ---- */

struct reference {
    struct text labels, samples, notes;
    uint32_t exemplars, histograms;
};

static bool on_string(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    struct text *text = *arg;
    char byte;
    (void)field;
    text_clear(text);
    while (stream->bytes_left > 0) {
        if (!pb_read(stream, (pb_byte_t *)&byte, 1)) {
            return false;
        }
        text_add(text, &byte, 1);
    }
    return true;
}

static bool on_label(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    struct text *labels = *arg, name, value;
    remote_write_Label label = remote_write_Label_init_zero;
    (void)field;
    text_init(&name, NOTES_BYTES_MAX);
    text_init(&value, NOTES_BYTES_MAX);
    label.name = (pb_callback_t){{.decode = on_string}, &name};
    label.value = (pb_callback_t){{.decode = on_string}, &value};
    bool good = pb_decode(stream, remote_write_Label_fields, &label);
    note_bytes(labels, name.bytes ? name.bytes : "", name.size);
    note_bytes(labels, value.bytes ? value.bytes : "", value.size);
    text_release(&name);
    text_release(&value);
    return good;
}

static bool on_sample(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    remote_write_Sample sample = remote_write_Sample_init_zero;
    (void)field;
    bool good = pb_decode(stream, remote_write_Sample_fields, &sample);
    note_bytes(*arg, &sample.timestamp, sizeof sample.timestamp);
    note_bytes(*arg, &sample.value, sizeof sample.value);
    return good;
}

static bool on_other(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    (void)field;
    ++*(uint32_t *)*arg;
    return pb_read(stream, NULL, stream->bytes_left);
}

static bool on_series(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    struct reference *reference = *arg;
    remote_write_TimeSeries series = remote_write_TimeSeries_init_zero;
    (void)field;
    text_clear(&reference->labels);
    text_clear(&reference->samples);
    reference->exemplars = reference->histograms = 0;
    series.labels = (pb_callback_t){{.decode = on_label}, &reference->labels};
    series.samples = (pb_callback_t){{.decode = on_sample}, &reference->samples};
    series.exemplars = (pb_callback_t){{.decode = on_other}, &reference->exemplars};
    series.histograms = (pb_callback_t){{.decode = on_other}, &reference->histograms};
    bool good = pb_decode(stream, remote_write_TimeSeries_fields, &series);
    note_bytes(&reference->notes, reference->labels.bytes, reference->labels.size);
    note_bytes(&reference->notes, reference->samples.bytes, reference->samples.size);
    note_number(&reference->notes, reference->exemplars);
    note_number(&reference->notes, reference->histograms);
    return good;
}

static bool on_metadata(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    struct reference *reference = *arg;
    struct text family;
    remote_write_Metadata metadata = remote_write_Metadata_init_zero;
    (void)field;
    text_init(&family, NOTES_BYTES_MAX);
    metadata.metric_family_name = (pb_callback_t){{.decode = on_string}, &family};
    bool good = pb_decode(stream, remote_write_Metadata_fields, &metadata);
    size_t kept = family.size < WRITE_FAMILY_BYTES_MAX ? family.size : WRITE_FAMILY_BYTES_MAX;
    note_bytes(&reference->notes, family.bytes ? family.bytes : "", kept);
    note_number(&reference->notes, metadata.type);
    text_release(&family);
    return good;
}

static bool read_reference(struct reference *reference, const uint8_t *data, size_t size)
{
    remote_write_WriteRequest request = remote_write_WriteRequest_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(data, size);
    request.timeseries = (pb_callback_t){{.decode = on_series}, reference};
    request.metadata = (pb_callback_t){{.decode = on_metadata}, reference};
    return pb_decode(&stream, remote_write_WriteRequest_fields, &request);
}

/* ---- ours ---- */

struct keys {
    struct slice items[KEYS_MAX];
    size_t count;
};

static void note_series(struct text *notes, const struct write_item *item)
{
    struct text labels, samples;
    text_init(&labels, NOTES_BYTES_MAX);
    text_init(&samples, NOTES_BYTES_MAX);
    for (uint32_t i = 0; i < item->label_count; i++) {
        note_bytes(&labels, item->labels[i].name.text, item->labels[i].name.size);
        note_bytes(&labels, item->labels[i].value.text, item->labels[i].value.size);
    }
    for (size_t i = 0; i < item->sample_count; i++) {
        note_bytes(&samples, &item->samples[i].ms, sizeof item->samples[i].ms);
        note_bytes(&samples, &item->samples[i].value, sizeof item->samples[i].value);
    }
    note_bytes(notes, labels.bytes, labels.size);
    note_bytes(notes, samples.bytes, samples.size);
    note_number(notes, item->exemplars);
    note_number(notes, item->histograms);
    text_release(&labels);
    text_release(&samples);
}

/* known: keys of an earlier reading, predicted one after the other. False when over a limit. */
static bool read_ours(const uint8_t *data, size_t size, const struct keys *known, struct keys *ret,
                      struct text *notes, enum status *ret_status)
{
    struct write_request request;
    static struct write_item item;
    struct error error = {""};
    bool over = false;
    write_request_init(&request);
    write_request_open(&request, data, size);
    for (size_t n = 0;; n++) {
        const struct slice key = n < known->count ? known->items[n] : (struct slice){"", 0};
        request.predicted = key_mark(key.text, key.size);
        *ret_status = write_request_next(&request, &item, &error);
        if (*ret_status != STATUS_OK || item.kind == WRITE_END) {
            break;
        }
        if (item.kind == WRITE_METADATA) {
            note_bytes(notes, item.family.text, item.family.size);
            note_number(notes, item.type);
            continue;
        }
        *ret_status = write_request_labels(&request, &item, &error);
        if (*ret_status != STATUS_OK) {
            break;
        }
        over |= item.labels_over;
        note_series(notes, &item);
        if (ret->count < KEYS_MAX) {
            ret->items[ret->count++] = item.key;
        }
    }
    CHECK(*ret_status == STATUS_OK || error.message[0] != '\0');
    write_request_release(&request);
    /* nanopb hands a callback what it finds, of whatever wire type; at the top that is refused. */
    return !over && *ret_status != STATUS_LIMIT && strstr(error.message, "wire type") == NULL;
}

static void compare(const uint8_t *data, size_t size)
{
    struct reference reference = {.exemplars = 0};
    static struct keys none, first, second;
    struct text ours, again;
    enum status status, status_again;
    text_init(&reference.labels, NOTES_BYTES_MAX);
    text_init(&reference.samples, NOTES_BYTES_MAX);
    text_init(&reference.notes, NOTES_BYTES_MAX);
    text_init(&ours, NOTES_BYTES_MAX);
    text_init(&again, NOTES_BYTES_MAX);
    first.count = second.count = 0;
    bool within = read_ours(data, size, &none, &first, &ours, &status);
    bool good = read_reference(&reference, data, size);
    if (within) {
        CHECK(good == (status == STATUS_OK));
        CHECK(!good ||
              (ours.size == reference.notes.size &&
               (ours.size == 0 || memcmp(ours.bytes, reference.notes.bytes, ours.size) == 0)));
    }
    (void)read_ours(data, size, &first, &second, &again, &status_again);
    CHECK(status == status_again);
    CHECK(status != STATUS_OK ||
          (ours.size == again.size &&
           (ours.size == 0 || memcmp(ours.bytes, again.bytes, ours.size) == 0)));
    text_release(&reference.labels);
    text_release(&reference.samples);
    text_release(&reference.notes);
    text_release(&ours);
    text_release(&again);
}

/* ---- all the way ---- */

static struct feed_writer *writer;
static struct feed_reader *reader;
static struct remote_source *source;

static void open_once(void)
{
    struct error error;
    struct remote_options options = {
        .id = 1, .name = "fuzz", .interval = {1}, .series = 50, .labels = 5, .body_bytes = 1 << 20};
    if (source == NULL) {
        int fd = feed_create(FEED_BYTES, &error);
        CHECK(feed_writer_new(fd, -1, &writer, &error) == STATUS_OK);
        CHECK(feed_reader_new(fd, &reader, &error) == STATUS_OK);
        CHECK(remote_source_new(writer, &options, &source, &error) == STATUS_OK);
    }
}

static void drain(void)
{
    static struct feed_record record;
    struct error error;
    do {
        CHECK(feed_next(reader, &record, &error) == STATUS_OK);
    } while (record.kind != FEED_NONE);
}

static void take(const void *packed, size_t size)
{
    static struct instant now = {1700000000 * NS_PER_S};
    struct error error = {""};
    now.ns += 7 * NS_PER_S;
    enum remote_outcome outcome = remote_source_take(source, packed, size, now, &error);
    CHECK(outcome == REMOTE_TAKEN || error.message[0] != '\0');
    CHECK(remote_source_stats(source)->series <= 50);
    drain();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t packed_size = snappy_max_compressed_length(size);
    char *packed = heap_alloc(packed_size);
    CHECK(snappy_compress((const char *)data, size, packed, &packed_size) == SNAPPY_OK);
    open_once();
    compare(data, size);
    take(packed, packed_size);
    take(data, size);
    free(packed);
    return 0;
}
