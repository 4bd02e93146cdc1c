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
                                  int64_t now_ms, uint64_t *ret_present, int64_t *ret_until_ms)
{
    int64_t future = 0;
    for (size_t base = 0; base < n; base += 64) {
        size_t part = n - base < 64 ? n - base : 64;
        uint8_t in[64] = {0};
        int64_t oldest = INT64_MAX, later = 0;
        for (size_t i = 0; i < part; i++) {
            int64_t t = newest_ms[base + i];
            int64_t there = (t > after_ms) & (t <= now_ms);
            in[i] = (uint8_t)there;
            later |= t > now_ms;
            t = there ? t : INT64_MAX;
            oldest = t < oldest ? t : oldest;
        }
        ret_present[base / 64] = pack64(in);
        ret_until_ms[base / 64] = later                 ? now_ms + 1
                                  : oldest == INT64_MAX ? INT64_MAX
                                                        : oldest + (now_ms - after_ms);
        future |= later;
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

#define LARGEST 1.7976931348623157e308

static inline double step_from(double mean, double x)
{
    double d = x - mean;
    return fabs(d) < KERNEL_STEP_MIN ? 0 : d;
}

void kernel_ewma(const double *x, const uint64_t *present, size_t n, double alpha, double *mean,
                 uint64_t *begun)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bit = 1ULL << (i % 64);
        double d = step_from(mean[i], x[i]), next = mean[i] + alpha * d;
        if ((present[i / 64] & bit) && fabs(next) <= LARGEST) { /* not for NaN */
            mean[i] = begun[i / 64] & bit ? next : d;
            begun[i / 64] |= bit;
        }
    }
}

/* 64 slots, all present and ripe: no branch a slot. */
KERNEL_CLONES static void moments_part(const double *restrict x, double *restrict mean,
                                       double *restrict variance, double alpha,
                                       double *restrict ret_d, double *restrict ret_variance)
{
    for (size_t i = 0; i < 64; i++) {
        double d = step_from(mean[i], x[i]), step = alpha * d;
        double spread = variance[i] + step * d, next = (1 - alpha) * spread;
        int folded = spread <= LARGEST;
        next = next > KERNEL_SPREAD_MIN ? next : KERNEL_SPREAD_MIN;
        ret_d[i] = d;
        ret_variance[i] = variance[i];
        mean[i] = folded ? mean[i] + step : mean[i];
        variance[i] = folded ? next : variance[i];
    }
}

static void moments_one(double x, double alpha, const struct kernel_moments *state, size_t i)
{
    double d = step_from(state->mean[i], x), step = alpha * d;
    double spread = state->variance[i] + step * d, next = (1 - alpha) * spread;
    if (!(spread <= LARGEST)) {
        return;
    }
    if (state->history[i] == 0) {
        state->mean[i] = d;
        state->variance[i] = KERNEL_SPREAD_MIN;
    } else {
        state->mean[i] = state->mean[i] + step;
        state->variance[i] = next > KERNEL_SPREAD_MIN ? next : KERNEL_SPREAD_MIN;
    }
    if (state->history[i] < KERNEL_HISTORY_MIN && ++state->history[i] == KERNEL_HISTORY_MIN) {
        state->ripe[i / 64] |= 1ULL << (i % 64);
    }
}

static void moments_slowly(const double *x, uint64_t present, size_t base, double alpha,
                           const struct kernel_moments *state, double *ret_d, double *ret_variance)
{
    for (uint64_t rest = present; rest; rest &= rest - 1) {
        size_t i = base + (size_t)__builtin_ctzll(rest);
        ret_d[i] = step_from(state->mean[i], x[i]);
        ret_variance[i] = state->variance[i];
        moments_one(x[i], alpha, state, i);
    }
}

void kernel_moments(const double *x, const uint64_t *present, size_t n, double alpha,
                    const struct kernel_moments *state, double *ret_d, double *ret_variance,
                    uint64_t *ret_ripe)
{
    for (size_t base = 0; base < n; base += 64) {
        const size_t w = base / 64;
        ret_ripe[w] = present[w] & state->ripe[w];
        if (ret_ripe[w] == UINT64_MAX) {
            moments_part(x + base, state->mean + base, state->variance + base, alpha, ret_d + base,
                         ret_variance + base);
        } else {
            moments_slowly(x, present[w] & low_bits(n - base), base, alpha, state, ret_d,
                           ret_variance);
        }
    }
}

void kernel_zscore(const double *d, const double *variance, size_t n, double *ret)
{
    for (size_t i = 0; i < n; i++) {
        ret[i] = d[i] / sqrt(variance[i]);
    }
}

#define ZSCORE_LOOP(op)                                            \
    for (size_t i = 0; i < part; i++) {                            \
        is_true[i] = (uint8_t)(d[i] * fabs(d[i]) op bound * v[i]); \
        is_nan[i] = (uint8_t)((d[i] - d[i]) != 0);                 \
    }                                                              \
    break

static inline __attribute__((always_inline)) void zscore_part(enum kernel_compare op, double bound,
                                                              const double *restrict d,
                                                              const double *restrict v, size_t part,
                                                              uint8_t *restrict is_true,
                                                              uint8_t *restrict is_nan)
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

KERNEL_CLONES void kernel_zscore_compare(enum kernel_compare op, double k, const double *d,
                                         const double *variance, const uint64_t *present, size_t n,
                                         double *values, uint64_t *ret_true, uint64_t *ret_nan)
{
    for (size_t base = 0; base < n; base += 64) {
        const size_t w = base / 64, part = n - base < 64 ? n - base : 64;
        uint8_t is_true[64] = {0}, is_nan[64] = {0};
        zscore_part(op, k * fabs(k), d + base, variance + base, part, is_true, is_nan);
        ret_true[w] = pack64(is_true) & present[w];
        ret_nan[w] = pack64(is_nan) & present[w];
        for (uint64_t rest = ret_true[w]; rest; rest &= rest - 1) { /* few */
            size_t i = base + (size_t)__builtin_ctzll(rest);
            values[i] = d[i] / sqrt(variance[i]);
        }
    }
}
