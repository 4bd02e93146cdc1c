/* The series of unit tests: their labels, and values in the notation of PromQL's test scripts. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/rules/promql.h"
#include "compiler/rules/unit_file.h"
#include "lang/parser.h"

/* ---- values ---- */

struct sequence {
    const char *at;
    struct unit_run *runs;
    size_t count, capacity;
    struct error *error;
};

static enum status sequence_fail(const struct sequence *s, const char *what)
{
    return error_set(s->error, STATUS_PROTOCOL, "%s at \"%.40s\"", what, s->at);
}

static enum status sequence_add(struct sequence *s, const struct unit_run *run)
{
    if (s->count >= UNIT_RUNS_MAX) {
        return error_set(s->error, STATUS_LIMIT, "a series of more than %d values", UNIT_RUNS_MAX);
    }
    ARRAY_RESERVE(s->runs, s->count, s->capacity);
    s->runs[s->count++] = *run;
    return STATUS_OK;
}

/* A number without its sign. An x behind a 0 is the sign of a repetition: 0x5 is six zeros. */
static enum status sequence_number(struct sequence *s, double *ret)
{
    char *end;
    size_t digits = strspn(s->at, "0123456789");
    if (strncasecmp(s->at, "inf", 3) == 0 || strncasecmp(s->at, "nan", 3) == 0) {
        *ret = tolower((unsigned char)s->at[0]) == 'i' ? (double)INFINITY : (double)NAN;
        s->at += 3;
        return STATUS_OK;
    }
    if (digits == 0 && !(s->at[0] == '.' && isdigit((unsigned char)s->at[1]))) {
        return sequence_fail(s, "no number");
    }
    if (s->at[digits] == 'x' || s->at[digits] == 'X') {
        *ret = 0;
        for (size_t i = 0; i < digits; i++) {
            *ret = *ret * 10 + (s->at[i] - '0');
        }
        s->at += digits;
        return STATUS_OK;
    }
    *ret = strtod(s->at, &end);
    s->at = end;
    return STATUS_OK;
}

static enum status sequence_signed(struct sequence *s, double *ret)
{
    bool minus = *s->at == '-';
    s->at += *s->at == '-' || *s->at == '+';
    TRY(sequence_number(s, ret));
    *ret = minus ? -*ret : *ret;
    return STATUS_OK;
}

/* xN: how often. */
static enum status sequence_times(struct sequence *s, size_t *ret)
{
    char *end;
    s->at++;
    if (!isdigit((unsigned char)*s->at)) {
        return sequence_fail(s, "no whole number behind x");
    }
    errno = 0;
    unsigned long n = strtoul(s->at, &end, 10);
    if (errno != 0 || n > UNIT_REPEAT_MAX) {
        return error_set(s->error, STATUS_LIMIT, "more than %d values of one", UNIT_REPEAT_MAX);
    }
    s->at = end;
    *ret = n;
    return STATUS_OK;
}

/* Of all but _ the first value stands besides the N that are repeated. */
static enum status sequence_item(struct sequence *s)
{
    struct unit_run run = {.kind = *s->at == '_' ? UNIT_OMITTED : UNIT_VALUE};
    if (strncmp(s->at, "{{", 2) == 0) {
        return error_set(s->error, STATUS_DENIED, "native histograms");
    }
    if (run.kind == UNIT_OMITTED) {
        s->at++;
        run.count = 1;
    } else if (strncasecmp(s->at, "stale", 5) == 0) {
        run.kind = UNIT_STALE;
        s->at += 5;
    } else {
        TRY(sequence_signed(s, &run.value));
    }
    if (run.kind == UNIT_VALUE && (*s->at == '+' || *s->at == '-')) {
        TRY(sequence_signed(s, &run.step));
        if (*s->at != 'x') {
            return sequence_fail(s, "no x behind the step");
        }
    }
    if (*s->at == 'x') {
        TRY(sequence_times(s, &run.count));
    }
    run.count += run.kind != UNIT_OMITTED;
    return sequence_add(s, &run);
}

static enum status sequence_all(struct sequence *s)
{
    s->at += strspn(s->at, " \t\r\n");
    while (*s->at) {
        TRY(sequence_item(s));
        if (*s->at && !isspace((unsigned char)*s->at)) {
            return sequence_fail(s, "no blank between values");
        }
        s->at += strspn(s->at, " \t\r\n");
    }
    return STATUS_OK;
}

enum status unit_runs(const char *text, struct unit_run **ret, size_t *ret_count,
                      struct error *error)
{
    struct sequence s = {.at = text, .error = error};
    enum status status = sequence_all(&s);
    if (status != STATUS_OK) {
        free(s.runs);
        return status;
    }
    *ret = s.runs;
    *ret_count = s.count;
    return STATUS_OK;
}

bool unit_next(struct unit_cursor *cursor, enum unit_kind *ret_kind, double *ret_value)
{
    const struct unit_series *series = cursor->series;
    while (cursor->run < series->run_count && cursor->at == series->runs[cursor->run].count) {
        cursor->run++;
        cursor->at = 0;
    }
    if (cursor->run == series->run_count) {
        return false;
    }
    const struct unit_run *run = &series->runs[cursor->run];
    cursor->value = cursor->at++ == 0 ? run->value : cursor->value + run->step;
    *ret_kind = run->kind;
    *ret_value = cursor->value;
    return true;
}

/* ---- labels ---- */

static void label_add(struct arena *arena, const char *name, const char *value,
                      struct unit_label **list)
{
    struct unit_label *label = ARENA_NEW(arena, struct unit_label);
    while (*list && strcmp((*list)->name, name) < 0) {
        list = &(*list)->next;
    }
    *label = (struct unit_label){arena_strdup(arena, name), arena_strdup(arena, value), *list};
    *list = label;
}

static enum status labels_of(struct arena *arena, const struct expr *expr, struct unit_label **ret,
                             struct error *error)
{
    if (expr->kind != EXPR_SELECTOR || expr->has_offset || expr->at_kind != AT_NONE) {
        return error_set(error, STATUS_PROTOCOL, "this is no series");
    }
    if (expr->selector.name.text) {
        label_add(arena, "__name__", expr->selector.name.text, ret);
    }
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        if (m->op != MATCH_EQ) {
            return error_set(error, STATUS_PROTOCOL, "a series has only labels with =");
        }
        if (m->value[0]) {
            label_add(arena, m->label.text ? m->label.text : "__name__", m->value, ret);
        }
    }
    return STATUS_OK;
}

enum status unit_labels(struct arena *arena, const char *text, struct unit_label **ret,
                        struct error *error)
{
    struct promql promql;
    struct sources sources = {0};
    struct arena tree = {0};
    struct diag_list diags;
    *ret = NULL;
    if (text[strspn(text, " \t\r\n{}")] == '\0') {
        return STATUS_OK; /* {} */
    }
    if (!promql_read(arena, text, &promql)) {
        return error_set(error, STATUS_PROTOCOL, "%s", promql.why);
    }
    diag_list_init(&diags, &tree, &sources);
    const struct source *source =
        sources_add(&sources, "", promql.text, strlen(promql.text), error);
    const struct expr *expr = source ? parse_expression(&tree, source, &diags) : NULL;
    enum status status = expr ? labels_of(arena, expr, ret, error)
                              : error_set(error, STATUS_PROTOCOL, "this is no series");
    sources_release(&sources);
    arena_release(&tree);
    return status;
}
