/* The folder of machine code. */
#include "runtime/heald/code_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/trust/trust_file.h"

#define FILE_SUFFIX  ".code"
#define WRITE_SUFFIX ".new" /* what trust_file_write leaves when heald dies over it */

enum { NAME_BYTES = 2 * CODE_KEY_BYTES + sizeof(FILE_SUFFIX) };

static void name_of(const uint8_t key[CODE_KEY_BYTES], char ret[NAME_BYTES])
{
    sodium_bin2hex(ret, NAME_BYTES, key, CODE_KEY_BYTES);
    memcpy(ret + 2 * CODE_KEY_BYTES, FILE_SUFFIX, sizeof(FILE_SUFFIX));
}

static bool is_own(const struct stat *info)
{
    return info->st_uid == geteuid() && (info->st_mode & 077) == 0;
}

/* Opens the folder; makes it when make. STATUS_NOT_FOUND: it is not there. */
static enum status folder_open(const char *state, bool make, int *ret_fd, struct error *error)
{
    char path[4096 + 8];
    struct stat info;
    snprintf(path, sizeof(path), "%.4095s/code", state);
    if (make && mkdir(path, 0700) != 0 && errno != EEXIST) {
        return error_set(error, STATUS_IO, "cannot make '%.200s': %s", path, strerror(errno));
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                         "cannot open '%.200s': %s", path, strerror(errno));
    }
    if (fstat(fd, &info) != 0 || !is_own(&info)) {
        close(fd);
        return error_set(error, STATUS_DENIED,
                         "'%.200s' is not this user's alone (mode 0700); remove it", path);
    }
    *ret_fd = fd;
    return STATUS_OK;
}

static enum status read_at(int folder_fd, const char *name, uint8_t **ret, size_t *ret_length,
                           struct error *error)
{
    struct stat info;
    char *text = NULL;
    if (fstatat(folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_set(error, STATUS_NOT_FOUND, "no machine code is kept");
    }
    if (!is_own(&info)) {
        return error_set(error, STATUS_DENIED, "kept machine code is not this user's alone");
    }
    TRY(trust_file_read(folder_fd, name, CODE_ANSWER_BYTES_MAX, &text, ret_length, error));
    (void)utimensat(folder_fd, name, NULL, AT_SYMLINK_NOFOLLOW); /* it was used now */
    *ret = (uint8_t *)text;
    return STATUS_OK;
}

enum status code_cache_read(const char *state, const uint8_t key[CODE_KEY_BYTES], uint8_t **ret,
                            size_t *ret_length, struct error *error)
{
    char name[NAME_BYTES];
    int fd = -1;
    name_of(key, name);
    TRY(folder_open(state, false, &fd, error));
    enum status status = read_at(fd, name, ret, ret_length, error);
    close(fd);
    return status;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

/* How many files there are, and the name of the one that was used least recently. Halves of files
 * are removed on the way. */
static size_t scan(int folder_fd, char ret_oldest[NAME_BYTES])
{
    struct timespec oldest = {0};
    size_t count = 0, seen = 0;
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *entry; folder && seen < CODE_CACHE_SCAN_MAX && (entry = readdir(folder));
         seen++) {
        struct stat info;
        if (has_suffix(entry->d_name, WRITE_SUFFIX)) {
            unlinkat(folder_fd, entry->d_name, 0);
        }
        if (strlen(entry->d_name) != NAME_BYTES - 1 || !has_suffix(entry->d_name, FILE_SUFFIX) ||
            fstatat(folder_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (count++ == 0 || info.st_mtim.tv_sec < oldest.tv_sec ||
            (info.st_mtim.tv_sec == oldest.tv_sec && info.st_mtim.tv_nsec < oldest.tv_nsec)) {
            oldest = info.st_mtim;
            memcpy(ret_oldest, entry->d_name, NAME_BYTES);
        }
    }
    if (folder) {
        closedir(folder);
    } else if (fd >= 0) {
        close(fd);
    }
    return count;
}

enum status code_cache_write(const char *state, const uint8_t key[CODE_KEY_BYTES],
                             const uint8_t *bytes, size_t length, struct error *error)
{
    char name[NAME_BYTES], oldest[NAME_BYTES];
    int fd = -1;
    name_of(key, name);
    TRY(folder_open(state, true, &fd, error));
    enum status status = trust_file_write(fd, name, (const char *)bytes, length, 0600, error);
    if (status == STATUS_OK && fsync(fd) != 0) {
        status = error_set(error, STATUS_IO, "cannot keep machine code: %s", strerror(errno));
    }
    while (scan(fd, oldest) > CODE_CACHE_FILES_MAX && unlinkat(fd, oldest, 0) == 0) {
    }
    close(fd);
    return status;
}

void code_cache_drop(const char *state, const uint8_t key[CODE_KEY_BYTES])
{
    struct error error;
    char name[NAME_BYTES];
    int fd = -1;
    name_of(key, name);
    if (folder_open(state, false, &fd, &error) == STATUS_OK) {
        unlinkat(fd, name, 0);
        close(fd);
    }
}
