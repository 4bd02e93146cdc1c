/* Median and MAD. */
#include "tests/accuracy/robust.h"

#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct robust robust_of(double *values, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(values[i])) {
            values[kept++] = values[i];
        }
    }
    if (kept < ROBUST_VALUES_MIN) {
        return (struct robust){(double)NAN, (double)NAN};
    }
    struct robust usual = {.median = median_of(values, kept)};
    double sum = 0;
    for (size_t i = 0; i < kept; i++) {
        values[i] = fabs(values[i] - usual.median);
        sum += values[i];
    }
    usual.scale = 1.4826 * median_of(values, kept);
    if (usual.scale == 0) {
        usual.scale = 1.2533 * sum / (double)kept;
    }
    return usual;
}

double robust_score(const struct robust *usual, const double *rows, size_t n)
{
    double sum = 0;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(rows[i])) {
            double apart = fabs(rows[i] - usual->median);
            sum += apart == 0 ? 0 : apart / usual->scale;
            kept++;
        }
    }
    return kept > 0 && !isnan(usual->median) ? sum / (double)kept : (double)NAN;
}
