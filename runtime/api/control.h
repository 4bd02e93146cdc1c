/* The control socket: one JSON object a line, both ways. healctl is one side, the engine the other.
 *
 *     struct control *control = control_new(PROCESS_FD_CONTROL, &error);
 *     ... add control_fd(control) to the loop; when it is readable: control_poll(control, answer,
 * ctx);
 *
 *     static json_t *answer(const struct control_request *request, void *ctx)
 *     {
 *         return strcmp(request->command, "status") == 0 ? status_json(ctx)
 *                                                        : control_error(CONTROL_USAGE, "...");
 *     }
 *
 * Nothing blocks. A caller that sends garbage gets an error and is dropped; one that is slow to
 * read is dropped. docs/control.md has the words. */
#ifndef HEAL_RUNTIME_API_CONTROL_H
#define HEAL_RUNTIME_API_CONTROL_H

#include <jansson.h>
#include <sys/types.h>

#include "lang/base.h"

enum {
    CONTROL_REQUEST_BYTES_MAX = 64 * 1024,
    CONTROL_RESPONSE_BYTES_MAX = 16 * 1024 * 1024,
    CONTROL_CONNECTIONS_MAX = 32,
    CONTROL_DEPTH_MAX = 32,
    CONTROL_COMMAND_BYTES = 32,
    CONTROL_USER_BYTES = 64,
    CONTROL_WHY_BYTES = 512, /* of the error of a negative answer, with its NUL */
    CONTROL_IDLE_MS = 60000, /* without a request or without reading an answer */
};

/* Codes of negative answers; they are healctl's exit codes. */
enum control_code {
    CONTROL_OK = 0,
    CONTROL_NEGATIVE = 1,
    CONTROL_USAGE = 2,
    CONTROL_UNREACHABLE = 3,
    CONTROL_NOT_FOUND = 4,
    CONTROL_DENIED = 5,
};

struct control_request {
    char command[CONTROL_COMMAND_BYTES];
    const json_t *args; /* the whole request; borrowed for the call */
    uid_t uid;          /* of the caller, from the kernel */
    pid_t pid;
    char user[CONTROL_USER_BYTES]; /* its name, or "uid 1000" */
};

/* Returns a new reference to the answer, an object; "ok": true is added when it has no "ok". */
typedef json_t *control_handler_f(const struct control_request *request, void *ctx);

struct control;

/* Takes over a listening non-blocking unix socket. NULL with error set. */
struct control *control_new(int listen_fd, struct error *error);
void control_free(struct control *control);
/* Readable whenever control_poll has work. */
int control_fd(const struct control *control);
/* Serves what is there, at most a bounded amount; returns how many requests were answered. */
unsigned control_poll(struct control *control, control_handler_f *handler, void *ctx);
/* {"ok": false, "code": code, "error": ...} */
json_t *control_error(enum control_code code, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The client's side: connects, sends, waits for the answer, at most timeout in all. The caller
 * releases *ret with json_decref. STATUS_IO: nobody is there or nobody answers in time. */
NODISCARD enum status control_call(const char *path, const json_t *request, struct duration timeout,
                                   json_t **ret, struct error *error);

#endif
