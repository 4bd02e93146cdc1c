/* What is common to the functions over windows: their table, and their states when the tile below
 * them changes. */
#include "stdlib/window.h"

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

static struct window_cursor *cursor_of(enum kernel_window_kind kind, void *state, size_t lane)
{
    const size_t group = lane / TILE_GROUP;
    switch (kind) {
    case WINDOW_RATE:
    case WINDOW_INCREASE: return &((struct window_growth *)state)->groups[group].cursor;
    case WINDOW_AVG_OVER_TIME: return &((struct window_average *)state)->groups[group].cursor;
    case WINDOW_DERIV:
    case WINDOW_PREDICT_LINEAR: return &((struct window_line *)state)->groups[group].cursor;
    case WINDOW_MAX_OVER_TIME:
    case WINDOW_MIN_OVER_TIME: return &((struct window_best *)state)->groups[group].cursor;
    case WINDOW_KINDS: break;
    }
    CHECK(false);
    return NULL;
}

static void sum_zero(struct window_sum *sum, size_t in)
{
    sum->hi[in] = sum->lo[in] = sum->peak[in] = 0;
}

static void line_clear(struct window_line *s, size_t lane)
{
    struct window_line_group *g = &s->groups[lane / TILE_GROUP];
    const size_t in = lane % TILE_GROUP;
    s->odd &= ~(1ULL << lane);
    g->x[in] = g->xx_hi[in] = g->xx_lo[in] = g->xy_hi[in] = g->xy_lo[in] = 0;
    sum_zero(&g->y, in);
}

/* Machine code steps over these by their sizes: another layout is another ABI_VERSION of
 * runtime/abi.h, and then other numbers here. */
_Static_assert(sizeof(struct kernel_tile) == 312 && sizeof(struct window_growth) == 3592 &&
                   sizeof(struct window_average) == 2312 && sizeof(struct window_line) == 6152 &&
                   sizeof(struct window_best) == 1288,
               "the layout of ABI version 2");

void kernel_window_clear(enum kernel_window_kind kind, void *state, size_t lane, int32_t row)
{
    struct window_cursor *cursor = cursor_of(kind, state, lane);
    const size_t group = lane / TILE_GROUP, in = lane % TILE_GROUP;
    cursor->first[in] = cursor->past[in] = row;
    cursor->leaves_ms[in] = INT32_MAX;
    if (kind == WINDOW_RATE || kind == WINDOW_INCREASE) {
        ((struct window_growth *)state)->fallen &= ~(1ULL << lane);
        sum_zero(&((struct window_growth *)state)->lost[group], in);
    } else if (kind == WINDOW_AVG_OVER_TIME) {
        ((struct window_average *)state)->odd &= ~(1ULL << lane);
        sum_zero(&((struct window_average *)state)->groups[group].sum, in);
    } else if (kind == WINDOW_DERIV || kind == WINDOW_PREDICT_LINEAR) {
        line_clear(state, lane);
    } else {
        ((struct window_best *)state)->groups[group].size[in] = 0;
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
        struct window_best_group *g = &s->groups[lane / TILE_GROUP];
        const size_t in = lane % TILE_GROUP;
        for (int32_t i = 0; i < g->size[in]; i++) {
            int32_t at = (g->head[in] + i) % old_rows;
            best_rows[(size_t)i * TILE_LANES + lane] =
                row_moved(before[(size_t)at * TILE_LANES + lane], old_put[lane], old_rows);
        }
        g->head[in] = 0;
    }
    s->rows = best_rows;
    return before;
}

int32_t *kernel_window_moved(enum kernel_window_kind kind, void *state,
                             const struct kernel_tile *tile, int32_t old_rows,
                             const int32_t old_put[TILE_LANES], int32_t *best_rows)
{
    CHECK(tile->rows > old_rows);
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        struct window_cursor *cursor = cursor_of(kind, state, lane);
        const size_t in = lane % TILE_GROUP;
        const bool caught_up = cursor->past[in] == old_put[lane];
        const bool empty = cursor->leaves_ms[in] == INT32_MAX;
        cursor->past[in] =
            caught_up ? old_rows : row_moved(cursor->past[in], old_put[lane], old_rows);
        cursor->first[in] =
            empty ? cursor->past[in] : row_moved(cursor->first[in], old_put[lane], old_rows);
    }
    return kernel_window_infos[kind].best ? best_moved(state, old_rows, old_put, best_rows) : NULL;
}

static void less(int32_t *time_ms, int32_t ms)
{
    int64_t by = (int64_t)*time_ms - ms;
    if (*time_ms != INT32_MAX) {
        *time_ms = by <= INT32_MIN ? INT32_MIN + 1 : (int32_t)by;
    }
}

void kernel_window_rebased(enum kernel_window_kind kind, void *state, int32_t ms)
{
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        const size_t group = lane / TILE_GROUP, in = lane % TILE_GROUP;
        less(&cursor_of(kind, state, lane)->leaves_ms[in], ms);
        if (kind == WINDOW_RATE || kind == WINDOW_INCREASE) {
            less(&((struct window_growth *)state)->groups[group].last_ms[in], ms);
        } else if (kind == WINDOW_DERIV || kind == WINDOW_PREDICT_LINEAR) {
            less(&((struct window_line *)state)->groups[group].last_ms[in], ms);
            less(&((struct window_line *)state)->groups[group].zero_ms[in], ms);
        }
    }
}
