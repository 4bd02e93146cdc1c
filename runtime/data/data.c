/* Readers of sample files. */
#include "runtime/data/data.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_FROM     1e11 /* larger numbers are milliseconds */
#define SECONDS_MAX 9e9

struct reader {
    struct data *data;
    struct store *store;
    uint32_t source;
    const char *path;
    size_t line;
    struct error *error;
    char metric[STORE_LABEL_BYTES_MAX + 1]; /* CSV */
    char *columns[DATA_COLUMNS_MAX];        /* CSV: the header */
    size_t column_count;
};

static enum status wrong(const struct reader *r, const char *what)
{
    return error_set(r->error, STATUS_PROTOCOL, "%s:%zu: %s", r->path, r->line, what);
}

/* ---- times and numbers ---- */

static bool date_time(const char *text, struct instant *ret)
{
    struct tm tm = {0};
    int n = 0, zone_hours = 0, zone_minutes = 0;
    double fraction = 0;
    char *end;
    if (sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &n) != 6 ||
        n == 0 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60) {
        return false;
    }
    text += n;
    if (*text == '.') {
        fraction = strtod(text, &end);
        text = end;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t seconds = timegm(&tm);
    if (*text == '+' || *text == '-') {
        if (sscanf(text + 1, "%2d:%2d%n", &zone_hours, &zone_minutes, &n) != 2 || text[n + 1]) {
            return false;
        }
        seconds -= (*text == '-' ? -1 : 1) * (zone_hours * 3600 + zone_minutes * 60);
    } else if (*text != '\0' && strcmp(text, "Z") != 0) {
        return false;
    }
    ret->ns = seconds * NS_PER_S + (int64_t)(fraction * (double)NS_PER_S);
    return true;
}

/* Rounded to whole microseconds: a double holds no more of today's seconds. */
static bool epoch_time(double seconds, struct instant *ret)
{
    if (!(fabs(seconds) <= SECONDS_MAX)) {
        return false;
    }
    ret->ns = llround(seconds * 1e6) * 1000;
    return true;
}

static bool number(const char *text, double *ret)
{
    char *end;
    *ret = strtod(text, &end);
    return end != text && *end == '\0' && !isspace((unsigned char)*text);
}

bool data_time(const char *text, struct instant *ret)
{
    double value;
    if (number(text, &value)) {
        return epoch_time(fabs(value) > MS_FROM ? value / 1000 : value, ret);
    }
    return date_time(text, ret);
}

/* ---- samples ---- */

static enum status add(struct reader *r, const char *name, const struct label *labels, size_t count,
                       struct instant time, double value)
{
    struct error error;
    uint32_t series;
    enum status status = store_series(r->store, r->source, name, labels, count, &series, &error);
    if (status != STATUS_OK) {
        return error_set(r->error, status, "%s:%zu: %.300s", r->path, r->line, error.message);
    }
    if (r->data->count >= DATA_SAMPLES_MAX) {
        return error_set(r->error, STATUS_LIMIT, "%s:%zu: more than %d samples", r->path, r->line,
                         DATA_SAMPLES_MAX);
    }
    ARRAY_RESERVE(r->data->samples, r->data->count, r->data->capacity);
    r->data->samples[r->data->count++] =
        (struct data_sample){.time = time, .series = series, .value = value};
    return STATUS_OK;
}

/* ---- OpenMetrics ---- */

static bool name_byte(char c, bool first)
{
    return isalpha((unsigned char)c) || c == '_' || c == ':' ||
           (!first && isdigit((unsigned char)c));
}

/* A name at *at; cuts nothing, moves *at behind it. */
static size_t name_length(const char *at)
{
    size_t n = 0;
    while (name_byte(at[n], n == 0)) {
        n++;
    }
    return n;
}

/* A quoted value, unescaped in place; *at moves behind the closing quote. */
static bool quoted(char **at, char **ret)
{
    char *from = *at + 1, *to = from;
    if (**at != '"') {
        return false;
    }
    *ret = to;
    for (; *from && *from != '"'; from++) {
        if (*from == '\\' && from[1]) {
            from++;
            *to++ = *from == 'n' ? '\n' : *from;
        } else {
            *to++ = *from;
        }
    }
    bool closed = *from == '"';
    *at = closed ? from + 1 : from;
    *to = '\0';
    return closed;
}

/* {a="b",c="d"} at *at. */
static enum status read_labels(struct reader *r, char **at, struct label *labels, size_t *ret_count)
{
    char *p = *at + 1;
    *ret_count = 0;
    while (*p != '}') {
        size_t n = name_length(p);
        char *value, *name = p;
        if (n == 0 || p[n] != '=' || *ret_count == STORE_LABELS_MAX) {
            return wrong(r,
                         n && p[n] == '=' ? "too many labels" : "expected a label such as a=\"b\"");
        }
        p[n] = '\0';
        p += n + 1;
        if (!quoted(&p, &value)) {
            return wrong(r, "expected a label value in double quotes");
        }
        labels[(*ret_count)++] = (struct label){name, value};
        if (*p == ',') {
            p++;
        } else if (*p != '}') {
            return wrong(r, "expected ',' or '}' after a label");
        }
    }
    *at = p + 1;
    return STATUS_OK;
}

static enum status openmetrics_line(struct reader *r, char *line)
{
    struct label labels[STORE_LABELS_MAX];
    struct instant time;
    size_t count = 0, n = name_length(line);
    double value, seconds;
    if (line[0] == '#' || line[0] == '\0') {
        return STATUS_OK;
    }
    if (n == 0 || (line[n] != '{' && line[n] != ' ')) {
        return wrong(r, "expected a metric name");
    }
    char *rest = line + n;
    if (*rest == '{') {
        TRY(read_labels(r, &rest, labels, &count));
    }
    line[n] = '\0';
    rest += rest == line + n;
    char *save = NULL, *text = strtok_r(rest, " ", &save), *when = strtok_r(NULL, " ", &save);
    char *more = strtok_r(NULL, " ", &save);
    if (!text || !number(text, &value)) {
        return wrong(r, "expected a number as the value");
    }
    if (!when || when[0] == '#' || !number(when, &seconds) || !epoch_time(seconds, &time)) {
        return wrong(r, "expected a timestamp in seconds after the value");
    }
    if (more && more[0] != '#') {
        return wrong(r, "unexpected text after the timestamp");
    }
    return add(r, line, labels, count, time, value);
}

/* ---- CSV ---- */

/* A field in double quotes, two of them standing for one; *at moves behind it. */
static bool csv_quoted(char **at, char **ret)
{
    char *from = *at + 1, *to = from;
    *ret = to;
    for (; *from && (*from != '"' || from[1] == '"'); from++) {
        from += *from == '"';
        *to++ = *from;
    }
    bool closed = *from == '"' && (from[1] == ',' || from[1] == '\0');
    *at = closed ? from + 1 : from;
    if (closed) {
        *to = '\0';
    }
    return closed;
}

/* Cuts a line at its commas; fields may stand in double quotes. 0 when it cannot. */
static size_t split(char *line, char **fields)
{
    size_t count = 0;
    char *p = line;
    while (count < DATA_COLUMNS_MAX) {
        fields[count++] = p;
        if (*p == '"') {
            char *value;
            if (!csv_quoted(&p, &value)) {
                return 0;
            }
            fields[count - 1] = value;
        }
        p += strcspn(p, ",");
        if (*p == '\0') {
            return count;
        }
        *p++ = '\0';
    }
    return 0;
}

static enum status csv_header(struct reader *r, char *line)
{
    char *fields[DATA_COLUMNS_MAX];
    size_t count = split(line, fields);
    if (count < 2 || strcmp(fields[0], "timestamp") != 0 ||
        strcmp(fields[count - 1], "value") != 0) {
        return wrong(r, "expected a header timestamp,...,value");
    }
    for (size_t i = 0; i < count; i++) {
        r->columns[r->column_count++] = heap_strdup(fields[i]);
    }
    return STATUS_OK;
}

static enum status csv_line(struct reader *r, char *line)
{
    char *fields[DATA_COLUMNS_MAX];
    struct label labels[DATA_COLUMNS_MAX];
    struct instant time;
    double value;
    if (r->column_count == 0) {
        return csv_header(r, line);
    }
    if (line[0] == '\0') {
        return STATUS_OK;
    }
    size_t count = split(line, fields);
    if (count != r->column_count) {
        return wrong(r, "the number of fields is not that of the header");
    }
    if (!data_time(fields[0], &time)) {
        return wrong(r, "the first field is not a time");
    }
    if (!number(fields[count - 1], &value)) {
        return wrong(r, "the last field is not a number");
    }
    for (size_t i = 1; i + 1 < count; i++) {
        labels[i - 1] = (struct label){r->columns[i], fields[i]};
    }
    return add(r, r->metric, labels, count - 2, time, value);
}

/* ---- files ---- */

static bool is_csv(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".csv") == 0;
}

/* The file's name without folders and ending, as a metric name. */
static void stem(const char *path, char *ret, size_t size)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    size_t n = strcspn(base, ".");
    n = n < size ? n : size - 1;
    for (size_t i = 0; i < n; i++) {
        ret[i] = name_byte(base[i], i == 0) ? base[i] : '_';
    }
    ret[n] = '\0';
}

static enum status read_lines(struct reader *r, FILE *file, bool csv)
{
    char *line = heap_alloc(DATA_LINE_BYTES_MAX + 2);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && fgets(line, DATA_LINE_BYTES_MAX + 2, file)) {
        size_t n = strlen(line);
        r->line++;
        if (n > DATA_LINE_BYTES_MAX) {
            status = wrong(r, "the line is longer than 65536 bytes");
            break;
        }
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) {
            line[--n] = '\0';
        }
        status = csv ? csv_line(r, line) : openmetrics_line(r, line);
    }
    free(line);
    return status;
}

enum status data_read(struct data *data, struct store *store, uint32_t source, const char *path,
                      const char *name, struct error *error)
{
    struct reader r = {
        .data = data, .store = store, .source = source, .path = path, .error = error};
    FILE *file = fopen(path, "re");
    if (!file) {
        return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    if (name) {
        snprintf(r.metric, sizeof r.metric, "%s", name);
    } else {
        stem(path, r.metric, sizeof r.metric);
    }
    enum status status = read_lines(&r, file, is_csv(path));
    if (status == STATUS_OK && ferror(file)) {
        status = error_set(error, STATUS_IO, "%s: cannot be read", path);
    }
    fclose(file);
    for (size_t i = 0; i < r.column_count; i++) {
        free(r.columns[i]);
    }
    return status;
}

static int compare_samples(const void *a, const void *b)
{
    const struct data_sample *x = a, *y = b;
    if (x->time.ns != y->time.ns) {
        return x->time.ns < y->time.ns ? -1 : 1;
    }
    return x->series < y->series ? -1 : x->series > y->series;
}

void data_sort(struct data *data)
{
    if (data->count > 0) {
        qsort(data->samples, data->count, sizeof *data->samples, compare_samples);
    }
}

void data_release(struct data *data)
{
    free(data->samples);
    *data = (struct data){0};
}
