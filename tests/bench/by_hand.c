#include "tests/bench/by_hand.h"

#include <math.h>
#include <string.h>

#define ALPHA 0.05
#define BOUND 9.0

static inline uint64_t pack(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + i, 8);
        word |= (eight * 0x0102040810204080ULL) >> 56 << i;
    }
    return word;
}

static inline uint64_t zscore64(const double *restrict x, double *restrict mean,
                                double *restrict variance)
{
    uint8_t is[64];
    for (size_t i = 0; i < 64; i++) {
        double d = x[i] - mean[i], v = variance[i];
        is[i] = d * fabs(d) > BOUND * v;
        mean[i] += ALPHA * d;
        variance[i] = (1 - ALPHA) * (v + ALPHA * d * d);
    }
    return pack(is);
}

void bare_zscore(const struct by_hand *c, size_t n)
{
    for (size_t base = 0; base < n; base += 64) {
        c->ret_present[base / 64] = zscore64(c->x + base, c->mean + base, c->variance + base);
    }
}

/* All present, ripe and finite, or one by one. */
void full_zscore(const struct by_hand *c, size_t n)
{
    for (size_t base = 0; base < n; base += 64) {
        const size_t w = base / 64;
        const double *restrict x = c->x + base;
        double *restrict mean = c->mean + base, *restrict variance = c->variance + base;
        double old_mean[64], old_variance[64];
        uint8_t is[64], nan[64];
        memcpy(old_mean, mean, sizeof old_mean);
        memcpy(old_variance, variance, sizeof old_variance);
        const uint64_t here = c->present[w], ripe = c->ripe[w];
        for (size_t i = 0; i < 64; i++) {
            double d = x[i] - mean[i], v = variance[i];
            int fold = (here >> i & 1) & (fabs(x[i]) <= 1.7976931348623157e308);
            is[i] = d * fabs(d) > BOUND * v;
            nan[i] = x[i] != x[i];
            mean[i] = fold ? mean[i] + ALPHA * d : mean[i];
            variance[i] = fold ? (1 - ALPHA) * (v + ALPHA * d * d) : v;
        }
        uint64_t fires = pack(is) & here & ripe;
        c->ret_present[w] = fires;
        c->ret_unknown[w] = (here & (~ripe | pack(nan))) | c->unknown[w];
        for (; fires; fires &= fires - 1) {
            size_t i = (size_t)__builtin_ctzll(fires);
            c->values[base + i] = (x[i] - old_mean[i]) / sqrt(old_variance[i]);
        }
    }
}

void bare_threshold(const struct by_hand *c, size_t n)
{
    for (size_t base = 0; base < n; base += 64) {
        uint8_t is[64];
        for (size_t i = 0; i < 64; i++) {
            is[i] = c->x[base + i] > 0.9;
        }
        c->ret_present[base / 64] = pack(is);
    }
}

void full_threshold(const struct by_hand *c, size_t n)
{
    for (size_t base = 0; base < n; base += 64) {
        const size_t w = base / 64;
        uint8_t is[64], nan[64];
        for (size_t i = 0; i < 64; i++) {
            is[i] = c->x[base + i] > 0.9;
            nan[i] = c->x[base + i] != c->x[base + i];
        }
        c->ret_present[w] = pack(is) & c->present[w];
        c->ret_unknown[w] = (pack(nan) & c->present[w]) | c->unknown[w];
    }
}

static inline void chain(const double *restrict x, const double *restrict y,
                         double *restrict values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        values[i] = ((((x[i] + y[i]) * 0.5 - x[i]) / 3 + y[i]) * y[i] - 2) * x[i];
    }
}

void bare_chain(const struct by_hand *c, size_t n)
{
    chain(c->x, c->y, c->values, n);
}

void full_chain(const struct by_hand *c, size_t n)
{
    for (size_t base = 0; base < n; base += 64) {
        chain(c->x + base, c->y + base, c->values + base, 64);
        c->ret_present[base / 64] = c->present[base / 64];
        c->ret_unknown[base / 64] = c->unknown[base / 64];
    }
}

/* zscore(x * y) > 3 and the chain > 0.1 and ewma(y) < 0.7; the z where it fires. */
void bare_long(const struct by_hand *c, size_t n)
{
    for (size_t base = 0; base < n; base += 64) {
        const double *restrict x = c->x + base, *restrict y = c->y + base;
        double *restrict mean = c->mean + base, *restrict variance = c->variance + base;
        double *restrict other = c->other_mean + base;
        uint8_t is[64];
        for (size_t i = 0; i < 64; i++) {
            double d = x[i] * y[i] - mean[i], v = variance[i];
            double z = ((((x[i] + y[i]) * 0.5 - x[i]) / 3 + y[i]) * y[i] - 2) * x[i];
            mean[i] += ALPHA * d;
            variance[i] = (1 - ALPHA) * (v + ALPHA * d * d);
            other[i] += ALPHA * (y[i] - other[i]);
            is[i] = (d * fabs(d) > BOUND * v) & (z > 0.1) & (other[i] < 0.7);
        }
        c->ret_present[base / 64] = pack(is);
    }
}

void full_long(const struct by_hand *c, size_t n)
{
    for (size_t base = 0; base < n; base += 64) {
        const size_t w = base / 64;
        const double *restrict x = c->x + base, *restrict y = c->y + base;
        double *restrict mean = c->mean + base, *restrict variance = c->variance + base;
        double *restrict other = c->other_mean + base;
        double old_mean[64], old_variance[64];
        uint8_t is[64], nan[64];
        const uint64_t here = c->present[w], ripe = c->ripe[w], begun = c->begun[w];
        memcpy(old_mean, mean, sizeof old_mean);
        memcpy(old_variance, variance, sizeof old_variance);
        for (size_t i = 0; i < 64; i++) {
            double p = x[i] * y[i], d = p - mean[i], v = variance[i];
            double z = ((((x[i] + y[i]) * 0.5 - x[i]) / 3 + y[i]) * y[i] - 2) * x[i];
            int fold = (here >> i & 1) & (fabs(p) <= 1.7976931348623157e308);
            int average = (here >> i & 1) & (fabs(y[i]) <= 1.7976931348623157e308);
            double next = begun >> i & 1 ? other[i] + ALPHA * (y[i] - other[i]) : y[i];
            mean[i] = fold ? mean[i] + ALPHA * d : mean[i];
            variance[i] = fold ? (1 - ALPHA) * (v + ALPHA * d * d) : v;
            other[i] = average ? next : other[i];
            is[i] = (d * fabs(d) > BOUND * v) & (z > 0.1) & (other[i] < 0.7);
            nan[i] = (p != p) | (z != z) | (y[i] != y[i]);
        }
        uint64_t fires = pack(is) & here & ripe;
        c->ret_present[w] = fires;
        c->ret_unknown[w] = (here & (~ripe | pack(nan))) | c->unknown[w];
        for (; fires; fires &= fires - 1) {
            size_t i = (size_t)__builtin_ctzll(fires);
            c->values[base + i] = (x[i] * y[i] - old_mean[i]) / sqrt(old_variance[i]);
        }
    }
}
