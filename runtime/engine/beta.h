/* Beta distributions, for shares of which little is known: bit for bit the same on every machine,
 * because only operations that IEEE 754 rounds in one way go into them (+ - * / and square roots;
 * powers and logarithms are series of them). No function of libm is called whose last bit a library
 * may choose.
 *
 *     beta_interval(1 + successes, 1 + failures, 0.90, &low, &high);
 *
 * The mean is exact to a few last bits, an interval's ends to 1/100 of the standard deviation. */
#ifndef HEAL_RUNTIME_ENGINE_BETA_H
#define HEAL_RUNTIME_ENGINE_BETA_H

#include "lang/base.h"

/* a / (a + b), of a, b > 0. More a never gives less, more b never more: in doubles too. */
double beta_mean(double a, double b);

/* The ends that leave (1 - share) / 2 of the probability outside on either side; low <= mean <=
 * high. a, b >= 1; 0 < share < 1. Some 40 us. */
void beta_interval(double a, double b, double share, double *ret_low, double *ret_high);

/* 2^x for |x| <= 1000, and the logarithm to base 2 of x > 0: within 1e-9, the same everywhere. */
double power_of_two(double x);
double log_of_two(double x);

#endif
