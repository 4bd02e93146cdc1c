/* stddev_over_time and stdvar_over_time: sums of values above a level and of their squares. The
 * level moves along when it has become far from the mean, so that little cancels. */
#include "stdlib/window_walk.h"

struct spreading {
    real level, yy, yy_lo;
    struct sum y;
    mask odd;
};

LANE_INLINE void spread_fold(struct spreading *s, mask m, real value, double sign)
{
    real y = value - s->level, square = y * y;
    mask finite = m & real_finite(square);
    s->odd |= m & ~finite;
    y = real_pick(finite, y, real_of(0));
    two_sum(&s->yy, &s->yy_lo, real_pick(finite, square, real_of(0)) * real_of(sign));
    sum_add(&s->y, finite, y * real_of(sign));
    sum_peak(&s->y, finite, y);
}

static inline void spread_enter(void *state, const struct walk *w, mask m, whole t)
{
    struct spreading *s = state;
    real value = walk_values(w, w->past, m);
    (void)t;
    s->level = real_pick(m & whole_equal(w->count, whole_of(0)), value, s->level);
    spread_fold(s, m, value, 1);
}

static inline void spread_leave(void *state, const struct walk *w, mask m, mask rest, whole second)
{
    struct spreading *s = state;
    const mask none = m & ~rest;
    (void)second;
    spread_fold(s, m, walk_values(w, w->first, m), -1);
    if (mask_any(none)) {
        s->yy = real_pick(none, real_of(0), s->yy);
        s->yy_lo = real_pick(none, real_of(0), s->yy_lo);
        sum_clear(&s->y, none);
    }
}

/* The mean is far from the level, measured by the spread; squares above 0 are due to rounding. */
LANE_INLINE mask spread_strayed(const struct spreading *s, real n, real variance)
{
    const real far = real_of(1e3);
    real mean = sum_total(&s->y) / n, moved = mean * mean;
    return real_greater(moved, variance * far) | ~real_finite(variance);
}

/* What is left of squares that were much larger. */
LANE_INLINE mask spread_doubtful(const struct spreading *s)
{
    const double part = 0x1p-40;
    real most = s->y.peak * s->y.peak * real_of(part);
    mask sure = real_at_least(s->yy, most) | real_equal(s->yy_lo, real_of(0));
    return sum_doubtful(&s->y) | ~sure;
}

/* Population variance of one lane in two passes (compensated by the sum of the deviations: Chan,
 * Golub and LeVeque 1983); NaN when a sample is not finite. The sums start anew at the mean. */
static double spread_anew_one(const struct kernel_tile *tile, struct window_spread *state,
                              size_t lane, double level)
{
    struct window_spread_group *g = &state->groups[lane / TILE_GROUP];
    const size_t in = lane % TILE_GROUP;
    int32_t row = g->cursor.first[in];
    const int32_t count = cursor_count(tile, &g->cursor, in);
    bool odd = false;
    lane_zero(&g->y, in);
    g->yy_hi[in] = g->yy_lo[in] = 0;
    g->level[in] = level;
    for (int32_t i = 0; i < count; i++) {
        const double y = row_value(tile, row, lane) - level, square = y * y;
        odd |= !is_finite(square);
        lane_add(&g->y, in, is_finite(square) ? y : 0);
        lane_two_sum(&g->yy_hi[in], &g->yy_lo[in], is_finite(square) ? square : 0);
        row = row_next(tile, row);
    }
    state->odd = odd ? state->odd | 1ULL << lane : state->odd & ~(1ULL << lane);
    const double sum = g->y.hi[in] + g->y.lo[in];
    return odd ? __builtin_nan("") : (g->yy_hi[in] + g->yy_lo[in] - sum * sum / count) / count;
}

static double mean_of(const struct kernel_tile *tile, const struct window_cursor *cursor,
                      size_t lane)
{
    const size_t in = lane % TILE_GROUP;
    const int32_t count = cursor_count(tile, cursor, in);
    int32_t row = cursor->first[in];
    double mean = 0;
    for (int32_t i = 0; i < count; i++) {
        mean += (row_value(tile, row, lane) - mean) / (i + 1);
        row = row_next(tile, row);
    }
    return mean;
}

static __attribute__((noinline)) void spread_anew(const struct kernel_tile *tile,
                                                  struct window_spread *state, uint64_t lanes,
                                                  double *ret)
{
    for (uint64_t rest = lanes; rest; rest &= rest - 1) {
        const size_t lane = (size_t)__builtin_ctzll(rest);
        const double level = mean_of(tile, &state->groups[lane / TILE_GROUP].cursor, lane);
        const double variance = spread_anew_one(tile, state, lane, is_finite(level) ? level : 0);
        ret[lane] = variance < 0 ? 0 : variance;
    }
}

LANE_INLINE struct spreading spread_load(const struct window_spread *state, int lane)
{
    const struct window_spread_group *g = &state->groups[lane / TILE_GROUP];
    const int in = lane % TILE_GROUP;
    return (struct spreading){.level = real_load(g->level + in),
                              .yy = real_load(g->yy_hi + in),
                              .yy_lo = real_load(g->yy_lo + in),
                              .y = sum_load(&g->y, in),
                              .odd = whole_of(0)};
}

LANE_INLINE void spread_store(struct window_spread *state, const struct walk *w,
                              const struct spreading *s)
{
    struct window_spread_group *g = &state->groups[w->lane / TILE_GROUP];
    const int in = w->lane % TILE_GROUP;
    walk_store(w, &g->cursor);
    real_store(g->level + in, s->level);
    real_store(g->yy_hi + in, s->yy);
    real_store(g->yy_lo + in, s->yy_lo);
    sum_store(&s->y, &g->y, in);
    state->odd |= group_bits(s->odd, w->lane);
}

LANE_INLINE uint64_t spread_step(const struct kernel_tile *tile, struct window_spread *state,
                                 int64_t start_ms, int64_t end_ms, double *ret)
{
    uint64_t present = 0, again = state->odd;
    for (int lane = 0; lane < TILE_LANES; lane += LANES) {
        if (walk_is_dead(tile, lane)) {
            continue;
        }
        const struct window_cursor *cursor = &state->groups[lane / TILE_GROUP].cursor;
        struct walk w = walk_load(tile, cursor, lane, start_ms, end_ms);
        struct spreading s = spread_load(state, lane);
        walk_step(&w, spread_enter, spread_leave, &s);
        if (w.moved) {
            spread_store(state, &w, &s);
        }
        const real n = real_whole(w.count), sum = sum_total(&s.y);
        real variance = (s.yy + s.yy_lo - sum * (sum / n)) / n;
        again |= group_bits(spread_strayed(&s, n, variance) | (w.left & spread_doubtful(&s)), lane);
        variance = real_pick(real_less(variance, real_of(0)), real_of(0), variance);
        real_store(ret + lane, variance);
        present |= group_bits(whole_greater(w.count, whole_of(0)), lane);
    }
    again = (again | state->odd) & present;
    if (again) {
        spread_anew(tile, state, again, ret);
    }
    return present;
}

uint64_t kernel_window_stdvar_over_time(const struct kernel_tile *tile, void *state,
                                        int64_t start_ms, int64_t end_ms, double argument,
                                        double *ret)
{
    (void)argument;
    return spread_step(tile, state, start_ms, end_ms, ret);
}

uint64_t kernel_window_stddev_over_time(const struct kernel_tile *tile, void *state,
                                        int64_t start_ms, int64_t end_ms, double argument,
                                        double *ret)
{
    (void)argument;
    const uint64_t present = spread_step(tile, state, start_ms, end_ms, ret);
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        ret[lane] = __builtin_sqrt(ret[lane]);
    }
    return present;
}
