/* Recorded signals and policies for each series: what their words mean, what is a warning there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/needs.h"
#include "lang/parser.h"
#include "tests/unit.h"

struct setting {
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
    struct program *program;
    bool good;
};

static void setting_open(struct setting *s, const char *text)
{
    memset(s, 0, sizeof *s);
    diag_list_init(&s->diags, &s->arena, &s->sources);
    struct parse_text file = {.name = "a.heal", .text = text, .length = strlen(text)};
    s->program = parse_program_texts(&s->arena, &s->sources, &file, 1, &s->diags);
    s->good = s->diags.errors == 0 && check_program(s->program, &s->diags, NULL);
}

static void setting_close(struct setting *s)
{
    sources_release(&s->sources);
    arena_release(&s->arena);
}

static size_t findings(const struct setting *s, enum diag_code code)
{
    size_t count = 0;
    for (const struct diag *d = s->diags.first; d; d = d->next) {
        count += d->code == code;
    }
    return count;
}

#define SHARED                                  \
    "metric a_bytes bytes by (job, pod)\n"      \
    "metric b_seconds seconds by (job)\n"       \
    "metric busy ratio by (job)\n"              \
    "pool jobs(job) = sum by (job) (a_bytes)\n" \
    "channel oncall = log\n"                    \
    "action recycle(p: job) { via exec irreversible timeout 30s }\n"
#define ACTING(when)                                                            \
    "policy leak for each job in jobs { about \"x\" when " when " for 1m "      \
    "clear when job:a < 4MiB on missing hold on stale > 2m hold "               \
    "heal { try recycle(job) verify job:a < 4MiB within 5m else page oncall } " \
    "bound at most 1 of jobs per 10m cooldown 10m }\n"

static void the_name_of_a_recorded_signal_is_a_metric_with_its_dimension_and_labels(void **state)
{
    (void)state;
    struct setting s;
    setting_open(&s,
                 SHARED "signal job:a every 1m = sum by (job) (a_bytes)\n" ACTING("job:a > 5MiB"));
    assert_true(s.good);
    setting_close(&s);
    setting_open(&s, SHARED "signal job:a = sum by (job) (a_bytes)\n" ACTING("job:a > 5s"));
    assert_int_equal(findings(&s, DIAG_DIMENSION), 1);
    setting_close(&s);
    setting_open(&s, SHARED
                 "signal job:a{team=\"x\"} = sum by (job) (a_bytes)\n" ACTING("job:a > 5MiB"));
    assert_int_equal(findings(&s, DIAG_CONDITION_LABELS), 3);
    setting_close(&s);
    setting_open(&s, SHARED "signal job:a{pod=\"\"} = a_bytes\n" ACTING("job:a > 5MiB"));
    assert_true(s.good);
    setting_close(&s);
    setting_open(&s, SHARED ACTING("job:a > 5MiB"));
    assert_int_equal(findings(&s, DIAG_UNKNOWN_METRIC), 3);
    setting_close(&s);
}

static void definitions_that_disagree_leave_dimension_and_labels_unknown(void **state)
{
    (void)state;
    struct setting s;
    setting_open(&s, SHARED "signal job:a{of=\"a\"} = sum by (job) (a_bytes)\n"
                            "signal job:a = sum by (job) (b_seconds)\n" ACTING("job:a > 5MiB"));
    assert_true(s.good);
    const struct expr *when = expr_strip(s.program->policies->when.expr);
    assert_false(when->binary.left->type.dimension.known);
    assert_false(when->binary.left->type.labels_exact);
    setting_close(&s);
}

static void a_recorded_signal_may_read_itself_and_what_stands_behind_it(void **state)
{
    (void)state;
    struct setting s;
    setting_open(&s, "signal a = a + b\nsignal b = a{x=\"y\"} or rate(b[5m] offset 1m)\n");
    assert_true(s.good);
    assert_ptr_equal(s.program->recorded->expr->binary.right->selector.recorded,
                     s.program->recorded->next);
    setting_close(&s);
}

static void a_signal_of_a_policy_stands_before_a_recorded_one(void **state)
{
    (void)state;
    struct setting s;
    setting_open(&s, "channel oncall = log\nsignal a = up\n"
                     "policy p { signal a = down when a > 5 escalate to oncall }\n"
                     "policy q { when a > 5 escalate to oncall }\n");
    assert_true(s.good);
    const struct policy *p = s.program->policies;
    assert_non_null(p->when.expr->binary.left->selector.signal);
    assert_null(p->when.expr->binary.left->selector.recorded);
    assert_non_null(p->next->when.expr->binary.left->selector.recorded);
    setting_close(&s);
}

static void a_policy_needs_what_its_recorded_signals_are_made_of(void **state)
{
    (void)state;
    struct setting s;
    setting_open(&s, "channel oncall = log\n"
                     "signal a = sum(up) + b\nsignal b = a offset 1m\nsignal a = max(load)\n"
                     "policy p { when a > disk escalate to oncall }\n");
    assert_true(s.good);
    struct policy_needs needs = policy_needs_of(&s.arena, s.program->policies);
    assert_int_equal(needs.metric_count, 3);
    assert_string_equal(needs.metrics[0], "disk");
    assert_string_equal(needs.metrics[1], "load");
    assert_string_equal(needs.metrics[2], "up");
    setting_close(&s);
}

static void what_prometheus_loads_is_at_most_warned_about(void **state)
{
    (void)state;
    static const char *const loaded[] = {
        "x_bytes > y_seconds",
        "http_requests_total > 5",
        "busy > 90",
        "1",
        "time()",
        "x",
        "x > 5 and x < 3",
        "rate(busy[5m]) > 1",
        "sum by (nothing) (busy) > bool 2",
        "sum by (a) (x) / sum by (b) (y) > 1",
        "sum by (a, b) (x) / on (a) sum by (a, c) (y) > 1",
        "x offset 1h > y @ 5",
    };
    static const char *const refused[] = {
        "1 > 2", "x and 1",    "x + bool y",  "x and on (a) group_left y", "rate(x)", "\"text\"",
        "x[5m]", "sum(x[5m])", "(x + y)[5m]",
    };
    for (size_t i = 0; i < ARRAY_LEN(loaded) + ARRAY_LEN(refused); i++) {
        bool good = i < ARRAY_LEN(loaded);
        char text[1000];
        snprintf(text, sizeof text,
                 SHARED "policy p for each series every 2h { about \"x\" when %s "
                        "on missing as prometheus escalate to oncall }",
                 good ? loaded[i] : refused[i - ARRAY_LEN(loaded)]);
        struct setting s;
        setting_open(&s, text);
        bool later = findings(&s, DIAG_FORM_NOT_READY) > 0;
        if (s.good != good && !later) {
            print_error("%s\n", text);
            diag_print(&s.diags, DIAG_CONCISE, false, stderr);
            fail();
        }
        setting_close(&s);
    }
}

static void the_new_words_are_still_metrics(void **state)
{
    (void)state;
    struct setting s;
    setting_open(&s, "channel oncall = log\n"
                     "signal firing{label=\"x\"} = series + label + annotation\n"
                     "policy series for each series { about \"x\" when firing > label "
                     "label label = \"a\" annotation annotation = \"b\" keep firing for 5m "
                     "on missing as prometheus escalate to oncall }\n"
                     "pool p(series) = label\n"
                     "policy q for each series in p { when label > 5 escalate to oncall }\n");
    assert_true(s.good);
    assert_true(s.program->policies->each_series);
    assert_false(s.program->policies->next->each_series);
    setting_close(&s);
}

static void a_signal_of_the_file_is_read_after_a_broken_statement(void **state)
{
    (void)state;
    struct setting s;
    setting_open(&s, "channel = log\nsignal a every 1m = up\n");
    assert_int_equal(s.diags.errors, 1);
    assert_non_null(s.program->recorded);
    assert_string_equal(s.program->recorded->name.text, "a");
    setting_close(&s);
}

static void sixty_five_labels_are_too_many(void **state)
{
    (void)state;
    for (int count = POLICY_PAIRS_MAX; count <= POLICY_PAIRS_MAX + 1; count++) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        fputs("channel oncall = log\npolicy p for each series { about \"x\" when a > 1 "
              "on missing as prometheus escalate to oncall\n",
              out);
        for (int i = 0; i < count; i++) {
            fprintf(out, "label l%d = \"x\" annotation a%d = \"x\"\n", i, i);
        }
        fputs("}\n", out);
        fclose(out);
        struct setting s;
        setting_open(&s, text);
        assert_int_equal(findings(&s, DIAG_TOO_LARGE), count > POLICY_PAIRS_MAX ? 2 : 0);
        setting_close(&s);
        free(text);
    }
}

static void the_hash_of_a_policy_holds_its_labels_and_annotations(void **state)
{
    (void)state;
    static const char *const clauses[] = {
        "", "label a = \"b\"", "label a = \"c\"", "annotation a = \"b\"", "keep firing for 5m",
    };
    uint64_t hashes[ARRAY_LEN(clauses)];
    for (size_t i = 0; i < ARRAY_LEN(clauses); i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "channel oncall = log\npolicy p for each series { about \"x\" when a > 1 %s "
                 "on missing as prometheus escalate to oncall }",
                 clauses[i]);
        struct setting s;
        setting_open(&s, text);
        assert_true(s.good);
        hashes[i] = s.program->policies->hash;
        for (size_t j = 0; j < i; j++) {
            assert_true(hashes[i] != hashes[j]);
        }
        setting_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_a_recorded_signal_is_a_metric_with_its_dimension_and_labels),
        cmocka_unit_test(definitions_that_disagree_leave_dimension_and_labels_unknown),
        cmocka_unit_test(a_recorded_signal_may_read_itself_and_what_stands_behind_it),
        cmocka_unit_test(a_signal_of_a_policy_stands_before_a_recorded_one),
        cmocka_unit_test(a_policy_needs_what_its_recorded_signals_are_made_of),
        cmocka_unit_test(what_prometheus_loads_is_at_most_warned_about),
        cmocka_unit_test(the_new_words_are_still_metrics),
        cmocka_unit_test(a_signal_of_the_file_is_read_after_a_broken_statement),
        cmocka_unit_test(sixty_five_labels_are_too_many),
        cmocka_unit_test(the_hash_of_a_policy_holds_its_labels_and_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
