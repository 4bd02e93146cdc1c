/* What a world gave, as a test told it: series, samples, answers and ticks, kept for ever and in
 * the order in which they came. What could be known at a tick is asked by the tick's number, so the
 * past can be asked again.
 *
 *     struct history h = {.lookback_ms = 300000};
 *     size_t source = history_source(&h, interval, grace);
 *     size_t x = history_series(&h, source, "x", labels, 1);
 *     history_sample(&h, x, now, time, 1.5);
 *     history_answered(&h, source, now);
 *     size_t tick = history_tick(&h, now);
 */
#ifndef HEAL_TESTS_ORACLE_HISTORY_H
#define HEAL_TESTS_ORACLE_HISTORY_H

#include <stdio.h>

#include "runtime/engine/series.h"

enum { ORACLE_LABELS_MAX = 8 };
struct oracle_labels { /* sorted by name, no value empty */
    size_t count;
    struct label items[ORACLE_LABELS_MAX];
};
void oracle_labels_add(struct oracle_labels *labels, const char *name, const char *value);
const char *oracle_labels_get(const struct oracle_labels *labels, const char *name); /* or "" */
bool oracle_labels_equal(const struct oracle_labels *a, const struct oracle_labels *b);

struct history_sample {
    int64_t time_ms;
    double value;
    bool end;    /* the series ends here: no value */
    size_t tick; /* the first that can know it */
};
struct history_series {
    const char *name;
    struct oracle_labels labels;
    size_t source, born; /* born: the first tick that can know it */
    struct history_sample *samples;
    size_t count, capacity;
    bool given; /* in the answer that is not complete yet */
};
struct history_answer {
    struct instant time;
    size_t tick;
};
struct history_source {
    struct duration interval, grace;
    struct history_answer *answers;
    size_t count, capacity;
};
struct history {
    int64_t lookback_ms;
    struct history_series *series;
    size_t series_count, series_capacity;
    struct history_source *sources;
    size_t source_count, source_capacity;
    struct instant *ticks;
    size_t tick_count, tick_capacity;
};
void history_release(struct history *history);

size_t history_source(struct history *history, struct duration interval, struct duration grace);
/* Finds or makes; name and labels must outlive the history. */
size_t history_series(struct history *history, size_t source, const char *name,
                      const struct label *labels, size_t count);
/* One older than, or as old as, the newest of its series is dropped; so is one of the far future.
 */
void history_sample(struct history *history, size_t series, struct instant now, struct instant time,
                    double value);
/* The answer is complete: what the source gave before and not in it ends. */
void history_answered(struct history *history, size_t source, struct instant time);
/* It broke off: what it gave counts as samples, not as an answer. */
void history_failed(struct history *history, size_t source);
size_t history_tick(struct history *history, struct instant now);

/* The newest at or before time_ms, an end too; NULL when there is none. */
const struct history_sample *history_newest(const struct history *history, size_t series,
                                            size_t tick, int64_t time_ms);
/* As known at the tick, the source does not answer in time for now_ms, and the series was there
 * within horizon_ms before its last answer. */
bool history_unseen(const struct history *history, size_t series, size_t tick, int64_t now_ms,
                    int64_t horizon_ms);
/* Some source has never answered. */
bool history_cold(const struct history *history, size_t tick);
int64_t history_ms(struct instant time); /* whole milliseconds at or before */

void history_print(const struct history *history, FILE *file);

#endif
