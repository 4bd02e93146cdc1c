/* rate and increase: growth of a counter between the first and the last sample of the window,
 * stretched towards its ends (extrapolatedRate of Prometheus 3). */
#include "stdlib/window_walk.h"

struct growing {
    real first, last;
    whole last_ms;
    struct sum lost;
    mask fell; /* lost may be other than 0 */
};

static inline void growth_enter(void *state, const struct walk *w, mask m, whole t)
{
    struct growing *g = state;
    real value = walk_values(w, w->past, m);
    mask some = whole_greater(w->count, whole_of(0));
    mask fell = m & some & real_less(value, g->last);
    if (mask_any(fell)) {
        sum_add(&g->lost, fell, g->last);
        g->fell |= fell;
    }
    g->first = real_pick(m & ~some, value, g->first);
    g->last = real_pick(m, value, g->last);
    g->last_ms = whole_pick(m, t, g->last_ms);
}

static inline void growth_leave(void *state, const struct walk *w, mask m, mask rest, whole second)
{
    struct growing *g = state;
    real value = mask_any(rest) ? walk_values(w, second, rest) : g->first;
    if (mask_any(g->fell & m)) {
        sum_add(&g->lost, rest & real_less(value, g->first), -g->first);
        sum_clear(&g->lost, m & ~rest);
    }
    g->first = real_pick(rest, value, g->first);
}

/* What some lanes lost, from the samples of their windows. */
static __attribute__((noinline)) void growth_anew(const struct kernel_tile *tile,
                                                  struct window_growth *state, uint64_t lanes)
{
    for (uint64_t rest = lanes; rest; rest &= rest - 1) {
        size_t lane = (size_t)__builtin_ctzll(rest);
        int32_t row = state->cursor.first[lane];
        double before = row_value(tile, row, lane);
        bool fell = false;
        lane_zero(&state->lost, lane);
        for (int32_t n = cursor_count(tile, &state->cursor, lane); n > 1; n--) {
            row = row_next(tile, row);
            double value = row_value(tile, row, lane);
            if (value < before) {
                lane_add(&state->lost, lane, before);
                fell = true;
            }
            before = value;
        }
        state->fallen = fell ? state->fallen | 1ULL << lane : state->fallen & ~(1ULL << lane);
    }
}

/* Milliseconds between the window's ends and its samples, and between the first and last. */
struct gaps {
    real start, end, sampled;
};

/* A gap of 1.1 average intervals or more is stretched by half an interval only. Which side of that
 * a gap is on takes no division unless it is very near. */
LANE_INLINE real gap_limit(mask some, real gap, real sampled, real intervals)
{
    real wide = gap * intervals, bound = sampled * real_of(1.1);
    mask over = some & real_at_least(wide, bound);
    mask near = some & real_at_most(real_abs(wide - bound), bound * real_of(1e-9));
    if (mask_any(near)) {
        real average = sampled / real_of(1e3) / intervals;
        mask exact = real_at_least(gap / real_of(1e3), average * real_of(1.1));
        over = (near & exact) | (over & ~near);
    }
    return mask_any(over) ? real_pick(over, sampled / intervals / real_of(2), gap) : gap;
}

/* No counter was below zero: the stretch to the start ends where the line meets it. */
LANE_INLINE real gap_to_zero(mask some, const struct gaps *gaps, real first, real growth)
{
    mask up = some & real_greater(growth, real_of(0)) & real_at_least(first, real_of(0));
    real zero = first * gaps->sampled;
    mask far = real_at_least(zero, gaps->start * growth) & real_finite(zero);
    if (!mask_any(up & ~far)) {
        return gaps->start;
    }
    real to_zero = gaps->sampled * (first / growth);
    return real_pick(up & real_less(to_zero, gaps->start), to_zero, gaps->start);
}

LANE_INLINE uint64_t growth_step(const struct kernel_tile *tile, struct window_growth *state,
                                 int64_t start_ms, int64_t end_ms, bool per_second, double *ret)
{
    const real start = real_of((double)(start_ms - tile->origin_ms));
    const real end = real_of((double)(end_ms - tile->origin_ms));
    const real range = real_of((double)(end_ms - start_ms) / 1e3);
    uint64_t present = 0;
    for (int lane = 0; lane < TILE_LANES; lane += LANES) {
        const uint64_t group = ((1ULL << LANES) - 1) << lane;
        struct walk w = walk_load(tile, &state->cursor, lane, start_ms, end_ms);
        struct growing g = {real_load(state->first + lane),
                            real_load(state->last + lane),
                            whole_load(state->last_ms + lane),
                            {real_of(0), real_of(0), real_of(0)},
                            whole_of(0)};
        if (state->fallen & group) {
            g.lost = sum_load(&state->lost, lane);
            g.fell = whole_of(-1);
        }
        walk_step(&w, growth_enter, growth_leave, &g);
        if (w.moved) {
            walk_store(&w, &state->cursor);
            real_store(state->first + lane, g.first);
            real_store(state->last + lane, g.last);
            whole_store(state->last_ms + lane, g.last_ms);
        }
        if (mask_any(g.fell)) {
            sum_store(&g.lost, &state->lost, lane);
            state->fallen |= group;
            uint64_t doubtful = w.left ? group_bits(sum_doubtful(&g.lost), lane) : 0;
            if (doubtful || !mask_any(~real_equal(g.lost.hi, real_of(0)))) {
                growth_anew(tile, state, group);
                g.lost = sum_load(&state->lost, lane);
            }
        }
        const real intervals = real_whole(w.count - 1);
        const real growth = g.last - g.first + sum_total(&g.lost);
        struct gaps gaps = {real_whole(w.leaves) - start, end - real_whole(g.last_ms),
                            real_whole(g.last_ms) - real_whole(w.leaves)};
        const mask some = whole_greater(w.count, whole_of(1));
        gaps.start = gap_limit(some, gaps.start, gaps.sampled, intervals);
        gaps.end = gap_limit(some, gaps.end, gaps.sampled, intervals);
        gaps.start = gap_to_zero(some, &gaps, g.first, growth);
        real stretched = gaps.sampled + gaps.start + gaps.end;
        real over = per_second ? gaps.sampled * range : gaps.sampled;
        real_store(ret + lane, growth * (stretched / over));
        present |= group_bits(some, lane);
    }
    return present;
}

uint64_t kernel_window_rate(const struct kernel_tile *tile, void *state, int64_t start_ms,
                            int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return growth_step(tile, state, start_ms, end_ms, true, ret);
}

uint64_t kernel_window_increase(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return growth_step(tile, state, start_ms, end_ms, false, ret);
}
