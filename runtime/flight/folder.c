/* The folder of flight recordings. */
#include "runtime/flight/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void flight_file_name(const struct flight_file *file, char ret[FLIGHT_NAME_BYTES])
{
    snprintf(ret, FLIGHT_NAME_BYTES, "%016" PRId64 ".%04" PRIu32 ".flight", file->life_ms,
             file->segment);
}

static bool name_read(const char *name, struct flight_file *ret)
{
    char again[FLIGHT_NAME_BYTES], *end = NULL;
    errno = 0;
    ret->life_ms = strtoll(name, &end, 10);
    const unsigned long segment = *end == '.' ? strtoul(end + 1, NULL, 10) : ULONG_MAX;
    if (errno != 0 || ret->life_ms < 0 || segment >= FLIGHT_SEGMENTS_MAX) {
        return false;
    }
    ret->segment = (uint32_t)segment;
    flight_file_name(ret, again);
    return strcmp(name, again) == 0;
}

enum status flight_folder_open(const char *state, bool make, int *ret_fd, struct error *error)
{
    char path[4096 + 8];
    struct stat info;
    snprintf(path, sizeof path, "%.4095s/flight", state);
    if (make && mkdir(path, 0700) != 0 && errno != EEXIST) {
        return error_set(error, STATUS_IO, "cannot make '%.200s': %s", path, strerror(errno));
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                         "cannot open '%.200s': %s", path, strerror(errno));
    }
    if (make && (fstat(fd, &info) != 0 || info.st_uid != geteuid() || (info.st_mode & 077) != 0)) {
        close(fd);
        return error_set(error, STATUS_DENIED,
                         "'%.200s' is not this user's alone (mode 0700); remove it", path);
    }
    *ret_fd = fd;
    return STATUS_OK;
}

static int compare_files(const void *a, const void *b)
{
    const struct flight_file *x = a, *y = b;
    return x->life_ms != y->life_ms ? (x->life_ms < y->life_ms ? -1 : 1)
                                    : (x->segment > y->segment) - (x->segment < y->segment);
}

static enum status list(int folder_fd, DIR *folder, struct flight_files *ret, struct error *error)
{
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        struct stat info;
        struct flight_file file;
        if (!name_read(entry->d_name, &file) ||
            fstatat(folder_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode)) {
            continue;
        }
        if (ret->count == FLIGHT_FILES_MAX) {
            return error_set(error, STATUS_LIMIT, "more than %d flight recordings",
                             FLIGHT_FILES_MAX);
        }
        file.bytes = (uint64_t)info.st_size;
        ARRAY_RESERVE(ret->items, ret->count, ret->capacity);
        ret->items[ret->count++] = file;
    }
    if (ret->count > 0) {
        qsort(ret->items, ret->count, sizeof *ret->items, compare_files);
    }
    return STATUS_OK;
}

enum status flight_folder_list(int folder_fd, struct flight_files *ret, struct error *error)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    *ret = (struct flight_files){0};
    if (!folder) {
        const int code = errno;
        if (fd >= 0) {
            close(fd);
        }
        return error_set(error, STATUS_IO, "cannot read the folder of flight recordings: %s",
                         strerror(code));
    }
    enum status status = list(folder_fd, folder, ret, error);
    closedir(folder);
    if (status != STATUS_OK) {
        flight_files_release(ret);
    }
    return status;
}

void flight_files_release(struct flight_files *files)
{
    free(files->items);
    *files = (struct flight_files){0};
}

int64_t flight_files_life(const struct flight_files *files, struct instant time)
{
    int64_t life = -1;
    for (size_t i = 0; i < files->count && files->items[i].life_ms <= time.ns / NS_PER_MS; i++) {
        life = files->items[i].life_ms;
    }
    return life;
}
