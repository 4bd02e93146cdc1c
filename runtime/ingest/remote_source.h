/* One sender of remote write: from the body of a request to records in the feed.
 *
 * A request is decoded whole before any of it is taken; then each sample is taken or refused on its
 * own, as Prometheus' receiver does. What is taken reaches the engine at once, with the newest time
 * of it as the time the source was heard: a sender that catches up after an outage is not heard
 * until it has caught up, and one that is silent makes its series unknown.
 *
 *     remote_source_new(writer, &options, &source, error);
 *     outcome = remote_source_take(source, body, size, now, error);
 *
 * Series are what the sender calls them; nothing is added. One ends with a stale marker. Exemplars
 * and native histograms are counted and left out. */
#ifndef HEAL_RUNTIME_INGEST_REMOTE_SOURCE_H
#define HEAL_RUNTIME_INGEST_REMOTE_SOURCE_H

#include "lang/base.h"
#include "runtime/ingest/feed.h"

enum {
    REMOTE_BODY_BYTES_DEFAULT = 32 << 20,
    REMOTE_BODY_BYTES_MAX = 256 << 20,
    REMOTE_SERIES_DEFAULT = 100000,
    REMOTE_SAMPLES_MAX = 200000, /* of one request: they must fit into the feed together */
    REMOTE_RATIO_MAX = 22,       /* no block of snappy holds more than 64 bytes for 3 of its own */
    REMOTE_FUTURE_S = 600,       /* a sample further ahead is refused, as the store would */
    REMOTE_IDLE_S = 600          /* a series without a sample for so long is forgotten */
};

enum remote_refusal {
#define REMOTE_REFUSAL(name, text, doc) REMOTE_##name,
#include "runtime/ingest/remote.def"
    REMOTE_REFUSAL_COUNT
};
const char *remote_refusal_name(enum remote_refusal refusal);

enum remote_outcome {
    REMOTE_TAKEN,
    REMOTE_PARTIAL,   /* some was refused, the rest is taken */
    REMOTE_MALFORMED, /* neither snappy nor a request; nothing is taken */
    REMOTE_TOO_LARGE,
    REMOTE_FEED_FULL /* nothing is taken; later it may be */
};

struct remote_options {
    uint32_t id;
    const char *name;                /* of the source, unique */
    struct duration interval, grace; /* how often it sends, and how late it may be */
    size_t body_bytes;               /* decompressed; 0: REMOTE_BODY_BYTES_DEFAULT */
    size_t series;                   /* 0: REMOTE_SERIES_DEFAULT */
    size_t labels;                   /* of one series; 0, and at most: STORE_LABELS_MAX */
    size_t label_bytes;              /* of a name or value; 0, and at most: STORE_LABEL_BYTES_MAX */
};

struct remote_stats {
    uint64_t requests, samples, stale; /* taken; stale: of the samples */
    uint64_t outcomes[REMOTE_FEED_FULL + 1];
    uint64_t refused[REMOTE_REFUSAL_COUNT]; /* samples; of series without samples, series */
    uint64_t predicted;                     /* series whose labels were not read again */
    uint64_t exemplars, histograms, metadata;
    uint64_t type_flips; /* families whose metadata came with another type */
    uint64_t lost;       /* samples that did not fit into the feed */
    size_t series, series_max;
};

struct remote_source;
NODISCARD enum status remote_source_new(struct feed_writer *feed,
                                        const struct remote_options *options,
                                        struct remote_source **ret_source, struct error *error);
void remote_source_free(struct remote_source *source);
void remote_source_announce(struct remote_source *source);

/* The compressed body of one request. error holds the reason unless REMOTE_TAKEN. */
enum remote_outcome remote_source_take(struct remote_source *source, const void *body, size_t size,
                                       struct instant now, struct error *error);
const struct remote_stats *remote_source_stats(const struct remote_source *source);
const char *remote_source_name(const struct remote_source *source);
/* The type in the newest metadata of a family; 0, unknown, when there is none. */
uint32_t remote_source_type(const struct remote_source *source, const char *family);

#endif
