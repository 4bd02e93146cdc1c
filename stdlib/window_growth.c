/* rate, increase and delta: growth between the first and the last sample of the window, stretched
 * towards its ends (extrapolatedRate of Prometheus 3). */
#include "stdlib/window_walk.h"

struct growing {
    real first, last;
    whole last_ms;
    struct sum lost;
    mask fell; /* lost may be other than 0 */
    bool counter;
};

static inline void growth_enter(void *state, const struct walk *w, mask m, whole t)
{
    struct growing *g = state;
    real value = walk_values(w, w->past, m);
    mask some = whole_greater(w->count, whole_of(0));
    mask fell = m & some & real_less(value, g->last);
    if (g->counter && mask_any(fell)) {
        sum_add(&g->lost, fell, g->last);
        sum_peak(&g->lost, fell, g->last);
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
        sum_add(&g->lost, rest & g->fell & real_less(value, g->first), -g->first);
        sum_peak(&g->lost, whole_of(0), value);
        sum_clear(&g->lost, m & ~rest);
        g->fell &= ~(m & ~rest);
    }
    g->first = real_pick(rest, value, g->first);
}

/* What some lanes lost, from the samples of their windows. */
static __attribute__((noinline)) void growth_anew(const struct kernel_tile *tile,
                                                  struct window_growth *state, uint64_t lanes)
{
    for (uint64_t rest = lanes; rest; rest &= rest - 1) {
        const size_t lane = (size_t)__builtin_ctzll(rest), in = lane % TILE_GROUP;
        const struct window_cursor *cursor = &state->groups[lane / TILE_GROUP].cursor;
        struct window_sum *lost = &state->lost[lane / TILE_GROUP];
        int32_t row = cursor->first[in];
        double before = row_value(tile, row, lane);
        bool fell = false;
        lane_zero(lost, in);
        for (int32_t n = cursor_count(tile, cursor, in); n > 1; n--) {
            row = row_next(tile, row);
            double value = row_value(tile, row, lane);
            if (value < before) {
                lane_add(lost, in, before);
                fell = true;
            }
            before = value;
        }
        state->fallen = fell ? state->fallen | 1ULL << lane : state->fallen & ~(1ULL << lane);
    }
}

/* How far the samples are stretched, in milliseconds. A gap of 1.1 average intervals or more is
 * stretched by half an interval only: such gaps are 0 here and counted as halves, so that one
 * division does for all. */
struct stretch {
    real start, end, sampled;
    real intervals; /* between the samples */
    mask half_start, half_end;
};

/* Gaps that are too wide. Which side of 1.1 intervals a gap is on takes no division unless it is
 * very near. */
LANE_INLINE mask gap_over(mask some, real gap, real sampled, real intervals)
{
    real wide = gap * intervals, bound = sampled * real_of(1.1);
    mask over = some & real_at_least(wide, bound);
    mask near = some & real_at_most(real_abs(wide - bound), bound * real_of(1e-9));
    if (mask_any(near)) {
        real average = sampled / real_of(1e3) / intervals;
        mask exact = real_at_least(gap / real_of(1e3), average * real_of(1.1));
        over = (near & exact) | (over & ~near);
    }
    return over;
}

/* No counter was below zero: the stretch to the start ends where the line meets it. Returns the
 * lanes where it does. */
LANE_INLINE mask stretch_to_zero(struct stretch *s, mask some, real first, real growth)
{
    mask up = some & real_greater(growth, real_of(0)) & real_at_least(first, real_of(0));
    real twice = real_of(2) * s->intervals, zero = first * s->sampled * twice;
    real start = real_pick(s->half_start, s->sampled, s->start * twice);
    mask far = real_at_least(zero, start * growth) & real_finite(zero);
    if (!mask_any(up & ~far)) {
        return whole_of(0);
    }
    real to_zero = s->sampled * (first / growth);
    start = real_pick(s->half_start, s->sampled / s->intervals / real_of(2), s->start);
    mask nearer = up & ~far & real_less(to_zero, start); /* whatever the neighbours are */
    s->start = real_pick(nearer, to_zero, s->start);
    s->half_start = s->half_start & ~nearer;
    return nearer;
}

/* By what the growth is to be multiplied; range: the window's seconds, or 1. */
LANE_INLINE real stretch_factor(const struct stretch *s, real range)
{
    real stretched = s->sampled + s->start + s->end, over = s->sampled * range;
    const mask halves = s->half_start | s->half_end;
    if (mask_any(halves)) {
        real scale = real_pick(halves, real_of(2) * s->intervals, real_of(1));
        real more = real_pick(s->half_start, s->sampled, real_of(0)) +
                    real_pick(s->half_end, s->sampled, real_of(0));
        stretched = stretched * scale + more;
        over = over * scale;
    }
    return stretched / over;
}

/* Stores what the lanes lost, summed anew where it is doubtful or may be gone. */
LANE_INLINE void growth_settle(const struct kernel_tile *tile, struct window_growth *state,
                               struct growing *g, const struct walk *w)
{
    struct window_sum *lost = &state->lost[w->lane / TILE_GROUP];
    const mask gone = real_equal(g->lost.hi, real_of(0));
    sum_store(&g->lost, lost, w->lane % TILE_GROUP);
    state->fallen &= ~group_bits(whole_of(-1), w->lane);
    state->fallen |= group_bits(g->fell, w->lane);
    uint64_t again = group_bits(w->left & g->fell & (gone | sum_doubtful(&g->lost)), w->lane);
    if (again) {
        growth_anew(tile, state, again);
        g->lost = sum_load(lost, w->lane % TILE_GROUP);
    }
}

LANE_INLINE struct growing growth_load(const struct window_growth *state, int lane, bool counter)
{
    const struct window_growth_group *from = &state->groups[lane / TILE_GROUP];
    const int in = lane % TILE_GROUP;
    struct growing g = {real_load(from->first + in),
                        real_load(from->last + in),
                        whole_load(from->last_ms + in),
                        {real_of(0), real_of(0), real_of(0)},
                        whole_of(0),
                        counter};
    if (state->fallen & group_bits(whole_of(-1), lane)) {
        g.lost = sum_load(&state->lost[lane / TILE_GROUP], in);
        g.fell = mask_of(state->fallen >> lane);
    }
    return g;
}

/* Some lane of the group has lost something, or had before this step. */
LANE_INLINE bool growth_fell(const struct window_growth *state, const struct growing *g, int lane)
{
    return (state->fallen & group_bits(whole_of(-1), lane)) != 0 || mask_any(g->fell);
}

LANE_INLINE void growth_store(const struct growing *g, struct window_growth *state, int lane)
{
    struct window_growth_group *to = &state->groups[lane / TILE_GROUP];
    const int in = lane % TILE_GROUP;
    real_store(to->first + in, g->first);
    real_store(to->last + in, g->last);
    whole_store(to->last_ms + in, g->last_ms);
}

/* Lanes that are out of step. */
static __attribute__((noinline)) void growth_apart(const struct kernel_tile *tile,
                                                   struct window_growth *state, int lane,
                                                   int64_t start_ms, int64_t end_ms, bool counter)
{
    struct window_cursor *cursor = &state->groups[lane / TILE_GROUP].cursor;
    struct walk w = walk_load(tile, cursor, lane, start_ms, end_ms);
    struct growing g = growth_load(state, lane, counter);
    walk_step(&w, growth_enter, growth_leave, &g);
    walk_store(&w, cursor);
    growth_store(&g, state, lane);
    if (growth_fell(state, &g, lane)) {
        growth_settle(tile, state, &g, &w);
    }
}

/* The first end of the window at which the growth is stretched otherwise. A lane whose samples are
 * stretched to both ends of the window is stretched over all of it, wherever that is, for exactly
 * as long as the gap at its end is not too wide: the sum of whole milliseconds is the range. Where
 * nothing grows nothing is stretched. Elsewhere it is another one at every end. */
LANE_INLINE int32_t stretch_limit(const struct stretch *s, mask some, mask to_zero, real growth,
                                  real last_ms)
{
    const double latest = 2147483646, margin = 1 - 1e-6;
    const mask full = ~(s->half_start | s->half_end | to_zero);
    const mask rests = ~some | real_equal(growth, real_of(0));
    if (mask_any(~full & ~rests)) {
        return INT32_MIN;
    }
    real limit = last_ms + s->sampled / s->intervals * real_of(1.1 * margin) - real_of(2);
    limit = real_pick(rests | real_greater(limit, real_of(latest)), real_of(latest), limit);
    return whole_min(whole_real(limit));
}

/* The lanes from `lane` on. */
LANE_INLINE void growth_lanes(const struct kernel_tile *tile, struct window_growth *state, int lane,
                              int64_t start_ms, int64_t end_ms, bool per_second, bool counter,
                              double *ret)
{
    const real start = real_of((double)(start_ms - tile->origin_ms));
    const real end = real_of((double)(end_ms - tile->origin_ms));
    const real range = real_of((double)(end_ms - start_ms) / 1e3);
    struct window_cursor *cursor = &state->groups[lane / TILE_GROUP].cursor;
    struct walk w = walk_load(tile, cursor, lane, start_ms, end_ms);
    struct growing g = growth_load(state, lane, counter);
    struct quick quick;
    if (walk_quick(&w, &quick)) {
        walk_quickly(&w, &quick, growth_enter, growth_leave, &g);
        if (w.moved) {
            walk_store(&w, cursor);
            growth_store(&g, state, lane);
        }
        if (growth_fell(state, &g, lane)) {
            growth_settle(tile, state, &g, &w);
        }
    } else {
        growth_apart(tile, state, lane, start_ms, end_ms, counter);
        w = walk_load(tile, cursor, lane, start_ms, end_ms);
        g = growth_load(state, lane, counter);
    }
    const mask some = whole_greater(w.count, whole_of(1));
    const real first_ms = real_whole(w.leaves), last_ms = real_whole(g.last_ms);
    const real growth = g.last - g.first + sum_total(&g.lost);
    struct stretch s = {.start = first_ms - start,
                        .end = end - last_ms,
                        .sampled = last_ms - first_ms,
                        .intervals = real_whole(w.count - 1)};
    s.half_start = gap_over(some, s.start, s.sampled, s.intervals);
    s.half_end = gap_over(some, s.end, s.sampled, s.intervals);
    s.start = real_pick(s.half_start, real_of(0), s.start);
    s.end = real_pick(s.half_end, real_of(0), s.end);
    const mask to_zero = counter ? stretch_to_zero(&s, some, g.first, growth) : whole_of(0);
    real_store(ret + lane, growth * stretch_factor(&s, per_second ? range : real_of(1)));
    state->rest.present |= group_bits(some, lane);
    rest_until(&state->rest, &w, end_ms - start_ms,
               stretch_limit(&s, some, to_zero, growth, last_ms));
}

LANE_INLINE uint64_t growth_step(const struct kernel_tile *tile, struct window_growth *state,
                                 int64_t start_ms, int64_t end_ms, bool per_second, bool counter,
                                 double *ret)
{
    for (int group = 0; group < TILE_GROUPS; group++) {
        const int first = group * TILE_GROUP;
        if (end_ms < state->rest.until_ms[group]) {
            continue;
        }
        rest_begin(&state->rest, group);
        for (int lane = first; lane < first + TILE_GROUP && !walk_is_dead(tile, lane);
             lane += LANES) {
            growth_lanes(tile, state, lane, start_ms, end_ms, per_second, counter, ret);
        }
    }
    return state->rest.present;
}

uint64_t kernel_window_rate(const struct kernel_tile *tile, void *state, int64_t start_ms,
                            int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return growth_step(tile, state, start_ms, end_ms, true, true, ret);
}

uint64_t kernel_window_increase(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return growth_step(tile, state, start_ms, end_ms, false, true, ret);
}

uint64_t kernel_window_delta(const struct kernel_tile *tile, void *state, int64_t start_ms,
                             int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return growth_step(tile, state, start_ms, end_ms, false, false, ret);
}
