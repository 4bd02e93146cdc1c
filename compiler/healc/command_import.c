/* healc import: rules of Prometheus as policies. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/healc/option.h"
#include "compiler/healc/rules_check.h"
#include "compiler/rules/importer.h"

static const char channel_file[] = "prometheus.heal";

struct import_run {
    struct importer import;
    struct rules_report report;
    const char *folder; /* NULL: standard output */
    bool force, failed;
    struct paths written; /* names of files in the folder */
};

/* ---- files ---- */

static bool same_content(const char *path, const char *text)
{
    FILE *file = fopen(path, "re");
    size_t length = strlen(text), got;
    if (file == NULL) {
        return false;
    }
    char *there = heap_alloc(length + 1);
    got = fread(there, 1, length + 1, file);
    bool same = got == length && memcmp(there, text, length) == 0;
    fclose(file);
    free(there);
    return same;
}

/* Beside the file first: it is there as a whole, or not at all. */
static bool write_new(const char *beside, const char *path, const char *text, bool force, int fd)
{
    FILE *out = fdopen(fd, "w");
    bool good = out && fchmod(fd, 0644) == 0 && fputs(text, out) != EOF;
    good = out && fflush(out) == 0 && fsync(fd) == 0 && good;
    good = out && fclose(out) == 0 && good;
    /* A link never takes the place of another file. */
    good = good && (force ? rename(beside, path) == 0 : link(beside, path) == 0);
    int problem = errno;
    unlink(beside);
    errno = problem;
    return good;
}

static bool write_file(struct import_run *run, const char *name, const char *text)
{
    size_t size = strlen(run->folder) + strlen(name) + sizeof "/.XXXXXX";
    char *path = heap_alloc(size), *beside = heap_alloc(size);
    snprintf(path, size, "%s/%s", run->folder, name);
    snprintf(beside, size, "%s.XXXXXX", path);
    bool good = same_content(path, text);
    int fd = good ? -1 : mkstemp(beside);
    if (!good) {
        good = fd >= 0 && write_new(beside, path, text, run->force, fd);
    }
    if (!good && errno == EEXIST) {
        fprintf(stderr, "healc import: '%s' is there already; --force replaces it\n", path);
    } else if (!good) {
        fprintf(stderr, "healc import: cannot write '%s': %s\n", path, strerror(errno));
    }
    run->failed |= !good;
    free(path);
    free(beside);
    return good;
}

static bool name_taken(const struct import_run *run, const char *name)
{
    for (size_t i = 0; i < run->written.count; i++) {
        if (strcmp(run->written.items[i], name) == 0) {
            return true;
        }
    }
    return strcmp(name, channel_file) == 0;
}

/* rules.yml is rules.heal, and rules_2.heal where another file took that. */
static const char *file_name(struct import_run *run, const char *path)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    const char *dot = strrchr(base, '.');
    int length = (int)(dot && dot > base ? (size_t)(dot - base) : strlen(base));
    char *name = arena_printf(&run->import.arena, "%.*s.heal", length, base);
    for (unsigned n = 2; name_taken(run, name); n++) {
        name = arena_printf(&run->import.arena, "%.*s_%u.heal", length, base, n);
    }
    return name;
}

/* ---- the run ---- */

static void import_one(struct import_run *run, const char *path)
{
    struct arena arena = {0};
    struct error error;
    size_t length;
    size_t before = run->report.errors;
    char *text = document_load(path, &length, &run->report);
    struct rule_file *file =
        text ? rule_file_read(&arena, path, text, length, rules_check_template, &run->report)
             : NULL;
    run->failed |= text == NULL && run->report.errors > before;
    if (file) {
        importer_add_file(&run->import, file);
    }
    if (file && run->folder) {
        const char *name = file_name(run, path);
        if (!paths_add(&run->written, name, &error)) {
            fprintf(stderr, "healc import: %s\n", error.message);
            run->failed = true;
        } else {
            write_file(run, name, run->import.text);
        }
        importer_clear(&run->import);
    }
    arena_release(&arena);
    free(text);
}

static bool folder_ready(struct import_run *run)
{
    struct stat info;
    if (stat(run->folder, &info) != 0 && mkdir(run->folder, 0755) != 0) {
        fprintf(stderr, "healc import: cannot make the folder '%s': %s\n", run->folder,
                strerror(errno));
        return false;
    }
    if (stat(run->folder, &info) != 0 || !S_ISDIR(info.st_mode)) {
        fprintf(stderr, "healc import: '%s' is no folder\n", run->folder);
        return false;
    }
    char *text = arena_printf(&run->import.arena,
                              "# The channel of what is imported: name another one in heald.yaml.\n"
                              "edition 1\n\n%s",
                              importer_channel);
    return write_file(run, channel_file, text);
}

static int import_all(struct import_run *run, char **paths, int count)
{
    if (run->folder && !folder_ready(run)) {
        return HEALC_FAILED;
    }
    for (int i = 0; i < count; i++) {
        import_one(run, paths[i]);
    }
    fputs(run->report.text ? run->report.text : "", stderr);
    if (!run->folder && run->import.text) {
        fputs(run->import.text, stdout);
    }
    fprintf(stderr, "%zu policies, %zu signals, %zu errors\n", run->import.policies,
            run->import.signals, run->report.errors);
    return run->failed ? HEALC_FAILED : run->report.errors ? HEALC_FINDINGS : HEALC_OK;
}

static bool interval_read(const char *text, int64_t *ret)
{
    const char *why;
    return rules_duration(text, ret, &why) && *ret > 0;
}

int command_import(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"interval", required_argument, NULL, 'i'},
                                            {"force", no_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    struct import_run run = {0};
    struct importer_options how = {.interval_ms = 60000, .check = rules_check_statement};
    for (int option; (option = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        if (option == '?') {
            return option_fail(argv[0], "an option it does not have");
        }
        if (option == 'i' && !interval_read(optarg, &how.interval_ms)) {
            return option_fail(argv[0], "--interval is a duration such as 30s, not '%s'", optarg);
        }
        run.folder = option == 'o' ? optarg : run.folder;
        run.force |= option == 'f';
    }
    if (optind >= argc || strcmp(argv[optind], "prometheus") != 0) {
        return option_fail(argv[0], "what is imported comes first: prometheus");
    }
    if (++optind >= argc) {
        return option_fail(argv[0], "no rule file is named");
    }
    how.channel_file = run.folder ? channel_file : NULL;
    importer_init(&run.import, &how, &run.report);
    int code = import_all(&run, argv + optind, argc - optind);
    importer_release(&run.import);
    rules_report_release(&run.report);
    paths_release(&run.written);
    return code;
}
