/* max_over_time and min_over_time: a monotone deque a lane (Lemire 2006). A lane at a time: how
 * many rows a sample outdoes differs from lane to lane. */
#include "stdlib/window_walk.h"

/* One lane of a window. */
struct looking {
    const struct kernel_tile *tile;
    struct window_best_group *group;
    int32_t *rows; /* the lane's */
    size_t lane, in;
};

static inline int32_t *deque_at(const struct looking *l, int32_t place)
{
    int32_t at = l->group->head[l->in] + place;
    at = at >= l->tile->rows ? at - l->tile->rows : at;
    return &l->rows[(size_t)at * TILE_LANES];
}

static inline double deque_value(const struct looking *l, int32_t place)
{
    return row_value(l->tile, *deque_at(l, place), l->lane);
}

/* NaN is in no deque; of equals the first stays in front. */
LANE_INLINE void best_enter(const struct looking *l, int32_t row, bool highest)
{
    const double value = row_value(l->tile, row, l->lane);
    int32_t size = l->group->size[l->in];
    if (value != value) {
        return;
    }
    while (size > 0) {
        double last = deque_value(l, size - 1);
        if (highest ? last >= value : last <= value) {
            break;
        }
        size--;
    }
    *deque_at(l, size) = row;
    l->group->size[l->in] = size + 1;
}

LANE_INLINE void best_leave(const struct looking *l, int32_t row)
{
    if (l->group->size[l->in] > 0 && *deque_at(l, 0) == row) {
        l->group->head[l->in] = row_next(l->tile, l->group->head[l->in]);
        l->group->size[l->in]--;
    }
}

/* Returns how many samples the lane's window holds then. */
LANE_INLINE int32_t best_walk(const struct looking *l, int32_t start, int32_t end, bool highest)
{
    const struct kernel_tile *tile = l->tile;
    struct window_cursor *c = &l->group->cursor;
    const int32_t *times = tile->times_ms + l->lane;
    int32_t count = cursor_count(tile, c, l->in), past = c->past[l->in], first = c->first[l->in];
    int32_t leaves = c->leaves_ms[l->in];
    while (past != tile->put[l->lane] && times[(size_t)past * tile->stride] <= end) {
        best_enter(l, past, highest);
        leaves = count == 0 ? times[(size_t)past * tile->stride] : leaves;
        past = row_next(tile, past);
        count++;
    }
    while (leaves <= start) {
        best_leave(l, first);
        first = row_next(tile, first);
        count--;
        leaves = count > 0 ? times[(size_t)first * tile->stride] : INT32_MAX;
    }
    c->first[l->in] = first;
    c->past[l->in] = past;
    c->leaves_ms[l->in] = leaves;
    return count;
}

LANE_INLINE uint64_t best_step(const struct kernel_tile *tile, struct window_best *s,
                               int64_t start_ms, int64_t end_ms, bool highest, double *ret)
{
    const int32_t start = walk_clamp(start_ms - tile->origin_ms);
    const int32_t end = walk_clamp(end_ms - tile->origin_ms);
    uint64_t present = 0;
    for (uint64_t live = ~tile->dead; live; live &= live - 1) {
        const size_t lane = (size_t)__builtin_ctzll(live);
        const struct looking l = {tile, &s->groups[lane / TILE_GROUP], s->rows + lane, lane,
                                  lane % TILE_GROUP};
        present |= (uint64_t)(best_walk(&l, start, end, highest) > 0) << lane;
        ret[lane] = l.group->size[l.in] > 0 ? deque_value(&l, 0) : __builtin_nan("");
    }
    return present;
}

uint64_t kernel_window_max_over_time(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                     int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return best_step(tile, state, start_ms, end_ms, true, ret);
}

uint64_t kernel_window_min_over_time(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                     int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return best_step(tile, state, start_ms, end_ms, false, ret);
}
