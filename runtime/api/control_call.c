/* healctl's side of the control socket. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runtime/api/control.h"

static int64_t now_ns(void)
{
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

static enum status wait_for(int fd, short events, int64_t until_ns, struct error *error)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int64_t left_ms = (until_ns - now_ns()) / NS_PER_MS;
    if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) == 0) {
        return error_set(error, STATUS_IO, "heald does not answer in time");
    }
    return STATUS_OK;
}

static enum status send_all(int fd, const char *text, size_t length, int64_t until_ns,
                            struct error *error)
{
    while (length > 0) {
        ssize_t n = send(fd, text, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            TRY(wait_for(fd, POLLOUT, until_ns, error));
        } else if (n < 0 && errno != EINTR) {
            return error_set(error, STATUS_IO, "cannot ask heald: %s", strerror(errno));
        }
        text += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
    return STATUS_OK;
}

/* Reads up to the newline. */
static enum status receive_line(int fd, int64_t until_ns, char **ret, size_t *ret_length,
                                struct error *error)
{
    size_t capacity = 64 * 1024, length = 0;
    *ret = heap_alloc(capacity);
    while (true) {
        TRY(wait_for(fd, POLLIN, until_ns, error));
        ssize_t n = recv(fd, *ret + length, capacity - length, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (n <= 0) {
            return error_set(error, STATUS_IO, "heald ended the conversation without an answer");
        }
        char *end = memchr(*ret + length, '\n', (size_t)n);
        length += (size_t)n;
        if (end != NULL) {
            *ret_length = (size_t)(end - *ret);
            return STATUS_OK;
        }
        if (length > CONTROL_RESPONSE_BYTES_MAX) {
            return error_set(error, STATUS_LIMIT, "heald's answer is larger than %d bytes",
                             CONTROL_RESPONSE_BYTES_MAX);
        }
        if (length == capacity) {
            capacity *= 2;
            *ret = heap_resize(*ret, capacity);
        }
    }
}

static enum status converse(int fd, const json_t *request, int64_t until_ns, json_t **ret,
                            struct error *error)
{
    json_error_t problem;
    size_t length = 0;
    char *answer = NULL, *text = json_dumps(request, JSON_COMPACT);
    CHECK(text != NULL);
    enum status status = send_all(fd, text, strlen(text), until_ns, error);
    free(text);
    TRY(status);
    TRY(send_all(fd, "\n", 1, until_ns, error));
    status = receive_line(fd, until_ns, &answer, &length, error);
    if (status == STATUS_OK) {
        *ret = json_loadb(answer, length, JSON_REJECT_DUPLICATES, &problem);
        if (!json_is_object(*ret) || !json_is_boolean(json_object_get(*ret, "ok"))) {
            json_decref(*ret);
            *ret = NULL;
            status = error_set(error, STATUS_PROTOCOL, "heald's answer makes no sense");
        }
    }
    free(answer);
    return status;
}

enum status control_call(const char *path, const json_t *request, struct duration timeout,
                         json_t **ret, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int64_t until_ns = now_ns() + timeout.ns;
    if (strlen(path) >= sizeof(address.sun_path)) {
        return error_set(error, STATUS_LIMIT, "the socket's path is longer than %zu bytes",
                         sizeof(address.sun_path) - 1);
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        enum status status =
            error_set(error, STATUS_IO, "cannot reach heald at '%s': %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    enum status status = converse(fd, request, until_ns, ret, error);
    close(fd);
    return status;
}
