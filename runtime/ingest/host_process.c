/* The chosen processes, found by pid file, executable or command line. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/ingest/host_part.h"

enum {
    PID_MAX = 1 << 22, /* of Linux */
    DESCRIPTORS_MAX = 1 << 20,
    STAT_UTIME = 11, /* fields of /proc/PID/stat behind the name, from 0 */
    STAT_STIME = 12,
    STAT_START = 19,
    STAT_RSS = 21
};

struct usage {
    bool up, has_descriptors;
    double resident, cpu, descriptors, start;
};

/* The numbers behind the name, which ends at the last ')': a name may hold anything. */
static bool read_stat(struct host *host, long pid, double *ret_fields, size_t count)
{
    if (!host_read(host, "%s/%ld/stat", host->proc, pid)) {
        return false;
    }
    char *at = strrchr(host->file, ')');
    if (at == NULL || strlen(at) < 4 || at[2] == 'Z' || at[2] == 'X') {
        return false; /* a zombie is not up */
    }
    at += 3;
    for (size_t i = 1; i < count; i++) {
        char *end;
        ret_fields[i] = strtod(at, &end);
        if (end == at) {
            return false;
        }
        at = end;
    }
    return true;
}

static bool count_descriptors(const struct host *host, long pid, double *ret_count)
{
    char path[PATH_MAX];
    size_t count = 0;
    if (snprintf(path, sizeof path, "%s/%ld/fd", host->proc, pid) >= (int)sizeof path) {
        return false;
    }
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return false;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL && count < DESCRIPTORS_MAX) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    *ret_count = (double)count;
    return true;
}

static void add_process(struct host *host, long pid, struct usage *usage)
{
    double fields[STAT_RSS + 1], descriptors;
    if (!read_stat(host, pid, fields, ARRAY_LEN(fields))) {
        return;
    }
    double start = host->boot_seconds + fields[STAT_START] / host->ticks;
    usage->start = usage->up && usage->start < start ? usage->start : start;
    usage->up = true;
    usage->resident += fields[STAT_RSS] * host->page_bytes;
    usage->cpu += (fields[STAT_UTIME] + fields[STAT_STIME]) / host->ticks;
    if (count_descriptors(host, pid, &descriptors)) {
        usage->has_descriptors = true;
        usage->descriptors += descriptors;
    }
}

static void add_by_pidfile(struct host *host, const char *path, struct usage *usage)
{
    double pid;
    if (host_read_number(host, &pid, path) && pid >= 1 && pid <= (double)PID_MAX &&
        pid == floor(pid)) {
        add_process(host, (long)pid, usage);
    }
}

/* The arguments, joined by blanks, into host->file. */
static bool read_arguments(struct host *host, long pid)
{
    if (!host_read(host, "%s/%ld/cmdline", host->proc, pid)) {
        return false;
    }
    for (size_t i = 0; i + 1 < host->file_size; i++) {
        host->file[i] = host->file[i] == '\0' ? ' ' : host->file[i];
    }
    return host->file_size > 0;
}

static void match_process(struct host *host, long pid, struct usage *usages)
{
    char path[PATH_MAX], exe[PATH_MAX];
    bool matches[HOST_SELECTORS_MAX] = {false};
    ssize_t size = -1;
    if (snprintf(path, sizeof path, "%s/%ld/exe", host->proc, pid) < (int)sizeof path) {
        size = readlink(path, exe, sizeof exe - 1);
    }
    exe[size < 0 ? 0 : size] = '\0';
    bool arguments = read_arguments(host, pid);
    for (size_t i = 0; i < host->selector_count; i++) {
        const struct process_selector *selector = &host->selectors[i];
        matches[i] = (selector->exe && size > 0 && strcmp(selector->exe, exe) == 0) ||
                     (selector->cmdline && arguments && strstr(host->file, selector->cmdline));
    }
    for (size_t i = 0; i < host->selector_count; i++) {
        if (matches[i]) {
            add_process(host, pid, &usages[i]);
        }
    }
}

static void match_all(struct host *host, struct usage *usages)
{
    size_t count = 0;
    DIR *dir = opendir(host->proc);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end != '\0' || pid < 1 || pid > PID_MAX) {
            continue;
        }
        if (++count > HOST_PROCESSES_MAX) {
            host->stats.limited++;
            break;
        }
        match_process(host, pid, usages);
    }
    if (dir) {
        closedir(dir);
    }
}

static bool shown(const struct usage *usage, size_t column)
{
    return column == 0 || (usage->up && (column != 3 || usage->has_descriptors));
}

static double usage_value(const struct usage *usage, size_t column)
{
    const double values[] = {usage->up, usage->resident, usage->cpu, usage->descriptors,
                             usage->start};
    return values[column];
}

static void show(const struct host *host, struct text *ret, const struct usage *usages)
{
    static const struct {
        const char *name, *type, *help;
    } columns[] = {
        {"heal_process_up", "gauge", "1 when a process matches."},
        {"heal_process_resident_memory_bytes", "gauge", "Resident memory."},
        {"heal_process_cpu_seconds_total", "counter", "CPU time used."},
        {"heal_process_open_fds", "gauge", "Open file descriptors."},
        {"heal_process_start_time_seconds", "gauge", "Start of the oldest match."},
    };
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        bool first = true;
        for (size_t j = 0; j < host->selector_count; j++) {
            if (shown(&usages[j], i)) {
                if (first) {
                    host_family(ret, columns[i].name, columns[i].type, columns[i].help);
                    first = false;
                }
                host_sample(ret, columns[i].name, "process", host->selectors[j].name,
                            usage_value(&usages[j], i));
            }
        }
    }
}

void host_collect_processes(struct host *host, struct text *ret)
{
    struct usage usages[HOST_SELECTORS_MAX] = {0};
    bool scan = false;
    for (size_t i = 0; i < host->selector_count; i++) {
        if (host->selectors[i].pidfile) {
            add_by_pidfile(host, host->selectors[i].pidfile, &usages[i]);
        } else {
            scan = true;
        }
    }
    if (scan) {
        match_all(host, usages);
    }
    show(host, ret, usages);
}
