/* The engine's side of the control socket. */
#include "runtime/api/control.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection {
    int fd; /* -1: free */
    uid_t uid;
    pid_t pid;
    int64_t active_ms;
    char *in; /* CONTROL_REQUEST_BYTES_MAX + 1 */
    size_t in_length;
    char *out; /* what is not sent yet */
    size_t out_length, out_sent;
    bool closing; /* once out is sent */
};

struct control {
    int listen_fd, epoll_fd;
    struct connection connections[CONTROL_CONNECTIONS_MAX];
};

static int64_t now_ms(void)
{
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / NS_PER_MS;
}

static bool watch(struct control *control, int operation, int fd, uint32_t events, uint64_t key)
{
    struct epoll_event event = {.events = events, .data.u64 = key};
    return epoll_ctl(control->epoll_fd, operation, fd, &event) == 0;
}

struct control *control_new(int listen_fd, struct error *error)
{
    struct control *control = heap_alloc(sizeof(*control));
    control->listen_fd = listen_fd;
    control->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        control->connections[i].fd = -1;
    }
    if (control->epoll_fd < 0 ||
        !watch(control, EPOLL_CTL_ADD, listen_fd, EPOLLIN, CONTROL_CONNECTIONS_MAX)) {
        error_set(error, STATUS_IO, "cannot watch the control socket: %s", strerror(errno));
        control_free(control);
        return NULL;
    }
    return control;
}

static void connection_close(struct connection *connection)
{
    close(connection->fd); /* leaves the epoll set with it */
    free(connection->in);
    free(connection->out);
    *connection = (struct connection){.fd = -1};
}

void control_free(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        if (control->connections[i].fd >= 0) {
            connection_close(&control->connections[i]);
        }
    }
    if (control->epoll_fd >= 0) {
        close(control->epoll_fd);
    }
    close(control->listen_fd);
    free(control);
}

int control_fd(const struct control *control)
{
    return control->epoll_fd;
}

json_t *control_error(enum control_code code, const char *fmt, ...)
{
    char message[CONTROL_WHY_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    json_t *text = json_string(message);
    if (text == NULL) { /* not UTF-8 */
        text = json_string("the request cannot be answered");
    }
    return json_pack("{s:b, s:i, s:o}", "ok", 0, "code", (int)code, "error", text);
}

static struct connection *connection_free_slot(struct control *control)
{
    struct connection *oldest = NULL;
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        struct connection *connection = &control->connections[i];
        if (connection->fd < 0) {
            return connection;
        }
        if (oldest == NULL || connection->active_ms < oldest->active_ms) {
            oldest = connection;
        }
    }
    /* All are taken: the longest silent one gives way, so that a person is never shut out. */
    connection_close(oldest);
    return oldest;
}

static void connections_accept(struct control *control)
{
    for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        struct ucred peer;
        socklen_t length = sizeof(peer);
        int fd = accept4(control->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
            close(fd);
            continue;
        }
        struct connection *connection = connection_free_slot(control);
        *connection =
            (struct connection){.fd = fd, .uid = peer.uid, .pid = peer.pid, .active_ms = now_ms()};
        connection->in = heap_alloc(CONTROL_REQUEST_BYTES_MAX + 1);
        if (!watch(control, EPOLL_CTL_ADD, fd, EPOLLIN,
                   (uint64_t)(connection - control->connections))) {
            connection_close(connection);
        }
    }
}

static void connection_send(struct control *control, struct connection *connection)
{
    while (connection->out_sent < connection->out_length) {
        ssize_t n = send(connection->fd, connection->out + connection->out_sent,
                         connection->out_length - connection->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(control, EPOLL_CTL_MOD, connection->fd, EPOLLOUT,
                  (uint64_t)(connection - control->connections));
            return;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            connection_close(connection);
            return;
        }
        connection->out_sent += (size_t)n;
        connection->active_ms = now_ms();
    }
    free(connection->out);
    connection->out = NULL;
    connection->out_length = connection->out_sent = 0;
    if (connection->closing) {
        connection_close(connection);
        return;
    }
    watch(control, EPOLL_CTL_MOD, connection->fd, EPOLLIN,
          (uint64_t)(connection - control->connections));
}

/* Takes over answer. */
static void connection_answer(struct control *control, struct connection *connection,
                              json_t *take_answer)
{
    CHECK(json_is_object(take_answer));
    if (json_object_get(take_answer, "ok") == NULL) {
        json_object_set_new(take_answer, "ok", json_true());
    }
    char *text = json_dumps(take_answer, JSON_COMPACT);
    json_decref(take_answer);
    size_t length = text != NULL ? strlen(text) : 0;
    if (text == NULL || length > CONTROL_RESPONSE_BYTES_MAX) {
        free(text);
        text = heap_strdup("{\"ok\":false,\"code\":1,\"error\":\"the answer is too large\"}");
        length = strlen(text);
    }
    connection->out = heap_alloc(length + 1);
    memcpy(connection->out, text, length);
    connection->out[length] = '\n';
    connection->out_length = length + 1;
    connection->out_sent = 0;
    free(text);
    connection_send(control, connection);
}

static void user_name(uid_t uid, char ret[CONTROL_USER_BYTES])
{
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL) {
        snprintf(ret, CONTROL_USER_BYTES, "%s", found->pw_name);
    } else {
        snprintf(ret, CONTROL_USER_BYTES, "uid %u", (unsigned)uid);
    }
}

/* Whether brackets nest no deeper than the limit: asked before the parser recurses. */
static bool is_shallow(const char *text, size_t length)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        if (quoted && text[i] == '\\') {
            i++; /* and what it escapes */
        } else if (quoted) {
            quoted = text[i] != '"';
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > CONTROL_DEPTH_MAX) {
                return false;
            }
        } else if (text[i] == '}' || text[i] == ']') {
            depth -= depth > 0;
        }
    }
    return true;
}

/* Answers one line. */
static json_t *request_answer(const struct connection *connection, const char *line, size_t length,
                              control_handler_f *handler, void *ctx, bool *ret_garbage)
{
    json_error_t problem;
    struct control_request request = {.uid = connection->uid, .pid = connection->pid};
    json_t *args = is_shallow(line, length)
                       ? json_loadb(line, length, JSON_REJECT_DUPLICATES, &problem)
                       : NULL;
    const char *command = json_string_value(json_object_get(args, "command"));
    *ret_garbage = !json_is_object(args);
    if (command == NULL || strlen(command) >= sizeof(request.command)) {
        json_decref(args);
        return control_error(CONTROL_USAGE, *ret_garbage ? "a request is one JSON object in a line"
                                                         : "a request needs the text 'command'");
    }
    snprintf(request.command, sizeof(request.command), "%s", command);
    user_name(connection->uid, request.user);
    request.args = args;
    json_t *answer = handler(&request, ctx);
    json_decref(args);
    return answer;
}

/* Answers whole lines that are there; one at a time, the next when the answer is sent. */
static unsigned connection_serve(struct control *control, struct connection *connection,
                                 control_handler_f *handler, void *ctx)
{
    unsigned answered = 0;
    while (connection->fd >= 0 && connection->out == NULL && !connection->closing) {
        char *end = memchr(connection->in, '\n', connection->in_length);
        if (end == NULL) {
            if (connection->in_length >= CONTROL_REQUEST_BYTES_MAX) {
                connection->closing = true;
                connection_answer(control, connection,
                                  control_error(CONTROL_USAGE, "a request is at most 64 KiB"));
            }
            return answered;
        }
        size_t length = (size_t)(end - connection->in);
        json_t *answer =
            request_answer(connection, connection->in, length, handler, ctx, &connection->closing);
        connection->in_length -= length + 1;
        memmove(connection->in, end + 1, connection->in_length);
        connection->active_ms = now_ms();
        answered++;
        connection_answer(control, connection, answer);
    }
    return answered;
}

static unsigned connection_work(struct control *control, struct connection *connection,
                                uint32_t events, control_handler_f *handler, void *ctx)
{
    if ((events & EPOLLOUT) != 0) {
        connection_send(control, connection);
    } else {
        ssize_t n = recv(connection->fd, connection->in + connection->in_length,
                         CONTROL_REQUEST_BYTES_MAX - connection->in_length, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            connection_close(connection);
            return 0;
        }
        connection->in_length += n > 0 ? (size_t)n : 0;
    }
    return connection->fd >= 0 ? connection_serve(control, connection, handler, ctx) : 0;
}

unsigned control_poll(struct control *control, control_handler_f *handler, void *ctx)
{
    struct epoll_event events[CONTROL_CONNECTIONS_MAX + 1];
    unsigned answered = 0;
    int count = epoll_wait(control->epoll_fd, events, ARRAY_LEN(events), 0);
    for (int i = 0; i < count; i++) {
        uint64_t key = events[i].data.u64;
        if (key < CONTROL_CONNECTIONS_MAX && control->connections[key].fd >= 0) {
            answered += connection_work(control, &control->connections[key], events[i].events,
                                        handler, ctx);
        }
    }
    /* After the others, so that a slot is never reused under an event of its last owner. */
    connections_accept(control);
    int64_t now = now_ms();
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        struct connection *connection = &control->connections[i];
        if (connection->fd >= 0 && now - connection->active_ms > CONTROL_IDLE_MS) {
            connection_close(connection);
        }
    }
    return answered;
}
