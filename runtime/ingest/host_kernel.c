/* CPU, load, boot time, pressure and memory, from /proc. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/host_part.h"

static const char *const modes[] = {"user",   "nice", "system",  "idle",
                                    "iowait", "irq",  "softirq", "steal"};

/* "cpu3 1 2 3 ...", ticks by mode. The line "cpu" is the sum, which a policy forms itself. */
static void cpu_line(const struct host *host, struct text *ret, char *line)
{
    char *at = line + 3;
    size_t digits = strspn(at, "0123456789");
    if (strncmp(line, "cpu", 3) != 0 || digits == 0 || at[digits] != ' ') {
        return;
    }
    char *values = at + digits;
    *values++ = '\0';
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        char *end;
        double ticks = strtod(values, &end);
        if (end == values) {
            return;
        }
        values = end;
        text_print(ret, "node_cpu_seconds_total{cpu=\"%.20s\",mode=\"%s\"} ", at, modes[i]);
        text_add_number(ret, ticks / host->ticks);
        text_add(ret, "\n", 1);
    }
}

static void collect_stat(struct host *host, struct text *ret)
{
    char *rest = host->file, *line;
    double boot = 0;
    host->boot_seconds = 0;
    if (!host_read(host, "%s/stat", host->proc)) {
        return;
    }
    host_family(ret, "node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.");
    while ((line = host_line(&rest)) != NULL) {
        if (strncmp(line, "btime ", 6) == 0) {
            boot = strtod(line + 6, NULL);
        } else {
            cpu_line(host, ret, line);
        }
    }
    if (boot > 0) {
        host->boot_seconds = boot;
        host_family(ret, "node_boot_time_seconds", "gauge", "Time of the last boot.");
        host_sample(ret, "node_boot_time_seconds", NULL, NULL, boot);
    }
}

static void collect_load(struct host *host, struct text *ret)
{
    static const char *const names[] = {"node_load1", "node_load5", "node_load15"};
    if (!host_read(host, "%s/loadavg", host->proc)) {
        return;
    }
    char *at = host->file;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *end;
        double load = strtod(at, &end);
        if (end == at) {
            return;
        }
        at = end;
        host_family(ret, names[i], "gauge", "Load average.");
        host_sample(ret, names[i], NULL, NULL, load);
    }
}

/* The microseconds behind total= on the line that starts with word; false when it is not there. */
static bool pressure_total(const char *text, const char *word, double *ret_seconds)
{
    const char *line = strstr(text, word);
    const char *total = line ? strstr(line, "total=") : NULL;
    const char *end = line ? strchr(line, '\n') : NULL;
    if (total == NULL || (end && total > end)) {
        return false;
    }
    *ret_seconds = strtod(total + strlen("total="), NULL) / 1e6;
    return true;
}

static void collect_pressure(struct host *host, struct text *ret)
{
    static const char *const kinds[] = {"cpu", "memory", "io"};
    static const struct {
        const char *word, *name, *help;
    } rows[] = {{"some ", "waiting", "Seconds in which some task waited for it."},
                {"full ", "stalled", "Seconds in which no task could run for want of it."}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!host_read(host, "%s/pressure/%s", host->proc, kinds[i])) {
            continue;
        }
        for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
            char name[80];
            double seconds;
            if (pressure_total(host->file, rows[j].word, &seconds)) {
                snprintf(name, sizeof name, "node_pressure_%s_%s_seconds_total", kinds[i],
                         rows[j].name);
                host_family(ret, name, "counter", rows[j].help);
                host_sample(ret, name, NULL, NULL, seconds);
            }
        }
    }
}

void host_collect_cpu(struct host *host, struct text *ret)
{
    collect_stat(host, ret);
    collect_load(host, ret);
    collect_pressure(host, ret);
}

/* "MemFree:  123 kB" is node_memory_MemFree_bytes; "Active(anon):" is
 * node_memory_Active_anon_bytes. False when the line is of another form. */
static bool memory_name(const char *line, char *ret, size_t size)
{
    const char *colon = strchr(line, ':');
    const char *unit = colon ? strstr(colon, " kB") : NULL;
    size_t used = (size_t)snprintf(ret, size, "node_memory_");
    if (colon == NULL || colon - line > 60) {
        return false;
    }
    for (const char *p = line; p < colon; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || *p == '_';
        if (plain || *p == '(') {
            ret[used++] = plain ? *p : '_';
        } else if (*p != ')') {
            return false;
        }
    }
    snprintf(ret + used, size - used, "%s", unit ? "_bytes" : "");
    return true;
}

void host_collect_memory(struct host *host, struct text *ret)
{
    char *rest = host->file, *line;
    if (!host_read(host, "%s/meminfo", host->proc)) {
        return;
    }
    while ((line = host_line(&rest)) != NULL) {
        char name[128];
        if (memory_name(line, name, sizeof name)) {
            double value = strtod(strchr(line, ':') + 1, NULL);
            bool bytes = strstr(line, " kB") != NULL;
            host_family(ret, name, "gauge", "Field of /proc/meminfo.");
            host_sample(ret, name, NULL, NULL, bytes ? value * 1024 : value);
        }
    }
}
