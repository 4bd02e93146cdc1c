/* Users, limits and Landlock; the filter of system calls is in sandbox_filter.c. */
#include "runtime/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/sandbox/sandbox_filter.h"

/* Of version 3; older headers do not name it. */
#define ACCESS_TRUNCATE (1ULL << 14)

const char *const sandbox_role_texts[SANDBOX_ROLES] = {
    [SANDBOX_PARENT] = "parent", [SANDBOX_INGEST] = "ingest",   [SANDBOX_ENGINE] = "engine",
    [SANDBOX_ACTOR] = "actor",   [SANDBOX_COMPILE] = "compile",
};

static void say(char ret[SANDBOX_REPORT_BYTES], const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(char ret[SANDBOX_REPORT_BYTES], const char *fmt, ...)
{
    size_t length = strlen(ret);
    va_list args;
    va_start(args, fmt);
    vsnprintf(ret + length, SANDBOX_REPORT_BYTES - length, fmt, args);
    va_end(args);
}

static enum status drop_user(const char *name, char ret[SANDBOX_REPORT_BYTES], struct error *error)
{
    if (name == NULL || strcmp(name, "none") == 0) {
        say(ret, "user: stays uid %u\n", (unsigned)getuid());
        return STATUS_OK;
    }
    struct passwd *entry = getpwnam(name);
    if (entry == NULL) {
        return error_set(error, STATUS_NOT_FOUND, "there is no user '%s'", name);
    }
    uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    if (getuid() == uid && getgid() == gid) {
        say(ret, "user: is %s already\n", name);
        return STATUS_OK;
    }
    if (setgroups(1, &gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        return error_set(error, STATUS_DENIED, "cannot become the user '%s': %s", name,
                         strerror(errno));
    }
    if (uid != 0 && setresuid(0, 0, 0) == 0) {
        return error_set(error, STATUS_DENIED, "the user '%s' could become root again", name);
    }
    say(ret, "user: %s (uid %u)\n", name, (unsigned)uid);
    return STATUS_OK;
}

int sandbox_landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

static const uint64_t access_read = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t access_write =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_DIR | ACCESS_TRUNCATE;
static const uint64_t access_of_files = LANDLOCK_ACCESS_FS_READ_FILE |
                                        LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE |
                                        LANDLOCK_ACCESS_FS_EXECUTE;

/* All kinds of access of the version; what is not handled is not restricted. */
static uint64_t access_all(int version)
{
    uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    all |= version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    all |= version >= 3 ? ACCESS_TRUNCATE : 0;
    return all;
}

static enum status landlock_allow(int ruleset, const char *path, uint64_t access,
                                  struct error *error)
{
    struct stat info;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return STATUS_OK;
    }
    if (fd < 0 || fstat(fd, &info) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return error_set(error, STATUS_IO, "cannot open '%s' for Landlock: %s", path,
                         strerror(errno));
    }
    struct landlock_path_beneath_attr rule = {
        .allowed_access = S_ISDIR(info.st_mode) ? access : access & access_of_files,
        .parent_fd = fd,
    };
    long result = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int number = errno;
    close(fd);
    return result == 0
               ? STATUS_OK
               : error_set(error, STATUS_IO, "Landlock refuses '%s': %s", path, strerror(number));
}

static enum status landlock_fill(const struct sandbox *sandbox, int ruleset, uint64_t all,
                                 struct error *error)
{
    for (size_t i = 0; i < sandbox->read_count; i++) {
        TRY(landlock_allow(ruleset, sandbox->read_paths[i], access_read & all, error));
    }
    for (size_t i = 0; i < sandbox->write_count; i++) {
        TRY(landlock_allow(ruleset, sandbox->write_paths[i], access_write & all, error));
    }
    return STATUS_OK;
}

static enum status restrict_files(const struct sandbox *sandbox, char ret[SANDBOX_REPORT_BYTES],
                                  struct error *error)
{
    if (sandbox->role == SANDBOX_PARENT || sandbox->role == SANDBOX_ACTOR) {
        say(ret, "files: not restricted (its programs would inherit it)\n");
        return STATUS_OK;
    }
    int version = sandbox_landlock_version();
    if (version == 0) {
        say(ret, "files: NOT restricted, the kernel has no Landlock\n");
        return STATUS_OK;
    }
    uint64_t all = access_all(version);
    struct landlock_ruleset_attr attributes = {.handled_access_fs = all};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(uint64_t), 0);
    if (ruleset < 0) {
        return error_set(error, STATUS_IO, "cannot make a Landlock ruleset: %s", strerror(errno));
    }
    enum status status = landlock_fill(sandbox, ruleset, all, error);
    if (status == STATUS_OK && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        status = error_set(error, STATUS_IO, "Landlock refuses: %s", strerror(errno));
    }
    close(ruleset);
    if (status == STATUS_OK) {
        say(ret, "files: Landlock %d, %zu paths to read, %zu to write\n", version,
            sandbox->read_count, sandbox->write_count);
    }
    return status;
}

enum status sandbox_apply(const struct sandbox *sandbox, char ret[SANDBOX_REPORT_BYTES],
                          struct error *error)
{
    struct rlimit none = {0, 0};
    bool lacks = false;
    ret[0] = '\0';
    CHECK(sandbox->read_count <= SANDBOX_PATHS_MAX && sandbox->write_count <= SANDBOX_PATHS_MAX);
    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        return error_set(error, STATUS_IO, "cannot forbid core dumps: %s", strerror(errno));
    }
    TRY(drop_user(sandbox->user, ret, error));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_set(error, STATUS_IO, "cannot forbid new privileges: %s", strerror(errno));
    }
    TRY(restrict_files(sandbox, ret, error));
    TRY(sandbox_filter_load(sandbox->role, &lacks, error));
    say(ret,
        lacks ? "system calls: NOT filtered, the kernel has no seccomp\n"
              : "system calls: filtered for the %s; no new privileges, no core dumps\n",
        sandbox_role_texts[sandbox->role]);
    return STATUS_OK;
}
