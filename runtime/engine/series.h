/* The store of series: labels, rings of samples, and which source answered when.
 *
 * All label work happens here, when a series is born or dies; a tick only reads. Times are given by
 * the caller. The store follows Prometheus: a series is (name, sorted labels); an empty value is no
 * label.
 *
 *     uint32_t id;
 *     TRY(store_series(store, source, "up", labels, 2, &id, error));
 *     store_append(store, id, t, 1.0);
 *     store_answered(store, source, t);       // the source's answer of this scrape is complete
 */
#ifndef HEAL_RUNTIME_ENGINE_SERIES_H
#define HEAL_RUNTIME_ENGINE_SERIES_H

#include "lang/base.h"

enum {
    STORE_SERIES_MAX = 2000000,
    STORE_LABELS_MAX = 64,        /* of one series */
    STORE_LABEL_BYTES_MAX = 1024, /* of one name or value */
    STORE_SOURCES_MAX = 4096,
    STORE_LIVE_MS = 60000,          /* no two ticks are further apart */
    STORE_SILENT_KEEP_MS = 86400000 /* series of a silent source are remembered, as unknown */
};

struct label {
    const char *name, *value;
};

/* An interned set: equal sets are the same pointer. Sorted by name. The metric name is not in it.
 * One that no series and no evaluator has is freed by store_expire(). Labels are read with the
 * functions below: the set has their numbers in the store. */
struct label_set {
    uint64_t hash; /* of the text, so that it is the same in every process */
    uint32_t holders;
    uint16_t place; /* this and what follows is the store's own */
    bool floating;
    uint8_t count; /* of labels */
    uint32_t pairs[];
};
_Static_assert(STORE_LABELS_MAX <= UINT8_MAX, "labels are counted in a byte");
struct label label_set_at(const struct label_set *set, size_t i);         /* text of the store's */
size_t label_set_copy(const struct label_set *set, struct label *ret);    /* set->count of them */
const char *label_set_get(const struct label_set *set, const char *name); /* NULL when absent */
/* {a="x",b="y"} with values escaped, into ret[size]; returns ret. */
char *label_set_print(const struct label_set *set, char *ret, size_t size);

struct store;
struct store_limits {
    size_t series_max;          /* 0: STORE_SERIES_MAX */
    struct duration retention;  /* samples kept at least this long; grows as programs ask */
    struct duration lookback;   /* 5m when 0 */
    struct duration future_max; /* a sample further ahead of `now` is refused; 10m when 0 */
    bool closed_windows; /* windows and the lookback hold their left end, [t - d, t], as those of
                            Prometheus 2: for tests of rules that rely on it */
    bool live; /* evaluators tick as samples come, and windows keep what they need themselves: only
                  the last STORE_LIVE_MS are kept for windows, which a reload may bring */
};
struct store *store_new(const struct store_limits *limits);
void store_free(struct store *store);

/* Interns; the labels may be in any order. name NULL or "" is none. */
const struct label_set *store_intern(struct store *store, const struct label *labels, size_t count);

/* A source is a scrape target or a host collector. It must answer every `interval`, at the latest
 * `grace` after it is due; else every series it gave within the lookback before its last answer is
 * unobserved until it answers again. */
NODISCARD enum status store_source(struct store *store, const char *name, struct duration interval,
                                   struct duration grace, uint32_t *ret_source,
                                   struct error *error);

/* Whether there is a series with this id. */
bool store_series_live(const struct store *store, uint32_t series);
/* The metric of a live series; lives as long as the store. */
const char *store_series_name(const struct store *store, uint32_t series);
/* Its labels; live until the next store_expire(). */
const struct label_set *store_series_labels(const struct store *store, uint32_t series);

/* Finds or makes; the id is valid until the next store_expire(). A duplicate from another source is
 * refused (STATUS_DENIED): the first owner keeps it. */
NODISCARD enum status store_series(struct store *store, uint32_t source, const char *name,
                                   const struct label *labels, size_t count, uint32_t *ret_series,
                                   struct error *error);

enum append {
    APPEND_OK,
    APPEND_DUPLICATE,    /* same time again; the first value stays */
    APPEND_OUT_OF_ORDER, /* older than the newest; dropped */
    APPEND_FUTURE        /* too far ahead of now; dropped */
};
enum append store_append(struct store *store, uint32_t series, struct instant now,
                         struct instant time, double value);
/* Appends samples `ms` milliseconds after `time`, in their order; a stale marker ends its series.
 */
struct store_point {
    uint32_t series;
    int32_t ms;
    double value;
};
void store_append_all(struct store *store, struct instant now, struct instant time,
                      const struct store_point *points, size_t count);
/* The series ends at `time`: the stale marker of the wire. */
void store_stale(struct store *store, uint32_t series, struct instant time);

/* A complete answer of the source: series it gave before and not in this answer are stale from
 * `time` on (a known absence). Call after the samples of the answer. */
void store_answered(struct store *store, uint32_t source, struct instant time);
/* The source gave what it has up to `time`, but nothing follows for series without a sample: it
 * sends each on its own. Its newest such time is when it answered last. */
void store_heard(struct store *store, uint32_t source, struct instant time);
/* The source failed to answer at `time`. */
void store_failed(struct store *store, uint32_t source, struct instant time);
/* True when the source's last complete answer is recent enough at `now`. */
bool store_source_observed(const struct store *store, uint32_t source, struct instant now);
/* Of the sources that ever answered, how many do not now; *ret_all is how many ever did. */
size_t store_sources_silent(const struct store *store, struct instant now, size_t *ret_all);
/* How many sources there will be; until all are known, nothing is known to be absent. */
void store_expect(struct store *store, size_t sources);
/* True when every source, and as many as are expected, has answered at least once. */
bool store_warm(const struct store *store);

/* Calls visit for each series of the metric (NULL: of all) that has a sample at `now`: its newest
 * one, not after now, within the lookback and no stale marker. With `past` for all that the store
 * has of each series up to now, oldest first. Series are in no order; false ends it. */
struct store_sample {
    const char *name;
    const struct label_set *labels;
    struct instant time;
    double value;
    bool stale; /* a stale marker; without a value */
};
typedef bool store_visit_f(void *context, const struct store_sample *sample);
void store_visit(const struct store *store, const char *name, struct instant now, bool past,
                 store_visit_f *visit, void *context);
struct store_limits store_limits_of(const struct store *store);

/* While a series is held, its id stays valid, however old its samples grow. */
void store_hold(struct store *store, uint32_t series);
void store_let_go(struct store *store, uint32_t series);

/* Forgets series without a sample for longer than retention (STORE_SILENT_KEEP_MS where the source
 * is silent), unless they are held; their slots are used again. */
void store_expire(struct store *store, struct instant now);

struct store_stats {
    size_t series, samples, sources, label_sets, strings;
    uint64_t appended, duplicate, out_of_order, future, refused, born, died;
    size_t bytes;        /* of all below, and labels */
    size_t sample_bytes; /* of these: room for samples behind their series */
    size_t column_bytes; /* of these: in memory that is reserved for all series at once */
};
struct store_stats store_stats(const struct store *store);

#endif
