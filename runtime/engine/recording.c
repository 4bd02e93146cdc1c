/* Plays recorded samples into a store. */
#include "runtime/engine/recording.h"

#include <stdlib.h>
#include <string.h>

static int compare_times(const void *a, const void *b)
{
    const struct recording_sample *x = a, *y = b;
    if (x->time.ns != y->time.ns) {
        return x->time.ns < y->time.ns ? -1 : 1;
    }
    return x->series < y->series ? -1 : x->series > y->series;
}

static int compare_series(const void *a, const void *b)
{
    const struct recording_sample *x = a, *y = b;
    if (x->series != y->series) {
        return x->series < y->series ? -1 : 1;
    }
    return x->time.ns < y->time.ns ? -1 : x->time.ns > y->time.ns;
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

bool recording_add(struct recording *recording, struct instant time, uint32_t series, double value)
{
    if (recording->count >= RECORDING_SAMPLES_MAX) {
        return false;
    }
    ARRAY_RESERVE(recording->samples, recording->count, recording->capacity);
    recording->samples[recording->count++] =
        (struct recording_sample){.time = time, .series = series, .value = value};
    return true;
}

/* The median gap of samples[0..count) of one series; the tick when there is none. */
static struct duration median_gap(const struct recording_sample *samples, size_t count,
                                  int64_t *gaps, struct duration tick)
{
    size_t n = 0;
    for (size_t i = 1; i < count; i++) {
        if (samples[i].time.ns > samples[i - 1].time.ns) {
            gaps[n++] = samples[i].time.ns - samples[i - 1].time.ns;
        }
    }
    if (n == 0) {
        return tick;
    }
    qsort(gaps, n, sizeof *gaps, compare_numbers);
    return (struct duration){gaps[n / 2] > tick.ns ? gaps[n / 2] : tick.ns};
}

static void find_series(struct recording *recording, struct duration tick)
{
    int64_t *gaps = heap_alloc(recording->count * sizeof *gaps);
    const struct recording_sample *samples = recording->samples;
    for (size_t from = 0, to = 0; from < recording->count; from = to) {
        while (to < recording->count && samples[to].series == samples[from].series) {
            to++;
        }
        ARRAY_RESERVE(recording->series, recording->series_count, recording->series_capacity);
        recording->series[recording->series_count++] = (struct recording_series){
            .id = samples[from].series, .step = median_gap(samples + from, to - from, gaps, tick)};
    }
    free(gaps);
}

enum status recording_open(struct recording *recording, uint32_t source, struct instant start,
                           struct duration tick, const char *path, struct error *error)
{
    recording->source = source;
    if (recording->count == 0) {
        return error_set(error, STATUS_PROTOCOL, "%s: the stream has no samples", path);
    }
    qsort(recording->samples, recording->count, sizeof *recording->samples, compare_series);
    find_series(recording, tick);
    qsort(recording->samples, recording->count, sizeof *recording->samples, compare_times);
    struct duration shift = instant_sub(start, recording->samples[0].time);
    for (size_t i = 0; i < recording->count; i++) {
        recording->samples[i].time = instant_add(recording->samples[i].time, shift);
    }
    return STATUS_OK;
}

struct instant recording_end(const struct recording *recording)
{
    return recording->samples[recording->count - 1].time;
}

static struct recording_series *find(struct recording *recording, uint32_t id)
{
    size_t low = 0, high = recording->series_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (recording->series[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < recording->series_count && recording->series[low].id == id;
    return found ? &recording->series[low] : NULL;
}

void recording_mute(struct recording *recording, uint32_t id)
{
    struct recording_series *series = find(recording, id);
    if (series) {
        series->muted = true;
    }
}

void recording_silence(struct recording *recording)
{
    recording->silent = true;
}

/* Appending the last sample once more says that the answer still has the series. */
static void keep_alive(struct recording *recording, struct store *store, struct instant now)
{
    for (size_t i = 0; i < recording->series_count; i++) {
        struct recording_series *series = &recording->series[i];
        int64_t age = now.ns - series->last.time.ns;
        if (series->seen && !series->muted && age < series->step.ns + series->step.ns / 2) {
            (void)store_append(store, series->id, now, series->last.time, series->last.value);
        }
        series->muted = false;
    }
}

void recording_play(struct recording *recording, struct store *store, struct instant now)
{
    while (recording->next < recording->count &&
           recording->samples[recording->next].time.ns <= now.ns) {
        const struct recording_sample *sample = &recording->samples[recording->next++];
        struct recording_series *series = find(recording, sample->series);
        if (!series->muted && !recording->silent) {
            (void)store_append(store, series->id, now, sample->time, sample->value);
            series->last = *sample;
            series->seen = true;
        }
    }
    keep_alive(recording, store, now);
    const struct recording_series *last =
        find(recording, recording->samples[recording->count - 1].series);
    if (recording->silent || now.ns > recording_end(recording).ns + last->step.ns) {
        store_failed(store, recording->source, now);
    } else {
        store_answered(store, recording->source, now);
    }
    recording->silent = false;
}

void recording_release(struct recording *recording)
{
    free(recording->samples);
    free(recording->series);
    *recording = (struct recording){0};
}
