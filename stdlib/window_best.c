/* max_over_time and min_over_time: a monotone deque a lane (Lemire 2006). A lane at a time: how
 * many rows a sample outdoes differs from lane to lane. */
#include "stdlib/window_walk.h"

static inline int32_t *deque_at(const struct kernel_tile *tile, struct window_best *s, size_t lane,
                                int32_t place)
{
    int32_t at = s->head[lane] + place;
    at = at >= tile->rows ? at - tile->rows : at;
    return &s->rows[(size_t)at * TILE_LANES + lane];
}

/* NaN is in no deque; of equals the first stays in front. */
LANE_INLINE void best_enter(const struct kernel_tile *tile, struct window_best *s, size_t lane,
                            int32_t row, bool highest)
{
    const double value = row_value(tile, row, lane);
    if (value != value) {
        return;
    }
    int32_t size = s->size[lane];
    while (size > 0) {
        double last = row_value(tile, *deque_at(tile, s, lane, size - 1), lane);
        if (highest ? last >= value : last <= value) {
            break;
        }
        size--;
    }
    *deque_at(tile, s, lane, size) = row;
    s->size[lane] = size + 1;
}

LANE_INLINE void best_leave(const struct kernel_tile *tile, struct window_best *s, size_t lane)
{
    if (s->size[lane] > 0 && *deque_at(tile, s, lane, 0) == s->cursor.first[lane]) {
        s->head[lane] = row_next(tile, s->head[lane]);
        s->size[lane]--;
    }
}

LANE_INLINE uint64_t best_step(const struct kernel_tile *tile, struct window_best *s,
                               int64_t start_ms, int64_t end_ms, bool highest, double *ret)
{
    const int32_t start = walk_clamp(start_ms - tile->origin_ms);
    const int32_t end = walk_clamp(end_ms - tile->origin_ms);
    struct window_cursor *c = &s->cursor;
    uint64_t present = 0;
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        int32_t count = cursor_count(tile, c, lane);
        while (c->past[lane] != tile->put[lane]) {
            const int32_t row = c->past[lane];
            const int32_t t = tile->times_ms[(size_t)row * TILE_LANES + lane];
            if (t > end) {
                break;
            }
            best_enter(tile, s, lane, row, highest);
            c->leaves_ms[lane] = count == 0 ? t : c->leaves_ms[lane];
            c->past[lane] = row_next(tile, row);
            count++;
        }
        while (c->leaves_ms[lane] <= start) {
            best_leave(tile, s, lane);
            c->first[lane] = row_next(tile, c->first[lane]);
            count--;
            c->leaves_ms[lane] =
                count > 0 ? tile->times_ms[(size_t)c->first[lane] * TILE_LANES + lane] : INT32_MAX;
        }
        present |= (uint64_t)(count > 0) << lane;
        ret[lane] = s->size[lane] > 0 ? row_value(tile, *deque_at(tile, s, lane, 0), lane)
                                      : __builtin_nan("");
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
