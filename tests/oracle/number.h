/* A number of the oracle: a double, and how far from it another evaluator's may lie.
 *
 * Where the definition is one IEEE operation on exact numbers, the result is exact and the slack 0:
 * it must be the same number. A sum, a mean, a line may be added up in another order: there the
 * slack is a small part of the size of what went in. An infinite slack says that any number will
 * do: the operation is not continuous where the operands lie. */
#ifndef HEAL_TESTS_ORACLE_NUMBER_H
#define HEAL_TESTS_ORACLE_NUMBER_H

#include "lang/ast.h"

struct number {
    double value;
    long double slack;
};
struct number number_exact(double value);
struct number number_near(long double value, long double slack);
struct number number_any(void);
struct number number_odd(void); /* NaN or an infinity, no matter which */
bool number_is_exact(struct number n);
bool number_is_any(struct number n);
struct number number_arithmetic(enum operator op, struct number a, struct number b);
struct number number_negate(struct number n);

/* A comparison with NaN or an infinity is unknown. doubtful: the slack decides. */
struct truth {
    bool is_true, unknown, doubtful;
};
struct truth number_compare(enum operator op, struct number a, struct number b);
/* got is as close to n as it has to be. */
bool number_agrees(struct number n, double got);

#endif
