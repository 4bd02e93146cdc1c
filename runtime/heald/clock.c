/* The wall's time once, and the boot clock from there. */
#include "runtime/heald/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec time;
    CHECK(clock_gettime(id, &time) == 0);
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

void clock_start(struct clock_anchor *ret)
{
    *ret = (struct clock_anchor){{read_ns(CLOCK_REALTIME)}, read_ns(CLOCK_BOOTTIME), "unknown"};
#ifdef HEAL_CRASH_POINTS /* only in heald_crash: a wall clock that is wrong by so much */
    const char *step = getenv("HEAL_CLOCK_STEP_S");
    ret->wall = instant_add(ret->wall, duration_seconds(step ? strtod(step, NULL) : 0));
#endif
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t length = read(fd, ret->boot, sizeof(ret->boot) - 1);
        ret->boot[length > 0 ? length : 0] = '\0';
        ret->boot[strcspn(ret->boot, "\n")] = '\0';
        close(fd);
    }
}

struct instant clock_now(const struct clock_anchor *anchor)
{
    struct duration passed = {read_ns(CLOCK_BOOTTIME) - anchor->boottime_ns};
    return instant_add(anchor->wall, passed);
}

struct duration clock_elapsed(void *unused)
{
    (void)unused;
    return (struct duration){read_ns(CLOCK_MONOTONIC)};
}

void clock_ticks_start(struct clock_ticks *ret, struct duration period, struct instant now)
{
    *ret = (struct clock_ticks){.last = now, .period = period};
}

struct instant clock_ticks_next(struct clock_ticks *ticks, uint64_t expirations, struct instant now)
{
    const int64_t period = ticks->period.ns, late_max = 2 * period;
    uint64_t ahead = (uint64_t)((now.ns - ticks->last.ns) / period);
    uint64_t passed = expirations - !ticks->begun;
    ticks->last.ns += (int64_t)(passed < ahead ? passed : ahead) * period;
    if (now.ns < ticks->last.ns || now.ns - ticks->last.ns > late_max) {
        ticks->last = now;
    }
    ticks->begun = true;
    return ticks->last;
}

void clock_export(const struct clock_anchor *anchor)
{
    char text[128];
    snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 " %s", anchor->wall.ns, anchor->boottime_ns,
             anchor->boot);
    CHECK(setenv("HEAL_CLOCK", text, 1) == 0);
}

enum status clock_import(struct clock_anchor *ret, struct error *error)
{
    const char *text = getenv("HEAL_CLOCK");
    if (text == NULL || sscanf(text, "%" SCNd64 " %" SCNd64 " %39s", &ret->wall.ns,
                               &ret->boottime_ns, ret->boot) != 3) {
        return error_set(error, STATUS_PROTOCOL, "HEAL_CLOCK is not set by a parent");
    }
    return STATUS_OK;
}
