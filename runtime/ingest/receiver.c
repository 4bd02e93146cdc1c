/* Requests of remote write and of events, from their headers to the status. */
#include "runtime/ingest/receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    STATUS_NO_CONTENT = 204,
    STATUS_BAD = 400,
    STATUS_UNAUTHORIZED = 401,
    STATUS_METHOD = 405,
    STATUS_LARGE = 413,
    STATUS_MEDIA = 415,
    STATUS_BUSY = 503,
    LINE_BYTES = 500,
    DRAIN_FACTOR = 2 /* so many times what is taken is read of a body that is refused */
};

struct sender {
    char *path, *token;
    size_t body_bytes;
    struct remote_source *source; /* NULL: it is that of events */
    struct event_source *events;  /* the caller's */
};

struct receiver {
    struct feed_writer *feed;
    struct ingest_clock clock;
    struct sender senders[RECEIVER_SENDERS_MAX];
    size_t count;
    struct sender events; /* path NULL: none */
    size_t uploading;     /* bytes of memory of all uploads */
    uint64_t unauthorized;
    char line[LINE_BYTES];
};

struct upload {
    struct receiver *receiver;
    struct sender *sender;
    char *bytes;
    size_t size, capacity, seen;
    unsigned refused; /* a status, once there was too much */
};

/* ---- life ---- */

void receiver_new(struct feed_writer *feed, const struct ingest_clock *clock,
                  struct receiver **ret_receiver)
{
    struct receiver *receiver = heap_alloc(sizeof *receiver);
    receiver->feed = feed;
    receiver->clock = *clock;
    *ret_receiver = receiver;
}

static void sender_release(struct sender *sender)
{
    if (sender->token) {
        sodium_memzero(sender->token, strlen(sender->token));
    }
    free(sender->token);
    free(sender->path);
    remote_source_free(sender->source);
}

void receiver_free(struct receiver *receiver)
{
    if (!receiver) {
        return;
    }
    for (size_t i = 0; i < receiver->count; i++) {
        sender_release(&receiver->senders[i]);
    }
    sender_release(&receiver->events);
    free(receiver);
}

enum status receiver_add(struct receiver *receiver, const struct receiver_options *options,
                         struct error *error)
{
    struct sender *sender = &receiver->senders[receiver->count];
    if (receiver->count == RECEIVER_SENDERS_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d senders of remote write",
                         RECEIVER_SENDERS_MAX);
    }
    TRY(remote_source_new(receiver->feed, &options->source, &sender->source, error));
    sender->path = heap_strdup(options->path);
    sender->token = options->token ? heap_strdup(options->token) : NULL;
    sender->body_bytes =
        options->source.body_bytes ? options->source.body_bytes : REMOTE_BODY_BYTES_DEFAULT;
    receiver->count++;
    return STATUS_OK;
}

void receiver_add_events(struct receiver *receiver, struct event_source *events, const char *token)
{
    CHECK(receiver->events.path == NULL);
    receiver->events = (struct sender){.path = heap_strdup(RECEIVER_EVENTS_PATH),
                                       .token = token ? heap_strdup(token) : NULL,
                                       .body_bytes = EVENT_BODY_BYTES_MAX,
                                       .events = events};
}

void receiver_announce(struct receiver *receiver)
{
    for (size_t i = 0; i < receiver->count; i++) {
        remote_source_announce(receiver->senders[i].source);
    }
}

enum status receiver_read_token(const char *path, char **ret_token, struct error *error)
{
    char token[RECEIVER_TOKEN_BYTES_MAX + 2] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return error_set(error, STATUS_IO, "cannot open '%.200s': %s", path, strerror(errno));
    }
    char *got = fgets(token, sizeof token, file);
    fclose(file);
    size_t size = got ? strcspn(token, "\r\n") : 0;
    if (size == 0 || size > RECEIVER_TOKEN_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT,
                         "'%.200s' does not begin with a token of at most %d bytes", path,
                         RECEIVER_TOKEN_BYTES_MAX);
    }
    token[size] = '\0';
    *ret_token = heap_strdup(token);
    sodium_memzero(token, sizeof token);
    return STATUS_OK;
}

/* ---- before the body ---- */

static struct sender *find_sender(struct receiver *receiver, const char *path)
{
    for (size_t i = 0; i < receiver->count; i++) {
        if (strcmp(receiver->senders[i].path, path) == 0) {
            return &receiver->senders[i];
        }
    }
    const bool events = receiver->events.path && strcmp(receiver->events.path, path) == 0;
    return events ? &receiver->events : NULL;
}

bool receiver_has(const struct receiver *receiver, const char *path)
{
    return find_sender((struct receiver *)(uintptr_t)receiver, path) != NULL;
}

static bool token_given(const struct sender *sender, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (sender->token == NULL) {
        return true;
    }
    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    const char *given = authorization + sizeof scheme - 1;
    size_t size = strlen(sender->token);
    return strlen(given) == size && sodium_memcmp(given, sender->token, size) == 0;
}

/* application/x-protobuf, of remote write 1.0 where it says which message it is. */
static bool content_type_taken(const char *type)
{
    static const char taken[] = "application/x-protobuf";
    size_t size = type ? strcspn(type, "; \t") : 0;
    if (type == NULL) {
        return true;
    }
    if (size != sizeof taken - 1 || strncasecmp(type, taken, size) != 0) {
        return false;
    }
    const char *message = strcasestr(type + size, "proto=");
    return message == NULL || strncmp(message + strlen("proto="), "prometheus.WriteRequest",
                                      strlen("prometheus.WriteRequest")) == 0;
}

static unsigned refuse_remote_write(const struct receiver_request *request, const char **ret_line)
{
    if (request->content_encoding && strcasecmp(request->content_encoding, "snappy") != 0) {
        *ret_line = "the only content encoding is snappy\n";
        return STATUS_MEDIA;
    }
    if (!content_type_taken(request->content_type) ||
        (request->version && request->version[0] == '2')) {
        *ret_line = "only remote write 1.0, application/x-protobuf\n";
        return STATUS_MEDIA;
    }
    return 0;
}

static unsigned refuse_events(const struct receiver_request *request, const char **ret_line)
{
    static const char taken[] = "application/json";
    const char *type = request->content_type;
    const size_t size = type ? strcspn(type, "; \t") : 0;
    if (request->content_encoding && strcasecmp(request->content_encoding, "identity") != 0) {
        *ret_line = "events are sent without a content encoding\n";
        return STATUS_MEDIA;
    }
    if (type && (size != sizeof taken - 1 || strncasecmp(type, taken, size) != 0)) {
        *ret_line = "events are JSON: Content-Type: application/json\n";
        return STATUS_MEDIA;
    }
    return 0;
}

static bool is_larger(const char *content_length, size_t most)
{
    return content_length && strtoull(content_length, NULL, 10) > most;
}

static const char *too_large(const struct sender *sender)
{
    return sender->events ? "a body of events has at most 64 KiB\n"
                          : "the body is larger than body_max\n";
}

unsigned receiver_open(struct receiver *receiver, const struct receiver_request *request,
                       struct upload **ret_upload, const char **ret_line)
{
    struct sender *sender = find_sender(receiver, request->path);
    CHECK(sender != NULL);
    *ret_upload = NULL;
    if (strcmp(request->method, "POST") != 0) {
        *ret_line = "only POST\n";
        return STATUS_METHOD;
    }
    if (!token_given(sender, request->authorization)) {
        receiver->unauthorized++;
        *ret_line = "the bearer token is missing or wrong\n";
        return STATUS_UNAUTHORIZED;
    }
    const unsigned refused =
        sender->events ? refuse_events(request, ret_line) : refuse_remote_write(request, ret_line);
    if (refused != 0) {
        return refused;
    }
    if (is_larger(request->content_length, sender->body_bytes)) {
        *ret_line = too_large(sender);
        return STATUS_LARGE;
    }
    struct upload *upload = heap_alloc(sizeof *upload);
    upload->receiver = receiver;
    upload->sender = sender;
    *ret_upload = upload;
    return 0;
}

/* ---- the body ---- */

static void forget_bytes(struct upload *upload)
{
    upload->receiver->uploading -= upload->capacity;
    free(upload->bytes);
    upload->bytes = NULL;
    upload->size = upload->capacity = 0;
}

static unsigned make_room(struct upload *upload, size_t size)
{
    struct receiver *receiver = upload->receiver;
    size_t capacity = upload->capacity ? upload->capacity : 16 << 10;
    while (capacity - upload->size < size) {
        capacity *= 2;
    }
    size_t more = capacity - upload->capacity;
    if (more > RECEIVER_UPLOAD_BYTES_MAX - receiver->uploading) {
        return STATUS_BUSY;
    }
    receiver->uploading += more;
    upload->bytes = heap_resize(upload->bytes, capacity);
    upload->capacity = capacity;
    return 0;
}

bool receiver_bytes(struct upload *upload, const char *bytes, size_t size)
{
    const size_t most = upload->sender->body_bytes;
    upload->seen += size;
    if (upload->refused == 0 && size > most - upload->size) {
        upload->refused = STATUS_LARGE;
    }
    if (upload->refused == 0 && size > upload->capacity - upload->size) {
        upload->refused = make_room(upload, size);
    }
    if (upload->refused != 0) {
        forget_bytes(upload);
        return upload->seen <= DRAIN_FACTOR * most;
    }
    memcpy(upload->bytes + upload->size, bytes, size);
    upload->size += size;
    return true;
}

static unsigned status_of(enum remote_outcome outcome)
{
    switch (outcome) {
    case REMOTE_TAKEN: return STATUS_NO_CONTENT;
    case REMOTE_PARTIAL:
    case REMOTE_MALFORMED: return STATUS_BAD;
    case REMOTE_TOO_LARGE: return STATUS_LARGE;
    case REMOTE_FEED_FULL: return STATUS_BUSY;
    }
    check_failed("an outcome is one of five", __FILE__, __LINE__);
}

static unsigned close_events(struct upload *upload, const char **ret_line)
{
    struct receiver *receiver = upload->receiver;
    struct error error = {""};
    const enum event_outcome outcome =
        event_source_take(upload->sender->events, upload->bytes ? upload->bytes : "", upload->size,
                          receiver->clock.now(receiver->clock.ctx), &error);
    snprintf(receiver->line, sizeof receiver->line, "%s%s", error.message,
             outcome == EVENT_TAKEN ? "" : "\n");
    *ret_line = receiver->line;
    return outcome == EVENT_TAKEN       ? STATUS_NO_CONTENT
           : outcome == EVENT_MALFORMED ? STATUS_BAD
                                        : STATUS_BUSY;
}

unsigned receiver_close(struct upload *upload, const char **ret_line)
{
    struct receiver *receiver = upload->receiver;
    struct error error = {""};
    if (upload->refused != 0) {
        *ret_line = upload->refused == STATUS_LARGE ? too_large(upload->sender)
                                                    : "too much is being received; again later\n";
        return upload->refused;
    }
    if (upload->sender->events) {
        return close_events(upload, ret_line);
    }
    enum remote_outcome outcome =
        remote_source_take(upload->sender->source, upload->bytes ? upload->bytes : "", upload->size,
                           receiver->clock.now(receiver->clock.ctx), &error);
    snprintf(receiver->line, sizeof receiver->line, "%s%s%s",
             outcome == REMOTE_PARTIAL ? "some was refused: " : "", error.message,
             outcome == REMOTE_TAKEN ? "" : "\n");
    *ret_line = receiver->line;
    return status_of(outcome);
}

void receiver_drop(struct upload *upload)
{
    if (upload) {
        forget_bytes(upload);
        free(upload);
    }
}

/* ---- what is shown ---- */

size_t receiver_count(const struct receiver *receiver)
{
    return receiver->count;
}

const struct remote_source *receiver_source(const struct receiver *receiver, size_t i)
{
    return receiver->senders[i].source;
}

static const struct {
    const char *name, *type, *help;
    size_t offset;
} rows[] = {
#define ROW(name, type, field, help) {name, type, help, offsetof(struct remote_stats, field)}
    ROW("requests_total", "counter", requests, "Requests of remote write, taken or not."),
    ROW("samples_total", "counter", samples, "Samples passed to the engine."),
    ROW("stale_total", "counter", stale, "Stale markers among them."),
    ROW("series_predicted_total", "counter", predicted,
        "Series that were the expected ones, so that their labels were not read again."),
    ROW("exemplars_total", "counter", exemplars, "Exemplars, which are left out."),
    ROW("histograms_total", "counter", histograms, "Native histograms, which are left out."),
    ROW("metadata_total", "counter", metadata, "Entries of metadata."),
    ROW("type_flips_total", "counter", type_flips, "Families whose type changed."),
    ROW("lost_total", "counter", lost, "Samples sent back because the feed was full."),
#undef ROW
};

static void show_head(struct text *text, const char *name, const char *type, const char *help)
{
    text_print(text, "# HELP heald_ingest_remote_%s %s\n# TYPE heald_ingest_remote_%s %s\n", name,
               help, name, type);
}

/* A label source, and perhaps another. */
static void show_value(struct text *text, const char *name, const struct sender *sender,
                       const char *more, uint64_t value)
{
    const char *source = remote_source_name(sender->source);
    text_print(text, "heald_ingest_remote_%s{", name);
    if (more) {
        text_print(text, "reason=\"%s\",", more);
    }
    text_print(text, "source=\"");
    text_add_escaped(text, source, strlen(source));
    text_print(text, "\"} %" PRIu64 "\n", value);
}

static void show_row(const struct receiver *receiver, struct text *text, size_t row)
{
    show_head(text, rows[row].name, rows[row].type, rows[row].help);
    for (size_t i = 0; i < receiver->count; i++) {
        const struct remote_stats *stats = remote_source_stats(receiver->senders[i].source);
        uint64_t value;
        memcpy(&value, (const char *)stats + rows[row].offset, sizeof value);
        show_value(text, rows[row].name, &receiver->senders[i], NULL, value);
    }
}

static void show_refused(const struct receiver *receiver, struct text *text)
{
    show_head(text, "refused_total", "counter", "Samples that were refused, by reason.");
    for (size_t i = 0; i < receiver->count; i++) {
        const struct remote_stats *stats = remote_source_stats(receiver->senders[i].source);
        for (size_t k = 0; k < REMOTE_REFUSAL_COUNT; k++) {
            show_value(text, "refused_total", &receiver->senders[i],
                       remote_refusal_name((enum remote_refusal)k), stats->refused[k]);
        }
    }
}

static void show_failed(const struct receiver *receiver, struct text *text)
{
    static const char *const names[] = {[REMOTE_MALFORMED] = "malformed",
                                        [REMOTE_TOO_LARGE] = "too_large",
                                        [REMOTE_FEED_FULL] = "feed_full"};
    show_head(text, "failures_total", "counter", "Requests of which nothing was taken, by reason.");
    for (size_t i = 0; i < receiver->count; i++) {
        const struct remote_stats *stats = remote_source_stats(receiver->senders[i].source);
        for (size_t k = REMOTE_MALFORMED; k < ARRAY_LEN(names); k++) {
            show_value(text, "failures_total", &receiver->senders[i], names[k], stats->outcomes[k]);
        }
    }
}

static void show_events(const struct receiver *receiver, struct text *text)
{
    if (!receiver->events.events) {
        return;
    }
    static const char *const names[] = {[EVENT_MALFORMED] = "malformed",
                                        [EVENT_FEED_FULL] = "feed_full",
                                        [EVENT_TOO_MANY] = "too_many"};
    const struct event_stats *stats = event_source_stats(receiver->events.events);
    text_print(text,
               "# HELP heald_ingest_events_total Events that were taken.\n"
               "# TYPE heald_ingest_events_total counter\n"
               "heald_ingest_events_total %" PRIu64 "\n"
               "# HELP heald_ingest_events_repeated_total Events that came once more.\n"
               "# TYPE heald_ingest_events_repeated_total counter\n"
               "heald_ingest_events_repeated_total %" PRIu64 "\n"
               "# HELP heald_ingest_events_series Label sets of events known.\n"
               "# TYPE heald_ingest_events_series gauge\n"
               "heald_ingest_events_series %zu\n"
               "# HELP heald_ingest_events_failures_total Bodies of which nothing was taken, by "
               "reason.\n"
               "# TYPE heald_ingest_events_failures_total counter\n",
               stats->events, stats->repeated, stats->series);
    for (size_t i = EVENT_MALFORMED; i < ARRAY_LEN(names); i++) {
        text_print(text, "heald_ingest_events_failures_total{reason=\"%s\"} %" PRIu64 "\n",
                   names[i], stats->outcomes[i]);
    }
}

static void show_unauthorized(const struct receiver *receiver, struct text *text)
{
    show_head(text, "unauthorized_total", "counter", "Requests without the right token.");
    text_print(text, "heald_ingest_remote_unauthorized_total %" PRIu64 "\n",
               receiver->unauthorized);
}

void receiver_show(const struct receiver *receiver, struct text *text)
{
    show_events(receiver, text);
    if (receiver->events.events || receiver->count > 0) {
        show_unauthorized(receiver, text);
    }
    if (receiver->count == 0) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        show_row(receiver, text, i);
    }
    show_refused(receiver, text);
    show_failed(receiver, text);
    show_head(text, "series", "gauge", "Series known from the sender.");
    for (size_t i = 0; i < receiver->count; i++) {
        const struct remote_stats *stats = remote_source_stats(receiver->senders[i].source);
        show_value(text, "series", &receiver->senders[i], NULL, stats->series);
    }
}
