/* quantile_over_time: the rows of each lane in the order of their values, in which a sample finds
 * its place by halving. A lane at a time. */
#include "stdlib/window_walk.h"

/* One lane of a window. */
struct ordering {
    const struct kernel_tile *tile;
    int32_t *rows, *size; /* lowest value first */
    size_t lane;
};

static inline double ordered(const struct ordering *o, int32_t place)
{
    return row_value(o->tile, o->rows[place], o->lane);
}

/* NaN is below all numbers, and equal to itself. */
LANE_INLINE bool is_below(double a, double b)
{
    return a < b || (a != a && b == b);
}

/* How many samples are below the value; or_equal: or equal to it. */
static inline int32_t order_place(const struct ordering *o, double value, bool or_equal)
{
    int32_t low = 0, high = *o->size;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const double other = ordered(o, middle);
        const bool before = or_equal ? !is_below(value, other) : is_below(other, value);
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

static inline void order_enter(const struct ordering *o, int32_t row)
{
    const int32_t place = order_place(o, row_value(o->tile, row, o->lane), true);
    for (int32_t i = *o->size; i > place; i--) {
        o->rows[i] = o->rows[i - 1];
    }
    o->rows[place] = row;
    ++*o->size;
}

static inline void order_leave(const struct ordering *o, int32_t row)
{
    int32_t place = order_place(o, row_value(o->tile, row, o->lane), false);
    while (o->rows[place] != row) { /* the oldest of equals stands first */
        place++;
    }
    --*o->size;
    for (int32_t i = place; i < *o->size; i++) {
        o->rows[i] = o->rows[i + 1];
    }
}

/* Linear interpolation between the two nearest ranks (Hyndman and Fan 1996, type 7). */
static inline double order_quantile(const struct ordering *o, double q)
{
    const int32_t last = *o->size - 1;
    if (last < 0 || q != q) {
        return __builtin_nan("");
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -__builtin_inf() : __builtin_inf();
    }
    const double rank = q * last;
    const int32_t below = (int32_t)rank, above = below < last ? below + 1 : last;
    const double part = rank - below;
    return ordered(o, below) * (1 - part) + ordered(o, above) * part;
}

static inline void order_walk(const struct ordering *o, struct window_cursor *c, int32_t start,
                              int32_t end)
{
    const struct kernel_tile *tile = o->tile;
    const int32_t *times = tile->times_ms + o->lane;
    const size_t in = o->lane % TILE_GROUP;
    while (c->past[in] != tile->put[o->lane] && times[(size_t)c->past[in] * tile->stride] <= end) {
        const int32_t row = c->past[in];
        order_enter(o, row);
        c->leaves_ms[in] = *o->size == 1 ? times[(size_t)row * tile->stride] : c->leaves_ms[in];
        c->past[in] = row_next(tile, row);
    }
    while (c->leaves_ms[in] <= start) {
        order_leave(o, c->first[in]);
        c->first[in] = row_next(tile, c->first[in]);
        c->leaves_ms[in] = *o->size > 0 ? times[(size_t)c->first[in] * tile->stride] : INT32_MAX;
    }
}

uint64_t kernel_window_quantile_over_time(const struct kernel_tile *tile, void *state_of,
                                          int64_t start_ms, int64_t end_ms, double argument,
                                          double *ret)
{
    struct window_order *state = state_of;
    const int32_t start = walk_clamp(start_ms - tile->origin_ms);
    const int32_t end = walk_clamp(end_ms - tile->origin_ms);
    uint64_t present = 0;
    for (uint64_t live = ~tile->dead; live; live &= live - 1) {
        const size_t lane = (size_t)__builtin_ctzll(live);
        struct window_order_group *g = &state->groups[lane / TILE_GROUP];
        const struct ordering o = {tile, state->rows + lane * (size_t)tile->rows,
                                   &g->size[lane % TILE_GROUP], lane};
        order_walk(&o, &g->cursor, start, end);
        present |= (uint64_t)(*o.size > 0) << lane;
        ret[lane] = order_quantile(&o, argument);
    }
    return present;
}
