/* The checks: one bad and one good policy file a diagnostic, types of expressions, hashes, and the
 * static bounds against a brute force. */
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/lint.h"
#include "lang/parser.h"
#include "tests/unit.h"

/* ---- a program from text ---- */

struct setting {
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
    struct program *program;
};

static void setting_open(struct setting *s)
{
    memset(s, 0, sizeof *s);
    diag_list_init(&s->diags, &s->arena, &s->sources);
}

static void setting_close(struct setting *s)
{
    sources_release(&s->sources);
    arena_release(&s->arena);
}

static void setting_read(struct setting *s, const char *path)
{
    setting_open(s);
    char *paths[] = {(char *)path};
    s->program = parse_program(&s->arena, &s->sources, paths, 1, &s->diags);
    assert_non_null(s->program);
}

/* Writes the text to a scratch file, as parse_program() reads files. */
static void setting_text(struct setting *s, const char *text)
{
    char path[] = "/tmp/heal-check-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    setting_read(s, path);
    remove(path);
}

static void print_reports(const struct setting *s)
{
    diag_print(&s->diags, DIAG_CONCISE, false, stderr);
}

/* ---- one bad and one good file a row ---- */

enum { EXPECTED_MAX = 32, TEXT_MAX = 64 * 1024 };

struct expected {
    size_t line;
    char code[8];
    bool met;
};

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        return NULL;
    }
    char *text = calloc(1, TEXT_MAX);
    assert_non_null(text);
    size_t length = fread(text, 1, TEXT_MAX - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

static size_t read_expected(const char *path, struct expected *ret)
{
    char *text = read_text(path);
    assert_non_null(text);
    size_t count = 0, line = 1;
    for (const char *c = text; *c; c++) {
        line += *c == '\n';
        if (strncmp(c, "#~ ", 3) == 0) {
            assert_true(count < EXPECTED_MAX);
            ret[count] = (struct expected){.line = line};
            snprintf(ret[count].code, sizeof ret[count].code, "%.5s", c + 3);
            count++;
        }
    }
    free(text);
    return count;
}

/* 2026-01-01: the waivers of the files are measured against it. */
static const struct instant today = {1767225600LL * NS_PER_S};

static void check_file(struct setting *s, const char *path, bool lint)
{
    setting_read(s, path);
    if (s->diags.errors == 0) {
        check_program(s->program, &s->diags, NULL);
    }
    if (lint && s->diags.errors == 0) {
        lint_program(s->program, &s->diags, today);
    }
}

/* The checks end each report with what to write instead; text and syntax say so where they know. */
static bool needs_help(const struct diag_info *info)
{
    return strcmp(info->code, "H0101") >= 0 && strcmp(info->code, "H0801") != 0;
}

static bool meets(const struct setting *s, struct expected *expected, size_t count)
{
    bool fits = true;
    for (const struct diag *d = s->diags.first; d; d = d->next) {
        size_t line = sources_position(&s->sources, d->span.start).line;
        bool found = false;
        for (size_t i = 0; i < count; i++) {
            if (expected[i].line == line &&
                strcmp(expected[i].code, diag_infos[d->code].code) == 0) {
                expected[i].met = found = true;
            }
        }
        fits = fits && found && (d->help || !needs_help(&diag_infos[d->code]));
    }
    for (size_t i = 0; i < count; i++) {
        fits = fits && expected[i].met;
    }
    return fits;
}

static void every_row_reports_its_bad_file_on_the_marked_line_and_nothing_else(void **state)
{
    (void)state;
    int failed = 0;
    for (int i = 0; i < DIAG_COUNT; i++) {
        const struct diag_info *info = &diag_infos[i];
        char path[256];
        struct expected expected[EXPECTED_MAX];
        snprintf(path, sizeof path, HEAL_ROOT "/tests/policies/check/%s.bad.heal", info->slug);
        size_t count = read_expected(path, expected);
        struct setting s;
        check_file(&s, path, info->severity == SEVERITY_WARNING);
        bool of_row = count > 0 && strcmp(expected[0].code, info->code) == 0;
        if (!of_row || !meets(&s, expected, count)) {
            fprintf(stderr, "%s %s: not exactly the marked codes, or one without a help:\n",
                    info->code, info->slug);
            print_reports(&s);
            failed++;
        }
        setting_close(&s);
    }
    assert_int_equal(failed, 0);
}

static void every_row_has_a_good_file_without_findings(void **state)
{
    (void)state;
    int failed = 0;
    for (int i = 0; i < DIAG_COUNT; i++) {
        const struct diag_info *info = &diag_infos[i];
        char path[256];
        snprintf(path, sizeof path, HEAL_ROOT "/tests/policies/check/%s.good.heal", info->slug);
        struct setting s;
        check_file(&s, path, info->severity == SEVERITY_WARNING);
        if (s.diags.first) {
            fprintf(stderr, "%s %s: the good file has findings:\n", info->code, info->slug);
            print_reports(&s);
            failed++;
        }
        setting_close(&s);
    }
    assert_int_equal(failed, 0);
}

static void every_row_has_a_page_that_opens_with_its_code_and_title(void **state)
{
    (void)state;
    for (int i = 0; i < DIAG_COUNT; i++) {
        const struct diag_info *info = &diag_infos[i];
        char want[256];
        snprintf(want, sizeof want, "# %s: %s\n", info->code, info->title);
        const char *page = diag_page((enum diag_code)i);
        if (strncmp(page, want, strlen(want)) != 0 || !strstr(page, "```")) {
            fail_msg("docs/diagnostics/%s.md opens with '%.60s'", info->code, page);
        }
    }
}

/* ---- types of expressions ---- */

struct typed_case {
    const char *text;
    const char *type; /* kind dimension, or the code of the first report */
};

static void expressions_have_the_kind_and_dimension_that_promql_and_their_names_give(void **state)
{
    (void)state;
    static const struct typed_case cases[] = {
        {"1", "scalar unknown"},
        {"90%", "scalar ratio"},
        {"5m", "scalar seconds"},
        {"1MiB/min", "scalar bytes/seconds"},
        {"a_bytes", "vector bytes"},
        {"a_bytes[5m]", "range bytes"},
        {"rate(a_bytes_total[5m])", "vector bytes/seconds"},
        {"rate(cpu_seconds_total[5m])", "vector number"},
        {"increase(a_bytes_total[5m])", "vector bytes"},
        {"a_bytes / b_bytes", "vector ratio"},
        {"a_bytes / b_seconds", "vector bytes/seconds"},
        {"a_bytes * b_seconds / c_seconds", "vector bytes"},
        {"2 * a_bytes", "vector bytes"},
        {"100 * (a_bytes / b_bytes)", "vector number"},
        {"100 * (a_bytes / b_bytes) > 90", "vector number"},
        {"1 - a_ratio", "vector ratio"},
        {"50% of a_bytes", "vector bytes"},
        {"time()", "scalar seconds"},
        {"time() - a_seconds", "vector seconds"},
        {"count(a_bytes)", "vector number"},
        {"sum by (x) (a_bytes)", "vector bytes"},
        {"a_bytes > bool 5", "vector number"},
        {"1 > bool 2", "scalar number"},
        {"absent(a_bytes)", "vector number"},
        {"predict_linear(a_bytes[1h], 3600)", "vector bytes"},
        {"ewma(a_bytes, alpha: 0.1)", "vector bytes"},
        {"zscore(a_bytes, alpha: 0.1)", "vector number"},
        {"forecast(a_bytes, in: 2h) reaches 4GiB with (chance >= 85%)", "vector bytes"},
        {"-a_bytes", "vector bytes"},
        {"a_bytes and b_seconds", "vector bytes"},
        {"a_bytes > 5m", "H0203"},
        {"a_bytes + b_seconds", "H0203"},
        {"a_ratio > 90", "H0204"},
        {"90 < a_ratio", "H0204"},
        {"a_total > 5", "H0205"},
        {"a_total - b_total > 5", "vector unknown"},
        {"sum(a_total) > 5", "H0205"},
        {"1 > 2", "H0207"},
        {"5 == (3 + 2)", "H0207"},
        {"a + bool b", "H0001"},
        {"a and 1", "H0206"},
        {"a[5m] + 1", "H0206"},
        {"\"x\" + 1", "H0206"},
        {"-a[5m]", "H0206"},
        {"a + on (x) 1", "H0208"},
        {"a and on (x) group_left b", "H0001"},
        {"a + on (x) group_left (x) b", "H0001"},
        {"rate(a)", "H0202"},
        {"sum(a[5m])", "H0202"},
        {"absent(1)", "H0202"},
        {"rate(a[5m], b[5m])", "H0201"},
        {"time(1)", "H0201"},
        {"predict_linear(a[5m])", "H0201"},
        {"rte(a[5m])", "H0105"},
        {"clamp_max(a, 1)", "vector unknown"},
        {"topk(3, a)", "vector unknown"},
        {"histogram_sum(a)", "H0802"},
        {"max_over_time(rate(a[5m])[1h:1m])", "vector unknown"},
        {"a @ 5", "vector unknown"},
        {"forecast(a @ 5, in: 1h)", "H0804"},
        {"forecast(a)", "H0211"},
        {"forecast(a, in: 0s)", "H0211"},
        {"forecast(a, in: 2h, ahead: 1h)", "H0211"},
        {"ewma(a, alpha: 2)", "H0211"},
        {"ewma(a, alpha: 0.1, alpha: 0.2)", "H0211"},
        {"rate(a[5m], in: 2h)", "H0211"},
        {"a reaches 5", "H0001"},
        {"forecast(a, in: 2h) reaches 5 with (chance >= 120%)", "H0213"},
        {"forecast(a, in: 2h) reaches 5 with (luck >= 20%)", "H0213"},
        {"forecast(a_bytes, in: 2h) reaches 5m", "H0203"},
        {"sum by (x) (a) / sum by (y) (b)", "H0302"},
        {"sum by (x) (a) / sum(b)", "H0302"},
        {"sum by (x) (a) / on () group_left sum(b)", "vector unknown"},
        {"sum by (x) (a) / on () sum(b)", "H0303"},
        {"sum by (x, y) (a) / on (x) group_left sum by (x, z) (b)", "H0303"},
        {"sum by (x, y) (a) / ignoring (y) group_left sum by (x) (b)", "vector unknown"},
        {"sum by (x) (a) and sum by (y) (b)", "H0302"},
        {"sum by (x) (a) or sum by (y) (b)", "vector unknown"},
        {"sum by (y) (sum by (x) (a))", "H0304"},
        {"sum by (x, y) (a{y=\"1\"}) / on (x) sum by (x) (b)", "vector unknown"},
    };
    static const char *const kinds[] = {"untyped", "scalar", "vector", "range", "string"};
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct setting s;
        setting_open(&s);
        struct error error;
        const struct source *source =
            sources_add(&s.sources, "case", cases[i].text, strlen(cases[i].text), &error);
        struct expr *expr = parse_expression(&s.arena, source, &s.diags);
        char have[200] = "not parsed", dimension[128];
        if (expr) {
            check_expression(&s.arena, expr, &s.diags);
            snprintf(have, sizeof have, "%s %s", kinds[expr->type.kind],
                     dimension_print(expr->type.dimension, dimension, sizeof dimension));
        }
        if (s.diags.first) {
            snprintf(have, sizeof have, "%s", diag_infos[s.diags.first->code].code);
        }
        if (strcmp(have, cases[i].type) != 0) {
            fprintf(stderr, "%s: %s, not %s\n", cases[i].text, have, cases[i].type);
            print_reports(&s);
            failed++;
        }
        setting_close(&s);
    }
    assert_int_equal(failed, 0);
}

/* ---- identity ---- */

#define SHARED                        \
    "metric a_bytes bytes by (pod)\n" \
    "metric b_bytes bytes by (pod)\n" \
    "pool pods(pod) = a_bytes\n"      \
    "channel oncall = log\n"          \
    "action recycle(p: pod) { via exec irreversible timeout 30s }\n"
#define POLICY                                                                 \
    "policy leak for each pod in pods { when a_bytes > 5 for 1m "              \
    "clear when a_bytes < 4 on missing hold on stale > 2m hold "               \
    "heal { try recycle(pod) verify a_bytes < 4 within 5m else page oncall } " \
    "bound at most 1 of pods per 10m cooldown 10m }\n"

static uint64_t hash_of(const char *text)
{
    struct setting s;
    setting_text(&s, text);
    if (!check_program(s.program, &s.diags, NULL)) {
        print_reports(&s);
        fail();
    }
    uint64_t hash = s.program->policies->hash;
    assert_true(hash != 0 && s.program->hash != 0);
    setting_close(&s);
    return hash;
}

static void a_policy_keeps_its_hash_while_nothing_it_refers_to_changes(void **state)
{
    (void)state;
    uint64_t hash = hash_of(SHARED POLICY);
    assert_true(hash_of(SHARED POLICY
                        "# a comment\nmetric c bytes\n"
                        "policy other { when c > 5 heal { else page oncall } }\n") == hash);
    assert_true(hash_of(SHARED "\n\n  " POLICY) == hash);
}

static void a_policy_changes_its_hash_with_anything_it_refers_to(void **state)
{
    (void)state;
    static const char *const edits[][2] = {
        {"a_bytes bytes", "a_bytes seconds"},
        {"= a_bytes", "= b_bytes"},
        {"= log", "= webhook(\"x\")"},
        {"timeout 30s", "timeout 31s"},
        {"> 5", "> 6"},
        {"per 10m", "per 11m"},
    };
    uint64_t hash = hash_of(SHARED POLICY);
    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        char text[2048];
        const char *whole = SHARED POLICY, *at = strstr(whole, edits[i][0]);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, edits[i][1],
                 at + strlen(edits[i][0]));
        if (hash_of(text) == hash) {
            fail_msg("'%s' for '%s' leaves the hash as it was", edits[i][1], edits[i][0]);
        }
    }
}

/* ---- bounds ---- */

/* Greedy: an action as early as the sliding window allows is the worst case. */
static double most_by_trying(int count, int window, int span)
{
    int times[4096], n = 0;
    for (int t = 0; t < span; t++) {
        for (;;) {
            int within = 0;
            for (int i = 0; i < n; i++) {
                within += times[i] > t - window;
            }
            if (within >= count) {
                break;
            }
            assert_true(n < (int)ARRAY_LEN(times));
            times[n++] = t;
        }
    }
    return n;
}

static void the_worst_case_of_a_bound_is_what_trying_finds(void **state)
{
    (void)state;
    struct parameter target = {.type = {.text = "service"}};
    struct action action = {.parameters = &target};
    struct rung rung = {.kind = RUNG_ACT, .call = {.resolved = &action}};
    struct heal heal = {.rungs = &rung};
    for (int count = 1; count <= 3; count++) {
        for (int minutes = 7; minutes <= 200; minutes += 13) {
            struct limit limit = {
                .kind = LIMIT_AT_MOST,
                .amount = {.has_count = true, .count = count},
                .subject = {.text = "service"},
                .per = {.value = minutes * 60.0},
            };
            struct policy policy = {.heals = &heal, .bounds = &limit};
            struct policy_bounds bounds = policy_bounds_of(&policy);
            assert_true(bounds.actions_per_hour == most_by_trying(count, minutes, 60));
            assert_true(bounds.actions_per_day == most_by_trying(count, minutes, 1440));
        }
    }
}

static void a_bound_of_a_share_alone_has_no_static_worst_case(void **state)
{
    (void)state;
    struct parameter target = {.type = {.text = "service"}};
    struct action action = {.parameters = &target};
    struct rung rung = {.kind = RUNG_ACT, .call = {.resolved = &action}};
    struct heal heal = {.rungs = &rung};
    struct limit limit = {.amount = {.has_ratio = true, .ratio = 0.1},
                          .subject = {.text = "service"},
                          .per = {.value = 60}};
    struct policy policy = {.heals = &heal, .bounds = &limit};
    assert_true(isinf(policy_bounds_of(&policy).actions_per_hour));
}

/* Schedules that keep a limit on spending never cost more in an hour or a day than is said, and
 * bursts at the begin of each window cost just that. */
static void the_worst_case_of_spending_is_reached_and_never_passed(void **state)
{
    (void)state;
    struct parameter target = {.type = {.text = "service"}};
    struct action action = {.parameters = &target,
                            .has_costs = true,
                            .costs = {.value = 1 / 3600.0, .unit = UNIT_USD, .per = UNIT_H}};
    struct rung rung = {.kind = RUNG_ACT, .call = {.resolved = &action}};
    struct heal heal = {.rungs = &rung};
    struct limit often = {.kind = LIMIT_AT_MOST,
                          .amount = {.has_count = true, .count = 1e6},
                          .subject = {.text = "service"},
                          .per = {.value = 60}};
    enum { MINUTES = 1440, AMOUNT = 60 };
    srand(7);
    for (int window = 10; window <= 200; window += 19) {
        struct limit limit = {.kind = LIMIT_SPEND,
                              .amount = {.has_count = true, .count = AMOUNT},
                              .per = {.value = window * 60.0}};
        struct policy policy = {.heals = &heal, .bounds = &often, .spends = &limit};
        for (int round = 0; round < 40; round++) {
            for (int span = 60; span <= MINUTES; span += MINUTES - 60) {
                double charged[MINUTES] = {0}, cost = 0; /* of the acts of a minute */
                for (int t = 0; t < span; t++) {
                    double free = AMOUNT;
                    for (int u = t; u > t - window && u >= 0; u--) {
                        free -= charged[u];
                    }
                    charged[t] = round == 0 ? free : free * (rand() % 3) / 2;
                    cost += fmax(charged[t], charged[t] / window * (span - t));
                }
                double most = policy_spends(&policy, span * 60.0);
                assert_true(cost <= most * (1 + 1e-9));
                assert_true(round > 0 || fabs(cost - most) <= 1e-9 * most);
            }
        }
    }
}

/* ---- what a good policy may not become ---- */

struct edit_case {
    const char *from, *to, *code; /* code NULL: still without findings */
};

static void one_edit_of_a_sound_policy_is_found(void **state)
{
    (void)state;
    static const struct edit_case cases[] = {
        {"a_bytes > 5 for 1m", "a_bytes > 5 or b_bytes for 1m", "H0210"},
        {"a_bytes > 5 for 1m", "a_bytes unless b_bytes > 5 for 1m", "H0210"},
        {"a_bytes > 5 for 1m", "a_bytes > 5 unless b_bytes for 1m", NULL},
        {"a_bytes > 5 for 1m", "absent(a_bytes) for 1m", NULL},
        {"a_bytes > 5 for 1m", "a_bytes > bool 5 for 1m", "H0210"},
        {"a_bytes > 5 for 1m", "5 < a_bytes for 1m", NULL},
        {"a_bytes > 5 for 1m", "3 < a_bytes for 1m", "H0902"},
        {"a_bytes > 5 for 1m", "a_bytes >= 4 for 1m", NULL},
        {"clear when a_bytes < 4", "clear when a_bytes <= 5", NULL},
        {"clear when a_bytes < 4", "clear when a_bytes < 6 and b_bytes < 1", "H0902"},
        {"a_bytes > 5 for 1m", "a_bytes > 5 and a_bytes < 5 for 1m", "H0901"},
        {"a_bytes > 5 for 1m", "(a_bytes) == 5 and a_bytes > 5 for 1m", "H0901"},
        {"within 5m", "within 0s", "H0408"},
        {"on stale > 2m", "on stale > 0s", "H0406"},
        {"on stale > 2m hold", "on stale > 2m as prometheus", "H0409"},
        {"at most 1 of pods", "at most 0.5 of pods", "H0501"},
        {"at most 1 of pods", "at most 1.5 of pods", "H0504"},
        {"at most 1 of pods", "at most 0% of pods", "H0501"},
        {"at most 1 of pods", "at most 1 of service", "H0401"},
        {"per 10m", "per 0s", "H0504"},
        {"timeout 30s", "timeout 0s", "H0601"},
        {"timeout 30s", "timeout 30s affects p.memory within 10m", "H0408"},
        {"irreversible", "irreversible undo recycle(p)", "H0403"},
        {"irreversible", "undo recycle(p)", "H0404"},
        {"via exec", "via kubernetes.format", "H0803"},
        {"recycle(pod) verify", "recycle(pod, pod) verify", "H0604"},
        {"recycle(pod) verify", "recycle(pod, to: 3) verify", "H0604"},
        {"recycle(p: pod)", "recycle()", "H0606"},
        {"recycle(p: pod)", "recycle(p: service)", "H0605"},
        {"cooldown 10m", "cooldown 0s", "H0411"},
        {"pods(pod) = a_bytes", "pods(node) = a_bytes", "H0304"},
        {"= log", "= log(\"x\")", NULL},
    };
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[2048];
        const char *whole = SHARED POLICY, *at = strstr(whole, cases[i].from);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, cases[i].to,
                 at + strlen(cases[i].from));
        struct setting s;
        setting_text(&s, text);
        check_program(s.program, &s.diags, NULL);
        bool found = !cases[i].code && !s.diags.first;
        for (const struct diag *d = s.diags.first; d && cases[i].code; d = d->next) {
            found = found || strcmp(diag_infos[d->code].code, cases[i].code) == 0;
        }
        if (!found) {
            fprintf(stderr, "'%s' gives no %s\n", cases[i].to,
                    cases[i].code ? cases[i].code : "clean text");
            print_reports(&s);
            failed++;
        }
        setting_close(&s);
    }
    assert_int_equal(failed, 0);
}

/* ---- weak findings ---- */

static void a_finding_that_rests_on_a_name_is_a_warning_where_a_policy_only_notifies(void **state)
{
    (void)state;
    struct setting s;
    setting_text(&s, "channel oncall = log\n"
                     "policy p { when a_bytes > 5m heal { else page oncall } }\n");
    assert_true(check_program(s.program, &s.diags, NULL));
    assert_int_equal(s.diags.warnings, 1);
    setting_close(&s);
    setting_text(&s, "channel oncall = log\nmetric a_bytes bytes\n"
                     "policy p { when a_bytes > 5m heal { else page oncall } }\n");
    assert_false(check_program(s.program, &s.diags, NULL));
    setting_close(&s);
}

static void signals_that_double_forty_times_are_checked_in_no_time(void **state)
{
    (void)state;
    enum { SIGNALS = 40 };
    char text[8192];
    size_t used =
        (size_t)snprintf(text, sizeof text, "channel oncall = log\npolicy p {\nsignal s0 = a\n");
    for (int i = 1; i <= SIGNALS; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "signal s%d = s%d / s%d\n", i,
                                 i - 1, i - 1);
    }
    snprintf(text + used, sizeof text - used, "when s%d > 5 heal { else page oncall } }\n",
             SIGNALS);
    struct setting s;
    setting_text(&s, text);
    assert_true(check_program(s.program, &s.diags, NULL));
    assert_true(policy_bounds_of(s.program->policies).ns_per_entity < 10000);
    setting_close(&s);
}

static void a_metric_known_from_a_list_needs_no_declaration(void **state)
{
    (void)state;
    const char *text = strstr(SHARED POLICY, "metric b");
    struct setting s;
    setting_text(&s, text);
    assert_false(check_program(s.program, &s.diags, NULL));
    setting_close(&s);
    struct metric known = {.name = {.text = "a_bytes"},
                           .unit = {.unit = UNIT_BYTES, .per = UNIT_NONE}};
    struct check_options options = {.known_metrics = &known};
    setting_text(&s, text);
    if (!check_program(s.program, &s.diags, &options)) {
        print_reports(&s);
        fail();
    }
    setting_close(&s);
}

static bool window_is_refused(const char *text)
{
    struct setting s;
    struct error error;
    bool refused = false;
    setting_open(&s);
    const struct source *source = sources_add(&s.sources, "window", text, strlen(text), &error);
    struct expr *expr = parse_expression(&s.arena, source, &s.diags);
    assert_non_null(expr);
    check_expression(&s.arena, expr, &s.diags);
    for (const struct diag *d = s.diags.first; d; d = d->next) {
        refused |= d->code == DIAG_TOO_LARGE;
    }
    setting_close(&s);
    return refused;
}

static void a_window_that_reaches_back_more_than_forty_days_is_refused(void **state)
{
    (void)state;
    assert_false(window_is_refused("max_over_time(app_used_bytes[40d])"));
    assert_true(window_is_refused("max_over_time(app_used_bytes[41d])"));
    assert_true(window_is_refused("rate(app_jobs_total[30d] offset 11d)"));
    assert_false(window_is_refused("rate(app_jobs_total[30d] offset -11d)"));
    assert_false(window_is_refused("forecast(app_used_bytes, in: 30d, lookback: 40d)"));
    assert_true(window_is_refused("forecast(app_used_bytes, in: 11d)"));
    assert_true(window_is_refused("forecast(app_used_bytes, in: 1d, lookback: 41d)"));
}

/* ---- rules that people run ---- */

struct corpus {
    size_t expressions, refused;
};
static struct corpus corpus;

/* Types one expression; counts it, and prints what Prometheus would not have refused. */
static void corpus_expression(const char *text)
{
    struct setting s;
    setting_open(&s);
    struct error error;
    const struct source *source = sources_add(&s.sources, "rule", text, strlen(text), &error);
    struct expr *expr = source ? parse_expression(&s.arena, source, &s.diags) : NULL;
    if (expr) {
        check_expression(&s.arena, expr, &s.diags);
    }
    corpus.expressions++;
    for (const struct diag *d = s.diags.first; d; d = d->next) {
        if (d->severity == SEVERITY_ERROR && d->code != DIAG_FUNCTION_NOT_READY &&
            d->code != DIAG_FORM_NOT_READY) {
            fprintf(stderr, "%s\n", text);
            print_reports(&s);
            corpus.refused++;
            break;
        }
    }
    setting_close(&s);
}

/* Of a rule file, the expressions that stand plain on the line of their key. */
static int corpus_file(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)place;
    FILE *file = kind == FTW_F ? fopen(path, "r") : NULL;
    if (!file) {
        return 0;
    }
    char line[4096], held[4096] = "";
    size_t held_indent = 0;
    while (fgets(line, sizeof line, file)) {
        size_t indent = strspn(line, " -");
        if (held[0] && indent <= held_indent) {
            corpus_expression(held);
        }
        held[0] = '\0';
        if (strncmp(line + indent, "expr: ", 6) == 0 && !strchr("|>'\"", line[indent + 6]) &&
            strchr(line, '\n')) {
            snprintf(held, sizeof held, "%s", line + indent + 6);
            held_indent = indent;
        }
    }
    fclose(file);
    return 0;
}

static void rules_that_prometheus_loads_are_refused_only_for_what_is_not_ready(void **state)
{
    (void)state;
    char folder[512];
    const char *shared = getenv("HEAL_SHARED");
    snprintf(folder, sizeof folder, "%s/conformance/alert-rules/rules",
             shared ? shared : HEAL_ROOT "/../shared");
    if (nftw(folder, corpus_file, 16, FTW_PHYS) != 0) {
        print_message("skipped: no alert rules in %s\n", folder);
        skip();
    }
    assert_true(corpus.expressions > 500);
    assert_int_equal(corpus.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_reports_its_bad_file_on_the_marked_line_and_nothing_else),
        cmocka_unit_test(every_row_has_a_good_file_without_findings),
        cmocka_unit_test(every_row_has_a_page_that_opens_with_its_code_and_title),
        cmocka_unit_test(expressions_have_the_kind_and_dimension_that_promql_and_their_names_give),
        cmocka_unit_test(a_policy_keeps_its_hash_while_nothing_it_refers_to_changes),
        cmocka_unit_test(a_policy_changes_its_hash_with_anything_it_refers_to),
        cmocka_unit_test(the_worst_case_of_a_bound_is_what_trying_finds),
        cmocka_unit_test(the_worst_case_of_spending_is_reached_and_never_passed),
        cmocka_unit_test(a_bound_of_a_share_alone_has_no_static_worst_case),
        cmocka_unit_test(a_finding_that_rests_on_a_name_is_a_warning_where_a_policy_only_notifies),
        cmocka_unit_test(signals_that_double_forty_times_are_checked_in_no_time),
        cmocka_unit_test(a_window_that_reaches_back_more_than_forty_days_is_refused),
        cmocka_unit_test(rules_that_prometheus_loads_are_refused_only_for_what_is_not_ready),
        cmocka_unit_test(one_edit_of_a_sound_policy_is_found),
        cmocka_unit_test(a_metric_known_from_a_list_needs_no_declaration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
