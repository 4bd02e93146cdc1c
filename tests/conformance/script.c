#include "tests/conformance/script.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"

struct script {
    char *text, *at; /* at: the rest */
    size_t line;
    struct arena arena; /* of one item */
};

/* ---- expressions ---- */

static struct expr *expr_of(struct arena *arena, const char *text, bool check, char *reason,
                            size_t size)
{
    struct sources sources = {0};
    struct diag_list diags;
    struct error error = {""};
    diag_list_init(&diags, arena, &sources);
    const struct source *source = sources_add(&sources, "case", text, strlen(text), &error);
    struct expr *expr = source ? parse_expression(arena, source, &diags) : NULL;
    if (check && expr && expr->kind != EXPR_RANGE && expr->kind != EXPR_SUBQUERY) {
        check_expression(arena, expr, &diags);
    }
    const struct diag *first = diags.first;
    while (first && first->severity != SEVERITY_ERROR) {
        first = first->next;
    }
    if (first || !source) {
        snprintf(reason, size, "%s: %s", first ? diag_infos[first->code].code : "",
                 first ? first->message : error.message);
        expr = NULL;
    }
    sources_release(&sources);
    return expr;
}

struct expr *script_expr(struct arena *arena, const char *text, char *reason, size_t size)
{
    return expr_of(arena, text, true, reason, size);
}

bool script_syntax(struct arena *arena, const char *text, char *reason, size_t size)
{
    return expr_of(arena, text, false, reason, size) != NULL;
}

/* ---- numbers and sequences ---- */

bool script_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1},      {"s", 1e3},      {"m", 60e3},       {"h", 3600e3},
                 {"d", 86400e3}, {"w", 604800e3}, {"y", 31536000e3}, {"", 1e3}};
    double total = 0;
    const bool minus = *text == '-';
    text += minus;
    do {
        char *end;
        const double n = strtod(text, &end);
        size_t i = 0, length = strspn(end, "mshdwy");
        while (i < ARRAY_LEN(units) &&
               (strlen(units[i].unit) != length || strncmp(end, units[i].unit, length) != 0)) {
            i++;
        }
        if (end == text || i == ARRAY_LEN(units)) {
            return false;
        }
        total += n * units[i].ms;
        text = end + length;
    } while (*text);
    *ret_ms = (int64_t)llround(minus ? -total : total);
    return true;
}

struct sequence {
    struct script_point *points;
    size_t count, capacity;
};

static bool put(struct sequence *s, struct script_point point)
{
    if (s->count == SCRIPT_SAMPLES_MAX) {
        return false;
    }
    ARRAY_RESERVE(s->points, s->count, s->capacity);
    s->points[s->count++] = point;
    return true;
}

/* A number up to an x that repeats it: 0x10 is eleven zeroes, not sixteen. */
static double number(const char *text, const char **end)
{
    char copy[64], *stop;
    size_t n = strcspn(text, "x");
    n = n < sizeof copy - 1 ? n : sizeof copy - 1;
    memcpy(copy, text, n);
    copy[n] = '\0';
    double value = strtod(copy, &stop);
    *end = text + (stop - copy);
    return value;
}

/* One item: a, a+bxn, a-bxn, axn, _, _xn, stale, stalexn. */
static bool read_item(const char *item, struct sequence *s)
{
    const bool gap = *item == '_', stale = strncmp(item, "stale", 5) == 0;
    const char *end = item + (gap ? 1 : stale ? 5 : 0);
    double value = 0, by = 0;
    long n = 0;
    if (!gap && !stale) {
        value = number(item, &end);
        if (end == item) {
            return false;
        }
        by = *end == '+' || *end == '-' ? number(end, &end) : 0;
    }
    if (*end == 'x') {
        char *stop;
        n = strtol(end + 1, &stop, 10) - gap;
        end = stop;
    }
    bool good = *end == '\0';
    for (long i = 0; i <= n && good; i++) {
        good = put(s, (struct script_point){value, !gap && !stale, stale});
        value += by;
    }
    return good;
}

static bool read_sequence(struct arena *arena, char *text, struct script_series *ret)
{
    struct sequence s = {0};
    char *save = NULL;
    bool good = true;
    for (char *item = strtok_r(text, " \t", &save); item && good;
         item = strtok_r(NULL, " \t", &save)) {
        good = read_item(item, &s);
    }
    ret->points = arena_alloc(arena, (s.count + 1) * sizeof *ret->points);
    if (s.count > 0) {
        memcpy(ret->points, s.points, s.count * sizeof *ret->points);
    }
    ret->count = s.count;
    free(s.points);
    return good;
}

/* Cuts "name{labels} rest" in two; returns rest. */
static char *after_series(char *line)
{
    char quote = 0;
    bool braces = false;
    for (; *line; line++) {
        if (quote) {
            line += *line == '\\' && quote != '`' && line[1];
            quote = *line == quote ? 0 : quote;
        } else if (*line == '"' || *line == '\'' || *line == '`') {
            quote = *line;
        } else if (*line == '{' || *line == '}') {
            braces = *line == '{';
        } else if (!braces && isspace((unsigned char)*line)) {
            *line = '\0';
            return line + 1;
        }
    }
    return line;
}

static bool read_labels(struct arena *arena, const char *text, struct script_series *ret)
{
    struct sources sources = {0};
    struct diag_list diags;
    struct error error;
    if (strcmp(text, "{}") == 0) {
        return true;
    }
    diag_list_init(&diags, arena, &sources);
    const struct source *source = sources_add(&sources, "series", text, strlen(text), &error);
    const struct expr *expr = source ? parse_expression(arena, source, &diags) : NULL;
    const bool good = expr && !diags.errors && expr->kind == EXPR_SELECTOR;
    ret->name = good ? expr->selector.name.text : NULL;
    for (const struct matcher *m = good ? expr->selector.matchers : NULL; m; m = m->next) {
        if (strcmp(m->label.text, "__name__") == 0) {
            ret->name = m->value;
        } else if (ret->label_count < STORE_LABELS_MAX) {
            ret->labels[ret->label_count++] = (struct label){m->label.text, m->value};
        }
    }
    sources_release(&sources);
    return good;
}

bool script_series_read(struct arena *arena, const char *text, struct script_series *ret)
{
    char *copy = arena_strdup(arena, text), *rest = after_series(copy);
    *ret = (struct script_series){0};
    ret->strange = strstr(rest, "{{") != NULL || strstr(copy, "@st") != NULL;
    return ret->strange || (read_labels(arena, copy, ret) && read_sequence(arena, rest, ret));
}

bool script_series_load(struct store *store, uint32_t source, const struct script_series *series,
                        int64_t start_ms, int64_t step_ms)
{
    uint32_t id;
    if (series->strange ||
        store_series(store, source, series->name ? series->name : "", series->labels,
                     series->label_count, &id, NULL) != STATUS_OK) {
        return false;
    }
    for (size_t i = 0; i < series->count; i++) {
        const struct instant t = {(start_ms + (int64_t)i * step_ms) * NS_PER_MS};
        if (series->points[i].stale) {
            store_stale(store, id, t);
        } else if (series->points[i].present) {
            store_append(store, id, t, t, series->points[i].value);
        }
    }
    return true;
}

/* ---- lines ---- */

struct script *script_open(const char *path)
{
    FILE *file = fopen(path, "r");
    struct script *script = file ? heap_alloc(sizeof *script) : NULL;
    size_t size = 0, room = 0;
    for (size_t got = 1; script && got > 0; size += got) {
        if (room - size < 65537) {
            room = 2 * room + 131072;
            script->text = heap_resize(script->text, room);
        }
        got = fread(script->text + size, 1, 65536, file);
        script->text[size + got] = '\0';
    }
    if (file) {
        (void)fclose(file);
    }
    if (script) {
        script->at = script->text;
    }
    return script;
}

void script_free(struct script *script)
{
    if (script) {
        arena_release(&script->arena);
        free(script->text);
        free(script);
    }
}

static char *trimmed(char *line)
{
    while (isspace((unsigned char)*line)) {
        line++;
    }
    for (size_t n = strlen(line); n > 0 && isspace((unsigned char)line[n - 1]); n--) {
        line[n - 1] = '\0';
    }
    return *line == '#' ? line + strlen(line) : line;
}

/* The next line, trimmed, in the item's arena; a comment is an empty line. NULL at the end. */
static char *next_line(struct script *script)
{
    if (!*script->at) {
        return NULL;
    }
    const size_t length = strcspn(script->at, "\n");
    char *line = arena_alloc(&script->arena, length + 1);
    memcpy(line, script->at, length);
    line[length] = '\0';
    script->at += length + (script->at[length] == '\n');
    script->line++;
    return trimmed(line);
}

/* ---- commands ---- */

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void add_series(struct script *script, struct script_item *item,
                       const struct script_series *series, size_t *capacity)
{
    if (item->series_count == *capacity) {
        struct script_series *more =
            arena_alloc(&script->arena, (2 * *capacity + 8) * sizeof *more);
        if (item->series_count > 0) {
            memcpy(more, item->series, item->series_count * sizeof *more);
        }
        item->series = more;
        *capacity = 2 * *capacity + 8;
    }
    item->series[item->series_count++] = *series;
}

static void read_load(struct script *script, const char *line, struct script_item *item)
{
    size_t capacity = 0;
    struct script_series series;
    item->kind = SCRIPT_LOAD;
    script_duration(line + strcspn(line, " \t") + 1, &item->step_ms);
    for (char *at = next_line(script); at && *at; at = next_line(script)) {
        if (script_series_read(&script->arena, at, &series) && !series.strange) {
            add_series(script, item, &series, &capacity);
        }
    }
}

static void read_string(struct script *script, const char *text, struct script_item *item)
{
    char reason[200];
    const struct expr *expr = script_expr(&script->arena, text, reason, sizeof reason);
    item->is_string = true;
    item->string = expr && expr->kind == EXPR_STRING ? expr->string.value : NULL;
}

static void read_expect(struct script *script, char *text, struct script_item *item)
{
    char start[64], end[64], step[64];
    if (sscanf(text, "range vector from %63s to %63s step %63s", start, end, step) == 3) {
        item->is_range = script_duration(start, &item->range_start_ms) &&
                         script_duration(end, &item->range_end_ms) &&
                         script_duration(step, &item->range_step_ms);
    } else if (starts(text, "string ")) {
        read_string(script, text + 7, item);
    } else {
        item->fails |= starts(text, "fail");
        item->ordered |= starts(text, "ordered");
    }
}

static void read_expected(struct script *script, struct script_item *item)
{
    size_t capacity = 0;
    struct script_series series;
    for (char *at = next_line(script); at && *at; at = next_line(script)) {
        char *end;
        const double scalar = strtod(at, &end);
        if (starts(at, "expect") && isspace((unsigned char)at[6])) {
            read_expect(script, trimmed(at + 6), item);
        } else if (*end == '\0') {
            item->is_scalar = true;
            item->scalar = scalar;
        } else if (!starts(at, "expected_fail")) {
            if (!script_series_read(&script->arena, at, &series)) {
                series.strange = true;
            }
            add_series(script, item, &series, &capacity);
        }
    }
}

/* eval[_x] instant at T EXPR, eval[_x] range from T to T step D EXPR */
static bool read_eval(struct script *script, char *line, struct script_item *item)
{
    char start[64], end[64], step[64];
    int at = 0;
    item->fails = starts(line, "eval_fail");
    item->ordered = starts(line, "eval_ordered");
    if (sscanf(line, "%*s instant at %63s %n", start, &at) == 1 && at > 0) {
        item->kind = SCRIPT_INSTANT;
        if (!script_duration(start, &item->start_ms)) {
            return false;
        }
        item->end_ms = item->start_ms;
    } else if (sscanf(line, "%*s range from %63s to %63s step %63s %n", start, end, step, &at) ==
                   3 &&
               at > 0) {
        item->kind = SCRIPT_RANGE;
        if (!script_duration(start, &item->start_ms) || !script_duration(end, &item->end_ms) ||
            !script_duration(step, &item->step_ms)) {
            return false;
        }
    } else {
        return false;
    }
    item->expr = line + at;
    read_expected(script, item);
    return true;
}

bool script_next(struct script *script, struct script_item *ret)
{
    arena_release(&script->arena);
    for (char *line = next_line(script); line; line = next_line(script)) {
        *ret = (struct script_item){.line = script->line};
        if (starts(line, "load")) {
            read_load(script, line, ret);
            return true;
        }
        if (strcmp(line, "clear") == 0) {
            ret->kind = SCRIPT_CLEAR;
            return true;
        }
        if (starts(line, "eval") && read_eval(script, line, ret)) {
            return true;
        }
    }
    return false;
}
