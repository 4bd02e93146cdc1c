/* Unit-test files from their documents. */
#include "compiler/rules/unit_file.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/rules/rule_file.h"

struct reader {
    struct arena *arena;
    const char *path;
    struct rules_report *report;
    struct unit_file *file;
    struct unit_test *test; /* the one that is read */
};

#define REPORT(reader, place, ...) \
    rules_report_add((reader)->report, (reader)->path, (place), __VA_ARGS__)

/* What is read at one key of a map; `into` is the struct of that map. */
typedef bool read_f(struct reader *reader, const struct document_node *node, void *into);
struct field {
    const char *key;
    read_f *read;
};

/* ---- plain values ---- */

static bool read_fields(struct reader *reader, const struct document_node *node,
                        const struct field *fields, size_t count, const char *what, void *into)
{
    bool good = true;
    if (node->kind != DOCUMENT_MAP) {
        REPORT(reader, node->place, "%s is a map", what);
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        size_t k = 0;
        while (k < count && strcmp(fields[k].key, node->keys[i]->text) != 0) {
            k++;
        }
        if (k == count) {
            REPORT(reader, node->keys[i]->place, "unknown field '%s' in %s", node->keys[i]->text,
                   what);
            good = false;
        } else if (!document_is_null(node->items[i])) {
            good = fields[k].read(reader, node->items[i], into) && good;
        }
    }
    return good;
}

/* Each item of a list; true when all could be read. */
static bool read_items(struct reader *reader, const struct document_node *node, read_f *read,
                       void *into)
{
    bool good = true;
    if (node->kind != DOCUMENT_LIST) {
        REPORT(reader, node->place, "this is a list");
        return false;
    }
    if (node->count > UNIT_ITEMS_MAX) {
        REPORT(reader, node->place, "a list of more than %d", UNIT_ITEMS_MAX);
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        good = read(reader, node->items[i], into) && good;
    }
    return good;
}

static bool read_text(struct reader *reader, const struct document_node *node, const char **ret)
{
    if (node->kind != DOCUMENT_SCALAR) {
        REPORT(reader, node->place, "this is a text");
        return false;
    }
    *ret = document_is_null(node) ? "" : node->text;
    return true;
}

static bool read_duration(struct reader *reader, const struct document_node *node, int64_t *ret)
{
    const char *text, *why;
    if (!read_text(reader, node, &text)) {
        return false;
    }
    if (!rules_duration(text, ret, &why)) {
        REPORT(reader, node->place, "%s: \"%s\"", why, text);
        return false;
    }
    return true;
}

static bool read_bool(struct reader *reader, const struct document_node *node, bool *ret)
{
    const char *text;
    if (!read_text(reader, node, &text)) {
        return false;
    }
    *ret = strcasecmp(text, "true") == 0;
    if (!*ret && strcasecmp(text, "false") != 0) {
        REPORT(reader, node->place, "true or false, not \"%s\"", text);
        return false;
    }
    return true;
}

/* YAML's whole numbers: 12, 0x1f, 0o17, 017, 0b11, with a sign. */
static bool whole_number(const char *text, double *ret)
{
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    int base = digits[0] != '0' || digits[1] == '\0' ? 10
               : digits[1] == 'x'                    ? 16
               : digits[1] == 'b'                    ? 2
                                                     : 8;
    char *end;
    digits += base == 16 || base == 2 || (base == 8 && digits[1] == 'o') ? 2 : 0;
    errno = 0;
    unsigned long long n = isxdigit((unsigned char)*digits) ? strtoull(digits, &end, base) : 0;
    if (!isxdigit((unsigned char)*digits) || *end != '\0' || errno != 0) {
        return false;
    }
    *ret = text[0] == '-' ? -(double)n : (double)n;
    return true;
}

/* YAML's floats, .inf and .nan among them. */
static bool read_number(struct reader *reader, const struct document_node *node, double *ret)
{
    const char *text;
    char *end;
    if (!read_text(reader, node, &text)) {
        return false;
    }
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    if (strcasecmp(digits, ".inf") == 0 || strcasecmp(digits, ".nan") == 0) {
        *ret = digits[1] == 'n' || digits[1] == 'N' ? (double)NAN : (double)INFINITY;
        *ret = text[0] == '-' ? -*ret : *ret;
        return true;
    }
    if (whole_number(text, ret)) {
        return true;
    }
    *ret = strtod(text, &end);
    if (end == text || *end != '\0') {
        REPORT(reader, node->place, "a number, not \"%s\"", text);
        return false;
    }
    return true;
}

/* A map of texts, sorted by name. */
static bool read_labels(struct reader *reader, const struct document_node *node,
                        struct unit_label **ret)
{
    if (node->kind != DOCUMENT_MAP) {
        REPORT(reader, node->place, "this is a map of texts");
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        struct unit_label *label = ARENA_NEW(reader->arena, struct unit_label), **at = ret;
        label->name = node->keys[i]->text;
        if (!read_text(reader, node->items[i], &label->value)) {
            return false;
        }
        while (*at && strcmp((*at)->name, label->name) < 0) {
            at = &(*at)->next;
        }
        label->next = *at;
        *at = label;
    }
    return true;
}

/* ---- series ---- */

static bool series_labels(struct reader *reader, const struct document_node *node, void *into)
{
    struct unit_series *series = into;
    struct error error;
    const char *text;
    if (!read_text(reader, node, &text)) {
        return false;
    }
    if (unit_labels(reader->arena, text, &series->labels, &error) != STATUS_OK) {
        REPORT(reader, node->place, "the series \"%s\": %s", text, error.message);
        return false;
    }
    return true;
}

static bool series_values(struct reader *reader, const struct document_node *node, void *into)
{
    struct unit_series *series = into;
    struct unit_run *runs;
    struct error error;
    const char *text;
    if (!read_text(reader, node, &text)) {
        return false;
    }
    enum status status = unit_runs(text, &runs, &series->run_count, &error);
    if (status == STATUS_DENIED) {
        reader->test->refused = "it has native histograms, which heal does not have";
        return true;
    }
    if (status != STATUS_OK) {
        REPORT(reader, node->place, "the values: %s", error.message);
        return false;
    }
    series->runs = arena_alloc(reader->arena, (series->run_count + 1) * sizeof *runs);
    if (series->run_count > 0) {
        memcpy(series->runs, runs, series->run_count * sizeof *runs);
    }
    free(runs);
    return true;
}

static bool read_series(struct reader *reader, const struct document_node *node, void *into)
{
    static const struct field fields[] = {{"series", series_labels}, {"values", series_values}};
    struct unit_test *test = into;
    struct unit_series *series = ARENA_NEW(reader->arena, struct unit_series),
                       **last = &test->series;
    if (!read_fields(reader, node, fields, ARRAY_LEN(fields), "a series", series)) {
        return false;
    }
    while (*last) {
        last = &(*last)->next;
    }
    *last = series;
    return true;
}

/* ---- alerts ---- */

static bool alert_labels(struct reader *reader, const struct document_node *node, void *into)
{
    return read_labels(reader, node, &((struct unit_alert *)into)->labels);
}

static bool alert_annotations(struct reader *reader, const struct document_node *node, void *into)
{
    return read_labels(reader, node, &((struct unit_alert *)into)->annotations);
}

static bool read_alert(struct reader *reader, const struct document_node *node, void *into)
{
    static const struct field fields[] = {{"exp_labels", alert_labels},
                                          {"exp_annotations", alert_annotations}};
    struct unit_alert_case *cases = into;
    struct unit_alert *alert = ARENA_NEW(reader->arena, struct unit_alert), **last = &cases->alerts;
    if (!read_fields(reader, node, fields, ARRAY_LEN(fields), "an expected alert", alert)) {
        return false;
    }
    while (*last) {
        last = &(*last)->next;
    }
    *last = alert;
    return true;
}

static bool alert_time(struct reader *reader, const struct document_node *node, void *into)
{
    return read_duration(reader, node, &((struct unit_alert_case *)into)->eval_ms);
}

static bool alert_name(struct reader *reader, const struct document_node *node, void *into)
{
    return read_text(reader, node, &((struct unit_alert_case *)into)->alertname);
}

static bool alert_alerts(struct reader *reader, const struct document_node *node, void *into)
{
    return read_items(reader, node, read_alert, into);
}

static bool read_alert_case(struct reader *reader, const struct document_node *node, void *into)
{
    static const struct field fields[] = {
        {"eval_time", alert_time}, {"alertname", alert_name}, {"exp_alerts", alert_alerts}};
    struct unit_test *test = into;
    struct unit_alert_case *one = ARENA_NEW(reader->arena, struct unit_alert_case),
                           **last = &test->alert_cases;
    one->place = node->place;
    if (!read_fields(reader, node, fields, ARRAY_LEN(fields), "an alert case", one)) {
        return false;
    }
    if (one->alertname == NULL || one->alertname[0] == '\0') {
        REPORT(reader, node->place, "an alert case needs an 'alertname'");
        return false;
    }
    while (*last) {
        last = &(*last)->next;
    }
    *last = one;
    return true;
}

/* ---- expressions ---- */

/* One expected sample, with the case it belongs to. */
struct sample_into {
    struct unit_sample *sample;
    struct unit_expr_case *one;
};

static bool sample_labels(struct reader *reader, const struct document_node *node, void *into)
{
    struct sample_into *to = into;
    struct error error;
    const char *text;
    if (!read_text(reader, node, &text)) {
        return false;
    }
    if (unit_labels(reader->arena, text, &to->sample->labels, &error) != STATUS_OK) {
        REPORT(reader, node->place, "the labels \"%s\": %s", text, error.message);
        return false;
    }
    return true;
}

static bool sample_value(struct reader *reader, const struct document_node *node, void *into)
{
    return read_number(reader, node, &((struct sample_into *)into)->sample->value);
}

static bool sample_histogram(struct reader *reader, const struct document_node *node, void *into)
{
    const char *text;
    if (!read_text(reader, node, &text)) {
        return false;
    }
    if (text[0]) {
        ((struct sample_into *)into)->one->refused = "it expects a native histogram";
    }
    return true;
}

static bool read_sample(struct reader *reader, const struct document_node *node, void *into)
{
    static const struct field fields[] = {
        {"labels", sample_labels}, {"value", sample_value}, {"histogram", sample_histogram}};
    struct unit_expr_case *one = into;
    struct sample_into to = {ARENA_NEW(reader->arena, struct unit_sample), one};
    struct unit_sample **last = &one->samples;
    if (!read_fields(reader, node, fields, ARRAY_LEN(fields), "an expected sample", &to)) {
        return false;
    }
    while (*last) {
        last = &(*last)->next;
    }
    *last = to.sample;
    return true;
}

static bool expr_text(struct reader *reader, const struct document_node *node, void *into)
{
    return read_text(reader, node, &((struct unit_expr_case *)into)->expr);
}

static bool expr_time(struct reader *reader, const struct document_node *node, void *into)
{
    return read_duration(reader, node, &((struct unit_expr_case *)into)->eval_ms);
}

static bool expr_samples(struct reader *reader, const struct document_node *node, void *into)
{
    return read_items(reader, node, read_sample, into);
}

static bool read_expr_case(struct reader *reader, const struct document_node *node, void *into)
{
    static const struct field fields[] = {
        {"expr", expr_text}, {"eval_time", expr_time}, {"exp_samples", expr_samples}};
    struct unit_test *test = into;
    struct unit_expr_case *one = ARENA_NEW(reader->arena, struct unit_expr_case),
                          **last = &test->expr_cases;
    one->place = node->place;
    if (!read_fields(reader, node, fields, ARRAY_LEN(fields), "an expression case", one)) {
        return false;
    }
    if (one->expr == NULL || one->expr[0] == '\0') {
        REPORT(reader, node->place, "an expression case needs an 'expr'");
        return false;
    }
    while (*last) {
        last = &(*last)->next;
    }
    *last = one;
    return true;
}

/* ---- tests ---- */

static bool test_name(struct reader *reader, const struct document_node *node, void *into)
{
    return read_text(reader, node, &((struct unit_test *)into)->name);
}

static bool test_interval(struct reader *reader, const struct document_node *node, void *into)
{
    return read_duration(reader, node, &((struct unit_test *)into)->interval_ms);
}

/* 2020-01-01T00:00:00Z, or seconds since 1970. */
static bool test_start(struct reader *reader, const struct document_node *node, void *into)
{
    struct unit_test *test = into;
    struct tm tm = {0};
    const char *text;
    double seconds;
    if (!read_text(reader, node, &text)) {
        return false;
    }
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end && *end == '\0') {
        test->start_ms = (int64_t)timegm(&tm) * 1000;
        return true;
    }
    if (!read_number(reader, node, &seconds)) {
        return false;
    }
    if (!(seconds >= 0 && seconds < 4e9)) {
        REPORT(reader, node->place, "no start that heal can keep: %s", text);
        return false;
    }
    test->start_ms = (int64_t)(seconds * 1000);
    return true;
}

static bool test_external(struct reader *reader, const struct document_node *node, void *into)
{
    return read_labels(reader, node, &((struct unit_test *)into)->external);
}

static bool test_url(struct reader *reader, const struct document_node *node, void *into)
{
    return read_text(reader, node, &((struct unit_test *)into)->external_url);
}

static bool test_series(struct reader *reader, const struct document_node *node, void *into)
{
    return read_items(reader, node, read_series, into);
}

static bool test_alerts(struct reader *reader, const struct document_node *node, void *into)
{
    return read_items(reader, node, read_alert_case, into);
}

static bool test_exprs(struct reader *reader, const struct document_node *node, void *into)
{
    return read_items(reader, node, read_expr_case, into);
}

static bool read_test(struct reader *reader, const struct document_node *node, void *into)
{
    static const struct field fields[] = {
        {"name", test_name},
        {"interval", test_interval},
        {"start_timestamp", test_start},
        {"external_labels", test_external},
        {"external_url", test_url},
        {"input_series", test_series},
        {"alert_rule_test", test_alerts},
        {"promql_expr_test", test_exprs},
    };
    struct unit_test *test = ARENA_NEW(reader->arena, struct unit_test), **last = into;
    test->place = node->place;
    reader->test = test;
    if (!read_fields(reader, node, fields, ARRAY_LEN(fields), "a test", test)) {
        return false;
    }
    while (*last) {
        last = &(*last)->next;
    }
    *last = test;
    return true;
}

/* ---- the file ---- */

static bool read_word(struct reader *reader, const struct document_node *node, void *into)
{
    struct unit_word *word = ARENA_NEW(reader->arena, struct unit_word), **last = into;
    word->place = node->place;
    if (!read_text(reader, node, &word->text)) {
        return false;
    }
    while (*last) {
        last = &(*last)->next;
    }
    *last = word;
    return true;
}

static bool file_rules(struct reader *reader, const struct document_node *node, void *into)
{
    return read_items(reader, node, read_word, &((struct unit_file *)into)->rule_files);
}

static bool file_interval(struct reader *reader, const struct document_node *node, void *into)
{
    return read_duration(reader, node, &((struct unit_file *)into)->evaluation_ms);
}

/* A group stands in the order once. */
static bool file_order(struct reader *reader, const struct document_node *node, void *into)
{
    struct unit_file *file = into;
    if (!read_items(reader, node, read_word, &file->group_order)) {
        return false;
    }
    for (const struct unit_word *a = file->group_order; a; a = a->next) {
        for (const struct unit_word *b = a->next; b; b = b->next) {
            if (strcmp(a->text, b->text) == 0) {
                REPORT(reader, b->place, "the group '%s' is in the order twice", b->text);
                return false;
            }
        }
    }
    return true;
}

static bool file_fuzzy(struct reader *reader, const struct document_node *node, void *into)
{
    return read_bool(reader, node, &((struct unit_file *)into)->fuzzy);
}

static bool file_tests(struct reader *reader, const struct document_node *node, void *into)
{
    return read_items(reader, node, read_test, &((struct unit_file *)into)->tests);
}

struct unit_file *unit_file_read(struct arena *arena, const char *path, const char *text,
                                 size_t length, struct rules_report *report)
{
    static const struct field fields[] = {{"rule_files", file_rules},
                                          {"evaluation_interval", file_interval},
                                          {"group_eval_order", file_order},
                                          {"fuzzy_compare", file_fuzzy},
                                          {"tests", file_tests}};
    struct unit_file *file = ARENA_NEW(arena, struct unit_file);
    struct reader reader = {arena, path, report, file, NULL};
    const struct document_node *root = document_read(arena, path, text, length, report);
    file->path = arena_strdup(arena, path);
    if (root == NULL ||
        !read_fields(&reader, root, fields, ARRAY_LEN(fields), "a file of unit tests", file)) {
        return NULL;
    }
    file->evaluation_ms = file->evaluation_ms > 0 ? file->evaluation_ms : 60000;
    for (struct unit_test *test = file->tests; test; test = test->next) {
        test->interval_ms = test->interval_ms > 0 ? test->interval_ms : file->evaluation_ms;
    }
    return file;
}

/* ---- rule files ---- */

static const char *path_beside(struct arena *arena, const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return name[0] == '/' || !slash
               ? name
               : arena_printf(arena, "%.*s/%s", (int)(slash - path), path, name);
}

bool unit_file_rules(struct arena *arena, const struct unit_file *file, struct unit_word **ret,
                     struct rules_report *report)
{
    struct unit_word **last = ret;
    size_t count = 0;
    bool good = true;
    *ret = NULL;
    for (const struct unit_word *word = file->rule_files; word; word = word->next) {
        glob_t found = {0};
        if (glob(path_beside(arena, file->path, word->text), 0, NULL, &found) != 0) {
            rules_report_add(report, file->path, word->place, "no rule file is called '%s'",
                             word->text);
            good = false;
        }
        for (size_t i = 0; i < found.gl_pathc && count < UNIT_RULE_FILES_MAX; i++, count++) {
            *last = ARENA_NEW(arena, struct unit_word);
            **last = (struct unit_word){arena_strdup(arena, found.gl_pathv[i]), word->place, NULL};
            last = &(*last)->next;
        }
        globfree(&found);
    }
    return good;
}
