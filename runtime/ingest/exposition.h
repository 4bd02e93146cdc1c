/* The Prometheus text format 0.0.4 and OpenMetrics text 1.0, one item at a time, without a copy of
 * the body.
 *
 * Every line ends in a line feed (the `# EOF` of OpenMetrics may do without), so a body that was
 * cut inside a line is refused, and a body of OpenMetrics without its `# EOF` is too. Text is
 * UTF-8. Values are decimal numbers, NaN and infinities; timestamps whole milliseconds, in
 * OpenMetrics seconds with a fraction. What Prometheus reads is read; rules that are about more
 * than one line of OpenMetrics are openmetrics_check()'s.
 *
 *     exposition_init(&exposition, EXPOSITION_TEXT, body, size, &limits);
 *     while (exposition_next(&exposition, &item, error) == STATUS_OK && item.kind) { ... }
 *
 * Set `predicted` to the mark of the key (name and labels as written) the next sample should have:
 * when it has that, the labels are not parsed again and the item says so. A scrape gives the same
 * series in the same order nearly always; that is what makes the second one cheap. */
#ifndef HEAL_RUNTIME_INGEST_EXPOSITION_H
#define HEAL_RUNTIME_INGEST_EXPOSITION_H

#include "lang/base.h"
#include "runtime/engine/series.h"
#include "runtime/ingest/lookup.h"

enum { EXPOSITION_LABELS_MAX = STORE_LABELS_MAX - 2 }; /* job and instance are added */
#define EXPOSITION_MS_MAX (INT64_MAX / NS_PER_MS / 2)  /* later times are as late as this */

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

/* 0 is the default. */
struct exposition_limits {
    size_t body_bytes;  /* 64 MiB */
    size_t line_bytes;  /* 32 KiB, a line of HELP too */
    size_t labels;      /* EXPOSITION_LABELS_MAX, and never more */
    size_t label_bytes; /* STORE_LABEL_BYTES_MAX of one name or value, and never more */
    size_t series;      /* 50,000 samples of one body */
};

struct slice {
    const char *text;
    uint32_t size;
};

/* The value is between the quotes, as written. */
struct exposition_label {
    struct slice name, value;
    bool escaped; /* the value has a backslash */
};

enum exposition_kind {
    EXPOSITION_END,
    EXPOSITION_SAMPLE,
    EXPOSITION_TYPE,
    EXPOSITION_HELP,
    EXPOSITION_UNIT
};

enum exposition_type {
    EXPOSITION_UNTYPED,
    EXPOSITION_COUNTER,
    EXPOSITION_GAUGE,
    EXPOSITION_HISTOGRAM,
    EXPOSITION_SUMMARY,
    EXPOSITION_GAUGEHISTOGRAM, /* OpenMetrics has these three too */
    EXPOSITION_INFO,
    EXPOSITION_STATESET
};

struct exposition_item {
    enum exposition_kind kind;
    struct slice key;  /* SAMPLE: name and labels as written */
    struct slice name; /* not set when predicted */
    struct slice text; /* HELP, UNIT: as written */
    enum exposition_type type;
    uint32_t line, column; /* of the name */
    bool predicted;        /* the key is the predicted one; name and labels are not set */
    bool has_time, has_exemplar;
    double value;
    struct instant time;
    double seconds;           /* OpenMetrics: the time, finer than milliseconds */
    uint32_t exemplar_points; /* code points of its names and values */
    uint32_t label_count;
    struct exposition_label labels[EXPOSITION_LABELS_MAX];
};

struct exposition {
    enum exposition_format format;
    bool ended; /* `# EOF` was read */
    const char *at, *end, *line_start;
    const char *line_end; /* its line feed */
    uint32_t line;
    size_t samples;
    struct exposition_limits limits;
    struct key_mark predicted;
    enum status refused; /* STATUS_LIMIT or STATUS_PROTOCOL once an error was given */
};

/* The body stays the caller's and must outlive the items. limits may be NULL. */
void exposition_init(struct exposition *exposition, enum exposition_format format, const char *body,
                     size_t size, const struct exposition_limits *limits);

/* The next item, EXPOSITION_END at the end. STATUS_PROTOCOL or STATUS_LIMIT with "line 3, column 7:
 * reason"; after that the same again. Comments are skipped. */
NODISCARD enum status exposition_next(struct exposition *exposition, struct exposition_item *ret,
                                      struct error *error);

/* "line L, column C: reason", for what only the caller can refuse. */
enum status exposition_refuse(struct exposition *exposition, uint32_t line, uint32_t column,
                              enum status status, struct error *error, const char *fmt, ...)
    PRINTF_LIKE(6, 7);

/* Takes \\, \" and \n out of a label value into buffer (never longer than value); returns the size.
 */
size_t exposition_unescape(struct slice value, char *buffer);

/* Name and labels of a key that exposition_next() gave, where it stands in its body. Their text is
 * the key's. */
void exposition_read_key(struct slice key, struct exposition_item *ret);

/* Reads all of text as a number of the format; false when it is none or out of range. */
NODISCARD bool exposition_number(const char *text, size_t size, double *ret_value);

const char *exposition_type_name(enum exposition_type type);

/* Whether a body follows OpenMetrics 1.0 in full: names that clash, order and grouping of samples,
 * suffixes, units, histograms, exemplars. The error has the place. For who writes an exporter; a
 * scrape takes what Prometheus takes. */
NODISCARD enum status openmetrics_check(const char *body, size_t size, struct error *error);

#endif
