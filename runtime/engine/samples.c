/* Lanes of samples, their growth, and the windows over them. */
#include "runtime/engine/samples.h"

#include <stdlib.h>

/* Where a tile's newest sample lies after its origin moved: windows of SAMPLES_RANGE_MS_MAX still
 * fit before it, and there are some days ahead. */
enum { NEWEST_MS = 1400000000, LATEST_MS = 2100000000 };
enum { LONG_ROW = 8 }; /* tiles */

struct samples *samples_new(int64_t retention_ms, int64_t interval_ms, size_t expected)
{
    struct samples *samples = heap_alloc(sizeof *samples);
    samples->retention_ms = retention_ms;
    samples->interval_ms = interval_ms;
    samples->expected = expected;
    samples->ticked_ms = MS_NEVER;
    return samples;
}

static void *state_of(const struct samples_window *window, size_t tile)
{
    return window->states + tile * kernel_window_infos[window->kind].state_bytes;
}

static void window_free(struct samples_window *window, size_t tiles)
{
    const struct kernel_window_info *info = &kernel_window_infos[window->kind];
    for (size_t i = 0; info->rows && i < tiles; i++) {
        free(*kernel_window_rows(window->kind, state_of(window, i)));
    }
    free(window->states);
    free(window->values);
    free(window->present);
    free(window->until_ms);
    free(window->calm_ms);
    free(window);
}

void samples_free(struct samples *samples)
{
    if (!samples) {
        return;
    }
    for (size_t i = 0; i < samples->window_count; i++) {
        window_free(samples->windows[i], samples->tile_count);
    }
    for (size_t i = 0; i < samples->slab_count; i++) {
        free(samples->slabs[i].values);
    }
    free(samples->slabs);
    free(samples->tiles);
    free(samples->touched);
    free(samples->newest_ms);
    free(samples->held);
    free(samples->free_lanes);
    free(samples->windows);
    free(samples);
}

size_t samples_bytes(const struct samples *samples)
{
    size_t bytes = sizeof *samples, lanes = samples->tile_count * TILE_LANES;
    for (size_t i = 0; i < samples->slab_count; i++) {
        const struct kernel_tile *tile = &samples->tiles[samples->slabs[i].first];
        bytes += (size_t)tile->rows * tile->stride * (sizeof(double) + sizeof(int32_t));
    }
    bytes += lanes * (sizeof *samples->newest_ms + sizeof *samples->held);
    for (size_t i = 0; i < samples->window_count; i++) {
        const struct kernel_window_info *info = &kernel_window_infos[samples->windows[i]->kind];
        bytes += samples->tile_count * info->state_bytes + lanes * sizeof(double);
        for (size_t t = 0; info->rows && t < samples->tile_count; t++) {
            bytes += (size_t)samples->tiles[t].rows * TILE_LANES * sizeof(int32_t);
        }
    }
    return bytes;
}

/* Time of the lane's i-th oldest sample, and its cell. */
static int64_t sample_time(const struct samples *samples, uint32_t lane, int32_t i,
                           size_t *ret_cell)
{
    const struct kernel_tile *tile = &samples->tiles[lane / TILE_LANES];
    int32_t row = tile->put[lane % TILE_LANES] - samples->held[lane] + i;
    row = row < 0 ? row + tile->rows : row;
    *ret_cell = (size_t)row * tile->stride + lane % TILE_LANES;
    return tile->origin_ms + tile->times_ms[*ret_cell];
}

/* Number of samples at or before time_ms. */
static int32_t samples_until(const struct samples *samples, uint32_t lane, int64_t time_ms)
{
    int32_t low = 0, high = samples->held[lane];
    size_t cell;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (sample_time(samples, lane, middle, &cell) <= time_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- tiles ---- */

/* Room for so many rows of the slab's tiles; untouched pages cost nothing. Long rows are a cache
 * line longer than their lanes: a power of two would put all rows of a lane into few sets of the
 * cache. Kernels read whole tiles: behind a narrow row they find the next one, and behind the last
 * some room. */
static void slab_room(struct samples *samples, struct samples_slab *slab, int32_t rows)
{
    const size_t stride = slab->width + (slab->count < LONG_ROW ? 0 : TILE_GROUP);
    const size_t cells = (size_t)rows * stride + TILE_LANES;
    slab->values = heap_alloc(cells * (sizeof(double) + sizeof(int32_t)));
    for (size_t i = 0; i < slab->count; i++) {
        struct kernel_tile *tile = &samples->tiles[slab->first + i];
        tile->rows = rows;
        tile->stride = stride;
        tile->values = slab->values + i * TILE_LANES;
        tile->times_ms = (int32_t *)(void *)(slab->values + cells) + i * TILE_LANES;
    }
}

/* Whole groups for so many lanes of one tile. */
static size_t groups_for(size_t lanes)
{
    lanes = (lanes + TILE_GROUP - 1) / TILE_GROUP * TILE_GROUP;
    return lanes < TILE_GROUP ? TILE_GROUP : lanes > TILE_LANES ? TILE_LANES : lanes;
}

/* A slab of one tile is as narrow as its lanes, and gets wider with them. */
static void slab_widen(struct samples *samples, struct samples_slab *slab, size_t lanes)
{
    CHECK(slab->count == 1 && slab->width < TILE_LANES);
    const struct kernel_tile old = samples->tiles[slab->first];
    const size_t width = slab->width;
    double *before = slab->values;
    slab->width = groups_for(lanes);
    slab_room(samples, slab, old.rows);
    const struct kernel_tile *tile = &samples->tiles[slab->first];
    bool some = false;
    for (size_t lane = 0; lane < width; lane++) {
        some |= samples->held[slab->first * TILE_LANES + lane] > 0;
    }
    for (size_t row = 0; some && row < (size_t)old.rows; row++) { /* else no page is touched */
        memcpy(tile->values + row * tile->stride, old.values + row * old.stride,
               width * sizeof *old.values);
        memcpy(tile->times_ms + row * tile->stride, old.times_ms + row * old.stride,
               width * sizeof *old.times_ms);
    }
    free(before);
}

static int32_t *fresh_rows(const struct kernel_tile *tile)
{
    return heap_alloc((size_t)tile->rows * TILE_LANES * sizeof(int32_t));
}

/* Rows for a full window at the expected pace, so that in the usual case a tile never grows. */
static int32_t first_rows(const struct samples *samples)
{
    if (samples->interval_ms <= 0) {
        return SAMPLES_ROWS_FIRST;
    }
    int64_t rows = samples->retention_ms / samples->interval_ms;
    rows += rows / 32 + 6;
    return rows > SAMPLES_ROWS_MAX ? SAMPLES_ROWS_MAX : (int32_t)rows;
}

/* What an old tile held, in its new rows: the lanes' newest samples end at one row. */
static void tile_move(struct samples *samples, size_t at, const struct kernel_tile *old)
{
    struct kernel_tile *tile = &samples->tiles[at];
    for (size_t lane = 0; lane < TILE_LANES; lane++) { /* none is held behind a narrow row */
        const int32_t held = samples->held[at * TILE_LANES + lane];
        for (int32_t i = old->rows - held; i < old->rows; i++) {
            size_t from = (size_t)((old->put[lane] + i) % old->rows) * old->stride + lane;
            tile->values[(size_t)i * tile->stride + lane] = old->values[from];
            tile->times_ms[(size_t)i * tile->stride + lane] = old->times_ms[from];
        }
        tile->put[lane] = old->rows;
    }
    for (size_t i = 0; i < samples->window_count; i++) {
        struct samples_window *window = samples->windows[i];
        bool rows = kernel_window_infos[window->kind].rows;
        free(kernel_window_moved(window->kind, state_of(window, at), tile, old->rows, old->put,
                                 rows ? fresh_rows(tile) : NULL));
    }
}

static struct samples_slab *slab_of(const struct samples *samples, size_t tile)
{
    size_t at = 0;
    while (tile >= samples->slabs[at].first + samples->slabs[at].count) {
        at++;
    }
    return &samples->slabs[at];
}

/* Twice the rows, half as many more for large rings. */
static void slab_grow(struct samples *samples, struct samples_slab *slab)
{
    struct kernel_tile old[SAMPLES_SLAB_TILES];
    double *before = slab->values;
    memcpy(old, &samples->tiles[slab->first], slab->count * sizeof *old);
    int64_t rows = (int64_t)old[0].rows + (old[0].rows < 256 ? old[0].rows : old[0].rows / 2);
    slab_room(samples, slab, rows > SAMPLES_ROWS_MAX ? SAMPLES_ROWS_MAX : (int32_t)rows);
    for (size_t i = 0; i < slab->count; i++) {
        tile_move(samples, slab->first + i, &old[i]);
    }
    free(before);
}

/* Moves the origin so that the newest sample is at NEWEST_MS. */
static void tile_rebase(struct samples *samples, size_t at, int64_t newest_ms)
{
    struct kernel_tile *tile = &samples->tiles[at];
    int64_t by = newest_ms - NEWEST_MS - tile->origin_ms;
    while (by > 0) {
        int32_t ms = by > INT32_MAX ? INT32_MAX : (int32_t)by;
        const size_t width = tile->stride < TILE_LANES ? tile->stride : TILE_LANES;
        for (size_t i = 0; i < (size_t)tile->rows * width; i++) {
            int32_t *time = &tile->times_ms[i / width * tile->stride + i % width];
            int64_t less = (int64_t)*time - ms;
            *time = less <= INT32_MIN ? INT32_MIN + 1 : (int32_t)less;
        }
        for (size_t i = 0; i < samples->window_count; i++) {
            kernel_window_rebased(samples->windows[i]->kind, state_of(samples->windows[i], at), ms);
        }
        tile->origin_ms += ms;
        by -= ms;
    }
}

static void window_room(struct samples_window *window, size_t capacity)
{
    window->states =
        heap_resize(window->states, capacity * kernel_window_infos[window->kind].state_bytes);
    window->values = heap_resize(window->values, capacity * TILE_LANES * sizeof(double));
    window->present = heap_resize(window->present, capacity * sizeof(uint64_t));
    window->until_ms = heap_resize(window->until_ms, capacity * sizeof(int64_t));
    window->calm_ms = heap_resize(window->calm_ms, capacity * sizeof(int64_t));
}

/* A tile's fresh state: every lane has yet to be read, from the oldest sample on that is still
 * wanted (those before may be overwritten at any time). */
static void window_start(const struct samples *samples, struct samples_window *window, size_t at)
{
    const struct kernel_window_info *info = &kernel_window_infos[window->kind];
    const struct kernel_tile *tile = &samples->tiles[at];
    const int64_t done_ms =
        samples->ticked_ms == MS_NEVER ? MS_NEVER : samples->ticked_ms - samples->retention_ms;
    memset(state_of(window, at), 0, info->state_bytes);
    if (info->rows) {
        *kernel_window_rows(window->kind, state_of(window, at)) = fresh_rows(tile);
    }
    for (uint32_t i = 0; i < TILE_LANES; i++) {
        const uint32_t lane = (uint32_t)at * TILE_LANES + i;
        int32_t row = tile->put[i] - samples->held[lane] + samples_until(samples, lane, done_ms);
        kernel_window_clear(window->kind, state_of(window, at), i,
                            row < 0 ? row + tile->rows : row);
    }
    memset(window->values + at * TILE_LANES, 0, TILE_LANES * sizeof(double));
    window->present[at] = 0;
    window->until_ms[at] = window->calm_ms[at] = INT64_MIN;
}

static void tiles_reserve(struct samples *samples, size_t wanted)
{
    if (wanted <= samples->tile_capacity) {
        return;
    }
    samples->tile_capacity = wanted;
    const size_t lanes = wanted * TILE_LANES;
    samples->tiles = heap_resize(samples->tiles, wanted * sizeof *samples->tiles);
    samples->touched = heap_resize(samples->touched, wanted * sizeof *samples->touched);
    samples->newest_ms = heap_resize(samples->newest_ms, lanes * sizeof *samples->newest_ms);
    samples->held = heap_resize(samples->held, lanes * sizeof *samples->held);
    for (size_t i = 0; i < samples->window_count; i++) {
        window_room(samples->windows[i], wanted);
    }
}

static void tile_start(struct samples *samples, size_t at)
{
    samples->touched[at] = samples->stamp;
    samples->tiles[at].phase = (uint32_t)at;
    samples->tiles[at].origin_ms = MS_NEVER;
    samples->tiles[at].dead = UINT64_MAX;
    memset(samples->tiles[at].put, 0, sizeof samples->tiles[at].put);
    for (size_t lane = at * TILE_LANES; lane < (at + 1) * TILE_LANES; lane++) {
        samples->newest_ms[lane] = MS_NEVER;
        samples->held[lane] = 0;
    }
    for (size_t i = 0; i < samples->window_count; i++) {
        window_start(samples, samples->windows[i], at);
    }
}

/* As many tiles as there are already, up to SAMPLES_SLAB_TILES. */
static void slab_new(struct samples *samples)
{
    size_t count = samples->tile_count ? samples->tile_count : 1;
    count = count > SAMPLES_SLAB_TILES ? SAMPLES_SLAB_TILES : count;
    tiles_reserve(samples, samples->tile_count + count);
    ARRAY_RESERVE(samples->slabs, samples->slab_count, samples->slab_capacity);
    struct samples_slab *slab = &samples->slabs[samples->slab_count++];
    const size_t lanes = samples->tile_count * TILE_LANES;
    const size_t left = samples->expected > lanes ? samples->expected - lanes : 0;
    *slab = (struct samples_slab){
        .first = samples->tile_count,
        .count = count,
        .width = count == 1 ? groups_for(left) : count * TILE_LANES,
    };
    slab_room(samples, slab, first_rows(samples));
    for (size_t i = 0; i < count; i++) {
        tile_start(samples, samples->tile_count++);
    }
}

/* ---- lanes ---- */

static void lane_clear(struct samples *samples, uint32_t lane, int32_t row)
{
    samples->touched[lane / TILE_LANES] = samples->stamp;
    samples->tiles[lane / TILE_LANES].put[lane % TILE_LANES] = row;
    samples->newest_ms[lane] = MS_NEVER;
    samples->held[lane] = 0;
    for (size_t i = 0; i < samples->window_count; i++) {
        struct samples_window *window = samples->windows[i];
        kernel_window_clear(window->kind, state_of(window, lane / TILE_LANES), lane % TILE_LANES,
                            row);
        bit_clear(window->present, lane);
    }
}

/* The row where the tile's liveliest lane is: a new one there is read together with it. */
static int32_t front_row(const struct samples *samples, size_t at)
{
    size_t best = 0;
    for (size_t lane = 1; lane < TILE_LANES; lane++) {
        const int64_t *newest = samples->newest_ms + at * TILE_LANES;
        best = newest[lane] > newest[best] ? lane : best;
    }
    return samples->tiles[at].put[best];
}

uint32_t samples_lane_new(struct samples *samples)
{
    uint32_t lane;
    if (samples->free_count > 0) {
        lane = samples->free_lanes[--samples->free_count];
    } else {
        lane = (uint32_t)samples->lane_count++;
        if (lane / TILE_LANES == samples->tile_count) {
            slab_new(samples);
        }
        struct samples_slab *last = &samples->slabs[samples->slab_count - 1];
        if (lane - last->first * TILE_LANES >= last->width) {
            slab_widen(samples, last, lane - last->first * TILE_LANES + 1);
        }
    }
    lane_clear(samples, lane, front_row(samples, lane / TILE_LANES));
    samples->tiles[lane / TILE_LANES].dead &= ~(1ULL << lane % TILE_LANES);
    return lane;
}

void samples_lane_free(struct samples *samples, uint32_t lane)
{
    lane_clear(samples, lane, front_row(samples, lane / TILE_LANES));
    samples->tiles[lane / TILE_LANES].dead |= 1ULL << lane % TILE_LANES;
    ARRAY_RESERVE(samples->free_lanes, samples->free_count, samples->free_capacity);
    samples->free_lanes[samples->free_count++] = lane;
}

static bool make_room(struct samples *samples, uint32_t lane)
{
    struct kernel_tile *tile = &samples->tiles[lane / TILE_LANES];
    const size_t at = lane % TILE_LANES;
    const int32_t oldest = tile->put[at] + 1 == tile->rows ? 0 : tile->put[at] + 1;
    const int64_t time_ms = tile->origin_ms + tile->times_ms[(size_t)oldest * tile->stride + at];
    if (samples->ticked_ms != MS_NEVER && time_ms <= samples->ticked_ms - samples->retention_ms) {
        samples->held[lane]--;
        return true;
    }
    if (tile->rows == SAMPLES_ROWS_MAX) {
        samples->dropped++;
        return false;
    }
    slab_grow(samples, slab_of(samples, lane / TILE_LANES));
    return true;
}

bool samples_append(struct samples *samples, uint32_t lane, int64_t time_ms, double value)
{
    struct kernel_tile *tile = &samples->tiles[lane / TILE_LANES];
    const size_t at = lane % TILE_LANES;
    CHECK(time_ms > samples->newest_ms[lane]);
    if (time_ms - tile->origin_ms > LATEST_MS) {
        if (tile->origin_ms == MS_NEVER) {
            tile->origin_ms = time_ms - NEWEST_MS;
        }
        tile_rebase(samples, lane / TILE_LANES, time_ms);
    }
    if (samples->held[lane] == tile->rows - 1 && !make_room(samples, lane)) {
        return false;
    }
    const int64_t since_ms = time_ms - tile->origin_ms;
    const size_t cell = (size_t)tile->put[at] * tile->stride + at;
    tile->values[cell] = value;
    tile->times_ms[cell] = since_ms <= INT32_MIN ? INT32_MIN + 1 : (int32_t)since_ms;
    tile->put[at] = tile->put[at] + 1 == tile->rows ? 0 : tile->put[at] + 1;
    samples->held[lane]++;
    samples->newest_ms[lane] = time_ms;
    samples->touched[lane / TILE_LANES] = samples->stamp;
    return true;
}

void samples_ticked(struct samples *samples, int64_t now_ms)
{
    samples->ticked_ms = now_ms;
}

/* ---- reading ---- */

size_t samples_copy(const struct samples *samples, uint32_t lane, int64_t start_ms, int64_t end_ms,
                    int64_t *times, double *values)
{
    const struct kernel_tile *tile = &samples->tiles[lane / TILE_LANES];
    size_t count = 0;
    for (int32_t i = samples_until(samples, lane, start_ms); i < samples->held[lane]; i++) {
        size_t cell;
        times[count] = sample_time(samples, lane, i, &cell);
        if (times[count] > end_ms) {
            break;
        }
        values[count++] = tile->values[cell];
    }
    return count;
}

bool samples_instant(const struct samples *samples, uint32_t lane, int64_t time_ms,
                     int64_t lookback_ms, double *ret_value)
{
    int32_t until = samples_until(samples, lane, time_ms);
    size_t cell;
    if (until == 0 || sample_time(samples, lane, until - 1, &cell) <= time_ms - lookback_ms) {
        return false;
    }
    *ret_value = samples->tiles[lane / TILE_LANES].values[cell];
    return true;
}

/* ---- windows ---- */

struct samples_window *samples_window(struct samples *samples, uint64_t hash,
                                      enum kernel_window_kind kind)
{
    for (size_t i = 0; i < samples->window_count; i++) {
        if (samples->windows[i]->hash == hash) {
            CHECK(samples->windows[i]->kind == kind);
            samples->windows[i]->claimed = true;
            return samples->windows[i];
        }
    }
    struct samples_window *window = heap_alloc(sizeof *window);
    *window = (struct samples_window){.hash = hash, .kind = kind, .claimed = true};
    ARRAY_RESERVE(samples->windows, samples->window_count, samples->window_capacity);
    samples->windows[samples->window_count++] = window;
    window_room(window, samples->tile_capacity);
    for (size_t at = 0; at < samples->tile_count; at++) {
        window_start(samples, window, at);
    }
    return window;
}

void samples_windows_sweep(struct samples *samples)
{
    size_t kept = 0;
    for (size_t i = 0; i < samples->window_count; i++) {
        if (samples->windows[i]->claimed) {
            samples->windows[i]->claimed = false;
            samples->windows[kept++] = samples->windows[i];
        } else {
            window_free(samples->windows[i], samples->tile_count);
        }
    }
    samples->window_count = kept;
}

struct samples_step samples_step_begin(struct samples *samples, struct samples_window *window,
                                       int64_t start_ms, int64_t end_ms, double argument)
{
    const struct kernel_window_info *info = &kernel_window_infos[window->kind];
    const bool other = info->argument && memcmp(&argument, &window->argument, sizeof argument) != 0;
    window->argument = argument;
    return (struct samples_step){.samples = samples,
                                 .window = window,
                                 .start_ms = start_ms,
                                 .end_ms = end_ms,
                                 .all = other || (info->runs && !window->watch.set)};
}

void samples_watch(struct samples *samples, struct samples_window *window,
                   struct samples_watch watch)
{
    const struct samples_watch *old = &window->watch;
    const bool same = old->set == watch.set && old->above == watch.above &&
                      memcmp(&old->bound, &watch.bound, sizeof watch.bound) == 0;
    window->watch = watch;
    for (size_t at = 0; !same && at < samples->tile_count; at++) {
        window->calm_ms[at] = INT64_MIN;
    }
}

/* Whether the samples in the tile, or when they come and go, are others than at the last step. */
static bool tile_moves(const struct samples_step *step, size_t at)
{
    return step->samples->touched[at] >= step->window->seen ||
           step->end_ms >= step->window->until_ms[at];
}

static bool tile_due(const struct samples_step *step, size_t at)
{
    return step->all || tile_moves(step, at) ||
           (step->window->watch.set && step->end_ms >= step->window->calm_ms[at]);
}

static void tiles_stepped(const struct samples_step *step)
{
    const struct samples_window *window = step->window;
    for (size_t at = step->from; at < step->past; at++) {
        if (window->watch.set) {
            window->calm_ms[at] = kernel_window_calm(
                window->kind, state_of(window, at), &step->samples->tiles[at], step->end_ms,
                window->argument, window->watch.bound, window->watch.above);
        }
        if (tile_moves(step, at)) {
            window->until_ms[at] =
                kernel_window_until(window->kind, state_of(window, at), &step->samples->tiles[at],
                                    step->end_ms - step->start_ms);
        }
    }
}

bool samples_step_next(struct samples_step *step)
{
    const struct samples *samples = step->samples;
    const size_t count = (samples->lane_count + TILE_LANES - 1) / TILE_LANES;
    tiles_stepped(step);
    step->from = step->past;
    while (step->from < count && !tile_due(step, step->from)) {
        step->from++;
    }
    for (step->past = step->from; step->past < count && tile_due(step, step->past); step->past++) {
        if (samples->touched[step->past] >= step->window->seen) {
            kernel_window_touch(step->window->kind, state_of(step->window, step->past));
        }
    }
    if (step->from == count) {
        step->window->seen = ++step->samples->stamp;
    }
    return step->from < count;
}

void samples_step_run(const struct samples_step *step)
{
    struct samples_window *window = step->window;
    kernel_window_step_f *run = kernel_window_infos[window->kind].step;
    for (size_t at = step->from; at < step->past; at++) {
        window->present[at] = run(&step->samples->tiles[at], state_of(window, at), step->start_ms,
                                  step->end_ms, window->argument, window->values + at * TILE_LANES);
    }
}

void samples_window_step(struct samples *samples, struct samples_window *window, int64_t start_ms,
                         int64_t end_ms, double argument)
{
    struct samples_step step = samples_step_begin(samples, window, start_ms, end_ms, argument);
    while (samples_step_next(&step)) {
        samples_step_run(&step);
    }
}
