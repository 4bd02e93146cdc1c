/* The face on HTTP, by libmicrohttpd without a thread of its own. */
#include "runtime/ingest/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { METRICS_BYTES_MAX = PAGE_METRICS_BYTES_MAX + (64 << 10), ADDRESS_BYTES_MAX = 80 };

#define TYPE_TEXT    "text/plain; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct listener {
    struct MHD_Daemon *daemon;
    struct page *page;
    struct ingest_clock clock;
    struct listener_parts parts;
    struct text body, health;
    uint64_t requests, refused;
};

/* ---- the socket ---- */

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

static bool parse_port(const char *text, uint16_t *ret_port)
{
    unsigned port = 0;
    if (*text == '\0' || strlen(text) > 5) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(*text - '0');
    }
    *ret_port = (uint16_t)port;
    return port <= 65535;
}

static bool parse_address(const char *text, struct address *ret)
{
    char host[ADDRESS_BYTES_MAX];
    uint16_t port;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host || !parse_port(colon + 1, &port)) {
        return false;
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    size_t size = strlen(host);
    if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ret->storage;
        host[size - 1] = '\0';
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        ret->size = sizeof *six;
        return inet_pton(AF_INET6, host + 1, &six->sin6_addr) == 1;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)&ret->storage;
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    ret->size = sizeof *four;
    return inet_pton(AF_INET, host, &four->sin_addr) == 1;
}

int listener_bind(const char *text, struct error *error)
{
    struct address address = {0};
    int on = 1;
    if (!parse_address(text, &address)) {
        error_set(error, STATUS_PROTOCOL,
                  "'%.100s' is not ADDRESS:PORT with an address in numbers, such as 127.0.0.1:9464",
                  text);
        return -1;
    }
    int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address.storage, address.size) != 0 ||
        listen(fd, LISTENER_CONNECTIONS_MAX) != 0) {
        error_set(error, STATUS_IO, "cannot listen on %.100s: %s", text, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* ---- what is shown ---- */

static void show(struct text *text, const char *name, const char *type, const char *help,
                 uint64_t value)
{
    text_print(text, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type, name,
               value);
}

static void show_failures(struct text *text, const struct scrape_stats *stats)
{
    const char *name = "heald_ingest_scrape_failures_total";
    text_print(text, "# HELP %s Scrapes that gave no answer, by reason.\n# TYPE %s counter\n", name,
               name);
    for (size_t i = 0; i < SCRAPE_FAILURE_COUNT; i++) {
        text_print(text, "%s{reason=\"%s\"} %" PRIu64 "\n", name,
                   scrape_failure_name((enum scrape_failure)i), stats->failures[i]);
    }
}

static void show_scraper(struct text *text, const struct scraper *scraper)
{
    struct scrape_stats stats = scrape_stats(scraper);
    show(text, "heald_ingest_targets", "gauge", "Targets that are scraped.", stats.targets);
    show(text, "heald_ingest_series", "gauge", "Series known from the targets.",
         stats.intake.series);
    show(text, "heald_ingest_scrapes_total", "counter", "Scrapes that ended, well or not.",
         stats.scrapes);
    show_failures(text, &stats);
    show(text, "heald_ingest_scrapes_missed_total", "counter",
         "Scrapes that were due while the one before was still running.", stats.missed);
    show(text, "heald_ingest_body_bytes_total", "counter", "Bytes of bodies, decompressed.",
         stats.bytes);
    show(text, "heald_ingest_samples_total", "counter", "Samples passed to the engine.",
         stats.intake.samples);
    show(text, "heald_ingest_samples_predicted_total", "counter",
         "Samples whose series was the expected one, so that its labels were not parsed again.",
         stats.intake.predicted);
    show(text, "heald_ingest_samples_duplicate_total", "counter",
         "Samples of a series that was in the same body before.", stats.intake.duplicates);
    show(text, "heald_ingest_samples_refused_total", "counter",
         "Samples of families whose type had changed.", stats.intake.refused);
    show(text, "heald_ingest_samples_lost_total", "counter",
         "Samples dropped because the feed to the engine was full.", stats.intake.lost);
    show(text, "heald_ingest_type_flips_total", "counter",
         "Families whose type changed between two answers.", stats.intake.type_flips);
}

static void show_host(struct text *text, const struct host *host)
{
    const struct host_stats *stats = host_stats(host);
    show(text, "heald_ingest_host_collections_total", "counter",
         "Collections of the metrics of this host.", stats->collections);
    show(text, "heald_ingest_host_failures_total", "counter",
         "Collections that could not be taken.", stats->failures);
    show(text, "heald_ingest_host_limits_total", "counter",
         "Parts of a collection cut off at a limit.", stats->limited);
    show(text, "heald_ingest_host_series", "gauge", "Series of this host.", stats->series);
}

static void show_metrics(struct listener *listener)
{
    struct page_head head;
    struct text *body = &listener->body;
    /* The engine's text first: page_read() begins with an empty buffer. */
    enum status status = page_read(listener->page, &head, NULL, body);
    if (status != STATUS_OK || (body->size > 0 && body->bytes[body->size - 1] != '\n')) {
        text_clear(body);
    }
    if (listener->parts.scraper) {
        show_scraper(body, listener->parts.scraper);
    }
    if (listener->parts.host) {
        show_host(body, listener->parts.host);
    }
    if (listener->parts.receiver) {
        receiver_show(listener->parts.receiver, body);
    }
    show(body, "heald_ingest_http_requests_total", "counter", "Requests to this listener.",
         listener->requests);
    show(body, "heald_ingest_http_refused_total", "counter",
         "Requests refused for their method or path.", listener->refused);
}

/* Health text into the body; true when the page is fresh, ret_ready what the engine says. */
static bool show_health(struct listener *listener, bool *ret_ready)
{
    struct page_head head = {0};
    struct text *body = &listener->body;
    text_clear(body);
    *ret_ready = false;
    switch (page_read(listener->page, &head, &listener->health, NULL)) {
    case STATUS_OK: break;
    case STATUS_NOT_FOUND: text_print(body, "the engine has not reported yet\n"); return false;
    case STATUS_IO:
    case STATUS_LIMIT:
    case STATUS_PROTOCOL:
    case STATUS_DENIED: text_print(body, "the page of the engine cannot be read\n"); return false;
    }
    struct instant now = listener->clock.now(listener->clock.ctx);
    double age = duration_to_seconds(instant_sub(now, head.heartbeat));
    if (age >= (double)LISTENER_FRESH_S || age < -LISTENER_FRESH_S) {
        text_print(body, "the engine last reported %.1f s ago\n", age);
        return false;
    }
    *ret_ready = head.ready;
    if (listener->health.size == 0) {
        text_print(body, head.ready ? "ready\n" : "not ready\n");
    }
    text_add(body, listener->health.bytes ? listener->health.bytes : "", listener->health.size);
    return true;
}

/* ---- requests ---- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned code, const char *type,
                             const char *bytes, size_t size, const char *allow)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)bytes, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result result = MHD_add_response_header(response, "Content-Type", type);
    if (result == MHD_YES) {
        result = MHD_add_response_header(response, "Cache-Control", "no-store");
    }
    if (result == MHD_YES && allow) {
        result = MHD_add_response_header(response, "Allow", allow);
    }
    if (result == MHD_YES && code == MHD_HTTP_UNAUTHORIZED) {
        result = MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    }
    if (result == MHD_YES) {
        result = MHD_queue_response(connection, code, response);
    }
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result reply_text(struct MHD_Connection *connection, unsigned code,
                                  const char *line, const char *allow)
{
    return reply(connection, code, TYPE_TEXT, line, strlen(line), allow);
}

static enum MHD_Result reply_health(struct listener *listener, struct MHD_Connection *connection,
                                    bool must_be_ready)
{
    bool ready, fresh = show_health(listener, &ready);
    bool good = fresh && (ready || !must_be_ready);
    return reply(connection, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, TYPE_TEXT,
                 listener->body.bytes, listener->body.size, NULL);
}

/* ---- remote write ---- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result begin_upload(struct listener *listener, struct MHD_Connection *connection,
                                    const char *url, const char *method, void **request_ctx)
{
    const struct receiver_request request = {
        .path = url,
        .method = method,
        .content_type = header(connection, "Content-Type"),
        .content_encoding = header(connection, "Content-Encoding"),
        .content_length = header(connection, "Content-Length"),
        .authorization = header(connection, "Authorization"),
        .version = header(connection, "X-Prometheus-Remote-Write-Version"),
    };
    const char *line = "";
    struct upload *upload = NULL;
    unsigned code = receiver_open(listener->parts.receiver, &request, &upload, &line);
    *request_ctx = upload;
    if (code == 0) {
        return MHD_YES;
    }
    listener->refused++;
    return reply_text(connection, code, line, code == MHD_HTTP_METHOD_NOT_ALLOWED ? "POST" : NULL);
}

static enum MHD_Result continue_upload(struct MHD_Connection *connection, const char *bytes,
                                       size_t *size, void **request_ctx)
{
    if (*size > 0) {
        bool goes_on = receiver_bytes(*request_ctx, bytes, *size);
        *size = 0;
        return goes_on ? MHD_YES : MHD_NO;
    }
    const char *line = "";
    unsigned code = receiver_close(*request_ctx, &line);
    return reply_text(connection, code, line, NULL);
}

/* ---- requests, continued ---- */

static char read_only; /* the context of a request without an upload */

static enum MHD_Result begin_request(struct listener *listener, struct MHD_Connection *connection,
                                     const char *url, const char *method, void **request_ctx)
{
    listener->requests++;
    if (listener->parts.receiver && receiver_has(listener->parts.receiver, url)) {
        return begin_upload(listener, connection, url, method, request_ctx);
    }
    *request_ctx = &read_only;
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        return MHD_YES; /* MHD calls again when the request is complete */
    }
    listener->refused++; /* before its body, which is then not read */
    return reply_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n", "GET, HEAD");
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **request_ctx)
{
    struct listener *listener = ctx;
    (void)version;
    if (*request_ctx == NULL) {
        return begin_request(listener, connection, url, method, request_ctx);
    }
    if (*request_ctx != &read_only) {
        return continue_upload(connection, upload, upload_size, request_ctx);
    }
    if (*upload_size > 0) {
        return MHD_NO; /* a body has no place here: the connection is closed */
    }
    if (strcmp(url, "/livez") == 0) {
        return reply_health(listener, connection, false);
    }
    if (strcmp(url, "/readyz") == 0) {
        return reply_health(listener, connection, true);
    }
    if (strcmp(url, "/metrics") == 0) {
        show_metrics(listener);
        return reply(connection, MHD_HTTP_OK, TYPE_METRICS, listener->body.bytes,
                     listener->body.size, NULL);
    }
    listener->refused++;
    return reply_text(connection, MHD_HTTP_NOT_FOUND, "here are /livez, /readyz and /metrics\n",
                      NULL);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request_ctx,
                         enum MHD_RequestTerminationCode code)
{
    (void)ctx;
    (void)connection;
    (void)code;
    if (*request_ctx != &read_only) {
        receiver_drop(*request_ctx);
    }
    *request_ctx = NULL;
}

/* ---- life ---- */

enum status listener_new(int take_fd, struct page *page, const struct ingest_clock *clock,
                         const struct listener_parts *parts, struct listener **ret_listener,
                         struct error *error)
{
    struct listener *listener = heap_alloc(sizeof *listener);
    listener->page = page;
    listener->clock = *clock;
    listener->parts = *parts;
    text_init(&listener->body, METRICS_BYTES_MAX);
    text_init(&listener->health, PAGE_HEALTH_BYTES_MAX);
    listener->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, on_request, listener, MHD_OPTION_LISTEN_SOCKET, take_fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)LISTENER_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)LISTENER_CONNECTIONS_PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)LISTENER_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(16 << 10),
        MHD_OPTION_END);
    if (listener->daemon == NULL) {
        close(take_fd);
        listener_free(listener);
        return error_set(error, STATUS_IO, "the HTTP listener does not start");
    }
    *ret_listener = listener;
    return STATUS_OK;
}

void listener_free(struct listener *listener)
{
    if (!listener) {
        return;
    }
    if (listener->daemon) {
        MHD_stop_daemon(listener->daemon);
    }
    text_release(&listener->body);
    text_release(&listener->health);
    free(listener);
}

int listener_fd(const struct listener *listener)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    CHECK(info != NULL);
    return info->epoll_fd;
}

struct duration listener_timeout(struct listener *listener, struct duration most)
{
    MHD_UNSIGNED_LONG_LONG ms;
    if (MHD_get_timeout(listener->daemon, &ms) == MHD_YES && ms < (1ULL << 40) &&
        (int64_t)ms * NS_PER_MS < most.ns) {
        most.ns = (int64_t)ms * NS_PER_MS;
    }
    return most;
}

void listener_step(struct listener *listener)
{
    (void)MHD_run(listener->daemon);
}
