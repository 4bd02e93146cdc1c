/* deriv and predict_linear: least squares from sums that samples enter and leave.
 *
 * Times count from zero_ms, which moves along once the window has left it behind by about as much
 * as it is long, so that little cancels. */
#include "stdlib/window_walk.h"

struct fitting {
    whole zero, run, last_ms;
    real last, x, xx, xx_lo, xy, xy_lo;
    struct sum y;
    mask odd;
};

/* Adds a sample (sign 1) or takes it away (-1). */
LANE_INLINE void line_fold(struct fitting *f, mask m, whole t, real value, double sign)
{
    mask finite = m & real_finite(value);
    f->odd |= m & ~finite;
    real x = real_pick(finite, real_whole(t) - real_whole(f->zero), real_of(0));
    real y = real_pick(finite, value, real_of(0));
    f->x = f->x + x * real_of(sign);
    two_sum(&f->xx, &f->xx_lo, x * x * real_of(sign));
    two_sum(&f->xy, &f->xy_lo, x * y * real_of(sign));
    sum_add(&f->y, finite, y * real_of(sign));
    sum_peak(&f->y, finite, y);
}

static inline void line_enter(void *state, const struct walk *w, mask m, whole t)
{
    struct fitting *f = state;
    real value = walk_values(w, w->past, m);
    mask none = m & whole_equal(w->count, whole_of(0));
    mask again = m & ~none & real_equal(value, f->last);
    f->zero = whole_pick(none, t, f->zero);
    f->run = whole_pick(m, whole_pick(again, f->run + 1, whole_of(1)), f->run);
    f->last = real_pick(m, value, f->last);
    f->last_ms = whole_pick(m, t, f->last_ms);
    line_fold(f, m, t, value, 1);
}

static inline void line_leave(void *state, const struct walk *w, mask m, mask rest, whole second)
{
    struct fitting *f = state;
    const mask none = m & ~rest;
    (void)second;
    line_fold(f, m, w->leaves, walk_values(w, w->first, m), -1);
    if (!mask_any(none)) {
        return;
    }
    f->x = real_pick(none, real_of(0), f->x);
    f->xx = real_pick(none, real_of(0), f->xx);
    f->xx_lo = real_pick(none, real_of(0), f->xx_lo);
    f->xy = real_pick(none, real_of(0), f->xy);
    f->xy_lo = real_pick(none, real_of(0), f->xy_lo);
    sum_clear(&f->y, none);
}

LANE_INLINE struct fitting line_load(const struct window_line *state, int lane)
{
    const struct window_line_group *s = &state->groups[lane / TILE_GROUP];
    const int in = lane % TILE_GROUP;
    return (struct fitting){.zero = whole_load(s->zero_ms + in),
                            .run = whole_load(s->run + in),
                            .last_ms = whole_load(s->last_ms + in),
                            .last = real_load(s->last + in),
                            .x = real_load(s->x + in),
                            .xx = real_load(s->xx_hi + in),
                            .xx_lo = real_load(s->xx_lo + in),
                            .xy = real_load(s->xy_hi + in),
                            .xy_lo = real_load(s->xy_lo + in),
                            .y = sum_load(&s->y, in),
                            .odd = whole_of(0)};
}

LANE_INLINE void line_store(const struct fitting *f, struct window_line *state, int lane)
{
    struct window_line_group *s = &state->groups[lane / TILE_GROUP];
    const int in = lane % TILE_GROUP;
    whole_store(s->zero_ms + in, f->zero);
    whole_store(s->run + in, f->run);
    whole_store(s->last_ms + in, f->last_ms);
    real_store(s->last + in, f->last);
    real_store(s->x + in, f->x);
    real_store(s->xx_hi + in, f->xx);
    real_store(s->xx_lo + in, f->xx_lo);
    real_store(s->xy_hi + in, f->xy);
    real_store(s->xy_lo + in, f->xy_lo);
    sum_store(&f->y, &s->y, in);
}

/* ---- anew: one sample at a time ---- */

/* False: the sample is not finite, and not in the sums. */
static inline bool line_anew_one(struct window_line_group *s, size_t in, int32_t t, double y)
{
    const double x = (double)t - s->zero_ms[in];
    if (!is_finite(y)) {
        return false;
    }
    s->x[in] += x;
    lane_two_sum(&s->xx_hi[in], &s->xx_lo[in], x * x);
    lane_two_sum(&s->xy_hi[in], &s->xy_lo[in], x * y);
    lane_add(&s->y, in, y);
    return true;
}

static void line_zero(struct window_line_group *s, size_t in)
{
    s->zero_ms[in] = s->cursor.leaves_ms[in];
    s->x[in] = s->xx_hi[in] = s->xx_lo[in] = s->xy_hi[in] = s->xy_lo[in] = 0;
    lane_zero(&s->y, in);
}

/* Sums of some lanes of a group from the samples of their windows, with a new zero. Row by row:
 * neighbours share their lines. */
static __attribute__((noinline)) void line_anew(const struct kernel_tile *tile,
                                                struct window_line *state, uint64_t lanes)
{
    const size_t group = (size_t)__builtin_ctzll(lanes) / TILE_GROUP;
    struct window_line_group *s = &state->groups[group];
    int32_t row[TILE_GROUP], count[TILE_GROUP];
    for (uint64_t rest = lanes; rest; rest &= rest - 1) {
        size_t in = (size_t)__builtin_ctzll(rest) % TILE_GROUP;
        row[in] = s->cursor.first[in];
        count[in] = cursor_count(tile, &s->cursor, in);
        line_zero(s, in);
    }
    state->odd &= ~lanes;
    while (lanes) {
        for (uint64_t rest = lanes; rest; rest &= rest - 1) {
            size_t lane = (size_t)__builtin_ctzll(rest), in = lane % TILE_GROUP;
            if (count[in]-- == 0) {
                lanes &= ~(1ULL << lane);
                continue;
            }
            const int32_t t = tile->times_ms[(size_t)row[in] * tile->stride + lane];
            if (!line_anew_one(s, in, t, row_value(tile, row[in], lane))) {
                state->odd |= 1ULL << lane;
            }
            row[in] = row_next(tile, row[in]);
        }
    }
}

/* Where the window has left its zero behind, by one to three times its length, differently for each
 * group of lanes: they are not all due at one tick. */
LANE_INLINE mask line_behind(const struct walk *w, const struct fitting *f)
{
    uint32_t spread = (w->tile->phase * TILE_GROUPS + (uint32_t)w->lane / TILE_GROUP);
    double part = 1 + (double)(spread * 2654435761U >> 24) / 128;
    real first = real_whole(w->leaves);
    real behind = first - real_whole(f->zero), span = real_whole(f->last_ms) - first;
    return whole_greater(w->count, whole_of(0)) & real_greater(behind, span * real_of(part));
}

/* Lanes that are out of step. Returns those that lost a sample, as bits of the tile. */
static __attribute__((noinline)) uint64_t line_apart(const struct kernel_tile *tile,
                                                     struct window_line *s, int lane,
                                                     int64_t start_ms, int64_t end_ms)
{
    struct window_cursor *cursor = &s->groups[lane / TILE_GROUP].cursor;
    struct walk w = walk_load(tile, cursor, lane, start_ms, end_ms);
    struct fitting f = line_load(s, lane);
    walk_step(&w, line_enter, line_leave, &f);
    walk_store(&w, cursor);
    line_store(&f, s, lane);
    s->odd |= group_bits(f.odd, lane);
    return group_bits(w.left, lane);
}

/* The line through the samples of the lanes from `lane` on; NaN where one is not finite. */
LANE_INLINE void line_fit(struct window_line *s, const struct walk *w, const struct fitting *f)
{
    struct window_line_fit *fit = &s->fits[w->lane / TILE_GROUP];
    const int in = w->lane % TILE_GROUP;
    const mask some = whole_greater(w->count, whole_of(1));
    const mask constant = whole_at_most(w->count, f->run);
    const real n = real_whole(w->count), zero = real_whole(f->zero);
    const real mean_x = f->x / n, sum_y = sum_total(&f->y);
    real covariance = (f->xy + f->xy_lo) - mean_x * sum_y;
    real variance = (f->xx + f->xx_lo) - mean_x * f->x;
    real slope = real_pick(constant, real_of(0), covariance / variance);
    const whole centre = whole_real(real_pick(some, zero + mean_x, real_of(0)));
    real at = slope * (real_whole(centre) - zero - mean_x);
    at = sum_y / n + real_pick(real_finite(slope), at, real_of(0));
    at = real_pick(constant, f->last, at);
    slope = real_pick(mask_of(s->odd >> w->lane), real_of(__builtin_nan("")), slope);
    real_store(fit->at + in, at);
    real_store(fit->slope + in, slope);
    whole_store(fit->centre_ms + in, centre);
    s->rest.present |= group_bits(some, w->lane);
}

/* The lanes from `lane` on, where something came or left. */
LANE_INLINE void line_lanes(const struct kernel_tile *tile, struct window_line *s, int lane,
                            int64_t start_ms, int64_t end_ms)
{
    struct window_cursor *cursor = &s->groups[lane / TILE_GROUP].cursor;
    struct walk w = walk_load(tile, cursor, lane, start_ms, end_ms);
    struct fitting f = line_load(s, lane);
    struct quick quick;
    if (walk_quick(&w, &quick)) {
        walk_quickly(&w, &quick, line_enter, line_leave, &f);
        if (w.moved) {
            walk_store(&w, cursor);
            line_store(&f, s, lane);
            s->odd |= group_bits(f.odd, lane);
        }
    } else {
        const uint64_t left = line_apart(tile, s, lane, start_ms, end_ms);
        w = walk_load(tile, cursor, lane, start_ms, end_ms);
        w.left = mask_of(left >> lane);
        f = line_load(s, lane);
    }
    const mask doubtful = w.left & (sum_doubtful(&f.y) | line_behind(&w, &f));
    const mask held = whole_greater(w.count, whole_of(0));
    const uint64_t again = (s->odd & group_bits(held, lane)) | group_bits(doubtful & held, lane);
    if (again) {
        line_anew(tile, s, again);
        f = line_load(s, lane);
    }
    line_fit(s, &w, &f);
    rest_until(&s->rest, &w, end_ms - start_ms, INT32_MAX);
}

LANE_INLINE uint64_t line_step(const struct kernel_tile *tile, struct window_line *s,
                               int64_t start_ms, int64_t end_ms, bool predict, double ahead_s,
                               double *ret)
{
    const real end = real_of((double)(end_ms - tile->origin_ms));
    const real ahead_ms = real_of(ahead_s * 1e3);
    for (int group = 0; group < TILE_GROUPS; group++) {
        const int first = group * TILE_GROUP;
        const bool rests = end_ms < s->rest.until_ms[group];
        if (!rests) {
            rest_begin(&s->rest, group);
        }
        if (walk_is_dead(tile, first)) {
            continue;
        }
        for (int lane = first; lane < first + TILE_GROUP && !rests; lane += LANES) {
            line_lanes(tile, s, lane, start_ms, end_ms);
        }
        const struct window_line_fit *fit = &s->fits[group];
        for (int in = 0; in < TILE_GROUP && (predict || !rests); in += LANES) {
            const real slope = real_load(fit->slope + in);
            const real ms = end - real_whole(whole_load(fit->centre_ms + in)) + ahead_ms;
            real_store(ret + first + in,
                       predict ? real_load(fit->at + in) + slope * ms : slope * real_of(1e3));
        }
    }
    return s->rest.present;
}

uint64_t kernel_window_deriv(const struct kernel_tile *tile, void *state, int64_t start_ms,
                             int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return line_step(tile, state, start_ms, end_ms, false, 0, ret);
}

uint64_t kernel_window_predict_linear(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                      int64_t end_ms, double argument, double *ret)
{
    return line_step(tile, state, start_ms, end_ms, true, argument, ret);
}
