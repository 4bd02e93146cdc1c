/* What the evaluator sees of the store: rings of samples and the newest sample of every series as
 * columns. Only series.c, column.c and eval_*.c include this.
 *
 * A ring keeps times in whole milliseconds (rounded down), as Prometheus does, four bytes a sample
 * relative to its base. A stale marker is a sample whose value is_stale(). */
#ifndef HEAL_RUNTIME_ENGINE_COLUMN_H
#define HEAL_RUNTIME_ENGINE_COLUMN_H

#include <string.h>

#include "runtime/engine/series.h"

#define STALE_BITS     0x7ff0000000000002ULL
#define MS_NEVER       (INT64_MIN / 4) /* before every window */
#define SLOT_NONE      UINT32_MAX
#define BIT_WORDS(n)   (((n) + 63) / 64)
#define LABEL_NAME_KEY "__name__"
enum { SERIES_NOBODY = 0 }; /* an id that no series ever has, without samples */

static inline bool is_stale(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == STALE_BITS;
}
static inline bool bit_get(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}
static inline void bit_set(uint64_t *words, size_t i)
{
    words[i / 64] |= 1ULL << (i % 64);
}
static inline void bit_clear(uint64_t *words, size_t i)
{
    words[i / 64] &= ~(1ULL << (i % 64));
}
/* Whole milliseconds at or before t. */
static inline int64_t instant_to_ms(struct instant t)
{
    return t.ns / NS_PER_MS - (t.ns % NS_PER_MS < 0);
}

struct ring {
    int64_t base_ms;
    uint32_t *offset_ms; /* [capacity], values behind it in the same block */
    uint32_t head, count, capacity;
};
/* Appends; drops what is older than retention, grows when all is still wanted. time_ms must not be
 * older than the newest. Returns the samples gained (0 when the oldest was overwritten). */
int ring_append(struct ring *ring, int64_t time_ms, double value, int64_t retention_ms);
void ring_release(struct ring *ring);
double *ring_values(const struct ring *ring);
static inline uint32_t ring_at(const struct ring *ring, uint32_t i)
{
    uint32_t at = ring->head + i;
    return at >= ring->capacity ? at - ring->capacity : at;
}
int64_t ring_time(const struct ring *ring, uint32_t i); /* i-th oldest */
/* Number of samples at or before time_ms. */
uint32_t ring_until(const struct ring *ring, int64_t time_ms);
/* Copies samples with start < t <= end, without stale markers, to times and values (room for
 * ring->count each); returns how many. */
size_t ring_window(const struct ring *ring, int64_t start_ms, int64_t end_ms, int64_t *times,
                   double *values);
/* Newest sample at or before time_ms and after time_ms - lookback_ms; false when there is none or
 * it is a stale marker. */
bool ring_instant(const struct ring *ring, int64_t time_ms, int64_t lookback_ms, double *ret_value,
                  int64_t *ret_time_ms);

/* A growing table of pointers or numbers by 64-bit hash: open addressing, value SLOT_NONE empty. */
struct table {
    uint64_t *hashes;
    uint32_t *values;
    size_t count, capacity;
};
/* First value of the hash at or after *cursor; start with *cursor = SIZE_MAX. SLOT_NONE at the end.
 */
uint32_t table_next(const struct table *table, uint64_t hash, size_t *cursor);
void table_add(struct table *table, uint64_t hash, uint32_t value);
void table_remove(struct table *table, uint64_t hash, uint32_t value);
void table_clear(struct table *table);
void table_release(struct table *table);

struct series {
    const char *name;               /* interned */
    const struct label_set *labels; /* NULL: a free place */
    uint32_t metric, source;
    uint32_t metric_at, source_at; /* places in their lists */
    uint32_t holders;              /* callers that keep its id */
    bool doubtful;                 /* heal wrote it from something unknown */
    uint64_t epoch;                /* of the source's answer that gave the newest sample */
    int64_t last_ms;               /* newest sample or marker */
    struct ring ring;
};
/* A series of a metric was born or died. */
struct store_event {
    uint32_t id;
    bool born;
};
struct store_metric {
    const char *name;
    int64_t retention_ms; /* of samples */
    int64_t remember_ms;  /* of series after their last sample */
    uint64_t generation;  /* counts births and deaths of series of the metric */
    uint32_t *series;     /* in no order */
    size_t count, capacity;
    uint32_t *free; /* places of series that are gone, kept for the metric's next ones */
    size_t free_count, free_capacity;
    struct store_event *log; /* what happened since generation log_start */
    uint64_t log_start;
    size_t log_count, log_capacity;
};
struct store_source {
    char *name;
    struct duration interval, grace;
    struct instant answered;
    bool has_answered;
    uint64_t epoch;
    size_t there, fresh; /* series that have a sample and no end; of these in the answer at hand */
    uint32_t *series;
    size_t count, capacity;
};

struct string;
struct store {
    struct store_limits limits;
    int64_t lookback_ms, retention_ms, remember_ms; /* of every metric; metrics may keep more */
    uint64_t generation;
    struct series *series;
    double *value;      /* [series_count] newest value */
    int64_t *time_ms;   /* [series_count] its time; MS_NEVER when stale or without samples */
    int64_t *before_ms; /* [series_count] time of the sample before; MS_NEVER without */
    uint64_t *touched;  /* of each 64 series: the stamp when one of them last changed */
    uint64_t stamp;     /* whoever looks at `touched` takes the next one: store_look() */
    size_t series_count, series_capacity;
    uint32_t *free_series;
    size_t free_count, free_capacity;
    struct table series_table;
    struct store_metric *metrics;
    size_t metric_count, metric_capacity;
    struct table metric_table;
    struct store_source *sources;
    size_t source_count, source_capacity, source_expected;
    size_t own_sources;    /* among them: what heal itself writes */
    size_t doubtful_count; /* series */
    uint32_t expire_at;    /* where store_expire() goes on */
    uint64_t gone_count;
    /* intern.c */
    struct label_set **sets; /* NULL: a free place */
    size_t set_count, set_capacity;
    uint32_t *free_sets;
    size_t free_set_count, free_set_capacity;
    struct label_set **floating; /* sets that nobody held */
    size_t floating_count, floating_capacity;
    struct table set_table;
    struct string **strings;
    size_t string_count, string_capacity;
    uint32_t *free_strings;
    size_t free_string_count, free_string_capacity;
    struct table string_table;
    struct store_stats stats;
};

const char *store_string(struct store *store, const char *text); /* interned, and kept for ever */
const char *store_string_known(const struct store *store, const char *text); /* NULL: it is not */
/* Who keeps a label set over a call of store_expire() holds it. */
void label_set_hold(const struct label_set *set);
void label_set_drop(struct store *store, const struct label_set *held);
void store_sweep(struct store *store); /* frees the sets that nobody holds */
void intern_free(struct store *store);
/* What changes from here on is touched at or after the number that this returns. */
static inline uint64_t store_look(struct store *store)
{
    return ++store->stamp;
}
/* Finds or makes the metric; the index stays valid. */
uint32_t store_metric(struct store *store, const char *name);
/* Samples of the metric (NULL: of all) are kept at least this long from now on. */
void store_keep(struct store *store, const char *name, struct duration retention);
/* A window is over samples of the metric (NULL: of all): series are remembered for as long, and in
 * a store that is not live their samples too. */
void store_window(struct store *store, const char *name, struct duration range);
/* The set without the named labels, or (keep) with only these. */
const struct label_set *store_project(struct store *store, const struct label_set *set,
                                      const char *const *names, size_t count, bool keep);
bool store_series_live(const struct store *store, uint32_t id);

#endif
