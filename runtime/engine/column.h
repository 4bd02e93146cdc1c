/* What the evaluator sees of the store: rings of samples and the newest sample of every series as
 * columns. Only the store and eval_*.c include this. */
#ifndef HEAL_RUNTIME_ENGINE_COLUMN_H
#define HEAL_RUNTIME_ENGINE_COLUMN_H

#include "runtime/engine/id_table.h"
#include "runtime/engine/ring.h"
#include "runtime/engine/series.h"

#define SLOT_NONE      UINT32_MAX
#define BIT_WORDS(n)   (((n) + 63) / 64)
#define LABEL_NAME_KEY "__name__"
enum { SERIES_NOBODY = 0 }; /* an id that no series ever has, without samples */

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

/* One cache line, which an append reads and writes. */
struct series {
    struct ring ring;
    const struct label_set *labels; /* NULL: a free place */
    uint32_t metric;                /* its name is the metric's */
    uint16_t source;
    bool doubtful;                 /* heal wrote it from something unknown */
    uint32_t epoch;                /* of the source's answer that gave the newest sample */
    uint32_t holders;              /* callers that keep its id */
    uint32_t metric_at, source_at; /* places in their lists */
};
_Static_assert(sizeof(struct series) == SLAB_LINE, "a series is one line");
/* A series of a metric was born or died. */
struct store_event {
    uint32_t id : 31;
    uint32_t born : 1;
};
_Static_assert(STORE_SERIES_MAX < INT32_MAX, "an id has 31 bits");
struct store_metric {
    const char *name;
    int64_t retention_ms; /* of samples */
    int64_t remember_ms;  /* of series after their last sample */
    uint64_t generation;  /* counts births and deaths of series of the metric */
    uint32_t *series;     /* in no order */
    size_t count, capacity;
    uint32_t *free; /* places of series that are gone, kept for the metric's next ones */
    size_t free_count, free_capacity;
    struct store_event *log; /* what happened since generation log_start, the latest at least */
    uint64_t log_start;
    size_t log_count, log_capacity;
};
struct store_source {
    char *name;
    struct duration interval, grace;
    struct instant answered;
    bool has_answered;
    uint32_t epoch;      /* counts answers, round and round */
    size_t there, fresh; /* series that have a sample and no end; of these in the answer at hand */
    uint32_t *series;
    size_t count, capacity;
};

/* A name and a value that some label set has together. */
struct label_pair {
    struct label label; /* interned; without a name: a free place */
    uint32_t holders;   /* label sets */
};
struct string;
struct store {
    struct store_limits limits;
    int64_t lookback_ms, retention_ms, remember_ms; /* of every metric; metrics may keep more */
    uint64_t generation;
    struct series *series; /* at the start of a line */
    void *series_memory;
    double *value;      /* [series_count] newest value */
    int64_t *time_ms;   /* [series_count] its time; MS_NEVER when stale or without samples */
    int64_t *before_ms; /* [series_count] time of the sample before; MS_NEVER without */
    uint64_t *touched;  /* of each 64 series: the stamp when one of them last changed */
    uint64_t stamp;     /* whoever looks at `touched` takes the next one: store_look() */
    size_t series_count, series_capacity;
    struct slab rings;
    uint32_t *free_series;
    size_t free_count, free_capacity;
    struct id_table series_table;
    struct store_metric *metrics;
    size_t metric_count, metric_capacity;
    struct id_table metric_table;
    struct store_source *sources;
    size_t source_count, source_capacity, source_expected;
    size_t own_sources;    /* among them: what heal itself writes */
    size_t doubtful_count; /* series */
    uint32_t expire_at;    /* where store_expire() goes on */
    uint64_t gone_count;
    /* intern.c */
    struct slab set_slabs[STORE_LABELS_MAX / 2 + 1]; /* by half their labels */
    struct label_set **sets;                         /* a hash table; NULL is empty */
    size_t set_count, set_capacity;
    struct label_set **floating; /* sets that nobody held */
    size_t floating_count, floating_capacity;
    struct label_pair *pairs;
    size_t pair_count, pair_capacity;
    uint32_t *free_pairs;
    size_t free_pair_count, free_pair_capacity;
    struct id_table pair_table;
    struct string **strings;
    size_t string_count, string_capacity;
    uint32_t *free_strings;
    size_t free_string_count, free_string_capacity;
    struct id_table string_table;
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
static inline const char *series_name(const struct store *store, const struct series *series)
{
    return store->metrics[series->metric].name;
}

#endif
