/* Unit tests of rules, as promtool reads them.
 *
 *     struct unit_file *file = unit_file_read(&arena, path, text, length, &report);
 *     for (test in file->tests) ...
 *     unit_file_rules(&arena, file, &rules, &report);       // the rule files, globs expanded
 *
 * A wrong file is a report and NULL. What heal has nothing for (native histograms) is read, and
 * named in `refused` of its test. */
#ifndef HEAL_COMPILER_RULES_UNIT_FILE_H
#define HEAL_COMPILER_RULES_UNIT_FILE_H

#include "compiler/rules/document.h"

enum {
    UNIT_RUNS_MAX = 100000, /* of one series: what stands between blanks */
    UNIT_REPEAT_MAX = 1000000000,
    UNIT_ITEMS_MAX = 10000, /* of one list */
    UNIT_RULE_FILES_MAX = 1000
};

struct unit_label {
    const char *name, *value; /* __name__ is one */
    struct unit_label *next;
};

enum unit_kind { UNIT_VALUE, UNIT_OMITTED, UNIT_STALE };
/* 0+10x3: four values, each a step from the one before. */
struct unit_run {
    enum unit_kind kind;
    double value, step;
    size_t count;
};

struct unit_series {
    struct unit_label *labels;
    struct unit_run *runs; /* one value each interval, from the start on */
    size_t run_count;
    struct unit_series *next;
};

/* Goes over the values of a series; {series} is its beginning. False behind the last. A step is
 * added to the value before it, so that values are rounded as promtool rounds them. */
struct unit_cursor {
    const struct unit_series *series;
    size_t run, at;
    double value;
};
bool unit_next(struct unit_cursor *cursor, enum unit_kind *ret_kind, double *ret_value);

struct unit_alert {
    struct unit_label *labels, *annotations; /* without alertname */
    struct unit_alert *next;
};
struct unit_alert_case {
    struct rules_place place;
    int64_t eval_ms;
    const char *alertname;
    struct unit_alert *alerts; /* exactly these fire */
    struct unit_alert_case *next;
};

struct unit_sample {
    struct unit_label *labels;
    double value;
    struct unit_sample *next;
};
struct unit_expr_case {
    struct rules_place place;
    int64_t eval_ms;
    const char *expr;
    struct unit_sample *samples;
    const char *refused; /* why heal cannot judge it; NULL */
    struct unit_expr_case *next;
};

struct unit_test {
    struct rules_place place;
    const char *name; /* NULL: none */
    const char *external_url;
    int64_t interval_ms, start_ms;
    struct unit_label *external;
    struct unit_series *series;
    struct unit_alert_case *alert_cases;
    struct unit_expr_case *expr_cases;
    const char *refused; /* why heal cannot run it; NULL */
    struct unit_test *next;
};

struct unit_word {
    const char *text;
    struct rules_place place;
    struct unit_word *next;
};
struct unit_file {
    const char *path;
    int64_t evaluation_ms;
    bool fuzzy;
    struct unit_word *rule_files, *group_order;
    struct unit_test *tests;
};

struct unit_file *unit_file_read(struct arena *arena, const char *path, const char *text,
                                 size_t length, struct rules_report *report);

/* Paths of the rule files, relative to that of the test, in order. A pattern without a match is a
 * report. */
bool unit_file_rules(struct arena *arena, const struct unit_file *file, struct unit_word **ret,
                     struct rules_report *report);

/* 1 2 _ stale 0+10x5 -1.5x3 to runs on the heap, which the caller frees; false with the reason in
 * error. STATUS_DENIED: histograms. */
NODISCARD enum status unit_runs(const char *text, struct unit_run **ret, size_t *ret_count,
                                struct error *error);
/* metric{a="b"} to labels of the arena, sorted by name. */
NODISCARD enum status unit_labels(struct arena *arena, const char *text, struct unit_label **ret,
                                  struct error *error);

#endif
