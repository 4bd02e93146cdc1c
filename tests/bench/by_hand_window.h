/* The yardstick of windows in bench_code: the same algebra, layout and summation in C by hand,
 * compiled by clang -O3 -march=native, with the comparison behind it.
 *
 * bare: as somebody would write it who knows that all lanes of a tile are in step, one sample comes
 * and one goes, and no sum is ever doubtful. full: it is looked whether that is so, and who watches
 * sums, falls and odd samples as a kernel does would be told. */
#ifndef HEAL_TESTS_BENCH_BY_HAND_WINDOW_H
#define HEAL_TESTS_BENCH_BY_HAND_WINDOW_H

#include "stdlib/window.h"

struct hand_window {
    const struct kernel_tile *tiles;
    void *states; /* of the window's kind, one a tile */
    size_t tile_count;
    int64_t start_ms, end_ms;
    double argument, bound;
    uint64_t *ret; /* a bit a lane: the value is above the bound */
};
typedef void hand_window_f(const struct hand_window *w);
hand_window_f bare_rate, full_rate, bare_average, full_average, bare_line, full_line;

#endif
