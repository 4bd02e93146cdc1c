/* The metrics of this host: /proc, /sys, cgroups, chosen processes.
 *
 * Named as node_exporter names them where it does, heal_* otherwise. A collection is written as
 * text and taken as any other source's answer, so that a hostile process name or mount point is
 * escaped data with the same limits as an exporter's label.
 *
 *     host_new(writer, &options, &host, error);
 *     host_step(host, now);        // collects when it is due; returns the time until the next
 *
 * Files that are not there give no metric: absence is an answer. Only file systems on local disks
 * are asked for their size, because a network file system can hang its asker. */
#ifndef HEAL_RUNTIME_INGEST_HOST_H
#define HEAL_RUNTIME_INGEST_HOST_H

#include "lang/base.h"
#include "runtime/ingest/feed.h"
#include "runtime/ingest/text.h"

enum {
    HOST_SELECTORS_MAX = 64,
    HOST_FILE_BYTES_MAX = 256 << 10, /* of one file of /proc or /sys */
    HOST_MOUNTS_MAX = 256,
    HOST_CGROUPS_MAX = 1000,
    HOST_CGROUP_DEPTH_MAX = 6,
    HOST_PROCESSES_MAX = 100000,
    HOST_TEXT_BYTES_MAX = 8 << 20
};

/* Exactly one of pidfile, exe (the whole path) and cmdline (a part of the arguments, joined by
 * blanks) is set. Several processes that match are summed. */
struct process_selector {
    const char *name; /* label `process` */
    const char *pidfile, *exe, *cmdline;
};

struct host_options {
    uint32_t source;      /* id in the feed */
    const char *instance; /* label; "" for none */
    struct duration interval;
    const char *proc, *sys, *root; /* NULL: "/proc", "/sys", "" (before mount points) */
    const struct process_selector *selectors;
    size_t selector_count;
};

struct host_stats {
    uint64_t collections, failures, limited;
    size_t series;
};

struct host;
/* Texts are copied. */
NODISCARD enum status host_new(struct feed_writer *feed, const struct host_options *options,
                               struct host **ret_host, struct error *error);
void host_free(struct host *host);
/* Collects when due. Returns the time until it is due again. */
struct duration host_step(struct host *host, struct instant now);
/* Writes one collection into ret, in the text format, without taking it. */
void host_collect(struct host *host, struct text *ret);
const struct host_stats *host_stats(const struct host *host);

#endif
