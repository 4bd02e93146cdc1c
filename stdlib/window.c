/* What is common to the functions over windows: their table, and their states when the tile below
 * them changes. */
#include "stdlib/window.h"

#define HAS_ROWS_window_growth  false
#define HAS_ROWS_window_pair    false
#define HAS_ROWS_window_average false
#define HAS_ROWS_window_spread  false
#define HAS_ROWS_window_count   false
#define HAS_ROWS_window_turns   false
#define HAS_ROWS_window_line    false
#define HAS_ROWS_window_best    true
#define HAS_ROWS_window_order   true

/* The shapes that states have. */
enum shape {
    SHAPE_window_growth,
    SHAPE_window_pair,
    SHAPE_window_average,
    SHAPE_window_spread,
    SHAPE_window_count,
    SHAPE_window_turns,
    SHAPE_window_line,
    SHAPE_window_best,
    SHAPE_window_order
};
static const enum shape shapes[WINDOW_KINDS] = {
#define WINDOW(name, text, state, argument) [WINDOW_##name] = SHAPE_##state,
#include "stdlib/window.def"
#undef WINDOW
};

const struct kernel_window_info kernel_window_infos[WINDOW_KINDS] = {
/* PromQL reads the line of predict_linear at the time of the tick. */
#define WINDOW(name, text, state, argument)                                  \
    [WINDOW_##name] = {#text,    kernel_window_##text, sizeof(struct state), \
                       argument, HAS_ROWS_##state,     (WINDOW_##name) == WINDOW_PREDICT_LINEAR},
#include "stdlib/window.def"
#undef WINDOW
};

/* Of the lane's group. */
static struct window_cursor *cursor_of(enum kernel_window_kind kind, void *state, size_t lane)
{
    const size_t group = lane / TILE_GROUP;
    switch (shapes[kind]) {
#define CURSOR(shape) \
    case SHAPE_##shape: return &((struct shape *)state)->groups[group].cursor
        CURSOR(window_growth);
        CURSOR(window_pair);
        CURSOR(window_average);
        CURSOR(window_spread);
        CURSOR(window_count);
        CURSOR(window_turns);
        CURSOR(window_line);
        CURSOR(window_best);
        CURSOR(window_order);
#undef CURSOR
    }
    CHECK(false);
    return NULL;
}

int32_t **kernel_window_rows(enum kernel_window_kind kind, void *state)
{
    CHECK(kernel_window_infos[kind].rows);
    return shapes[kind] == SHAPE_window_best ? &((struct window_best *)state)->rows
                                             : &((struct window_order *)state)->rows;
}

/* NULL where the state has none. */
static struct window_rest *rest_of(enum kernel_window_kind kind, void *state)
{
    return shapes[kind] == SHAPE_window_growth ? &((struct window_growth *)state)->rest
           : shapes[kind] == SHAPE_window_line ? &((struct window_line *)state)->rest
                                               : NULL;
}

void kernel_window_touch(enum kernel_window_kind kind, void *state)
{
    struct window_rest *rest = rest_of(kind, state);
    for (size_t group = 0; rest && group < TILE_GROUPS; group++) {
        rest->until_ms[group] = INT64_MIN;
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Of one group: when a sample that is there already comes in, and when the next one leaves. */
static int64_t group_until(const struct window_cursor *cursor, const struct kernel_tile *tile,
                           size_t group, int64_t range_ms)
{
    const int32_t *put = tile->put + group * TILE_GROUP;
    int32_t leaves = INT32_MAX, waits = 0;
    for (size_t in = 0; in < TILE_GROUP; in++) {
        leaves = cursor->leaves_ms[in] < leaves ? cursor->leaves_ms[in] : leaves;
        waits |= cursor->past[in] ^ put[in];
    }
    int64_t until = leaves == INT32_MAX ? INT64_MAX : tile->origin_ms + leaves + range_ms;
    for (size_t in = 0; waits != 0 && in < TILE_GROUP; in++) {
        const size_t lane = group * TILE_GROUP + in;
        if (cursor->past[in] != put[in]) {
            const size_t cell = (size_t)cursor->past[in] * tile->stride + lane;
            until = earlier(until, tile->origin_ms + tile->times_ms[cell]);
        }
    }
    return until;
}

int64_t kernel_window_until(enum kernel_window_kind kind, const void *state,
                            const struct kernel_tile *tile, int64_t range_ms)
{
    void *of = (void *)(uintptr_t)state;
    const struct window_rest *rest = rest_of(kind, of);
    int64_t until = INT64_MAX;
    for (size_t group = 0; group < TILE_GROUPS; group++) {
        until = earlier(until, rest ? rest->until_ms[group]
                                    : group_until(cursor_of(kind, of, group * TILE_GROUP), tile,
                                                  group, range_ms));
    }
    return until;
}

/* How many milliseconds the line stays below the bound, less than by which rounding could bring it
 * there; 0 or less: it may be there. */
static double calm_for(double value, double slope, double bound, double scale)
{
    const double room = bound - value, most = 1e15;
    if (!(room > 1e-9 * scale)) {
        return 0;
    }
    const double left = slope > 0 ? 0.999 * room / slope : most;
    return left < most ? left : most;
}

int64_t kernel_window_calm(enum kernel_window_kind kind, const void *state,
                           const struct kernel_tile *tile, int64_t end_ms, double argument,
                           double bound, bool above)
{
    CHECK(kind == WINDOW_PREDICT_LINEAR);
    const struct window_line *line = state;
    const double ahead = (double)(end_ms - tile->origin_ms) + argument * 1e3;
    double calm = 1e15;
    for (uint64_t lanes = line->rest.present; lanes; lanes &= lanes - 1) {
        const size_t lane = (size_t)__builtin_ctzll(lanes), in = lane % TILE_GROUP;
        const struct window_line_fit *fit = &line->fits[lane / TILE_GROUP];
        const double sign = above ? -1 : 1, slope = sign * fit->slope[in];
        const double value = sign * fit->at[in] + slope * (ahead - fit->centre_ms[in]);
        const double scale = __builtin_fabs(fit->at[in]) + __builtin_fabs(bound) +
                             __builtin_fabs(slope * (ahead - fit->centre_ms[in]));
        const double left = calm_for(value, slope, sign * bound, scale);
        calm = left < calm ? left : calm;
    }
    return calm >= 1 ? end_ms + (int64_t)calm : INT64_MIN;
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

static void spread_clear(struct window_spread *s, size_t lane)
{
    struct window_spread_group *g = &s->groups[lane / TILE_GROUP];
    const size_t in = lane % TILE_GROUP;
    s->odd &= ~(1ULL << lane);
    g->yy_hi[in] = g->yy_lo[in] = 0;
    sum_zero(&g->y, in);
}

/* Machine code steps over these by their sizes: another layout is another ABI_VERSION of
 * runtime/abi.h, and then other numbers here. */
_Static_assert(sizeof(struct kernel_tile) == 312 && sizeof(struct window_growth) == 3664 &&
                   sizeof(struct window_pair) == 2304 && sizeof(struct window_average) == 2312 &&
                   sizeof(struct window_spread) == 3848 && sizeof(struct window_count) == 768 &&
                   sizeof(struct window_turns) == 2048 && sizeof(struct window_line) == 7504 &&
                   sizeof(struct window_best) == 1288 && sizeof(struct window_order) == 1032,
               "the layout of ABI version 3");

void kernel_window_clear(enum kernel_window_kind kind, void *state, size_t lane, int32_t row)
{
    struct window_cursor *cursor = cursor_of(kind, state, lane);
    const size_t group = lane / TILE_GROUP, in = lane % TILE_GROUP;
    const uint64_t others = ~(1ULL << lane);
    cursor->first[in] = cursor->past[in] = row;
    cursor->leaves_ms[in] = INT32_MAX;
    kernel_window_touch(kind, state);
    switch (shapes[kind]) {
    case SHAPE_window_growth:
        ((struct window_growth *)state)->fallen &= others;
        sum_zero(&((struct window_growth *)state)->lost[group], in);
        break;
    case SHAPE_window_average:
        ((struct window_average *)state)->odd &= others;
        sum_zero(&((struct window_average *)state)->groups[group].sum, in);
        break;
    case SHAPE_window_spread: spread_clear(state, lane); break;
    case SHAPE_window_turns: ((struct window_turns *)state)->groups[group].turns[in] = 0; break;
    case SHAPE_window_line: line_clear(state, lane); break;
    case SHAPE_window_best: ((struct window_best *)state)->groups[group].size[in] = 0; break;
    case SHAPE_window_order: ((struct window_order *)state)->groups[group].size[in] = 0; break;
    case SHAPE_window_pair:
    case SHAPE_window_count: break; /* they look no further back than their count says */
    }
}

static int32_t row_moved(int32_t row, int32_t put, int32_t rows)
{
    return row >= put ? row - put : row - put + rows;
}

static void best_moved(struct window_best *s, int32_t old_rows, const int32_t old_put[TILE_LANES],
                       int32_t *new_rows)
{
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        struct window_best_group *g = &s->groups[lane / TILE_GROUP];
        const size_t in = lane % TILE_GROUP;
        for (int32_t i = 0; i < g->size[in]; i++) {
            int32_t at = (g->head[in] + i) % old_rows;
            new_rows[(size_t)i * TILE_LANES + lane] =
                row_moved(s->rows[(size_t)at * TILE_LANES + lane], old_put[lane], old_rows);
        }
        g->head[in] = 0;
    }
}

static void order_moved(const struct window_order *s, const struct kernel_tile *tile,
                        int32_t old_rows, const int32_t old_put[TILE_LANES], int32_t *new_rows)
{
    for (size_t lane = 0; lane < TILE_LANES; lane++) {
        const int32_t size = s->groups[lane / TILE_GROUP].size[lane % TILE_GROUP];
        for (int32_t i = 0; i < size; i++) {
            new_rows[lane * (size_t)tile->rows + (size_t)i] =
                row_moved(s->rows[lane * (size_t)old_rows + (size_t)i], old_put[lane], old_rows);
        }
    }
}

static int32_t *rows_moved(enum kernel_window_kind kind, void *state,
                           const struct kernel_tile *tile, int32_t old_rows,
                           const int32_t old_put[TILE_LANES], int32_t *new_rows)
{
    int32_t **rows = kernel_window_rows(kind, state), *before = *rows;
    if (shapes[kind] == SHAPE_window_best) {
        best_moved(state, old_rows, old_put, new_rows);
    } else {
        order_moved(state, tile, old_rows, old_put, new_rows);
    }
    *rows = new_rows;
    return before;
}

int32_t *kernel_window_moved(enum kernel_window_kind kind, void *state,
                             const struct kernel_tile *tile, int32_t old_rows,
                             const int32_t old_put[TILE_LANES], int32_t *new_rows)
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
    return kernel_window_infos[kind].rows
               ? rows_moved(kind, state, tile, old_rows, old_put, new_rows)
               : NULL;
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
        if (shapes[kind] == SHAPE_window_growth) {
            less(&((struct window_growth *)state)->groups[group].last_ms[in], ms);
        } else if (shapes[kind] == SHAPE_window_pair) {
            less(&((struct window_pair *)state)->groups[group].last_ms[in], ms);
            less(&((struct window_pair *)state)->groups[group].before_ms[in], ms);
        } else if (shapes[kind] == SHAPE_window_line) {
            less(&((struct window_line *)state)->groups[group].last_ms[in], ms);
            less(&((struct window_line *)state)->groups[group].zero_ms[in], ms);
            less(&((struct window_line *)state)->fits[group].centre_ms[in], ms);
        }
    }
}
