#include <stdio.h>
#include <string.h>

#include "compiler/rules/importer.h"
#include "compiler/rules/promql.h"
#include "tests/unit.h"

/* Refuses what holds "{{ bad". */
static bool template_check(const char *text, char *why, size_t size)
{
    memcpy(why, "it is bad", size < 10 ? size : 10);
    return strstr(text, "{{ bad") == NULL;
}

struct world {
    struct arena arena;
    struct rules_report report;
    struct rule_file *file;
};

static void read_text(struct world *w, const char *text)
{
    *w = (struct world){0};
    w->file = rule_file_read(&w->arena, "r.yml", text, strlen(text), template_check, &w->report);
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
    if (strstr(got, expected) == NULL) {
        fail_msg("%s\n  expected %s\n  got %s", text, expected, got);
    }
    done(&w);
}

#define RULE "groups:\n- name: g\n  rules:\n  - "

static void a_rule_file_is_read_with_all_its_fields(void **state)
{
    struct world w;
    (void)state;
    read_text(&w, "groups:\n"
                  "- name: g\n"
                  "  interval: 1m30s\n"
                  "  limit: 10\n"
                  "  labels: {team: shop, severity: none}\n"
                  "  rules:\n"
                  "  - alert: Down\n"
                  "    expr: |\n"
                  "      up == 0\n"
                  "    for: 5m\n"
                  "    keep_firing_for: 1h\n"
                  "    labels:\n"
                  "      severity: page\n"
                  "    annotations: {summary: '{{ $labels.job }}'}\n"
                  "  - record: job:up\n"
                  "    expr: sum by (job) (up)\n");
    assert_int_equal(w.report.errors, 0);
    const struct rule_group *group = w.file->groups;
    assert_int_equal(group->interval_ms, 90000);
    assert_int_equal(group->limit, 10);
    const struct rule *rule = group->rules;
    assert_string_equal(rule->name, "Down");
    assert_string_equal(rule->expr, "up == 0\n");
    assert_true(rule->expr_literal);
    assert_int_equal(rule->expr_place.line, 8);
    assert_int_equal(rule->hold_ms, 300000);
    assert_int_equal(rule->keep_firing_ms, 3600000);
    assert_string_equal(rule->labels->name, "team");
    assert_string_equal(rule->labels->next->value, "page");
    assert_null(rule->labels->next->next);
    assert_string_equal(rule->annotations->value, "{{ $labels.job }}");
    assert_true(rule->next->records);
    assert_string_equal(rule->next->labels->next->value, "none");
    done(&w);
}

static void anchors_aliases_and_merge_keys_are_followed(void **state)
{
    struct world w;
    (void)state;
    read_text(&w, "groups:\n"
                  "- name: g\n"
                  "  rules:\n"
                  "  - &base\n"
                  "    alert: A\n"
                  "    expr: &e up == 0\n"
                  "    labels: &l {severity: page}\n"
                  "  - <<: *base\n"
                  "    alert: B\n"
                  "    for: 1m\n"
                  "  - alert: C\n"
                  "    expr: *e\n"
                  "    labels: {<<: [*l, {severity: other, team: x}], job: y}\n");
    assert_int_equal(w.report.errors, 0);
    const struct rule *b = w.file->groups->rules->next, *c = b->next;
    assert_string_equal(b->name, "B");
    assert_string_equal(b->expr, "up == 0");
    assert_int_equal(b->hold_ms, 60000);
    assert_string_equal(c->expr, "up == 0");
    assert_string_equal(c->labels->name, "job");
    assert_string_equal(c->labels->next->value, "page");
    assert_string_equal(c->labels->next->next->value, "x");
    done(&w);
}

static void what_prometheus_refuses_is_refused_with_its_place(void **state)
{
    (void)state;
    reports(RULE "alert: A\n", "r.yml:4:5: the field 'expr' must be set");
    reports(RULE "expr: up\n", "r.yml:4:5: one of 'record' and 'alert' must be set");
    reports(RULE "{alert: A, record: b, expr: up}", "only one of 'record' and 'alert' may be set");
    reports(RULE "{alert: A, expr: up, for: 1.5h}", "r.yml:4:31: 'for': not a duration: \"1.5h\"");
    reports(RULE "{alert: A, expr: up, for: 1m1h}", "not a duration");
    reports(RULE "{alert: A, expr: up, for: 300y}", "a duration out of range");
    reports(RULE "{alert: A, expr: up, fro: 1m}", "r.yml:4:26: unknown field 'fro' in a rule");
    reports(RULE "{record: a, expr: up, for: 1m}", "a recording rule has no 'for'");
    reports(RULE "{record: a, expr: up, annotations: {x: y}}", "has no 'annotations'");
    reports(RULE "{record: 'a{b=\"c\"}', expr: up}", "invalid recording rule name");
    reports(RULE "{alert: A, expr: up, labels: {__name__: x}}", "invalid label name: \"__name__\"");
    reports(RULE "{alert: A, expr: up, annotations: {'': x}}", "invalid annotation name");
    reports(RULE "{alert: A, expr: up, labels: {a: '{{ bad }}'}}",
            "r.yml:4:38: the template of 'a': it is bad");
    reports(RULE "{alert: A, expr: up, labels: {a: [b]}}", "the label 'a' is a text");
    reports("groups:\n- name: g\n- name: g\n", "r.yml:3:3: the group 'g' is there twice");
    reports("groups:\n- rules: []\n", "a group needs a name");
    reports("groups: []\nrule: x\n", "r.yml:2:1: unknown field 'rule' in a rule file");
    reports("groups:\n- {name: g, interval: x}\n", "'interval': not a duration");
    reports("groups:\n- {name: g, limit: -1}\n", "'limit' is a whole number");
    reports("[]", "a rule file is a map");
}

static void fields_of_victoriametrics_are_read_or_refused_by_name(void **state)
{
    struct world w;
    (void)state;
    read_text(&w,
              "groups:\n- {name: g, type: prometheus, concurrency: 2, rules: [{alert: A, expr: up, "
              "debug: true}]}\n");
    assert_int_equal(w.report.errors, 0);
    assert_int_equal(w.file->rules, 1);
    done(&w);
    reports("groups:\n- {name: g, type: graphite}\n", "rules of type 'graphite' are not PromQL");
    reports("groups:\n- {name: g, tenant: '1:2'}\n", "nothing for the field 'tenant'");
    reports("groups:\n- {name: g, eval_offset: 1m}\n", "nothing for the field 'eval_offset'");
    reports("groups:\n- {name: g, query_offset: 1m}\n", "no group with a 'query_offset'");
}

static void a_wrong_rule_leaves_the_others(void **state)
{
    struct world w;
    (void)state;
    read_text(&w, RULE "{alert: A, expr: up}\n  - {alert: B}\n  - {alert: C, expr: up}\n");
    assert_int_equal(w.report.errors, 1);
    assert_int_equal(w.file->rules, 2);
    assert_int_equal(w.file->refused, 1);
    assert_string_equal(w.file->groups->rules->next->name, "C");
    done(&w);
}

static void yaml_that_grows_or_turns_in_circles_is_refused(void **state)
{
    char text[4096] = "a: &a [x, x, x, x, x, x, x, x, x]\n";
    size_t length = strlen(text);
    (void)state;
    for (int i = 0; i < 8; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n",
                                   'b' + i, 'b' + i, 'a' + i, 'a' + i, 'a' + i, 'a' + i, 'a' + i,
                                   'a' + i, 'a' + i, 'a' + i, 'a' + i);
    }
    reports(text, "too many values, with what the aliases stand for");
    reports("a: &a {b: *a}\n", "r.yml:1:11: the anchor 'a' holds itself");
    reports("groups: *nope\n", "no anchor is called 'nope'");
    memset(text, '[', 200);
    text[200] = '\0';
    reports(text, "nested too deeply");
    reports("groups: []\ngroups: []\n", "r.yml:2:1: the key 'groups' is there twice");
    reports("groups:\n\t- name: g\n", "r.yml:2:1: ");
    reports("a: \"\xff\"\n", "the text is not UTF-8");
    reports("a: \"\\0\"\n", "a text with a NUL byte");
    reports("", "r.yml: the file is empty");
    reports("# only words\n", "the file is empty");
    reports("--- {groups: []}\n--- {groups: []}\n", "only one document");
}

static void promql_is(const char *text, const char *expected, const char *change)
{
    struct arena arena = {0};
    struct promql promql;
    if (!promql_read(&arena, text, &promql)) {
        fail_msg("%s\n  refused: %s", text, promql.why);
    }
    assert_string_equal(promql.text, expected);
    assert_int_equal(promql.changes != NULL, change != NULL);
    if (change) {
        assert_non_null(strstr(promql.changes->text, change));
    }
    arena_release(&arena);
}

static void what_both_read_alike_stays_as_it_is(void **state)
{
    static const char *const same[] = {
        "up == 0",
        "sum by (policy, when) (rate(x{policy=\"a\", signal=~'b'}[5m:1m])) # policy",
        "a / on (heal) group_left (then) b % 2",
        "\"when\" == bool \"2%3\"",
        "`a\n{{ when` + 0x1F * 1e-3 > Inf",
        "x[5m] offset -1h30m @ 12 and y unless on () z",
        "{__name__=~\"when\", when=\"x\"}",
        "job:when:rate5m{a='b'}",
        "topk(3, count) or start or end @ end()",
        "x > 5m",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct arena arena = {0};
        struct promql promql;
        promql_read(&arena, same[i], &promql);
        assert_null(promql.changes);
        arena_release(&arena);
    }
    promql_is(same[0], same[0], NULL);
    promql_is(same[1], same[1], NULL);
    promql_is(same[6], same[6], NULL);
}

static void what_heal_would_read_otherwise_is_rewritten_and_said(void **state)
{
    (void)state;
    promql_is("when > 1", "{__name__=\"when\"} > 1", "the metric 'when' is written with braces");
    promql_is("policy{a=\"b\"} > 1", "{__name__=\"policy\", a=\"b\"} > 1", "'policy'");
    promql_is("sum(signal { }[5m])", "sum({__name__=\"signal\" }[5m])", "'signal'");
    promql_is("when # c\n{a=\"b\"}", "{__name__=\"when\", a=\"b\"}", "'when'");
    promql_is("sum(foo: )", "sum({__name__=\"foo:\"} )", "'foo:'");
    promql_is("x > 90%7", "x > 90 %7", "a blank stands before '%'");
    promql_is("x > 5m/h", "x > 5m /h", "a blank stands before '/'");
    promql_is("x > 010", "x > 8", "octal");
    promql_is("x > 1_000.5", "x > 1000.5", "underscores");
}

static void promql_refuses(const char *text, size_t column, const char *why)
{
    struct arena arena = {0};
    struct promql promql;
    if (promql_read(&arena, text, &promql)) {
        fail_msg("%s is taken as %s", text, promql.text);
    }
    if (strstr(promql.why, why) == NULL || promql.place.column != column) {
        fail_msg("%s: %zu: %s", text, promql.place.column, promql.why);
    }
    arena_release(&arena);
}

static void what_is_no_promql_is_refused_though_heal_would_take_it(void **state)
{
    (void)state;
    promql_refuses("x > 4GiB", 5, "no number of PromQL: 4GiB");
    promql_refuses("forecast(x, in: 5m)", 17, "unexpected");
    promql_refuses("x and zscore(x)", 7, "a function of heal, not of PromQL");
    promql_refuses("x reaches y", 1, "only a forecast can reach a value");
    promql_refuses("(forecast(x) reaches y)", 2, "PromQL has no 'reaches'");
    promql_refuses("x +", 4, "");
    promql_refuses("when + + 5 )", 12, "");
    promql_refuses("nope(x)", 1, "no stable function");
    promql_refuses("histogram_avg(x)", 1, "native histograms");
    promql_refuses("x > \"abc", 5, "not closed");
}

static char *imported(struct world *w, struct importer *import, const char *text)
{
    static const struct importer_options options = {.interval_ms = 60000};
    read_text(w, text);
    importer_init(import, &options, &w->report);
    importer_add_file(import, w->file);
    return import->text;
}

static void rules_become_policies_and_signals(void **state)
{
    struct world w;
    struct importer import;
    (void)state;
    const char *text =
        imported(&w, &import,
                 "groups:\n- name: g\n  interval: 30s\n  rules:\n"
                 "  - record: job:errors\n    expr: sum(x)\n    labels: {team: \"a\\\"b\"}\n"
                 "  - alert: Pod down\n    expr: |\n      up # comment\n        == 0\n"
                 "    for: 1h30m\n    keep_firing_for: 5m\n"
                 "    labels: {alertname: other, k8s.io/x: y}\n"
                 "    annotations: {s: \"a\\nb\"}\n"
                 "  - {alert: Pod down, expr: x}\n"
                 "  - {alert: when, expr: when}\n");
    assert_int_equal(w.report.errors, 0);
    const char *body = strstr(text, "edition 1");
    assert_string_equal(body, "edition 1\n\nchannel prometheus = log\n\n# group g, every 30s\n\n"
                              "signal job:errors{team=\"a\\\"b\"} every 30s = sum(x)\n\n"
                              "policy Pod_down for each series every 30s {\n"
                              "  label alertname = \"Pod down\"\n"
                              "  label \"k8s.io/x\" = \"y\"\n"
                              "  annotation s = \"a\\nb\"\n"
                              "  when\n    up # comment\n      == 0\n    for 1h30m\n"
                              "  keep firing for 5m\n"
                              "  on missing as prometheus\n  escalate to prometheus\n}\n\n"
                              "policy Pod_down_2 for each series every 30s {\n"
                              "  label alertname = \"Pod down\"\n"
                              "  when x\n"
                              "  on missing as prometheus\n  escalate to prometheus\n}\n\n"
                              "# the metric 'when' is written with braces, for the bare name means "
                              "something else\n"
                              "policy when_alert for each series every 30s {\n"
                              "  label alertname = \"when\"\n"
                              "  when {__name__=\"when\"}\n"
                              "  on missing as prometheus\n  escalate to prometheus\n}\n\n");
    importer_release(&import);
    done(&w);
}

static void an_expression_heal_cannot_take_is_a_report_with_its_line(void **state)
{
    struct world w;
    struct importer import;
    (void)state;
    imported(&w, &import,
             RULE "alert: A\n    expr: |\n      x\n        > nope(y)\n  - {alert: B, expr: x}\n");
    assert_int_equal(import.refused, 1);
    assert_int_equal(import.policies, 1);
    assert_non_null(
        strstr(w.report.text, "r.yml:7:5: alert 'A': expression 2:5: no stable function"));
    assert_null(strstr(import.text, "policy A "));
    importer_release(&import);
    done(&w);
}

static bool no_y(const char *text, char *why, size_t size)
{
    assert_memory_equal(text, importer_channel, strlen(importer_channel));
    snprintf(why, size, "it has y");
    return strstr(text, "y") == NULL || strstr(text, "policy A ") == NULL;
}

static void a_rule_that_heal_does_not_take_is_taken_back(void **state)
{
    static const struct importer_options options = {
        .interval_ms = 15000, .one_interval = true, .check = no_y};
    struct world w;
    struct importer import;
    (void)state;
    read_text(&w, "groups:\n- name: g\n  interval: 2m\n  rules:\n  - {alert: A, expr: y}\n"
                  "  - {alert: B, expr: x}\n");
    importer_init(&import, &options, &w.report);
    importer_add_file(&import, w.file);
    assert_int_equal(import.policies, 1);
    assert_string_equal(import.refused_alerts->name, "A");
    assert_non_null(strstr(w.report.text, "r.yml:5:22: alert 'A': it has y"));
    assert_null(strstr(import.text, "policy A"));
    assert_non_null(strstr(import.text, "policy B for each series every 15s {"));
    importer_release(&import);
    done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_file_is_read_with_all_its_fields),
        cmocka_unit_test(anchors_aliases_and_merge_keys_are_followed),
        cmocka_unit_test(what_prometheus_refuses_is_refused_with_its_place),
        cmocka_unit_test(fields_of_victoriametrics_are_read_or_refused_by_name),
        cmocka_unit_test(a_wrong_rule_leaves_the_others),
        cmocka_unit_test(yaml_that_grows_or_turns_in_circles_is_refused),
        cmocka_unit_test(what_both_read_alike_stays_as_it_is),
        cmocka_unit_test(what_heal_would_read_otherwise_is_rewritten_and_said),
        cmocka_unit_test(what_is_no_promql_is_refused_though_heal_would_take_it),
        cmocka_unit_test(rules_become_policies_and_signals),
        cmocka_unit_test(an_expression_heal_cannot_take_is_a_report_with_its_line),
        cmocka_unit_test(a_rule_that_heal_does_not_take_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
