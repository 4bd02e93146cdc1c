#include "tests/bench/by_hand_window.h"

#include <math.h>
#include <string.h>

/* Else clang unrolls the short loops first, and leaves half of them scalar. */
#define LANES_AT_ONCE \
    _Pragma("clang loop vectorize(assume_safety) vectorize_width(8) unroll(disable)")

static inline uint64_t pack64(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + i, 8);
        word |= (eight * 0x0102040810204080ULL) >> 56 << i;
    }
    return word;
}

static inline void two_sum(double *hi, double *lo, double value)
{
    double total = *hi + value, part = total - *hi;
    *lo += (*hi - (total - part)) + (value - part);
    *hi = total;
}

static inline int32_t next_row(const struct kernel_tile *t, int32_t row)
{
    return row + 1 == t->rows ? 0 : row + 1;
}

/* Where a tile's lanes are, all in step. */
struct step {
    bool in, out;
    int32_t first, past, second, next, count;
    const double *came, *went, *then;
    const int32_t *came_ms, *then_ms;
    double start, end; /* since the origin */
};

static inline struct step step_of(const struct kernel_tile *t, const struct window_cursor *c,
                                  const struct hand_window *w)
{
    struct step s = {.first = c->first[0], .past = c->past[0]};
    s.second = next_row(t, s.first);
    s.next = next_row(t, s.past);
    s.start = (double)(w->start_ms - t->origin_ms);
    s.end = (double)(w->end_ms - t->origin_ms);
    s.came = t->values + (size_t)s.past * t->stride;
    s.came_ms = t->times_ms + (size_t)s.past * t->stride;
    s.went = t->values + (size_t)s.first * t->stride;
    s.then = t->values + (size_t)s.second * t->stride;
    s.then_ms = t->times_ms + (size_t)s.second * t->stride;
    s.in = s.past != t->put[0] && s.came_ms[0] <= s.end;
    s.out = c->leaves_ms[0] <= s.start;
    int32_t rows = s.past - s.first;
    s.count = (rows <= 0 ? rows + t->rows : rows) + s.in - s.out;
    return s;
}

static inline void cursor_step(struct window_cursor *c, const struct step *s, size_t lane)
{
    for (size_t i = 0; i < TILE_GROUP; i++) {
        c->past[i] = s->in ? s->next : s->past;
        c->first[i] = s->out ? s->second : s->first;
        c->leaves_ms[i] = s->out ? s->then_ms[lane + i] : c->leaves_ms[i];
    }
}

void bare_average(const struct hand_window *w)
{
    for (size_t at = 0; at < w->tile_count; at++) {
        const struct kernel_tile *t = &w->tiles[at];
        struct window_average *state = (struct window_average *)w->states + at;
        const struct step s = step_of(t, &state->groups[0].cursor, w);
        uint8_t is[TILE_LANES];
        for (size_t g = 0; g < TILE_GROUPS; g++) {
            struct window_sum *sum = &state->groups[g].sum;
            const double *came = s.came + g * TILE_GROUP, *went = s.went + g * TILE_GROUP;
            LANES_AT_ONCE
            for (size_t i = 0; i < TILE_GROUP; i++) {
                double hi = sum->hi[i], lo = sum->lo[i];
                two_sum(&hi, &lo, s.in ? came[i] : 0);
                two_sum(&hi, &lo, s.out ? -went[i] : 0);
                sum->hi[i] = hi;
                sum->lo[i] = lo;
                is[g * TILE_GROUP + i] = (hi + lo) / s.count > w->bound;
            }
            cursor_step(&state->groups[g].cursor, &s, g * TILE_GROUP);
        }
        w->ret[at] = pack64(is);
    }
}

void bare_rate(const struct hand_window *w)
{
    const double range = (double)(w->end_ms - w->start_ms) / 1e3;
    for (size_t at = 0; at < w->tile_count; at++) {
        const struct kernel_tile *t = &w->tiles[at];
        struct window_growth *state = (struct window_growth *)w->states + at;
        const struct step s = step_of(t, &state->groups[0].cursor, w);
        uint8_t is[TILE_LANES];
        for (size_t g = 0; g < TILE_GROUPS; g++) {
            struct window_growth_group *q = &state->groups[g];
            const double *came = s.came + g * TILE_GROUP, *then = s.then + g * TILE_GROUP;
            const int32_t *came_ms = s.came_ms + g * TILE_GROUP;
            cursor_step(&q->cursor, &s, g * TILE_GROUP);
            LANES_AT_ONCE
            for (size_t i = 0; i < TILE_GROUP; i++) {
                double last = s.in ? came[i] : q->last[i], first = s.out ? then[i] : q->first[i];
                int32_t last_ms = s.in ? came_ms[i] : q->last_ms[i];
                double growth = last - first, first_ms = q->cursor.leaves_ms[i];
                double sampled = last_ms - first_ms, before = first_ms - s.start;
                double behind = s.end - last_ms, bound = sampled * 1.1, n = s.count - 1;
                before = before * n >= bound ? sampled / n / 2 : before;
                behind = behind * n >= bound ? sampled / n / 2 : behind;
                q->last[i] = last;
                q->first[i] = first;
                q->last_ms[i] = last_ms;
                is[g * TILE_GROUP + i] =
                    growth * ((sampled + before + behind) / (sampled * range)) > w->bound;
            }
        }
        w->ret[at] = pack64(is);
    }
}

void bare_line(const struct hand_window *w)
{
    for (size_t at = 0; at < w->tile_count; at++) {
        const struct kernel_tile *t = &w->tiles[at];
        struct window_line *state = (struct window_line *)w->states + at;
        const struct step s = step_of(t, &state->groups[0].cursor, w);
        uint8_t is[TILE_LANES];
        for (size_t g = 0; g < TILE_GROUPS; g++) {
            struct window_line_group *q = &state->groups[g];
            const double *came = s.came + g * TILE_GROUP, *went = s.went + g * TILE_GROUP;
            const int32_t *came_ms = s.came_ms + g * TILE_GROUP;
            LANES_AT_ONCE
            for (size_t i = 0; i < TILE_GROUP; i++) {
                double zero = q->zero_ms[i], x = s.in ? came_ms[i] - zero : 0;
                double y = s.in ? came[i] : 0, gone_x = s.out ? q->cursor.leaves_ms[i] - zero : 0;
                double gone = s.out ? went[i] : 0, n = s.count;
                two_sum(&q->xx_hi[i], &q->xx_lo[i], x * x);
                two_sum(&q->xx_hi[i], &q->xx_lo[i], -(gone_x * gone_x));
                two_sum(&q->xy_hi[i], &q->xy_lo[i], x * y);
                two_sum(&q->xy_hi[i], &q->xy_lo[i], -(gone_x * gone));
                two_sum(&q->y.hi[i], &q->y.lo[i], y);
                two_sum(&q->y.hi[i], &q->y.lo[i], -gone);
                q->x[i] += x - gone_x;
                double mean = q->x[i] / n, sum_y = q->y.hi[i] + q->y.lo[i];
                double slope = (q->xy_hi[i] + q->xy_lo[i] - mean * sum_y) /
                               (q->xx_hi[i] + q->xx_lo[i] - mean * q->x[i]);
                is[g * TILE_GROUP + i] =
                    sum_y / n + slope * (s.end - zero - mean + w->argument * 1e3) > w->bound;
            }
            cursor_step(&q->cursor, &s, g * TILE_GROUP);
        }
        w->ret[at] = pack64(is);
    }
}

/* ---- the same, with a kernel's duties: lanes are looked at one by one, sums are watched ---- */

/* All lanes of a group take a sample from one row, or lose one from one row: or somebody else must
 * look (here: never). */
static inline bool in_step(const struct kernel_tile *t, const struct window_cursor *c,
                           const struct hand_window *w, struct step *s, size_t lane)
{
    const int32_t start = (int32_t)s->start, end = (int32_t)s->end, past = c->past[0];
    const int32_t first = c->first[0], put = t->put[lane];
    int32_t strange = 0, late = 0, stay = 0;
    (void)w;
    for (size_t i = 0; i < TILE_GROUP; i++) {
        strange |= (c->past[i] ^ past) | (c->first[i] ^ first) | (t->put[lane + i] ^ put);
        late |= s->came_ms[lane + i] > end;
        stay |= (c->leaves_ms[i] > start) | (s->then_ms[lane + i] <= start);
        strange |= c->leaves_ms[i] == INT32_MAX;
    }
    s->in = past != put && !late;
    s->out = !stay;
    return !strange;
}

struct watched {
    uint64_t present, odd, doubtful;
};

static inline void watch(struct watched *r, const uint8_t *odd, const uint8_t *doubtful)
{
    r->odd = pack64(odd);
    r->doubtful = pack64(doubtful);
    r->present = UINT64_MAX;
}

void full_average(const struct hand_window *w)
{
    for (size_t at = 0; at < w->tile_count; at++) {
        const struct kernel_tile *t = &w->tiles[at];
        struct window_average *state = (struct window_average *)w->states + at;
        struct step s = step_of(t, &state->groups[0].cursor, w);
        uint8_t is[TILE_LANES], odd[TILE_LANES], doubtful[TILE_LANES];
        struct watched r = {0};
        for (size_t g = 0; g < TILE_GROUPS; g++) {
            struct window_sum *sum = &state->groups[g].sum;
            const double *came = s.came + g * TILE_GROUP, *went = s.went + g * TILE_GROUP;
            if (!in_step(t, &state->groups[g].cursor, w, &s, g * TILE_GROUP)) {
                return;
            }
            LANES_AT_ONCE
            for (size_t i = 0; i < TILE_GROUP; i++) {
                double hi = sum->hi[i], lo = sum->lo[i], peak = sum->peak[i];
                double in = s.in ? came[i] : 0, out = s.out ? went[i] : 0, size = fabs(in);
                uint8_t strange = !(fabs(in) <= 1.7976931348623157e308);
                two_sum(&hi, &lo, strange ? 0 : in);
                two_sum(&hi, &lo, fabs(out) <= 1.7976931348623157e308 ? -out : 0);
                size = fabs(hi) > size ? fabs(hi) : size;
                peak = size > peak ? size : peak;
                sum->hi[i] = hi;
                sum->lo[i] = lo;
                sum->peak[i] = peak;
                odd[g * TILE_GROUP + i] = strange;
                doubtful[g * TILE_GROUP + i] = !(((fabs(hi) >= peak * 0x1p-40) | (lo == 0)) &
                                                 (fabs(hi + lo) <= 1.7976931348623157e308));
                is[g * TILE_GROUP + i] = (hi + lo) / s.count > w->bound;
            }
            cursor_step(&state->groups[g].cursor, &s, g * TILE_GROUP);
        }
        watch(&r, odd, doubtful);
        state->odd |= r.odd;
        w->ret[at] = pack64(is) & r.present & ~(r.odd | r.doubtful);
    }
}

void full_line(const struct hand_window *w)
{
    for (size_t at = 0; at < w->tile_count; at++) {
        const struct kernel_tile *t = &w->tiles[at];
        struct window_line *state = (struct window_line *)w->states + at;
        struct step s = step_of(t, &state->groups[0].cursor, w);
        uint8_t is[TILE_LANES], odd[TILE_LANES], doubtful[TILE_LANES];
        struct watched r = {0};
        for (size_t g = 0; g < TILE_GROUPS; g++) {
            struct window_line_group *q = &state->groups[g];
            const double *came = s.came + g * TILE_GROUP, *went = s.went + g * TILE_GROUP;
            const int32_t *came_ms = s.came_ms + g * TILE_GROUP;
            if (!in_step(t, &q->cursor, w, &s, g * TILE_GROUP)) {
                return;
            }
            LANES_AT_ONCE
            for (size_t i = 0; i < TILE_GROUP; i++) {
                double zero = q->zero_ms[i], n = s.count, peak = q->y.peak[i];
                double in = s.in ? came[i] : 0, out = s.out ? went[i] : 0;
                uint8_t strange = !(fabs(in) <= 1.7976931348623157e308);
                double x = (s.in & !strange) ? came_ms[i] - zero : 0, y = strange ? 0 : in;
                double gone = fabs(out) <= 1.7976931348623157e308 ? out : 0;
                double gone_x = s.out ? q->cursor.leaves_ms[i] - zero : 0;
                q->run[i] = s.in ? (in == q->last[i] ? q->run[i] + 1 : 1) : q->run[i];
                q->last[i] = s.in ? in : q->last[i];
                q->last_ms[i] = s.in ? came_ms[i] : q->last_ms[i];
                two_sum(&q->xx_hi[i], &q->xx_lo[i], x * x);
                two_sum(&q->xx_hi[i], &q->xx_lo[i], -(gone_x * gone_x));
                two_sum(&q->xy_hi[i], &q->xy_lo[i], x * y);
                two_sum(&q->xy_hi[i], &q->xy_lo[i], -(gone_x * gone));
                two_sum(&q->y.hi[i], &q->y.lo[i], y);
                two_sum(&q->y.hi[i], &q->y.lo[i], -gone);
                double size = fabs(y), hi = fabs(q->y.hi[i]);
                size = hi > size ? hi : size;
                peak = size > peak ? size : peak;
                q->y.peak[i] = peak;
                q->x[i] += x - gone_x;
                double mean = q->x[i] / n, sum_y = q->y.hi[i] + q->y.lo[i];
                double slope = (q->xy_hi[i] + q->xy_lo[i] - mean * sum_y) /
                               (q->xx_hi[i] + q->xx_lo[i] - mean * q->x[i]);
                double ahead = sum_y / n + slope * (s.end - zero - mean + w->argument * 1e3);
                odd[g * TILE_GROUP + i] = strange;
                doubtful[g * TILE_GROUP + i] = !(((hi >= peak * 0x1p-40) | (q->y.lo[i] == 0)) &
                                                 (fabs(sum_y) <= 1.7976931348623157e308));
                is[g * TILE_GROUP + i] = (q->run[i] >= n ? q->last[i] : ahead) > w->bound;
            }
            cursor_step(&q->cursor, &s, g * TILE_GROUP);
        }
        watch(&r, odd, doubtful);
        state->odd |= r.odd;
        w->ret[at] = pack64(is) & r.present & ~(r.odd | r.doubtful);
    }
}

void full_rate(const struct hand_window *w)
{
    const double range = (double)(w->end_ms - w->start_ms) / 1e3;
    for (size_t at = 0; at < w->tile_count; at++) {
        const struct kernel_tile *t = &w->tiles[at];
        struct window_growth *state = (struct window_growth *)w->states + at;
        struct step s = step_of(t, &state->groups[0].cursor, w);
        uint8_t is[TILE_LANES], fell[TILE_LANES], low[TILE_LANES];
        struct watched r = {0};
        for (size_t g = 0; g < TILE_GROUPS; g++) {
            struct window_growth_group *q = &state->groups[g];
            const double *came = s.came + g * TILE_GROUP, *then = s.then + g * TILE_GROUP;
            const int32_t *came_ms = s.came_ms + g * TILE_GROUP;
            if (!in_step(t, &q->cursor, w, &s, g * TILE_GROUP)) {
                return;
            }
            cursor_step(&q->cursor, &s, g * TILE_GROUP);
            LANES_AT_ONCE
            for (size_t i = 0; i < TILE_GROUP; i++) {
                double last = s.in ? came[i] : q->last[i], first = s.out ? then[i] : q->first[i];
                int32_t last_ms = s.in ? came_ms[i] : q->last_ms[i];
                double growth = last - first, first_ms = q->cursor.leaves_ms[i];
                double sampled = last_ms - first_ms, before = first_ms - s.start;
                double behind = s.end - last_ms, bound = sampled * 1.1, n = s.count - 1;
                before = before * n >= bound ? sampled / n / 2 : before;
                behind = behind * n >= bound ? sampled / n / 2 : behind;
                fell[g * TILE_GROUP + i] = last < q->last[i];
                low[g * TILE_GROUP + i] =
                    (growth > 0) & (first >= 0) & !(first * sampled >= before * growth);
                q->last[i] = last;
                q->first[i] = first;
                q->last_ms[i] = last_ms;
                is[g * TILE_GROUP + i] =
                    growth * ((sampled + before + behind) / (sampled * range)) > w->bound;
            }
        }
        watch(&r, fell, low);
        w->ret[at] = pack64(is) & r.present & ~(r.odd | r.doubtful);
    }
}
