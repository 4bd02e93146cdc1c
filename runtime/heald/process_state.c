/* The state folder, its lock, the control socket and the configuration children read. */
#include "runtime/heald/process_state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/handover/handover.h"

/* Makes a folder and gives it to user ("none": stays). */
static enum status folder_make(const char *path, const char *user, mode_t mode, struct error *error)
{
    struct stat info;
    if (mkdir(path, mode) != 0 && errno != EEXIST) {
        return error_set(error, STATUS_IO, "cannot make the folder '%.200s': %s", path,
                         strerror(errno));
    }
    if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return error_set(error, STATUS_DENIED, "'%.200s' is not a folder", path);
    }
    if (strcmp(user, "none") == 0) {
        return STATUS_OK;
    }
    struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        return error_set(error, STATUS_NOT_FOUND, "there is no user '%s'", user);
    }
    return chown(path, entry->pw_uid, entry->pw_gid) == 0
               ? STATUS_OK
               : error_set(error, STATUS_DENIED, "cannot give '%.200s' to %s: %s", path, user,
                           strerror(errno));
}

static enum status lock_take(const char *state, int *ret_fd, struct error *error)
{
    char path[CONFIG_TEXT_MAX + 16], text[32] = "";
    snprintf(path, sizeof(path), "%s/lock", state);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(error, STATUS_IO, "cannot open '%.200s': %s", path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t length = read(fd, text, sizeof(text) - 1);
        text[length > 0 ? (size_t)length : 0] = '\0';
        close(fd);
        return error_set(error, STATUS_DENIED, "another heald (pid %ld) works in '%.200s'",
                         strtol(text, NULL, 10), state);
    }
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, text, (size_t)length) != length) {
        close(fd);
        return error_set(error, STATUS_IO, "cannot write '%.200s': %s", path, strerror(errno));
    }
    *ret_fd = fd;
    return STATUS_OK;
}

enum status process_state_open(const struct config *config, int *ret_lock_fd, struct error *error)
{
    char actions[CONFIG_TEXT_MAX + 16];
    snprintf(actions, sizeof(actions), "%s/actions", config->state);
    /* Another user's actor must come through to its folder. */
    mode_t mode = strcmp(config->users.engine, config->users.actor) == 0 ? 0700 : 0711;
    TRY(folder_make(config->state, config->users.engine, mode, error));
    TRY(lock_take(config->state, ret_lock_fd, error));
    return folder_make(actions, config->users.actor, 0700, error);
}

static enum status control_share(const struct config *config, struct error *error)
{
    if (config->control_group == NULL) {
        return STATUS_OK;
    }
    struct group *group = getgrnam(config->control_group);
    if (group == NULL) {
        return error_set(error, STATUS_NOT_FOUND, "there is no group '%s'", config->control_group);
    }
    if (chown(config->control, (uid_t)-1, group->gr_gid) != 0) {
        return error_set(error, STATUS_DENIED, "cannot give the control socket to the group: %s",
                         strerror(errno));
    }
    return STATUS_OK;
}

enum status process_control_open(const struct config *config, int *ret_fd, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    if (strlen(config->control) >= sizeof(address.sun_path)) {
        return error_set(error, STATUS_LIMIT, "the control socket's path is longer than %zu bytes",
                         sizeof(address.sun_path) - 1);
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", config->control);
    if (lstat(config->control, &info) == 0 && !S_ISSOCK(info.st_mode)) {
        return error_set(error, STATUS_DENIED, "'%.200s' is there and no socket", config->control);
    }
    unlink(config->control);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0117);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                listen(fd, 16) == 0;
    umask(before);
    enum status status = good ? control_share(config, error)
                              : error_set(error, STATUS_IO, "cannot listen on '%.200s': %s",
                                          config->control, strerror(errno));
    if (status != STATUS_OK && fd >= 0) {
        close(fd);
    }
    *ret_fd = fd;
    return status;
}

enum status process_config_open(const struct config *config, int *ret_fd, struct error *error)
{
    char *text = config_print(config, false);
    enum status status = handover_seal("heald.yaml", text, strlen(text), ret_fd, error);
    free(text);
    return status;
}
