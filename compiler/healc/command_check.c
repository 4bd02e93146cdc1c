/* healc check: reports what is wrong with policies, then the static bounds of each. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler/healc/option.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/alert_text.h"

struct check_run {
    enum diag_format format;
    bool color;
    const char *metrics;
    struct paths paths;
};

static const struct option check_options[] = {{"format", required_argument, NULL, 'f'},
                                              {"color", required_argument, NULL, 'c'},
                                              {"metrics", required_argument, NULL, 'm'},
                                              {NULL, 0, NULL, 0}};

/* HEALC_OK, or the code after a message. */
static int check_arguments(int argc, char **argv, struct check_run *run)
{
    struct error error;
    const char *color = NULL;
    for (int option; (option = getopt_long(argc, argv, "", check_options, NULL)) != -1;) {
        if (option == '?' || (option == 'f' && !option_format(optarg, &run->format))) {
            return HEALC_FAILED;
        }
        color = option == 'c' ? optarg : color;
        run->metrics = option == 'm' ? optarg : run->metrics;
    }
    if (!option_color(color, stdout, &run->color)) {
        return HEALC_FAILED;
    }
    if (optind == argc) {
        return option_fail(argv[0], "a file or folder is missing");
    }
    for (int i = optind; i < argc; i++) {
        if (!paths_add(&run->paths, argv[i], &error)) {
            return option_fail(argv[0], "%s", error.message);
        }
    }
    return run->paths.count > 0 ? HEALC_OK : option_fail(argv[0], "no *.heal file is there");
}

static void print_bounds(const struct policy *policy)
{
    struct policy_bounds bounds = policy_bounds_of(policy);
    printf("%s: ", policy->name.text);
    if (!policy_acts(policy)) {
        printf("notifies only");
    } else if (isfinite(bounds.actions_per_hour)) {
        printf("at most %g actions per 1h, %g per 1d", bounds.actions_per_hour,
               bounds.actions_per_day);
    } else {
        printf("actions bounded by a share of the pool only");
    }
    printf("; per entity %llu bytes, %llu ns an evaluation\n",
           (unsigned long long)bounds.bytes_per_entity, (unsigned long long)bounds.ns_per_entity);
}

static void print_summary(const struct program *program, const struct diag_list *diags)
{
    size_t files = 0, policies = 0;
    for (const struct file *f = program->files; f; f = f->next) {
        files++;
    }
    for (const struct policy *p = program->policies; p; p = p->next) {
        policies++;
        if (diags->errors == 0) {
            print_bounds(p);
        }
    }
    printf("%zu files, %zu policies: %zu errors, %zu warnings\n", files, policies, diags->errors,
           diags->warnings);
}

/* Metrics declared in a file of metric statements. */
static bool read_metrics(struct arena *arena, struct sources *sources, const char *path,
                         struct diag_list *diags, struct check_options *options)
{
    char *paths[] = {heap_strdup(path)};
    struct program *program = parse_program(arena, sources, paths, 1, diags);
    free(paths[0]);
    options->known_metrics = program->metrics;
    return diags->errors == 0;
}

int command_check(int argc, char **argv)
{
    struct check_run run = {.format = DIAG_FULL};
    int code = check_arguments(argc, argv, &run);
    if (code == HEALC_OK) {
        struct arena arena = {0};
        struct sources sources = {0};
        struct diag_list diags;
        struct check_options options = {0};
        diag_list_init(&diags, &arena, &sources);
        bool good = !run.metrics || read_metrics(&arena, &sources, run.metrics, &diags, &options);
        struct program *program =
            parse_program(&arena, &sources, run.paths.items, run.paths.count, &diags);
        if (good && diags.errors == 0) {
            check_program(program, &diags, &options);
            alert_texts_check(program, &diags);
        }
        diag_print(&diags, run.format, run.color, stdout);
        if (run.format != DIAG_JSON) {
            print_summary(program, &diags);
        }
        code = source_is_missing(&diags) ? HEALC_FAILED
               : diags.errors > 0        ? HEALC_FINDINGS
                                         : HEALC_OK;
        sources_release(&sources);
        arena_release(&arena);
    }
    paths_release(&run.paths);
    return code;
}
