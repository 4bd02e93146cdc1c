#include "tests/oracle/history.h"

#include <stdlib.h>
#include <string.h>

#define FUTURE_NS (600 * NS_PER_S)

/* ---- labels ---- */

void oracle_labels_add(struct oracle_labels *labels, const char *name, const char *value)
{
    size_t at = labels->count;
    if (value[0] == '\0') {
        return;
    }
    CHECK(labels->count < ORACLE_LABELS_MAX);
    for (; at > 0 && strcmp(labels->items[at - 1].name, name) > 0; at--) {
        labels->items[at] = labels->items[at - 1];
    }
    labels->items[at] = (struct label){name, value};
    labels->count++;
}

const char *oracle_labels_get(const struct oracle_labels *labels, const char *name)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (strcmp(labels->items[i].name, name) == 0) {
            return labels->items[i].value;
        }
    }
    return "";
}

bool oracle_labels_equal(const struct oracle_labels *a, const struct oracle_labels *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; i < a->count && equal; i++) {
        equal = strcmp(a->items[i].name, b->items[i].name) == 0 &&
                strcmp(a->items[i].value, b->items[i].value) == 0;
    }
    return equal;
}

/* ---- what came ---- */

void history_release(struct history *history)
{
    for (size_t i = 0; i < history->series_count; i++) {
        free(history->series[i].samples);
    }
    for (size_t i = 0; i < history->source_count; i++) {
        free(history->sources[i].answers);
    }
    free(history->series);
    free(history->sources);
    free(history->ticks);
    *history = (struct history){0};
}

size_t history_source(struct history *history, struct duration interval, struct duration grace)
{
    ARRAY_RESERVE(history->sources, history->source_count, history->source_capacity);
    history->sources[history->source_count] =
        (struct history_source){.interval = interval, .grace = grace};
    return history->source_count++;
}

size_t history_series(struct history *history, size_t source, const char *name,
                      const struct label *labels, size_t count)
{
    struct history_series made = {.name = name, .source = source, .born = history->tick_count};
    for (size_t i = 0; i < count; i++) {
        oracle_labels_add(&made.labels, labels[i].name, labels[i].value);
    }
    for (size_t i = 0; i < history->series_count; i++) {
        if (strcmp(history->series[i].name, name) == 0 &&
            oracle_labels_equal(&history->series[i].labels, &made.labels)) {
            return i;
        }
    }
    ARRAY_RESERVE(history->series, history->series_count, history->series_capacity);
    history->series[history->series_count] = made;
    return history->series_count++;
}

static void put(struct history *history, struct history_series *series, int64_t time_ms,
                double value, bool end)
{
    ARRAY_RESERVE(series->samples, series->count, series->capacity);
    series->samples[series->count++] =
        (struct history_sample){time_ms, value, end, history->tick_count};
}

int64_t history_ms(struct instant time)
{
    int64_t ms = time.ns / 1000000;
    return ms * 1000000 > time.ns ? ms - 1 : ms;
}

void history_sample(struct history *history, size_t at, struct instant now, struct instant time,
                    double value)
{
    struct history_series *series = &history->series[at];
    if (time.ns > now.ns + FUTURE_NS) {
        return;
    }
    series->given = true;
    if (series->count == 0 || history_ms(time) > series->samples[series->count - 1].time_ms) {
        put(history, series, history_ms(time), value, false);
    }
}

void history_answered(struct history *history, size_t source, struct instant time)
{
    struct history_source *from = &history->sources[source];
    for (size_t i = 0; i < history->series_count; i++) {
        struct history_series *series = &history->series[i];
        if (series->source != source) {
            continue;
        }
        const size_t last = series->count - 1;
        if (!series->given && series->count > 0 && !series->samples[last].end) {
            int64_t time_ms = history_ms(time), last_ms = series->samples[last].time_ms;
            put(history, series, time_ms > last_ms ? time_ms : last_ms, 0, true);
        }
        series->given = false;
    }
    ARRAY_RESERVE(from->answers, from->count, from->capacity);
    from->answers[from->count++] = (struct history_answer){time, history->tick_count};
}

void history_failed(struct history *history, size_t source)
{
    for (size_t i = 0; i < history->series_count; i++) {
        struct history_series *series = &history->series[i];
        series->given = series->source == source ? false : series->given;
    }
}

size_t history_tick(struct history *history, struct instant now)
{
    ARRAY_RESERVE(history->ticks, history->tick_count, history->tick_capacity);
    history->ticks[history->tick_count] = now;
    return history->tick_count++;
}

/* ---- what could be known ---- */

const struct history_sample *history_newest(const struct history *history, size_t at, size_t tick,
                                            int64_t time_ms)
{
    const struct history_series *series = &history->series[at];
    const struct history_sample *newest = NULL;
    for (size_t i = 0; i < series->count; i++) {
        const struct history_sample *sample = &series->samples[i];
        newest = sample->tick <= tick && sample->time_ms <= time_ms ? sample : newest;
    }
    return newest;
}

static const struct history_answer *last_answer(const struct history_source *source, size_t tick)
{
    const struct history_answer *last = NULL;
    for (size_t i = 0; i < source->count; i++) {
        last = source->answers[i].tick <= tick ? &source->answers[i] : last;
    }
    return last;
}

bool history_unseen(const struct history *history, size_t at, size_t tick, int64_t now_ms,
                    int64_t horizon_ms)
{
    const struct history_source *source = &history->sources[history->series[at].source];
    const struct history_answer *answer = last_answer(source, tick);
    const struct instant now = {now_ms * NS_PER_MS};
    if (answer && now.ns - answer->time.ns <= source->interval.ns + source->grace.ns) {
        return false;
    }
    const struct history_sample *newest = history_newest(history, at, tick, INT64_MAX);
    return newest && !newest->end &&
           newest->time_ms > (answer ? history_ms(answer->time) : now_ms) - horizon_ms;
}

bool history_cold(const struct history *history, size_t tick)
{
    bool cold = false;
    for (size_t i = 0; i < history->source_count; i++) {
        cold |= last_answer(&history->sources[i], tick) == NULL;
    }
    return cold;
}

/* ---- for a person ---- */

void history_print(const struct history *history, FILE *file)
{
    fprintf(file, "ticks:");
    for (size_t i = 0; i < history->tick_count; i++) {
        fprintf(file, " %zu=%.3f", i, (double)history_ms(history->ticks[i]) / 1e3);
    }
    for (size_t i = 0; i < history->source_count; i++) {
        const struct history_source *source = &history->sources[i];
        fprintf(file, "\nsource %zu answered (before tick):", i);
        for (size_t j = 0; j < source->count; j++) {
            fprintf(file, " %.3f(%zu)", (double)history_ms(source->answers[j].time) / 1e3,
                    source->answers[j].tick);
        }
    }
    for (size_t i = 0; i < history->series_count; i++) {
        const struct history_series *series = &history->series[i];
        fprintf(file, "\n%s{", series->name);
        for (size_t j = 0; j < series->labels.count; j++) {
            fprintf(file, "%s=%s ", series->labels.items[j].name, series->labels.items[j].value);
        }
        fprintf(file, "} of source %zu, born before tick %zu:", series->source, series->born);
        for (size_t j = 0; j < series->count; j++) {
            const struct history_sample *s = &series->samples[j];
            fprintf(file, s->end ? " %.3f(%zu)=end" : " %.3f(%zu)=%.17g", (double)s->time_ms / 1e3,
                    s->tick, s->value);
        }
    }
    fprintf(file, "\n");
}
