/* Programs in Python that tests of hands and voices speak with: they print a port, then a line a
 * request, and end with their input. */
#ifndef HEAL_TESTS_ACT_HELPER_H
#define HEAL_TESTS_ACT_HELPER_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit.h"

struct helper {
    pid_t pid;
    int to, port;
    FILE *from;
};

/* argv[0] is the file below tests/act. */
static inline struct helper helper_start(const char *file, const char *first, const char *second)
{
    struct helper helper;
    int in[2], out[2];
    char path[512], line[64];
    snprintf(path, sizeof path, HEAL_ROOT "/tests/act/%s", file);
    assert_true(pipe(in) == 0 && pipe(out) == 0);
    helper.pid = fork();
    if (helper.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        execlp("python3", "python3", path, first, second, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    helper.to = in[1];
    helper.from = fdopen(out[0], "r");
    assert_non_null(fgets(line, sizeof line, helper.from));
    helper.port = (int)strtol(line, NULL, 10);
    assert_true(helper.port > 0);
    return helper;
}

/* Ends it; what it printed can still be read from helper->from, which the caller closes. */
static inline void helper_end(struct helper *helper)
{
    close(helper->to);
    waitpid(helper->pid, NULL, 0);
}

static inline struct duration uptime_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (struct duration){t.tv_sec * NS_PER_S + t.tv_nsec};
}

#endif
