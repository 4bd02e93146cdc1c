/* The ring between ingest, which writes it, and the engine, which reads it and trusts nothing in
 * it.
 *
 * One producer, one consumer, a sealed memfd mapped by both. Records become visible at
 * feed_commit(), so an answer is seen whole or not at all. The reader copies bytes into private
 * memory before it looks at them, checks every length and number there, and gives STATUS_PROTOCOL
 * for ever after the first nonsense.
 *
 *     int fd = feed_create(8 << 20, error);                       // parent
 *     feed_writer_new(fd, wake_fd, &writer, error);               // ingest
 *     feed_reader_new(fd, &reader, error);                        // engine
 *     while ((status = feed_next(reader, &record, error)) == STATUS_OK && record.kind) { ... }
 *
 * Every reader that attaches asks for all definitions again: it skips what is in the ring until the
 * writer has answered its generation. After that a series number is always defined before it is
 * used; a reader that meets an undefined one is reading a broken writer. */
#ifndef HEAL_RUNTIME_INGEST_FEED_H
#define HEAL_RUNTIME_INGEST_FEED_H

#include "lang/base.h"
#include "runtime/engine/series.h"

enum {
    FEED_BYTES_MIN = 1 << 18,
    FEED_BYTES_MAX = 1 << 28,
    FEED_SERIES_MAX = STORE_SERIES_MAX,
    FEED_SOURCES_MAX = STORE_SOURCES_MAX,
    FEED_LABELS_MAX = STORE_LABELS_MAX,
    FEED_TEXT_BYTES_MAX = STORE_LABEL_BYTES_MAX, /* of one name, label value or reason */
    FEED_RECORD_BYTES_MAX = 1 << 16,
    FEED_URGENT_BYTES = 1 << 14 /* kept free for what must be said when the ring is full */
};

enum feed_kind {
    FEED_NONE, /* nothing to read now */
    FEED_SOURCE,
    FEED_SERIES,
    FEED_SAMPLE,
    FEED_POINTS, /* samples of one answer */
    FEED_STALE,
    FEED_ANSWERED,
    FEED_HEARD, /* samples of the source up to this time are there, but not of all its series */
    FEED_FAILED,
    FEED_FORGET, /* the number is free; its series may come back under another. A SERIES whose
                    number is in use means the same for the series that had it */
    FEED_LOST,   /* samples dropped because the ring was full */
    FEED_RESYNC  /* never given to the caller of feed_next() */
};

/* A sample, so many milliseconds after the time of its record. A value with the bits of the stale
 * marker ends the series. */
struct feed_point {
    uint32_t series;
    int32_t ms;
    double value;
};

/* Text and points are in the reader and live until the next feed_next(). */
struct feed_record {
    enum feed_kind kind;
    uint32_t source; /* SOURCE SERIES ANSWERED HEARD FAILED */
    uint32_t series; /* SERIES SAMPLE STALE FORGET */
    struct instant time;
    double value;
    uint64_t count;                  /* LOST POINTS */
    const struct feed_point *points; /* POINTS */
    struct duration interval, grace; /* SOURCE */
    const char *text;                /* name of a source, name of a metric, reason */
    uint32_t label_count;            /* SERIES: sorted by name, values not empty */
    struct label labels[FEED_LABELS_MAX];
};

/* A sealed memfd of `bytes` (a power of two) and a header; -1 with error set. */
NODISCARD int feed_create(size_t bytes, struct error *error);

struct feed_writer;
/* wake_fd: an eventfd or pipe written to when an answer or a failure is committed; -1 is none. The
 * writer does not own it, nor fd. */
NODISCARD enum status feed_writer_new(int fd, int wake_fd, struct feed_writer **ret_writer,
                                      struct error *error);
void feed_writer_free(struct feed_writer *writer);

/* Counts up each time a reader asks for all definitions; what was sent under an older generation
 * must be sent again before it is used. Look once before a transaction. */
uint32_t feed_writer_generation(struct feed_writer *writer);
/* A free series number of this feed; false when all are taken. */
NODISCARD bool feed_number_take(struct feed_writer *writer, uint32_t *ret_number);
void feed_number_give(struct feed_writer *writer, uint32_t number);

/* Writes are staged until feed_commit(); feed_rollback() takes back what was staged. STATUS_LIMIT
 * when the ring is full or the record too large. urgent: may use the space kept free. */
NODISCARD enum status feed_write_source(struct feed_writer *writer, uint32_t source,
                                        const char *name, struct duration interval,
                                        struct duration grace);
/* encoded: from feed_encode_series(). */
NODISCARD enum status feed_write_series(struct feed_writer *writer, uint32_t series,
                                        uint32_t source, const void *encoded, size_t size);
NODISCARD enum status feed_write_sample(struct feed_writer *writer, uint32_t series,
                                        struct instant time, double value);
/* In as many records as they need. */
NODISCARD enum status feed_write_points(struct feed_writer *writer, struct instant time,
                                        const struct feed_point *points, size_t count);
NODISCARD enum status feed_write_stale(struct feed_writer *writer, uint32_t series,
                                       struct instant time);
NODISCARD enum status feed_write_answered(struct feed_writer *writer, uint32_t source,
                                          struct instant time);
NODISCARD enum status feed_write_heard(struct feed_writer *writer, uint32_t source,
                                       struct instant time);
NODISCARD enum status feed_write_failed(struct feed_writer *writer, uint32_t source,
                                        struct instant time, const char *reason);
NODISCARD enum status feed_write_forget(struct feed_writer *writer, uint32_t series);
/* Remembered and written as soon as there is room; never fails. */
void feed_lost(struct feed_writer *writer, uint64_t samples);
void feed_urgent(struct feed_writer *writer, bool urgent);
void feed_commit(struct feed_writer *writer);
void feed_rollback(struct feed_writer *writer);

/* The payload of a SERIES record, which is also the identity of a series: the name and the labels,
 * which must be sorted by name, unique and not empty. 0 when it does not fit size or a limit. */
size_t feed_encode_series(const char *name, const struct label *labels, size_t count, void *buffer,
                          size_t size);

struct feed_reader;
NODISCARD enum status feed_reader_new(int fd, struct feed_reader **ret_reader, struct error *error);
void feed_reader_free(struct feed_reader *reader);
/* The next record; kind FEED_NONE when there is none now. */
NODISCARD enum status feed_next(struct feed_reader *reader, struct feed_record *ret,
                                struct error *error);

#endif
