/* The program that grants of tests run: leaves one durable line an effect.
 *
 *     recorder FILE NAME TARGET [MILLISECONDS [EXIT_CODE]]
 *
 * appends "TIME_NS PID PARENT NAME TARGET", waits, then appends "... ended" and exits. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void note(const char *path, char **argv, const char *end)
{
    char line[2048];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int length = snprintf(line, sizeof line, "%lld %ld %ld %.60s %.1000s%s\n",
                          (long long)now.tv_sec * 1000000000LL + now.tv_nsec, (long)getpid(),
                          (long)getppid(), argv[2], argv[3], end);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)length) != length || fsync(fd) != 0) {
        perror(path);
        exit(9);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        return 2;
    }
    note(argv[1], argv, "");
    long wait_ms = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
    struct timespec wait = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    if (wait_ms > 0) {
        note(argv[1], argv, " ended");
    }
    return argc > 5 ? (int)strtol(argv[5], NULL, 10) : 0;
}
