/* Windows over samples, a step at a time: what enters is added, what leaves is taken away, so that
 * a tick costs the samples that came and went, whatever the window's length.
 *
 * Samples lie in tiles of 64 lanes, one lane a series, slot-major: row r of lane l is
 * values[r * stride + l], so that lanes which get their samples together have them side by side.
 * Tiles may share their rows (a stride of several tiles). A lane is a ring of rows and need not be
 * in step with its neighbours; that only costs time. A window keeps its place in each lane and what
 * it must remember, 64 lanes a struct; several windows read one tile.
 *
 *     tile.values[tile.put[l] * tile.stride + l] = x; ... advance put[l]
 *     present = kernel_window_rate(&tile, &state, start_ms, end_ms, 0, ret);
 *
 * A lane is given to another series by kernel_window_clear(). Times never go backwards in a lane,
 * nor from call to call. A row may be overwritten once every window's start has passed its time.
 *
 * A tile in which nothing came need not be stepped before kernel_window_until(): its values hold.
 * Whoever appends to a lane calls kernel_window_touch() before the next step. */
#ifndef HEAL_STDLIB_WINDOW_H
#define HEAL_STDLIB_WINDOW_H

#include "lang/base.h"

enum { TILE_LANES = 64 };
struct kernel_tile {
    double *values;    /* [rows][stride], of which TILE_LANES are this tile's */
    int32_t *times_ms; /* the same, since origin_ms; neither INT32_MIN nor INT32_MAX */
    size_t stride;
    int64_t origin_ms;
    int32_t rows;
    uint64_t dead;           /* lanes of no series: nothing of them is read, none has a result */
    uint32_t phase;          /* spreads periodic work of the tiles over time; any number */
    int32_t put[TILE_LANES]; /* the row that the lane's next sample goes to */
};

/* States lie by groups of 8 lanes, so that a walk over them reads and writes memory in its order.
 */
enum { TILE_GROUP = 8, TILE_GROUPS = TILE_LANES / TILE_GROUP };

/* The samples that a window holds: rows [first, past) of the lane's ring; none when leaves_ms is
 * INT32_MAX. */
struct window_cursor {
    int32_t first[TILE_GROUP], past[TILE_GROUP];
    int32_t leaves_ms[TILE_GROUP]; /* time of the first */
};
/* hi + lo is the sum, lo what rounding took from hi (Knuth's TwoSum). peak: the largest magnitude
 * in it since it was last summed anew: once little of that is left, it is summed anew. */
struct window_sum {
    double hi[TILE_GROUP], lo[TILE_GROUP], peak[TILE_GROUP];
};
struct window_average {
    struct window_average_group {
        struct window_cursor cursor;
        struct window_sum sum; /* of the finite samples */
    } groups[TILE_GROUPS];
    uint64_t odd; /* lanes that may hold a sample that is not finite */
};
/* What a step leaves as it is, values too, group by group: those whose time is still ahead. */
struct window_rest {
    int64_t until_ms[TILE_GROUPS]; /* the first end of the window that may change something */
    uint64_t present;              /* lanes with a result */
};
struct window_growth {
    struct window_rest rest;
    struct window_growth_group {
        struct window_cursor cursor;
        int32_t last_ms[TILE_GROUP];
        double first[TILE_GROUP], last[TILE_GROUP];
    } groups[TILE_GROUPS];
    struct window_sum lost[TILE_GROUPS]; /* what counters had before they fell */
    uint64_t fallen;                     /* lanes where lost may be other than 0 */
};
struct window_line { /* x: ms after zero_ms, y: values */
    struct window_rest rest;
    struct window_line_fit { /* at + slope * (time - centre_ms); slope per millisecond */
        double at[TILE_GROUP], slope[TILE_GROUP];
        int32_t centre_ms[TILE_GROUP];
    } fits[TILE_GROUPS];
    struct window_line_group {
        struct window_cursor cursor;
        int32_t zero_ms[TILE_GROUP], last_ms[TILE_GROUP];
        int32_t run[TILE_GROUP]; /* newest samples that are equal */
        double last[TILE_GROUP];
        double x[TILE_GROUP]; /* exact: whole milliseconds */
        double xx_hi[TILE_GROUP], xx_lo[TILE_GROUP], xy_hi[TILE_GROUP], xy_lo[TILE_GROUP];
        struct window_sum y;
    } groups[TILE_GROUPS];
    uint64_t odd; /* as above */
};
struct window_pair { /* the newest sample and the one before */
    struct window_pair_group {
        struct window_cursor cursor;
        int32_t last_ms[TILE_GROUP], before_ms[TILE_GROUP];
        double last[TILE_GROUP], before[TILE_GROUP];
    } groups[TILE_GROUPS];
};
struct window_count {
    struct window_count_group {
        struct window_cursor cursor;
    } groups[TILE_GROUPS];
};
struct window_turns { /* how often a sample was other than the one before, in the function's sense
                       */
    struct window_turns_group {
        struct window_cursor cursor;
        int32_t turns[TILE_GROUP];
        double first[TILE_GROUP], last[TILE_GROUP];
    } groups[TILE_GROUPS];
};
struct window_spread { /* y: values above level */
    struct window_spread_group {
        struct window_cursor cursor;
        double level[TILE_GROUP], yy_hi[TILE_GROUP], yy_lo[TILE_GROUP];
        struct window_sum y;
    } groups[TILE_GROUPS];
    uint64_t odd; /* as above */
};
/* Rows of samples, lowest value first, a lane behind the other: rows[lane * tile.rows + i]. NaN is
 * the lowest. */
struct window_order {
    struct window_order_group {
        struct window_cursor cursor;
        int32_t size[TILE_GROUP];
    } groups[TILE_GROUPS];
    int32_t *rows; /* [TILE_LANES][tile.rows], the caller's */
};
/* Rows of samples of which none later is better: the first is the best (a monotone deque). */
struct window_best {
    struct window_best_group {
        struct window_cursor cursor;
        int32_t head[TILE_GROUP], size[TILE_GROUP];
    } groups[TILE_GROUPS];
    int32_t *rows; /* [tile.rows][TILE_LANES], the caller's */
};

enum kernel_window_kind {
#define WINDOW(name, text, state, argument) WINDOW_##name,
#include "stdlib/window.def"
#undef WINDOW
    WINDOW_KINDS
};

/* Brings 64 lanes to the window (start_ms, end_ms] and computes them. Returns a bit a lane that has
 * a result (enough samples); ret[l] may be written for any lane, its value matters where the bit
 * is.
 *
 *   rate, increase   Prometheus 3 extrapolatedRate; 2 samples or more; a fall is a restart from 0
 *   delta            the same for gauges: a fall is a fall
 *   irate, idelta    from the last two samples; 2 or more
 *   avg_, sum_       unit of the samples; 1 sample or more
 *   stddev_, stdvar_ of the population; 1 or more
 *   count_, present_ number of samples; 1; 1 or more
 *   last_            newest sample; 1 or more
 *   changes, resets  samples that differ from the one before (NaN is equal to NaN); that are less
 *   max_, min_       NaN only when all are NaN; 1 or more
 *   quantile_        argument: which, 0 .. 1, by linear interpolation; 1 or more
 *   deriv            slope of least squares, per second; 2 or more; 0 for a constant
 *   predict_linear   least squares line at end + argument seconds; 2 or more
 *
 * Sums are those of the window's samples within 1e-12 of their largest partial sum, for ever. O(1)
 * a sample that enters or leaves; O(window) for a lane whose sum is made again. */
typedef uint64_t kernel_window_step_f(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                      int64_t end_ms, double argument, double *ret);
#ifndef KERNEL_WINDOW_LINKAGE
#    define KERNEL_WINDOW_LINKAGE extern
#endif
#define WINDOW(name, text, state, argument) \
    KERNEL_WINDOW_LINKAGE kernel_window_step_f kernel_window_##text;
#include "stdlib/window.def"
#undef WINDOW

struct kernel_window_info {
    const char *text;
    kernel_window_step_f *step;
    size_t state_bytes; /* of 64 lanes */
    bool argument;
    bool rows; /* the state has a pointer to so many rows, see kernel_window_rows() */
    bool runs; /* its values are others at every end of the window, whatever came or left */
};
extern const struct kernel_window_info kernel_window_infos[WINDOW_KINDS];

/* An empty window: what the lane has from `row` on is new to it. A fresh state is zeroed, and each
 * of its lanes cleared. */
void kernel_window_clear(enum kernel_window_kind kind, void *state, size_t lane, int32_t row);
/* Where a state that has rows keeps the pointer to them: tile->rows * TILE_LANES numbers, which the
 * caller gives and frees. */
int32_t **kernel_window_rows(enum kernel_window_kind kind, void *state);
/* A sample came in some lane of the tile, or may have. */
void kernel_window_touch(enum kernel_window_kind kind, void *state);
/* After a step: the end of the window (milliseconds, later than that of the step) before which
 * nothing leaves, comes in or else changes what the state holds, as long as nothing is appended.
 * Until then values are those of the step too, unless they run. */
int64_t kernel_window_until(enum kernel_window_kind kind, const void *state,
                            const struct kernel_tile *tile, int64_t range_ms);
/* Of a window that runs: the end of the window until which all lanes that are present stay on the
 * side of `bound` where they are not wanted, below it or (above) above it, as long as nothing comes
 * or leaves; INT64_MIN where one is not there by far. end_ms: that of the last step. */
int64_t kernel_window_calm(enum kernel_window_kind kind, const void *state,
                           const struct kernel_tile *tile, int64_t end_ms, double argument,
                           double bound, bool above);
/* The tile got more rows, in a new order: what was row r of a lane is now row
 * (r - old_put[lane] + old_rows) % old_rows, and its next one is old_rows. new_rows: for states
 * that have rows; those before are returned, for the caller to free; NULL for others. */
int32_t *kernel_window_moved(enum kernel_window_kind kind, void *state,
                             const struct kernel_tile *tile, int32_t old_rows,
                             const int32_t old_put[TILE_LANES], int32_t *new_rows);
/* The tile's origin moved forward by ms: all times of the lanes are less by it, but none less than
 * INT32_MIN + 1. */
void kernel_window_rebased(enum kernel_window_kind kind, void *state, int32_t ms);

#endif
