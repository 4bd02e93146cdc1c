/* What is common to the functions over windows: their table, and their states when the tile below
 * them changes. */
#include "stdlib/window.h"

#include <stddef.h>
#include <string.h>

#define IS_BEST_window_growth  false
#define IS_BEST_window_average false
#define IS_BEST_window_line    false
#define IS_BEST_window_best    true

const struct kernel_window_info kernel_window_infos[WINDOW_KINDS] = {
#define WINDOW(name, text, state, argument) \
    [WINDOW_##                              \
        name] = {#text, kernel_window_##text, sizeof(struct state), argument, IS_BEST_##state},
#include "stdlib/window.def"
#undef WINDOW
};

/* Every state begins with its cursor. */
#define WINDOW(name, text, state, argument) \
    _Static_assert(offsetof(struct state, cursor) == 0, #state " begins with its cursor");
#include "stdlib/window.def"
#undef WINDOW

void kernel_window_clear(enum kernel_window_kind kind, void *state, size_t lane, int32_t row)
{
    struct window_cursor *cursor = state;
    cursor->first[lane] = cursor->past[lane] = row;
    cursor->leaves_ms[lane] = INT32_MAX;
    const uint64_t bit = 1ULL << lane;
    switch (kind) {
    case WINDOW_RATE:
    case WINDOW_INCREASE: {
        struct window_growth *s = state;
        s->fallen &= ~bit;
        s->lost.hi[lane] = s->lost.lo[lane] = s->lost.peak[lane] = 0;
        break;
    }
    case WINDOW_AVG_OVER_TIME: {
        struct window_average *s = state;
        s->odd &= ~bit;
        s->sum.hi[lane] = s->sum.lo[lane] = s->sum.peak[lane] = 0;
        break;
    }
    case WINDOW_DERIV:
    case WINDOW_PREDICT_LINEAR: {
        struct window_line *s = state;
        s->odd &= ~bit;
        s->x[lane] = s->xx_hi[lane] = s->xx_lo[lane] = s->xy_hi[lane] = s->xy_lo[lane] = 0;
        s->y.hi[lane] = s->y.lo[lane] = s->y.peak[lane] = 0;
        break;
    }
    case WINDOW_MAX_OVER_TIME:
    case WINDOW_MIN_OVER_TIME: {
        struct window_best *s = state;
        s->size[lane] = 0;
        break;
    }
    case WINDOW_KINDS: break;
    }
}

static int32_t row_moved(int32_t row, int32_t put, int32_t rows)
{
    return row >= put ? row - put : row - put + rows;
}

static int32_t *best_moved(struct window_best *s, int32_t old_rows,
                           const int32_t old_put[TILE_LANES], int32_t *best_rows)
{
    int32_t *before = s->rows;
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        for (int32_t i = 0; i < s->size[lane]; i++) {
            int32_t at = (s->head[lane] + i) % old_rows;
            best_rows[(size_t)i * TILE_LANES + lane] =
                row_moved(before[(size_t)at * TILE_LANES + lane], old_put[lane], old_rows);
        }
        s->head[lane] = 0;
    }
    s->rows = best_rows;
    return before;
}

int32_t *kernel_window_moved(enum kernel_window_kind kind, void *state,
                             const struct kernel_tile *tile, int32_t old_rows,
                             const int32_t old_put[TILE_LANES], int32_t *best_rows)
{
    struct window_cursor *cursor = state;
    CHECK(tile->rows > old_rows);
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        bool caught_up = cursor->past[lane] == old_put[lane];
        bool empty = cursor->leaves_ms[lane] == INT32_MAX;
        cursor->past[lane] =
            caught_up ? old_rows : row_moved(cursor->past[lane], old_put[lane], old_rows);
        cursor->first[lane] =
            empty ? cursor->past[lane] : row_moved(cursor->first[lane], old_put[lane], old_rows);
    }
    return kernel_window_infos[kind].best ? best_moved(state, old_rows, old_put, best_rows) : NULL;
}

static void all_less(int32_t times_ms[TILE_LANES], int32_t ms)
{
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        int64_t less = (int64_t)times_ms[lane] - ms;
        if (times_ms[lane] != INT32_MAX) {
            times_ms[lane] = less <= INT32_MIN ? INT32_MIN + 1 : (int32_t)less;
        }
    }
}

void kernel_window_rebased(enum kernel_window_kind kind, void *state, int32_t ms)
{
    all_less(((struct window_cursor *)state)->leaves_ms, ms);
    if (kind == WINDOW_RATE || kind == WINDOW_INCREASE) {
        all_less(((struct window_growth *)state)->last_ms, ms);
    } else if (kind == WINDOW_DERIV || kind == WINDOW_PREDICT_LINEAR) {
        all_less(((struct window_line *)state)->last_ms, ms);
        all_less(((struct window_line *)state)->zero_ms, ms);
    }
}
