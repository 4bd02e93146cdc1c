/* Runs promtool's unit tests on the engine. */
#include "compiler/healc/promtool_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/healc/promtool_text.h"
#include "compiler/healc/rules_check.h"
#include "compiler/rules/importer.h"
#include "compiler/rules/promql.h"
#include "compiler/rules/unit_file.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/engine.h"

enum { CASE_TEXT_BYTES = 16384 };

/* One file: its tests and the program that its rules became. */
struct suite {
    struct arena arena;
    struct rules_report report;
    const struct unit_file *file;
    struct importer import;
    struct sources sources;
    struct diag_list diags;
    struct program *program;
    struct promtool_tally *tally;
    const struct promtool_options *options;
    void *code;
};

/* One expression case with its node. */
struct watched {
    const struct unit_expr_case *one;
    struct eval *eval;
    struct eval_node *node;
    const char *problem; /* why it cannot be evaluated */
};

/* One series of the test in the store. */
struct feed {
    struct unit_cursor cursor;
    uint32_t series;
    struct instant next;
    enum unit_kind kind;
    double value;
    bool more;
};

/* One test while it runs. */
struct bench {
    struct suite *suite;
    const struct unit_test *test;
    struct arena arena;
    struct store *store;
    struct engine *engine;
    uint32_t source;
    struct feed *feeds;
    size_t feed_count;
    struct watched *watched;
    size_t watched_count;
    struct label *external;
    size_t external_count;
    struct instant now, last_step;
};

static struct instant at_ms(const struct unit_test *test, int64_t ms)
{
    return (struct instant){(test->start_ms + ms) * NS_PER_MS};
}

static void case_failed(struct suite *suite, struct rules_place place, const char *words)
{
    if (!suite->options->silent) {
        printf("FAIL %s:%zu: %s\n", suite->file->path, place.line, words);
    }
    suite->tally->failed++;
}

/* ---- what is compared ---- */

static void compared(struct bench *bench, struct rules_place place, const char *what,
                     struct texts *expected, struct texts *got)
{
    texts_sort(expected);
    texts_sort(got);
    if (texts_equal(expected, got)) {
        bench->suite->tally->passed++;
    } else {
        struct words words = {0};
        words_add(&words, bench->test->name ? bench->test->name : "");
        words_add(&words, bench->test->name ? ": " : "");
        words_add(&words, what);
        words_add(&words, ": expected ");
        texts_join(expected, &words);
        words_add(&words, ", got ");
        texts_join(got, &words);
        case_failed(bench->suite, place, words.bytes);
        free(words.bytes);
    }
    texts_release(expected);
    texts_release(got);
}

/* ---- alerts ---- */

static void expected_alert(const struct unit_alert *alert, const char *alertname,
                           struct texts *texts)
{
    struct words words = {0};
    bool named = false, first = true;
    words_add(&words, "{");
    for (const struct unit_label *l = alert->labels;; l = l->next) {
        if (!named && (l == NULL || strcmp(l->name, "alertname") >= 0)) {
            words_pair(&words, "alertname", alertname, first);
            named = true;
            first = false;
        }
        if (l == NULL) {
            break;
        }
        if (strcmp(l->name, "alertname") != 0) {
            words_pair(&words, l->name, l->value, first);
            first = false;
        }
    }
    words_add(&words, "} {");
    for (const struct unit_label *a = alert->annotations; a; a = a->next) {
        words_pair(&words, a->name, a->value, a == alert->annotations);
    }
    words_add(&words, "}");
    texts_take(texts, &words);
}

static int pair_order(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static void got_alert(const struct engine *engine, size_t index, struct texts *texts)
{
    static char text[CASE_TEXT_BYTES];
    struct label label, annotations[POLICY_PAIRS_MAX];
    struct words words = {0};
    struct arena arena = {0};
    size_t count = 0;
    const char *name;
    words_add(&words, "{");
    for (size_t at = 0; engine_alert_label(engine, index, at, &label); at++) {
        words_pair(&words, label.name, label.value, at == 0);
    }
    words_add(&words, "} {");
    while (count < ARRAY_LEN(annotations) &&
           (name = engine_alert_annotation(engine, index, count, text, sizeof text))) {
        annotations[count++] = (struct label){name, arena_strdup(&arena, text)};
    }
    if (count > 1) {
        qsort(annotations, count, sizeof *annotations, pair_order);
    }
    for (size_t i = 0; i < count; i++) {
        words_pair(&words, annotations[i].name, annotations[i].value, i == 0);
    }
    words_add(&words, "}");
    texts_take(texts, &words);
    arena_release(&arena);
}

static bool alert_named(const struct engine *engine, size_t index, const char *alertname)
{
    struct label label;
    for (size_t at = 0; engine_alert_label(engine, index, at, &label); at++) {
        if (strcmp(label.name, "alertname") == 0) {
            return strcmp(label.value, alertname) == 0;
        }
    }
    return false;
}

static const char *alert_refused(const struct suite *suite, const char *alertname)
{
    const struct importer_refused *refused = suite->import.refused_alerts;
    while (refused && strcmp(refused->name, alertname) != 0) {
        refused = refused->next;
    }
    return refused ? "a rule of this name was refused" : NULL;
}

static void judge_alert(struct bench *bench, const struct unit_alert_case *one)
{
    struct texts expected = {0}, got = {0};
    char what[300], at[64];
    duration_print((struct duration){one->eval_ms * NS_PER_MS}, at, sizeof at);
    snprintf(what, sizeof what, "alert %.200s at %s", one->alertname, at);
    for (const struct unit_alert *alert = one->alerts; alert; alert = alert->next) {
        expected_alert(alert, one->alertname, &expected);
    }
    for (size_t i = 0; i < engine_alert_count(bench->engine); i++) {
        if (engine_alert(bench->engine, i).firing &&
            alert_named(bench->engine, i, one->alertname)) {
            got_alert(bench->engine, i, &got);
        }
    }
    if (alert_refused(bench->suite, one->alertname)) {
        struct words words = {0};
        words_add(&words, alert_refused(bench->suite, one->alertname));
        texts_take(&got, &words);
    }
    compared(bench, one->place, what, &expected, &got);
}

/* Cases between this evaluation and the next one see the alerts of this one. */
static void judge_alerts(struct bench *bench, int64_t now_ms)
{
    for (const struct unit_alert_case *one = bench->test->alert_cases; one; one = one->next) {
        if (one->eval_ms >= now_ms && one->eval_ms < now_ms + bench->suite->file->evaluation_ms) {
            judge_alert(bench, one);
        }
    }
}

/* ---- expressions ---- */

/* One ulp apart are equal where the file asks for a fuzzy comparison. */
static double value_near(const struct suite *suite, const struct unit_expr_case *one, double value)
{
    for (const struct unit_sample *s = one->samples; s && suite->file->fuzzy; s = s->next) {
        if (nextafter(value, (double)INFINITY) == s->value ||
            nextafter(value, -(double)INFINITY) == s->value) {
            return s->value;
        }
    }
    return value;
}

static void words_value(struct words *words, double value)
{
    char text[40];
    snprintf(text, sizeof text, isnan(value) ? "} NaN" : "} %.17g", value);
    words_add(words, text);
}

static void expected_sample(const struct unit_sample *sample, struct texts *texts)
{
    struct words words = {0};
    words_add(&words, "{");
    for (const struct unit_label *l = sample->labels; l; l = l->next) {
        words_pair(&words, l->name, l->value, l == sample->labels);
    }
    words_value(&words, sample->value);
    texts_take(texts, &words);
}

static void got_sample(const struct suite *suite, const struct unit_expr_case *one,
                       const struct eval_column *column, size_t i, struct texts *texts)
{
    struct words words = {0};
    const char *name = column->names ? column->names[i] : NULL;
    const struct label_set *labels = column->labels[i];
    bool first = true, named = name == NULL;
    words_add(&words, "{");
    for (size_t l = 0; l <= labels->count; l++) {
        if (!named &&
            (l == labels->count || strcmp(label_set_at(labels, l).name, "__name__") > 0)) {
            words_pair(&words, "__name__", name, first);
            named = true;
            first = false;
        }
        if (l < labels->count) {
            const struct label label = label_set_at(labels, l);
            words_pair(&words, label.name, label.value, first);
            first = false;
        }
    }
    words_value(&words, value_near(suite, one, column->values[i]));
    texts_take(texts, &words);
}

static void got_samples(const struct bench *bench, const struct watched *watched,
                        struct texts *texts)
{
    struct eval_column column = eval_column(watched->node);
    for (size_t i = 0; i < column.count; i++) {
        bool present = column.present[i / 64] >> (i % 64) & 1;
        bool unknown = column.unknown[i / 64] >> (i % 64) & 1;
        if (present) {
            got_sample(bench->suite, watched->one, &column, i, texts);
        } else if (unknown) {
            struct words words = {0};
            words_add(&words, "unknown");
            texts_take(texts, &words);
        }
    }
    if (eval_stats(watched->eval).many_to_many > 0) {
        struct words words = {0};
        words_add(&words, "several series match the same labels");
        texts_take(texts, &words);
    }
}

static void judge_expr(struct bench *bench, const struct watched *watched)
{
    struct texts expected = {0}, got = {0};
    struct words words = {0};
    char what[300], at[64];
    duration_print((struct duration){watched->one->eval_ms * NS_PER_MS}, at, sizeof at);
    snprintf(what, sizeof what, "%.200s at %s", watched->one->expr, at);
    for (const struct unit_sample *s = watched->one->samples; s; s = s->next) {
        expected_sample(s, &expected);
    }
    if (watched->problem) {
        words_add(&words, watched->problem);
        texts_take(&got, &words);
    } else {
        got_samples(bench, watched, &got);
    }
    compared(bench, watched->one->place, what, &expected, &got);
}

static const char *watch_problem(struct bench *bench, const struct diag_list *diags)
{
    const struct diag *diag = diags->first;
    while (diag && diag->severity != SEVERITY_ERROR) {
        diag = diag->next;
    }
    return arena_strdup(&bench->arena, diag ? diag->message : "it cannot be evaluated");
}

static void watch(struct bench *bench, struct watched *watched, const struct unit_expr_case *one)
{
    struct suite *suite = bench->suite;
    struct promql promql;
    struct diag_list diags;
    struct error error = {""};
    *watched = (struct watched){.one = one, .problem = one->refused};
    if (!watched->problem && !promql_read(&bench->arena, one->expr, &promql)) {
        watched->problem = promql.why;
    }
    if (watched->problem) {
        return;
    }
    diag_list_init(&diags, &bench->arena, &suite->sources);
    const struct source *source =
        sources_add(&suite->sources, "expression", promql.text, strlen(promql.text), &error);
    struct expr *expr = source ? parse_expression(&bench->arena, source, &diags) : NULL;
    if (!expr || !check_expression(&bench->arena, expr, &diags)) {
        watched->problem = watch_problem(bench, &diags);
        return;
    }
    watched->eval = eval_new(bench->store);
    watched->node = eval_add(watched->eval, expr,
                             (struct duration){suite->file->evaluation_ms * NS_PER_MS}, &error);
    if (!watched->node) {
        watched->problem = arena_strdup(&bench->arena, error.message);
    }
}

static void watch_all(struct bench *bench)
{
    size_t count = 0;
    for (const struct unit_expr_case *one = bench->test->expr_cases; one; one = one->next) {
        count++;
    }
    bench->watched = arena_alloc(&bench->arena, (count + 1) * sizeof *bench->watched);
    for (const struct unit_expr_case *one = bench->test->expr_cases; one; one = one->next) {
        watch(bench, &bench->watched[bench->watched_count++], one);
    }
}

/* ---- samples ---- */

static void feed_next(struct feed *feed, int64_t interval_ms)
{
    int64_t step = interval_ms * NS_PER_MS;
    if (feed->next.ns > INT64_MAX - step) { /* beyond all evaluations */
        feed->more = false;
        return;
    }
    feed->next.ns += step;
    feed->more = unit_next(&feed->cursor, &feed->kind, &feed->value);
}

static enum status feed_open(struct bench *bench, const struct unit_series *series,
                             struct error *error)
{
    struct label labels[STORE_LABELS_MAX];
    const char *name = "";
    size_t count = 0;
    struct feed *feed = &bench->feeds[bench->feed_count];
    for (const struct unit_label *l = series->labels; l; l = l->next) {
        if (strcmp(l->name, "__name__") == 0) {
            name = l->value;
        } else if (count == STORE_LABELS_MAX) {
            return error_set(error, STATUS_LIMIT, "a series of more than %d labels",
                             STORE_LABELS_MAX);
        } else {
            labels[count++] = (struct label){l->name, l->value};
        }
    }
    TRY(store_series(bench->store, bench->source, name, labels, count, &feed->series, error));
    store_hold(bench->store, feed->series);
    feed->cursor = (struct unit_cursor){series, 0, 0, 0};
    feed->next = at_ms(bench->test, -bench->test->interval_ms);
    feed_next(feed, bench->test->interval_ms);
    bench->feed_count++;
    return STATUS_OK;
}

static enum status feeds_open(struct bench *bench, struct error *error)
{
    size_t count = 0;
    for (const struct unit_series *s = bench->test->series; s; s = s->next) {
        count++;
    }
    bench->feeds = arena_alloc(&bench->arena, (count + 1) * sizeof *bench->feeds);
    for (const struct unit_series *s = bench->test->series; s; s = s->next) {
        TRY(feed_open(bench, s, error));
    }
    return STATUS_OK;
}

/* What comes until now, series by series. */
static void feeds_append(struct bench *bench)
{
    for (size_t i = 0; i < bench->feed_count; i++) {
        struct feed *feed = &bench->feeds[i];
        while (feed->more && feed->next.ns <= bench->now.ns) {
            if (feed->kind == UNIT_VALUE) {
                store_append(bench->store, feed->series, bench->now, feed->next, feed->value);
            } else if (feed->kind == UNIT_STALE) {
                store_stale(bench->store, feed->series, feed->next);
            }
            feed_next(feed, bench->test->interval_ms);
        }
    }
}

/* ---- one test ---- */

/* One program's code serves all its tests. */
static void bench_code(struct bench *bench)
{
    struct suite *suite = bench->suite;
    if (suite->options->code_new && !suite->code) {
        suite->code = suite->options->code_new(bench->engine);
    }
    if (suite->code) {
        suite->options->code_use(suite->code, bench->engine);
    }
}

static enum status bench_open(struct bench *bench, struct engine_host *host, struct error *error)
{
    size_t count = 0;
    bench->store =
        store_new(&(struct store_limits){.closed_windows = bench->suite->options->closed_windows});
    /* One source, that always answers. */
    TRY(store_source(bench->store, "unit test", duration_seconds(1e9), duration_seconds(0),
                     &bench->source, error));
    TRY(feeds_open(bench, error));
    for (const struct unit_label *l = bench->test->external; l; l = l->next) {
        count++;
    }
    bench->external = arena_alloc(&bench->arena, (count + 1) * sizeof *bench->external);
    for (const struct unit_label *l = bench->test->external; l; l = l->next) {
        bench->external[bench->external_count++] = (struct label){l->name, l->value};
    }
    *host = (struct engine_host){
        .default_mode = MODE_SHADOW,
        .tick = {bench->suite->file->evaluation_ms * NS_PER_MS},
        .external = bench->external,
        .external_count = bench->external_count,
        .external_url = bench->test->external_url,
        .epoch = 1,
    };
    bench->engine = engine_new(bench->suite->program, bench->store, host, error);
    if (bench->engine == NULL) {
        return STATUS_DENIED;
    }
    bench_code(bench);
    watch_all(bench);
    store_answered(bench->store, bench->source, at_ms(bench->test, 0));
    return STATUS_OK;
}

static void bench_close(struct bench *bench)
{
    for (size_t i = 0; i < bench->watched_count; i++) {
        eval_free(bench->watched[i].eval);
    }
    engine_free(bench->engine);
    store_free(bench->store);
    arena_release(&bench->arena);
}

static int64_t last_ms(const struct unit_test *test)
{
    int64_t last = 0;
    for (const struct unit_alert_case *one = test->alert_cases; one; one = one->next) {
        last = one->eval_ms > last ? one->eval_ms : last;
    }
    for (const struct unit_expr_case *one = test->expr_cases; one; one = one->next) {
        last = one->eval_ms > last ? one->eval_ms : last;
    }
    return last;
}

/* Expressions are evaluated at every evaluation of the rules, and at the times of their cases
 * between this one and the next. */
static void step_exprs(struct bench *bench, int64_t now_ms, int64_t next_ms)
{
    for (size_t i = 0; i < bench->watched_count; i++) {
        if (bench->watched[i].node) {
            eval_tick(bench->watched[i].eval, bench->now);
        }
        if (bench->watched[i].one->eval_ms == now_ms) {
            judge_expr(bench, &bench->watched[i]);
        }
    }
    for (;;) {
        int64_t soonest = next_ms;
        for (size_t i = 0; i < bench->watched_count; i++) {
            int64_t at = bench->watched[i].one->eval_ms;
            soonest = at > now_ms && at < soonest ? at : soonest;
        }
        if (soonest == next_ms) {
            return;
        }
        now_ms = soonest;
        bench->now = at_ms(bench->test, now_ms);
        feeds_append(bench);
        for (size_t i = 0; i < bench->watched_count; i++) {
            if (bench->watched[i].one->eval_ms == now_ms && bench->watched[i].node) {
                eval_tick(bench->watched[i].eval, bench->now);
            }
            if (bench->watched[i].one->eval_ms == now_ms) {
                judge_expr(bench, &bench->watched[i]);
            }
        }
    }
}

static void bench_run(struct bench *bench)
{
    int64_t every = bench->suite->file->evaluation_ms, last = last_ms(bench->test);
    struct effects effects = {0};
    for (int64_t now_ms = 0; now_ms <= last; now_ms += every) {
        bench->now = at_ms(bench->test, now_ms);
        feeds_append(bench);
        effects.count = 0;
        engine_step(bench->engine, bench->now, NULL, 0, &effects);
        judge_alerts(bench, now_ms);
        step_exprs(bench, now_ms, now_ms + every);
    }
    effects_release(&effects);
}

static size_t case_count(const struct unit_test *test)
{
    size_t count = 0;
    for (const struct unit_alert_case *one = test->alert_cases; one; one = one->next) {
        count++;
    }
    for (const struct unit_expr_case *one = test->expr_cases; one; one = one->next) {
        count++;
    }
    return count;
}

static void test_run(struct suite *suite, const struct unit_test *test)
{
    struct bench bench = {.suite = suite, .test = test};
    struct engine_host host;
    struct error error = {""};
    const char *refused = test->refused;
    if (!refused && last_ms(test) / suite->file->evaluation_ms > PROMTOOL_STEPS_MAX) {
        refused = "it has more than 2000000 evaluations";
    }
    if (!refused && test->start_ms + last_ms(test) > INT64_MAX / NS_PER_MS) {
        refused = "it is longer than 292 years";
    }
    if (!refused && bench_open(&bench, &host, &error) != STATUS_OK) {
        refused = error.message;
    }
    if (refused) {
        case_failed(suite, test->place, refused);
        suite->tally->failed += case_count(test) > 0 ? case_count(test) - 1 : 0;
    } else {
        bench_run(&bench);
    }
    bench_close(&bench);
}

/* ---- one file ---- */

static size_t group_rank(const struct unit_file *file, const char *name)
{
    size_t rank = 0;
    for (const struct unit_word *word = file->group_order; word; word = word->next, rank++) {
        if (strcmp(word->text, name) == 0) {
            return rank;
        }
    }
    return 0; /* as by promtool */
}

/* Inserts the groups of a file behind those of the same rank or a lower one. */
static void groups_join(const struct unit_file *file, struct rule_group *groups,
                        struct rule_group **list)
{
    while (groups) {
        struct rule_group *group = groups, **at = list;
        groups = groups->next;
        while (*at && group_rank(file, (*at)->name) <= group_rank(file, group->name)) {
            at = &(*at)->next;
        }
        group->next = *at;
        *at = group;
    }
}

static bool rules_join(struct suite *suite, struct rule_file *ret)
{
    struct unit_word *paths = NULL;
    /* A pattern without a match is a warning of promtool. */
    (void)unit_file_rules(&suite->arena, suite->file, &paths, &suite->report);
    for (; paths; paths = paths->next) {
        size_t length;
        char *text = document_load(paths->text, &length, &suite->report);
        struct rule_file *file = text ? rule_file_read(&suite->arena, paths->text, text, length,
                                                       rules_check_template, &suite->report)
                                      : NULL;
        free(text);
        if (file == NULL) {
            return false;
        }
        groups_join(suite->file, file->groups, &ret->groups);
        ret->rules += file->rules;
    }
    return true;
}

/* The engine writes ALERTS only where its program reads them; the expressions of cases are no part
 * of it, so a signal reads for them. */
static bool reads_alerts(const struct unit_file *file)
{
    for (const struct unit_test *test = file->tests; test; test = test->next) {
        for (const struct unit_expr_case *one = test->expr_cases; one; one = one->next) {
            if (strstr(one->expr, "ALERTS")) {
                return true;
            }
        }
    }
    return false;
}

/* The text that the rules became, and what else the tests need. */
static struct parse_text program_text(struct suite *suite)
{
    char every[64];
    struct duration step = {suite->file->evaluation_ms * NS_PER_MS};
    if (!reads_alerts(suite->file)) {
        return (struct parse_text){"rules.heal", suite->import.text, suite->import.length};
    }
    const char *text = arena_printf(
        &suite->arena, "%ssignal heal:unit_test every %s = ALERTS or ALERTS_FOR_STATE\n",
        suite->import.text, duration_print(step, every, sizeof every));
    return (struct parse_text){"rules.heal", text, strlen(text)};
}

/* The rules as one program, each group evaluated at every evaluation of the tests. */
static bool program_make(struct suite *suite)
{
    const struct importer_options options = {.interval_ms = suite->file->evaluation_ms,
                                             .one_interval = true,
                                             .check = rules_check_statement};
    struct rule_file rules = {.path = suite->file->path};
    importer_init(&suite->import, &options, &suite->report);
    if (!rules_join(suite, &rules)) {
        return false;
    }
    importer_add_file(&suite->import, &rules);
    struct parse_text one = program_text(suite);
    suite->program = parse_program_texts(&suite->arena, &suite->sources, &one, 1, &suite->diags);
    if (suite->diags.errors > 0 ||
        !check_program(suite->program, &suite->diags, &(struct check_options){0})) {
        diag_print(&suite->diags, DIAG_CONCISE, false, stderr);
        return false;
    }
    return true;
}

static bool suite_run(struct suite *suite, const char *path)
{
    size_t length;
    char *text = document_load(path, &length, &suite->report);
    suite->file = text ? unit_file_read(&suite->arena, path, text, length, &suite->report) : NULL;
    free(text);
    bool good = suite->file && program_make(suite);
    size_t group = 0;
    for (const struct unit_test *test = good ? suite->file->tests : NULL; test; test = test->next) {
        const size_t failed = suite->tally->failed;
        test_run(suite, test);
        const bool passed = suite->tally->failed == failed;
        suite->tally->groups_passed += passed;
        suite->tally->groups_failed += !passed;
        if (suite->options->told) {
            suite->options->told(suite->options->context, path, ++group, test->refused, passed);
        }
    }
    if (!suite->options->silent) {
        fputs(suite->report.text ? suite->report.text : "", stderr);
    }
    return good;
}

bool promtool_is_test(const char *path)
{
    size_t length = strlen(path);
    return (length > 4 && strcmp(path + length - 4, ".yml") == 0) ||
           (length > 5 && strcmp(path + length - 5, ".yaml") == 0);
}

bool promtool_run(const char *path, const struct promtool_options *options,
                  struct promtool_tally *tally)
{
    static const struct promtool_options none;
    struct suite suite = {.tally = tally, .options = options ? options : &none};
    diag_list_init(&suite.diags, &suite.arena, &suite.sources);
    bool good = suite_run(&suite, path);
    if (suite.code) {
        suite.options->code_free(suite.code);
    }
    importer_release(&suite.import);
    rules_report_release(&suite.report);
    sources_release(&suite.sources);
    arena_release(&suite.arena);
    return good;
}
