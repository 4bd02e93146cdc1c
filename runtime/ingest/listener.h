/* The read-only face on HTTP: /livez, /readyz, /metrics. GET and HEAD, nothing else, and POST
 * for the paths of a receiver of remote write.
 *
 * It has no thread: the caller's loop waits for listener_fd() and calls listener_step().
 *
 *     int fd = listener_bind("127.0.0.1:9464", error);             // while there is privilege
 *     listener_new(fd, page, &clock, scraper, host, &listener, error);
 *     scrape_step(scraper, listener_timeout(listener, second), &(int){listener_fd(listener)}, 1,
 * e); listener_step(listener); */
#ifndef HEAL_RUNTIME_INGEST_LISTENER_H
#define HEAL_RUNTIME_INGEST_LISTENER_H

#include "lang/base.h"
#include "runtime/ingest/host.h"
#include "runtime/ingest/page.h"
#include "runtime/ingest/receiver.h"
#include "runtime/ingest/scrape.h"

enum {
    LISTENER_CONNECTIONS_MAX = 64,
    LISTENER_CONNECTIONS_PER_ADDRESS_MAX = 32,
    LISTENER_TIMEOUT_S = 10,
    LISTENER_FRESH_S = 10 /* an older page of the engine is as good as none */
};

/* "ADDRESS:PORT", an address in numbers, [..] around IPv6; a listening socket or -1. */
NODISCARD int listener_bind(const char *address, struct error *error);

struct listener;
/* What may be shown and asked, each NULL or the caller's. */
struct listener_parts {
    const struct scraper *scraper;
    const struct host *host;
    struct receiver *receiver;
};
/* Takes fd. */
NODISCARD enum status listener_new(int take_fd, struct page *page, const struct ingest_clock *clock,
                                   const struct listener_parts *parts,
                                   struct listener **ret_listener, struct error *error);
void listener_free(struct listener *listener);
int listener_fd(const struct listener *listener);
/* How long the loop may wait: at most `most`. */
struct duration listener_timeout(struct listener *listener, struct duration most);
void listener_step(struct listener *listener);

#endif
