/* Functions over windows by their definitions: all samples of the window, read anew, in long
 * double, told as Prometheus' documentation tells them. Shares no code with stdlib. */
#ifndef HEAL_TESTS_ORACLE_WINDOW_H
#define HEAL_TESTS_ORACLE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oracle_window {
    const int64_t *times_ms; /* ascending */
    const double *values;
    size_t count; /* all in (start_ms, end_ms] */
    int64_t start_ms, end_ms;
    double argument; /* predict_linear: seconds ahead; quantile_over_time: which */
};
/* text: of PromQL. False when there are too few samples. ret_scale: what an error is to be measured
 * against, since a result may be the small difference of large things. */
bool oracle_window(const char *text, const struct oracle_window *window, long double *ret,
                   long double *ret_scale);

#endif
