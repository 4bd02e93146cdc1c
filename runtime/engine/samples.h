/* Samples of many series side by side, and the windows over them: what a SAMPLED node keeps. Only
 * series.c, column.c, samples.c and eval_*.c include this.
 *
 * A series has a lane for as long as it lives; lanes lie in tiles of 64 (stdlib/window.h). All
 * windows over the same samples share them, each at its own place, and none ever reads what it has
 * read before. Values and presence of a window are by lane; whoever has slots in another order maps
 * them.
 *
 *     uint32_t lane = samples_lane_new(samples);
 *     samples_append(samples, lane, time_ms, value);
 *     samples_window_step(samples, window, start_ms, end_ms, argument);
 *     ... window->values[lane] where bit_get(window->present, lane) ...
 *     samples_ticked(samples, now_ms);
 */
#ifndef HEAL_RUNTIME_ENGINE_SAMPLES_H
#define HEAL_RUNTIME_ENGINE_SAMPLES_H

#include "lang/ast.h"
#include "runtime/engine/column.h"
#include "stdlib/window.h"

enum {
    SAMPLES_ROWS_MAX = 1 << 20, /* of a lane; more samples in one window are dropped */
    SAMPLES_ROWS_FIRST = 16,    /* where the pace is not known */
    SAMPLES_SLAB_TILES = 64     /* that share rows, at most */
};
#define SAMPLES_RANGE_MS_MAX (WINDOW_DAYS_MAX * 86400000LL) /* of a window with its offset */

struct samples_window {
    uint64_t hash;
    enum kernel_window_kind kind;
    uint8_t *states;   /* [tiles], each kernel_window_infos[kind].state_bytes */
    double *values;    /* [lanes] */
    uint64_t *present; /* [tiles] */
    int64_t
        *until_ms;   /* [tiles] the end from which on it is stepped, whether or not samples come */
    double argument; /* of the last step */
    /* Of one that runs: who reads it only wants to know where it is beyond the bound. Tiles whose
     * lanes are all on its other side rest, with the values they had. */
    struct samples_watch {
        bool set, above; /* above: wanted is what is below the bound */
        double bound;
    } watch;
    int64_t *calm_ms; /* [tiles] with a watch */
    uint64_t seen;    /* tiles touched before are read */
    bool claimed;
};

/* Tiles whose rows lie side by side, so that a walk over many lanes reads long runs of memory. */
struct samples_slab {
    size_t first, count; /* tiles */
    size_t width;        /* lanes of a row: all of its tiles', fewer where it is one tile */
    double *values;      /* the times behind them, in one block */
};

struct samples {
    struct kernel_tile *tiles;
    size_t tile_count, tile_capacity; /* with lanes, or ready for them */
    struct samples_slab *slabs;
    size_t slab_count, slab_capacity;
    uint64_t *touched; /* [tiles] the stamp when a lane of it last got a sample or was given away */
    uint64_t stamp;    /* windows take the next one at each step */
    int64_t *newest_ms; /* [lanes] MS_NEVER without samples */
    int32_t *held;      /* [lanes] samples in the ring, less than its rows */
    size_t lane_count;  /* lanes ever given */
    size_t expected;    /* lanes, at the start */
    uint32_t *free_lanes;
    size_t free_count, free_capacity;
    int64_t retention_ms; /* the longest window with its offset; may grow */
    int64_t interval_ms;  /* expected between samples; 0: not known */
    int64_t ticked_ms;    /* every window has been brought to here */
    struct samples_window **windows;
    size_t window_count, window_capacity;
    uint64_t dropped; /* samples for which there was no room */
};

/* expected: about how many lanes there will be. */
struct samples *samples_new(int64_t retention_ms, int64_t interval_ms, size_t expected);
void samples_free(struct samples *samples);
size_t samples_bytes(const struct samples *samples);

/* An empty lane, in step with its neighbours where there are some. */
uint32_t samples_lane_new(struct samples *samples);
void samples_lane_free(struct samples *samples, uint32_t lane);
/* time_ms must be later than newest_ms[lane]. False when the sample was dropped. */
bool samples_append(struct samples *samples, uint32_t lane, int64_t time_ms, double value);
/* Windows will not look back before now_ms - retention_ms any more. */
void samples_ticked(struct samples *samples, int64_t now_ms);

/* Copies samples with start < t <= end to times and values (room for held[lane] each). */
size_t samples_copy(const struct samples *samples, uint32_t lane, int64_t start_ms, int64_t end_ms,
                    int64_t *times, double *values);
/* Newest sample at or before time_ms and after time_ms - lookback_ms. */
bool samples_instant(const struct samples *samples, uint32_t lane, int64_t time_ms,
                     int64_t lookback_ms, double *ret_value);

/* The window with this hash (of function, range and offset), or a new one that has yet to read all
 * samples. The samples own it. */
struct samples_window *samples_window(struct samples *samples, uint64_t hash,
                                      enum kernel_window_kind kind);
/* Frees the windows that samples_window() did not return since the last call. */
void samples_windows_sweep(struct samples *samples);
/* Tiles in which something comes or leaves by end_ms, or whose values change with it; the others
 * stay as they are. start_ms and end_ms must not go backwards.
 *
 *     struct samples_step step = samples_step_begin(samples, window, start_ms, end_ms, argument);
 *     while (samples_step_next(&step)) { ... tiles step.from to step.past - 1, by whichever kernel
 * }
 */
struct samples_step {
    struct samples *samples;
    struct samples_window *window;
    int64_t start_ms, end_ms;
    size_t from, past;
    bool all; /* of its tiles are due */
};
struct samples_step samples_step_begin(struct samples *samples, struct samples_window *window,
                                       int64_t start_ms, int64_t end_ms, double argument);
bool samples_step_next(struct samples_step *step);
/* From the next step on. */
void samples_watch(struct samples *samples, struct samples_window *window,
                   struct samples_watch watch);
/* The tiles of the step at hand, by the function itself. */
void samples_step_run(const struct samples_step *step);
/* All of it. */
void samples_window_step(struct samples *samples, struct samples_window *window, int64_t start_ms,
                         int64_t end_ms, double argument);

#endif
