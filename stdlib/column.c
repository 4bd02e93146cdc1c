/* Kernels over columns: presence, comparison, arithmetic; sums. */
#include <math.h>
#include <string.h>

#include "stdlib/kernel.h"

/* Eight bytes of 0 or 1 to eight bits. */
static inline uint64_t pack8(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return (word * 0x0102040810204080ULL) >> 56;
}

static inline uint64_t pack64(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) {
        word |= pack8(bytes + (size_t)i * 8) << (i * 8);
    }
    return word;
}

static inline uint64_t low_bits(size_t n)
{
    return n >= 64 ? UINT64_MAX : (1ULL << n) - 1;
}

KERNEL_CLONES bool kernel_present(const int64_t *newest_ms, size_t n, int64_t after_ms,
                                  int64_t now_ms, uint64_t *ret_present)
{
    int64_t future = 0;
    for (size_t base = 0; base < n; base += 64) {
        size_t part = n - base < 64 ? n - base : 64;
        uint8_t in[64] = {0};
        for (size_t i = 0; i < part; i++) {
            int64_t t = newest_ms[base + i];
            in[i] = (uint8_t)((t > after_ms) & (t <= now_ms));
            future |= t > now_ms;
        }
        ret_present[base / 64] = pack64(in);
    }
    return future != 0;
}

void kernel_sum_add(struct kernel_sum *sum, double value)
{
    double total = sum->sum + value;
    if (isinf(total)) {
        sum->error = 0;
    } else if (fabs(sum->sum) >= fabs(value)) {
        sum->error += (sum->sum - total) + value;
    } else {
        sum->error += (value - total) + sum->sum;
    }
    sum->sum = total;
}

/* One loop an operator: the operator is chosen once, outside. a - a is NaN for NaN and infinity. */
#define COMPARE_LOOP(op)                                        \
    for (size_t i = 0; i < part; i++) {                         \
        double a = x[i * x_step], b = y[i * y_step];            \
        is_true[i] = (uint8_t)(a op b);                         \
        is_nan[i] = (uint8_t)(((a - a) != 0) | ((b - b) != 0)); \
    }                                                           \
    break

static inline __attribute__((always_inline)) void compare_part(enum kernel_compare op,
                                                               const double *x, size_t x_step,
                                                               const double *y, size_t y_step,
                                                               size_t part, uint8_t *is_true,
                                                               uint8_t *is_nan)
{
    switch (op) {
    case COMPARE_EQ: COMPARE_LOOP(==);
    case COMPARE_NE: COMPARE_LOOP(!=);
    case COMPARE_LE: COMPARE_LOOP(<=);
    case COMPARE_LT: COMPARE_LOOP(<);
    case COMPARE_GE: COMPARE_LOOP(>=);
    case COMPARE_GT: COMPARE_LOOP(>);
    }
}

KERNEL_CLONES void kernel_compare(enum kernel_compare op, const double *x, size_t x_step,
                                  const double *y, size_t y_step, size_t n, uint64_t *ret_true,
                                  uint64_t *ret_nan)
{
    for (size_t base = 0; base < n; base += 64) {
        size_t part = n - base < 64 ? n - base : 64;
        uint8_t is_true[64] = {0}, is_nan[64] = {0};
        const double *a = x + base * x_step, *b = y + base * y_step;
        if (x_step == 1 && y_step == 1) {
            compare_part(op, a, 1, b, 1, part, is_true, is_nan);
        } else if (x_step == 1) {
            compare_part(op, a, 1, b, 0, part, is_true, is_nan);
        } else {
            compare_part(op, a, 0, b, y_step, part, is_true, is_nan);
        }
        ret_true[base / 64] = pack64(is_true);
        ret_nan[base / 64] = pack64(is_nan);
    }
}

#define ARITHMETIC_LOOP(expression)                  \
    for (size_t i = 0; i < n; i++) {                 \
        double a = x[i * x_step], b = y[i * y_step]; \
        ret[i] = expression;                         \
    }                                                \
    break

void kernel_arithmetic(enum kernel_arithmetic op, const double *x, size_t x_step, const double *y,
                       size_t y_step, size_t n, double *ret)
{
    switch (op) {
    case KERNEL_ADD: ARITHMETIC_LOOP(a + b);
    case KERNEL_SUBTRACT: ARITHMETIC_LOOP(a - b);
    case KERNEL_MULTIPLY: ARITHMETIC_LOOP(a * b);
    case KERNEL_DIVIDE: ARITHMETIC_LOOP(a / b);
    case KERNEL_MODULO: ARITHMETIC_LOOP(fmod(a, b));
    case KERNEL_ATAN2: ARITHMETIC_LOOP(atan2(a, b));
    case KERNEL_POWER: ARITHMETIC_LOOP(pow(a, b));
    }
}

/* ---- exponential averages ---- */

static inline bool usable(double x)
{
    return fabs(x) <= 1.7976931348623157e308; /* false for NaN too */
}

void kernel_ewma(const double *x, const uint64_t *present, size_t n, double alpha, double *mean,
                 uint64_t *begun)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bit = 1ULL << (i % 64);
        if (!(present[i / 64] & bit) || !usable(x[i])) {
            continue;
        }
        mean[i] = begun[i / 64] & bit ? mean[i] + alpha * (x[i] - mean[i]) : x[i];
        begun[i / 64] |= bit;
    }
}

/* Folds x into the state of slot i. */
static inline void fold(const struct kernel_moments *state, size_t i, double x, double alpha)
{
    if (!usable(x)) {
        return;
    }
    double d = x - state->mean[i];
    if (state->history[i] == 0) {
        state->mean[i] = x;
        state->variance[i] = 0;
    } else {
        state->mean[i] = state->mean[i] + alpha * d;
        state->variance[i] = (1 - alpha) * (state->variance[i] + alpha * d * d);
    }
    if (state->history[i] < KERNEL_HISTORY_MIN && ++state->history[i] == KERNEL_HISTORY_MIN) {
        state->ripe[i / 64] |= 1ULL << (i % 64);
    }
}

static double score(const struct kernel_moments *state, size_t i, double x)
{
    double d = x - state->mean[i];
    return d == 0 && state->variance[i] == 0 ? 0 : d / sqrt(state->variance[i]);
}

void kernel_zscore(const double *x, const uint64_t *present, size_t n, double alpha,
                   const struct kernel_moments *state, double *ret, uint64_t *ret_present)
{
    for (size_t i = 0; i < n; i += 64) {
        ret_present[i / 64] = present[i / 64] & state->ripe[i / 64];
    }
    for (size_t i = 0; i < n; i++) {
        if (present[i / 64] >> (i % 64) & 1) {
            ret[i] = score(state, i, x[i]);
            fold(state, i, x[i], alpha);
        }
    }
}

static inline bool compare_one(enum kernel_compare op, double a, double b)
{
    switch (op) {
    case COMPARE_EQ: return a == b;
    case COMPARE_NE: return a != b;
    case COMPARE_LE: return a <= b;
    case COMPARE_LT: return a < b;
    case COMPARE_GE: return a >= b;
    case COMPARE_GT: return a > b;
    }
    return false;
}

/* 64 slots, all present and ripe: no branch a slot. */
#define ZSCORE_LOOP(op)                                           \
    for (size_t i = 0; i < 64; i++) {                             \
        double d = x[i] - mean[i], v = variance[i];               \
        int ok = fabs(x[i]) <= 1.7976931348623157e308;            \
        is_true[i] = (uint8_t)(d * fabs(d) op bound * v);         \
        is_nan[i] = (uint8_t)(x[i] != x[i]);                      \
        mean[i] = ok ? mean[i] + alpha * d : mean[i];             \
        variance[i] = ok ? (1 - alpha) * (v + alpha * d * d) : v; \
    }                                                             \
    break

static inline __attribute__((always_inline)) void zscore_part(
    enum kernel_compare op, double bound, const double *restrict x, double *restrict mean,
    double *restrict variance, double alpha, uint8_t *restrict is_true, uint8_t *restrict is_nan)
{
    switch (op) {
    case COMPARE_EQ: ZSCORE_LOOP(==);
    case COMPARE_NE: ZSCORE_LOOP(!=);
    case COMPARE_LE: ZSCORE_LOOP(<=);
    case COMPARE_LT: ZSCORE_LOOP(<);
    case COMPARE_GE: ZSCORE_LOOP(>=);
    case COMPARE_GT: ZSCORE_LOOP(>);
    }
}

static void zscore_slowly(enum kernel_compare op, double bound, const double *x, uint64_t present,
                          size_t base, double alpha, const struct kernel_moments *state,
                          uint64_t *ret_true, uint64_t *ret_unknown)
{
    *ret_true = 0;
    *ret_unknown = 0;
    for (uint64_t rest = present; rest; rest &= rest - 1) {
        uint64_t bit = rest & (0 - rest);
        size_t i = base + (size_t)__builtin_ctzll(rest);
        double d = x[i] - state->mean[i];
        bool ripe = state->history[i] >= KERNEL_HISTORY_MIN;
        *ret_true |= ripe && compare_one(op, d * fabs(d), bound * state->variance[i]) ? bit : 0;
        *ret_unknown |= !ripe || isnan(x[i]) ? bit : 0;
        fold(state, i, x[i], alpha);
    }
}

/* The z of the few that are true, from the state before the fold. */
static void score_true(const double *x, uint64_t is_true, size_t base, const double *mean,
                       const double *variance, double *values)
{
    for (uint64_t rest = is_true; rest; rest &= rest - 1) {
        size_t i = (size_t)__builtin_ctzll(rest);
        double d = x[base + i] - mean[i];
        values[base + i] = d == 0 && variance[i] == 0 ? 0 : d / sqrt(variance[i]);
    }
}

KERNEL_CLONES void kernel_zscore_compare(enum kernel_compare op, double k, const double *x,
                                         const uint64_t *present, size_t n, double alpha,
                                         const struct kernel_moments *state, double *values,
                                         uint64_t *ret_true, uint64_t *ret_unknown)
{
    const double bound = k * fabs(k);
    for (size_t base = 0; base < n; base += 64) {
        size_t w = base / 64;
        double mean[64], variance[64];
        uint8_t is_true[64], is_nan[64];
        size_t part = n - base < 64 ? n - base : 64;
        memcpy(mean, state->mean + base, part * sizeof *mean);
        memcpy(variance, state->variance + base, part * sizeof *variance);
        if ((present[w] & state->ripe[w]) == UINT64_MAX) {
            zscore_part(op, bound, x + base, state->mean + base, state->variance + base, alpha,
                        is_true, is_nan);
            ret_true[w] = pack64(is_true);
            ret_unknown[w] = pack64(is_nan);
        } else {
            zscore_slowly(op, bound, x, present[w] & low_bits(part), base, alpha, state,
                          &ret_true[w], &ret_unknown[w]);
        }
        score_true(x, ret_true[w], base, mean, variance, values);
    }
}
