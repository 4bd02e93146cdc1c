/* Files of one line. */
#include "runtime/act/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status read_whole(int fd, const char *path, char ret[SECRET_BYTES], size_t *ret_bytes,
                              struct error *error)
{
    struct stat info;
    size_t used = 0;
    ssize_t got = 1;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return error_set(error, STATUS_IO, "'%.200s' is not a file", path);
    }
    while (used < SECRET_BYTES && (got = read(fd, ret + used, SECRET_BYTES - used)) > 0) {
        used += (size_t)got;
    }
    *ret_bytes = used;
    return got < 0 ? error_set(error, STATUS_IO, "cannot read '%.200s': %s", path, strerror(errno))
           : used == SECRET_BYTES
               ? error_set(error, STATUS_LIMIT, "'%.200s' is longer than %d bytes", path,
                           SECRET_BYTES - 1)
               : STATUS_OK;
}

enum status secret_read(const char *path, char ret[SECRET_BYTES], struct error *error)
{
    size_t used = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set(error, STATUS_IO, "cannot open '%.200s': %s", path, strerror(errno));
    }
    enum status status = read_whole(fd, path, ret, &used, error);
    close(fd);
    TRY(status);
    while (used > 0 && (ret[used - 1] == '\n' || ret[used - 1] == '\r')) {
        used--;
    }
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)ret[i] < 0x20 || ret[i] == 0x7f) {
            return error_set(error, STATUS_PROTOCOL, "'%.200s' is not one line of text", path);
        }
    }
    ret[used] = '\0';
    return used > 0 ? STATUS_OK : error_set(error, STATUS_PROTOCOL, "'%.200s' is empty", path);
}
