/* Names and labels as both text formats have them, and how a line is refused. */
#include <stdio.h>
#include <string.h>

#include "runtime/ingest/exposition_part.h"
#include "runtime/ingest/text.h"

enum { SHOWN_BYTES = 40 /* of foreign text in a message */ };

bool slice_is(struct slice slice, const char *word)
{
    return strlen(word) == slice.size && memcmp(slice.text, word, slice.size) == 0;
}

enum status exposition_expected(struct exposition *e, const char *p, struct error *error,
                                const char *what)
{
    uint32_t column = column_of(e, p);
    if (p == e->line_end) {
        return exposition_refuse(e, e->line, column, STATUS_PROTOCOL, error,
                                 "expected %s, found the end of the line", what);
    }
    unsigned char c = (unsigned char)*p;
    if (c < 0x20 || c >= 0x7f) {
        return exposition_refuse(e, e->line, column, STATUS_PROTOCOL, error,
                                 "expected %s, found byte 0x%02x", what, c);
    }
    return exposition_refuse(e, e->line, column, STATUS_PROTOCOL, error, "expected %s, found '%c'",
                             what, c);
}

enum status exposition_over(struct exposition *e, const char *p, struct error *error,
                            const char *what, size_t limit)
{
    return exposition_refuse(e, e->line, column_of(e, p), STATUS_LIMIT, error, "more than %zu %s",
                             limit, what);
}

enum status exposition_open_line(struct exposition *e, struct error *error)
{
    e->line_start = e->at;
    e->line++;
    size_t rest = (size_t)(e->end - e->at);
    const char *feed = memchr(e->at, '\n', rest);
    e->line_end = feed ? feed : e->end;
    if ((size_t)(e->line_end - e->at) > e->limits.line_bytes) {
        return exposition_over(e, e->at + e->limits.line_bytes, error, "bytes in a line",
                               e->limits.line_bytes);
    }
    if (feed == NULL) {
        return exposition_refuse(e, e->line, (uint32_t)rest + 1, STATUS_PROTOCOL, error,
                                 "the last line has no line feed: the body may have been cut");
    }
    return STATUS_OK;
}

enum status exposition_check_utf8(struct exposition *e, struct slice slice, struct error *error)
{
    size_t bad = text_utf8_check(slice.text, slice.size);
    if (bad < slice.size) {
        return exposition_refuse(e, e->line, column_of(e, slice.text + bad), STATUS_PROTOCOL, error,
                                 "byte 0x%02x is not UTF-8", (unsigned char)slice.text[bad]);
    }
    return STATUS_OK;
}

const char *exposition_word_end(const struct exposition *e, const char *p)
{
    while (p < e->line_end && *p != ' ' && *p != '\t') {
        p++;
    }
    return p;
}

struct slice exposition_name(const char *p, bool colon)
{
    const char *start = p;
    if (text_is_name_start((unsigned char)*p) && (colon || *p != ':')) {
        do {
            p++;
        } while (text_is_name((unsigned char)*p) && (colon || *p != ':'));
    }
    return (struct slice){start, (uint32_t)(p - start)};
}

/* OpenMetrics has no blanks around tokens. */
static const char *skip(const struct exposition *e, const char *p)
{
    return e->format == EXPOSITION_OPENMETRICS ? p : skip_blanks(p);
}

/* The text between the quotes; p is behind the first. A backslash before any other byte stays as
 * it is. */
static enum status read_quoted(struct exposition *e, const char **p, struct exposition_label *label,
                               struct error *error)
{
    const char *q = *p, *start = *p;
    size_t escapes = 0;
    unsigned char high = 0, low = 0xff;
    for (; *q != '"' && q != e->line_end; q++) {
        if (*q == '\\') {
            q++;
            escapes += *q == '\\' || *q == '"' || *q == 'n';
            label->escaped = true;
            if (q == e->line_end) {
                break;
            }
        }
        high |= (unsigned char)*q;
        low = (unsigned char)*q < low ? (unsigned char)*q : low;
    }
    if (q == e->line_end) {
        return exposition_expected(e, q, error, "'\"'");
    }
    label->value = (struct slice){start, (uint32_t)(q - start)};
    if (label->value.size - escapes > e->limits.label_bytes) {
        return exposition_over(e, start, error, "bytes in a label value", e->limits.label_bytes);
    }
    *p = q + 1;
    if (low == 0) {
        return exposition_refuse(e, e->line, column_of(e, memchr(start, '\0', label->value.size)),
                                 STATUS_PROTOCOL, error,
                                 "a zero byte is not taken in a label value");
    }
    return high >= 0x80 ? exposition_check_utf8(e, label->value, error) : STATUS_OK;
}

static enum status check_label_name(struct exposition *e, const struct exposition_item *item,
                                    struct slice name, struct error *error)
{
    if (name.size == 0) {
        return exposition_expected(e, name.text, error, "a label name or '}'");
    }
    if (name.size > e->limits.label_bytes) {
        return exposition_over(e, name.text, error, "bytes in a label name", e->limits.label_bytes);
    }
    if (slice_is(name, "__name__")) {
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
        return exposition_over(e, name.text, error, "labels", e->limits.labels);
    }
    return STATUS_OK;
}

/* name="value" */
static enum status read_label(struct exposition *e, const char **p, struct exposition_item *item,
                              struct error *error)
{
    struct exposition_label *label = &item->labels[item->label_count];
    struct slice name = exposition_name(*p, false);
    TRY(check_label_name(e, item, name, error));
    label->name = name;
    label->escaped = false;
    *p = skip(e, name.text + name.size);
    if (**p != '=') {
        return exposition_expected(e, *p, error, "'='");
    }
    *p = skip(e, *p + 1);
    if (**p != '"') {
        return exposition_expected(e, *p, error, "'\"'");
    }
    (*p)++;
    TRY(read_quoted(e, p, label, error));
    item->label_count++;
    *p = skip(e, *p);
    return STATUS_OK;
}

enum status exposition_labels(struct exposition *e, const char **p, struct exposition_item *item,
                              struct error *error)
{
    bool last_comma = e->format == EXPOSITION_TEXT;
    *p = skip(e, *p);
    while (**p != '}') {
        TRY(read_label(e, p, item, error));
        if (**p == ',') {
            *p = skip(e, *p + 1);
            if (**p == '}' && !last_comma) {
                return exposition_expected(e, *p, error, "a label name");
            }
        } else if (**p != '}') {
            return exposition_expected(e, *p, error, "',' or '}'");
        }
    }
    (*p)++;
    return STATUS_OK;
}

static enum status read_key(struct exposition *e, const char **p, struct exposition_item *item,
                            struct error *error)
{
    item->name = exposition_name(*p, true);
    if (item->name.size == 0) {
        return exposition_expected(e, *p, error, "a metric name or '#'");
    }
    if (item->name.size > e->limits.label_bytes) {
        return exposition_over(e, *p, error, "bytes in a metric name", e->limits.label_bytes);
    }
    const char *start = *p, *key_end = *p + item->name.size;
    *p = skip(e, key_end);
    if (**p == '{') {
        (*p)++;
        TRY(exposition_labels(e, p, item, error));
        key_end = *p;
    } else if (*key_end != ' ' && *key_end != '\t' && *key_end != '\n') {
        return exposition_expected(e, *p, error, "a blank, '{' or more of the name");
    }
    item->key = (struct slice){start, (uint32_t)(key_end - start)};
    return STATUS_OK;
}

/* The key of the line is the predicted one, and the key ends where the predicted one does. */
static bool has_predicted(const struct exposition *e, const char *p)
{
    const uint32_t size = e->predicted.size;
    if (size == 0 || (size_t)(e->line_end - p) <= size || !key_mark_is(&e->predicted, p)) {
        return false;
    }
    const char *behind = p + size;
    return behind[-1] == '}' ||
           ((*behind == ' ' || *behind == '\t') && *skip_blanks(behind) != '{');
}

enum status exposition_start(struct exposition *e, const char **p, struct exposition_item *item,
                             struct error *error)
{
    item->kind = EXPOSITION_SAMPLE;
    item->line = e->line;
    item->column = column_of(e, *p);
    item->label_count = 0;
    if (++e->samples > e->limits.series) {
        return exposition_over(e, *p, error, "series in one answer", e->limits.series);
    }
    item->predicted = has_predicted(e, *p);
    if (!item->predicted) {
        return read_key(e, p, item, error);
    }
    item->key = (struct slice){*p, e->predicted.size};
    *p += e->predicted.size;
    return STATUS_OK;
}

void exposition_read_key(struct slice key, struct exposition_item *ret)
{
    struct exposition e;
    struct error error;
    const char *p = key.text;
    exposition_init(&e, EXPOSITION_TEXT, key.text, key.size, NULL);
    e.line_end = rawmemchr(key.text + key.size, '\n');
    ret->label_count = 0;
    CHECK(read_key(&e, &p, ret, &error) == STATUS_OK);
}

size_t exposition_unescape(struct slice value, char *buffer)
{
    size_t used = 0;
    for (uint32_t i = 0; i < value.size; i++) {
        char c = value.text[i];
        if (c == '\\') { /* the value does not end in one */
            char next = value.text[i + 1];
            if (next == '\\' || next == '"' || next == 'n') {
                c = next == 'n' ? '\n' : next;
                i++;
            }
        }
        buffer[used++] = c;
    }
    return used;
}
