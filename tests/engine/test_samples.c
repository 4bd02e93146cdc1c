/* Windows a step at a time against their definitions over all samples: lanes in step and out of it,
 * born, gone, with gaps, bursts, restarts, odd and huge values; growing and moved tiles. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/samples.h"
#include "tests/oracle/window.h"
#include "tests/unit.h"

enum { LANES_MOST = 150, HISTORY = 4000, RANGES = 2 };

static double noise(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / (1 << 24);
}

struct history {
    uint32_t lane;
    bool live;
    int64_t times_ms[HISTORY];
    double values[HISTORY];
    size_t count;
    double level;
};

struct run {
    unsigned seed;
    struct samples *samples;
    struct history *histories;
    size_t live;
    int64_t now_ms;
    struct samples_window *windows[WINDOW_KINDS][RANGES];
    int64_t range_ms[RANGES];
    int kind; /* of values */
};

static double next_value(struct run *r, struct history *h)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 1e-310, -0.0, 1e15};
    switch (r->kind) {
    case 0: h->level = noise(&r->seed) < 0.03 ? noise(&r->seed) : h->level + noise(&r->seed); break;
    case 1: h->level = noise(&r->seed) - 0.5; break;
    case 2: h->level = noise(&r->seed) < 0.1 ? floor(noise(&r->seed) * 3) : h->level; break;
    case 3: h->level = (noise(&r->seed) - 0.5) * pow(10, floor(noise(&r->seed) * 30) - 15); break;
    case 4: h->level += 1e6 + noise(&r->seed); break;
    default:
        h->level = noise(&r->seed) < 0.02 ? odd[(size_t)(noise(&r->seed) * 8)] : noise(&r->seed);
    }
    return h->level;
}

static void append(struct run *r, struct history *h, int64_t time_ms)
{
    double value = next_value(r, h);
    if (h->count == HISTORY || time_ms <= r->samples->newest_ms[h->lane]) {
        return;
    }
    assert_true(samples_append(r->samples, h->lane, time_ms, value));
    h->times_ms[h->count] = time_ms;
    h->values[h->count++] = value;
}

static void lane_begin(struct run *r, struct history *h)
{
    h->lane = samples_lane_new(r->samples);
    h->live = true;
    h->count = 0;
    h->level = r->kind == 4 ? 1e9 : 0;
}

static void tick_lanes(struct run *r, int64_t step_ms)
{
    for (size_t i = 0; i < r->live; i++) {
        struct history *h = &r->histories[i];
        double what = noise(&r->seed);
        if (what < 0.002 && h->live) {
            samples_lane_free(r->samples, h->lane);
            h->live = false;
        } else if (what < 0.02 && !h->live) {
            lane_begin(r, h);
        }
        if (!h->live || (i % 5 == 1 && noise(&r->seed) < 0.3)) {
            continue; /* every fifth lane misses samples */
        }
        int burst = i % 7 == 3 ? (int)(noise(&r->seed) * 4) : 1;
        for (int b = 1; b <= burst; b++) {
            append(r, h, r->now_ms - step_ms + step_ms * b / burst - (i % 11 == 5 ? 130 : 0));
        }
    }
}

static void compare(const struct run *r, const struct history *h, enum kernel_window_kind kind,
                    size_t range, double argument)
{
    const char *text = kernel_window_infos[kind].text;
    const struct samples_window *window = r->windows[kind][range];
    struct oracle_window w = {.start_ms = r->now_ms - r->range_ms[range], .end_ms = r->now_ms};
    size_t from = h->count, to = h->count;
    while (from > 0 && h->times_ms[from - 1] > w.start_ms) {
        from--;
    }
    while (to > from && h->times_ms[to - 1] > w.end_ms) {
        to--;
    }
    w.times_ms = h->times_ms + from;
    w.values = h->values + from;
    w.count = to - from;
    w.argument = argument;
    long double want, scale;
    bool there = oracle_window(text, &w, &want, &scale);
    if (there != bit_get(window->present, h->lane)) {
        fail_msg("%s of lane %u: present %d, wanted %d (%zu samples)", text, h->lane, !there, there,
                 w.count);
    }
    if (!there) {
        return;
    }
    long double got = window->values[h->lane];
    if (isnan((double)want) || isinf((double)want)) {
        bool same = isnan((double)want) ? !isfinite((double)got) : got == want;
        if (!same && scale < 1e300L) {
            fail_msg("%s: %.17Lg, wanted %.17Lg", text, got, want);
        }
        return;
    }
    /* deriv() and predict_linear() divide by how far the times are spread. */
    long double bound = kind == WINDOW_DERIV || kind == WINDOW_PREDICT_LINEAR ? 1e-10L : 1e-12L;
    if (scale < 1e300L && !(fabsl(got - want) <= bound * scale)) {
        fail_msg("%s of lane %u at %lld: %.17Lg, wanted %.17Lg, scale %Lg, %zu samples, values %d",
                 text, h->lane, (long long)r->now_ms, got, want, scale, w.count, r->kind);
    }
}

static void tick_windows(struct run *r, double argument)
{
    for (int kind = 0; kind < WINDOW_KINDS; kind++) {
        for (size_t range = 0; range < RANGES; range++) {
            if (r->windows[kind][range]) {
                samples_window_step(r->samples, r->windows[kind][range],
                                    r->now_ms - r->range_ms[range], r->now_ms, argument);
            }
        }
    }
    samples_ticked(r->samples, r->now_ms);
}

static void run_new(struct run *r, unsigned seed)
{
    *r = (struct run){.seed = seed,
                      .kind = (int)(seed % 6),
                      .live = seed % 3 == 0 ? 1 + seed
                              : seed % 2    ? 70
                                            : LANES_MOST};
    r->range_ms[0] = 20000 + (int64_t)(noise(&r->seed) * 60000);
    r->range_ms[1] = 3000 + (int64_t)(noise(&r->seed) * 10000);
    r->now_ms = (int64_t)(noise(&r->seed) * 1e12);
    r->samples = samples_new(r->range_ms[0] > r->range_ms[1] ? r->range_ms[0] : r->range_ms[1],
                             seed % 3 ? 1000 : 0, seed % 5 ? r->live : 0);
    r->histories = heap_alloc(LANES_MOST * sizeof *r->histories);
    for (size_t i = 0; i < r->live; i++) {
        lane_begin(r, &r->histories[i]);
    }
}

static void windows_begin(struct run *r, size_t range)
{
    for (int kind = 0; kind < WINDOW_KINDS; kind++) {
        uint64_t hash = (uint64_t)kind * RANGES + range + 1;
        r->windows[kind][range] = samples_window(r->samples, hash, (enum kernel_window_kind)kind);
    }
}

static void run_free(struct run *r)
{
    samples_free(r->samples);
    free(r->histories);
}

static void every_window_is_its_definition_at_every_tick(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 24; seed++) {
        struct run r;
        run_new(&r, seed);
        windows_begin(&r, 0);
        for (int tick = 0; tick < 260; tick++) {
            int64_t step_ms = noise(&r.seed) < 0.02 ? 45000 : 1000 + (int64_t)(seed % 4) * 7;
            if (tick == 150 && seed % 4 == 2) {
                step_ms = 30LL * 24 * 3600 * 1000; /* the tile's origin moves */
            }
            r.now_ms += step_ms;
            if (tick == 90) {
                windows_begin(&r, 1); /* over samples that are already there */
            }
            tick_lanes(&r, step_ms > 45000 ? 1000 : step_ms);
            double argument = tick % 2 ? noise(&r.seed) * 3600 : noise(&r.seed);
            tick_windows(&r, argument);
            for (size_t i = (size_t)tick % 3; i < r.live; i += 3) {
                for (int kind = 0; r.histories[i].live && kind < WINDOW_KINDS; kind++) {
                    compare(&r, &r.histories[i], (enum kernel_window_kind)kind, 0, argument);
                    if (tick >= 90) {
                        compare(&r, &r.histories[i], (enum kernel_window_kind)kind, 1, argument);
                    }
                }
            }
        }
        run_free(&r);
    }
}

static void what_is_copied_is_what_was_put_in(void **state)
{
    (void)state;
    struct run r;
    run_new(&r, 7);
    int64_t *times = heap_alloc(HISTORY * sizeof *times);
    double *values = heap_alloc(HISTORY * sizeof *values), value;
    for (int tick = 0; tick < 400; tick++) {
        r.now_ms += 1000;
        tick_lanes(&r, 1000);
        tick_windows(&r, 0);
        for (size_t i = 0; i < r.live; i += 9) {
            const struct history *h = &r.histories[i];
            if (!h->live || h->count == 0) {
                continue;
            }
            int64_t end = r.now_ms - (int64_t)(noise(&r.seed) * 5000);
            size_t n =
                samples_copy(r.samples, h->lane, r.now_ms - r.range_ms[0], end, times, values);
            size_t to = h->count;
            while (to > 0 && h->times_ms[to - 1] > end) {
                to--;
            }
            for (size_t k = 0; k < n; k++) {
                assert_int_equal(times[k], h->times_ms[to - n + k]);
                assert_memory_equal(&values[k], &h->values[to - n + k], sizeof value);
            }
            assert_true(to == n || h->times_ms[to - n - 1] <= r.now_ms - r.range_ms[0]);
            bool there = to > 0 && h->times_ms[to - 1] > end - 3000;
            assert_int_equal(samples_instant(r.samples, h->lane, end, 3000, &value), there);
            assert_true(!there || memcmp(&value, &h->values[to - 1], sizeof value) == 0);
        }
    }
    free(times);
    free(values);
    run_free(&r);
}

/* The lanes of the first tile wait for their first sample while a later tile gets wider. */
static void a_tile_keeps_its_samples_when_it_gets_wider(void **state)
{
    (void)state;
    struct samples *samples = samples_new(60000, 1000, 0);
    for (size_t lane = 0; lane < (size_t)4 * TILE_LANES; lane++) {
        const uint32_t is = samples_lane_new(samples);
        assert_int_equal(is, lane);
        assert_true(lane < TILE_LANES || samples_append(samples, is, 1000, (double)lane));
        for (size_t before = TILE_LANES; before <= lane; before++) {
            double value = 0;
            assert_true(samples_instant(samples, (uint32_t)before, 1000, 3000, &value));
            assert_true(value == (double)before);
        }
    }
    samples_free(samples);
}

static void lanes_are_used_again_and_windows_go_when_nobody_claims_them(void **state)
{
    (void)state;
    struct samples *samples = samples_new(60000, 1000, 0);
    (void)samples_window(samples, 1, WINDOW_RATE);
    (void)samples_window(samples, 2, WINDOW_MAX_OVER_TIME);
    uint32_t lanes[200];
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < ARRAY_LEN(lanes); i++) {
            lanes[i] = samples_lane_new(samples);
            samples_append(samples, lanes[i], round * 1000 + 1, 1);
        }
        for (size_t i = 0; i < ARRAY_LEN(lanes); i++) {
            samples_lane_free(samples, lanes[i]);
        }
    }
    assert_int_equal(samples->lane_count, ARRAY_LEN(lanes));
    samples_windows_sweep(samples);
    assert_int_equal(samples->window_count, 2);
    (void)samples_window(samples, 2, WINDOW_MAX_OVER_TIME);
    samples_windows_sweep(samples);
    assert_int_equal(samples->window_count, 1);
    assert_int_equal(samples->windows[0]->hash, 2);
    samples_free(samples);
}

/* Three orders of magnitude, none of which a double holds beside the next. */
static void what_was_small_is_there_again_when_what_was_huge_has_left(void **state)
{
    (void)state;
    static const double values[] = {1e80, 1e200, 3, 5, 4, 7};
    static const int64_t steps_ms[] = {10000, 10000, 10000, 20000, 10000, 10000}; /* both leave */
    struct run r = {.samples = samples_new(30000, 10000, 0), .range_ms = {30000}};
    struct history *h = heap_alloc(sizeof *h);
    h->lane = samples_lane_new(r.samples);
    struct samples_window *average = samples_window(r.samples, 1, WINDOW_AVG_OVER_TIME);
    r.windows[WINDOW_AVG_OVER_TIME][0] = average;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        r.now_ms += steps_ms[i];
        assert_true(samples_append(r.samples, h->lane, r.now_ms, values[i]));
        h->times_ms[h->count] = r.now_ms;
        h->values[h->count++] = values[i];
        samples_window_step(r.samples, average, r.now_ms - 30000, r.now_ms, 0);
        samples_ticked(r.samples, r.now_ms);
        compare(&r, h, WINDOW_AVG_OVER_TIME, 0, 0);
    }
    samples_free(r.samples);
    free(h);
}

/* Those that keep sums: the others have nothing that could drift. */
static const enum kernel_window_kind summing[] = {
    WINDOW_RATE,  WINDOW_INCREASE,       WINDOW_AVG_OVER_TIME,    WINDOW_SUM_OVER_TIME,
    WINDOW_DERIV, WINDOW_PREDICT_LINEAR, WINDOW_STDDEV_OVER_TIME,
};

/* The last of `steps` windows of 60 samples, of values that rounding would make drift. */
static void drift(long steps)
{
    struct samples *samples = samples_new(60000, 1000, 0);
    struct samples_window *windows[WINDOW_KINDS];
    uint32_t lane = samples_lane_new(samples);
    struct history *h = heap_alloc(sizeof *h);
    unsigned seed = 5;
    h->lane = lane;
    for (size_t i = 0; i < ARRAY_LEN(summing); i++) {
        windows[summing[i]] = samples_window(samples, i + 1, summing[i]);
    }
    struct run r = {.samples = samples, .range_ms = {60000, 60000}};
    for (long i = 1; i <= steps; i++) {
        const double value = (noise(&seed) - 0.3) * (i / 1000 % 2 ? 1e9 : 0.001);
        r.now_ms = i * 1000;
        assert_true(samples_append(samples, lane, r.now_ms, value));
        h->times_ms[h->count] = r.now_ms;
        h->values[h->count++] = value;
        for (size_t k = 0; k < ARRAY_LEN(summing); k++) {
            struct samples_window *window = windows[summing[k]];
            samples_window_step(samples, window, r.now_ms - 60000, r.now_ms, 60);
            r.windows[summing[k]][0] = window;
        }
        samples_ticked(samples, r.now_ms);
        if (i % (steps / 50) == 0 || h->count == HISTORY) {
            for (size_t k = 0; k < ARRAY_LEN(summing); k++) {
                compare(&r, h, summing[k], 0, 60);
            }
            const size_t kept = h->count < 100 ? h->count : 100;
            memmove(h->times_ms, h->times_ms + h->count - kept, kept * sizeof *h->times_ms);
            memmove(h->values, h->values + h->count - kept, kept * sizeof *h->values);
            h->count = kept;
        }
    }
    samples_free(samples);
    free(h);
}

static void nothing_drifts(void **state)
{
    (void)state;
    drift(60000);
}

static void nothing_drifts_in_ten_million_steps(void **state)
{
    (void)state;
    drift(10000000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest long_tests[] = {
        cmocka_unit_test(nothing_drifts_in_ten_million_steps),
    };
    if (argc > 1 && strcmp(argv[1], "long") == 0) {
        return cmocka_run_group_tests(long_tests, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_drifts),
        cmocka_unit_test(every_window_is_its_definition_at_every_tick),
        cmocka_unit_test(what_was_small_is_there_again_when_what_was_huge_has_left),
        cmocka_unit_test(what_is_copied_is_what_was_put_in),
        cmocka_unit_test(a_tile_keeps_its_samples_when_it_gets_wider),
        cmocka_unit_test(lanes_are_used_again_and_windows_go_when_nobody_claims_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
