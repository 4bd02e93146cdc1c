/* Waivers of lints: where they hold, until when, and what they must say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/lint.h"
#include "lang/parser.h"
#include "tests/unit.h"

#define DAY_NS (86400 * NS_PER_S)

/* Codes of the findings, in order, such as "H1003 H1008"; the text must parse and check. */
static const char *lint_of(const char *text, int64_t day)
{
    static char codes[256];
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    diag_list_init(&diags, &arena, &sources);
    char path[] = "/tmp/heal-lint-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    char *paths[] = {path};
    struct program *program = parse_program(&arena, &sources, paths, 1, &diags);
    remove(path);
    check_program(program, &diags, NULL);
    if (diags.errors) {
        diag_print(&diags, DIAG_CONCISE, false, stderr);
        fail();
    }
    lint_program(program, &diags, (struct instant){day * DAY_NS});
    codes[0] = '\0';
    for (const struct diag *d = diags.first; d; d = d->next) {
        size_t used = strlen(codes);
        snprintf(codes + used, sizeof codes - used, "%s%s", used ? " " : "",
                 diag_infos[d->code].code);
    }
    arena_release(&arena);
    sources_release(&sources);
    return codes;
}

#define BEFORE "channel oncall = log\n"
#define AFTER  "policy p { when a > 5 heal { else page oncall } }\n"
/* Days since 1970: the waivers below end on 2027-01-01. */
enum { DAY_2027 = 20819 };

static void a_waiver_holds_through_its_last_day_and_no_longer(void **state)
{
    (void)state;
    const char *text = BEFORE "# heal: allow H1003 until 2027-01-01 because it is known\n" AFTER;
    assert_string_equal(lint_of(BEFORE AFTER, DAY_2027), "H1003");
    assert_string_equal(lint_of(text, DAY_2027 - 1), "");
    assert_string_equal(lint_of(text, DAY_2027), "");
    assert_string_equal(lint_of(text, DAY_2027 + 1), "H1007 H1003");
}

static void a_waiver_covers_the_next_statement_or_its_own_line_only(void **state)
{
    (void)state;
    const char *waiver = "# heal: allow H1003 until 2027-01-01 because it is known\n";
    char text[1024];
    snprintf(text, sizeof text,
             BEFORE "policy p { "
                    "%s when a > 5 heal { else page oncall } }\n",
             waiver);
    assert_string_equal(lint_of(text, 0), "");
    snprintf(text, sizeof text, BEFORE "policy p {\n%s when a > 5 heal { else page oncall } }\n",
             waiver);
    assert_string_equal(lint_of(text, 0), "H1003 H1008");
    snprintf(text, sizeof text, "%s" BEFORE AFTER, waiver);
    assert_string_equal(lint_of(text, 0), "H1003 H1008");
    snprintf(text, sizeof text, BEFORE "%s# a comment between\n\n" AFTER, waiver);
    assert_string_equal(lint_of(text, 0), "");
}

static void a_waiver_without_code_date_or_reason_is_reported_and_waives_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "# heal: allow until 2027-01-01 because x",
        "# heal: allow H1003 because x",
        "# heal: allow H1003 until tomorrow because x",
        "# heal: allow H1003 until 2027-02-29 because x",
        "# heal: allow H1003 until 2027-13-01 because x",
        "# heal: allow H1003 until 2027-1-1 because x",
        "# heal: allow H1003 until 2027-01-01",
        "# heal: allow H1003 until 2027-01-01 because",
        "# heal: allow H0401 until 2027-01-01 because x",
        "# heal: allow H9999 until 2027-01-01 because x",
        "# heal: permit H1003 until 2027-01-01 because x",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char text[512];
        snprintf(text, sizeof text, BEFORE "%s\n" AFTER, wrong[i]);
        const char *have = lint_of(text, 0);
        if (strcmp(have, "H1006 H1003") != 0) {
            fail_msg("%s: '%s'", wrong[i], have);
        }
    }
    assert_string_equal(lint_of(BEFORE "# healing is allowed here\n" AFTER, 0), "H1003");
}

static void a_leap_day_is_a_date(void **state)
{
    (void)state;
    const char *text = BEFORE "# heal: allow H1003 until 2028-02-29 because it is known\n" AFTER;
    int64_t leap_day = DAY_2027 + 365 + 31 + 28;
    assert_string_equal(lint_of(text, leap_day), "");
    assert_string_equal(lint_of(text, leap_day + 1), "H1007 H1003");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_waiver_holds_through_its_last_day_and_no_longer),
        cmocka_unit_test(a_waiver_covers_the_next_statement_or_its_own_line_only),
        cmocka_unit_test(a_waiver_without_code_date_or_reason_is_reported_and_waives_nothing),
        cmocka_unit_test(a_leap_day_is_a_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
