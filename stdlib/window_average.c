/* avg_over_time: a sum that samples enter and leave. */
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
}

static inline void average_leave(void *state, const struct walk *w, mask m, mask rest, whole second)
{
    struct averaging *a = state;
    (void)second;
    real value = walk_values(w, w->first, m);
    sum_add(&a->sum, m & real_finite(value), -value);
    sum_clear(&a->sum, m & ~rest);
}

/* The sums of some lanes from the samples of their windows, row by row. */
static __attribute__((noinline)) void average_anew(const struct kernel_tile *tile,
                                                   struct window_average *state, uint64_t lanes)
{
    for (uint64_t rest = lanes; rest; rest &= rest - 1) {
        size_t lane = (size_t)__builtin_ctzll(rest);
        int32_t row = state->cursor.first[lane];
        bool odd = false;
        lane_zero(&state->sum, lane);
        for (int32_t n = cursor_count(tile, &state->cursor, lane); n > 0; n--) {
            double value = row_value(tile, row, lane);
            if (is_finite(value)) {
                lane_add(&state->sum, lane, value);
            } else {
                odd = true;
            }
            row = row_next(tile, row);
        }
        state->odd = odd ? state->odd | 1ULL << lane : state->odd & ~(1ULL << lane);
    }
}

/* The mean where the sum of all samples is no number: NaN and infinities as IEEE has them; a sum
 * that is too large is avoided by a running mean. */
static __attribute__((noinline)) void average_slowly(const struct kernel_tile *tile,
                                                     const struct window_average *state,
                                                     uint64_t lanes, double *ret)
{
    for (uint64_t rest = lanes; rest; rest &= rest - 1) {
        size_t lane = (size_t)__builtin_ctzll(rest);
        int32_t row = state->cursor.first[lane];
        const int32_t count = cursor_count(tile, &state->cursor, lane);
        double mean = row_value(tile, row, lane);
        for (int32_t n = 2; n <= count; n++) {
            row = row_next(tile, row);
            double value = row_value(tile, row, lane), keep = (double)(n - 1) / n;
            bool settled = __builtin_isinf(mean) && (!is_finite(value) ? mean == value : true);
            mean = settled ? mean : keep * mean + value / n;
        }
        ret[lane] = mean;
    }
}

uint64_t kernel_window_avg_over_time(const struct kernel_tile *tile, void *state_of,
                                     int64_t start_ms, int64_t end_ms, double argument, double *ret)
{
    struct window_average *state = state_of;
    uint64_t present = 0, doubtful = 0, odd = state->odd;
    (void)argument;
    for (int lane = 0; lane < TILE_LANES; lane += LANES) {
        struct walk w = walk_load(tile, &state->cursor, lane, start_ms, end_ms);
        struct averaging a = {sum_load(&state->sum, lane), whole_of(0)};
        walk_step(&w, average_enter, average_leave, &a);
        if (w.moved) {
            walk_store(&w, &state->cursor);
            sum_store(&a.sum, &state->sum, lane);
            odd |= group_bits(a.odd, lane);
        }
        const real total = sum_total(&a.sum);
        doubtful |= group_bits(w.left ? sum_doubtful(&a.sum) : ~real_finite(total), lane);
        present |= group_bits(whole_greater(w.count, whole_of(0)), lane);
        real_store(ret + lane, total / real_whole(w.count));
    }
    state->odd = odd;
    doubtful |= odd;
    if (doubtful & present) {
        average_anew(tile, state, doubtful & present);
        uint64_t slow = 0;
        for (uint64_t rest = doubtful & present; rest; rest &= rest - 1) {
            size_t lane = (size_t)__builtin_ctzll(rest);
            double total = state->sum.hi[lane] + state->sum.lo[lane];
            ret[lane] = total / cursor_count(tile, &state->cursor, lane);
            slow |= (uint64_t)!is_finite(total) << lane;
        }
        average_slowly(tile, state, (slow | state->odd) & present, ret);
    }
    return present;
}
