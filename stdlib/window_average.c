/* avg_over_time and sum_over_time: a sum that samples enter and leave. */
#include "stdlib/window_walk.h"

struct averaging {
    struct sum sum;
    mask odd;
};

static inline void average_enter(void *state, const struct walk *w, mask m, whole t)
{
    struct averaging *a = state;
    (void)t;
    real value = walk_values(w, w->past, m);
    mask finite = real_finite(value);
    a->odd |= m & ~finite;
    sum_add(&a->sum, m & finite, value);
    sum_peak(&a->sum, m & finite, value);
}

static inline void average_leave(void *state, const struct walk *w, mask m, mask rest, whole second)
{
    struct averaging *a = state;
    (void)second;
    real value = walk_values(w, w->first, m);
    sum_add(&a->sum, m & real_finite(value), -value);
    sum_peak(&a->sum, whole_of(0), value);
    if (mask_any(m & ~rest)) {
        sum_clear(&a->sum, m & ~rest);
    }
}

LANE_INLINE struct averaging average_load(const struct window_average *state, int lane)
{
    return (struct averaging){sum_load(&state->groups[lane / TILE_GROUP].sum, lane % TILE_GROUP),
                              whole_of(0)};
}

LANE_INLINE void average_store(struct window_average *state, const struct walk *w,
                               const struct averaging *a)
{
    struct window_average_group *g = &state->groups[w->lane / TILE_GROUP];
    walk_store(w, &g->cursor);
    sum_store(&a->sum, &g->sum, w->lane % TILE_GROUP);
    state->odd |= group_bits(a->odd, w->lane);
}

/* Lanes that are out of step. Returns those that lost a sample, as bits of the tile. */
static __attribute__((noinline)) uint64_t average_apart(const struct kernel_tile *tile,
                                                        struct window_average *state, int lane,
                                                        int64_t start_ms, int64_t end_ms)
{
    struct walk w =
        walk_load(tile, &state->groups[lane / TILE_GROUP].cursor, lane, start_ms, end_ms);
    struct averaging a = average_load(state, lane);
    walk_step(&w, average_enter, average_leave, &a);
    average_store(state, &w, &a);
    return group_bits(w.left, lane);
}

/* The sum of a lane from the samples of its window. Returns whether all are finite. */
static bool average_anew_one(const struct kernel_tile *tile, struct window_average *state,
                             size_t lane)
{
    struct window_average_group *g = &state->groups[lane / TILE_GROUP];
    const size_t in = lane % TILE_GROUP;
    int32_t row = g->cursor.first[in];
    bool finite = true;
    lane_zero(&g->sum, in);
    for (int32_t n = cursor_count(tile, &g->cursor, in); n > 0; n--) {
        double value = row_value(tile, row, lane);
        finite &= is_finite(value);
        lane_add(&g->sum, in, is_finite(value) ? value : 0);
        row = row_next(tile, row);
    }
    return finite;
}

/* The mean where the sum of all samples is no number: NaN and infinities as IEEE has them; a sum
 * that is too large is avoided by a running mean. */
static double mean_slowly(const struct kernel_tile *tile, const struct window_cursor *cursor,
                          size_t lane)
{
    const size_t in = lane % TILE_GROUP;
    int32_t row = cursor->first[in];
    const int32_t count = cursor_count(tile, cursor, in);
    double mean = row_value(tile, row, lane);
    for (int32_t n = 2; n <= count; n++) {
        row = row_next(tile, row);
        double value = row_value(tile, row, lane), keep = (double)(n - 1) / n;
        bool settled = __builtin_isinf(mean) && (is_finite(value) || mean == value);
        mean = settled ? mean : keep * mean + value / n;
    }
    return mean;
}

static double sum_slowly(const struct kernel_tile *tile, const struct window_cursor *cursor,
                         size_t lane)
{
    const size_t in = lane % TILE_GROUP;
    int32_t row = cursor->first[in];
    double sum = 0;
    for (int32_t n = cursor_count(tile, cursor, in); n > 0; n--) {
        sum += row_value(tile, row, lane);
        row = row_next(tile, row);
    }
    return sum;
}

static __attribute__((noinline)) void average_anew(const struct kernel_tile *tile,
                                                   struct window_average *state, uint64_t lanes,
                                                   bool mean, double *ret)
{
    for (uint64_t rest = lanes; rest; rest &= rest - 1) {
        const size_t lane = (size_t)__builtin_ctzll(rest), in = lane % TILE_GROUP;
        struct window_average_group *g = &state->groups[lane / TILE_GROUP];
        const uint64_t bit = 1ULL << lane;
        const bool finite = average_anew_one(tile, state, lane);
        state->odd = finite ? state->odd & ~bit : state->odd | bit;
        const double total = g->sum.hi[in] + g->sum.lo[in];
        if (finite && is_finite(total)) {
            ret[lane] = mean ? total / cursor_count(tile, &g->cursor, in) : total;
        } else {
            ret[lane] =
                mean ? mean_slowly(tile, &g->cursor, lane) : sum_slowly(tile, &g->cursor, lane);
        }
    }
}

LANE_INLINE uint64_t average_step(const struct kernel_tile *tile, struct window_average *state,
                                  int64_t start_ms, int64_t end_ms, bool mean, double *ret)
{
    uint64_t present = 0, doubtful = 0;
    for (int lane = 0; lane < TILE_LANES; lane += LANES) {
        if (walk_is_dead(tile, lane)) {
            continue;
        }
        const struct window_cursor *cursor = &state->groups[lane / TILE_GROUP].cursor;
        struct walk w = walk_load(tile, cursor, lane, start_ms, end_ms);
        struct averaging a = average_load(state, lane);
        struct quick quick;
        if (walk_quick(&w, &quick)) {
            walk_quickly(&w, &quick, average_enter, average_leave, &a);
            if (w.moved) {
                average_store(state, &w, &a);
            }
        } else {
            const uint64_t left = average_apart(tile, state, lane, start_ms, end_ms);
            w = walk_load(tile, cursor, lane, start_ms, end_ms);
            w.left = mask_of(left >> lane);
            a = average_load(state, lane);
        }
        const real total = sum_total(&a.sum);
        doubtful |= group_bits((w.left & sum_doubtful(&a.sum)) | ~real_finite(total), lane);
        present |= group_bits(whole_greater(w.count, whole_of(0)), lane);
        real_store(ret + lane, mean ? total / real_whole(w.count) : total);
    }
    if ((doubtful | state->odd) & present) {
        average_anew(tile, state, (doubtful | state->odd) & present, mean, ret);
    }
    return present;
}

uint64_t kernel_window_avg_over_time(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                     int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return average_step(tile, state, start_ms, end_ms, true, ret);
}

uint64_t kernel_window_sum_over_time(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                     int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return average_step(tile, state, start_ms, end_ms, false, ret);
}
