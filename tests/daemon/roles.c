/* Roles for tests of the parent: the engine counts over its peer, serves the control socket and
 * does what an engine does to memory and files; the actor echoes; ingest only lives. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/api/control.h"
#include "runtime/heald/log.h"
#include "runtime/heald/process.h"

static struct {
    unsigned pongs, reloads;
    char sandbox[SANDBOX_REPORT_BYTES];
    const struct process_start *start;
} engine;

/* Whether to go on. */
static bool signal_taken(int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return true;
    }
    engine.reloads += info.ssi_signo == SIGHUP;
    return info.ssi_signo == SIGHUP;
}

static bool cage(const struct process_start *start)
{
    struct error error;
    if (process_cage(start, engine.sandbox, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        return false;
    }
    process_ready();
    return true;
}

static void *thread_main(void *argument)
{
    *(int *)argument = 1;
    return NULL;
}

/* What a journal does to files, and threads, in the cage. */
static bool engine_can_work(const char *state)
{
    char path[4200];
    int ran = 0;
    pthread_t thread;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    snprintf(path, sizeof(path), "%s/work", state);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    bool good = fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && ftruncate(fd, 8192) == 0 &&
                pwrite(fd, "x", 1, 0) == 1 && fdatasync(fd) == 0 &&
                mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED &&
                unlink(path) == 0;
    good = good && pthread_create(&thread, NULL, thread_main, &ran) == 0 &&
           pthread_join(thread, NULL) == 0 && ran == 1;
    return good;
}

static json_t *answer(const struct control_request *request, void *ctx)
{
    (void)ctx;
    if (strcmp(request->command, "status") == 0) {
        return json_pack("{s:s, s:i, s:i, s:i, s:I, s:s, s:s}", "version", "test", "pid",
                         (int)getpid(), "pongs", (int)engine.pongs, "reloads", (int)engine.reloads,
                         "now_ns", (json_int_t)clock_now(&engine.start->clock).ns, "user",
                         request->user, "sandbox_text", engine.sandbox);
    }
    if (strcmp(request->command, "crash") == 0) {
        check_failed("asked to crash", __FILE__, __LINE__);
    }
    if (strcmp(request->command, "large") == 0) {
        char *text = heap_alloc(3000001);
        memset(text, 'a', 3000000);
        json_t *large = json_pack("{s:s}", "text", text);
        free(text);
        return large;
    }
    return control_error(CONTROL_USAGE, "there is no command '%s'", request->command);
}

int process_engine_main(const struct process_start *start)
{
    struct error error;
    int signal_fd = process_signals(true);
    bool go = true;
    struct control *control = control_new(PROCESS_FD_CONTROL, &error);
    engine.start = start;
    if (getenv("ROLES_REFUSE") != NULL) {
        log_say(LOG_ERROR, "refused as asked");
        return PROCESS_EXIT_REFUSED;
    }
    if (control == NULL || !cage(start) || !engine_can_work(start->config->state)) {
        log_say(LOG_ERROR, "the engine cannot work in its cage: %s", strerror(errno));
        return PROCESS_EXIT_REFUSED;
    }
    while (go) {
        char bytes[16];
        struct pollfd fds[] = {
            {signal_fd, POLLIN, 0}, {PROCESS_FD_PEER, POLLIN, 0}, {control_fd(control), POLLIN, 0}};
        send(PROCESS_FD_PEER, "ping", 4, MSG_NOSIGNAL | MSG_DONTWAIT);
        poll(fds, ARRAY_LEN(fds), 20);
        go = signal_taken(signal_fd);
        ssize_t length = recv(PROCESS_FD_PEER, bytes, sizeof(bytes), MSG_DONTWAIT);
        engine.pongs += length > 0;
        if (length == 0 && process_wait_peer(5000, &error) == STATUS_NOT_FOUND) {
            go = false;
        }
        control_poll(control, answer, NULL);
    }
    control_free(control);
    return 0;
}

int process_actor_main(const struct process_start *start)
{
    struct error error;
    int signal_fd = process_signals(true);
    bool go = cage(start);
    while (go) {
        char bytes[16];
        struct pollfd fds[] = {{signal_fd, POLLIN, 0}, {PROCESS_FD_PEER, POLLIN, 0}};
        poll(fds, ARRAY_LEN(fds), 1000);
        go = signal_taken(signal_fd) || getenv("ROLES_STUBBORN") != NULL;
        ssize_t length = recv(PROCESS_FD_PEER, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (length > 0) {
            send(PROCESS_FD_PEER, bytes, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
        } else if (length == 0 && process_wait_peer(5000, &error) == STATUS_NOT_FOUND) {
            go = getenv("ROLES_STUBBORN") != NULL;
            poll(NULL, 0, 50);
        }
    }
    return 0;
}

int process_ingest_main(const struct process_start *start)
{
    int signal_fd = process_signals(true);
    bool go = cage(start);
    while (go) {
        struct pollfd fds[] = {{signal_fd, POLLIN, 0}, {PROCESS_FD_PARENT, 0, 0}};
        poll(fds, ARRAY_LEN(fds), 1000);
        go = signal_taken(signal_fd) && (fds[1].revents & POLLHUP) == 0;
    }
    return 0;
}
