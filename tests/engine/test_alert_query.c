/* `query` of templates: what it answers, what it refuses, and that nothing of it stays. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/alert_query.h"
#include "tests/unit.h"

enum { NOW_S = 10000 };

struct asked {
    struct store *store;
    uint32_t source;
    struct alert_query query;
    struct error error;
    char text[4096];
};

static struct instant at(double seconds)
{
    return (struct instant){(int64_t)(seconds * 1e9)};
}

static uint32_t feed(struct asked *asked, const char *name, const char *pod, double seconds,
                     double value)
{
    struct label labels[] = {{"job", "a"}, {"pod", pod}};
    uint32_t series;
    assert_int_equal(
        store_series(asked->store, asked->source, name, labels, 2, &series, &asked->error),
        STATUS_OK);
    assert_int_equal(store_append(asked->store, series, at(seconds), at(seconds), value),
                     APPEND_OK);
    return series;
}

static void asked_init(struct asked *asked)
{
    memset(asked, 0, sizeof *asked);
    asked->store = store_new(&(struct store_limits){.live = true});
    asked->query = (struct alert_query){.store = asked->store};
    assert_int_equal(store_source(asked->store, "s", duration_seconds(1), duration_seconds(1),
                                  &asked->source, &asked->error),
                     STATUS_OK);
    feed(asked, "up", "p2", NOW_S - 30, 1);
    feed(asked, "up", "p1", NOW_S - 200, 0);
    feed(asked, "up", "old", NOW_S - 301, 1);
    feed(asked, "size", "p1", NOW_S - 3, 30);
    feed(asked, "size", "p2", NOW_S - 2, 20);
    store_stale(asked->store, feed(asked, "up", "gone", NOW_S - 20, 1), at(NOW_S - 10));
}

/* The answer as "name{l=v,...} value; ", or why there is none. */
static const char *ask(struct asked *asked, const char *text)
{
    struct arena arena = {0};
    struct template_vector vector = {0};
    size_t used = 0;
    asked->text[0] = '\0';
    if (alert_query_answer(&asked->query, text, at(NOW_S), &arena, &vector, &asked->error) !=
        STATUS_OK) {
        arena_release(&arena);
        return asked->error.message;
    }
    for (size_t i = 0; i < vector.count && used < 3000; i++) {
        const struct template_sample *sample = &vector.samples[i];
        for (size_t l = 0; l < sample->label_count; l++) {
            used += (size_t)snprintf(asked->text + used, 500, "%s=%.60s ", sample->labels[l].name,
                                     sample->labels[l].value);
        }
        used += (size_t)snprintf(asked->text + used, 500, "%g; ", sample->value);
    }
    arena_release(&arena);
    return asked->text;
}

static void answers(const char *text, const char *want)
{
    struct asked asked;
    asked_init(&asked);
    const char *got = ask(&asked, text);
    if (strcmp(got, want) != 0) {
        fail_msg("%s\n  gives   %s\n  instead %s", text, got, want);
    }
    store_free(asked.store);
}

static void a_query_is_answered_from_the_newest_samples(void **state)
{
    (void)state;
    answers("up", "__name__=up job=a pod=p1 0; __name__=up job=a pod=p2 1; ");
    answers("up == 0", "__name__=up job=a pod=p1 0; ");
    answers("up{pod=~\"p.*\",pod!=\"p1\"}", "__name__=up job=a pod=p2 1; ");
    answers("{__name__=\"size\",pod=\"p1\"}", "__name__=size job=a pod=p1 30; ");
    answers("{pod!~\"p1|x\"} > 0", "__name__=size job=a pod=p2 20; __name__=up job=a pod=p2 1; ");
    answers("size * on (pod) up", "pod=p1 0; pod=p2 20; ");
    answers("sum by (job) (size)", "job=a 50; ");
    answers("count(nothing_is_called_so)", "");
    answers("absent(nothing_is_called_so{a=\"b\"})", "a=b 1; ");
    answers("absent(up)", "");
    answers("1 + 1", "2; ");
    answers("time()", "10000; ");
    answers("timestamp(up{pod=\"p2\"})", "job=a pod=p2 9970; ");
    answers("sort(size)", "__name__=size job=a pod=p2 20; __name__=size job=a pod=p1 30; ");
    answers("sort_desc(size)", "__name__=size job=a pod=p1 30; __name__=size job=a pod=p2 20; ");
    answers("topk(1, size)", "__name__=size job=a pod=p1 30; ");
    answers("label_replace(up == 0, \"x\", \"$1\", \"pod\", \"p(.)\")",
            "__name__=up job=a pod=p1 x=1 0; ");
}

static void refuses(const char *text, const char *why)
{
    struct asked asked;
    asked_init(&asked);
    const char *got = ask(&asked, text);
    if (strstr(got, why) == NULL) {
        fail_msg("%s\n  gives %s\n  which lacks %s", text, got, why);
    }
    store_free(asked.store);
}

static void the_past_and_what_is_no_expression_are_refused(void **state)
{
    (void)state;
    char long_text[ALERT_QUERY_BYTES_MAX + 10];
    refuses("rate(up[5m])", "newest samples only: a range is not there");
    refuses("sum(max_over_time(up[5m:1m]))", "a range is not there");
    refuses("up[5m]", "not a vector or scalar");
    refuses("up offset 5m", "an offset is not there");
    refuses("up @ 5", "the modifier @ is not there");
    refuses("1 + ewma(up, alpha: 0.5)", "ewma is not there");
    refuses("'text'", "not a vector or scalar");
    refuses("up +", "the text ends too early");
    refuses("", "the text ends too early");
    refuses("nosuch(up)", "nosuch");
    refuses("up{pod=~\"(\"}", "regular expression");
    refuses("size * on (job) up", "many-to-many");
    memset(long_text, '1', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    refuses(long_text, "longer than 4096 bytes");
}

static void a_store_that_is_not_live_answers_of_its_past_too(void **state)
{
    (void)state;
    struct asked asked;
    memset(&asked, 0, sizeof asked);
    asked.store = store_new(&(struct store_limits){.retention = duration_seconds(3600)});
    asked.query = (struct alert_query){.store = asked.store};
    assert_int_equal(store_source(asked.store, "s", duration_seconds(1), duration_seconds(1),
                                  &asked.source, &asked.error),
                     STATUS_OK);
    uint32_t x = 0;
    for (int i = 0; i <= 120; i++) {
        x = feed(&asked, "x", "p", NOW_S - 1200 + 10 * i, i);
    }
    assert_string_equal(ask(&asked, "rate(x[1m])"), "job=a pod=p 0.1; ");
    assert_string_equal(ask(&asked, "x offset 10m"), "__name__=x job=a pod=p 60; ");
    assert_string_equal(ask(&asked, "max_over_time((x % 50)[10m:1m])"), "job=a pod=p 48; ");
    assert_string_equal(ask(&asked, "x @ 9000"), "__name__=x job=a pod=p 20; ");
    assert_string_equal(ask(&asked, "count_over_time(x[1m])"), "job=a pod=p 6; ");
    store_stale(asked.store, x, at(NOW_S + 5));
    store_append(asked.store, x, at(NOW_S + 10), at(NOW_S + 10), 7);
    assert_string_equal(ask(&asked, "x"), "__name__=x job=a pod=p 120; "); /* the marker is later */
    store_free(asked.store);
}

static void nothing_of_a_query_stays_in_the_store(void **state)
{
    (void)state;
    struct asked asked;
    asked_init(&asked);
    const struct store_stats before = store_stats(asked.store);
    for (int i = 0; i < 100; i++) {
        char text[200];
        snprintf(
            text, sizeof text,
            "label_replace(up{pod!=\"never_seen_%d\"}, \"label_%d\", \"value_%d\", \"\", \"\") "
            "or name_%d",
            i, i, i, i);
        assert_non_null(strstr(ask(&asked, text), "value_"));
    }
    const struct store_stats after = store_stats(asked.store);
    assert_memory_equal(&before, &after, sizeof before);
    store_free(asked.store);
}

static void what_all_queries_of_a_step_may_do_is_bounded(void **state)
{
    (void)state;
    enum { SERIES = 9000 };
    struct asked asked;
    asked_init(&asked);
    for (int i = 0; i < SERIES; i++) {
        char pod[32];
        snprintf(pod, sizeof pod, "pod%d", i);
        feed(&asked, "many", pod, NOW_S - 1, i);
    }
    int answered = 0;
    while (strcmp(ask(&asked, "count(many)"), "9000; ") == 0) {
        answered++;
    }
    assert_in_range(answered, 4, ALERT_QUERY_WORK_MAX / SERIES / ALERT_QUERY_COPY_WORK);
    assert_non_null(strstr(asked.error.message, "at this time read too many series"));
    assert_non_null(strstr(ask(&asked, "up"), "too many series"));
    asked.query.now = at(NOW_S - 1); /* as if the step were the next one */
    assert_string_equal(ask(&asked, "count(many)"), "9000; ");
    for (int i = 0; i <= ALERT_QUERY_SERIES_MAX - SERIES; i++) {
        char pod[32];
        snprintf(pod, sizeof pod, "more%d", i);
        feed(&asked, "many", pod, NOW_S - 1, i);
    }
    asked.query.now = at(0);
    for (answered = 0; strcmp(ask(&asked, "1"), "1; ") == 0; answered++) {
    }
    assert_int_equal(answered, ALERT_QUERY_WORK_MAX / ALERT_QUERY_WORK);
    asked.query.now = at(0);
    assert_non_null(strstr(ask(&asked, "count(many)"), "10000"));
    store_free(asked.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_answered_from_the_newest_samples),
        cmocka_unit_test(the_past_and_what_is_no_expression_are_refused),
        cmocka_unit_test(a_store_that_is_not_live_answers_of_its_past_too),
        cmocka_unit_test(nothing_of_a_query_stays_in_the_store),
        cmocka_unit_test(what_all_queries_of_a_step_may_do_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
