/* Prometheus' test scripts: data, and expressions with what they must give.
 *
 *     struct script *script = script_open("DIR/promql/functions.test");
 *     while (script_next(script, &item)) { ... }
 *     script_free(script);
 *
 * The format is that of promql/README.md of the conformance folder. Series with histograms are left
 * out of the data. */
#ifndef HEAL_TESTS_CONFORMANCE_SCRIPT_H
#define HEAL_TESTS_CONFORMANCE_SCRIPT_H

#include "lang/ast.h"
#include "runtime/engine/series.h"

enum { SCRIPT_SAMPLES_MAX = 1 << 20, SCRIPT_EXPECTED_MAX = 4096 };

/* One sample, or none. */
struct script_point {
    double value;
    bool present, stale;
};
struct script_series {
    const char *name; /* or NULL */
    struct label labels[STORE_LABELS_MAX];
    size_t label_count;
    struct script_point *points;
    size_t count;
    bool strange; /* a histogram, or what the language here does not have */
};

enum script_kind { SCRIPT_LOAD, SCRIPT_CLEAR, SCRIPT_INSTANT, SCRIPT_RANGE };
struct script_item {
    enum script_kind kind;
    size_t line;              /* from 1 */
    int64_t step_ms;          /* LOAD, RANGE */
    int64_t start_ms, end_ms; /* INSTANT: both */
    const char *expr;
    struct script_series *series; /* loaded, or expected */
    size_t series_count;
    bool fails, ordered, is_scalar, is_string, is_range;
    double scalar;
    const char *string;
    int64_t range_start_ms, range_end_ms, range_step_ms; /* of an expected range vector */
};

struct script;
struct script *script_open(const char *path); /* NULL when it cannot be read */
void script_free(struct script *script);
/* All of the item lives until the next call. */
bool script_next(struct script *script, struct script_item *ret);

/* name{label="value"} and a sequence behind it. False when it is none of that. */
bool script_series_read(struct arena *arena, const char *text, struct script_series *ret);
/* 1h30m, 90s, 90; false when it is none. */
bool script_duration(const char *text, int64_t *ret_ms);
/* Appends the samples of one series, the first at start_ms. */
bool script_series_load(struct store *store, uint32_t source, const struct script_series *series,
                        int64_t start_ms, int64_t step_ms);
/* Parsed and checked as healc eval does; NULL with the first report in reason. */
struct expr *script_expr(struct arena *arena, const char *text, char *reason, size_t size);
/* Whether it is parsed at all. */
bool script_syntax(struct arena *arena, const char *text, char *reason, size_t size);

#endif
