/* The parser of the Prometheus text format 0.0.4, and what both formats begin with. */
#include "runtime/ingest/exposition.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/ingest/exposition_part.h"

enum {
    BODY_BYTES_DEFAULT = 64 << 20,
    LINE_BYTES_DEFAULT = 32 << 10,
    SERIES_DEFAULT = 50000,
};

static size_t at_most(size_t asked, size_t most)
{
    return asked == 0 || asked > most ? most : asked;
}

void exposition_init(struct exposition *exposition, enum exposition_format format, const char *body,
                     size_t size, const struct exposition_limits *limits)
{
    struct exposition_limits l = limits ? *limits : (struct exposition_limits){0};
    l.body_bytes = l.body_bytes ? l.body_bytes : BODY_BYTES_DEFAULT;
    l.line_bytes = at_most(l.line_bytes, LINE_BYTES_DEFAULT);
    l.labels = at_most(l.labels, EXPOSITION_LABELS_MAX);
    l.label_bytes = at_most(l.label_bytes, STORE_LABEL_BYTES_MAX);
    l.series = l.series ? l.series : SERIES_DEFAULT;
    *exposition = (struct exposition){.format = format,
                                      .at = body,
                                      .end = body + size,
                                      .line_start = body,
                                      .line_end = body,
                                      .limits = l};
}

enum status exposition_refuse(struct exposition *exposition, uint32_t line, uint32_t column,
                              enum status status, struct error *error, const char *fmt, ...)
{
    char reason[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    exposition->refused = status;
    return error_set(error, status, "line %u, column %u: %s", line, column, reason);
}

/* Milliseconds. What nanoseconds in 64 bits cannot say is as far away as they can. */
static bool read_time(const char *p, const char *end, struct instant *ret_time)
{
    bool negative = *p == '-';
    int64_t ms = 0;
    p += negative;
    if (p == end) {
        return false;
    }
    for (; p < end; p++) {
        if (*p < '0' || *p > '9') {
            return false;
        }
        ms = ms > EXPOSITION_MS_MAX / 10 ? EXPOSITION_MS_MAX : ms * 10 + (*p - '0');
    }
    ms = ms > EXPOSITION_MS_MAX ? EXPOSITION_MS_MAX : ms;
    ret_time->ns = (negative ? -ms : ms) * NS_PER_MS;
    return true;
}

static enum status read_value(struct exposition *e, const char *p, struct exposition_item *item,
                              struct error *error)
{
    p = skip_blanks(p);
    const char *end = exposition_word_end(e, p);
    if (end == p) {
        return exposition_expected(e, p, error, "a value");
    }
    if (!exposition_number(p, (size_t)(end - p), &item->value)) {
        return exposition_expected(e, p, error, "a number within range, NaN, +Inf or -Inf");
    }
    p = skip_blanks(end);
    item->has_time = p < e->line_end;
    if (item->has_time) {
        end = exposition_word_end(e, p);
        if (!read_time(p, end, &item->time)) {
            return exposition_expected(e, p, error, "a timestamp in milliseconds");
        }
        p = skip_blanks(end);
    }
    return p == e->line_end ? STATUS_OK : exposition_expected(e, p, error, "the end of the line");
}

/* The first is what stands for no type at all; text 0.0.4 knows the first five. */
static const char *const type_names[] = {
    [EXPOSITION_UNTYPED] = "untyped", [EXPOSITION_COUNTER] = "counter",
    [EXPOSITION_GAUGE] = "gauge",     [EXPOSITION_HISTOGRAM] = "histogram",
    [EXPOSITION_SUMMARY] = "summary", [EXPOSITION_GAUGEHISTOGRAM] = "gaugehistogram",
    [EXPOSITION_INFO] = "info",       [EXPOSITION_STATESET] = "stateset"};

const char *exposition_type_name(enum exposition_type type)
{
    return type_names[type];
}

bool exposition_type_find(enum exposition_format format, struct slice word,
                          enum exposition_type *ret_type)
{
    bool text = format == EXPOSITION_TEXT;
    size_t count = text ? EXPOSITION_SUMMARY + 1 : ARRAY_LEN(type_names);
    *ret_type = EXPOSITION_UNTYPED;
    if (slice_is(word, "unknown")) {
        return true;
    }
    for (size_t i = text ? 0 : 1; i < count; i++) {
        if (slice_is(word, type_names[i])) {
            *ret_type = (enum exposition_type)i;
            return true;
        }
    }
    return false;
}

static enum status read_type(struct exposition *e, const char *p, struct exposition_item *item,
                             struct error *error)
{
    const char *end = exposition_word_end(e, p);
    if (!exposition_type_find(EXPOSITION_TEXT, (struct slice){p, (uint32_t)(end - p)},
                              &item->type)) {
        return exposition_expected(e, p, error, "counter, gauge, histogram, summary or untyped");
    }
    p = skip_blanks(end);
    return p == e->line_end ? STATUS_OK : exposition_expected(e, p, error, "the end of the line");
}

/* A comment, unless its first word says otherwise. kind is EXPOSITION_END for a comment. */
static enum status read_comment(struct exposition *e, const char *p, struct exposition_item *item,
                                struct error *error)
{
    const char *start = skip_blanks(p + 1);
    const char *end = exposition_word_end(e, start);
    struct slice word = {start, (uint32_t)(end - start)};
    if (start == p + 1 || (!slice_is(word, "TYPE") && !slice_is(word, "HELP"))) {
        return STATUS_OK;
    }
    item->kind = slice_is(word, "TYPE") ? EXPOSITION_TYPE : EXPOSITION_HELP;
    p = skip_blanks(end);
    item->line = e->line;
    item->column = column_of(e, p);
    item->name = exposition_name(p, true);
    if (item->name.size == 0) {
        return exposition_expected(e, p, error, "a metric name");
    }
    end = p + item->name.size;
    p = skip_blanks(end);
    if (p == end && p != e->line_end) {
        return exposition_expected(e, p, error, "a blank after the metric name");
    }
    if (item->kind == EXPOSITION_TYPE) {
        return read_type(e, p, item, error);
    }
    item->text = (struct slice){p, (uint32_t)(e->line_end - p)};
    return exposition_check_utf8(e, item->text, error);
}

/* One line; kind stays EXPOSITION_END when it holds no item. */
static enum status read_line(struct exposition *e, struct exposition_item *item,
                             struct error *error)
{
    TRY(exposition_open_line(e, error));
    const char *p = skip_blanks(e->at);
    if (p == e->line_end) {
        return STATUS_OK;
    }
    if (*p == '#') {
        return read_comment(e, p, item, error);
    }
    TRY(exposition_start(e, &p, item, error));
    return read_value(e, p, item, error);
}

enum status exposition_next(struct exposition *e, struct exposition_item *ret, struct error *error)
{
    ret->kind = EXPOSITION_END;
    if (e->refused != STATUS_OK) {
        return error_set(error, e->refused, "the body was refused before");
    }
    if (e->line > 0 && exposition_usual(e, ret)) {
        return STATUS_OK;
    }
    if (e->line == 0 && (size_t)(e->end - e->at) > e->limits.body_bytes) {
        return exposition_refuse(e, 1, 1, STATUS_LIMIT, error, "more than %zu bytes in one answer",
                                 e->limits.body_bytes);
    }
    if (e->format == EXPOSITION_OPENMETRICS) {
        return openmetrics_line(e, ret, error);
    }
    while (ret->kind == EXPOSITION_END && e->at < e->end) {
        TRY(read_line(e, ret, error));
        e->at = e->line_end + 1;
    }
    return STATUS_OK;
}
