/* healc check: reports what is wrong with policies, then the static bounds of each. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler/healc/option.h"
#include "compiler/rules/rule_file.h"
#include "lang/check.h"
#include "lang/kept.h"
#include "lang/parser.h"
#include "runtime/engine/alert_text.h"

struct check_run {
    enum diag_format format;
    bool color;
    bool windows;
    double scrape_s;
    const char *metrics;
    struct paths paths;
};

static const struct option check_options[] = {
    {"format", required_argument, NULL, 'f'},  {"color", required_argument, NULL, 'c'},
    {"metrics", required_argument, NULL, 'm'}, {"scrape-interval", required_argument, NULL, 's'},
    {"windows", no_argument, NULL, 'w'},       {NULL, 0, NULL, 0}};

static bool scrape_interval(const char *text, double *ret_s)
{
    const char *why;
    int64_t ms = 0;
    bool good = rules_duration(text, &ms, &why) && ms > 0;
    *ret_s = (double)ms / 1e3;
    return good;
}

/* HEALC_OK, or the code after a message. */
static int check_arguments(int argc, char **argv, struct check_run *run)
{
    struct error error;
    const char *color = NULL;
    for (int option; (option = getopt_long(argc, argv, "", check_options, NULL)) != -1;) {
        if (option == '?' || (option == 'f' && !option_format(optarg, &run->format))) {
            return HEALC_FAILED;
        }
        if (option == 's' && !scrape_interval(optarg, &run->scrape_s)) {
            return option_fail(argv[0], "--scrape-interval is a duration such as 30s, not '%s'",
                               optarg);
        }
        run->windows |= option == 'w';
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

/* ---- what windows keep ---- */

/* "1560 bytes a series", or the sum over one series of each selector. */
static void print_kept(const struct kept_list *kept)
{
    printf("%llu bytes", (unsigned long long)kept_bytes(kept));
    if (kept->count > 1) {
        printf(" for one series of each of %zu selectors", kept->count);
    } else {
        printf(" a series");
    }
}

static void print_windows(const struct kept_list *list)
{
    for (const struct kept *kept = list->first; kept; kept = kept->next) {
        char reach[32], interval[32];
        const unsigned long long samples = kept_samples(kept);
        printf("  %s: back %s each %s: %llu samples, %llu bytes a series\n", kept->text,
               duration_print(duration_seconds(kept->reach_s), reach, sizeof reach),
               duration_print(duration_seconds(kept->interval_s), interval, sizeof interval),
               samples, samples * KEPT_SAMPLE_BYTES);
    }
}

static void print_kept_of_policy(const struct check_run *run, struct arena *arena,
                                 const struct policy *policy)
{
    struct kept_list kept = {.arena = arena, .scrape_s = run->scrape_s};
    kept_of_policy(&kept, policy);
    if (kept.count > 0) {
        printf("; samples of windows ");
        print_kept(&kept);
    }
    printf("\n");
    if (run->windows) {
        print_windows(&kept);
    }
}

/* Signals of the file and pools have a line where they have windows. */
static void print_kept_of(const struct check_run *run, const char *what, const char *name,
                          const struct kept_list *kept)
{
    if (kept->count > 0) {
        printf("%s %s: samples of windows ", what, name);
        print_kept(kept);
        printf("\n");
    }
    if (run->windows) {
        print_windows(kept);
    }
}

static void print_kept_of_others(const struct check_run *run, struct arena *arena,
                                 const struct program *program)
{
    for (const struct pool *pool = program->pools; pool; pool = pool->next) {
        struct kept_list kept = {.arena = arena, .scrape_s = run->scrape_s};
        kept_of_pool(&kept, pool);
        print_kept_of(run, "pool", pool->name.text, &kept);
    }
    for (const struct recorded *r = program->recorded; r; r = r->next) {
        struct kept_list kept = {.arena = arena, .scrape_s = run->scrape_s};
        kept_of_recorded(&kept, r);
        print_kept_of(run, "signal", r->name.text, &kept);
    }
}

static void print_kept_of_program(const struct check_run *run, struct arena *arena,
                                  const struct program *program)
{
    char scrape[32];
    struct kept_list kept = {.arena = arena, .scrape_s = run->scrape_s};
    kept_of_program(&kept, program);
    if (kept.count > 0) {
        printf("samples of all windows: ");
        print_kept(&kept);
        printf(", an estimate with a sample of a series each %s\n",
               duration_print(duration_seconds(run->scrape_s), scrape, sizeof scrape));
    }
}

/* ---- the report ---- */

/* "; spends at most 10 usd per 1h, 120 usd per 1d" where anything costs something. */
static void print_spends(const char *before, double per_hour, double per_day)
{
    if (!isfinite(per_day)) {
        printf("%swithout a limit", before);
    } else if (per_day > 0) {
        printf("%sat most %.10g usd per 1h, %.10g usd per 1d", before, per_hour, per_day);
    }
}

static const double hour_s = 3600, day_s = 86400;

static void print_bounds(const struct check_run *run, struct arena *arena,
                         const struct policy *policy)
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
    print_spends("; spends ", policy_spends(policy, hour_s), policy_spends(policy, day_s));
    printf("; per entity %llu bytes, %llu ns an evaluation",
           (unsigned long long)bounds.bytes_per_entity, (unsigned long long)bounds.ns_per_entity);
    print_kept_of_policy(run, arena, policy);
}

static void print_summary(const struct check_run *run, struct arena *arena,
                          const struct program *program, const struct diag_list *diags)
{
    size_t files = 0, policies = 0;
    for (const struct file *f = program->files; f; f = f->next) {
        files++;
    }
    if (diags->errors == 0) {
        print_kept_of_others(run, arena, program);
    }
    for (const struct policy *p = program->policies; p; p = p->next) {
        policies++;
        if (diags->errors == 0) {
            print_bounds(run, arena, p);
        }
    }
    if (diags->errors == 0) {
        print_kept_of_program(run, arena, program);
        print_spends("all policies: spend ", program_spends(program, hour_s),
                     program_spends(program, day_s));
        printf("%s", program_spends(program, day_s) > 0 ? "\n" : "");
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
    struct check_run run = {.format = DIAG_FULL, .scrape_s = KEPT_SCRAPE_S};
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
            print_summary(&run, &arena, program, &diags);
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
