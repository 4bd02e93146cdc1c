/* A page of text the engine publishes and ingest serves: readiness, health, metrics.
 *
 * A sealed memfd under a sequence lock: one writer that never waits, readers that take a private
 * copy and check it.
 *
 *     int fd = page_create(error);
 *     page_publish(page, &(struct page_head){.ready = true, .heartbeat = now}, health, hs, text,
 * ts); page_read(page, &head, &health, &metrics)     // text buffers of the reader */
#ifndef HEAL_RUNTIME_INGEST_PAGE_H
#define HEAL_RUNTIME_INGEST_PAGE_H

#include "lang/base.h"
#include "runtime/ingest/text.h"

enum { PAGE_HEALTH_BYTES_MAX = 4096, PAGE_METRICS_BYTES_MAX = 1 << 20 };

struct page_head {
    bool ready;
    struct instant heartbeat;
};

struct page;
NODISCARD int page_create(struct error *error); /* -1 with error set */
NODISCARD enum status page_attach(int fd, struct page **ret_page, struct error *error);
void page_free(struct page *page);

/* STATUS_LIMIT when a text is too long: then head is published with the texts there were. */
enum status page_publish(struct page *page, const struct page_head *head, const char *health,
                         size_t health_size, const char *metrics, size_t metrics_size);

/* STATUS_NOT_FOUND before the first publication, STATUS_PROTOCOL when no consistent copy could be
 * had. Either text may be NULL. */
NODISCARD enum status page_read(const struct page *page, struct page_head *ret_head,
                                struct text *ret_health, struct text *ret_metrics);

#endif
