/* How far values lie from what is usual, in robust standard deviations.
 *
 *     struct robust usual = robust_of(undisturbed, 590);
 *     double score = robust_score(&usual, rows, 5); */
#ifndef HEAL_TESTS_ACCURACY_ROBUST_H
#define HEAL_TESTS_ACCURACY_ROBUST_H

#include <stddef.h>

enum { ROBUST_VALUES_MIN = 10 }; /* of fewer nobody knows what is usual */

struct robust {
    double median, scale; /* NaN when unknown */
};

/* Median and scale of values[n], of any unit; NaN marks a gap and is skipped. The scale is 1.4826
 * MAD, a standard deviation where the values are normal; where more than half of the values are the
 * same, so that MAD is 0, 1.2533 times the mean absolute deviation (Iglewicz and Hoaglin 1993: How
 * to detect and handle outliers). 0 when all are the same. Sorts the values. O(n log n). */
struct robust robust_of(double *values, size_t n);
/* The mean of |z| over rows[n], gaps skipped: >= 0; infinite where the scale is 0 and a value
 * differs; NaN when nothing is known of the rows or of what is usual. */
double robust_score(const struct robust *usual, const double *rows, size_t n);

#endif
