/* The function behind every point of heald_crash. */
#include "tests/fault/crash_point.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    enum point point;
    unsigned count;
    const char *mark;
    int trace_fd;
    unsigned seen[POINT_COUNT];
} crash = {.point = POINT_COUNT, .trace_fd = -1};

void crash_point_open(const char *role)
{
    char process[16], point[40], path[4096];
    const char *wish = getenv("HEAL_CRASH"), *folder = getenv("HEAL_CRASH_TRACE");
    crash.mark = getenv("HEAL_CRASH_MARK");
    if (wish && crash.mark &&
        sscanf(wish, "%15[^:]:%39[^:]:%u", process, point, &crash.count) == 3 &&
        strcmp(process, role) == 0) {
        for (int i = 0; i < POINT_COUNT; i++) {
            if (strcmp(point_text((enum point)i), point) == 0) {
                crash.point = (enum point)i;
            }
        }
    }
    if (folder) {
        snprintf(path, sizeof path, "%s/%s", folder, role);
        crash.trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

void crash_point(void *context, enum point point)
{
    (void)context;
    crash.seen[point]++;
    if (crash.trace_fd >= 0) {
        dprintf(crash.trace_fd, "%s\n", point_text(point));
    }
    if (point == crash.point && crash.seen[point] == crash.count) {
        int fd = open(crash.mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            raise(SIGKILL);
        }
    }
}
