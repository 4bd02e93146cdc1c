/* healc test: the policies' own tests, through the engine on a virtual clock. */
#include <getopt.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/healc/option.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/trial.h"

struct tally {
    size_t passed, failed;
};

static void print_timeline(const struct trial *trial)
{
    for (size_t i = 0; i < trial->event_count; i++) {
        const struct trial_event *event = &trial->events[i];
        char at[64];
        printf("    %8s  %-11s %s%s%s\n", duration_print(event->at, at, sizeof at),
               record_infos[event->kind].text, event->target, event->target[0] ? "  " : "",
               event->text);
    }
}

static bool run_test(struct program *program, const struct sources *sources,
                     const struct test *test, bool verbose, struct tally *tally)
{
    struct trial trial = {0};
    struct error error;
    struct position place = sources_position(sources, test->span.start);
    if (trial_run(program, test, &trial, &error) != STATUS_OK) {
        printf("FAIL %s:%zu: %s\n    %s\n", place.source->path, place.line, test->title,
               error.message);
        tally->failed++;
        trial_release(&trial);
        return false;
    }
    bool passed = trial.failure_count == 0;
    tally->passed += passed;
    tally->failed += !passed;
    if (!passed || verbose) {
        printf("%s %s:%zu: %s\n", passed ? "ok  " : "FAIL", place.source->path, place.line,
               test->title);
        print_timeline(&trial);
    }
    for (size_t i = 0; i < trial.failure_count; i++) {
        struct position at = sources_position(sources, trial.failures[i].expect->span.start);
        printf("  %s:%zu: %s\n", at.source->path, at.line, trial.failures[i].text);
    }
    trial_release(&trial);
    return passed;
}

static int run_tests(const struct paths *paths, const regex_t *regex, bool verbose)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    struct tally tally = {0};
    int code = HEALC_FINDINGS;
    bool color = false;
    diag_list_init(&diags, &arena, &sources);
    struct program *program = parse_program(&arena, &sources, paths->items, paths->count, &diags);
    if (diags.errors > 0 || !check_program(program, &diags, &(struct check_options){0})) {
        (void)option_color(NULL, stdout, &color);
        diag_print(&diags, DIAG_FULL, color, stdout);
    } else {
        for (const struct test *test = program->tests; test; test = test->next) {
            if (regexec(regex, test->title, 0, NULL, 0) == 0) {
                run_test(program, &sources, test, verbose, &tally);
            }
        }
        if (tally.passed + tally.failed == 0) {
            fprintf(stderr, "healc test: there is no such test\n");
        }
        printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
        code = tally.failed == 0 && tally.passed > 0 ? HEALC_OK : HEALC_FINDINGS;
    }
    sources_release(&sources);
    arena_release(&arena);
    return code;
}

int command_test(int argc, char **argv)
{
    static const struct option options[] = {
        {"run", required_argument, NULL, 'r'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    const char *pattern = "";
    bool verbose = false;
    struct paths paths = {0};
    struct error error;
    regex_t regex;
    for (int c; (c = getopt_long(argc, argv, "r:v", options, NULL)) != -1;) {
        switch (c) {
        case 'r': pattern = optarg; break;
        case 'v': verbose = true; break;
        default: return HEALC_FAILED;
        }
    }
    bool named = optind < argc;
    for (int i = named ? optind : argc - 1; i < argc; i++) {
        if (!paths_add(&paths, named ? argv[i] : ".", &error)) {
            return option_fail("test", "%s", error.message);
        }
    }
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return option_fail("test", "'%s' is not a regular expression", pattern);
    }
    int code = run_tests(&paths, &regex, verbose);
    regfree(&regex);
    paths_release(&paths);
    return code;
}
