/* Sealed memory files, and messages with a descriptor. */
#include "runtime/handover/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

union control_room {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static bool write_whole(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n <= 0 && errno != EINTR) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

enum status handover_seal(const char *name, const void *bytes, size_t length, int *ret_fd,
                          struct error *error)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || !write_whole(fd, bytes, length) || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
        int number = errno;
        if (fd >= 0) {
            close(fd);
        }
        return error_set(error, STATUS_IO, "cannot make the memory file '%s': %s", name,
                         strerror(number));
    }
    *ret_fd = fd;
    return STATUS_OK;
}

enum status handover_read(int fd, size_t limit, uint8_t **ret, size_t *ret_length,
                          struct error *error)
{
    const int seals = fcntl(fd, F_GET_SEALS);
    const off_t size = lseek(fd, 0, SEEK_END); /* the compile child may not call fstat */
    if (seals < 0 || (seals & SEALS) != SEALS || size <= 0) {
        return error_set(error, STATUS_DENIED, "what was handed over is not sealed, or empty");
    }
    if ((uint64_t)size > limit) {
        return error_set(error, STATUS_LIMIT, "%lld bytes were handed over, more than %zu",
                         (long long)size, limit);
    }
    size_t length = (size_t)size, done = 0;
    uint8_t *bytes = heap_alloc(length);
    while (done < length) {
        ssize_t n = pread(fd, bytes + done, length - done, (off_t)done);
        if (n <= 0 && errno != EINTR) {
            free(bytes);
            return error_set(error, STATUS_IO, "cannot read what was handed over: %s",
                             strerror(errno));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    *ret = bytes;
    *ret_length = length;
    return STATUS_OK;
}

enum status handover_send(int socket_fd, const void *message, size_t size, int fd,
                          struct error *error)
{
    union control_room room = {.bytes = {0}};
    struct iovec part = {(void *)(uintptr_t)message, size};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        head.msg_control = room.bytes;
        head.msg_controllen = sizeof(room.bytes);
        struct cmsghdr *control = CMSG_FIRSTHDR(&head);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(control), &fd, sizeof(fd));
    }
    if (sendmsg(socket_fd, &head, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        return error_set(error, STATUS_IO, "cannot send to the other side: %s", strerror(errno));
    }
    return STATUS_OK;
}

enum status handover_receive(int socket_fd, void *message, size_t size, int flags, int *ret_fd,
                             struct error *error)
{
    union control_room room = {.bytes = {0}};
    struct iovec part = {message, size};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = room.bytes,
                          .msg_controllen = sizeof(room.bytes)};
    *ret_fd = -1;
    ssize_t length = recvmsg(socket_fd, &head, MSG_CMSG_CLOEXEC | flags);
    if (length == 0 || (length < 0 && errno == ECONNRESET)) {
        return error_set(error, STATUS_NOT_FOUND, "the other side is gone");
    }
    if (length < 0) {
        return error_set(error, STATUS_IO, "cannot receive from the other side: %s",
                         strerror(errno));
    }
    struct cmsghdr *control = CMSG_FIRSTHDR(&head);
    if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
        control->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(ret_fd, CMSG_DATA(control), sizeof(int));
    }
    if (length != (ssize_t)size || (head.msg_flags & MSG_TRUNC) != 0) {
        if (*ret_fd >= 0) {
            close(*ret_fd);
            *ret_fd = -1;
        }
        return error_set(error, STATUS_PROTOCOL, "the other side sent a message of another size");
    }
    return STATUS_OK;
}
