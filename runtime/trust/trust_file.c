/* Whole files: read without following links, written whole or not at all. */
#include "runtime/trust/trust_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status read_whole(int fd, const char *name, size_t limit, char *text,
                              size_t *ret_length, struct error *error)
{
    size_t length = 0;
    while (length <= limit) {
        ssize_t n = read(fd, text + length, limit + 1 - length);
        if (n == 0) {
            *ret_length = length;
            text[length] = '\0';
            return STATUS_OK;
        }
        if (n < 0 && errno != EINTR) {
            return error_set(error, STATUS_IO, "cannot read '%.200s': %s", name, strerror(errno));
        }
        length += n > 0 ? (size_t)n : 0;
    }
    return error_set(error, STATUS_LIMIT, "'%.200s' is larger than %zu bytes", name, limit);
}

enum status trust_file_read(int folder_fd, const char *name, size_t limit, char **ret_text,
                            size_t *ret_length, struct error *error)
{
    struct stat info;
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return errno == ELOOP ? error_set(error, STATUS_DENIED, "'%.200s' is a symbolic link", name)
                              : error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                                          "cannot open '%.200s': %s", name, strerror(errno));
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return error_set(error, STATUS_DENIED, "'%.200s' is not a regular file", name);
    }
    size_t room = info.st_size > 0 && (size_t)info.st_size < limit ? (size_t)info.st_size : limit;
    char *text = heap_alloc(room + 2);
    enum status status = read_whole(fd, name, room, text, ret_length, error);
    close(fd);
    if (status != STATUS_OK) {
        free(text);
        return status;
    }
    *ret_text = text;
    return STATUS_OK;
}

static bool write_whole(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

enum status trust_file_write(int folder_fd, const char *name, const char *text, size_t length,
                             unsigned mode, struct error *error)
{
    char beside[300];
    if ((size_t)snprintf(beside, sizeof(beside), "%s.new", name) >= sizeof(beside)) {
        return error_set(error, STATUS_LIMIT, "the name '%.200s' is too long", name);
    }
    unlinkat(folder_fd, beside, 0);
    int fd = openat(folder_fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return error_set(error, STATUS_IO, "cannot write '%.200s': %s", beside, strerror(errno));
    }
    bool good = write_whole(fd, text, length) && fsync(fd) == 0;
    close(fd);
    if (!good || renameat(folder_fd, beside, folder_fd, name) != 0) {
        int number = errno;
        unlinkat(folder_fd, beside, 0);
        return error_set(error, STATUS_IO, "cannot write '%.200s': %s", name, strerror(number));
    }
    return STATUS_OK;
}
