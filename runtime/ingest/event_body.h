/* The body of POST /api/v1/events: one event or an array of them, as JSON.
 *
 *     {"kind": "deploy", "time": "2026-11-28T14:03:07Z", "labels": {"service": "checkout"},
 *      "text": "release 4.2"}
 *
 * kind is a word, or any text; labels and text may be left out, and time, which is now then: RFC
 * 3339, or seconds since 1970. A body is taken whole or not at all. */
#ifndef HEAL_RUNTIME_INGEST_EVENT_BODY_H
#define HEAL_RUNTIME_INGEST_EVENT_BODY_H

#include <jansson.h>

#include "lang/base.h"
#include "runtime/engine/series.h"

enum {
    EVENT_BODY_BYTES_MAX = 64 << 10,
    EVENT_COUNT_MAX = 100,     /* of one body */
    EVENT_LABELS_MAX = 16,     /* of one event, beside its kind */
    EVENT_KIND_BYTES_MAX = 63, /* a name of the journal */
    EVENT_SET_BYTES_MAX = 400, /* of kind and labels as JSON: they fit into a record */
    EVENT_TEXT_BYTES_MAX = 200,
    EVENT_AGE_MAX_S = 24 * 3600,
    EVENT_FUTURE_MAX_S = 60 /* the sender's clock may be a little ahead */
};

struct event {
    char *set;  /* its labels, kind among them, as compact JSON in the order of their names */
    char *text; /* NULL: none */
    int64_t ms; /* since 1970 */
    bool timed; /* the sender said when: the same again is no second event */
};

/* At most EVENT_COUNT_MAX events into ret; events_release() frees their texts. STATUS_PROTOCOL with
 * the event and what is wrong with it, STATUS_LIMIT. */
NODISCARD enum status event_body_read(const char *body, size_t size, struct instant now,
                                      struct event ret[EVENT_COUNT_MAX], size_t *ret_count,
                                      struct error *error);
void events_release(struct event *events, size_t count);

/* The labels of a set; `ret` points into *ret_json, which the caller releases. The count, or 0
 * when the text is no such set. */
size_t event_set_labels(const char *set, size_t size, struct label ret[EVENT_LABELS_MAX + 1],
                        json_t **ret_json);

#endif
