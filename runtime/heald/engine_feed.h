/* From the feed ring to the store: what ingest sends, taken into the engine's memory. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_FEED_H
#define HEAL_RUNTIME_HEALD_ENGINE_FEED_H

#include "runtime/engine/series.h"
#include "runtime/flight/flight.h"
#include "runtime/ingest/feed.h"

enum { SOURCE_TEXT_BYTES = 128 };

struct intake_source {
    char name[SOURCE_TEXT_BYTES], error[SOURCE_TEXT_BYTES];
    uint32_t store_id;
    struct instant last_answer;
    bool known;
};

/* An event that is new: a sample of heal_event. Its labels live until the call returns. */
typedef void engine_feed_event_f(void *ctx, const struct label_set *labels, struct instant time);

struct engine_feed {
    struct feed_reader *reader; /* NULL after nonsense, until it attaches again */
    struct store *store;
    struct flight *flight; /* gets what the store gets; NULL: none */
    uint32_t *series;      /* feed number -> store series; UINT32_MAX: refused */
    size_t series_capacity;
    struct intake_source *sources; /* FEED_SOURCES_MAX */
    size_t source_count;           /* one past the highest seen */
    struct store_point *points;    /* of one record */
    struct instant retry;
    struct duration skew;       /* added to every time: from ingest's clock to the engine's */
    engine_feed_event_f *event; /* NULL: nobody hears of events */
    void *event_ctx;
    uint64_t records, refused, lost, broken;
};

NODISCARD enum status engine_feed_open(struct engine_feed *feed, int fd, struct store *store,
                                       struct error *error);
void engine_feed_close(struct engine_feed *feed);

enum { FEED_RECORDS_PER_DRAIN_MAX = 4000000 };
/* Takes what is there now. Nonsense detaches the feed; it is attached again a second later, and
 * until then every source is as if it did not answer. */
void engine_feed_drain(struct engine_feed *feed, int fd, struct instant now);

#endif
