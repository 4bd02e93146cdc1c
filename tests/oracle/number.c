#include "tests/oracle/number.h"

#include <math.h>

#define EPSILON  2.3e-16L /* of one rounding */
#define SMALLEST 1e-320L  /* what rounding of subnormals may lose */

struct number number_exact(double value)
{
    return (struct number){value, 0};
}

struct number number_any(void)
{
    return (struct number){0, INFINITY};
}

struct number number_odd(void)
{
    return (struct number){NAN, INFINITY};
}

struct number number_near(long double value, long double slack)
{
    const double rounded = (double)value;
    if (!isfinite(rounded) || !isfinite((double)slack)) {
        return number_any();
    }
    return (struct number){rounded, slack + EPSILON * fabsl(value) + SMALLEST};
}

bool number_is_exact(struct number n)
{
    return n.slack == 0;
}

bool number_is_any(struct number n)
{
    return n.slack == (long double)INFINITY;
}

static double plain(enum operator op, double a, double b)
{
    switch ((int)op) {
    case OPERATOR_ADD: return a + b;
    case OPERATOR_SUB: return a - b;
    case OPERATOR_MUL: return a * b;
    case OPERATOR_DIV: return a / b;
    case OPERATOR_MOD: return fmod(a, b);
    case OPERATOR_ATAN2: return atan2(a, b);
    default: CHECK(op == OPERATOR_POW); return pow(a, b);
    }
}

struct number number_arithmetic(enum operator op, struct number a, struct number b)
{
    const double result = plain(op, a.value, b.value);
    const long double x = fabsl((long double)a.value), y = fabsl((long double)b.value);
    if (number_is_exact(a) && number_is_exact(b)) {
        return number_exact(result);
    }
    switch ((int)op) {
    case OPERATOR_ADD:
    case OPERATOR_SUB: return number_near(result, a.slack + b.slack);
    case OPERATOR_MUL: return number_near(result, x * b.slack + y * a.slack + a.slack * b.slack);
    case OPERATOR_DIV:
        return y > b.slack ? number_near(result, (a.slack + x / y * b.slack) / (y - b.slack))
                           : number_any();
    default: return number_any();
    }
}

struct number number_negate(struct number n)
{
    return (struct number){-n.value, n.slack};
}

static bool plainly(enum operator op, double a, double b)
{
    switch ((int)op) {
    case OPERATOR_EQ: return a == b;
    case OPERATOR_NE: return a != b;
    case OPERATOR_LT: return a < b;
    case OPERATOR_LE: return a <= b;
    case OPERATOR_GT: return a > b;
    default: CHECK(op == OPERATOR_GE); return a >= b;
    }
}

struct truth number_compare(enum operator op, struct number a, struct number b)
{
    const long double slack = a.slack + b.slack;
    return (struct truth){
        .is_true = plainly(op, a.value, b.value),
        .unknown = !isfinite(a.value) || !isfinite(b.value),
        .doubtful = slack > 0 && !(fabsl((long double)a.value - b.value) > slack),
    };
}

bool number_agrees(struct number n, double got)
{
    if (number_is_any(n)) {
        return !isnan(n.value) || !isfinite(got);
    }
    if (!isfinite(n.value)) {
        return isnan(n.value) ? isnan(got) : n.value == got;
    }
    if (number_is_exact(n)) {
        return n.value == got && signbit(n.value) == signbit(got);
    }
    return fabsl((long double)got - n.value) <= n.slack;
}
