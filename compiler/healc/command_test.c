/* healc test: the policies' own tests, through the engine on a virtual clock. */
#include <getopt.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/healc/option.h"
#include "compiler/healc/promtool_test.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/data/data.h"
#include "runtime/engine/trial.h"

enum { STREAM_PATH_BYTES = 4096 };
enum output { OUTPUT_FAILURES, OUTPUT_ALL, OUTPUT_DECISIONS };

struct tally {
    size_t passed, failed;
};

/* The file of `given stream`, beside the policy that gives it. */
static enum status load_stream(void *context, const struct given *given, struct store *store,
                               uint32_t source, struct recording *recording, struct error *error)
{
    const struct position place = sources_position(context, given->span.start);
    const char *slash = strrchr(place.source->path, '/');
    char path[STREAM_PATH_BYTES];
    int n = snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - place.source->path) + 1 : 0,
                     place.source->path, given->path);
    if (n < 0 || (size_t)n >= sizeof path) {
        return error_set(error, STATUS_LIMIT, "the path of a stream is longer than %d bytes",
                         STREAM_PATH_BYTES - 1);
    }
    struct data data = {0};
    bool fits = true;
    enum status status = data_read(&data, store, source, path, NULL, error);
    for (size_t i = 0; status == STATUS_OK && fits && i < data.count; i++) {
        fits = recording_add(recording, data.samples[i].time, data.samples[i].series,
                             data.samples[i].value);
    }
    data_release(&data);
    if (!fits) {
        return error_set(error, STATUS_LIMIT, "%.300s: more than %d samples", path,
                         RECORDING_SAMPLES_MAX);
    }
    return status;
}

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
                     const struct test *test, enum output output, struct tally *tally)
{
    const struct trial_reader reader = {(void *)(uintptr_t)sources, load_stream};
    struct trial trial = {0};
    struct error error;
    struct position place = sources_position(sources, test->span.start);
    if (trial_run(program, test, &reader, &trial, &error) != STATUS_OK) {
        printf("FAIL %s:%zu: %s\n    %s\n", place.source->path, place.line, test->title,
               error.message);
        tally->failed++;
        trial_release(&trial);
        return false;
    }
    bool passed = trial.failure_count == 0;
    tally->passed += passed;
    tally->failed += !passed;
    if (output == OUTPUT_DECISIONS) {
        printf("test \"%s\"\n", test->title);
        print_timeline(&trial);
    } else if (!passed || output == OUTPUT_ALL) {
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

static int run_tests(const struct paths *paths, const regex_t *regex, enum output output)
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
                run_test(program, &sources, test, output, &tally);
            }
        }
        if (tally.passed + tally.failed == 0) {
            fprintf(stderr, "healc test: there is no such test\n");
        }
        if (output != OUTPUT_DECISIONS) {
            printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
        }
        code = tally.failed == 0 && tally.passed > 0 ? HEALC_OK : HEALC_FINDINGS;
    }
    sources_release(&sources);
    arena_release(&arena);
    return code;
}

/* Files of promtool's unit tests; each file has its own rules. */
static int run_promtool(char **paths, int count, const struct promtool_options *options)
{
    struct promtool_tally tally = {0};
    bool good = true;
    for (int i = 0; i < count; i++) {
        good = promtool_run(paths[i], options, &tally) && good;
    }
    printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
    return !good ? HEALC_FAILED : tally.failed == 0 ? HEALC_OK : HEALC_FINDINGS;
}

int command_test(int argc, char **argv)
{
    static const struct option options[] = {
        {"run", required_argument, NULL, 'r'},
        {"verbose", no_argument, NULL, 'v'},
        {"decisions", no_argument, NULL, 'd'},
        {"closed-windows", no_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    const char *pattern = "";
    struct promtool_options promtool = {0};
    enum output output = OUTPUT_FAILURES;
    struct paths paths = {0};
    struct error error;
    regex_t regex;
    for (int c; (c = getopt_long(argc, argv, "r:v", options, NULL)) != -1;) {
        switch (c) {
        case 'r': pattern = optarg; break;
        case 'v': output = OUTPUT_ALL; break;
        case 'd': output = OUTPUT_DECISIONS; break;
        case 'c': promtool.closed_windows = true; break;
        default: return HEALC_FAILED;
        }
    }
    bool named = optind < argc;
    if (named && promtool_is_test(argv[optind])) {
        return run_promtool(argv + optind, argc - optind, &promtool);
    }
    if (promtool.closed_windows) {
        return option_fail("test", "--closed-windows is for unit tests of rules, *.yml");
    }
    for (int i = named ? optind : argc - 1; i < argc; i++) {
        if (!paths_add(&paths, named ? argv[i] : ".", &error)) {
            return option_fail("test", "%s", error.message);
        }
    }
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return option_fail("test", "'%s' is not a regular expression", pattern);
    }
    int code = run_tests(&paths, &regex, output);
    regfree(&regex);
    paths_release(&paths);
    return code;
}
