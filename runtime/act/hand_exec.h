/* The exec hand: runs one granted command in a cage of limits, and never waits for it.
 *
 *     TRY(hand_exec_start(grant, command, epoll_fd, uptime, &run, error));
 *     while (!hand_exec_step(run, uptime, &result)) { ... poll epoll_fd ... }
 *
 * The child has its own session, no new privileges, a clean environment, /dev/null as input, no
 * descriptor of the actor, limits on memory, CPU time, file size, descriptors and processes, and
 * dies with the actor. What of its group lives on when it ends is killed; a daemon that is meant to
 * live on leaves the group (setsid) and inherits the limits: better ask a supervisor to restart it.
 */
#ifndef HEAL_RUNTIME_ACT_HAND_EXEC_H
#define HEAL_RUNTIME_ACT_HAND_EXEC_H

#include "runtime/act/grant.h"

enum {
    HAND_TEXT_BYTES = 400,
    HAND_OUTPUT_DEFAULT = 4096,
    HAND_DRAIN_BYTES = 1 << 20, /* read from the pipe in one step */
    HAND_PROCESSES_MAX = 4096,  /* of the actor's user; the kernel does not hold root to it */
    HAND_FILES_MAX = 256
};
#define HAND_MEMORY_DEFAULT (1ULL << 30)
#define HAND_FILE_SIZE_MAX  (64ULL << 20)
#define HAND_GRACE          ((struct duration){2 * NS_PER_S}) /* from SIGTERM to SIGKILL */

struct hand_result {
    enum outcome outcome; /* SUCCEEDED, FAILED or TIMED_OUT */
    int32_t exit_code;    /* -signal if a signal ended it */
    char text[HAND_TEXT_BYTES];
};

struct hand_run;

/* STATUS_IO: nothing was started. Its descriptors wake epoll_fd, unless that is -1. */
NODISCARD enum status hand_exec_start(const struct grant *grant,
                                      const struct grant_command *command, int epoll_fd,
                                      struct duration uptime, struct hand_run **ret,
                                      struct error *error);

/* Reads output, keeps time. true: it ended, ret is filled, the run is freed. */
bool hand_exec_step(struct hand_run *run, struct duration uptime, struct hand_result *ret);

/* Asks the run to end now: SIGTERM, and SIGKILL after HAND_GRACE. */
void hand_exec_end(struct hand_run *run, struct duration uptime);

#endif
