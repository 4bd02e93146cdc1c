/* The parent: opens what is shared, starts the children, restarts the dead, ends them all. It reads
 * nothing that policies or the network wrote. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/heald/log.h"
#include "runtime/heald/process.h"
#include "runtime/heald/process_compiler.h"
#include "runtime/heald/process_message.h"
#include "runtime/heald/process_state.h"
#include "runtime/ingest/feed.h"
#include "runtime/ingest/page.h"

enum {
    FEED_BYTES_LEAST = 8 << 20, /* room for about 260,000 samples */
    FEED_SAMPLE_BYTES = 32,
    FEED_CROWD = 4 /* so many times as many samples as on average may come within a tick */
};

struct child {
    pid_t pid;     /* 0: not running */
    int parent_fd; /* our end of PROCESS_FD_PARENT; -1 */
    bool ready, ever_ready;
    int64_t started_ms, restart_ms;
    int back_off_ms;
    struct words words;
};

struct parent {
    const struct config *config;
    struct child children[PROCESS_ROLES];
    struct compiler compiler;
    int feed_fd, page_fd, wake_fd, control_fd, config_fd, lock_fd, signal_fd;
    bool stopping, said_ready;
    int64_t stop_ms; /* when those still there are killed */
    int exit_code;
};

static int64_t now_ms(void)
{
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / NS_PER_MS;
}

/* In the child, between fork and exec: descriptors into their slots. Sources may lie in the slots
 * themselves, so all go above them first. */
static void slots_fill(const int sources[PROCESS_FD_END])
{
    int moved[PROCESS_FD_END];
    for (int slot = PROCESS_FD_FEED; slot < PROCESS_FD_END; slot++) {
        moved[slot] =
            sources[slot] >= 0 ? fcntl(sources[slot], F_DUPFD_CLOEXEC, PROCESS_FD_END) : -1;
    }
    for (int slot = PROCESS_FD_FEED; slot < PROCESS_FD_END; slot++) {
        if (moved[slot] < 0) {
            close(slot);
        } else if (dup2(moved[slot], slot) != slot) {
            _exit(PROCESS_EXIT_REFUSED);
        }
    }
}

static _Noreturn void child_become(enum process_role role, const int sources[PROCESS_FD_END],
                                   int words_fd, pid_t parent_pid)
{
    char name[] = "heald", option[] = "--role", role_text[16];
    char *argv[] = {name, option, role_text, NULL};
    snprintf(role_text, sizeof(role_text), "%s", process_role_texts[role]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent_pid || dup2(words_fd, STDERR_FILENO) < 0) {
        _exit(PROCESS_EXIT_REFUSED);
    }
    slots_fill(sources);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0) {
        _exit(PROCESS_EXIT_REFUSED);
    }
    close_range(STDERR_FILENO + 1, PROCESS_FD_FEED - 1, 0);
    close_range(PROCESS_FD_END, ~0u, 0);
    execv("/proc/self/exe", argv);
    _exit(PROCESS_EXIT_REFUSED);
}

/* Starts a role. peer_fd: its end of the engine's and actor's socket, or -1. */
static enum status child_start(struct parent *parent, enum process_role role, int peer_fd,
                               struct error *error)
{
    struct child *child = &parent->children[role];
    bool feeds = role != PROCESS_ACTOR;
    int words_fd = -1, sockets[2] = {-1, -1};
    pid_t own = getpid();
    TRY(words_open(&child->words, &words_fd, error));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        close(words_fd);
        words_close(&child->words);
        return error_set(error, STATUS_IO, "cannot start the %s: %s", process_role_texts[role],
                         strerror(errno));
    }
    const int sources[PROCESS_FD_END] = {
        [PROCESS_FD_FEED] = feeds ? parent->feed_fd : -1,
        [PROCESS_FD_PAGE] = feeds ? parent->page_fd : -1,
        [PROCESS_FD_PEER] = peer_fd,
        [PROCESS_FD_WAKE] = feeds ? parent->wake_fd : -1,
        [PROCESS_FD_CONTROL] = role == PROCESS_ENGINE ? parent->control_fd : -1,
        [PROCESS_FD_PARENT] = sockets[1],
        [PROCESS_FD_CONFIG] = parent->config_fd,
    };
    pid_t pid = fork();
    if (pid == 0) {
        child_become(role, sources, words_fd, own);
    }
    close(words_fd);
    close(sockets[1]);
    if (pid < 0) {
        words_close(&child->words);
        close(sockets[0]);
        return error_set(error, STATUS_IO, "cannot fork: %s", strerror(errno));
    }
    child->pid = pid;
    child->parent_fd = sockets[0];
    child->ready = false;
    child->started_ms = now_ms();
    child->restart_ms = 0;
    log_say(LOG_INFO, "started the %s, pid %ld", process_role_texts[role], (long)pid);
    return STATUS_OK;
}

/* The role on the other end of the socket between engine and actor. */
static enum process_role other_of(enum process_role role)
{
    return role == PROCESS_ENGINE ? PROCESS_ACTOR : PROCESS_ENGINE;
}

/* Starts a role again, and gives the one on its other end a fresh socket. */
static void child_restart(struct parent *parent, enum process_role role)
{
    struct error error;
    int pair[2] = {-1, -1};
    const struct process_message message = {.kind = PROCESS_PEER};
    enum status status = STATUS_OK;
    struct child *other = &parent->children[other_of(role)];
    if (role != PROCESS_INGEST &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        status = error_set(&error, STATUS_IO, "cannot make a socket: %s", strerror(errno));
    }
    if (status == STATUS_OK) {
        status = child_start(parent, role, pair[0], &error);
    }
    if (status == STATUS_OK && pair[1] >= 0 && other->pid != 0) {
        status = handover_send(other->parent_fd, &message, sizeof(message), pair[1], &error);
    }
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) {
            close(pair[i]);
        }
    }
    if (status != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        if (parent->children[role].pid == 0) {
            parent->children[role].restart_ms = now_ms() + PROCESS_BACK_OFF_MOST_MS;
        }
    }
}

static enum status children_start(struct parent *parent, struct error *error)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return error_set(error, STATUS_IO, "cannot make a socket: %s", strerror(errno));
    }
    enum status status = child_start(parent, PROCESS_ACTOR, pair[0], error);
    if (status == STATUS_OK) {
        status = child_start(parent, PROCESS_ENGINE, pair[1], error);
    }
    if (status == STATUS_OK) {
        status = child_start(parent, PROCESS_INGEST, -1, error);
    }
    close(pair[0]);
    close(pair[1]);
    return status;
}

static void stop_all(struct parent *parent, int exit_code)
{
    if (parent->stopping) {
        return;
    }
    parent->stopping = true;
    parent->exit_code = exit_code;
    parent->stop_ms = now_ms() + PROCESS_STOP_MS;
    log_say(LOG_INFO, "stopping");
    compiler_forget(&parent->compiler);
    for (int role = 0; role < PROCESS_ROLES; role++) {
        if (parent->children[role].pid != 0) {
            kill(parent->children[role].pid, SIGTERM);
            /* One that waits for a fresh peer must not wait longer: none comes. */
            shutdown(parent->children[role].parent_fd, SHUT_WR);
        }
    }
}

static void child_died(struct parent *parent, enum process_role role, int wait_status)
{
    struct child *child = &parent->children[role];
    bool refused = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == PROCESS_EXIT_REFUSED;
    words_close(&child->words);
    close(child->parent_fd);
    child->parent_fd = -1;
    if (role == PROCESS_ENGINE) {
        compiler_forget(&parent->compiler);
    }
    pid_t pid = child->pid;
    child->pid = 0;
    if (parent->stopping) {
        log_say(LOG_INFO, "the %s ended", process_role_texts[role]);
        return;
    }
    log_say(LOG_ERROR, "the %s (pid %ld) died, %s %d; its last words: %s", process_role_texts[role],
            (long)pid, WIFSIGNALED(wait_status) ? "signal" : "exit code",
            WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status),
            words_last(&child->words));
    if (refused && !child->ever_ready) {
        stop_all(parent, 1);
        return;
    }
    int64_t lived = now_ms() - child->started_ms;
    int next = lived > PROCESS_STEADY_MS ? 0 : 2 * child->back_off_ms;
    child->back_off_ms = next < PROCESS_BACK_OFF_LEAST_MS  ? PROCESS_BACK_OFF_LEAST_MS
                         : next > PROCESS_BACK_OFF_MOST_MS ? PROCESS_BACK_OFF_MOST_MS
                                                           : next;
    child->restart_ms = now_ms() + child->back_off_ms;
    log_say(LOG_INFO, "the %s starts again in %d ms", process_role_texts[role], child->back_off_ms);
}

static void children_reap(struct parent *parent)
{
    int wait_status = 0;
    for (pid_t pid = waitpid(-1, &wait_status, WNOHANG); pid > 0;
         pid = waitpid(-1, &wait_status, WNOHANG)) {
        if (parent->compiler.pid == pid) {
            compiler_ended(&parent->compiler, parent->children[PROCESS_ENGINE].parent_fd,
                           wait_status, now_ms());
        }
        for (int role = 0; role < PROCESS_ROLES; role++) {
            if (parent->children[role].pid == pid) {
                child_died(parent, (enum process_role)role, wait_status);
            }
        }
    }
}

static void signals_read(struct parent *parent)
{
    struct signalfd_siginfo info;
    while (read(parent->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGCHLD: children_reap(parent); break;
        case SIGHUP:
            if (parent->children[PROCESS_ENGINE].pid != 0) {
                kill(parent->children[PROCESS_ENGINE].pid, SIGHUP);
            }
            break;
        default: stop_all(parent, 0); break;
        }
    }
}

/* Takes the descriptor; only the engine asks, and only before the end. */
static void compile_asked(struct parent *parent, enum process_role role, uint32_t number, int fd)
{
    if (role == PROCESS_ENGINE && !parent->stopping && fd >= 0) {
        compiler_ask(&parent->compiler, parent->children[role].parent_fd, number, fd, now_ms());
    } else if (fd >= 0) {
        close(fd);
    }
}

static void message_read(struct parent *parent, enum process_role role)
{
    struct child *child = &parent->children[role];
    struct process_message message = {0};
    struct error error;
    int fd = -1;
    if (handover_receive(child->parent_fd, &message, sizeof(message), MSG_DONTWAIT, &fd, &error) !=
        STATUS_OK) {
        return;
    }
    if (message.kind == PROCESS_READY) {
        child->ready = child->ever_ready = true;
    }
    if (message.kind == PROCESS_COMPILE) {
        compile_asked(parent, role, message.number, fd);
    } else if (fd >= 0) {
        close(fd);
    }
    for (int i = 0; i < PROCESS_ROLES; i++) {
        if (!parent->children[i].ready) {
            return;
        }
    }
    if (!parent->said_ready) {
        parent->said_ready = true;
        log_say(LOG_INFO, "ready");
    }
}

/* Restarts those whose time has come; kills those who outlive the stop. Returns how long to wait.
 */
static int due_work(struct parent *parent)
{
    int64_t now = now_ms(), next = now + 60000;
    for (int role = 0; role < PROCESS_ROLES; role++) {
        struct child *child = &parent->children[role];
        if (parent->stopping && child->pid != 0) {
            if (now >= parent->stop_ms) {
                log_say(LOG_WARN, "the %s did not end in time: killed", process_role_texts[role]);
                kill(child->pid, SIGKILL);
                parent->stop_ms = now + 1000;
            }
            next = parent->stop_ms < next ? parent->stop_ms : next;
        } else if (!parent->stopping && child->pid == 0) {
            if (now >= child->restart_ms) {
                child_restart(parent, (enum process_role)role);
            }
            if (child->pid == 0 && child->restart_ms < next) {
                next = child->restart_ms;
            }
        }
    }
    next = compiler_due(&parent->compiler, now, next);
    return next > now ? (int)(next - now) : 0;
}

static bool any_alive(const struct parent *parent)
{
    for (int role = 0; role < PROCESS_ROLES; role++) {
        if (parent->children[role].pid != 0) {
            return true;
        }
    }
    return parent->compiler.pid != 0;
}

static void loop(struct parent *parent)
{
    while (!parent->stopping || any_alive(parent)) {
        struct pollfd fds[2 + 2 * PROCESS_ROLES] = {{.fd = parent->signal_fd, .events = POLLIN}};
        int wait_ms = due_work(parent);
        for (int role = 0; role < PROCESS_ROLES; role++) {
            struct child *child = &parent->children[role];
            fds[1 + 2 * role] = (struct pollfd){.fd = child->words.fd, .events = POLLIN};
            fds[2 + 2 * role] = (struct pollfd){.fd = child->parent_fd, .events = POLLIN};
        }
        fds[1 + 2 * PROCESS_ROLES] =
            (struct pollfd){.fd = parent->compiler.words.fd, .events = POLLIN};
        if (poll(fds, ARRAY_LEN(fds), wait_ms) < 0 && errno != EINTR) {
            log_say(LOG_ERROR, "cannot wait: %s", strerror(errno));
            stop_all(parent, 1);
        }
        for (int role = 0; role < PROCESS_ROLES; role++) {
            if (fds[1 + 2 * role].revents != 0) {
                words_read(&parent->children[role].words);
            }
            if ((fds[2 + 2 * role].revents & POLLIN) != 0) {
                message_read(parent, (enum process_role)role);
            }
            if ((fds[2 + 2 * role].revents & (POLLHUP | POLLIN)) == POLLHUP) {
                poll(NULL, 0, 1); /* it is about to end; SIGCHLD follows */
            }
        }
        if (fds[1 + 2 * PROCESS_ROLES].revents != 0) {
            words_read(&parent->compiler.words);
        }
        if (fds[0].revents != 0) {
            signals_read(parent);
        }
    }
}

/* The largest answer twice, and what may come from all sources within a tick. */
static size_t feed_bytes(const struct config *config)
{
    double largest = 0, crowd = 0;
    for (size_t i = 0; i < config->scrape_count; i++) {
        const struct config_scrape *s = &config->scrape[i];
        const double series = (double)s->series_max;
        largest = series > largest ? series : largest;
        crowd +=
            series * (double)s->targets.count * (double)config->tick.ns / (double)s->interval.ns;
    }
    for (size_t i = 0; i < config->remote_write_count; i++) {
        const struct config_remote_write *r = &config->remote_write[i];
        crowd += (double)r->series_max * (double)config->tick.ns / (double)r->interval.ns;
    }
    const double wanted = (double)FEED_SAMPLE_BYTES * (2 * largest + (double)FEED_CROWD * crowd);
    size_t bytes = FEED_BYTES_LEAST;
    while ((double)bytes < wanted && bytes < FEED_BYTES_MAX) {
        bytes *= 2;
    }
    return bytes;
}

static enum status parent_open(struct parent *parent, struct error *error)
{
    sigset_t signals;
    struct clock_anchor clock;
    TRY(process_state_open(parent->config, &parent->lock_fd, error));
    TRY(process_control_open(parent->config, &parent->control_fd, error));
    TRY(process_config_open(parent->config, &parent->config_fd, error));
    parent->feed_fd = feed_create(feed_bytes(parent->config), error);
    parent->page_fd = parent->feed_fd < 0 ? -1 : page_create(error);
    if (parent->feed_fd < 0 || parent->page_fd < 0) {
        return STATUS_IO;
    }
    parent->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    parent->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (parent->wake_fd < 0 || parent->signal_fd < 0) {
        return error_set(error, STATUS_IO, "cannot open what is shared: %s", strerror(errno));
    }
    clock_start(&clock);
    clock_export(&clock);
    return STATUS_OK;
}

static enum status parent_cage(struct error *error)
{
    char report[SANDBOX_REPORT_BYTES];
    struct sandbox sandbox = {.role = SANDBOX_PARENT};
    TRY(sandbox_apply(&sandbox, report, error));
    for (const char *line = report; *line != '\0'; line += strcspn(line, "\n") + 1) {
        log_say(LOG_INFO, "%.*s", (int)strcspn(line, "\n"), line);
    }
    return STATUS_OK;
}

int process_parent_main(const struct config *config)
{
    struct parent parent = {.config = config};
    struct error error;
    for (int role = 0; role < PROCESS_ROLES; role++) {
        parent.children[role].words.fd = parent.children[role].parent_fd = -1;
    }
    compiler_init(&parent.compiler, config);
    log_open("parent", (enum log_format)config->log.format, (enum log_level)config->log.level);
    if (parent_open(&parent, &error) != STATUS_OK || parent_cage(&error) != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        return 1;
    }
    log_say(LOG_INFO, "heald %s, pid %ld, state %s", HEAL_VERSION, (long)getpid(), config->state);
    if (children_start(&parent, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        stop_all(&parent, 1);
    }
    loop(&parent);
    unlink(config->control);
    log_say(LOG_INFO, "stopped");
    return parent.exit_code;
}
