/* Scraping: HTTP(S) targets in the Prometheus text format or OpenMetrics, each at its own pace.
 *
 * All targets are driven by one thread and none waits for another. A target is scraped once an
 * interval, at an offset that follows from its name, so targets spread out and keep their place
 * over restarts. No redirects, no proxies, no credentials, no other protocols.
 *
 *     scrape_new(writer, &clock, &scraper, error);
 *     scrape_add(scraper, &target, error);
 *     for (;;) {
 *         scrape_step(scraper, duration_seconds(1), fds, fd_count);
 *     }
 *
 * The caller has called curl_global_init(). */
#ifndef HEAL_RUNTIME_INGEST_SCRAPE_H
#define HEAL_RUNTIME_INGEST_SCRAPE_H

#include "lang/base.h"
#include "runtime/ingest/feed.h"
#include "runtime/ingest/intake.h"

enum {
    SCRAPE_TARGETS_MAX = 1000,
    SCRAPE_FDS_MAX = 16,
    SCRAPE_BODY_BYTES_DEFAULT = 16 << 20,
    SCRAPE_BODY_BYTES_MAX = 256 << 20,
    SCRAPE_SERIES_DEFAULT = 50000
};

/* The seam to the clock. */
struct ingest_clock {
    struct instant (*now)(void *ctx);
    void *ctx;
};

struct scrape_target {
    const char *name;     /* the job */
    const char *url;      /* http:// or https://, without user and password */
    const char *instance; /* NULL or "": host:port of the url */
    struct duration interval;
    struct duration timeout; /* 0: the interval, at most 10s; never longer than the interval */
    size_t body_bytes_max;   /* decompressed; 0: SCRAPE_BODY_BYTES_DEFAULT */
    size_t series_max;       /* 0: SCRAPE_SERIES_DEFAULT */
};

enum scrape_failure {
#define SCRAPE_FAILURE(name, text) SCRAPE_FAILURE_##name,
#include "runtime/ingest/scrape.def"
    SCRAPE_FAILURE_COUNT
};

struct scrape_stats {
    uint64_t scrapes, bytes;
    uint64_t missed; /* due while the last one was still running */
    uint64_t failures[SCRAPE_FAILURE_COUNT];
    struct intake_stats intake; /* summed over the targets */
    size_t targets;
};

struct scraper;
NODISCARD enum status scrape_new(struct feed_writer *feed, const struct ingest_clock *clock,
                                 struct scraper **ret_scraper, struct error *error);
void scrape_free(struct scraper *scraper);

/* Adds a target as source `source` of the feed. Texts are copied. Two targets with the same job and
 * instance are refused. */
NODISCARD enum status scrape_add(struct scraper *scraper, uint32_t source,
                                 const struct scrape_target *target, struct error *error);

/* Starts what is due, waits for the network or one of the extra descriptors (readable) at most
 * timeout, takes the answers that are complete. Returns when something happened. */
NODISCARD enum status scrape_step(struct scraper *scraper, struct duration timeout, const int *fds,
                                  size_t fd_count, struct error *error);

/* Tells a new reader all sources; call when the engine has been started again. scrape_step() does.
 */
void scrape_announce(struct scraper *scraper);

struct scrape_stats scrape_stats(const struct scraper *scraper);
const char *scrape_failure_name(enum scrape_failure failure);

#endif
