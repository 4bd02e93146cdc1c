/* The exec hand: runs one granted command in a cage of limits: fork, cage, execve; a pipe, a clock
 * and two signals.
 *
 * The child has its own session, no new privileges, a clean environment, /dev/null as input, no
 * descriptor of the actor, limits on memory, CPU time, file size, descriptors and processes, and
 * dies with the actor. What of its group lives on when it ends is killed; a daemon that is meant to
 * live on leaves the group (setsid) and inherits the limits: better ask a supervisor to restart it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/act/hand_internal.h"

enum {
    OUTPUT_DEFAULT = 4096,
    DRAIN_BYTES = 1 << 20, /* read from the pipe in one step */
    PROCESSES_MAX = 4096,  /* of the actor's user; the kernel does not hold root to it */
    FILES_MAX = 256
};
#define MEMORY_DEFAULT (1ULL << 30)
#define FILE_SIZE_MAX  (64ULL << 20)
#define GRACE          ((struct duration){2 * NS_PER_S}) /* from SIGTERM to SIGKILL */

/* What the child reports when it could not become the program. */
struct exec_failure {
    int32_t step, why;
};
static const char *const exec_steps[] = {"prepare", "limit", "enter the folder of", "execute"};
enum { STEP_PREPARE, STEP_LIMIT, STEP_FOLDER, STEP_EXECUTE };

struct exec_run {
    struct hand_run base;
    pid_t pid;
    int pid_fd, output_fd, failure_fd;
    struct duration deadline, kill_at;
    bool ending, timed_out, killed;
    const char *program;
    uint64_t output_total;
    size_t ring_size, ring_used; /* the last ring_size bytes of the output */
    char *ring;
};

/* ---- in the child: only what is safe after fork ---- */

struct child {
    const char *program, *folder;
    char *const *argv;
    char *const *env;
    int null_fd, output_fd, failure_fd;
    pid_t parent;
    struct rlimit memory, cpu;
};

static _Noreturn void child_fail(int fd, int step)
{
    struct exec_failure failure = {step, errno};
    ssize_t ignored = write(fd, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

static bool child_limits(const struct child *child)
{
    const struct rlimit none = {0, 0}, files = {FILES_MAX, FILES_MAX},
                        size = {FILE_SIZE_MAX, FILE_SIZE_MAX},
                        processes = {PROCESSES_MAX, PROCESSES_MAX};
    return setrlimit(RLIMIT_CORE, &none) == 0 && setrlimit(RLIMIT_NOFILE, &files) == 0 &&
           setrlimit(RLIMIT_FSIZE, &size) == 0 && setrlimit(RLIMIT_NPROC, &processes) == 0 &&
           setrlimit(RLIMIT_CPU, &child->cpu) == 0 && setrlimit(RLIMIT_AS, &child->memory) == 0;
}

static _Noreturn void child_main(const struct child *child)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Above 0, 1, 2 first, so that none is overwritten before it is used. */
    int failure_fd = fcntl(child->failure_fd, F_DUPFD_CLOEXEC, 10);
    int output_fd = fcntl(child->output_fd, F_DUPFD_CLOEXEC, 10);
    int null_fd = fcntl(child->null_fd, F_DUPFD_CLOEXEC, 10);
    if (failure_fd < 0 || output_fd < 0 || null_fd < 0 || setsid() < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        dup2(null_fd, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0 ||
        dup3(failure_fd, 3, O_CLOEXEC) < 0 || close_range(4, ~0U, 0) != 0) {
        child_fail(failure_fd < 0 ? child->failure_fd : failure_fd, STEP_PREPARE);
    }
    if (getppid() != child->parent) {
        _exit(127); /* the actor died before the death signal was set */
    }
    umask(077);
    if (chdir(child->folder) != 0) {
        child_fail(3, STEP_FOLDER);
    }
    if (!child_limits(child)) {
        child_fail(3, STEP_LIMIT);
    }
    execve(child->program, child->argv, child->env);
    child_fail(3, STEP_EXECUTE);
}

/* ---- in the actor ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void run_free(struct exec_run *run)
{
    close_fd(&run->pid_fd);
    close_fd(&run->output_fd);
    close_fd(&run->failure_fd);
    free(run->ring);
    free(run);
}

/* PATH and LANG are fixed unless the grant names them; nothing of the actor's own environment. */
static void fill_environment(const struct grant *grant, char *ret[GRANT_ENV_MAX + 3])
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char lang[] = "LANG=C.UTF-8";
    bool has_path = false, has_lang = false;
    size_t used = 0;
    for (size_t i = 0; i < grant->env_count; i++) {
        has_path = has_path || strncmp(grant->env[i], "PATH=", 5) == 0;
        has_lang = has_lang || strncmp(grant->env[i], "LANG=", 5) == 0;
        ret[used++] = (char *)(uintptr_t)grant->env[i]; /* execve does not write to it */
    }
    if (!has_path) {
        ret[used++] = path;
    }
    if (!has_lang) {
        ret[used++] = lang;
    }
    ret[used] = NULL;
}

static pid_t spawn(const struct grant *grant, const struct grant_command *command, int null_fd,
                   int output_fd, int failure_fd)
{
    char *env[GRANT_ENV_MAX + 3];
    fill_environment(grant, env);
    rlim_t memory = grant->memory_max_bytes ? grant->memory_max_bytes : MEMORY_DEFAULT;
    /* Soft only: a daemon that the command starts may lift it, a runaway that escaped will not. */
    rlim_t cpu_s = (rlim_t)(grant->timeout.ns / NS_PER_S) + 3;
    struct child child = {.program = command->argv[0],
                          .folder = grant->cwd ? grant->cwd : "/",
                          .argv = command->argv,
                          .env = env,
                          .null_fd = null_fd,
                          .output_fd = output_fd,
                          .failure_fd = failure_fd,
                          .parent = getpid(),
                          .memory = {memory, memory},
                          .cpu = {cpu_s, RLIM_INFINITY}};
    pid_t pid = fork();
    if (pid == 0) {
        child_main(&child);
    }
    return pid;
}

static void watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_fd >= 0) {
        CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
    }
}

static enum status start_parts(struct exec_run *run, const struct grant *grant,
                               const struct grant_command *command, struct error *error)
{
    int output[2] = {-1, -1}, failure[2] = {-1, -1};
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool ok = null_fd >= 0 && pipe2(output, O_CLOEXEC) == 0 && pipe2(failure, O_CLOEXEC) == 0;
    run->output_fd = output[0];
    run->failure_fd = failure[0];
    ok = ok && fcntl(output[0], F_SETFL, O_NONBLOCK) == 0 &&
         fcntl(failure[0], F_SETFL, O_NONBLOCK) == 0;
    if (ok) {
        run->pid = spawn(grant, command, null_fd, output[1], failure[1]);
        ok = run->pid > 0;
    }
    int why = errno;
    close_fd(&output[1]);
    close_fd(&failure[1]);
    close_fd(&null_fd);
    return ok ? STATUS_OK
              : error_set(error, STATUS_IO, "cannot start a process: %s", strerror(why));
}

static enum status exec_start(struct hands *hands, const struct hand_order *order,
                              struct duration uptime, struct hand_run **ret, struct error *error)
{
    const struct grant *grant = order->grant;
    int epoll_fd = hands->settings.epoll_fd;
    struct exec_run *run = heap_alloc(sizeof *run);
    run->pid_fd = run->output_fd = run->failure_fd = -1;
    run->program = grant->argv[0];
    run->deadline.ns = uptime.ns + grant->timeout.ns;
    run->ring_size = grant->output_max_bytes ? grant->output_max_bytes : OUTPUT_DEFAULT;
    run->ring = heap_alloc(run->ring_size);
    enum status status = start_parts(run, grant, order->command, error);
    if (status != STATUS_OK) {
        run_free(run);
        return status;
    }
    run->pid_fd = pidfd_open(run->pid, 0);
    if (run->pid_fd >= 0) {
        watch(epoll_fd, run->pid_fd); /* without one, the caller's own clock finds the end */
    }
    watch(epoll_fd, run->output_fd);
    *ret = &run->base;
    return STATUS_OK;
}

static void ring_add(struct exec_run *run, const char *bytes, size_t count)
{
    run->output_total += count;
    if (count >= run->ring_size) {
        memcpy(run->ring, bytes + count - run->ring_size, run->ring_size);
        run->ring_used = run->ring_size;
        return;
    }
    size_t keep = run->ring_size - count < run->ring_used ? run->ring_size - count : run->ring_used;
    memmove(run->ring, run->ring + run->ring_used - keep, keep);
    memcpy(run->ring + keep, bytes, count);
    run->ring_used = keep + count;
}

static void drain(struct exec_run *run)
{
    char buffer[16384];
    size_t total = 0;
    while (run->output_fd >= 0 && total < DRAIN_BYTES) {
        ssize_t got = read(run->output_fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return;
        }
        if (got <= 0) {
            close_fd(&run->output_fd); /* an ended pipe would wake the loop for ever */
            return;
        }
        ring_add(run, buffer, (size_t)got);
        total += (size_t)got;
    }
}

static void signal_all(const struct exec_run *run, int number)
{
    /* It is not reaped yet, so neither number can belong to another. Before setsid there is no
     * group. */
    kill(run->pid, number);
    kill(-run->pid, number);
}

static void end_soon(struct exec_run *run, struct duration uptime)
{
    if (!run->ending) {
        run->ending = true;
        run->kill_at.ns = uptime.ns + GRACE.ns;
        signal_all(run, SIGTERM);
    }
}

static void keep_time(struct exec_run *run, struct duration uptime)
{
    if (!run->ending && uptime.ns >= run->deadline.ns) {
        run->timed_out = true;
        end_soon(run, uptime);
    }
    if (run->ending && uptime.ns >= run->kill_at.ns) {
        run->killed = true;
        signal_all(run, SIGKILL);
    }
}

static void fill_result(struct exec_run *run, const siginfo_t *info, struct hand_result *ret)
{
    struct exec_failure failure;
    memset(ret, 0, sizeof *ret);
    bool normal = info->si_code == CLD_EXITED;
    ret->exit_code = normal ? info->si_status : -info->si_status;
    ret->outcome = run->timed_out                                   ? OUTCOME_TIMED_OUT
                   : normal && info->si_status == 0 && !run->ending ? OUTCOME_SUCCEEDED
                                                                    : OUTCOME_FAILED;
    if (read(run->failure_fd, &failure, sizeof failure) == (ssize_t)sizeof failure &&
        failure.step >= 0 && failure.step < (int)ARRAY_LEN(exec_steps)) {
        ret->outcome = OUTCOME_FAILED;
        snprintf(ret->text, sizeof ret->text, "cannot %s '%.200s': %.100s",
                 exec_steps[failure.step], run->program, strerror(failure.why));
        return;
    }
    size_t used = run->ring_used;
    while (used > 0 && run->ring[used - 1] == '\n') { /* the end of the last line says nothing */
        used--;
    }
    message_escape(run->ring, used, ret->text, sizeof ret->text);
}

static bool exec_step(struct hand_run *base, struct duration uptime, struct hand_result *ret)
{
    struct exec_run *run = (struct exec_run *)base;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    drain(run);
    int waited = waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if (waited != 0 || info.si_pid == 0) {
        CHECK(waited == 0 || errno == EINTR);
        keep_time(run, uptime);
        return false;
    }
    signal_all(run, SIGKILL); /* what is left of its group */
    drain(run);
    waitid(P_PID, (id_t)run->pid, &info, WEXITED);
    fill_result(run, &info, ret);
    run_free(run);
    return true;
}

static void exec_end(struct hand_run *base, struct duration uptime)
{
    end_soon((struct exec_run *)base, uptime);
}

const struct hand hand_exec = {.start = exec_start, .step = exec_step, .end = exec_end};
