/* Durations as Prometheus writes them. */
#include "lang/prometheus_duration.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lang/base.h"

static const struct {
    const char *unit;
    uint64_t ms;
} duration_units[] = {{"y", 365 * 86400000ULL},
                      {"w", 7 * 86400000ULL},
                      {"d", 86400000},
                      {"h", 3600000},
                      {"m", 60000},
                      {"s", 1000},
                      {"ms", 1}};

/* The unit of that length at text, at or behind `from` in the table. */
static size_t unit_find(const char *text, size_t length, size_t from)
{
    while (from < ARRAY_LEN(duration_units) &&
           !(strlen(duration_units[from].unit) == length &&
             strncmp(duration_units[from].unit, text, length) == 0)) {
        from++;
    }
    return from;
}

enum duration_reading prometheus_duration(const char *text, int64_t *ret_ms)
{
    const uint64_t limit = (uint64_t)INT64_MAX / 1000000;
    uint64_t sum = 0;
    size_t unit = 0;
    *ret_ms = 0;
    if (text[0] == '\0' || strcmp(text, "0") == 0) {
        return text[0] ? DURATION_GOOD : DURATION_EMPTY;
    }
    for (const char *p = text; *p;) {
        char *end;
        if (!isdigit((unsigned char)*p)) {
            return DURATION_WRONG;
        }
        errno = 0;
        unsigned long long n = strtoull(p, &end, 10);
        size_t length = strspn(end, "ywdhms");
        unit = unit_find(end, length, unit);
        if (unit == ARRAY_LEN(duration_units)) {
            return DURATION_WRONG;
        }
        if (errno != 0 || n > limit / duration_units[unit].ms ||
            sum + n * duration_units[unit].ms > limit) {
            return DURATION_TOO_LONG;
        }
        sum += n * duration_units[unit++].ms;
        p = end + length;
    }
    *ret_ms = (int64_t)sum;
    return DURATION_GOOD;
}
