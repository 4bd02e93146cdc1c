/* The host as a source: when it is collected, and how files are read. */
#include "runtime/ingest/host.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/ingest/host_part.h"
#include "runtime/ingest/intake.h"

static enum status check_selector(const struct process_selector *selector, struct error *error)
{
    int ways = (selector->pidfile != NULL) + (selector->exe != NULL) + (selector->cmdline != NULL);
    if (selector->name == NULL || selector->name[0] == '\0' || strlen(selector->name) > 200) {
        return error_set(error, STATUS_LIMIT, "a chosen process needs a name of 1 to 200 bytes");
    }
    if (ways != 1) {
        return error_set(error, STATUS_PROTOCOL,
                         "process '%s' needs exactly one of pidfile, exe and cmdline",
                         selector->name);
    }
    if (selector->cmdline && selector->cmdline[0] == '\0') {
        return error_set(error, STATUS_PROTOCOL, "process '%s': an empty cmdline is every process",
                         selector->name);
    }
    return STATUS_OK;
}

static char *copy_or_null(const char *text)
{
    return text ? heap_strdup(text) : NULL;
}

static enum status copy_selectors(struct host *host, const struct host_options *options,
                                  struct error *error)
{
    if (options->selector_count > HOST_SELECTORS_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d chosen processes", HOST_SELECTORS_MAX);
    }
    host->selectors = heap_alloc((options->selector_count + 1) * sizeof *host->selectors);
    for (size_t i = 0; i < options->selector_count; i++) {
        const struct process_selector *from = &options->selectors[i];
        TRY(check_selector(from, error));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(from->name, host->selectors[j].name) == 0) {
                return error_set(error, STATUS_DENIED, "two chosen processes are named '%s'",
                                 from->name);
            }
        }
        host->selectors[i] =
            (struct process_selector){heap_strdup(from->name), copy_or_null(from->pidfile),
                                      copy_or_null(from->exe), copy_or_null(from->cmdline)};
        host->selector_count = i + 1;
    }
    return STATUS_OK;
}

static enum status prepare(struct host *host, struct feed_writer *feed,
                           const struct host_options *options, struct error *error)
{
    long ticks = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
    struct intake_options intake = {.id = options->source,
                                    .name = "host",
                                    .job = "host",
                                    .instance = options->instance ? options->instance : "",
                                    .interval = options->interval,
                                    .grace = options->interval};
    host->interval = options->interval;
    host->proc = heap_strdup(options->proc ? options->proc : "/proc");
    host->sys = heap_strdup(options->sys ? options->sys : "/sys");
    host->root = heap_strdup(options->root ? options->root : "");
    host->ticks = ticks > 0 ? (double)ticks : 100;
    host->page_bytes = page > 0 ? (double)page : 4096;
    host->file = heap_alloc(HOST_FILE_BYTES_MAX + 1);
    text_init(&host->text, HOST_TEXT_BYTES_MAX);
    TRY(copy_selectors(host, options, error));
    return intake_new(feed, &intake, &host->intake, error);
}

enum status host_new(struct feed_writer *feed, const struct host_options *options,
                     struct host **ret_host, struct error *error)
{
    struct host *host = heap_alloc(sizeof *host);
    enum status status = prepare(host, feed, options, error);
    if (status != STATUS_OK) {
        host_free(host);
        return status;
    }
    *ret_host = host;
    return STATUS_OK;
}

void host_free(struct host *host)
{
    if (!host) {
        return;
    }
    for (size_t i = 0; i < host->selector_count; i++) {
        free((void *)(uintptr_t)host->selectors[i].name);
        free((void *)(uintptr_t)host->selectors[i].pidfile);
        free((void *)(uintptr_t)host->selectors[i].exe);
        free((void *)(uintptr_t)host->selectors[i].cmdline);
    }
    intake_free(host->intake);
    text_release(&host->text);
    free(host->selectors);
    free(host->proc);
    free(host->sys);
    free(host->root);
    free(host->file);
    free(host);
}

void host_collect(struct host *host, struct text *ret)
{
    text_clear(ret);
    host_collect_cpu(host, ret);
    host_collect_memory(host, ret);
    host_collect_devices(host, ret);
    host_collect_filesystems(host, ret);
    host_collect_cgroups(host, ret);
    host_collect_processes(host, ret);
}

struct duration host_step(struct host *host, struct instant now)
{
    struct duration none = {0};
    struct error error;
    intake_announce(host->intake);
    int64_t left = host->due.ns - now.ns;
    if (left > 0 && left <= host->interval.ns) {
        return (struct duration){left};
    }
    host->due = (struct instant){(now.ns / host->interval.ns + 1) * host->interval.ns};
    host_collect(host, &host->text);
    host->stats.collections++;
    if (host->text.full) {
        host->stats.failures++;
        host->stats.limited++;
        intake_fail(host->intake, now, none, "the metrics of the host are longer than their limit");
    } else if (intake_answer(host->intake, EXPOSITION_TEXT, host->text.bytes, host->text.size, now,
                             none, &error) != INTAKE_ANSWERED) {
        host->stats.failures++;
    }
    host->stats.series = intake_stats(host->intake)->series;
    return instant_sub(host->due, now);
}

const struct host_stats *host_stats(const struct host *host)
{
    return &host->stats;
}

/* ---- for the parts ---- */

static void fill(struct host *host, int fd)
{
    host->file_size = 0;
    while (host->file_size < HOST_FILE_BYTES_MAX) {
        ssize_t n = read(fd, host->file + host->file_size, HOST_FILE_BYTES_MAX - host->file_size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        host->file_size += (size_t)n;
    }
    if (host->file_size == HOST_FILE_BYTES_MAX) {
        host->stats.limited++;
        while (host->file_size > 0 && host->file[host->file_size - 1] != '\n') {
            host->file_size--;
        }
    }
    host->file[host->file_size] = '\0';
}

bool host_read(struct host *host, const char *fmt, ...)
{
    char path[PATH_MAX];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(path, sizeof path, fmt, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof path) {
        return false;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return false;
    }
    fill(host, fd);
    close(fd);
    return true;
}

bool host_read_number(struct host *host, double *ret_value, const char *path)
{
    if (!host_read(host, "%s", path)) {
        return false;
    }
    if (strncmp(host->file, "max", 3) == 0) {
        *ret_value = INFINITY;
        return true;
    }
    char *end;
    *ret_value = strtod(host->file, &end);
    return end != host->file;
}

void host_family(struct text *text, const char *name, const char *type, const char *help)
{
    text_print(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void host_sample(struct text *text, const char *name, const char *label, const char *value,
                 double number)
{
    text_add(text, name, strlen(name));
    if (label) {
        text_print(text, "{%s=\"", label);
        text_add_escaped(text, value, strlen(value));
        text_add(text, "\"}", 2);
    }
    text_add(text, " ", 1);
    text_add_number(text, number);
    text_add(text, "\n", 1);
}

char *host_line(char **rest)
{
    char *line = *rest;
    if (line == NULL || *line == '\0') {
        return NULL;
    }
    char *end = strchr(line, '\n');
    if (end) {
        *end = '\0';
    }
    *rest = end ? end + 1 : NULL;
    return line;
}
