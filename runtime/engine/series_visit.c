/* Reading the store from outside: each sample of a metric, or of all. */
#include <xxhash.h>

#include "runtime/engine/column.h"

/* NULL where no series ever had the name, nor a program. */
static const struct store_metric *store_metric_known(const struct store *store, const char *name)
{
    const char *interned = store_string_known(store, name);
    const uint64_t hash = XXH3_64bits(&interned, sizeof interned);
    size_t cursor = SIZE_MAX;
    uint32_t at;
    while (interned && (at = id_table_next(&store->metric_table, hash, &cursor)) != SLOT_NONE) {
        if (store->metrics[at].name == interned) {
            return &store->metrics[at];
        }
    }
    return NULL;
}

static bool visit_newest(const struct store *store, const struct series *series, int64_t now_ms,
                         store_visit_f *visit, void *context)
{
    struct store_sample sample = {.name = series_name(store, series), .labels = series->labels};
    int64_t time_ms;
    if (!ring_instant(&series->ring, now_ms, store->lookback_ms, &sample.value, &time_ms)) {
        return true;
    }
    sample.time = (struct instant){time_ms * NS_PER_MS};
    return visit(context, &sample);
}

static bool visit_past(const struct store *store, const struct series *series, int64_t now_ms,
                       store_visit_f *visit, void *context)
{
    const uint32_t count = ring_until(&series->ring, now_ms);
    bool more = true;
    for (uint32_t i = 0; i < count && more; i++) {
        const double value = ring_values(&series->ring)[ring_at(&series->ring, i)];
        const struct store_sample sample = {.name = series_name(store, series),
                                            .labels = series->labels,
                                            .time = {ring_time(&series->ring, i) * NS_PER_MS},
                                            .value = value,
                                            .stale = is_stale(value)};
        more = visit(context, &sample);
    }
    return more;
}

static bool visit_series(const struct store *store, uint32_t id, int64_t now_ms, bool past,
                         store_visit_f *visit, void *context)
{
    const struct series *series = &store->series[id];
    return !series->labels ? true
           : past          ? visit_past(store, series, now_ms, visit, context)
                           : visit_newest(store, series, now_ms, visit, context);
}

void store_visit(const struct store *store, const char *name, struct instant now, bool past,
                 store_visit_f *visit, void *context)
{
    const int64_t now_ms = instant_to_ms(now);
    const struct store_metric *metric = name ? store_metric_known(store, name) : NULL;
    bool more = true;
    for (size_t i = 0; metric && i < metric->count && more; i++) {
        more = visit_series(store, metric->series[i], now_ms, past, visit, context);
    }
    for (uint32_t id = 0; !name && id < store->series_count && more; id++) {
        more = visit_series(store, id, now_ms, past, visit, context);
    }
}
