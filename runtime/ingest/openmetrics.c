/* Lines of OpenMetrics text 1.0: one blank between tokens and none elsewhere. */
#include <math.h>
#include <string.h>

#include "runtime/ingest/exposition_part.h"

static const char *word_end(const struct exposition *e, const char *p)
{
    while (p < e->line_end && *p != ' ') {
        p++;
    }
    return p;
}

/* Seconds, cut off to milliseconds as Prometheus does. */
static bool read_seconds(const char *p, const char *end, double *ret_seconds,
                         struct instant *ret_time)
{
    if (!exposition_number(p, (size_t)(end - p), ret_seconds) || !isfinite(*ret_seconds)) {
        return false;
    }
    double ms = *ret_seconds * 1000, most = (double)EXPOSITION_MS_MAX;
    ms = ms > most ? most : ms < -most ? -most : ms;
    ret_time->ns = (int64_t)ms * NS_PER_MS;
    return true;
}

/* A number, and behind a blank perhaps a timestamp; *p is then behind both. */
static enum status read_point(struct exposition *e, const char **p, double *ret_value,
                              struct error *error)
{
    const char *end = word_end(e, *p);
    if (!exposition_number(*p, (size_t)(end - *p), ret_value)) {
        return exposition_expected(e, *p, error, "a number within range, NaN, +Inf or -Inf");
    }
    *p = end;
    return STATUS_OK;
}

static uint32_t code_points(struct slice text)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < text.size; i++) {
        count += ((unsigned char)text.text[i] & 0xc0) != 0x80;
    }
    return count;
}

/* Its escapes count as what they stand for. */
static uint32_t value_points(const struct exposition_label *label)
{
    char plain[STORE_LABEL_BYTES_MAX * 2];
    struct slice value = label->value;
    if (label->escaped && value.size <= sizeof plain) {
        value = (struct slice){plain, (uint32_t)exposition_unescape(label->value, plain)};
    }
    return code_points(value);
}

/* {labels} value [timestamp] up to the end of the line; p is at the brace. */
static enum status read_exemplar(struct exposition *e, const char *p, struct exposition_item *item,
                                 struct error *error)
{
    struct exposition_item exemplar;
    exemplar.label_count = 0;
    if (*p != '{') {
        return exposition_expected(e, p, error, "'{'");
    }
    p++;
    TRY(exposition_labels(e, &p, &exemplar, error));
    if (*p != ' ') {
        return exposition_expected(e, p, error, "a blank");
    }
    p++;
    TRY(read_point(e, &p, &exemplar.value, error));
    if (*p == ' ') {
        const char *end = word_end(e, ++p);
        if (!read_seconds(p, end, &exemplar.seconds, &exemplar.time)) {
            return exposition_expected(e, p, error, "a timestamp in seconds");
        }
        p = end;
    }
    item->has_exemplar = true;
    item->exemplar_points = 0;
    for (uint32_t i = 0; i < exemplar.label_count; i++) {
        item->exemplar_points +=
            code_points(exemplar.labels[i].name) + value_points(&exemplar.labels[i]);
    }
    return p == e->line_end ? STATUS_OK : exposition_expected(e, p, error, "the end of the line");
}

/* What follows the value: [ timestamp][ # exemplar]. */
static enum status read_rest(struct exposition *e, const char *p, struct exposition_item *item,
                             struct error *error)
{
    if (*p == ' ' && p[1] != '#') {
        const char *end = word_end(e, ++p);
        if (!read_seconds(p, end, &item->seconds, &item->time)) {
            return exposition_expected(e, p, error, "a timestamp in seconds");
        }
        item->has_time = true;
        p = end;
    }
    if (p == e->line_end) {
        return STATUS_OK;
    }
    if (*p != ' ' || p[1] != '#' || p[2] != ' ') {
        return exposition_expected(e, *p == ' ' ? p + 1 : p, error, "' # ' or the end of the line");
    }
    return read_exemplar(e, p + 3, item, error);
}

static enum status read_sample(struct exposition *e, const char *p, struct exposition_item *item,
                               struct error *error)
{
    item->has_time = item->has_exemplar = false;
    TRY(exposition_start(e, &p, item, error));
    if (*p != ' ') {
        return exposition_expected(e, p, error, "a blank");
    }
    p++;
    TRY(read_point(e, &p, &item->value, error));
    return p == e->line_end ? STATUS_OK : read_rest(e, p, item, error);
}

/* "# WORD name text" */
static enum status read_metadata(struct exposition *e, const char *p, struct exposition_item *item,
                                 struct error *error)
{
    static const char *const words[] = {"# TYPE ", "# HELP ", "# UNIT "};
    static const enum exposition_kind kinds[] = {EXPOSITION_TYPE, EXPOSITION_HELP, EXPOSITION_UNIT};
    size_t at = 0, word = strlen(words[0]);
    while (at < ARRAY_LEN(words) && strncmp(p, words[at], word) != 0) {
        at++;
    }
    if (at == ARRAY_LEN(words)) {
        return exposition_expected(e, p, error, "'# TYPE ', '# HELP ', '# UNIT ' or '# EOF'");
    }
    p += word;
    item->line = e->line;
    item->column = column_of(e, p);
    item->name = exposition_name(p, true);
    p += item->name.size;
    if (item->name.size == 0 || *p != ' ') {
        return exposition_expected(e, p, error, item->name.size ? "a blank" : "a metric name");
    }
    p++;
    item->text = (struct slice){p, (uint32_t)(e->line_end - p)};
    if (kinds[at] == EXPOSITION_TYPE &&
        !exposition_type_find(EXPOSITION_OPENMETRICS, item->text, &item->type)) {
        return exposition_expected(e, p, error, "a type of OpenMetrics");
    }
    item->kind = kinds[at];
    return exposition_check_utf8(e, item->text, error);
}

static bool is_end(const struct exposition *e)
{
    static const char mark[] = "# EOF";
    size_t rest = (size_t)(e->end - e->at), size = sizeof mark - 1;
    return rest >= size && memcmp(e->at, mark, size) == 0 && (rest == size || e->at[size] == '\n');
}

/* The mark, and nothing behind it. */
static enum status read_end(struct exposition *e, struct error *error)
{
    size_t size = strlen("# EOF");
    e->line++;
    e->line_start = e->at;
    e->at += (size_t)(e->end - e->at) > size ? size + 1 : size;
    e->ended = true;
    if (e->at != e->end) {
        return exposition_refuse(e, e->line + 1, 1, STATUS_PROTOCOL, error,
                                 "there is text behind '# EOF'");
    }
    return STATUS_OK;
}

enum status openmetrics_line(struct exposition *e, struct exposition_item *item,
                             struct error *error)
{
    if (e->ended) {
        return STATUS_OK;
    }
    if (e->at == e->end) {
        return exposition_refuse(e, e->line + 1, 1, STATUS_PROTOCOL, error,
                                 "the body has no '# EOF': it may have been cut");
    }
    if (is_end(e)) {
        return read_end(e, error);
    }
    TRY(exposition_open_line(e, error));
    TRY(*e->at == '#' ? read_metadata(e, e->at, item, error) : read_sample(e, e->at, item, error));
    e->at = e->line_end + 1;
    return STATUS_OK;
}
