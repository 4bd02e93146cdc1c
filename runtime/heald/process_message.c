/* Messages between parent and child, one with a descriptor. */
#include "runtime/heald/process_message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control_room {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

enum status process_message_send_peer(int socket_fd, int fd, struct error *error)
{
    struct process_message message = {.kind = PROCESS_PEER};
    union control_room room = {.bytes = {0}};
    struct iovec part = {&message, sizeof(message)};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = room.bytes,
                          .msg_controllen = sizeof(room.bytes)};
    struct cmsghdr *control = CMSG_FIRSTHDR(&head);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(control), &fd, sizeof(fd));
    if (sendmsg(socket_fd, &head, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        return error_set(error, STATUS_IO, "cannot send a peer: %s", strerror(errno));
    }
    return STATUS_OK;
}

enum status process_message_receive(int socket_fd, int *ret_fd, struct error *error)
{
    struct process_message message = {0};
    union control_room room = {.bytes = {0}};
    struct iovec part = {&message, sizeof(message)};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = room.bytes,
                          .msg_controllen = sizeof(room.bytes)};
    ssize_t length = recvmsg(socket_fd, &head, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    *ret_fd = -1;
    if (length == 0 || (length < 0 && errno == ECONNRESET)) {
        return error_set(error, STATUS_NOT_FOUND, "the other side is gone");
    }
    if (length != (ssize_t)sizeof(message)) {
        return error_set(error, STATUS_IO, "cannot receive from the other side: %s",
                         length < 0 ? strerror(errno) : "a short message");
    }
    struct cmsghdr *control = CMSG_FIRSTHDR(&head);
    if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
        control->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(ret_fd, CMSG_DATA(control), sizeof(int));
    }
    return STATUS_OK;
}
