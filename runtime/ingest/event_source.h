/* The source of events: what people and pipelines post, as samples in the feed.
 *
 * An event is one sample of heal_event{kind="deploy", ...}, with the value 1 at its time. The
 * source is heard every EVENT_INTERVAL_S, with a sample of heal_event_source, as long as this
 * process lives: so where no event came none was there, and its silence makes all that is asked of
 * it unknown. Several events of the same labels that came without a time lie at least a millisecond
 * apart. One with a time that its labels have already is the same once more, and no fault; one that
 * is older than the newest of its labels cannot be taken.
 *
 *     event_source_new(writer, id, &source, error);
 *     wait = event_source_step(source, now);
 *     outcome = event_source_take(source, body, size, now, error); */
#ifndef HEAL_RUNTIME_INGEST_EVENT_SOURCE_H
#define HEAL_RUNTIME_INGEST_EVENT_SOURCE_H

#include "runtime/ingest/event_body.h"
#include "runtime/ingest/feed.h"

enum {
    EVENT_SERIES_MAX = 1000, /* label sets at a time; for a new one the older half is forgotten */
    EVENT_RECENT_MAX = 64,   /* given once more to an engine that has just attached */
    EVENT_PER_MINUTE_MAX = 600, /* for long: each is a record of the journal */
    EVENT_BURST_MAX = 5000,     /* at once, after a while without any */
    EVENT_INTERVAL_S = 5,
    EVENT_GRACE_S = 10
};
#define EVENT_SOURCE_NAME "events"

enum event_outcome { EVENT_TAKEN, EVENT_MALFORMED, EVENT_FEED_FULL, EVENT_TOO_MANY };

struct event_stats {
    uint64_t requests, events, repeated;
    uint64_t outcomes[EVENT_TOO_MANY + 1];
    size_t series;
};

/* What a person may hear of an event that was taken. */
typedef void event_tell_f(void *ctx, const struct event *event);

struct event_source;
NODISCARD enum status event_source_new(struct feed_writer *feed, uint32_t id,
                                       struct event_source **ret, struct error *error);
void event_source_free(struct event_source *source); /* NULL is fine */
void event_source_tell(struct event_source *source, event_tell_f *tell, void *ctx);
/* Is heard when it is due; how long until it is due again. */
struct duration event_source_step(struct event_source *source, struct instant now);
/* All events of a body, or none of them; error holds the reason unless EVENT_TAKEN. */
enum event_outcome event_source_take(struct event_source *source, const char *body, size_t size,
                                     struct instant now, struct error *error);
const struct event_stats *event_source_stats(const struct event_source *source);

#endif
