/* Scraping by libcurl's multi interface. */
#include "runtime/ingest/scrape.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/ingest/text.h"

enum { SPARE_BODIES_MAX = 4, INSTANCE_BYTES_MAX = 600, REASON_BYTES_MAX = 200 };
#define TIMEOUT_DEFAULT_NS (10 * NS_PER_S)
#define TYPE_OPENMETRICS   "application/openmetrics-text"
#define ACCEPT_HEADER                                                               \
    "Accept: " TYPE_OPENMETRICS ";version=1.0.0," TYPE_OPENMETRICS ";version=0.0.1" \
    ";q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

struct target {
    struct scraper *scraper;
    char *url, *job, *instance;
    struct duration interval, timeout, offset;
    size_t body_bytes_max;
    struct intake *intake;
    CURL *curl;
    struct curl_slist *headers;
    struct instant due, started;
    bool running, headers_checked;
    enum exposition_format format; /* of this answer */
    struct text body;
    enum scrape_failure failure; /* of this scrape, when reason is not empty */
    char reason[REASON_BYTES_MAX];
};

struct scraper {
    struct feed_writer *feed;
    struct ingest_clock clock;
    CURLM *multi;
    struct target **targets;
    size_t count, capacity;
    struct text spare[SPARE_BODIES_MAX]; /* bodies are lent to running scrapes */
    size_t spare_count;
    struct scrape_stats stats;
};

static const char *const failure_names[] = {
#define SCRAPE_FAILURE(name, text) text,
#include "runtime/ingest/scrape.def"
};
_Static_assert(ARRAY_LEN(failure_names) == SCRAPE_FAILURE_COUNT, "every failure has its row");

const char *scrape_failure_name(enum scrape_failure failure)
{
    return failure_names[failure];
}

/* ---- bodies ---- */

static void body_lend(struct target *target)
{
    struct scraper *scraper = target->scraper;
    if (scraper->spare_count > 0) {
        target->body = scraper->spare[--scraper->spare_count];
    } else {
        text_init(&target->body, 0);
    }
    target->body.limit = target->body_bytes_max;
    text_clear(&target->body);
}

static void body_return(struct target *target)
{
    struct scraper *scraper = target->scraper;
    if (scraper->spare_count < SPARE_BODIES_MAX && target->body.capacity <= (4u << 20)) {
        scraper->spare[scraper->spare_count++] = target->body;
        target->body = (struct text){0};
    } else {
        text_release(&target->body);
    }
}

/* ---- one transfer ---- */

PRINTF_LIKE(3, 4)
static void fail(struct target *target, enum scrape_failure failure, const char *fmt, ...)
{
    va_list args;
    if (target->reason[0] != '\0') {
        return; /* the first reason is the cause of the others */
    }
    va_start(args, fmt);
    vsnprintf(target->reason, sizeof target->reason, fmt, args);
    va_end(args);
    target->failure = failure;
}

/* OpenMetrics, or text/plain of any version, or no type at all: the text format, as Prometheus'
 * fallback. What is something else is not read as if it were metrics. */
static bool content_type_find(const char *type, enum exposition_format *ret_format)
{
    size_t size = type ? strcspn(type, "; \t") : 0;
    bool open = size == strlen(TYPE_OPENMETRICS) && strncasecmp(type, TYPE_OPENMETRICS, size) == 0;
    *ret_format = open ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    return open || type == NULL ||
           (size == strlen("text/plain") && strncasecmp(type, "text/plain", size) == 0);
}

static void check_response(struct target *target)
{
    long code = 0;
    const char *type = NULL;
    target->headers_checked = true;
    curl_easy_getinfo(target->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(target->curl, CURLINFO_CONTENT_TYPE, &type);
    if (code >= 300 && code < 400) {
        fail(target, SCRAPE_FAILURE_REDIRECT,
             "the target redirects (status %ld); give its final url", code);
    } else if (code != 200) {
        fail(target, SCRAPE_FAILURE_STATUS, "the target answered with status %ld, not 200", code);
    } else if (!content_type_find(type, &target->format)) {
        fail(target, SCRAPE_FAILURE_CONTENT_TYPE,
             "content type '%.80s' is not taken, only text/plain and " TYPE_OPENMETRICS, type);
    }
}

static size_t on_body(char *bytes, size_t one, size_t size, void *ctx)
{
    struct target *target = ctx;
    (void)one;
    if (!target->headers_checked) {
        check_response(target);
    }
    if (target->reason[0] == '\0') {
        text_add(&target->body, bytes, size);
        if (target->body.full) {
            fail(target, SCRAPE_FAILURE_BODY_LIMIT, "the body has more than %zu bytes",
                 target->body_bytes_max);
        }
    }
    return target->reason[0] == '\0' ? size : 0; /* 0 ends the transfer */
}

static enum scrape_failure failure_of(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return SCRAPE_FAILURE_RESOLVE;
    case CURLE_COULDNT_CONNECT: return SCRAPE_FAILURE_CONNECT;
    case CURLE_OPERATION_TIMEDOUT: return SCRAPE_FAILURE_TIMEOUT;
    case CURLE_FILESIZE_EXCEEDED: return SCRAPE_FAILURE_BODY_LIMIT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE: return SCRAPE_FAILURE_TLS;
    default: return SCRAPE_FAILURE_TRANSFER;
    }
}

static struct duration transfer_time(const struct target *target)
{
    curl_off_t us = 0;
    curl_easy_getinfo(target->curl, CURLINFO_TOTAL_TIME_T, &us);
    return (struct duration){us * 1000};
}

static void take_answer(struct target *target)
{
    static const enum scrape_failure failures[] = {[INTAKE_SYNTAX] = SCRAPE_FAILURE_SYNTAX,
                                                   [INTAKE_LIMIT] = SCRAPE_FAILURE_LIMIT,
                                                   [INTAKE_FEED_FULL] = SCRAPE_FAILURE_FEED_FULL};
    struct error error;
    enum intake_outcome outcome =
        intake_answer(target->intake, target->format, target->body.bytes ? target->body.bytes : "",
                      target->body.size, target->started, transfer_time(target), &error);
    if (outcome != INTAKE_ANSWERED) {
        target->scraper->stats.failures[failures[outcome]]++;
    }
}

static void finish(struct target *target, CURLcode code)
{
    struct scraper *scraper = target->scraper;
    curl_multi_remove_handle(scraper->multi, target->curl);
    target->running = false;
    if (code == CURLE_OK && !target->headers_checked) {
        check_response(target); /* an empty body */
    }
    if (code != CURLE_OK) {
        fail(target, failure_of(code), "%s",
             code == CURLE_FILESIZE_EXCEEDED ? "the answer is larger than body_max"
                                             : curl_easy_strerror(code));
    }
    scraper->stats.scrapes++;
    scraper->stats.bytes += target->body.size;
    if (target->reason[0] == '\0') {
        take_answer(target);
    } else {
        scraper->stats.failures[target->failure]++;
        intake_fail(target->intake, target->started, transfer_time(target), target->reason);
    }
    body_return(target);
}

/* ---- targets ---- */

static enum status target_headers(struct target *target, struct error *error)
{
    char line[80];
    double seconds = duration_to_seconds(target->timeout);
    snprintf(line, sizeof line, "X-Prometheus-Scrape-Timeout-Seconds: %g", seconds);
    const char *const lines[] = {ACCEPT_HEADER, line};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct curl_slist *more = curl_slist_append(target->headers, lines[i]);
        if (more == NULL) {
            return error_set(error, STATUS_IO, "out of memory for the headers of a scrape");
        }
        target->headers = more;
    }
    return STATUS_OK;
}

static enum status target_curl(struct target *target, struct error *error)
{
    CURL *curl = target->curl = curl_easy_init();
    long timeout_ms = (long)(target->timeout.ns / NS_PER_MS);
    bool good =
        curl && curl_easy_setopt(curl, CURLOPT_URL, target->url) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms > 0 ? timeout_ms : 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)target->body_bytes_max) ==
            CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, target->headers) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "heald") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, target) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_PRIVATE, target) == CURLE_OK;
    return good ? STATUS_OK : error_set(error, STATUS_IO, "libcurl refuses to prepare a scrape");
}

/* host:port of the url, with the port of its scheme where it gives none. */
static enum status read_url(const char *url, char *ret_instance, size_t size, struct error *error)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL, *password = NULL;
    CURLU *parts = curl_url();
    enum status status = STATUS_OK;
    if (parts == NULL || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        status = error_set(error, STATUS_PROTOCOL, "'%.200s' is not a url", url);
    } else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        status = error_set(error, STATUS_DENIED, "'%.200s' is neither http nor https", url);
    } else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK ||
               curl_url_get(parts, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK) {
        status =
            error_set(error, STATUS_DENIED, "a url of a target must not hold a user or a password");
    } else {
        snprintf(ret_instance, size, "%s:%s", host, port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    curl_free(password);
    curl_url_cleanup(parts);
    return status;
}

static void target_free(struct target *target)
{
    if (target->curl) {
        if (target->running) {
            curl_multi_remove_handle(target->scraper->multi, target->curl);
        }
        curl_easy_cleanup(target->curl);
    }
    curl_slist_free_all(target->headers);
    intake_free(target->intake);
    text_release(&target->body);
    free(target->url);
    free(target->job);
    free(target->instance);
    free(target);
}

static enum status check_target(const struct scraper *scraper, const struct scrape_target *target,
                                const char *instance, struct error *error)
{
    if (scraper->count == SCRAPE_TARGETS_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d targets", SCRAPE_TARGETS_MAX);
    }
    if (target->interval.ns < 100 * NS_PER_MS || target->interval.ns > 86400 * NS_PER_S) {
        return error_set(error, STATUS_LIMIT,
                         "the interval of target '%.100s' is not between 100ms and 1d",
                         target->name);
    }
    if (target->timeout.ns < 0 || target->timeout.ns > target->interval.ns) {
        return error_set(error, STATUS_LIMIT,
                         "the timeout of target '%.100s' is longer than its interval",
                         target->name);
    }
    if (target->body_bytes_max > SCRAPE_BODY_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT,
                         "target '%.100s' asks for bodies of more than %d bytes", target->name,
                         SCRAPE_BODY_BYTES_MAX);
    }
    for (size_t i = 0; i < scraper->count; i++) {
        if (strcmp(scraper->targets[i]->job, target->name) == 0 &&
            strcmp(scraper->targets[i]->instance, instance) == 0) {
            return error_set(error, STATUS_DENIED,
                             "two targets are job '%.100s', instance '%.200s'", target->name,
                             instance);
        }
    }
    return STATUS_OK;
}

/* The answer is late one interval after it was due and took its full timeout. */
static enum status target_intake(struct target *target, uint32_t source, size_t series_max,
                                 struct error *error)
{
    char name[FEED_TEXT_BYTES_MAX];
    snprintf(name, sizeof name, "%.400s/%.600s", target->job, target->instance);
    struct intake_options options = {
        .id = source,
        .name = name,
        .job = target->job,
        .instance = target->instance,
        .interval = target->interval,
        .grace = {target->timeout.ns + target->interval.ns / 2},
        .limits = {.body_bytes = target->body_bytes_max, .series = series_max}};
    return intake_new(target->scraper->feed, &options, &target->intake, error);
}

/* The first place of the target's grid that is not before now. */
static struct instant next_due(const struct target *target, struct instant now)
{
    int64_t interval = target->interval.ns;
    int64_t past = (now.ns - target->offset.ns) % interval;
    past = past < 0 ? past + interval : past;
    return (struct instant){now.ns + (past == 0 ? 0 : interval - past)};
}

static uint64_t stable_hash(const struct target *target)
{
    uint64_t hash = hash_bytes(HASH_INIT, target->job, strlen(target->job) + 1);
    hash = hash_bytes(hash, target->instance, strlen(target->instance) + 1);
    hash = hash_bytes(hash, target->url, strlen(target->url));
    hash ^= hash >> 29; /* FNV's high bits are the better ones */
    return hash;
}

static enum status target_prepare(struct target *target, uint32_t source,
                                  const struct scrape_target *from, struct error *error)
{
    target->timeout = from->timeout;
    if (target->timeout.ns == 0) {
        int64_t most = TIMEOUT_DEFAULT_NS;
        target->timeout.ns = target->interval.ns < most ? target->interval.ns : most;
    }
    target->body_bytes_max =
        from->body_bytes_max ? from->body_bytes_max : SCRAPE_BODY_BYTES_DEFAULT;
    target->offset.ns = (int64_t)(stable_hash(target) % (uint64_t)target->interval.ns);
    target->due = next_due(target, target->scraper->clock.now(target->scraper->clock.ctx));
    TRY(target_headers(target, error));
    TRY(target_curl(target, error));
    return target_intake(target, source,
                         from->series_max ? from->series_max : SCRAPE_SERIES_DEFAULT, error);
}

enum status scrape_add(struct scraper *scraper, uint32_t source, const struct scrape_target *from,
                       struct error *error)
{
    char instance[INSTANCE_BYTES_MAX];
    TRY(read_url(from->url, instance, sizeof instance, error));
    if (from->instance && from->instance[0] != '\0') {
        if (strlen(from->instance) >= sizeof instance) {
            return error_set(error, STATUS_LIMIT, "the instance of target '%.100s' is too long",
                             from->name);
        }
        snprintf(instance, sizeof instance, "%s", from->instance);
    }
    TRY(check_target(scraper, from, instance, error));
    struct target *target = heap_alloc(sizeof *target);
    target->scraper = scraper;
    target->url = heap_strdup(from->url);
    target->job = heap_strdup(from->name);
    target->instance = heap_strdup(instance);
    target->interval = from->interval;
    enum status status = target_prepare(target, source, from, error);
    if (status != STATUS_OK) {
        target_free(target);
        return status;
    }
    ARRAY_RESERVE(scraper->targets, scraper->count, scraper->capacity);
    scraper->targets[scraper->count++] = target;
    scraper->stats.targets = scraper->count;
    return STATUS_OK;
}

/* ---- the loop ---- */

enum status scrape_new(struct feed_writer *feed, const struct ingest_clock *clock,
                       struct scraper **ret_scraper, struct error *error)
{
    struct scraper *scraper = heap_alloc(sizeof *scraper);
    scraper->feed = feed;
    scraper->clock = *clock;
    scraper->multi = curl_multi_init();
    if (scraper->multi == NULL) {
        free(scraper);
        return error_set(error, STATUS_IO, "libcurl refuses to start");
    }
    *ret_scraper = scraper;
    return STATUS_OK;
}

void scrape_free(struct scraper *scraper)
{
    if (!scraper) {
        return;
    }
    for (size_t i = 0; i < scraper->count; i++) {
        target_free(scraper->targets[i]);
    }
    for (size_t i = 0; i < scraper->spare_count; i++) {
        text_release(&scraper->spare[i]);
    }
    curl_multi_cleanup(scraper->multi);
    free(scraper->targets);
    free(scraper);
}

static void start(struct target *target, struct instant now)
{
    target->started = now;
    target->reason[0] = '\0';
    target->headers_checked = false;
    body_lend(target);
    target->running = true;
    if (curl_multi_add_handle(target->scraper->multi, target->curl) != CURLM_OK) {
        finish(target, CURLE_FAILED_INIT);
    }
}

/* Starts what is due; returns how long until the next is. A clock that stepped back does not leave
 * a target waiting for more than its interval. */
static int64_t start_due(struct scraper *scraper, struct instant now)
{
    int64_t wait_ns = INT64_MAX;
    for (size_t i = 0; i < scraper->count; i++) {
        struct target *target = scraper->targets[i];
        int64_t left = target->due.ns - now.ns;
        if (left > target->interval.ns) {
            target->due = next_due(target, now);
            left = target->due.ns - now.ns;
        }
        if (left <= 0) {
            target->due = next_due(target, (struct instant){now.ns + 1});
            left = target->due.ns - now.ns;
            if (target->running) {
                scraper->stats.missed++;
            } else {
                start(target, now);
            }
        }
        wait_ns = left < wait_ns ? left : wait_ns;
    }
    return wait_ns;
}

static void take_finished(struct scraper *scraper)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(scraper->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result;
            char *private = NULL;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
            finish((struct target *)(void *)private, code);
        }
    }
}

void scrape_announce(struct scraper *scraper)
{
    for (size_t i = 0; i < scraper->count; i++) {
        intake_announce(scraper->targets[i]->intake);
    }
}

enum status scrape_step(struct scraper *scraper, struct duration timeout, const int *fds,
                        size_t fd_count, struct error *error)
{
    struct curl_waitfd waits[SCRAPE_FDS_MAX];
    int running = 0;
    CHECK(fd_count <= SCRAPE_FDS_MAX);
    for (size_t i = 0; i < fd_count; i++) {
        waits[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
    }
    scrape_announce(scraper);
    int64_t wait_ns = start_due(scraper, scraper->clock.now(scraper->clock.ctx));
    wait_ns = timeout.ns < wait_ns ? timeout.ns : wait_ns;
    int wait_ms = (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS);
    CURLMcode code = curl_multi_perform(scraper->multi, &running);
    if (code == CURLM_OK) {
        code = curl_multi_poll(scraper->multi, waits, (unsigned)fd_count, wait_ms, NULL);
    }
    if (code == CURLM_OK) {
        code = curl_multi_perform(scraper->multi, &running);
    }
    if (code != CURLM_OK) {
        return error_set(error, STATUS_IO, "libcurl: %s", curl_multi_strerror(code));
    }
    take_finished(scraper);
    return STATUS_OK;
}

struct scrape_stats scrape_stats(const struct scraper *scraper)
{
    struct scrape_stats stats = scraper->stats;
    for (size_t i = 0; i < scraper->count; i++) {
        const struct intake_stats *more = intake_stats(scraper->targets[i]->intake);
        stats.intake.answers += more->answers;
        stats.intake.samples += more->samples;
        stats.intake.duplicates += more->duplicates;
        stats.intake.type_flips += more->type_flips;
        stats.intake.refused += more->refused;
        stats.intake.lost += more->lost;
        stats.intake.predicted += more->predicted;
        stats.intake.series += more->series;
    }
    return stats;
}
