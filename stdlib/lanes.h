/* Lanes: C that is written once and computes LANES slots at a time. Eight under clang, where it
 * becomes vectors (natively, and in the object of windows inside healc); one under gcc. Each lane
 * does the same IEEE operations in the same order, so both give the same bits.
 *
 *     real x = real_load(values + slot);
 *     mask high = real_greater(x, real_of(0.9));
 *     x = real_pick(high, x, real_of(0));
 *     if (mask_any(high)) ...
 *
 * A mask has all bits of a lane set, or none; minus a mask counts. Only kernels of stdlib include
 * this. */
#ifndef HEAL_STDLIB_LANES_H
#define HEAL_STDLIB_LANES_H

#include <string.h>

#include "lang/base.h"

#define LANE_INLINE static inline __attribute__((always_inline, unused))

#ifdef __clang__
#    pragma clang diagnostic ignored "-Wpsabi" /* all of it is inlined */
#    pragma clang diagnostic push
#    pragma clang diagnostic ignored "-Wconversion" /* which takes a mask before ? for a bool */
enum { LANES = 8 };
typedef double real __attribute__((ext_vector_type(8)));
typedef int32_t whole __attribute__((ext_vector_type(8)));
typedef int64_t lane_wide __attribute__((ext_vector_type(8)));
typedef bool lane_bits __attribute__((ext_vector_type(8)));
typedef whole mask;

LANE_INLINE real real_of(double value)
{
    return (real)value;
}
LANE_INLINE whole whole_of(int32_t value)
{
    return (whole)value;
}
LANE_INLINE mask lane_mask(lane_wide wide)
{
    return __builtin_convertvector(wide, mask);
}
LANE_INLINE real real_pick(mask m, real a, real b)
{
    return __builtin_convertvector(m, lane_wide) ? a : b;
}
LANE_INLINE whole whole_pick(mask m, whole a, whole b)
{
    return m ? a : b;
}
LANE_INLINE real real_abs(real a)
{
    return __builtin_elementwise_abs(a);
}
LANE_INLINE real real_whole(whole a)
{
    return __builtin_convertvector(a, real);
}
LANE_INLINE bool mask_any(mask m)
{
    return __builtin_reduce_or(m) != 0;
}
LANE_INLINE int32_t whole_max(whole a)
{
    return __builtin_reduce_max(a);
}
LANE_INLINE int32_t whole_min(whole a)
{
    return __builtin_reduce_min(a);
}
/* Towards 0; all lanes must fit. */
LANE_INLINE whole whole_real(real a)
{
    return __builtin_convertvector(a, whole);
}
/* A bit a lane, the lowest first, and back. */
LANE_INLINE uint64_t mask_bits(mask m)
{
    lane_bits bits = __builtin_convertvector(m, lane_bits);
    uint8_t byte;
    memcpy(&byte, &bits, sizeof byte);
    return byte;
}
LANE_INLINE mask mask_of(uint64_t bits)
{
    uint8_t byte = (uint8_t)bits;
    lane_bits lanes;
    memcpy(&lanes, &byte, sizeof byte);
    return -__builtin_convertvector(lanes, mask); /* a true lane converts to 1 */
}
LANE_INLINE double real_lane(real a, int i)
{
    return a[i];
}
LANE_INLINE int32_t whole_lane(whole a, int i)
{
    return a[i];
}
LANE_INLINE real real_with(real a, int i, double value)
{
    a[i] = value;
    return a;
}
LANE_INLINE whole whole_with(whole a, int i, int32_t value)
{
    a[i] = value;
    return a;
}
#    pragma clang diagnostic pop
#    define LANE_COMPARE(a, op, b) lane_mask((a)op(b))
#else
enum { LANES = 1 };
typedef double real;
typedef int32_t whole;
typedef int32_t mask;

LANE_INLINE real real_of(double value)
{
    return value;
}
LANE_INLINE whole whole_of(int32_t value)
{
    return value;
}
LANE_INLINE real real_pick(mask m, real a, real b)
{
    return m ? a : b;
}
LANE_INLINE whole whole_pick(mask m, whole a, whole b)
{
    return m ? a : b;
}
LANE_INLINE real real_abs(real a)
{
    return __builtin_fabs(a);
}
LANE_INLINE real real_whole(whole a)
{
    return (double)a;
}
LANE_INLINE bool mask_any(mask m)
{
    return m != 0;
}
LANE_INLINE int32_t whole_max(whole a)
{
    return a;
}
LANE_INLINE int32_t whole_min(whole a)
{
    return a;
}
LANE_INLINE whole whole_real(real a)
{
    return (int32_t)a;
}
LANE_INLINE uint64_t mask_bits(mask m)
{
    return m != 0;
}
LANE_INLINE mask mask_of(uint64_t bits)
{
    return -(mask)(bits & 1);
}
LANE_INLINE double real_lane(real a, int i)
{
    (void)i;
    return a;
}
LANE_INLINE int32_t whole_lane(whole a, int i)
{
    (void)i;
    return a;
}
LANE_INLINE real real_with(real a, int i, double value)
{
    (void)a;
    (void)i;
    return value;
}
LANE_INLINE whole whole_with(whole a, int i, int32_t value)
{
    (void)a;
    (void)i;
    return value;
}
#    define LANE_COMPARE(a, op, b) (-(mask)((a)op(b)))
#endif

LANE_INLINE mask real_less(real a, real b)
{
    return LANE_COMPARE(a, <, b);
}
LANE_INLINE mask real_at_most(real a, real b)
{
    return LANE_COMPARE(a, <=, b);
}
LANE_INLINE mask real_greater(real a, real b)
{
    return LANE_COMPARE(a, >, b);
}
LANE_INLINE mask real_at_least(real a, real b)
{
    return LANE_COMPARE(a, >=, b);
}
LANE_INLINE mask real_equal(real a, real b)
{
    return LANE_COMPARE(a, ==, b);
}
/* Neither NaN nor infinite. */
LANE_INLINE mask real_finite(real a)
{
    return LANE_COMPARE(real_abs(a), <=, real_of(1.7976931348623157e308));
}
#ifdef __clang__
LANE_INLINE mask whole_at_most(whole a, whole b)
{
    return a <= b;
}
LANE_INLINE mask whole_greater(whole a, whole b)
{
    return a > b;
}
LANE_INLINE mask whole_equal(whole a, whole b)
{
    return a == b;
}
#else
LANE_INLINE mask whole_at_most(whole a, whole b)
{
    return LANE_COMPARE(a, <=, b);
}
LANE_INLINE mask whole_greater(whole a, whole b)
{
    return LANE_COMPARE(a, >, b);
}
LANE_INLINE mask whole_equal(whole a, whole b)
{
    return LANE_COMPARE(a, ==, b);
}
#endif
LANE_INLINE real real_load(const double *from)
{
    real value;
    memcpy(&value, from, sizeof value);
    return value;
}
LANE_INLINE void real_store(double *to, real value)
{
    memcpy(to, &value, sizeof value);
}
LANE_INLINE whole whole_load(const int32_t *from)
{
    whole value;
    memcpy(&value, from, sizeof value);
    return value;
}
LANE_INLINE void whole_store(int32_t *to, whole value)
{
    memcpy(to, &value, sizeof value);
}

#endif
