/* What the parts of the host's metrics share: files of /proc and /sys, and the text. Private to
 * host*.c. */
#ifndef HEAL_RUNTIME_INGEST_HOST_PART_H
#define HEAL_RUNTIME_INGEST_HOST_PART_H

#include <limits.h>

#include "runtime/ingest/host.h"

struct host {
    struct intake *intake;
    struct duration interval;
    struct instant due;
    char *proc, *sys, *root;
    struct process_selector *selectors;
    size_t selector_count;
    double ticks; /* of a clock tick, per second */
    double page_bytes;
    double boot_seconds; /* btime of this collection */
    struct text text;    /* of a collection */
    char *file;          /* HOST_FILE_BYTES_MAX + 1 */
    size_t file_size;
    struct host_stats stats;
};

/* Reads a file whole into host->file, ended by a zero byte; false when it is not there. A longer
 * one is cut at its last whole line and counted. */
bool host_read(struct host *host, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The whole file as one number; "max" is infinity. */
bool host_read_number(struct host *host, double *ret_value, const char *path);

/* The HELP and TYPE lines of a family; its samples must follow. */
void host_family(struct text *text, const char *name, const char *type, const char *help);
/* name{label="value"} value; label NULL for none. */
void host_sample(struct text *text, const char *name, const char *label, const char *value,
                 double number);

/* The next line of a text that host_read gave, ended by a zero byte; NULL at the end. */
char *host_line(char **rest);

void host_collect_cpu(struct host *host, struct text *ret);
void host_collect_memory(struct host *host, struct text *ret);
void host_collect_devices(struct host *host, struct text *ret);
void host_collect_filesystems(struct host *host, struct text *ret);
void host_collect_cgroups(struct host *host, struct text *ret);
void host_collect_processes(struct host *host, struct text *ret);

#endif
