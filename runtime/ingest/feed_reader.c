/* The reading side of the feed: private copies, every field checked. */
#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/feed.h"
#include "runtime/ingest/feed_layout.h"
#include "runtime/ingest/text.h"

enum { FEED_CHUNK_BYTES = 4 * FEED_RECORD_BYTES_MAX };

struct feed_reader {
    struct feed_header *header;
    const unsigned char *ring;
    size_t bytes;
    uint64_t tail;       /* of what was copied; the shared one is only written */
    uint32_t generation; /* asked for at attach */
    bool synced;         /* the writer has answered it */
    bool broken;         /* nonsense was read; nothing more is */
    struct error broken_why;
    size_t used, filled; /* of chunk; records begin at multiples of 8 */
    _Alignas(8) unsigned char chunk[FEED_CHUNK_BYTES];
};

/* A record's payload, read from front to back in private memory. */
struct cursor {
    const unsigned char *p, *end;
    bool bad;
};

static void take(struct cursor *cursor, void *ret, size_t size)
{
    if ((size_t)(cursor->end - cursor->p) < size) {
        cursor->bad = true;
        memset(ret, 0, size);
        return;
    }
    memcpy(ret, cursor->p, size);
    cursor->p += size;
}

static uint32_t take_u32(struct cursor *cursor)
{
    uint32_t n;
    take(cursor, &n, sizeof n);
    return n;
}

static uint64_t take_u64(struct cursor *cursor)
{
    uint64_t n;
    take(cursor, &n, sizeof n);
    return n;
}

/* No time of a sample is so far away that adding a little to it goes wrong. */
static struct instant take_time(struct cursor *cursor)
{
    struct instant time = {(int64_t)take_u64(cursor)};
    if (time.ns > INT64_MAX / 2 || time.ns < -(INT64_MAX / 2)) {
        cursor->bad = true;
        time.ns = 0;
    }
    return time;
}

static const char *take_text(struct cursor *cursor, size_t *ret_size)
{
    size_t size = take_u32(cursor);
    *ret_size = 0;
    if (cursor->bad || size > FEED_TEXT_BYTES_MAX || (size_t)(cursor->end - cursor->p) < size + 1) {
        cursor->bad = true;
        return "";
    }
    const char *text = (const char *)cursor->p;
    if (memchr(text, '\0', size + 1) != text + size || text_utf8_check(text, size) != size) {
        cursor->bad = true;
        return "";
    }
    cursor->p += size + 1;
    *ret_size = size;
    return text;
}

static uint32_t take_below(struct cursor *cursor, uint64_t n, uint32_t limit)
{
    if (n >= limit) {
        cursor->bad = true;
        return 0;
    }
    return (uint32_t)n;
}

static void take_labels(struct cursor *cursor, struct feed_record *ret, size_t count)
{
    for (size_t i = 0; i < count && !cursor->bad; i++) {
        size_t name_size, value_size;
        ret->labels[i].name = take_text(cursor, &name_size);
        ret->labels[i].value = take_text(cursor, &value_size);
        bool sorted = i == 0 || strcmp(ret->labels[i - 1].name, ret->labels[i].name) < 0;
        if (!sorted || value_size == 0 || !text_label_name_valid(ret->labels[i].name, name_size)) {
            cursor->bad = true;
        }
    }
    ret->label_count = (uint32_t)count;
}

static void take_series(struct cursor *cursor, struct feed_record *ret)
{
    size_t size;
    ret->series = take_below(cursor, take_u32(cursor), FEED_SERIES_MAX);
    ret->source = take_below(cursor, take_u32(cursor), FEED_SOURCES_MAX);
    uint32_t count = take_u32(cursor);
    ret->text = take_text(cursor, &size);
    if (count > FEED_LABELS_MAX || !text_metric_name_valid(ret->text, size)) {
        cursor->bad = true;
    }
    if (!cursor->bad) {
        take_labels(cursor, ret, count);
    }
}

static void take_source(struct cursor *cursor, struct feed_record *ret)
{
    size_t size;
    ret->source = take_below(cursor, take_u64(cursor), FEED_SOURCES_MAX);
    ret->interval.ns = (int64_t)take_u64(cursor);
    ret->grace.ns = (int64_t)take_u64(cursor);
    ret->text = take_text(cursor, &size);
    if (ret->interval.ns <= 0 || ret->grace.ns < 0 || size == 0) {
        cursor->bad = true;
    }
}

static void take_series_time(struct cursor *cursor, struct feed_record *ret)
{
    ret->series = take_below(cursor, take_u64(cursor), FEED_SERIES_MAX);
    ret->time = take_time(cursor);
}

static void take_source_time(struct cursor *cursor, struct feed_record *ret)
{
    ret->source = take_below(cursor, take_u64(cursor), FEED_SOURCES_MAX);
    ret->time = take_time(cursor);
}

static void take_sample(struct cursor *cursor, struct feed_record *ret)
{
    take_series_time(cursor, ret);
    take(cursor, &ret->value, sizeof ret->value);
}

static void take_points(struct cursor *cursor, struct feed_record *ret)
{
    uint32_t highest = 0;
    ret->time = take_time(cursor);
    ret->count = take_u64(cursor);
    if (cursor->bad || ret->count != (size_t)(cursor->end - cursor->p) / sizeof *ret->points) {
        cursor->bad = true;
        return;
    }
    ret->points = (const struct feed_point *)(const void *)cursor->p;
    for (uint64_t i = 0; i < ret->count; i++) {
        highest = ret->points[i].series > highest ? ret->points[i].series : highest;
    }
    cursor->bad = highest >= FEED_SERIES_MAX;
    cursor->p += ret->count * sizeof *ret->points;
}

static void take_failed(struct cursor *cursor, struct feed_record *ret)
{
    size_t size;
    take_source_time(cursor, ret);
    ret->text = take_text(cursor, &size);
}

static void take_count(struct cursor *cursor, struct feed_record *ret)
{
    ret->count = take_u64(cursor);
    (void)take_u64(cursor);
}

/* False when the payload is not exactly one of its kind. */
static bool decode(struct cursor *cursor, uint32_t kind, struct feed_record *ret)
{
    ret->kind = (enum feed_kind)kind;
    ret->text = "";
    switch (kind) {
    case FEED_SOURCE: take_source(cursor, ret); break;
    case FEED_SERIES: take_series(cursor, ret); break;
    case FEED_SAMPLE: take_sample(cursor, ret); break;
    case FEED_POINTS: take_points(cursor, ret); break;
    case FEED_STALE: take_series_time(cursor, ret); break;
    case FEED_HEARD:
    case FEED_ANSWERED: take_source_time(cursor, ret); break;
    case FEED_FAILED: take_failed(cursor, ret); break;
    case FEED_FORGET: take_series_time(cursor, ret); break;
    case FEED_LOST: take_count(cursor, ret); break;
    case FEED_RESYNC: take_count(cursor, ret); break;
    default: return false;
    }
    return !cursor->bad && cursor->end - cursor->p < 8;
}

enum status feed_reader_new(int fd, struct feed_reader **ret_reader, struct error *error)
{
    struct feed_header *header = NULL;
    size_t bytes = 0;
    TRY(feed_map(fd, &header, &bytes, error));
    struct feed_reader *reader = heap_alloc(sizeof *reader);
    reader->header = header;
    reader->ring = (const unsigned char *)header + FEED_HEADER_BYTES;
    reader->bytes = bytes;
    reader->tail = atomic_load_explicit(&header->head, memory_order_acquire);
    reader->generation = atomic_load(&header->generation) + 1;
    atomic_store_explicit(&header->tail, reader->tail, memory_order_release);
    atomic_store_explicit(&header->generation, reader->generation, memory_order_release);
    *ret_reader = reader;
    return STATUS_OK;
}

void feed_reader_free(struct feed_reader *reader)
{
    if (reader) {
        feed_unmap(reader->header, reader->bytes);
        free(reader);
    }
}

static enum status broken(struct feed_reader *reader, struct error *error, const char *what)
{
    reader->broken = true;
    error_set(&reader->broken_why, STATUS_PROTOCOL, "the feed from ingest is broken: %s", what);
    return error_set(error, STATUS_PROTOCOL, "%s", reader->broken_why.message);
}

/* Copies what is ready, at most that many bytes, into the chunk, behind the piece of a record that
 * is left there. */
static enum status refill(struct feed_reader *reader, size_t most, struct error *error)
{
    uint64_t head = atomic_load_explicit(&reader->header->head, memory_order_acquire);
    uint64_t ready = head - reader->tail;
    if (ready > reader->bytes || (head & 7) != 0) {
        return broken(reader, error, "its head is outside the ring");
    }
    size_t left = reader->filled - reader->used;
    memmove(reader->chunk, reader->chunk + reader->used, left);
    size_t room = sizeof reader->chunk - left;
    room = room < most ? room : most;
    size_t size = ready < room ? (size_t)ready : room;
    size_t at = (size_t)reader->tail & (reader->bytes - 1);
    size_t first = reader->bytes - at < size ? reader->bytes - at : size;
    memcpy(reader->chunk + left, reader->ring + at, first);
    memcpy(reader->chunk + left + first, reader->ring, size - first);
    reader->used = 0;
    reader->filled = left + size;
    reader->tail += size;
    atomic_store_explicit(&reader->header->tail, reader->tail, memory_order_release);
    return STATUS_OK;
}

/* The size of the record at the front of the chunk; 0 when it is not all there. */
static enum status front_size(struct feed_reader *reader, size_t *ret_size, struct error *error)
{
    size_t left = reader->filled - reader->used;
    uint32_t size;
    *ret_size = 0;
    if (left < FEED_PREFIX_BYTES) {
        return STATUS_OK;
    }
    memcpy(&size, reader->chunk + reader->used, sizeof size);
    if (size < FEED_PREFIX_BYTES || size > FEED_RECORD_BYTES_MAX || (size & 7) != 0) {
        return broken(reader, error, "a record has an impossible length");
    }
    *ret_size = left < size ? 0 : size;
    return STATUS_OK;
}

static enum status read_one(struct feed_reader *reader, struct feed_record *ret,
                            struct error *error)
{
    size_t size;
    ret->kind = FEED_NONE;
    TRY(front_size(reader, &size, error));
    if (size == 0) { /* a near cache holds what is copied; a large record is rare */
        TRY(refill(reader, FEED_NEAR_BYTES, error));
        TRY(front_size(reader, &size, error));
    }
    if (size == 0) {
        TRY(refill(reader, sizeof reader->chunk, error));
        TRY(front_size(reader, &size, error));
    }
    if (size == 0) {
        /* Only whole records are committed. */
        return reader->filled == 0 ? STATUS_OK : broken(reader, error, "half a record was given");
    }
    const unsigned char *p = reader->chunk + reader->used;
    struct cursor cursor = {p + FEED_PREFIX_BYTES, p + size, false};
    uint32_t kind;
    memcpy(&kind, p + 4, sizeof kind);
    reader->used += size;
    return decode(&cursor, kind, ret) ? STATUS_OK : broken(reader, error, "a record is malformed");
}

enum status feed_next(struct feed_reader *reader, struct feed_record *ret, struct error *error)
{
    if (reader->broken) {
        return error_set(error, STATUS_PROTOCOL, "%s", reader->broken_why.message);
    }
    for (;;) {
        TRY(read_one(reader, ret, error));
        if (ret->kind == FEED_NONE) {
            return STATUS_OK;
        }
        if (ret->kind == FEED_RESYNC) {
            reader->synced = reader->synced || ret->count == reader->generation;
        } else if (reader->synced) {
            return STATUS_OK;
        }
    }
}
