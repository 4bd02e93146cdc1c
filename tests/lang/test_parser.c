/* The parser: PromQL as its corpora say, precedence, several reports in one run, and no crash on
 * hostile text. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/parser.h"
#include "lang/print.h"
#include "tests/unit.h"

struct run {
    struct arena arena;
    struct sources sources;
    struct diag_list diags;
};

static void run_init(struct run *run)
{
    memset(run, 0, sizeof *run);
    diag_list_init(&run->diags, &run->arena, &run->sources);
}

static void run_release(struct run *run)
{
    sources_release(&run->sources);
    arena_release(&run->arena);
}

static struct expr *run_expr(struct run *run, const char *text)
{
    run_init(run);
    return parse_expression(&run->arena, sources_add(&run->sources, "e", text, strlen(text), NULL),
                            &run->diags);
}

static bool parses(const char *text)
{
    struct run run;
    bool good = run_expr(&run, text) != NULL;
    run_release(&run);
    return good;
}

/* ---- corpora ---- */

static FILE *corpus_open(const char *name)
{
    const char *shared = getenv("HEAL_SHARED");
    char path[4096];
    snprintf(path, sizeof path, "%s/conformance/promql/%s", shared ? shared : "../shared", name);
    FILE *file = fopen(path, "r");
    if (!file) {
        print_message("skipped: no corpus '%s'; HEAL_SHARED says where it is\n", name);
        skip();
    }
    return file;
}

/* Behind a feature flag in Prometheus 3: sums of durations, step() and range() in their place,
 * anchored and smoothed, the trim operators. The first and last are told by the title. */
static bool is_experimental(const char *title, const char *expr)
{
    static const char *const titles[] = {"uration expression", "in offset duration", "TrimUpper",
                                         "TrimLower",          "anchored",           "smoothed"};
    for (size_t i = 0; i < ARRAY_LEN(titles); i++) {
        if (strstr(title, titles[i])) {
            return true;
        }
    }
    return strstr(expr, "min_of(") != NULL;
}

static void every_stable_line_of_the_grammar_corpus_is_judged_as_it_says(void **state)
{
    (void)state;
    FILE *file = corpus_open("grammar.jsonl");
    char line[65536];
    int judged = 0, wrong = 0;
    while (fgets(line, sizeof line, file)) {
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        const char *title = json_string_value(json_object_get(row, "title"));
        const char *expr = json_string_value(json_object_get(row, "expr"));
        bool valid = strcmp(json_string_value(json_object_get(row, "expect")), "valid") == 0;
        if (!is_experimental(title, expr)) {
            judged++;
            if (parses(expr) != valid) {
                print_error("%s: %s\n", title, expr);
                wrong++;
            }
        }
        json_decref(row);
    }
    fclose(file);
    assert_true(judged >= 30);
    assert_int_equal(wrong, 0);
}

static void every_core_expression_of_the_test_scripts_parses_and_prints_as_itself(void **state)
{
    (void)state;
    FILE *file = corpus_open("index.tsv");
    char line[65536];
    int judged = 0, wrong = 0;
    while (fgets(line, sizeof line, file)) {
        char *at = line, *fields[9] = {0};
        line[strcspn(line, "\n")] = '\0';
        for (int i = 0; i < 9; i++) {
            fields[i] = strsep(&at, "\t");
        }
        if (!fields[8] || strcmp(fields[5], "core") != 0 || strstr(fields[7], "expect_fail")) {
            continue;
        }
        struct run run, again;
        struct expr *expr = run_expr(&run, fields[8]);
        judged++;
        if (!expr) {
            print_error("%s:%s: %s\n%s\n", fields[0], fields[2], fields[8],
                        run.diags.first->message);
            wrong++;
        } else {
            char *text = print_expr(&run.arena, expr);
            struct expr *second = run_expr(&again, text);
            assert_non_null(second);
            assert_string_equal(print_expr(&again.arena, second), text);
            run_release(&again);
        }
        run_release(&run);
    }
    fclose(file);
    assert_true(judged >= 400);
    assert_true(wrong <= 0);
}

/* ---- precedence ---- */

static char *in_full(struct arena *arena, const struct expr *e)
{
    switch (e->kind) {
    case EXPR_BINARY:
        return arena_printf(arena, "(%s %s %s)", in_full(arena, e->binary.left),
                            operator_infos[e->binary.op].text, in_full(arena, e->binary.right));
    case EXPR_UNARY:
        return arena_printf(arena, "(%s%s)", e->unary.minus ? "-" : "+",
                            in_full(arena, e->unary.inner));
    case EXPR_PERCENT_OF:
        return arena_printf(arena, "(%s of %s)", e->percent_of.text,
                            in_full(arena, e->percent_of.inner));
    case EXPR_REACHES:
        return arena_printf(arena, "(%s reaches %s)", in_full(arena, e->reaches.forecast),
                            in_full(arena, e->reaches.threshold));
    case EXPR_PAREN: return in_full(arena, e->inner);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
    case EXPR_CALL:
    case EXPR_AGGREGATE:
    case EXPR_LIST: break;
    }
    return print_expr(arena, e);
}

static void operators_bind_as_in_prometheus(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a or b and c", "(a or (b and c))"},
        {"a and b unless c", "((a and b) unless c)"},
        {"a == b > c", "((a == b) > c)"},
        {"1 - 2 - 3", "((1 - 2) - 3)"},
        {"2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"},
        {"-1 ^ 2", "(-(1 ^ 2))"},
        {"-a * b", "((-a) * b)"},
        {"a * -b ^ c", "(a * (-(b ^ c)))"},
        {"a + b % c atan2 d", "(a + ((b % c) atan2 d))"},
        {"foo offset 5s-8", "(foo offset 5s - 8)"},
        {"a > 90% of b + c", "(a > ((90% of b) + c))"},
        {"90% of b * c", "((90% of b) * c)"},
        {"f(x) reaches a + b and c", "((f(x) reaches (a + b)) and c)"},
        {"f(x) reaches 1 with (chance > 2) and c", "((f(x) reaches 1) and c)"},
        {"10 %2", "(10 % 2)"},
        {"-foo[5m:1m] @ -3", "(-foo[5m:1m] @ -3)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run run;
        struct expr *expr = run_expr(&run, cases[i][0]);
        assert_non_null(expr);
        assert_string_equal(in_full(&run.arena, expr), cases[i][1]);
        run_release(&run);
    }
}

static void what_is_no_expression_is_refused_with_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum diag_code code;
    } cases[] = {
        {"", DIAG_SYNTAX},
        {"1 +", DIAG_SYNTAX},
        {"foo[1m2h]", DIAG_NUMBER_FORM},
        {"5MiX", DIAG_NUMBER_FORM},
        {"'abc", DIAG_STRING_OPEN},
        {"'a\\qb'", DIAG_STRING_ESCAPE},
        {"policy", DIAG_RESERVED_WORD},
        {"(a + b)[5m]", DIAG_MODIFIER},
        {"1 offset 5m", DIAG_MODIFIER},
        {"foo $ 1", DIAG_CHARACTER},
        {"foo \xff", DIAG_CHARACTER},
        {"foo[0]", DIAG_NUMBER_FORM},
        {"1 + bool 2", DIAG_SYNTAX},
        {"f(x) reaches 1 > 2", DIAG_SYNTAX},
        {"5%2", DIAG_SYNTAX},
        {"sum(a, b)", DIAG_SYNTAX},
        {"topk(a)", DIAG_SYNTAX},
        {"f(a: 1, b)", DIAG_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run run;
        assert_null(run_expr(&run, cases[i].text));
        assert_non_null(run.diags.first);
        assert_string_equal(diag_infos[run.diags.first->code].code, diag_infos[cases[i].code].code);
        run_release(&run);
    }
}

static void numbers_have_their_value_in_base_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"0x1F", 31},           {"1e3", 1000},          {".5", 0.5},       {"5m", 300},
                 {"1h30m", 5400},        {"90%", 0.9},           {"1MiB", 1048576}, {"60GB", 60e9},
                 {"6MiB/min", 104857.6}, {"3usd/h", 3.0 / 3600}, {"500ms", 0.5}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run run;
        struct expr *expr = run_expr(&run, cases[i].text);
        assert_non_null(expr);
        assert_int_equal(expr->kind, EXPR_NUMBER);
        assert_true(fabs(expr->number.value - cases[i].value) < 1e-9);
        run_release(&run);
    }
}

/* ---- files ---- */

static void several_errors_are_reported_at_their_lines(void **state)
{
    (void)state;
    static const char text[] = "polciy x { when 1 > 0 }\n" /* 1 */
                               "policy a every 15s {\n"
                               "  signal x = rate(foo[5m)\n" /* 3 */
                               "  signal y = = 3\n"          /* 4 */
                               "  when x > 3\n"
                               "  when y > 3\n" /* 6: twice */
                               "  follow 5m\n"  /* 7: later */
                               "  risk capacity\n"
                               "}\n"
                               "channel = 5\n"; /* 10 */
    static const size_t lines[] = {1, 3, 4, 6, 7, 10};
    struct run run;
    run_init(&run);
    const struct source *source = sources_add(&run.sources, "f", text, sizeof text - 1, NULL);
    struct file *file = parse_file(&run.arena, source, &run.diags);
    size_t i = 0;
    for (struct diag *d = run.diags.first; d; d = d->next, i++) {
        assert_true(i < ARRAY_LEN(lines));
        assert_int_equal(sources_position(&run.sources, d->span.start).line, lines[i]);
    }
    assert_int_equal(i, ARRAY_LEN(lines));
    assert_non_null(file->items);
    assert_string_equal(file->items->policy->risk.text, "capacity");
    run_release(&run);
}

static char *sample_read(size_t *ret_length)
{
    FILE *file = fopen(HEAL_ROOT "/tests/policies/format/all.heal", "r");
    assert_non_null(file);
    char *text = heap_alloc(65536);
    *ret_length = fread(text, 1, 65535, file);
    fclose(file);
    return text;
}

/* Parses and prints; what has no error must print to a fixed point. */
static void survives(const char *text, size_t length)
{
    struct run run;
    run_init(&run);
    const struct source *source = sources_add(&run.sources, "f", text, length, NULL);
    struct file *file = parse_file(&run.arena, source, &run.diags);
    char *printed = print_file(&run.arena, file);
    if (run.diags.errors == 0) {
        source = sources_add(&run.sources, "g", printed, strlen(printed), NULL);
        file = parse_file(&run.arena, source, &run.diags);
        if (run.diags.errors > 0) {
            print_error("%.*s\n----\n%s\n%s\n", (int)length, text, printed,
                        run.diags.first->message);
        }
        assert_int_equal(run.diags.errors, 0);
        assert_string_equal(print_file(&run.arena, file), printed);
    }
    run_release(&run);
}

static void a_sample_cut_at_any_byte_parses_or_is_reported(void **state)
{
    (void)state;
    size_t length = 0;
    char *text = sample_read(&length);
    for (size_t i = 0; i <= length; i++) {
        survives(text, i);
    }
    free(text);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void a_sample_with_flipped_bytes_parses_or_is_reported(void **state)
{
    (void)state;
    size_t length = 0;
    uint64_t seed = 88172645463325252ULL;
    char *text = sample_read(&length);
    char *copy = heap_alloc(length + 1);
    for (int i = 0; i < 3000; i++) {
        memcpy(copy, text, length);
        for (uint64_t n = next_random(&seed) % 4 + 1; n > 0; n--) {
            uint64_t r = next_random(&seed);
            size_t at = (size_t)(next_random(&seed) % length);
            copy[at] = r % 3 == 0 ? text[r / 3 % length]
                                  : (char)(r % 3 == 1 ? r >> 8 : ' ' + (r >> 8) % 95);
        }
        survives(copy, length);
    }
    free(copy);
    free(text);
}

static void bombs_are_refused_by_a_limit(void **state)
{
    (void)state;
    static const char *const pieces[] = {"(",           "-",     "a^", "1+", "f(",
                                         "sum by (x)(", "a or ", "{",  "["};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t n = strlen(pieces[i]), count = 200000;
        char *text = heap_alloc(n * count + 2);
        for (size_t k = 0; k < count; k++) {
            memcpy(text + k * n, pieces[i], n);
        }
        text[n * count] = 'a';
        assert_false(parses(text));
        free(text);
    }
}

static void a_path_is_printed_without_its_escape_sequences(void **state)
{
    (void)state;
    static const char text[] = "foo \x1b[31m";
    struct run run;
    assert_null(run_expr(&run, text));
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);
    diag_print(&run.diags, DIAG_FULL, false, out);
    fclose(out);
    assert_null(strchr(printed, 0x1b));
    assert_non_null(strstr(printed, "\\x1b[31m"));
    free(printed);
    run_release(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stable_line_of_the_grammar_corpus_is_judged_as_it_says),
        cmocka_unit_test(every_core_expression_of_the_test_scripts_parses_and_prints_as_itself),
        cmocka_unit_test(operators_bind_as_in_prometheus),
        cmocka_unit_test(what_is_no_expression_is_refused_with_its_code),
        cmocka_unit_test(numbers_have_their_value_in_base_units),
        cmocka_unit_test(several_errors_are_reported_at_their_lines),
        cmocka_unit_test(a_sample_cut_at_any_byte_parses_or_is_reported),
        cmocka_unit_test(a_sample_with_flipped_bytes_parses_or_is_reported),
        cmocka_unit_test(bombs_are_refused_by_a_limit),
        cmocka_unit_test(a_path_is_printed_without_its_escape_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
