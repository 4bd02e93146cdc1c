/* OpenMetrics: what a scrape reads, and what only the strict check refuses. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/ingest/exposition.h"
#include "tests/unit.h"

static enum status read_all(const char *body, size_t *ret_samples, struct error *error)
{
    struct exposition e;
    static struct exposition_item item;
    enum status status;
    *ret_samples = 0;
    exposition_init(&e, EXPOSITION_OPENMETRICS, body, strlen(body), NULL);
    while ((status = exposition_next(&e, &item, error)) == STATUS_OK &&
           item.kind != EXPOSITION_END) {
        *ret_samples += item.kind == EXPOSITION_SAMPLE;
    }
    return status;
}

/* The first sample of a body that has one. */
static struct exposition_item first(const char *body)
{
    struct exposition e;
    struct exposition_item item;
    struct error error = {""};
    exposition_init(&e, EXPOSITION_OPENMETRICS, body, strlen(body), NULL);
    do {
        assert_int_equal(exposition_next(&e, &item, &error), STATUS_OK);
    } while (item.kind != EXPOSITION_SAMPLE);
    return item;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct exposition_item item = first(
        "# TYPE a counter\na_total{b=\"\\\\\\\"\\n\\x\"} 1e3 1.5 # {c=\"\xe2\x82\xac\\n\"} 2 3\n");
    char plain[16];
    assert_true(item.value == 1000 && item.has_time && item.time.ns == 1500 * NS_PER_MS);
    assert_true(item.has_exemplar && item.exemplar_points == 3);
    assert_int_equal(item.label_count, 1);
    size_t size = exposition_unescape(item.labels[0].value, plain);
    assert_true(size == 5 && memcmp(plain, "\\\"\n\\x", 5) == 0);
    item = first("a 1 # {} 2\n");
    assert_true(item.has_exemplar && item.exemplar_points == 0 && !item.has_time);
    item = first("a 1 -0.0019\n");
    assert_true(item.time.ns == -NS_PER_MS);
    item = first("a 1 1e300\n");
    assert_true(item.time.ns == EXPOSITION_MS_MAX * NS_PER_MS);
}

static void a_body_without_its_end_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *error;
    } rows[] = {
        {"", "line 1, column 1: the body has no '# EOF': it may have been cut"},
        {"a 1\n", "line 2, column 1: the body has no '# EOF': it may have been cut"},
        {"a 1\n# EO",
         "line 2, column 5: the last line has no line feed: the body may have been cut"},
        {"a 1\n# EOF\n\n", "line 3, column 1: there is text behind '# EOF'"},
        {"a 1\n# EOF \n",
         "line 2, column 1: expected '# TYPE ', '# HELP ', '# UNIT ' or '# EOF', found '#'"},
        {"a 1\n\n# EOF\n",
         "line 2, column 1: expected a metric name or '#', found the end of the line"},
        {" a 1\n# EOF\n", "line 1, column 1: expected a metric name or '#', found ' '"},
        {"a  1\n# EOF\n",
         "line 1, column 3: expected a number within range, NaN, +Inf or -Inf, found ' '"},
        {"a{b=\"c\",} 1\n# EOF\n", "line 1, column 9: expected a label name, found '}'"},
        {"a{b=\"c\"}1\n# EOF\n", "line 1, column 9: expected a blank, found '1'"},
        {"a{b =\"c\"} 1\n# EOF\n", "line 1, column 4: expected '=', found ' '"},
        {"a{b=\"\x01\\",
         "line 1, column 8: the last line has no line feed: the body may have been cut"},
        {"a 1 NaN\n# EOF\n", "line 1, column 5: expected a timestamp in seconds, found 'N'"},
        {"a 1 2 3\n# EOF\n", "line 1, column 7: expected ' # ' or the end of the line, found '3'"},
        {"a 1 # {a=\"b\"}\n# EOF\n",
         "line 1, column 14: expected a blank, found the end of the line"},
        {"# TYPE a untyped\n# EOF\n",
         "line 1, column 10: expected a type of OpenMetrics, found 'u'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error error = {""};
        size_t samples;
        assert_int_equal(read_all(rows[i].body, &samples, &error), STATUS_PROTOCOL);
        assert_string_equal(error.message, rows[i].error);
    }
}

static void only_the_check_knows_families(void **state)
{
    (void)state;
    static const struct {
        const char *body, *error;
    } rows[] = {
        {"a 1\nb 1\na 2\n# EOF\n", "line 3, column 1: two families have the name 'a'"},
        {"# TYPE a counter\na_total 1\na_total 2\na{b=\"c\"} 1\n# EOF\n",
         "line 4, column 1: two families have the name 'a'"},
        {"# TYPE a_total gauge\n# TYPE a counter\n# EOF\n",
         "line 2, column 8: two families have the name 'a_total'"},
        {"# TYPE a counter\na_total NaN\n# EOF\n", "line 2, column 1: a counter is a number"},
        {"# TYPE a gauge\na 1\n# HELP a x\n# EOF\n",
         "line 3, column 8: metadata comes after a sample of its family"},
        {"# UNIT a seconds\n# EOF\n",
         "line 1, column 8: the name of a family does not end in its unit"},
        {"# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
         "line 3, column 1: a bucket has less than the one before"},
        {"# TYPE a histogram\na_bucket{le=\"1\"} 2\n# EOF\n",
         "line 1, column 8: a histogram has no bucket le=\"+Inf\""},
        {"# TYPE a gauge\na{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"1\"} 2\n# EOF\n",
         "line 4, column 1: the samples of a group do not stand together"},
        {"# TYPE a gauge\na 1 2\na 1 1\n# EOF\n",
         "line 3, column 1: timestamps go back within a group"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error error = {""};
        size_t samples, size = strlen(rows[i].body);
        assert_int_equal(read_all(rows[i].body, &samples, &error), STATUS_OK);
        assert_int_equal(openmetrics_check(rows[i].body, size, &error), STATUS_PROTOCOL);
        assert_string_equal(error.message, rows[i].error);
    }
}

static void a_whole_text_passes_the_check(void **state)
{
    (void)state;
    static const char body[] =
        "# TYPE a counter\n# UNIT a \n# HELP a he\\\\lp\na_total{x=\"1\"} 1 1 # {id=\"q\"} 1\n"
        "a_created{x=\"1\"} 2 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} "
        "2\n"
        "h_count 2\nh_sum 1.5\n# TYPE g gaugehistogram\ng_bucket{le=\"-1\"} 1\n"
        "g_bucket{le=\"+Inf\"} 1\ng_gcount 1\ng_gsum -2\n# TYPE i info\ni_info{v=\"1\"} 1\n"
        "# TYPE s stateset\ns{s=\"on\"} 1\ns{s=\"off\"} 0\n# TYPE q summary\n"
        "q{quantile=\"0.5\"} 1\nq_sum 2\nq_count 3\nu_x 1\n# EOF";
    struct error error = {""};
    if (openmetrics_check(body, strlen(body), &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_body_without_its_end_is_refused),
        cmocka_unit_test(only_the_check_knows_families),
        cmocka_unit_test(a_whole_text_passes_the_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
