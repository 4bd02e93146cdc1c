/* A recorded stream of samples, played again on a virtual clock.
 *
 *     recording_add(&recording, time, series, value);       // the reader, in any order
 *     TRY(recording_open(&recording, source, start, tick, "leak.om", error));
 *     recording_play(&recording, store, now);               // every tick
 *     recording_release(&recording);
 *
 * The first sample is played at start, all others as long after it as they were recorded. The
 * stream is one source that answers at every tick until its last sample is a step old. A series
 * whose samples stop before is absent from the answers after one of its steps (the median of its
 * gaps). */
#ifndef HEAL_RUNTIME_ENGINE_RECORDING_H
#define HEAL_RUNTIME_ENGINE_RECORDING_H

#include "runtime/engine/series.h"

enum { RECORDING_SAMPLES_MAX = 2000000 };

struct recording_sample {
    struct instant time;
    uint32_t series;
    double value;
};
struct recording_series {
    uint32_t id; /* of the store */
    struct duration step;
    bool seen, muted;
    struct recording_sample last; /* played */
};
struct recording {
    struct recording_sample *samples;
    size_t count, capacity, next;
    struct recording_series *series; /* by id */
    size_t series_count, series_capacity;
    uint32_t source;
    bool silent;
};

/* False when there are RECORDING_SAMPLES_MAX already. */
bool recording_add(struct recording *recording, struct instant time, uint32_t series, double value);
/* Samples are moved in time so that the first is at start. STATUS_PROTOCOL when there are none;
 * path is for the message. */
NODISCARD enum status recording_open(struct recording *recording, uint32_t source,
                                     struct instant start, struct duration tick, const char *path,
                                     struct error *error);
struct instant recording_end(const struct recording *recording); /* the last sample */
/* For the next play only: the series is given by somebody else; the source does not answer. */
void recording_mute(struct recording *recording, uint32_t series);
void recording_silence(struct recording *recording);
void recording_play(struct recording *recording, struct store *store, struct instant now);
void recording_release(struct recording *recording);

#endif
