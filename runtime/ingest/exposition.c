/* The parser of the Prometheus text format 0.0.4. */
#include "runtime/ingest/exposition.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/ingest/text.h"

enum {
    BODY_BYTES_DEFAULT = 64 << 20,
    LINE_BYTES_DEFAULT = 32 << 10,
    SERIES_DEFAULT = 50000,
    SHOWN_BYTES = 40 /* of foreign text in a message */
};

static size_t at_most(size_t asked, size_t most)
{
    return asked == 0 || asked > most ? most : asked;
}

void exposition_init(struct exposition *exposition, const char *body, size_t size,
                     const struct exposition_limits *limits)
{
    struct exposition_limits l = limits ? *limits : (struct exposition_limits){0};
    l.body_bytes = l.body_bytes ? l.body_bytes : BODY_BYTES_DEFAULT;
    l.line_bytes = at_most(l.line_bytes, LINE_BYTES_DEFAULT);
    l.labels = at_most(l.labels, EXPOSITION_LABELS_MAX);
    l.label_bytes = at_most(l.label_bytes, STORE_LABEL_BYTES_MAX);
    l.series = l.series ? l.series : SERIES_DEFAULT;
    *exposition = (struct exposition){
        .at = body, .end = body + size, .line_start = body, .line_end = body, .limits = l};
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

static uint32_t column_of(const struct exposition *e, const char *p)
{
    return (uint32_t)(p - e->line_start) + 1;
}

/* Refuses at p, saying what stands there. */
static enum status expected(struct exposition *e, const char *p, struct error *error,
                            const char *what)
{
    uint32_t column = column_of(e, p);
    unsigned char c = (unsigned char)*p;
    if (p == e->line_end) {
        return exposition_refuse(e, e->line, column, STATUS_PROTOCOL, error,
                                 "expected %s, found the end of the line", what);
    }
    if (c < 0x20 || c >= 0x7f) {
        return exposition_refuse(e, e->line, column, STATUS_PROTOCOL, error,
                                 "expected %s, found byte 0x%02x", what, c);
    }
    return exposition_refuse(e, e->line, column, STATUS_PROTOCOL, error, "expected %s, found '%c'",
                             what, c);
}

static enum status over(struct exposition *e, const char *p, struct error *error, const char *what,
                        size_t limit)
{
    return exposition_refuse(e, e->line, column_of(e, p), STATUS_LIMIT, error, "more than %zu %s",
                             limit, what);
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}

/* Finds the line at `at`; every loop below stops at its line feed. */
static enum status open_line(struct exposition *e, struct error *error)
{
    e->line_start = e->at;
    e->line++;
    const char *feed = memchr(e->at, '\n', (size_t)(e->end - e->at));
    if (feed == NULL) {
        size_t rest = (size_t)(e->end - e->at);
        e->line_end = e->end;
        if (rest > e->limits.line_bytes) {
            return over(e, e->at + e->limits.line_bytes, error, "bytes in a line",
                        e->limits.line_bytes);
        }
        return exposition_refuse(e, e->line, (uint32_t)rest + 1, STATUS_PROTOCOL, error,
                                 "the last line has no line feed: the body may have been cut");
    }
    e->line_end = feed;
    if ((size_t)(feed - e->at) > e->limits.line_bytes) {
        return over(e, e->at + e->limits.line_bytes, error, "bytes in a line",
                    e->limits.line_bytes);
    }
    return STATUS_OK;
}

static enum status check_utf8(struct exposition *e, struct slice slice, struct error *error)
{
    size_t bad = text_utf8_check(slice.text, slice.size);
    const char *zero = memchr(slice.text, '\0', slice.size);
    if (zero && (size_t)(zero - slice.text) < bad) {
        return exposition_refuse(e, e->line, column_of(e, zero), STATUS_PROTOCOL, error,
                                 "a zero byte is not text");
    }
    if (bad < slice.size) {
        return exposition_refuse(e, e->line, column_of(e, slice.text + bad), STATUS_PROTOCOL, error,
                                 "byte 0x%02x is not UTF-8", (unsigned char)slice.text[bad]);
    }
    return STATUS_OK;
}

/* A name from p on; colon: ':' may stand in it. */
static struct slice read_name(const char *p, bool colon)
{
    const char *start = p;
    if (text_is_name_start((unsigned char)*p) && (colon || *p != ':')) {
        do {
            p++;
        } while (text_is_name((unsigned char)*p) && (colon || *p != ':'));
    }
    return (struct slice){start, (uint32_t)(p - start)};
}

/* The text between the quotes; p is behind the first. */
static enum status read_quoted(struct exposition *e, const char **p, struct exposition_label *label,
                               struct error *error)
{
    const char *q = *p, *start = *p;
    size_t escapes = 0;
    unsigned char high = 0, low = 0xff;
    for (; *q != '"'; q++) {
        if (q == e->line_end) {
            return expected(e, q, error, "'\"'");
        }
        high |= (unsigned char)*q;
        low = (unsigned char)*q < low ? (unsigned char)*q : low;
        if (*q == '\\') {
            q++;
            if (*q != '\\' && *q != '"' && *q != 'n') {
                return expected(e, q, error, "'\\', '\"' or 'n' after a backslash");
            }
            escapes++;
        }
    }
    label->value = (struct slice){start, (uint32_t)(q - start)};
    label->escaped = escapes > 0;
    if (label->value.size - escapes > e->limits.label_bytes) {
        return over(e, start, error, "bytes in a label value", e->limits.label_bytes);
    }
    *p = q + 1;
    return high >= 0x80 || low == 0 ? check_utf8(e, label->value, error) : STATUS_OK;
}

static enum status check_label_name(struct exposition *e, const struct exposition_item *item,
                                    struct slice name, struct error *error)
{
    if (name.size == 0) {
        return expected(e, name.text, error, "a label name or '}'");
    }
    if (name.size > e->limits.label_bytes) {
        return over(e, name.text, error, "bytes in a label name", e->limits.label_bytes);
    }
    if (name.size == 8 && memcmp(name.text, "__name__", 8) == 0) {
        return exposition_refuse(e, e->line, column_of(e, name.text), STATUS_PROTOCOL, error,
                                 "the label '__name__' is not for exporters");
    }
    for (uint32_t i = 0; i < item->label_count; i++) {
        if (item->labels[i].name.size == name.size &&
            memcmp(item->labels[i].name.text, name.text, name.size) == 0) {
            int shown = name.size < SHOWN_BYTES ? (int)name.size : SHOWN_BYTES;
            return exposition_refuse(e, e->line, column_of(e, name.text), STATUS_PROTOCOL, error,
                                     "the label '%.*s' is there twice", shown, name.text);
        }
    }
    if (item->label_count == e->limits.labels) {
        return over(e, name.text, error, "labels", e->limits.labels);
    }
    return STATUS_OK;
}

/* name="value", with blanks around the tokens. */
static enum status read_label(struct exposition *e, const char **p, struct exposition_item *item,
                              struct error *error)
{
    struct exposition_label *label = &item->labels[item->label_count];
    struct slice name = read_name(*p, false);
    TRY(check_label_name(e, item, name, error));
    label->name = name;
    *p = skip_blanks(name.text + name.size);
    if (**p != '=') {
        return expected(e, *p, error, "'='");
    }
    *p = skip_blanks(*p + 1);
    if (**p != '"') {
        return expected(e, *p, error, "'\"'");
    }
    (*p)++;
    TRY(read_quoted(e, p, label, error));
    item->label_count++;
    *p = skip_blanks(*p);
    return STATUS_OK;
}

/* What stands between the braces; p is behind the first. A comma may end the list. */
static enum status read_labels(struct exposition *e, const char **p, struct exposition_item *item,
                               struct error *error)
{
    *p = skip_blanks(*p);
    while (**p != '}') {
        TRY(read_label(e, p, item, error));
        if (**p == ',') {
            *p = skip_blanks(*p + 1);
        } else if (**p != '}') {
            return expected(e, *p, error, "',' or '}'");
        }
    }
    (*p)++;
    return STATUS_OK;
}

static enum status read_key(struct exposition *e, const char **p, struct exposition_item *item,
                            struct error *error)
{
    item->name = read_name(*p, true);
    if (item->name.size == 0) {
        return expected(e, *p, error, "a metric name or '#'");
    }
    if (item->name.size > e->limits.label_bytes) {
        return over(e, *p, error, "bytes in a metric name", e->limits.label_bytes);
    }
    const char *start = *p, *key_end = *p + item->name.size;
    *p = skip_blanks(key_end);
    if (**p == '{') {
        (*p)++;
        TRY(read_labels(e, p, item, error));
        key_end = *p;
    } else if (*p == key_end) {
        return expected(e, *p, error, "a blank, '{' or more of the name");
    }
    item->key = (struct slice){start, (uint32_t)(key_end - start)};
    return STATUS_OK;
}

static const char *word_end(const struct exposition *e, const char *p)
{
    while (p < e->line_end && *p != ' ' && *p != '\t') {
        p++;
    }
    return p;
}

/* Milliseconds, within what nanoseconds in 64 bits can say. */
static bool read_time(const char *p, const char *end, struct instant *ret_time)
{
    bool negative = *p == '-';
    int64_t ms = 0;
    p += negative;
    if (p == end) {
        return false;
    }
    for (; p < end; p++) {
        if (*p < '0' || *p > '9' || ms > INT64_MAX / NS_PER_MS / 10 - 1) {
            return false;
        }
        ms = ms * 10 + (*p - '0');
    }
    ret_time->ns = (negative ? -ms : ms) * NS_PER_MS;
    return true;
}

static enum status read_value(struct exposition *e, const char *p, struct exposition_item *item,
                              struct error *error)
{
    p = skip_blanks(p);
    const char *end = word_end(e, p);
    if (end == p) {
        return expected(e, p, error, "a value");
    }
    if (!exposition_number(p, (size_t)(end - p), &item->value)) {
        return expected(e, p, error, "a number within range, NaN, +Inf or -Inf");
    }
    p = skip_blanks(end);
    item->has_time = p < e->line_end;
    if (item->has_time) {
        end = word_end(e, p);
        if (!read_time(p, end, &item->time)) {
            return expected(e, p, error, "a timestamp in milliseconds");
        }
        p = skip_blanks(end);
    }
    return p == e->line_end ? STATUS_OK : expected(e, p, error, "the end of the line");
}

/* The key of the line is the predicted one, and the key ends where the predicted one does. */
static bool has_predicted(const struct exposition *e, const char *p)
{
    struct slice key = e->predicted;
    if (key.size == 0 || (size_t)(e->line_end - p) <= key.size ||
        memcmp(p, key.text, key.size) != 0) {
        return false;
    }
    const char *behind = p + key.size;
    return key.text[key.size - 1] == '}' ||
           ((*behind == ' ' || *behind == '\t') && *skip_blanks(behind) != '{');
}

static enum status read_sample(struct exposition *e, const char *p, struct exposition_item *item,
                               struct error *error)
{
    item->kind = EXPOSITION_SAMPLE;
    item->line = e->line;
    item->column = column_of(e, p);
    item->label_count = 0;
    if (++e->samples > e->limits.series) {
        return over(e, p, error, "series in one answer", e->limits.series);
    }
    item->predicted = has_predicted(e, p);
    if (item->predicted) {
        item->key = (struct slice){p, e->predicted.size};
        p += e->predicted.size;
    } else {
        TRY(read_key(e, &p, item, error));
    }
    return read_value(e, p, item, error);
}

static const char *const type_names[] = {[EXPOSITION_UNTYPED] = "untyped",
                                         [EXPOSITION_COUNTER] = "counter",
                                         [EXPOSITION_GAUGE] = "gauge",
                                         [EXPOSITION_HISTOGRAM] = "histogram",
                                         [EXPOSITION_SUMMARY] = "summary"};

const char *exposition_type_name(enum exposition_type type)
{
    return type_names[type];
}

static bool slice_is(struct slice slice, const char *word)
{
    return strlen(word) == slice.size && memcmp(slice.text, word, slice.size) == 0;
}

static enum status read_type(struct exposition *e, const char *p, struct exposition_item *item,
                             struct error *error)
{
    const char *end = word_end(e, p);
    struct slice word = {p, (uint32_t)(end - p)};
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++) {
        if (slice_is(word, type_names[i]) || (i == 0 && slice_is(word, "unknown"))) {
            item->type = (enum exposition_type)i;
            const char *rest = skip_blanks(end);
            return rest == e->line_end ? STATUS_OK
                                       : expected(e, rest, error, "the end of the line");
        }
    }
    return expected(e, p, error, "counter, gauge, histogram, summary or untyped");
}

/* A comment, unless its first word says otherwise. kind is EXPOSITION_END for a comment. */
static enum status read_comment(struct exposition *e, const char *p, struct exposition_item *item,
                                struct error *error)
{
    p = skip_blanks(p + 1);
    const char *end = word_end(e, p);
    struct slice word = {p, (uint32_t)(end - p)};
    item->kind = slice_is(word, "TYPE")   ? EXPOSITION_TYPE
                 : slice_is(word, "HELP") ? EXPOSITION_HELP
                 : slice_is(word, "UNIT") ? EXPOSITION_UNIT
                                          : EXPOSITION_END;
    p = skip_blanks(end);
    if (item->kind == EXPOSITION_END) {
        return check_utf8(e, (struct slice){e->line_start, (uint32_t)(e->line_end - e->line_start)},
                          error);
    }
    item->line = e->line;
    item->column = column_of(e, p);
    item->name = read_name(p, true);
    if (item->name.size == 0) {
        return expected(e, p, error, "a metric name");
    }
    end = p + item->name.size;
    p = skip_blanks(end);
    if (p == end && p != e->line_end) {
        return expected(e, p, error, "a blank after the metric name");
    }
    if (item->kind == EXPOSITION_TYPE) {
        return read_type(e, p, item, error);
    }
    item->text = (struct slice){p, (uint32_t)(e->line_end - p)};
    return check_utf8(e, item->text, error);
}

/* One line; kind stays EXPOSITION_END when it holds no item. */
static enum status read_line(struct exposition *e, struct exposition_item *item,
                             struct error *error)
{
    TRY(open_line(e, error));
    const char *p = skip_blanks(e->at);
    if (p == e->line_end) {
        return STATUS_OK;
    }
    return *p == '#' ? read_comment(e, p, item, error) : read_sample(e, p, item, error);
}

enum status exposition_next(struct exposition *e, struct exposition_item *ret, struct error *error)
{
    ret->kind = EXPOSITION_END;
    if (e->refused != STATUS_OK) {
        return error_set(error, e->refused, "the body was refused before");
    }
    if (e->line == 0 && (size_t)(e->end - e->at) > e->limits.body_bytes) {
        return exposition_refuse(e, 1, 1, STATUS_LIMIT, error, "more than %zu bytes in one answer",
                                 e->limits.body_bytes);
    }
    while (ret->kind == EXPOSITION_END && e->at < e->end) {
        TRY(read_line(e, ret, error));
        e->at = e->line_end + 1;
    }
    return STATUS_OK;
}

size_t exposition_unescape(struct slice value, char *buffer)
{
    size_t used = 0;
    for (uint32_t i = 0; i < value.size; i++) {
        char c = value.text[i];
        if (c == '\\') {
            c = value.text[++i];
            c = c == 'n' ? '\n' : c;
        }
        buffer[used++] = c;
    }
    return used;
}
