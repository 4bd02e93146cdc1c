/* The rows of syscall.def as a seccomp filter, with the few calls whose arguments matter. */
#include "runtime/sandbox/sandbox_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum group {
    GROUP_BASE = 1,
    GROUP_READ = 2,
    GROUP_WRITE = 4,
    GROUP_NETWORK = 8,
    GROUP_SOCKET = 16,
    GROUP_RUN = 32,
};

static const struct row {
    int number;
    unsigned group; /* 0: kill */
} rows[] = {
#define ALLOW(group, name) {SCMP_SYS(name), GROUP_##group},
#define KILL(name)         {SCMP_SYS(name), 0},
#include "runtime/sandbox/syscall.def"
#undef KILL
#undef ALLOW
};

static const unsigned role_groups[SANDBOX_ROLES] = {
    /* Its children inherit its filter, so it may what any of them may. */
    [SANDBOX_PARENT] =
        GROUP_BASE | GROUP_READ | GROUP_WRITE | GROUP_SOCKET | GROUP_NETWORK | GROUP_RUN,
    [SANDBOX_INGEST] = GROUP_BASE | GROUP_READ | GROUP_SOCKET | GROUP_NETWORK,
    [SANDBOX_ENGINE] = GROUP_BASE | GROUP_READ | GROUP_WRITE | GROUP_SOCKET,
    [SANDBOX_ACTOR] =
        GROUP_BASE | GROUP_READ | GROUP_WRITE | GROUP_SOCKET | GROUP_NETWORK | GROUP_RUN,
    [SANDBOX_COMPILE] = GROUP_BASE | GROUP_SOCKET,
};

/* Argument number index is value; its bits of mask are value. */
static struct scmp_arg_cmp equal(unsigned index, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){index, SCMP_CMP_EQ, value, 0};
}
static struct scmp_arg_cmp masked(unsigned index, scmp_datum_t mask, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){index, SCMP_CMP_MASKED_EQ, mask, value};
}

static int allow_socket(scmp_filter_ctx filter, int family)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                            equal(0, (scmp_datum_t)family));
}

static int add_sockets(scmp_filter_ctx filter, enum sandbox_role role)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    int bad = 0;
    if ((role_groups[role] & GROUP_NETWORK) != 0) {
        for (size_t i = 0; i < ARRAY_LEN(families); i++) {
            bad |= allow_socket(filter, families[i]);
        }
    }
    return bad;
}

/* Threads, and code that is mapped from files: not for the compile child, which loaded all it needs
 * before and makes code only for others. */
static int add_threads_and_code(scmp_filter_ctx filter)
{
    int bad = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                               masked(2, PROT_EXEC | PROT_WRITE, PROT_EXEC));
    return bad | seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  masked(0, CLONE_THREAD, CLONE_THREAD));
}

/* Memory is never both writable and executable, and never becomes executable; threads, no
 * processes; of files, ingest opens none for writing. */
static int add_cage(scmp_filter_ctx filter)
{
    int bad = 0;
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, masked(2, PROT_EXEC, 0));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, masked(2, PROT_EXEC, 0));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, equal(0, PR_SET_NAME));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, equal(0, PR_SET_PDEATHSIG));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                            equal(1, 0x5421 /* FIONBIO */));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                            equal(1, 0x541b /* FIONREAD */));
    /* Limits may be asked, not set. */
    bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, equal(2, 0));
    bad |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execve), 0);
    bad |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(execveat), 0);
    return bad;
}

/* ingest: open without write, create or truncate. The filter sees flags, not paths. */
static int add_read_only(scmp_filter_ctx filter)
{
    const scmp_datum_t writing = 03 | 0100 | 01000; /* O_ACCMODE, O_CREAT, O_TRUNC */
    int bad = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, masked(2, writing, 0));
    return bad | seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, masked(1, writing, 0));
}

static int add_rows(scmp_filter_ctx filter, enum sandbox_role role)
{
    int bad = 0;
    bool read_only = role == SANDBOX_INGEST;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        if (row->number < 0 ||
            (read_only && (row->number == SCMP_SYS(open) || row->number == SCMP_SYS(openat)))) {
            continue; /* not on this machine, or with arguments below */
        }
        if (row->group == 0) {
            bad |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, row->number, 0);
        } else if ((row->group & role_groups[role]) != 0) {
            bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, row->number, 0);
        }
    }
    bad |= add_sockets(filter, role);
    bad |= read_only ? add_read_only(filter) : 0;
    if (role == SANDBOX_ENGINE || role == SANDBOX_COMPILE) {
        /* What is handed over; and machine code: written by one mapping, sealed, run by another. */
        bad |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(memfd_create), 0);
    }
    bad |= (role_groups[role] & GROUP_RUN) == 0 ? add_cage(filter) : 0;
    bad |= role == SANDBOX_INGEST || role == SANDBOX_ENGINE ? add_threads_and_code(filter) : 0;
    /* glibc falls back to clone, whose flags a filter can see. */
    bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return bad;
}

enum status sandbox_filter_load(enum sandbox_role role, bool *ret_lacks, struct error *error)
{
    *ret_lacks = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL;
    if (*ret_lacks) {
        return STATUS_OK;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) {
        return error_set(error, STATUS_IO, "cannot make a filter of system calls");
    }
    int bad = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    bad |= seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    bad |= add_rows(filter, role);
    int loaded = bad != 0 ? bad : seccomp_load(filter);
    seccomp_release(filter);
    if (loaded != 0) {
        return error_set(error, STATUS_IO, "cannot filter system calls: %s", strerror(-loaded));
    }
    return STATUS_OK;
}
