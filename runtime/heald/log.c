/* Lines on standard error, escaped and limited in number. */
#include "runtime/heald/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_texts[] = {"error", "warn", "info", "debug"};
static struct {
    const char *role;
    enum log_format format;
    enum log_level least;
    time_t second;
    unsigned lines, dropped;
} state = {.role = "heald", .least = LOG_INFO};

void log_open(const char *role, enum log_format format, enum log_level least)
{
    state.role = role;
    state.format = format;
    state.least = least;
}

/* Escapes text for a terminal, and in JSON also quotes, into ret[size]. */
static void escape(const char *text, char *ret, size_t size)
{
    size_t length = 0;
    for (; *text != '\0' && length + 8 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f ||
            (c >= 0x80 && state.format == LOG_TEXT && c < 0xa0 && length > 0 &&
             (unsigned char)ret[length - 1] == 0xc2)) {
            length += (size_t)snprintf(ret + length, size - length,
                                       state.format == LOG_JSON ? "\\u%04x" : "\\x%02x", c);
        } else if (state.format == LOG_JSON && (c == '"' || c == '\\')) {
            ret[length++] = '\\';
            ret[length++] = (char)c;
        } else {
            ret[length++] = (char)c;
        }
    }
    ret[length] = '\0';
}

static void write_line(const struct timespec *now, enum log_level level, const char *message)
{
    char escaped[LOG_LINE_BYTES], line[LOG_LINE_BYTES + 256], when[40];
    struct tm parts;
    escape(message, escaped, sizeof(escaped));
    gmtime_r(&now->tv_sec, &parts);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &parts);
    int length = snprintf(
        line, sizeof(line),
        state.format == LOG_JSON ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"role\":\"%s\","
                                   "\"message\":\"%s\"}\n"
                                 : "%s.%03ldZ %-5s %s: %s\n",
        when, (long)(now->tv_nsec / NS_PER_MS), level_texts[level], state.role, escaped);
    ssize_t wrote = write(STDERR_FILENO, line, (size_t)length);
    (void)wrote; /* there is nowhere else to say so */
}

void log_say(enum log_level level, const char *fmt, ...)
{
    char message[LOG_LINE_BYTES / 2];
    struct timespec now;
    va_list args;
    if (level > state.least) {
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != state.second) {
        unsigned dropped = state.dropped;
        state.second = now.tv_sec;
        state.lines = state.dropped = 0;
        if (dropped > 0) {
            snprintf(message, sizeof(message), "%u lines were not written", dropped);
            write_line(&now, LOG_WARN, message);
        }
    }
    if (level != LOG_ERROR && ++state.lines > LOG_LINES_MAX) {
        state.dropped++;
        return;
    }
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    write_line(&now, level, message);
}
