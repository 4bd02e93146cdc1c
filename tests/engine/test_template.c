#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/alert_query.h"
#include "tests/unit.h"

/* What Go and Prometheus document; check_templates.py compares more with a real Prometheus. */

static const struct label labels[] = {
    {"__name__", "m"}, {"instance", "db-1.example.org:9100"}, {"job", "db"}};
static const struct label external[] = {{"site", "eu"}};

static enum status answer(void *context, const char *text, struct instant now, struct arena *arena,
                          struct template_vector *ret, struct error *error)
{
    static const struct label a[] = {{"__name__", "q"}, {"instance", "a"}};
    static const struct label b[] = {{"__name__", "q"}, {"instance", "b"}};
    assert_ptr_equal(context, labels);
    assert_int_equal(now.ns, 1700000000 * NS_PER_S);
    if (strcmp(text, "none") == 0) {
        return STATUS_OK;
    }
    if (strcmp(text, "q") != 0) {
        return error_set(error, STATUS_PROTOCOL, "cannot parse '%s'", text);
    }
    ret->samples = arena_alloc(arena, 2 * sizeof *ret->samples);
    ret->samples[0] = (struct template_sample){b, 2, 21};
    ret->samples[1] = (struct template_sample){a, 2, 11};
    ret->count = 2;
    return STATUS_OK;
}

static const struct template_data data = {.labels = labels,
                                          .label_count = ARRAY_LEN(labels),
                                          .external = external,
                                          .external_count = 1,
                                          .external_url = "http://prom:9090/path/prefix?x=1",
                                          .alert_name = "Down",
                                          .value = 1234567,
                                          .now = {1700000000 * NS_PER_S},
                                          .query_context = (void *)labels,
                                          .query = answer};

static enum status expand(const char *text, char *ret, size_t size)
{
    struct template *t;
    struct error error = {""};
    assert_int_equal(template_new(text, &t, &error), STATUS_OK);
    enum status status = template_run(t, &data, ret, size, &error);
    template_free(t);
    return status;
}

static void expands_to(const char *text, const char *expected)
{
    static char got[TEMPLATE_OUTPUT_BYTES_MAX];
    expand(text, got, sizeof got);
    if (strcmp(got, expected) != 0) {
        fail_msg("%s\n  expected %s\n  got      %s", text, expected, got);
    }
}

static void refused(const char *text, const char *expected)
{
    struct template *t;
    struct error error = {""};
    assert_int_not_equal(template_new(text, &t, &error), STATUS_OK);
    if (strcmp(error.message, expected) != 0) {
        fail_msg("%s\n  expected %s\n  got      %s", text, expected, error.message);
    }
}

static void template_reads_its_data(void **state)
{
    (void)state;
    expands_to("plain", "plain");
    expands_to("{{ $labels.job }} {{ .Labels.job }} {{ $value }} {{ .Value }}",
               "db db 1.234567e+06 1.234567e+06");
    expands_to("{{ $externalLabels.site }} {{ $externalURL }} {{ .ExternalURL }}",
               "eu http://prom:9090/path/prefix?x=1 http://prom:9090/path/prefix?x=1");
    expands_to("{{ externalURL }} {{ pathPrefix }}",
               "http://prom:9090/path/prefix?x=1 /path/prefix");
    expands_to("[{{ $labels.nope }}][{{ index $labels \"nope\" }}]", "[][]");
    expands_to("{{ now }} {{ toTime now }}", "1.7e+09 2023-11-14 22:13:20 +0000 UTC");
}

static void floats_print_as_in_go(void **state)
{
    (void)state;
    expands_to("{{ 1.0 }} {{ 0.1 }} {{ 100000.0 }} {{ 999999.0 }} {{ 1e6 }} {{ 123456789.0 }}",
               "1 0.1 100000 999999 1e+06 1.23456789e+08");
    expands_to("{{ 0.0001 }} {{ 0.00001 }} {{ 1e21 }} {{ -0.0 }} {{ 5e-324 }} {{ 0.3 }}",
               "0.0001 1e-05 1e+21 -0 5e-324 0.3");
    expands_to(
        "{{ printf \"%.2f %5.1f|%-6.1f|%06.2f %+.0f %e %g %x\" 1.005 2.25 2.25 2.25 1.5 1e3 1e6 "
        "1.5 }}",
        "1.00   2.2|2.2   |002.25 +2 1.000000e+03 1e+06 0x1.8p+00");
}

static void printf_says_what_does_not_fit(void **state)
{
    (void)state;
    expands_to("{{ printf \"%d\" 1.5 }} {{ printf \"%s\" 1 }}", "%!d(float64=1.5) %!s(int=1)");
    expands_to("{{ printf \"%d\" }} {{ printf \"x\" 1 }} {{ printf \"%\" }}",
               "%!d(MISSING) x%!(EXTRA int=1) %!(NOVERB)");
    expands_to("{{ printf \"%q %x % X %t %T %v %%\" \"a\\\"\" \"hi\" \"hi\" true 1.5 nil }}",
               "\"a\\\"\" 6869 68 69 true float64 <nil> %");
    expands_to("{{ printf \"%[2]d %[1]d\" 1 2 }} {{ printf \"%2000d\" 1 }}", "2 1 %!(BADWIDTH)1");
}

static void trimming_control_and_scope(void **state)
{
    (void)state;
    expands_to("a  {{- 1 -}}  b", "a1b");
    expands_to("a {{- /* c */ -}} b{{/* d */}}", "ab");
    expands_to(
        "{{ if eq $labels.job \"web\" }}1{{ else if eq $labels.job \"db\" }}2{{ else }}3{{ end }}",
        "2");
    expands_to("{{ with $labels.nope }}x{{ else with $labels.job }}{{ . }}{{ end }}", "db");
    expands_to("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}",
               "32");
    expands_to("{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
               "__name__=m;instance=db-1.example.org:9100;job=db;");
    expands_to("{{ range 3 }}{{ . }}{{ end }}{{ range 0 }}x{{ else }}none{{ end }}", "012none");
    expands_to(
        "{{ range $i, $e := query \"q\" }}{{ if $i }}{{ break }}{{ end }}{{ $e.Value }}{{ end }}",
        "21");
    expands_to(
        "{{ define \"x\" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template \"x\" (args 1 \"2\") }}",
        "1-2");
    expands_to("{{ define \"x\" }}<{{ . }}>{{ end }}{{ tmpl \"x\" 5 }}", "<5>");
    expands_to("{{ block \"b\" 5 }}<{{ . }}>{{ end }}", "<5>");
}

static void queries_answer(void **state)
{
    (void)state;
    expands_to("{{ query \"q\" | first | value }}", "21");
    expands_to("{{ range query \"q\" | sortByLabel \"instance\" }}{{ .Labels.instance }}:{{ .Value "
               "}} {{ end }}",
               "a:11 b:21 ");
    expands_to("{{ len (query \"none\") }}{{ (query \"q\" | first).Labels.instance }}", "0b");
    expands_to(
        "{{ query \"bad(\" }}",
        "<error expanding template: error executing template __alert_Down: template: "
        "__alert_Down:1:115: executing \"__alert_Down\" at <query \"bad(\">: error calling query: "
        "cannot parse 'bad('>");
}

static void expands_over(struct store *store, const char *text, const char *expected)
{
    struct alert_query query = {.store = store};
    struct template_data over = {
        .now = {100 * NS_PER_S}, .query = alert_query_answer, .query_context = &query};
    struct template *t;
    char got[1000];
    assert_int_equal(template_new(text, &t, NULL), STATUS_OK);
    (void)!template_run(t, &over, got, sizeof got, NULL);
    template_free(t);
    if (strstr(got, expected) == NULL) {
        fail_msg("%s\n  expected %s\n  got      %s", text, expected, got);
    }
}

static void a_store_answers_queries(void **state)
{
    static const struct label a = {"job", "a"}, b = {"job", "b"};
    struct store *store = store_new(&(struct store_limits){.retention = duration_seconds(300)});
    uint32_t source, series[2];
    (void)state;
    assert_int_equal(
        store_source(store, "s", duration_seconds(1e9), duration_seconds(0), &source, NULL),
        STATUS_OK);
    assert_int_equal(store_series(store, source, "m", &a, 1, &series[0], NULL), STATUS_OK);
    assert_int_equal(store_series(store, source, "m", &b, 1, &series[1], NULL), STATUS_OK);
    store_answered(store, source, (struct instant){1});
    for (int i = 1; i <= 10; i++) {
        struct instant now = {10 * i * NS_PER_S};
        store_append(store, series[0], now, now, i);
        store_append(store, series[1], now, now, 2 * i);
    }
    expands_over(
        store,
        "{{ range query \"m\" | sortByLabel \"job\" }}{{ .Labels.job }}={{ .Value }};{{ end }}",
        "a=10;b=20;");
    expands_over(store, "{{ query \"m{job='a'}\" | first }}", "{map[__name__:m job:a] 10}");
    expands_over(store, "{{ query \"sum(rate(m[1m]))\" | first | value | printf \"%.2f\" }}",
                 "0.30");
    expands_over(store, "{{ query \"1 + 1\" | first | value }}|{{ len (query \"nope\") }}", "2|0");
    expands_over(store,
                 "{{ with printf \"m{job='%s'}\" \"b\" | query }}{{ . | first | value }}{{ end }}",
                 "20");
    expands_over(store, "{{ query \"sum(\" }}", "error calling query: the text ends too early");
    expands_over(store, "{{ query \"'x'\" }}", "rule result is not a vector or scalar");
    expands_over(store, "{{ range 20 }}{{ len (query \"m\") }}{{ end }}", "more than 16 queries");
    store_free(store);
}

static void prometheus_functions(void **state)
{
    (void)state;
    expands_to("{{ humanize 0.0 }}:{{ humanize 1.0 }}:{{ humanize 1234567.0 }}:{{ humanize .12 }}",
               "0:1:1.235M:120m");
    expands_to("{{ humanize1024 1048576 }}:{{ humanize1024 .12 }}:{{ humanize \"1e3\" }}",
               "1Mi:0.12:1k");
    expands_to(
        "{{ humanizeDuration 0 }}:{{ humanizeDuration 899.99 }}:{{ humanizeDuration -183845 }}:"
        "{{ humanizeDuration .0001 }}:{{ humanizeDuration 1.2345 }}",
        "0s:14m 59s:-2d 3h 4m 5s:100us:1.234s");
    expands_to("{{ humanizePercentage -0.22222 }}:{{ 1.23456 | humanizePercentage }}",
               "-22.22%:123.5%");
    expands_to("{{ humanizeTimestamp 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC");
    expands_to("{{ humanize \"Inf\" }} {{ humanizeDuration \"NaN\" }}", "+Inf NaN");
    expands_to("{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }}",
               "db-1.example.org db-1:9100");
    expands_to("{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }} {{ match \"a+\" \"baa\" }}", "xa true");
    expands_to("{{ title \"aa bb CC\" }} {{ toUpper \"x\" }} {{ toLower \"X\" }}", "Aa Bb CC X x");
    expands_to("{{ graphLink \"up == 1\" }}", "/graph?g0.expr=up+%3D%3D+1&g0.tab=0");
    expands_to(
        "{{ parseDuration \"1h30m\" }} {{ parseDurationTime \"90s\" }} {{ toDuration 0.0015 }}",
        "5400 1m30s 1.5ms");
    expands_to("{{ (parseDurationTime \"90s\").Minutes }} {{ (toTime 0).Format \"2006-01-02\" }}",
               "1.5 1970-01-01");
    expands_to("{{ urlQueryEscape \"a b\" }} {{ html \"<a&'\" }} {{ js \"'<\" }}",
               "a+b &lt;a&amp;&#39; \\'\\u003C");
}

static void an_error_of_the_run_is_the_text(void **state)
{
    char text[400];
    (void)state;
    assert_int_not_equal(expand("x{{ gt $value 5 }}", text, sizeof text), STATUS_OK);
    assert_string_equal(
        text, "<error expanding template: error executing template __alert_Down: template: "
              "__alert_Down:1:116: executing \"__alert_Down\" at <gt $value 5>: error calling gt: "
              "incompatible types for comparison>");
    expands_to(
        "a\n {{ $labels.a.b }}",
        "<error expanding template: error executing template __alert_Down: template: "
        "__alert_Down:2:11: executing \"__alert_Down\" at <$labels.a.b>: can't evaluate field b in "
        "type string>");
}

static void a_query_without_one_who_answers_is_an_error(void **state)
{
    struct template *t;
    struct template_data lonely = {.value = 1};
    char text[300];
    (void)state;
    assert_int_equal(template_new("{{ query \"up\" }}", &t, NULL), STATUS_OK);
    assert_int_not_equal(template_run(t, &lonely, text, sizeof text, NULL), STATUS_OK);
    assert_non_null(strstr(text, "there is nothing here that answers queries"));
    template_free(t);
}

static void what_is_no_template_is_refused_with_its_place(void **state)
{
    (void)state;
    refused("a {{ nope }}", "line 1 column 6: function \"nope\" not defined");
    refused("a\n{{ $x }}", "line 2 column 4: undefined variable \"$x\"");
    refused("{{ 1", "line 1 column 3: unclosed action");
    refused("{{ if 1 }}", "line 1 column 11: unexpected EOF");
    refused("{{ end }}", "line 1 column 4: unexpected {{end}}");
    refused("{{ \"x }}", "line 1 column 4: unterminated quoted string");
    refused("{{ (1 }}", "line 1 column 7: unclosed left paren");
    refused("{{ 1 | 2 }}", "line 1 column 8: non executable command in pipeline stage 2");
    refused("{{ break }}", "line 1 column 4: {{break}} outside {{range}}");
    refused("{{ \xC2\xA0 }}", "line 1 column 4: unrecognized character in action: U+00A0");
}

static void bounds_hold(void **state)
{
    static char text[TEMPLATE_TEXT_BYTES_MAX + 2], small[8];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    refused(text, "a template of more than 65536 bytes");
    expands_to(
        "{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}",
        "<error expanding template: error executing template __alert_Down: template: "
        "__alert_Down:1:140: executing \"x\" at <{{template \"x\"}}>: exceeded maximum template "
        "depth (32)>");
    assert_int_not_equal(
        expand("{{ range 1000 }}{{ range 1000 }}.{{ end }}{{ end }}", text, sizeof text),
        STATUS_OK);
    assert_non_null(strstr(text, "more than 100000 steps"));
    assert_int_not_equal(
        expand("{{ range 9000 }}{{ printf \"%1000d\" 1 }}{{ end }}", text, sizeof text), STATUS_OK);
    assert_non_null(strstr(text, "it gives more than 262144 bytes"));
    assert_int_equal(expand("1234567", small, sizeof small), STATUS_OK);
    assert_int_not_equal(expand("12345678", small, sizeof small), STATUS_OK);
    assert_string_equal(small, "<error ");
    memset(text, '\0', sizeof text);
    for (int i = 0; i < 2000; i++) {
        text[i] = i < 1000 ? '(' : ')';
    }
    memcpy(text, "{{", 2);
    refused(text, "line 1 column 67: more than 64 parentheses inside each other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(template_reads_its_data),
        cmocka_unit_test(floats_print_as_in_go),
        cmocka_unit_test(printf_says_what_does_not_fit),
        cmocka_unit_test(trimming_control_and_scope),
        cmocka_unit_test(queries_answer),
        cmocka_unit_test(a_store_answers_queries),
        cmocka_unit_test(prometheus_functions),
        cmocka_unit_test(an_error_of_the_run_is_the_text),
        cmocka_unit_test(a_query_without_one_who_answers_is_an_error),
        cmocka_unit_test(what_is_no_template_is_refused_with_its_place),
        cmocka_unit_test(bounds_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
