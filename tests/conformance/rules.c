#include "tests/conformance/rules.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/healc/promtool_test.h"
#include "compiler/healc/rules_check.h"
#include "compiler/rules/importer.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/engine.h"
#include "tests/conformance/machine.h"

enum { PATH_BYTES = 1024 };

/* ---- files ---- */

static int compare_entries(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_yaml(const char *path)
{
    const size_t length = strlen(path);
    return (length > 4 && strcmp(path + length - 4, ".yml") == 0) ||
           (length > 5 && strcmp(path + length - 5, ".yaml") == 0);
}

bool rule_paths_find(const char *dir, const char *key, struct rule_paths *ret)
{
    char root[PATH_BYTES];
    snprintf(root, sizeof root, "%s/alert-rules", dir);
    char *const roots[] = {root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, compare_entries);
    bool found = false;
    for (FTSENT *entry; tree && (entry = fts_read(tree)) != NULL;) {
        found |= entry->fts_info == FTS_D;
        if (entry->fts_info != FTS_F || !is_yaml(entry->fts_path)) {
            continue;
        }
        struct arena arena = {0};
        struct rules_report report = {0};
        size_t length;
        char *text = document_load(entry->fts_path, &length, &report);
        const struct document_node *document =
            text ? document_read(&arena, entry->fts_path, text, length, &report) : NULL;
        if (document_get(document, key)) {
            ARRAY_RESERVE(ret->items, ret->count, ret->capacity);
            ret->items[ret->count++] = heap_strdup(entry->fts_path);
        }
        free(text);
        rules_report_release(&report);
        arena_release(&arena);
    }
    if (tree) {
        (void)fts_close(tree);
    }
    return found;
}

void rule_paths_release(struct rule_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        free(paths->items[i]);
    }
    free(paths->items);
}

/* ---- rules ---- */

/* What the file became is a program that an engine takes. */
static bool loads(const char *text, size_t length, char *reason, size_t size)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    struct error error = {""};
    const struct parse_text one = {"rules.heal", text, length};
    const struct engine_host host = {.default_mode = MODE_SHADOW, .tick = {60 * NS_PER_S}};
    diag_list_init(&diags, &arena, &sources);
    struct program *program = parse_program_texts(&arena, &sources, &one, 1, &diags);
    bool good = diags.errors == 0 && check_program(program, &diags, &(struct check_options){0});
    if (!good) {
        snprintf(reason, size, "%s", diags.first ? diags.first->message : "is refused");
    } else {
        struct store *store = store_new(NULL);
        struct engine *engine = engine_new(program, store, &host, &error);
        good = engine != NULL;
        snprintf(reason, size, "%s", error.message);
        engine_free(engine);
        store_free(store);
    }
    sources_release(&sources);
    arena_release(&arena);
    return good;
}

static void run_rules(const char *path, struct tally *ret)
{
    struct arena arena = {0};
    struct rules_report report = {0};
    struct importer import;
    char reason[600] = "";
    size_t length;
    const struct importer_options options = {.interval_ms = 60000, .check = rules_check_statement};
    importer_init(&import, &options, &report);
    char *text = document_load(path, &length, &report);
    struct rule_file *file =
        text ? rule_file_read(&arena, path, text, length, rules_check_template, &report) : NULL;
    if (file) {
        importer_add_file(&import, file);
    }
    const size_t taken = import.policies + import.signals, refused = import.refused;
    const bool good = file && loads(import.text, import.length, reason, sizeof reason);
    ret->passed += (int)(good ? taken : 0);
    ret->failed += (int)(good ? refused : refused + (taken > 0 ? taken : 1));
    if (report.text) {
        fputs(report.text, stdout);
    }
    if (!good) {
        printf("%s: %s\n", path, reason);
    }
    free(text);
    importer_release(&import);
    rules_report_release(&report);
    arena_release(&arena);
}

bool conformance_rules(const char *dir, struct tally *ret)
{
    struct rule_paths paths = {0};
    const bool found = rule_paths_find(dir, "groups", &paths);
    for (size_t i = 0; i < paths.count; i++) {
        run_rules(paths.items[i], ret);
    }
    rule_paths_release(&paths);
    return found;
}

/* ---- unit tests ---- */

enum { GROUPS_MAX = 10000 };
enum pass { BY_REFERENCE, ON_CODE, CLOSED, PASSES };

/* What became of each group of a file. */
struct group_outcomes {
    bool passed[PASSES][GROUPS_MAX];
    const char *refused[GROUPS_MAX]; /* why heal cannot run it, or NULL */
    enum pass pass;
    size_t count;
};

static void told(void *context, const char *path, size_t group, const char *refused, bool passed)
{
    struct group_outcomes *outcome = context;
    (void)path;
    if (group <= GROUPS_MAX) {
        outcome->passed[outcome->pass][group - 1] = passed;
        outcome->refused[group - 1] = refused ? "has native histograms" : NULL;
        outcome->count = group > outcome->count ? group : outcome->count;
    }
}

static bool run_pass(const char *path, enum pass pass, struct group_outcomes *outcome)
{
    struct promtool_tally tally = {0};
    struct promtool_options options = {
        .told = told, .context = outcome, .closed_windows = pass == CLOSED, .silent = true};
    if (pass == ON_CODE) {
        options.code_new = machine_new;
        options.code_use = machine_take;
        options.code_free = machine_free;
    }
    outcome->pass = pass;
    return promtool_run(path, &options, &tally) && tally.failed == 0;
}

static void judge(const char *path, size_t group, const struct group_outcomes *outcome,
                  struct tally *ret)
{
    const bool reference = outcome->passed[BY_REFERENCE][group];
    const bool code = outcome->passed[ON_CODE][group];
    if (reference && code) {
        ret->passed++;
    } else if (reference == code && outcome->passed[CLOSED][group]) {
        ret->skipped++;
        printf("%s: group %zu: holds with the closed windows of Prometheus 2 only\n", path,
               group + 1);
    } else if (outcome->refused[group]) {
        ret->skipped++;
        printf("%s: group %zu: %s\n", path, group + 1, outcome->refused[group]);
    } else {
        ret->failed++;
        printf("%s: group %zu: %s\n", path, group + 1,
               reference == code ? "fails"
               : code            ? "fails by the reference evaluator only"
                                 : "fails on machine code only");
    }
}

static void run_file(const char *path, struct group_outcomes *outcome, struct tally *ret)
{
    memset(outcome, 0, sizeof *outcome);
    const bool reference = run_pass(path, BY_REFERENCE, outcome);
    const bool code = run_pass(path, ON_CODE, outcome);
    if (!reference || !code) {
        (void)run_pass(path, CLOSED, outcome);
    }
    if (outcome->count == 0) {
        ret->failed++;
        printf("%s: cannot be read\n", path);
    }
    for (size_t group = 0; group < outcome->count; group++) {
        judge(path, group, outcome, ret);
    }
}

bool conformance_groups(const char *dir, struct tally *ret)
{
    struct rule_paths paths = {0};
    struct group_outcomes *outcome = heap_alloc(sizeof *outcome);
    const bool found = rule_paths_find(dir, "tests", &paths);
    for (size_t i = 0; i < paths.count; i++) {
        run_file(paths.items[i], outcome, ret);
    }
    free(outcome);
    rule_paths_release(&paths);
    return found;
}
