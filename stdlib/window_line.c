/* deriv and predict_linear: least squares from sums that samples enter and leave.
 *
 * Times count from zero_ms, which moves along once the window has left it behind by about as much
 * as it is long, so that little cancels. */
#include "stdlib/window_walk.h"

enum { GROUP = 8 }; /* lanes whose rows share cache lines */

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
    f->x = real_pick(none, real_of(0), f->x);
    f->xx = real_pick(none, real_of(0), f->xx);
    f->xx_lo = real_pick(none, real_of(0), f->xx_lo);
    f->xy = real_pick(none, real_of(0), f->xy);
    f->xy_lo = real_pick(none, real_of(0), f->xy_lo);
    sum_clear(&f->y, none);
}

LANE_INLINE struct fitting line_load(const struct window_line *s, int lane)
{
    return (struct fitting){.zero = whole_load(s->zero_ms + lane),
                            .run = whole_load(s->run + lane),
                            .last_ms = whole_load(s->last_ms + lane),
                            .last = real_load(s->last + lane),
                            .x = real_load(s->x + lane),
                            .xx = real_load(s->xx_hi + lane),
                            .xx_lo = real_load(s->xx_lo + lane),
                            .xy = real_load(s->xy_hi + lane),
                            .xy_lo = real_load(s->xy_lo + lane),
                            .y = sum_load(&s->y, lane),
                            .odd = whole_of(0)};
}

LANE_INLINE void line_store(const struct fitting *f, struct window_line *s, int lane)
{
    whole_store(s->zero_ms + lane, f->zero);
    whole_store(s->run + lane, f->run);
    whole_store(s->last_ms + lane, f->last_ms);
    real_store(s->last + lane, f->last);
    real_store(s->x + lane, f->x);
    real_store(s->xx_hi + lane, f->xx);
    real_store(s->xx_lo + lane, f->xx_lo);
    real_store(s->xy_hi + lane, f->xy);
    real_store(s->xy_lo + lane, f->xy_lo);
    sum_store(&f->y, &s->y, lane);
}

/* ---- anew: one sample at a time ---- */

LANE_INLINE void lane_two_sum(double *hi, double *lo, double value)
{
    double total = *hi + value, part = total - *hi;
    *lo += (*hi - (total - part)) + (value - part);
    *hi = total;
}

static inline void line_anew_one(const struct kernel_tile *tile, struct window_line *s, size_t lane,
                                 int32_t row)
{
    double y = row_value(tile, row, lane);
    double x = (double)tile->times_ms[(size_t)row * TILE_LANES + lane] - s->zero_ms[lane];
    if (!is_finite(y)) {
        s->odd |= 1ULL << lane;
        return;
    }
    s->x[lane] += x;
    lane_two_sum(&s->xx_hi[lane], &s->xx_lo[lane], x * x);
    lane_two_sum(&s->xy_hi[lane], &s->xy_lo[lane], x * y);
    lane_add(&s->y, lane, y);
}

/* Sums of some lanes from the samples of their windows, with a new zero. Row by row:
 * neighbours share their lines. */
static __attribute__((noinline)) void line_anew(const struct kernel_tile *tile,
                                                struct window_line *s, uint64_t lanes)
{
    int32_t row[TILE_LANES], count[TILE_LANES];
    for (uint64_t rest = lanes; rest; rest &= rest - 1) {
        size_t lane = (size_t)__builtin_ctzll(rest);
        row[lane] = s->cursor.first[lane];
        count[lane] = cursor_count(tile, &s->cursor, lane);
        s->zero_ms[lane] = s->cursor.leaves_ms[lane];
        s->x[lane] = s->xx_hi[lane] = s->xx_lo[lane] = s->xy_hi[lane] = s->xy_lo[lane] = 0;
        lane_zero(&s->y, lane);
        s->odd &= ~(1ULL << lane);
    }
    for (uint64_t group = 0; group < TILE_LANES; group += GROUP) {
        uint64_t some = lanes & ((1ULL << GROUP) - 1) << group;
        while (some) {
            for (uint64_t rest = some; rest; rest &= rest - 1) {
                size_t lane = (size_t)__builtin_ctzll(rest);
                if (count[lane]-- == 0) {
                    some &= ~(1ULL << lane);
                    continue;
                }
                line_anew_one(tile, s, lane, row[lane]);
                row[lane] = row_next(tile, row[lane]);
            }
        }
    }
}

/* Where the window has left its zero behind, by one to three times its length, differently for each
 * group of lanes: they are not all due at one tick. */
LANE_INLINE mask line_behind(const struct walk *w, const struct fitting *f)
{
    uint32_t spread = (w->tile->phase * (TILE_LANES / GROUP) + (uint32_t)w->lane / GROUP);
    double part = 1 + (double)(spread * 2654435761U >> 24) / 128;
    real first = real_whole(w->leaves);
    real behind = first - real_whole(f->zero), span = real_whole(f->last_ms) - first;
    return whole_greater(w->count, whole_of(0)) & real_greater(behind, span * real_of(part));
}

LANE_INLINE uint64_t line_step(const struct kernel_tile *tile, struct window_line *s,
                               int64_t start_ms, int64_t end_ms, bool predict, double ahead_s,
                               double *ret)
{
    const real end = real_of((double)(end_ms - tile->origin_ms));
    uint64_t present = 0;
    for (int lane = 0; lane < TILE_LANES; lane += LANES) {
        struct walk w = walk_load(tile, &s->cursor, lane, start_ms, end_ms);
        struct fitting f = line_load(s, lane);
        walk_step(&w, line_enter, line_leave, &f);
        if (w.moved) {
            walk_store(&w, &s->cursor);
            line_store(&f, s, lane);
            s->odd |= group_bits(f.odd, lane);
        }
        const mask some = whole_greater(w.count, whole_of(1));
        uint64_t again = s->odd & group_bits(whole_greater(w.count, whole_of(0)), lane);
        if (w.left) {
            again |= group_bits(whole_greater(w.count, whole_of(0)) &
                                    (sum_doubtful(&f.y) | line_behind(&w, &f)),
                                lane);
        }
        if (again) {
            line_anew(tile, s, again);
            f = line_load(s, lane);
        }
        const real n = real_whole(w.count);
        const real mean_x = f.x / n, sum_y = sum_total(&f.y);
        real covariance = (f.xy + f.xy_lo) - mean_x * sum_y;
        real variance = (f.xx + f.xx_lo) - mean_x * f.x;
        const mask constant = whole_at_most(w.count, f.run);
        real slope = real_pick(constant, real_of(0), covariance / variance); /* per ms */
        real result = slope * real_of(1e3);
        if (predict) {
            real ahead = (end - real_whole(f.zero)) - mean_x + real_of(ahead_s * 1e3);
            result = sum_y / n + slope * ahead;
            result = real_pick(constant, f.last, result);
        }
        real_store(ret + lane, result);
        present |= group_bits(some, lane);
    }
    for (uint64_t odd = s->odd & present; odd; odd &= odd - 1) {
        ret[__builtin_ctzll(odd)] = __builtin_nan("");
    }
    return present;
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
