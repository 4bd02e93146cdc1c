/* Tries what a caged process must not be able to do. */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/sandbox/sandbox.h"

/* Each returns a negative number with errno when it was refused. */
static long try_execve(void)
{
    char *argv[] = {NULL};
    return execve("/bin/true", argv, argv);
}
static long try_fork(void)
{
    long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        _exit(0);
    }
    return pid;
}
static long try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}
static long try_raw_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}
static long try_write_file(void)
{
    return open("/etc/shadow", O_WRONLY | O_APPEND);
}
static long try_make_file(void)
{
    int fd = open("/tmp/heal_probe", O_RDWR | O_CREAT, 0600);
    if (fd >= 0) {
        unlink("/tmp/heal_probe");
    }
    return fd;
}
static long try_read_file(void)
{
    return open("/etc/shadow", O_RDONLY);
}
static long try_look_at_file(void)
{
    struct stat info;
    return stat("/etc/passwd", &info);
}
static long try_thread(void)
{
    static char stack[4096];
    long pid =
        syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, stack + sizeof stack, 0, 0, 0);
    return pid;
}
static long try_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}
static long try_map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -1
               : 0;
}
static long try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, 0, 0);
}
static long try_mount(void)
{
    return mount("none", "/tmp", "tmpfs", 0, "");
}
static long try_unshare(void)
{
    return unshare(CLONE_NEWNS);
}
static long try_writable_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}
static long try_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}
static long try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}
static long try_keyctl(void)
{
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
}
static long try_kill(void)
{
    return kill(1, 0);
}
static long try_gain_root(void)
{
    return setresuid(0, 0, 0);
}

enum {
    IN_PARENT = 1 << SANDBOX_PARENT,
    IN_INGEST = 1 << SANDBOX_INGEST,
    IN_ENGINE = 1 << SANDBOX_ENGINE,
    IN_ACTOR = 1 << SANDBOX_ACTOR,
    IN_COMPILE = 1 << SANDBOX_COMPILE,
    IN_ALL = IN_PARENT | IN_INGEST | IN_ENGINE | IN_ACTOR | IN_COMPILE,
    IN_CAGED = IN_INGEST | IN_ENGINE | IN_COMPILE,
    NEEDS_LANDLOCK = 1 << SANDBOX_ROLES,
};

static const struct {
    const char *name;
    long (*run)(void);
    unsigned roles; /* in which it must be refused */
} attempts[] = {
    {"run a program", try_execve, IN_CAGED},
    {"make a process", try_fork, IN_CAGED},
    {"open an internet socket", try_socket, IN_ENGINE | IN_COMPILE},
    {"open a local socket", try_unix_socket, IN_ENGINE | IN_COMPILE},
    {"open a raw socket", try_raw_socket, IN_ALL},
    {"write /etc/shadow", try_write_file, IN_INGEST | IN_COMPILE},
    {"write /etc/shadow", try_write_file, IN_ENGINE | NEEDS_LANDLOCK},
    {"make a file in /tmp", try_make_file, IN_INGEST | IN_COMPILE},
    {"make a file in /tmp", try_make_file, IN_ENGINE | NEEDS_LANDLOCK},
    {"read /etc/shadow", try_read_file, IN_COMPILE},
    {"read /etc/shadow", try_read_file, IN_INGEST | IN_ENGINE | NEEDS_LANDLOCK},
    {"look at a file", try_look_at_file, IN_COMPILE},
    {"make a thread", try_thread, IN_COMPILE},
    {"map code", try_map_code, IN_COMPILE},
    {"trace a process", try_ptrace, IN_ALL},
    {"mount", try_mount, IN_ALL},
    {"unshare", try_unshare, IN_ALL},
    {"make memory writable code", try_writable_code, IN_CAGED},
    {"load bpf", try_bpf, IN_ALL},
    {"set up io_uring", try_io_uring, IN_ALL},
    {"ask for a keyring", try_keyctl, IN_ALL},
    {"signal another process", try_kill, IN_CAGED},
    {"set the user", try_gain_root, IN_CAGED},
};

enum { EXIT_DENIED = 10, EXIT_ALLOWED, EXIT_NO_CAGE, EXIT_OTHER };

static void attempt_in_child(enum sandbox_role role, long (*run)(void))
{
    char report[SANDBOX_REPORT_BYTES];
    struct sandbox sandbox = {.role = role};
    if (sandbox_apply(&sandbox, report, NULL) != STATUS_OK) {
        _exit(EXIT_NO_CAGE);
    }
    if (run() >= 0) {
        _exit(EXIT_ALLOWED);
    }
    _exit(errno == EPERM || errno == EACCES ? EXIT_DENIED : EXIT_OTHER);
}

static const char *attempt(enum sandbox_role role, long (*run)(void))
{
    int wait_status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        attempt_in_child(role, run);
    }
    if (pid < 0 || waitpid(pid, &wait_status, 0) != pid) {
        return "ALLOWED (cannot try)";
    }
    if (WIFSIGNALED(wait_status)) {
        return WTERMSIG(wait_status) == SIGSYS ? "killed" : "ALLOWED (died otherwise)";
    }
    switch (WEXITSTATUS(wait_status)) {
    case EXIT_DENIED: return "denied";
    case EXIT_NO_CAGE: return "ALLOWED (no cage)";
    case EXIT_OTHER: return "ALLOWED (refused by something else)";
    default: return "ALLOWED";
    }
}

int sandbox_probe(enum sandbox_role role, sandbox_line_f *line, void *ctx)
{
    int allowed = 0;
    bool landlock = sandbox_landlock_version() > 0;
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        if ((attempts[i].roles & 1u << role) == 0) {
            continue;
        }
        const char *outcome = (attempts[i].roles & NEEDS_LANDLOCK) != 0 && !landlock
                                  ? "unsupported"
                                  : attempt(role, attempts[i].run);
        allowed += outcome[0] == 'A';
        line(ctx, attempts[i].name, outcome);
    }
    return allowed;
}
