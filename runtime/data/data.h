/* Samples from files: OpenMetrics text with timestamps, and CSV.
 *
 *     struct data data = {0};
 *     TRY(data_read(&data, store, source, "cpu.csv", NULL, error));   // may be called again
 *     data_sort(&data);
 *     data_release(&data);
 *
 * CSV has a header line: `timestamp,value` or `timestamp,LABEL,...,value`; times are seconds or
 * milliseconds since 1970, or 2014-04-01 00:00:00 (UTC), or RFC 3339. A file is CSV when its name
 * ends so; its metric is called like the file without the ending, unless name is given. */
#ifndef HEAL_RUNTIME_DATA_DATA_H
#define HEAL_RUNTIME_DATA_DATA_H

#include "runtime/engine/series.h"

enum {
    DATA_LINE_BYTES_MAX = 64 * 1024,
    DATA_COLUMNS_MAX = STORE_LABELS_MAX + 2,
    DATA_SAMPLES_MAX = 100000000
};

struct data_sample {
    struct instant time;
    uint32_t series; /* of the store */
    double value;
};
struct data {
    struct data_sample *samples;
    size_t count, capacity;
};

/* The message of an error begins with FILE:LINE. Series are made in the store; samples are not
 * appended to it. */
NODISCARD enum status data_read(struct data *data, struct store *store, uint32_t source,
                                const char *path, const char *name, struct error *error);
void data_sort(struct data *data); /* by time */
void data_release(struct data *data);

/* Seconds or milliseconds since 1970, a date and time, or RFC 3339; false when it is none. */
bool data_time(const char *text, struct instant *ret);

#endif
