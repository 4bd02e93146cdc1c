/* Memory and CPU of control groups, version 2 or 1. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/ingest/host_part.h"

enum { CGROUP_PATH_BYTES_MAX = 900 }; /* a label holds 1,024 */

/* v1 writes "no limit" as the largest multiple of a page. */
#define NO_LIMIT_BYTES 9e18

struct cgroups {
    struct host *host;
    struct text memory, limit, cpu; /* samples of the three families */
    const char *memory_file, *limit_file, *cpu_file;
    size_t count;
    bool two; /* version 2 */
};

static const char *const names[] = {"heal_cgroup_memory_bytes", "heal_cgroup_memory_limit_bytes",
                                    "heal_cgroup_cpu_seconds_total"};

static bool read_in(struct cgroups *groups, const char *folder, const char *file, double *ret)
{
    char path[PATH_MAX];
    if (file == NULL || snprintf(path, sizeof path, "%s/%s", folder, file) >= (int)sizeof path) {
        return false;
    }
    return host_read_number(groups->host, ret, path);
}

static bool read_cpu(struct cgroups *groups, const char *folder, double *ret_seconds)
{
    struct host *host = groups->host;
    if (groups->cpu_file == NULL) {
        return false;
    }
    if (!groups->two) {
        bool good = read_in(groups, folder, groups->cpu_file, ret_seconds);
        *ret_seconds /= 1e9;
        return good;
    }
    const char *usage = host_read(host, "%s/%s", folder, groups->cpu_file)
                            ? strstr(host->file, "usage_usec ")
                            : NULL;
    *ret_seconds = usage ? strtod(usage + strlen("usage_usec "), NULL) / 1e6 : 0;
    return usage != NULL;
}

static void one_group(struct cgroups *groups, const char *folder, const char *group)
{
    double value = 0;
    if (read_in(groups, folder, groups->memory_file, &value)) {
        host_sample(&groups->memory, names[0], "cgroup", group, value);
    }
    if (read_in(groups, folder, groups->limit_file, &value)) {
        host_sample(&groups->limit, names[1], "cgroup", group,
                    value > NO_LIMIT_BYTES ? INFINITY : value);
    }
    if (read_cpu(groups, folder, &value)) {
        host_sample(&groups->cpu, names[2], "cgroup", group, value);
    }
}

static void walk(struct cgroups *groups, const char *base, const char *group, int depth)
{
    char folder[PATH_MAX];
    if (groups->count >= HOST_CGROUPS_MAX || depth > HOST_CGROUP_DEPTH_MAX ||
        snprintf(folder, sizeof folder, "%s%s", base, group) >= (int)sizeof folder) {
        groups->host->stats.limited++;
        return;
    }
    groups->count++;
    one_group(groups, folder, group[0] ? group : "/");
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        char child[CGROUP_PATH_BYTES_MAX];
        if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)) {
            continue;
        }
        if (snprintf(child, sizeof child, "%s/%s", group, entry->d_name) >= (int)sizeof child) {
            groups->host->stats.limited++;
            continue;
        }
        walk(groups, base, child, depth + 1);
    }
    if (dir) {
        closedir(dir);
    }
}

static bool exists(const char *folder, const char *file)
{
    char path[PATH_MAX];
    struct stat st;
    return snprintf(path, sizeof path, "%s/%s", folder, file) < (int)sizeof path &&
           stat(path, &st) == 0;
}

static void walk_all(struct cgroups *groups)
{
    char base[PATH_MAX - 64], path[PATH_MAX];
    if (snprintf(base, sizeof base, "%s/fs/cgroup", groups->host->sys) >= (int)sizeof base) {
        return;
    }
    groups->two = exists(base, "cgroup.controllers");
    if (groups->two) {
        groups->memory_file = "memory.current";
        groups->limit_file = "memory.max";
        groups->cpu_file = "cpu.stat";
        walk(groups, base, "", 0);
        return;
    }
    groups->memory_file = "memory.usage_in_bytes";
    groups->limit_file = "memory.limit_in_bytes";
    snprintf(path, sizeof path, "%s/memory", base);
    if (exists(path, ".")) {
        walk(groups, path, "", 0);
    }
    groups->memory_file = groups->limit_file = NULL;
    groups->cpu_file = "cpuacct.usage";
    groups->count = 0;
    snprintf(path, sizeof path, "%s/cpuacct", base);
    if (exists(path, ".")) {
        walk(groups, path, "", 0);
    }
}

static void add_family(struct text *ret, struct text *samples, const char *name, const char *type,
                       const char *help)
{
    if (samples->size > 0) {
        host_family(ret, name, type, help);
        text_add(ret, samples->bytes, samples->size);
    }
    ret->full = ret->full || samples->full;
    text_release(samples);
}

void host_collect_cgroups(struct host *host, struct text *ret)
{
    struct cgroups groups = {.host = host};
    text_init(&groups.memory, HOST_TEXT_BYTES_MAX);
    text_init(&groups.limit, HOST_TEXT_BYTES_MAX);
    text_init(&groups.cpu, HOST_TEXT_BYTES_MAX);
    walk_all(&groups);
    add_family(ret, &groups.memory, names[0], "gauge", "Memory charged to the control group.");
    add_family(ret, &groups.limit, names[1], "gauge",
               "Memory limit of the control group; +Inf without one.");
    add_family(ret, &groups.cpu, names[2], "counter", "CPU time used by the control group.");
}
