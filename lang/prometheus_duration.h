/* Durations as Prometheus writes them. */
#ifndef HEAL_LANG_PROMETHEUS_DURATION_H
#define HEAL_LANG_PROMETHEUS_DURATION_H

#include <stdint.h>

enum duration_reading {
    DURATION_GOOD,
    DURATION_EMPTY,
    DURATION_WRONG,
    DURATION_TOO_LONG /* for nanoseconds in 64 bits */
};

/* 1h30m: whole numbers, larger units first, each once; "0". ret_ms is 0 unless it is good. */
enum duration_reading prometheus_duration(const char *text, int64_t *ret_ms);

#endif
