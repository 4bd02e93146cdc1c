/* How a window moves over a tile, LANES lanes at a time, and sums that things leave again. Included
 * by stdlib/window_*.c only.
 *
 * A step takes in the samples up to the window's end, then lets go of those at or before its start;
 * enter and leave say what that means to the function at hand. Mostly all lanes take one sample
 * from one row, and those that lose one lose it in one row: then walk_quick() does it in the loop
 * over the lanes. Else walk_step() does, which each function has in a C function apart. */
#ifndef HEAL_STDLIB_WINDOW_WALK_H
#define HEAL_STDLIB_WINDOW_WALK_H

#include "stdlib/lanes.h"
#include "stdlib/window.h"

struct walk {
    const struct kernel_tile *tile;
    int lane;                  /* the first of LANES */
    mask live;                 /* lanes of a series */
    whole first, past, leaves; /* as in struct window_cursor */
    whole count;
    int32_t start, end; /* of the window, since the tile's origin */
    mask left;          /* lanes that lost a sample */
    bool moved;         /* something came or went */
};

/* ---- rows ---- */

LANE_INLINE whole walk_next(const struct walk *w, whole row)
{
    whole next = row + 1;
    return whole_pick(whole_equal(next, whole_of(w->tile->rows)), whole_of(0), next);
}

/* The row where all lanes of m are; -1 when they are not in one. Mostly the first lane is in it. */
LANE_INLINE int32_t walk_row(whole row, mask m)
{
    int32_t r = whole_lane(row, 0);
    if (!mask_any(m & ~whole_equal(row, whole_of(r)))) {
        return r;
    }
    r = whole_max(whole_pick(m, row, whole_of(-1)));
    return mask_any(m & ~whole_equal(row, whole_of(r))) ? -1 : r;
}

LANE_INLINE size_t walk_at(const struct walk *w, int32_t row)
{
    return (size_t)row * w->tile->stride + (size_t)w->lane;
}

/* Values of the lanes of m; of the others any. */
LANE_INLINE real walk_values(const struct walk *w, whole row, mask m)
{
    int32_t same = walk_row(row, m);
    if (same >= 0) {
        return real_load(w->tile->values + walk_at(w, same));
    }
    real value = real_of(0);
    for (int i = 0; i < LANES; i++) {
        value = real_with(value, i, w->tile->values[walk_at(w, whole_lane(row, i)) + (size_t)i]);
    }
    return value;
}

LANE_INLINE whole walk_times(const struct walk *w, whole row, mask m)
{
    int32_t same = walk_row(row, m);
    if (same >= 0) {
        return whole_load(w->tile->times_ms + walk_at(w, same));
    }
    whole time = whole_of(0);
    for (int i = 0; i < LANES; i++) {
        time = whole_with(time, i, w->tile->times_ms[walk_at(w, whole_lane(row, i)) + (size_t)i]);
    }
    return time;
}

/* The lane's group has no series: nothing comes to it. */
LANE_INLINE bool walk_is_dead(const struct kernel_tile *tile, int lane)
{
    return (tile->dead >> lane / TILE_GROUP * TILE_GROUP & 0xff) == 0xff;
}

/* ---- the walk ---- */

LANE_INLINE int32_t walk_clamp(int64_t ms)
{
    return ms < INT32_MIN ? INT32_MIN : ms >= INT32_MAX ? INT32_MAX - 1 : (int32_t)ms;
}

LANE_INLINE whole walk_count(const struct walk *w)
{
    whole rows = w->past - w->first;
    rows = whole_pick(whole_at_most(rows, whole_of(0)), rows + w->tile->rows, rows);
    return w->live & ~whole_equal(w->leaves, whole_of(INT32_MAX)) & rows;
}

LANE_INLINE struct walk walk_load(const struct kernel_tile *tile,
                                  const struct window_cursor *cursor, int lane, int64_t start_ms,
                                  int64_t end_ms)
{
    const int in = lane % TILE_GROUP;
    struct walk w = {.tile = tile,
                     .lane = lane,
                     .live = ~mask_of(tile->dead >> lane),
                     .left = whole_of(0),
                     .first = whole_load(cursor->first + in),
                     .past = whole_load(cursor->past + in),
                     .leaves = whole_load(cursor->leaves_ms + in),
                     .start = walk_clamp(start_ms - tile->origin_ms),
                     .end = walk_clamp(end_ms - tile->origin_ms)};
    w.count = walk_count(&w);
    return w;
}

LANE_INLINE void walk_store(const struct walk *w, struct window_cursor *cursor)
{
    const int in = w->lane % TILE_GROUP;
    whole_store(cursor->first + in, w->first);
    whole_store(cursor->past + in, w->past);
    whole_store(cursor->leaves_ms + in, w->leaves);
}

/* Samples at w->past of the lanes of m come in at the times t; w->count is without them. */
typedef void walk_enter_f(void *state, const struct walk *w, mask m, whole t);
/* Samples at w->first of the lanes of m go; rest: those of m that have another one, at `second`;
 * w->count is with them. */
typedef void walk_leave_f(void *state, const struct walk *w, mask m, mask rest, whole second);

LANE_INLINE void walk_step(struct walk *w, walk_enter_f *enter, walk_leave_f *leave, void *state)
{
    const whole put = whole_load(w->tile->put + w->lane);
    mask in = w->live & ~whole_equal(w->past, put);
    while (mask_any(in)) {
        whole t = walk_times(w, w->past, in);
        in &= whole_at_most(t, whole_of(w->end));
        if (!mask_any(in)) {
            break;
        }
        enter(state, w, in, t);
        w->moved = true;
        w->leaves = whole_pick(in & whole_equal(w->count, whole_of(0)), t, w->leaves);
        w->count -= in;
        w->past = whole_pick(in, walk_next(w, w->past), w->past);
        in &= ~whole_equal(w->past, put);
    }
    mask out = w->live & whole_at_most(w->leaves, whole_of(w->start));
    while (mask_any(out)) {
        const whole second = walk_next(w, w->first);
        mask rest = out & whole_greater(w->count, whole_of(1));
        leave(state, w, out, rest, second);
        w->moved = true;
        w->left |= out;
        whole t = mask_any(rest) ? walk_times(w, second, rest) : whole_of(INT32_MAX);
        w->leaves = whole_pick(out, whole_pick(rest, t, whole_of(INT32_MAX)), w->leaves);
        w->first = whole_pick(out, second, w->first);
        w->count += out;
        out = w->live & whole_at_most(w->leaves, whole_of(w->start));
    }
}

/* What a quick step does: all live lanes take the sample of row `past`, or none does; those of
 * `out` lose that of row `first`. */
struct quick {
    bool in, some_out;
    int32_t past, next, second;
    mask out;
    whole came, then; /* times of what comes, and of what is first then */
};

LANE_INLINE int32_t row_next(const struct kernel_tile *tile, int32_t row)
{
    return row + 1 == tile->rows ? 0 : row + 1;
}

/* False when lanes are out of step, or one becomes empty: walk_step() knows what to do. */
LANE_INLINE bool walk_quick(const struct walk *w, struct quick *q)
{
    const whole put = whole_load(w->tile->put + w->lane);
    q->past = w->tile->dead >> w->lane & 1 ? whole_max(whole_pick(w->live, w->past, whole_of(-1)))
                                           : whole_lane(w->past, 0);
    int32_t last = w->tile->dead >> w->lane & 1 ? whole_max(whole_pick(w->live, put, whole_of(-1)))
                                                : whole_lane(put, 0);
    whole strange = (w->past ^ whole_of(q->past)) | (put ^ whole_of(last));
    if (q->past < 0 || mask_any(w->live & ~whole_equal(strange, whole_of(0)))) {
        return false;
    }
    q->in = false;
    if (q->past != last) {
        q->next = row_next(w->tile, q->past);
        q->came = whole_load(w->tile->times_ms + walk_at(w, q->past));
        mask late = whole_greater(q->came, whole_of(w->end));
        mask empty = whole_equal(w->leaves, whole_of(INT32_MAX));
        mask gone = empty & whole_at_most(q->came, whole_of(w->start));
        q->in = !mask_any(w->live & (late | gone)) && q->next == last;
        if (!q->in && (q->next != last || mask_any(w->live & ~late))) {
            return false;
        }
    }
    q->out = w->live & whole_at_most(w->leaves, whole_of(w->start));
    q->some_out = mask_any(q->out);
    if (q->some_out) {
        int32_t row = walk_row(w->first, q->out);
        if (row < 0) {
            return false;
        }
        q->second = row_next(w->tile, row);
        q->then = whole_load(w->tile->times_ms + walk_at(w, q->second));
        mask soon = whole_at_most(q->then, whole_of(w->start));
        return q->second != (q->in ? q->next : q->past) && !mask_any(q->out & soon);
    }
    return true;
}

LANE_INLINE void walk_quickly(struct walk *w, const struct quick *q, walk_enter_f *enter,
                              walk_leave_f *leave, void *state)
{
    if (q->in) {
        w->past = whole_of(q->past);
        enter(state, w, whole_of(-1), q->came);
        w->past = whole_of(q->next);
        w->leaves = whole_pick(whole_equal(w->leaves, whole_of(INT32_MAX)), q->came, w->leaves);
        w->moved = true;
    }
    if (q->some_out) {
        leave(state, w, q->out, q->out, whole_of(q->second));
        w->first = whole_pick(q->out, whole_of(q->second), w->first);
        w->leaves = whole_pick(q->out, q->then, w->leaves);
        w->moved = true;
        w->left = q->out;
    }
    w->count = walk_count(w);
}

/* Ends of the window, since the tile's origin, from which on something comes in or leaves; after
 * the walk. */
struct walk_due {
    int32_t enters, leaves; /* that of a start; INT32_MAX: never */
};
LANE_INLINE struct walk_due walk_due(const struct walk *w)
{
    const mask waits = w->live & ~whole_equal(w->past, whole_load(w->tile->put + w->lane));
    struct walk_due due = {INT32_MAX,
                           whole_min(whole_pick(w->live, w->leaves, whole_of(INT32_MAX)))};
    if (mask_any(waits)) {
        due.enters =
            whole_min(whole_pick(waits, walk_times(w, w->past, waits), whole_of(INT32_MAX)));
    }
    return due;
}

LANE_INLINE int64_t rest_min(int64_t until_ms, int64_t origin_ms, int32_t time, int64_t more_ms)
{
    const int64_t at = origin_ms + time + more_ms;
    return time == INT32_MAX || until_ms < at ? until_ms : at;
}

/* A group rests until then; limit: the first end at which the values of some lane are others, as
 * times are. */
LANE_INLINE void rest_until(struct window_rest *rest, const struct walk *w, int64_t range_ms,
                            int32_t limit)
{
    const struct walk_due due = walk_due(w);
    const int64_t origin_ms = w->tile->origin_ms;
    int64_t *until_ms = &rest->until_ms[w->lane / TILE_GROUP];
    *until_ms = rest_min(*until_ms, origin_ms, due.enters, 0);
    *until_ms = rest_min(*until_ms, origin_ms, due.leaves, range_ms);
    *until_ms = rest_min(*until_ms, origin_ms, limit, 0);
}

/* Before a group is stepped, lane by lane. */
LANE_INLINE void rest_begin(struct window_rest *rest, int group)
{
    rest->until_ms[group] = INT64_MAX;
    rest->present &= ~(0xffULL << group * TILE_GROUP);
}

/* ---- sums ---- */

struct sum {
    real hi, lo, peak;
};

/* in: the first lane, within its group. */
LANE_INLINE struct sum sum_load(const struct window_sum *from, int in)
{
    return (struct sum){real_load(from->hi + in), real_load(from->lo + in),
                        real_load(from->peak + in)};
}

LANE_INLINE void sum_store(const struct sum *sum, struct window_sum *to, int in)
{
    real_store(to->hi + in, sum->hi);
    real_store(to->lo + in, sum->lo);
    real_store(to->peak + in, sum->peak);
}

/* Knuth's TwoSum; value is 0 in lanes that stay. */
LANE_INLINE void two_sum(real *hi, real *lo, real value)
{
    real total = *hi + value;
    real part = total - *hi;
    *lo = *lo + ((*hi - (total - part)) + (value - part));
    *hi = total;
}

/* Adds the value in lanes of m; sum_peak() is due afterwards. */
LANE_INLINE void sum_add(struct sum *sum, mask m, real value)
{
    two_sum(&sum->hi, &sum->lo, real_pick(m, value, real_of(0)));
}

LANE_INLINE void sum_peak(struct sum *sum, mask m, real value)
{
    real size = real_abs(sum->hi), other = real_pick(m, real_abs(value), real_of(0));
    size = real_pick(real_greater(other, size), other, size);
    sum->peak = real_pick(real_greater(size, sum->peak), size, sum->peak);
}

LANE_INLINE real sum_total(const struct sum *sum)
{
    return sum->hi + sum->lo;
}

/* Lanes whose sum is what rounding left of something much larger, or no number. With an lo of 0
 * nothing was rounded, or it was so small beside another rounding that lo lost it. */
LANE_INLINE mask sum_doubtful(const struct sum *sum)
{
    const double part = 0x1p-40, tiny = 0x1p-60;
    const real size = real_abs(sum->hi);
    mask sure = real_at_least(size, sum->peak * part) |
                (real_equal(sum->lo, real_of(0)) & real_at_least(size, sum->peak * tiny));
    return ~(sure & real_finite(sum_total(sum)));
}

LANE_INLINE void sum_clear(struct sum *sum, mask m)
{
    sum->hi = real_pick(m, real_of(0), sum->hi);
    sum->lo = real_pick(m, real_of(0), sum->lo);
    sum->peak = real_pick(m, real_of(0), sum->peak);
}

/* ---- one lane, one sample at a time: what is rare ---- */

LANE_INLINE void lane_two_sum(double *hi, double *lo, double value)
{
    double total = *hi + value, part = total - *hi;
    *lo += (*hi - (total - part)) + (value - part);
    *hi = total;
}

/* The sum of lane `in` of its group with one more value. */
LANE_INLINE void lane_add(struct window_sum *sum, size_t in, double value)
{
    lane_two_sum(&sum->hi[in], &sum->lo[in], value);
    double size = __builtin_fabs(sum->hi[in]), other = __builtin_fabs(value);
    size = other > size ? other : size;
    sum->peak[in] = size > sum->peak[in] ? size : sum->peak[in];
}

LANE_INLINE void lane_zero(struct window_sum *sum, size_t in)
{
    sum->hi[in] = sum->lo[in] = sum->peak[in] = 0;
}

LANE_INLINE int32_t cursor_count(const struct kernel_tile *tile, const struct window_cursor *cursor,
                                 size_t in)
{
    if (cursor->leaves_ms[in] == INT32_MAX) {
        return 0;
    }
    int32_t rows = cursor->past[in] - cursor->first[in];
    return rows <= 0 ? rows + tile->rows : rows;
}

LANE_INLINE double row_value(const struct kernel_tile *tile, int32_t row, size_t lane)
{
    return tile->values[(size_t)row * tile->stride + lane];
}

LANE_INLINE bool is_finite(double value)
{
    return __builtin_fabs(value) <= 1.7976931348623157e308;
}

/* Lanes of a group as bits of the tile. */
LANE_INLINE uint64_t group_bits(mask m, int lane)
{
    return mask_bits(m) << lane;
}

#endif
