/* The HTTP side of remote write and of events: which request is for which sender, whether it may be
 * taken, and what is answered. It knows no server: the listener hands it what it has of a request.
 *
 *     receiver_new(writer, &clock, &receiver);
 *     receiver_add(receiver, &options, error);
 *     if ((status = receiver_open(receiver, &request, &upload)) == 0) {
 *         receiver_bytes(upload, bytes, size);                        // as they come
 *         status = receiver_close(upload, &answer);
 *     }
 *     receiver_drop(upload);
 *
 * Statuses, as Prometheus' receiver gives them: 204 all is taken; 400 no request of remote write,
 * or some of its samples were refused, and the rest is taken; 401 without the token; 405 another
 * method than POST; 413 larger than body_max; 415 another encoding than snappy, or remote
 * write 2.0; 503 there is no room now, the same may be sent again. Of events a body is taken whole
 * or not at all. */
#ifndef HEAL_RUNTIME_INGEST_RECEIVER_H
#define HEAL_RUNTIME_INGEST_RECEIVER_H

#include "lang/base.h"
#include "runtime/ingest/event_source.h"
#include "runtime/ingest/remote_source.h"
#include "runtime/ingest/scrape.h"
#include "runtime/ingest/text.h"

#define RECEIVER_EVENTS_PATH "/api/v1/events"
enum {
    RECEIVER_SENDERS_MAX = 64,
    RECEIVER_UPLOAD_BYTES_MAX = 512 << 20, /* of all requests that are being received */
    RECEIVER_TOKEN_BYTES_MAX = 1024
};

struct receiver_options {
    const char *path;
    const char *token; /* NULL: none is asked for */
    struct remote_options source;
};

/* What is known of a request before its body; NULL: there is no such header. */
struct receiver_request {
    const char *path, *method;
    const char *content_type, *content_encoding, *content_length, *authorization, *version;
};

struct receiver;
struct upload;
void receiver_new(struct feed_writer *feed, const struct ingest_clock *clock,
                  struct receiver **ret_receiver);
void receiver_free(struct receiver *receiver);
NODISCARD enum status receiver_add(struct receiver *receiver,
                                   const struct receiver_options *options, struct error *error);
void receiver_announce(struct receiver *receiver);
/* Takes events at RECEIVER_EVENTS_PATH for a source, which stays the caller's. token NULL: none is
 * asked for. At most once. */
void receiver_add_events(struct receiver *receiver, struct event_source *events, const char *token);
/* The token in a file: its first line. The caller frees it. */
NODISCARD enum status receiver_read_token(const char *path, char **ret_token, struct error *error);

bool receiver_has(const struct receiver *receiver, const char *path);
/* 0 when the body may come, and an upload; else the status to answer now, with a line of text. */
unsigned receiver_open(struct receiver *receiver, const struct receiver_request *request,
                       struct upload **ret_upload, const char **ret_line);
/* A piece of the body. False when so much has come that the connection should be closed. */
bool receiver_bytes(struct upload *upload, const char *bytes, size_t size);
/* The body is complete: the status, and a line of text that lives until the next call. */
unsigned receiver_close(struct upload *upload, const char **ret_line);
void receiver_drop(struct upload *upload); /* may be NULL */

size_t receiver_count(const struct receiver *receiver);
const struct remote_source *receiver_source(const struct receiver *receiver, size_t i);
/* The counters of all senders, as text 0.0.4. */
void receiver_show(const struct receiver *receiver, struct text *text);

#endif
