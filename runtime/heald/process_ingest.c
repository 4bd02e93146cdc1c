/* ingest: parses the network and the host's files, holds no credential, starts nothing. */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/heald/log.h"
#include "runtime/heald/process.h"
#include "runtime/ingest/event_source.h"
#include "runtime/ingest/feed.h"
#include "runtime/ingest/host.h"
#include "runtime/ingest/listener.h"
#include "runtime/ingest/page.h"
#include "runtime/ingest/receiver.h"
#include "runtime/ingest/scrape.h"

enum { NOTICE_EVERY_S = 60 };

/* What was refused of a source, and how much of it the log knows. */
struct notice {
    uint64_t told;
    struct instant when;
};

struct ingest {
    const struct config *config;
    struct feed_writer *feed;
    struct scraper *scraper;
    struct receiver *receiver;
    struct event_source *events; /* NULL: none are taken */
    struct host *host;
    struct page *page;
    struct listener *listener;
    struct ingest_clock clock;
    uint32_t next_source;
    struct notice senders[RECEIVER_SENDERS_MAX], scrapes;
};

static struct instant ingest_now(void *ctx)
{
    return clock_now(ctx);
}

static enum status add_targets(struct ingest *ingest, struct error *error)
{
    for (size_t i = 0; i < ingest->config->scrape_count; i++) {
        const struct config_scrape *scrape = &ingest->config->scrape[i];
        for (size_t t = 0; t < scrape->targets.count; t++) {
            struct scrape_target target = {
                .name = scrape->job,
                .url = scrape->targets.items[t],
                .interval = scrape->interval,
                .timeout = scrape->timeout,
                .body_bytes_max = scrape->body_max_bytes,
                .series_max = scrape->series_max,
            };
            TRY(scrape_add(ingest->scraper, ingest->next_source++, &target, error));
        }
    }
    return STATUS_OK;
}

static enum status add_sender(struct ingest *ingest, const struct config_remote_write *write,
                              struct error *error)
{
    char *token = NULL;
    if (write->token_file) {
        TRY(receiver_read_token(write->token_file, &token, error));
    }
    struct receiver_options options = {
        .path = write->path,
        .token = token,
        .source = {.id = ingest->next_source++,
                   .name = write->name,
                   .interval = write->interval,
                   .grace = write->grace,
                   .body_bytes = write->body_max_bytes,
                   .series = write->series_max,
                   .labels = write->labels_max,
                   .label_bytes = write->label_bytes_max},
    };
    enum status status = receiver_add(ingest->receiver, &options, error);
    free(token);
    return status;
}

static enum status add_senders(struct ingest *ingest, struct error *error)
{
    receiver_new(ingest->feed, &ingest->clock, &ingest->receiver);
    for (size_t i = 0; i < ingest->config->remote_write_count; i++) {
        TRY(add_sender(ingest, &ingest->config->remote_write[i], error));
    }
    return STATUS_OK;
}

static void say_event(void *ctx, const struct event *event)
{
    (void)ctx;
    log_say(LOG_INFO, "event %s%s%s", event->set, event->text ? ": " : "",
            event->text ? event->text : "");
}

static enum status add_events(struct ingest *ingest, struct error *error)
{
    char *token = NULL;
    if (!ingest->config->events.enabled) {
        return STATUS_OK;
    }
    TRY(event_source_new(ingest->feed, ingest->next_source++, &ingest->events, error));
    event_source_tell(ingest->events, say_event, NULL);
    if (ingest->config->events.token_file) {
        TRY(receiver_read_token(ingest->config->events.token_file, &token, error));
    }
    receiver_add_events(ingest->receiver, ingest->events, token);
    free(token);
    return STATUS_OK;
}

static enum status add_host(struct ingest *ingest, struct error *error)
{
    const struct config_host *config = &ingest->config->host;
    struct process_selector selectors[HOST_SELECTORS_MAX];
    if (!config->enabled) {
        return STATUS_OK;
    }
    if (config->processes_count > HOST_SELECTORS_MAX) {
        return error_set(error, STATUS_LIMIT, "host.processes has more than %d entries",
                         HOST_SELECTORS_MAX);
    }
    for (size_t i = 0; i < config->processes_count; i++) {
        const struct config_process *process = &config->processes[i];
        selectors[i] = (struct process_selector){process->name, process->pidfile, process->exe,
                                                 process->cmdline};
    }
    struct host_options options = {
        .source = ingest->next_source++,
        .instance = "",
        .interval = config->interval,
        .selectors = selectors,
        .selector_count = config->processes_count,
    };
    return host_new(ingest->feed, &options, &ingest->host, error);
}

static enum status ingest_open(struct ingest *ingest, const struct process_start *start,
                               struct error *error)
{
    TRY(feed_writer_new(PROCESS_FD_FEED, PROCESS_FD_WAKE, &ingest->feed, error));
    TRY(page_attach(PROCESS_FD_PAGE, &ingest->page, error));
    ingest->clock = (struct ingest_clock){ingest_now, (void *)(uintptr_t)&start->clock};
    TRY(scrape_new(ingest->feed, &ingest->clock, &ingest->scraper, error));
    TRY(add_targets(ingest, error));
    TRY(add_senders(ingest, error));
    TRY(add_events(ingest, error));
    TRY(add_host(ingest, error));
    if (strcmp(start->config->listen, "none") != 0) {
        int fd = listener_bind(start->config->listen, error);
        if (fd < 0) {
            return STATUS_IO;
        }
        struct listener_parts parts = {ingest->scraper, ingest->host, ingest->receiver};
        TRY(listener_new(fd, ingest->page, &ingest->clock, &parts, &ingest->listener, error));
    }
    return STATUS_OK;
}

/* Whether there is something new to say, which is said once a minute at most. */
static bool is_due(struct notice *notice, uint64_t count, struct instant now)
{
    if (count == notice->told ||
        (notice->told > 0 && now.ns - notice->when.ns < NOTICE_EVERY_S * NS_PER_S)) {
        return false;
    }
    notice->told = count;
    notice->when = now;
    return true;
}

static void say_refused(const struct remote_source *source)
{
    const struct remote_stats *stats = remote_source_stats(source);
    char text[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < REMOTE_REFUSAL_COUNT; i++) {
        if (stats->refused[i] > 0) {
            used += (size_t)snprintf(text + used, sizeof text - used, ", %s %llu",
                                     remote_refusal_name((enum remote_refusal)i),
                                     (unsigned long long)stats->refused[i]);
        }
    }
    log_say(LOG_WARN, "remote write %s: samples refused so far%s; it has %zu of %zu series",
            remote_source_name(source), text, stats->series, stats->series_max);
}

/* A limit that is reached, or samples that are wrong, are said; the counters have the rest. */
static void say_limits(struct ingest *ingest, struct instant now)
{
    for (size_t i = 0; i < receiver_count(ingest->receiver); i++) {
        const struct remote_source *source = receiver_source(ingest->receiver, i);
        const struct remote_stats *stats = remote_source_stats(source);
        uint64_t refused = 0;
        for (size_t k = 0; k < REMOTE_REFUSAL_COUNT; k++) {
            refused += stats->refused[k];
        }
        if (is_due(&ingest->senders[i], refused, now)) {
            say_refused(source);
        }
    }
    struct scrape_stats scrapes = scrape_stats(ingest->scraper);
    uint64_t over = scrapes.failures[SCRAPE_FAILURE_LIMIT] +
                    scrapes.failures[SCRAPE_FAILURE_BODY_LIMIT] + scrapes.intake.type_flips;
    if (is_due(&ingest->scrapes, over, now)) {
        log_say(LOG_WARN,
                "scrapes: so far %llu answers were over a limit of series, labels or lines, %llu "
                "larger than body_max; %llu families changed their type",
                (unsigned long long)scrapes.failures[SCRAPE_FAILURE_LIMIT],
                (unsigned long long)scrapes.failures[SCRAPE_FAILURE_BODY_LIMIT],
                (unsigned long long)scrapes.intake.type_flips);
    }
}

static int ingest_loop(struct ingest *ingest, int signals)
{
    struct error error;
    for (;;) {
        int fds[3] = {PROCESS_FD_PARENT, signals, -1};
        size_t count = 2;
        struct duration wait = duration_seconds(1);
        if (ingest->host) {
            struct duration due = host_step(ingest->host, ingest->clock.now(ingest->clock.ctx));
            wait = due.ns < wait.ns ? due : wait;
        }
        if (ingest->events) {
            struct duration due =
                event_source_step(ingest->events, ingest->clock.now(ingest->clock.ctx));
            wait = due.ns < wait.ns ? due : wait;
        }
        if (ingest->listener) {
            fds[count++] = listener_fd(ingest->listener);
            wait = listener_timeout(ingest->listener, wait);
        }
        receiver_announce(ingest->receiver);
        if (scrape_step(ingest->scraper, wait, fds, count, &error) != STATUS_OK) {
            log_say(LOG_ERROR, "%s", error.message);
            return 1;
        }
        if (ingest->listener) {
            listener_step(ingest->listener);
        }
        say_limits(ingest, ingest->clock.now(ingest->clock.ctx));
        struct signalfd_siginfo signal_info;
        char byte;
        if (read(signals, &signal_info, sizeof signal_info) > 0 ||
            recv(PROCESS_FD_PARENT, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0) {
            return 0;
        }
    }
}

int process_ingest_main(const struct process_start *start)
{
    struct ingest ingest = {.config = start->config};
    struct error error;
    char report[SANDBOX_REPORT_BYTES];
    int signals = process_signals(false);
    if (signals < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        log_say(LOG_ERROR, "cannot start: %s", strerror(errno));
        return 1;
    }
    if (ingest_open(&ingest, start, &error) != STATUS_OK ||
        process_cage(start, report, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        return PROCESS_EXIT_REFUSED;
    }
    process_ready();
    int code = ingest_loop(&ingest, signals);
    listener_free(ingest.listener);
    receiver_free(ingest.receiver);
    event_source_free(ingest.events);
    scrape_free(ingest.scraper);
    host_free(ingest.host);
    page_free(ingest.page);
    feed_writer_free(ingest.feed);
    return code;
}
