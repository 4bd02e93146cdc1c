/* A request of Prometheus remote write 1.0, decompressed, one item at a time, without a copy.
 *
 *     write_request_init(&request);
 *     write_request_open(&request, body, size);
 *     while (write_request_next(&request, &item, error) == STATUS_OK && item.kind) { ... }
 *     write_request_release(&request);
 *
 * Senders write a time series as its labels, then its samples. That form is read here by hand: set
 * `predicted` to the bytes of the labels the next series should have, and when it has them, they
 * are not looked at again. Every other form, and all labels, are nanopb's: it costs several times
 * what a whole sample may. tests/fuzz/fuzz_remote_write.c holds both against each other. */
#ifndef HEAL_RUNTIME_INGEST_WRITE_REQUEST_H
#define HEAL_RUNTIME_INGEST_WRITE_REQUEST_H

#include "lang/base.h"
#include "runtime/ingest/exposition.h"

enum {
    WRITE_LABELS_MAX = STORE_LABELS_MAX + 1,        /* __name__ too */
    WRITE_LABEL_BYTES_MAX = 64 << 10,               /* of all labels of one series */
    WRITE_SAMPLES_MAX = 100000,                     /* of one series in one request */
    WRITE_FAMILY_BYTES_MAX = STORE_LABEL_BYTES_MAX, /* of the name of a family */
};

enum write_kind { WRITE_END, WRITE_SERIES, WRITE_METADATA };

struct write_sample {
    int64_t ms;
    double value;
};

struct write_label {
    struct slice name, value;
};

struct write_item {
    enum write_kind kind;
    /* SERIES */
    struct slice key; /* its labels as sent; of no bytes when they do not stand together in front */
    bool predicted;
    bool labels_read; /* labels are set; else write_request_labels() sets them */
    bool labels_over; /* more than a limit of labels or bytes: what is set is not all */
    uint32_t label_count;
    uint32_t exemplars, histograms; /* how many; they are left out */
    const struct write_sample *samples;
    size_t sample_count;
    struct write_label labels[WRITE_LABELS_MAX];
    /* METADATA */
    struct slice family; /* cut off at WRITE_FAMILY_BYTES_MAX */
    uint32_t type;       /* as sent */
};

struct write_request {
    const unsigned char *at, *end;
    struct key_mark predicted;
    struct write_sample *samples;
    size_t sample_count, sample_capacity;
    size_t scratch_used;
    char *scratch; /* WRITE_LABEL_BYTES_MAX */
};

/* The request must outlive its items. */
void write_request_init(struct write_request *request);
void write_request_release(struct write_request *request);
/* A body to read; it stays the caller's. */
void write_request_open(struct write_request *request, const void *body, size_t size);

/* The next item, WRITE_END at the end. STATUS_PROTOCOL when the bytes are no such message,
 * STATUS_LIMIT. What an item points to lives until the next call. */
NODISCARD enum status write_request_next(struct write_request *request, struct write_item *ret,
                                         struct error *error);
/* Reads the labels of an item. */
NODISCARD enum status write_request_labels(struct write_request *request, struct write_item *item,
                                           struct error *error);
/* The labels of a key that was read once. */
void write_request_key(struct write_request *request, struct slice key, struct write_item *ret);

#endif
