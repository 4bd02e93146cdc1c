/* Clocks, STOP, boot id and hand of a real actor. */
#include "runtime/act/act_host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static struct instant host_now(void *context)
{
    (void)context;
    return (struct instant){read_clock(CLOCK_REALTIME)};
}

static struct duration host_uptime(void *context)
{
    (void)context;
    return (struct duration){read_clock(CLOCK_BOOTTIME)};
}

static bool host_stopped(void *context)
{
    const struct act_host *host = context;
    /* Only "no such file" is a no: whoever cannot look must not act. */
    return faccessat(host->state_fd, "STOP", F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static enum status host_spawn(void *context, const struct hand_order *order, void **ret_run,
                              struct error *error)
{
    const struct act_host *host = context;
    struct hand_run *run = NULL;
    TRY(hand_start(host->hands, order, host_uptime(context), &run, error));
    *ret_run = run;
    return STATUS_OK;
}

static bool host_poll(void *context, void *run, struct hand_result *ret)
{
    return hand_step(run, host_uptime(context), ret);
}

static void host_end(void *context, void *run)
{
    hand_end(run, host_uptime(context));
}

static enum status read_boot(char ret[LATCH_BOOT_BYTES], struct error *error)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, ret, LATCH_BOOT_BYTES - 1);
    if (fd >= 0) {
        close(fd);
    }
    if (got < 36) {
        return error_set(error, STATUS_IO, "cannot read the boot id: %s", strerror(errno));
    }
    ret[36] = '\0';
    return STATUS_OK;
}

static enum status open_hands(const struct hand_settings *settings, struct act_host *host,
                              struct error *error)
{
    struct hand_settings own = *settings;
    own.epoll_fd = host->epoll_fd;
    return hands_new(&own, &host->hands, error);
}

enum status act_host_open(const char *state_folder, const struct hand_settings *settings,
                          struct act_host *ret, struct error *error)
{
    memset(ret, 0, sizeof *ret);
    ret->state_fd = ret->epoll_fd = -1;
    TRY(read_boot(ret->boot, error));
    ret->state_fd = open(state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ret->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    enum status status =
        ret->state_fd < 0 || ret->epoll_fd < 0
            ? error_set(error, STATUS_IO, "cannot open '%s': %s", state_folder, strerror(errno))
            : open_hands(settings, ret, error);
    if (status != STATUS_OK) {
        act_host_close(ret);
        return status;
    }
    ret->env = (struct act_env){.context = ret,
                                .now = host_now,
                                .uptime = host_uptime,
                                .boot = ret->boot,
                                .stopped = host_stopped,
                                .spawn = host_spawn,
                                .poll = host_poll,
                                .end = host_end};
    return STATUS_OK;
}

void act_host_close(struct act_host *host)
{
    hands_free(host->hands);
    host->hands = NULL;
    if (host->state_fd >= 0) {
        close(host->state_fd);
    }
    if (host->epoll_fd >= 0) {
        close(host->epoll_fd);
    }
    host->state_fd = host->epoll_fd = -1;
}
