/* The yardstick of bench_code: the same algebra in C by hand, compiled by clang -O3 -march=native.
 *
 * bare: values in, bits or values out, as somebody would write it who knows that every sample is
 * there. full: the same duty as a kernel, with presence, unknown and ripeness in bits. */
#ifndef HEAL_TESTS_BENCH_BY_HAND_H
#define HEAL_TESTS_BENCH_BY_HAND_H

#include <stddef.h>
#include <stdint.h>

struct by_hand {
    const double *x, *y;
    const uint64_t *present, *unknown; /* of x and y */
    double *mean, *variance, *other_mean, *values;
    uint64_t *ripe, *begun, *ret_present, *ret_unknown;
};
typedef void by_hand_f(const struct by_hand *c, size_t n);
by_hand_f bare_zscore, full_zscore, bare_threshold, full_threshold, bare_chain, full_chain,
    bare_long, full_long;

#endif
