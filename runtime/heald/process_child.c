/* The part of a child's life that all roles share. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/heald/log.h"
#include "runtime/heald/process.h"
#include "runtime/heald/process_message.h"

const char *const process_role_texts[PROCESS_ROLES] = {
    [PROCESS_INGEST] = "ingest", [PROCESS_ENGINE] = "engine", [PROCESS_ACTOR] = "actor"};

static enum status config_from_parent(struct config *ret, struct error *error)
{
    struct stat info;
    struct config_report report = {0};
    if (fstat(PROCESS_FD_CONFIG, &info) != 0 || info.st_size <= 0 ||
        info.st_size > CONFIG_BYTES_MAX) {
        return error_set(error, STATUS_PROTOCOL, "roles are started by the parent only");
    }
    size_t length = (size_t)info.st_size;
    char *text = mmap(NULL, length, PROT_READ, MAP_PRIVATE, PROCESS_FD_CONFIG, 0);
    if (text == MAP_FAILED) {
        return error_set(error, STATUS_IO, "cannot map the configuration: %s", strerror(errno));
    }
    bool good = config_parse("effective configuration", text, length, ret, &report);
    munmap(text, length);
    enum status status =
        good ? STATUS_OK : error_set(error, STATUS_PROTOCOL, "%.300s", report.text);
    config_report_release(&report);
    return status;
}

int process_child_main(enum process_role role)
{
    static int (*const mains[PROCESS_ROLES])(const struct process_start *) = {
        [PROCESS_INGEST] = process_ingest_main,
        [PROCESS_ENGINE] = process_engine_main,
        [PROCESS_ACTOR] = process_actor_main,
    };
    struct config config;
    struct error error;
    struct process_start start = {.role = role, .config = &config};
    log_open(process_role_texts[role], LOG_TEXT, LOG_INFO);
    if (clock_import(&start.clock, &error) != STATUS_OK ||
        config_from_parent(&config, &error) != STATUS_OK) {
        log_say(LOG_ERROR, "%s", error.message);
        return PROCESS_EXIT_REFUSED;
    }
    log_open(process_role_texts[role], (enum log_format)config.log.format,
             (enum log_level)config.log.level);
    int code = mains[role](&start);
    config_release(&config);
    return code;
}

/* Folders ingest reads: names, certificates, libraries of name services, the host's own numbers. */
static const char *const ingest_paths[] = {"/proc", "/sys",   "/etc", "/usr",
                                           "/lib",  "/lib64", "/run", "/var/run"};

/* A pid file is replaced, not rewritten: what must stay readable is its folder. */
static const char *folder_of(const char *path, char ret[CONFIG_TEXT_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(ret, CONFIG_TEXT_MAX, "%.*s", slash && slash > path ? (int)(slash - path) : 1,
             slash ? path : ".");
    return ret;
}

/* A bundle is best replaced whole, by a rename: then the new one is another file, and the folder
 * around it must be readable. Never the root. */
static const char *folder_above(const char *path, char ret[CONFIG_TEXT_MAX])
{
    folder_of(path, ret);
    return ret[0] == '/' && ret[1] != '\0' ? ret : path;
}

enum status process_cage(const struct process_start *start, char ret[SANDBOX_REPORT_BYTES],
                         struct error *error)
{
    const struct config *config = start->config;
    const char *reads[SANDBOX_PATHS_MAX];
    static char folders[SANDBOX_PATHS_MAX][CONFIG_TEXT_MAX];
    char above_policies[CONFIG_TEXT_MAX], above_key[CONFIG_TEXT_MAX];
    const char *const engine_reads[] = {config->policies,
                                        config->trusted_key,
                                        "/etc",
                                        "/usr",
                                        folder_above(config->policies, above_policies),
                                        folder_above(config->trusted_key, above_key)};
    const char *writes[] = {config->state};
    struct sandbox sandbox = {.read_paths = reads};
    switch (start->role) {
    case PROCESS_INGEST:
        sandbox.role = SANDBOX_INGEST;
        sandbox.user = config->users.ingest;
        for (size_t i = 0; i < ARRAY_LEN(ingest_paths); i++) {
            reads[sandbox.read_count++] = ingest_paths[i];
        }
        for (size_t i = 0; i < config->host.processes_count; i++) {
            const char *file = config->host.processes[i].pidfile;
            if (file != NULL && i < SANDBOX_PATHS_MAX && sandbox.read_count < SANDBOX_PATHS_MAX) {
                reads[sandbox.read_count++] = folder_of(file, folders[i]);
            }
        }
        break;
    case PROCESS_ENGINE:
        sandbox.role = SANDBOX_ENGINE;
        sandbox.user = config->users.engine;
        memcpy(reads, engine_reads, sizeof(engine_reads));
        sandbox.read_count = ARRAY_LEN(engine_reads);
        sandbox.write_paths = writes;
        sandbox.write_count = 1;
        break;
    case PROCESS_ACTOR:
        sandbox.role = SANDBOX_ACTOR;
        sandbox.user = config->users.actor;
        break;
    case PROCESS_ROLES: check_failed("a role", __FILE__, __LINE__);
    }
    if (start->role == PROCESS_ENGINE) {
        umask(077); /* the journal is nobody else's */
    }
    TRY(sandbox_apply(&sandbox, ret, error));
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a change of user forgets it */
    for (const char *line = ret; *line != '\0'; line += strcspn(line, "\n") + 1) {
        log_say(LOG_INFO, "%.*s", (int)strcspn(line, "\n"), line);
    }
    return STATUS_OK;
}

int process_signals(bool reload)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (reload) {
        sigaddset(&signals, SIGHUP);
    }
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

void process_ready(void)
{
    struct process_message message = {.kind = PROCESS_READY};
    ssize_t sent = send(PROCESS_FD_PARENT, &message, sizeof(message), MSG_NOSIGNAL);
    if (sent != (ssize_t)sizeof(message)) {
        log_say(LOG_WARN, "cannot reach the parent: %s", strerror(errno));
    }
}

enum status process_wait_peer(int timeout_ms, struct error *error)
{
    struct pollfd poll_fd = {.fd = PROCESS_FD_PARENT, .events = POLLIN};
    int ready = poll(&poll_fd, 1, timeout_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR)) {
        return error_set(error, STATUS_LIMIT, "no peer came in time");
    }
    struct process_message message;
    int fd = -1;
    TRY(handover_receive(PROCESS_FD_PARENT, &message, sizeof(message), MSG_DONTWAIT, &fd, error));
    return process_take_peer(fd, error);
}

enum status process_take_peer(int take_fd, struct error *error)
{
    if (take_fd < 0) {
        return error_set(error, STATUS_PROTOCOL, "the parent sent no peer");
    }
    int placed = dup3(take_fd, PROCESS_FD_PEER, O_CLOEXEC);
    close(take_fd);
    return placed == PROCESS_FD_PEER
               ? STATUS_OK
               : error_set(error, STATUS_IO, "cannot take the peer: %s", strerror(errno));
}
