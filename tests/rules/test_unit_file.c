#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/rules/rule_file.h"
#include "compiler/rules/unit_file.h"
#include "tests/unit.h"

struct world {
    struct arena arena;
    struct rules_report report;
    struct unit_file *file;
};

static void read_text(struct world *w, const char *text)
{
    *w = (struct world){0};
    w->file = unit_file_read(&w->arena, "t.yml", text, strlen(text), &w->report);
}

static void done(struct world *w)
{
    rules_report_release(&w->report);
    arena_release(&w->arena);
}

static void reports(const char *text, const char *expected)
{
    struct world w;
    read_text(&w, text);
    const char *got = w.report.text ? w.report.text : "(nothing)";
    if (w.file || strstr(got, expected) == NULL) {
        fail_msg("%s\n  expected %s\n  got %s", text, expected, got);
    }
    done(&w);
}

/* Values as words: _ omitted, s stale. */
static void values_are(const char *text, const char *expected)
{
    struct unit_series series = {0};
    struct unit_cursor cursor = {&series, 0, 0, 0};
    struct error error;
    enum unit_kind kind;
    double value;
    size_t length = 0;
    char got[500] = "";
    if (unit_runs(text, &series.runs, &series.run_count, &error) != STATUS_OK) {
        fail_msg("%s: %s", text, error.message);
    }
    while (unit_next(&cursor, &kind, &value)) {
        const char *blank = length > 0 ? " " : "";
        length += (size_t)(kind == UNIT_VALUE ? snprintf(got + length, sizeof got - length,
                                                         "%s%.10g", blank, value)
                                              : snprintf(got + length, sizeof got - length, "%s%c",
                                                         blank, kind == UNIT_STALE ? 's' : '_'));
    }
    free(series.runs);
    assert_string_equal(got, expected);
}

static void values_refused(const char *text, enum status status)
{
    struct unit_run *runs;
    struct error error;
    size_t count;
    assert_int_equal(unit_runs(text, &runs, &count, &error), status);
}

static void sequences_are_those_of_test_scripts(void **state)
{
    (void)state;
    values_are("1 2 3", "1 2 3");
    values_are("", "");
    values_are("  1x2\n 5 ", "1 1 1 5");
    values_are("0+10x3", "0 10 20 30");
    values_are("10-2x2 -9+9x2 -1-1x1", "10 8 6 -9 0 9 -1 -2");
    values_are("0x3 00x1", "0 0 0 0 0 0");
    values_are("_ _x2 stale 1", "_ _ _ s 1");
    values_are("stalex1", "s s");
    values_are("1e3+1.5x1 .5 Inf -Inf +inf", "1000 1001.5 0.5 inf -inf inf");
    values_are("1.5E9+6E9x1", "1500000000 7500000000");
    values_refused("1 x", STATUS_PROTOCOL);
    values_refused("1x", STATUS_PROTOCOL);
    values_refused("1+2", STATUS_PROTOCOL);
    values_refused("1,2", STATUS_PROTOCOL);
    values_refused("a", STATUS_PROTOCOL);
    values_refused("1x9999999999", STATUS_LIMIT);
    values_are("_x0 1x0", "1");
    values_refused("1x99999999999999999999999", STATUS_LIMIT);
    values_refused("{{schema:1}}x2", STATUS_DENIED);
}

static void labels_are(const char *text, const char *expected)
{
    struct arena arena = {0};
    struct unit_label *labels;
    struct error error;
    char got[200] = "";
    size_t length = 0;
    if (unit_labels(&arena, text, &labels, &error) != STATUS_OK) {
        fail_msg("%s: %s", text, error.message);
    }
    for (; labels; labels = labels->next) {
        length += (size_t)snprintf(got + length, sizeof got - length, "%s=%s;", labels->name,
                                   labels->value);
    }
    assert_string_equal(got, expected);
    arena_release(&arena);
}

static void series_are_metrics_with_labels(void **state)
{
    struct arena arena = {0};
    struct unit_label *labels;
    struct error error;
    (void)state;
    labels_are("up{job=\"a\\\"b\", instance='x'}", "__name__=up;instance=x;job=a\"b;");
    labels_are("{job=\"a\", empty=\"\"}", "job=a;");
    labels_are("{}", "");
    labels_are("when{policy=\"x\"}", "__name__=when;policy=x;");
    labels_are("{\"a.b\", c=\"d\"}", "__name__=a.b;c=d;");
    assert_int_not_equal(unit_labels(&arena, "up{job!=\"a\"}", &labels, &error), STATUS_OK);
    assert_int_not_equal(unit_labels(&arena, "sum(up)", &labels, &error), STATUS_OK);
    assert_int_not_equal(unit_labels(&arena, "up{", &labels, &error), STATUS_OK);
    arena_release(&arena);
}

static void a_file_is_read_with_all_its_fields(void **state)
{
    struct world w;
    (void)state;
    read_text(&w, "rule_files: [a.yml, 'b/*.yml']\n"
                  "evaluation_interval: 30s\n"
                  "group_eval_order: [g, h]\n"
                  "fuzzy_compare: true\n"
                  "tests:\n"
                  "- name: one\n"
                  "  interval: 1m\n"
                  "  start_timestamp: 1970-01-02T00:00:00Z\n"
                  "  external_labels: {site: eu}\n"
                  "  external_url: http://x/\n"
                  "  input_series:\n"
                  "  - series: up{job=\"a\"}\n"
                  "    values: 0x5\n"
                  "  alert_rule_test:\n"
                  "  - eval_time: 5m\n"
                  "    alertname: Down\n"
                  "    exp_alerts:\n"
                  "    - exp_labels: {job: a}\n"
                  "      exp_annotations: {summary: x}\n"
                  "  - {eval_time: 0, alertname: Down}\n"
                  "  promql_expr_test:\n"
                  "  - expr: up > 0\n"
                  "    eval_time: 1m\n"
                  "    exp_samples:\n"
                  "    - {labels: 'up{job=\"a\"}', value: .inf}\n"
                  "    - {labels: '{}', value: 0b110}\n"
                  "    - {labels: '{}', value: -1.5e3}\n"
                  "- {}\n");
    assert_int_equal(w.report.errors, 0);
    const struct unit_test *test = w.file->tests;
    assert_int_equal(w.file->evaluation_ms, 30000);
    assert_true(w.file->fuzzy);
    assert_string_equal(w.file->group_order->next->text, "h");
    assert_int_equal(test->interval_ms, 60000);
    assert_int_equal(test->start_ms, 86400000);
    assert_string_equal(test->external->value, "eu");
    assert_int_equal(test->series->runs->count, 6);
    assert_int_equal(test->alert_cases->eval_ms, 300000);
    assert_string_equal(test->alert_cases->alerts->annotations->value, "x");
    assert_null(test->alert_cases->next->alerts);
    assert_true(isinf(test->expr_cases->samples->value));
    assert_true(test->expr_cases->samples->next->value == 6);
    assert_true(test->expr_cases->samples->next->next->value == -1500);
    assert_int_equal(test->next->interval_ms, 30000);
    done(&w);
}

static void wrong_files_are_refused_with_a_place(void **state)
{
    (void)state;
    reports("tests: x", "t.yml:1:8: this is a list");
    reports("testz: []", "t.yml:1:1: unknown field 'testz' in a file of unit tests");
    reports("tests:\n- {interval: x}", "t.yml:2:14: not a duration: \"x\"");
    reports("tests:\n- {input_series: [{series: 'a{', values: '1'}]}",
            "t.yml:2:28: the series \"a{\"");
    reports("tests:\n- {input_series: [{series: a, values: 1y}]}", "the values: ");
    reports("tests:\n- {alert_rule_test: [{eval_time: 1m}]}", "needs an 'alertname'");
    reports("tests:\n- {promql_expr_test: [{eval_time: 1m}]}", "needs an 'expr'");
    reports("tests:\n- {start_timestamp: never}", "a number, not \"never\"");
    reports("group_eval_order: [a, b, a]", "t.yml:1:26: the group 'a' is in the order twice");
    reports("", "the file is empty");
}

static void native_histograms_are_named_not_judged(void **state)
{
    struct world w;
    (void)state;
    read_text(
        &w, "tests:\n- {input_series: [{series: a, values: '{{schema:1 count:2}}x3'}]}\n"
            "- promql_expr_test: [{expr: a, eval_time: 0, exp_samples: [{histogram: '{{}}'}]}]\n");
    assert_int_equal(w.report.errors, 0);
    assert_non_null(strstr(w.file->tests->refused, "native histograms"));
    assert_non_null(w.file->tests->next->expr_cases->refused);
    done(&w);
}

/* ---- the files of the corpora ---- */

struct tally {
    size_t tests, rules;
};

static bool template_any(const char *text, char *why, size_t size)
{
    (void)text;
    (void)why;
    (void)size;
    return true;
}

static void read_file(const char *path, struct tally *tally)
{
    struct world w = {0};
    struct unit_word *rules;
    size_t length;
    char *text = document_load(path, &length, &w.report);
    assert_non_null(text);
    if (strstr(text, "\ntests:") || strncmp(text, "tests:", 6) == 0) {
        w.file = unit_file_read(&w.arena, path, text, length, &w.report);
        if (!w.file || !unit_file_rules(&w.arena, w.file, &rules, &w.report)) {
            fail_msg("%s", w.report.text);
        }
        tally->tests++;
    } else {
        const struct rule_file *file =
            rule_file_read(&w.arena, path, text, length, template_any, &w.report);
        if (!file || w.report.errors > 0) {
            fail_msg("%s", w.report.text);
        }
        tally->rules++;
    }
    free(text);
    done(&w);
}

static void read_folder(const char *folder, struct tally *tally)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[1000];
        struct stat info;
        const char *name = entries[i]->d_name;
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (name[0] != '.' && stat(path, &info) == 0) {
            if (S_ISDIR(info.st_mode)) {
                read_folder(path, tally);
            } else if (!strstr(name, ".tsv") && !strstr(name, ".md")) {
                read_file(path, tally);
            }
        }
        free(entries[i]);
    }
    free(entries);
}

static void every_file_of_the_corpora_is_read(void **state)
{
    const char *shared = getenv("HEAL_SHARED");
    char folder[900];
    struct tally tally = {0};
    (void)state;
    snprintf(folder, sizeof folder, "%s/conformance/alert-rules",
             shared ? shared : HEAL_ROOT "/../shared");
    read_folder(folder, &tally);
    if (tally.tests == 0) {
        skip();
    }
    print_message("%zu files of unit tests, %zu of rules\n", tally.tests, tally.rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_those_of_test_scripts),
        cmocka_unit_test(series_are_metrics_with_labels),
        cmocka_unit_test(a_file_is_read_with_all_its_fields),
        cmocka_unit_test(wrong_files_are_refused_with_a_place),
        cmocka_unit_test(native_histograms_are_named_not_judged),
        cmocka_unit_test(every_file_of_the_corpora_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
