/* Disks and network devices from /proc, file systems from the mount table and statvfs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "runtime/ingest/host_part.h"

enum { DEVICES_MAX = 256, FIELDS_MAX = 20, SECTOR_BYTES = 512 };

struct device {
    char name[64];
    double fields[FIELDS_MAX];
    size_t count;
};

struct column {
    const char *name, *help;
    size_t field;
    double scale;
};

static const struct column disk_columns[] = {
    {"node_disk_reads_completed_total", "Reads that completed.", 0, 1},
    {"node_disk_read_bytes_total", "Bytes read.", 2, SECTOR_BYTES},
    {"node_disk_read_time_seconds_total", "Seconds spent by all reads.", 3, 1e-3},
    {"node_disk_writes_completed_total", "Writes that completed.", 4, 1},
    {"node_disk_written_bytes_total", "Bytes written.", 6, SECTOR_BYTES},
    {"node_disk_write_time_seconds_total", "Seconds spent by all writes.", 7, 1e-3},
    {"node_disk_io_time_seconds_total", "Seconds in which the disk was busy.", 9, 1e-3},
    {"node_disk_io_time_weighted_seconds_total", "Seconds of requests in flight.", 10, 1e-3},
};

static const struct column network_columns[] = {
    {"node_network_receive_bytes_total", "Bytes received.", 0, 1},
    {"node_network_receive_packets_total", "Packets received.", 1, 1},
    {"node_network_receive_errs_total", "Receive errors.", 2, 1},
    {"node_network_receive_drop_total", "Received packets dropped.", 3, 1},
    {"node_network_transmit_bytes_total", "Bytes sent.", 8, 1},
    {"node_network_transmit_packets_total", "Packets sent.", 9, 1},
    {"node_network_transmit_errs_total", "Transmit errors.", 10, 1},
    {"node_network_transmit_drop_total", "Packets dropped when sent.", 11, 1},
};

static void read_fields(const char *at, struct device *device)
{
    device->count = 0;
    while (device->count < FIELDS_MAX) {
        char *end;
        double value = strtod(at, &end);
        if (end == at) {
            break;
        }
        device->fields[device->count++] = value;
        at = end;
    }
}

/* "  8  0 sda 1 2 3": numbers, name, fields. Loop and memory devices are left out. */
static bool disk_line(const char *line, struct device *device)
{
    int used = 0;
    if (sscanf(line, "%*u %*u %63s%n", device->name, &used) != 1) {
        return false;
    }
    if (strncmp(device->name, "loop", 4) == 0 || strncmp(device->name, "ram", 3) == 0) {
        return false;
    }
    read_fields(line + used, device);
    return device->count >= 11;
}

/* "  eth0: 1 2 3": name, fields. */
static bool network_line(const char *line, struct device *device)
{
    const char *colon = strrchr(line, ':');
    line += strspn(line, " ");
    if (colon == NULL || colon <= line || (size_t)(colon - line) >= sizeof device->name) {
        return false;
    }
    snprintf(device->name, sizeof device->name, "%.*s", (int)(colon - line), line);
    read_fields(colon + 1, device);
    return device->count >= 16;
}

static void collect_table(struct host *host, struct text *ret, const char *path,
                          bool (*read_line)(const char *, struct device *),
                          const struct column *columns, size_t column_count)
{
    struct device *devices = NULL;
    size_t count = 0, capacity = 0;
    char *rest = host->file, *line;
    if (!host_read(host, "%s/%s", host->proc, path)) {
        return;
    }
    while ((line = host_line(&rest)) != NULL) {
        if (count == DEVICES_MAX) {
            host->stats.limited++;
            break;
        }
        ARRAY_RESERVE(devices, count, capacity);
        count += read_line(line, &devices[count]);
    }
    for (size_t i = 0; i < column_count && count > 0; i++) {
        host_family(ret, columns[i].name, "counter", columns[i].help);
        for (size_t j = 0; j < count; j++) {
            host_sample(ret, columns[i].name, "device", devices[j].name,
                        devices[j].fields[columns[i].field] * columns[i].scale);
        }
    }
    free(devices);
}

void host_collect_devices(struct host *host, struct text *ret)
{
    collect_table(host, ret, "diskstats", disk_line, disk_columns, ARRAY_LEN(disk_columns));
    collect_table(host, ret, "net/dev", network_line, network_columns, ARRAY_LEN(network_columns));
}

/* ---- file systems ---- */

struct mount {
    const char *device, *point, *type; /* in host->file */
    struct statvfs size;
};

/* Types that live on a disk of this host: asking them does not wait for a network or a daemon. */
static bool is_local(const char *type)
{
    static const char *const types[] = {"ext2", "ext3",     "ext4",     "xfs",     "btrfs",
                                        "zfs",  "f2fs",     "vfat",     "exfat",   "ntfs3",
                                        "jfs",  "reiserfs", "bcachefs", "overlay", "squashfs"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(type, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes \040 and its like out, in place. */
static void decode_octal(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
                     from[2] <= '7' && from[3] >= '0' && from[3] <= '7';
        if (octal) {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* "device point type options 0 0"; false when it is not one to ask. */
static bool mount_line(const struct host *host, char *line, struct mount *mount)
{
    char *save = NULL;
    char *device = strtok_r(line, " ", &save), *point = strtok_r(NULL, " ", &save);
    char *type = strtok_r(NULL, " ", &save);
    char path[PATH_MAX];
    if (type == NULL || !is_local(type) || strlen(device) > 1000) {
        return false;
    }
    decode_octal(device);
    decode_octal(point);
    if (strlen(point) > 1000 ||
        snprintf(path, sizeof path, "%s%s", host->root, point) >= (int)sizeof path) {
        return false;
    }
    *mount = (struct mount){.device = device, .point = point, .type = type};
    return statvfs(path, &mount->size) == 0;
}

/* The last mount on a point is the one that is seen there. */
static size_t add_mount(struct mount *mounts, size_t count, const struct mount *mount)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(mounts[i].point, mount->point) == 0) {
            mounts[i] = *mount;
            return count;
        }
    }
    mounts[count] = *mount;
    return count + 1;
}

static double mount_value(const struct mount *mount, size_t column)
{
    const struct statvfs *size = &mount->size;
    double unit = (double)size->f_frsize;
    switch (column) {
    case 0: return (double)size->f_blocks * unit;
    case 1: return (double)size->f_bfree * unit;
    case 2: return (double)size->f_bavail * unit;
    case 3: return (double)size->f_files;
    case 4: return (double)size->f_ffree;
    default: return (size->f_flag & ST_RDONLY) != 0;
    }
}

static void mount_sample(struct text *ret, const char *name, const struct mount *mount,
                         double value)
{
    text_print(ret, "%s{device=\"", name);
    text_add_escaped(ret, mount->device, strlen(mount->device));
    text_print(ret, "\",fstype=\"%s\",mountpoint=\"", mount->type);
    text_add_escaped(ret, mount->point, strlen(mount->point));
    text_add(ret, "\"} ", 3);
    text_add_number(ret, value);
    text_add(ret, "\n", 1);
}

void host_collect_filesystems(struct host *host, struct text *ret)
{
    static const struct {
        const char *name, *help;
    } columns[] = {
        {"node_filesystem_size_bytes", "Size of the file system."},
        {"node_filesystem_free_bytes", "Free bytes."},
        {"node_filesystem_avail_bytes", "Bytes free to users without privilege."},
        {"node_filesystem_files", "File nodes."},
        {"node_filesystem_files_free", "Free file nodes."},
        {"node_filesystem_readonly", "1 when it is mounted read-only."},
    };
    char *rest = host->file, *line;
    size_t count = 0;
    if (!host_read(host, "%s/self/mounts", host->proc)) {
        return;
    }
    struct mount *mounts = heap_alloc(HOST_MOUNTS_MAX * sizeof *mounts);
    while ((line = host_line(&rest)) != NULL) {
        struct mount mount;
        if (count == HOST_MOUNTS_MAX) {
            host->stats.limited++;
            break;
        }
        if (mount_line(host, line, &mount)) {
            count = add_mount(mounts, count, &mount);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(columns) && count > 0; i++) {
        host_family(ret, columns[i].name, "gauge", columns[i].help);
        for (size_t j = 0; j < count; j++) {
            mount_sample(ret, columns[i].name, &mounts[j], mount_value(&mounts[j], i));
        }
    }
    free(mounts);
}
