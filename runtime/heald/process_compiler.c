/* Starting, ending and reporting the compile child. */
#include "runtime/heald/process_compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/heald/log.h"
#include "runtime/heald/process.h"
#include "runtime/heald/process_message.h"

enum { COMPILER_FD = 3 }; /* the child's socket; above it nothing is open */

void compiler_init(struct compiler *compiler, const struct config *config)
{
    *compiler = (struct compiler){.config = config, .words.fd = -1, .next_fd = -1};
    ssize_t length = readlink("/proc/self/exe", compiler->path, sizeof(compiler->path) - 8);
    char *slash = length > 0 ? strrchr(compiler->path, '/') : NULL;
    if (slash != NULL) {
        memcpy(slash, "/healc", sizeof("/healc"));
    }
}

static void say_end(int engine_fd, uint32_t number, enum process_compiler_end end, int value)
{
    struct error error;
    const struct process_message message = {
        .kind = PROCESS_COMPILER_ENDED, .number = number, .end = end, .value = value};
    if (engine_fd >= 0 && number != 0 &&
        handover_send(engine_fd, &message, sizeof(message), -1, &error) != STATUS_OK) {
        log_say(LOG_WARN, "the engine was not told of the compiler's end: %s", error.message);
    }
}

/* In the child, between fork and exec. Standard input and output are nothing. */
static _Noreturn void become(const struct compiler *compiler, int socket_fd, int words_fd,
                             pid_t parent_pid)
{
    char name[] = "healc", option[] = "--compile-child", user[CONFIG_TEXT_MAX];
    char *argv[] = {name, option, user, NULL}, *env[] = {NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(user, sizeof(user), "%s", compiler->config->users.engine);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpriority(PRIO_PROCESS, 0, COMPILER_NICE); /* healing comes first */
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    int socket_above = fcntl(socket_fd, F_DUPFD_CLOEXEC, COMPILER_FD + 1);
    if (getppid() != parent_pid || nothing < 0 || socket_above < 0 ||
        dup2(words_fd, STDERR_FILENO) < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(nothing, STDOUT_FILENO) < 0 || dup2(socket_above, COMPILER_FD) < 0 ||
        close_range(COMPILER_FD + 1, ~0u, 0) != 0) {
        _exit(PROCESS_EXIT_REFUSED);
    }
    execve(compiler->path, argv, env);
    _exit(PROCESS_EXIT_REFUSED);
}

/* The child gets the request, the engine the socket to the child. */
static enum status hand_over(int engine_fd, uint32_t number, int socket_fd, int request_fd,
                             struct error *error)
{
    const struct process_message request = {.kind = PROCESS_COMPILE, .number = number},
                                 channel = {.kind = PROCESS_COMPILER, .number = number};
    TRY(handover_send(socket_fd, &request, sizeof(request), request_fd, error));
    return handover_send(engine_fd, &channel, sizeof(channel), socket_fd, error);
}

/* Gives 0 or errno. */
static int launch(struct compiler *compiler, int ret_sockets[2])
{
    struct error error;
    int words_fd = -1;
    pid_t own = getpid();
    if (words_open(&compiler->words, &words_fd, &error) != STATUS_OK) {
        return EMFILE;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_sockets) == 0) {
        compiler->pid = fork();
        if (compiler->pid == 0) {
            become(compiler, ret_sockets[1], words_fd, own);
        }
    } else {
        compiler->pid = -1;
    }
    int number = errno;
    close(words_fd);
    if (compiler->pid < 0) {
        compiler->pid = 0;
        words_close(&compiler->words);
        return number;
    }
    return 0;
}

static void start(struct compiler *compiler, int engine_fd, uint32_t number, int request_fd,
                  int64_t now_ms)
{
    struct error error;
    int sockets[2] = {-1, -1};
    if (compiler->path[0] != '/' || access(compiler->path, X_OK) != 0) {
        say_end(engine_fd, number, PROCESS_COMPILER_ABSENT, 0);
        return;
    }
    int why = launch(compiler, sockets);
    if (why != 0) {
        say_end(engine_fd, number, PROCESS_COMPILER_FAILED, why);
    } else {
        compiler->number = number;
        compiler->late = false;
        compiler->deadline_ms = now_ms + COMPILER_WALL_MS;
        log_say(LOG_INFO, "started the compiler, pid %ld", (long)compiler->pid);
        if (hand_over(engine_fd, number, sockets[0], request_fd, &error) != STATUS_OK) {
            log_say(LOG_WARN, "the compiler got no work: %s", error.message);
            kill(compiler->pid, SIGKILL);
        }
    }
    for (int i = 0; i < 2; i++) {
        if (sockets[i] >= 0) {
            close(sockets[i]);
        }
    }
}

void compiler_ask(struct compiler *compiler, int engine_fd, uint32_t number, int take_request_fd,
                  int64_t now_ms)
{
    if (compiler->pid == 0) {
        start(compiler, engine_fd, number, take_request_fd, now_ms);
        close(take_request_fd);
        return;
    }
    compiler_forget(compiler);
    compiler->next_fd = take_request_fd;
    compiler->next_number = number;
}

void compiler_forget(struct compiler *compiler)
{
    if (compiler->pid != 0) {
        kill(compiler->pid, SIGKILL);
        compiler->number = 0;
    }
    if (compiler->next_fd >= 0) {
        close(compiler->next_fd);
        compiler->next_fd = -1;
    }
}

int64_t compiler_due(struct compiler *compiler, int64_t now_ms, int64_t until_ms)
{
    if (compiler->pid == 0 || compiler->late) {
        return until_ms;
    }
    if (now_ms < compiler->deadline_ms) {
        return compiler->deadline_ms < until_ms ? compiler->deadline_ms : until_ms;
    }
    compiler->late = true;
    kill(compiler->pid, SIGKILL);
    return until_ms;
}

void compiler_ended(struct compiler *compiler, int engine_fd, int wait_status, int64_t now_ms)
{
    bool killed = WIFSIGNALED(wait_status);
    words_close(&compiler->words);
    compiler->pid = 0;
    say_end(engine_fd, compiler->number,
            compiler->late ? PROCESS_COMPILER_LATE
            : killed       ? PROCESS_COMPILER_KILLED
                           : PROCESS_COMPILER_EXITED,
            compiler->late ? COMPILER_WALL_MS / 1000
            : killed       ? WTERMSIG(wait_status)
                           : WEXITSTATUS(wait_status));
    if (compiler->next_fd >= 0) {
        int fd = compiler->next_fd;
        compiler->next_fd = -1;
        start(compiler, engine_fd, compiler->next_number, fd, now_ms);
        close(fd);
    }
}
