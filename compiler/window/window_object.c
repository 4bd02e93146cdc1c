/* All windows as one object of kernels, compiled by clang for each CPU level when healc is built,
 * and shipped in bundles as it is: nothing of a policy enters it, what a window is over comes by
 * columns (runtime/abi.h). Making these functions again for each bundle would take LLVM longer than
 * all the rest of it. */
#define KERNEL_WINDOW_LINKAGE static
#include "compiler/window/window_symbols.h"
#include "runtime/abi.h"
#include "stdlib/window.h"

/* clang-format off */
#include "stdlib/window_average.c"
#include "stdlib/window_best.c"
#include "stdlib/window_growth.c"
#include "stdlib/window_last.c"
#include "stdlib/window_line.c"
#include "stdlib/window_order.c"
#include "stdlib/window_spread.c"
/* clang-format on */

_Static_assert((int)TILE_LANES == (int)ABI_BLOCK, "a tile is a word of bits");

LANE_INLINE uint64_t window_run(kernel_window_step_f *step, size_t state_bytes, bool argument,
                                const struct abi_columns *columns, int64_t lo, int64_t hi,
                                int64_t now_ms)
{
    void *const *column = columns->column;
    const struct kernel_tile *tiles = column[ABI_WINDOW_TILES];
    char *states = column[ABI_WINDOW_STATES];
    double *values = column[ABI_WINDOW_VALUES];
    uint64_t *present = column[ABI_WINDOW_PRESENT], any = 0;
    const struct abi_span *span = column[ABI_WINDOW_SPAN];
    const int64_t end_ms = now_ms - span->offset_ms, start_ms = end_ms - span->range_ms;
    const double number = argument ? *(const double *)column[ABI_WINDOW_ARGUMENT] : 0;
    for (size_t t = (size_t)lo / TILE_LANES; t < (size_t)hi / TILE_LANES; t++) {
        present[t] = step(&tiles[t], states + t * state_bytes, start_ms, end_ms, number,
                          values + t * TILE_LANES);
        any |= present[t];
    }
    return any;
}

#define WINDOW(name, text, state, argument)                                                      \
    abi_kernel_f object_##text __asm__(WINDOW_SYMBOL_##text);                                    \
    uint64_t object_##text(const struct abi_columns *columns, int64_t lo, int64_t hi,            \
                           int64_t now_ms)                                                       \
    {                                                                                            \
        return window_run(kernel_window_##text, sizeof(struct state), argument, columns, lo, hi, \
                          now_ms);                                                               \
    }
#include "stdlib/window.def"
#undef WINDOW
