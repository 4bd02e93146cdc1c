/* healc fmt: policies in their canonical form, in place. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/healc/option.h"
#include "lang/parser.h"
#include "lang/print.h"

struct format_run {
    bool check, diff;
    bool findings, failed;
};

/* Writes beside the file and renames, so that a full disk loses nothing. */
static bool file_replace(const char *path, const char *text)
{
    struct stat info;
    char *real = realpath(path, NULL);
    size_t size = (real ? strlen(real) : 0) + sizeof ".XXXXXX";
    char *beside = heap_alloc(size);
    snprintf(beside, size, "%s.XXXXXX", real ? real : "");
    int fd = real && stat(real, &info) == 0 ? mkstemp(beside) : -1;
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = out && fchmod(fd, info.st_mode & 07777) == 0 && fputs(text, out) != EOF;
    good = out && fclose(out) == 0 && good;
    good = good && rename(beside, real) == 0;
    if (!good) {
        fprintf(stderr, "healc fmt: cannot write '%s': %s\n", path, strerror(errno));
        if (fd >= 0) {
            unlink(beside);
        }
    }
    free(beside);
    free(real);
    return good;
}

static size_t line_length(const char *text)
{
    const char *end = strchr(text, '\n');
    return end ? (size_t)(end - text) + 1 : strlen(text);
}

static void print_changed(char sign, const char *from, const char *to)
{
    while (from < to) {
        size_t n = line_length(from);
        printf("%c%.*s%s", sign, (int)n, from, from[n - 1] == '\n' ? "" : "\n");
        from += n;
    }
}

/* The one stretch of lines that differs, as a unified diff without context. */
static void print_diff(const char *path, const char *before, const char *after)
{
    size_t line = 1;
    while (*before && line_length(before) == line_length(after) &&
           memcmp(before, after, line_length(before)) == 0) {
        size_t n = line_length(before);
        before += n;
        after += n;
        line++;
    }
    const char *before_end = before + strlen(before), *after_end = after + strlen(after);
    while (before_end > before && after_end > after && before_end[-1] == after_end[-1]) {
        before_end--;
        after_end--;
    }
    before_end += before_end > before && before_end[-1] == '\n' ? 0 : line_length(before_end);
    after_end += after_end > after && after_end[-1] == '\n' ? 0 : line_length(after_end);
    printf("--- %s\n+++ %s\n@@ line %zu @@\n", path, path, line);
    print_changed('-', before, before_end);
    print_changed('+', after, after_end);
}

static void format_one(struct format_run *run, const char *path)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    struct error error;
    diag_list_init(&diags, &arena, &sources);
    const struct source *source = sources_read(&sources, path, &error);
    if (!source) {
        fprintf(stderr, "healc fmt: %s\n", error.message);
        run->failed = true;
    } else {
        struct file *file = parse_file(&arena, source, &diags);
        bool color = false;
        option_color(NULL, stderr, &color);
        diag_print(&diags, DIAG_FULL, color, stderr);
        bool standard_input = strcmp(path, "-") == 0;
        const char *text = diags.errors == 0 ? print_file(&arena, file) : NULL;
        bool changed = text && strcmp(text, source->text) != 0;
        run->findings |= diags.errors > 0 || (changed && (run->check || run->diff));
        if (changed && run->diff) {
            print_diff(source->path, source->text, text);
        } else if (changed && run->check) {
            printf("%s\n", source->path);
        } else if (text && standard_input && !run->check && !run->diff) {
            fputs(text, stdout);
        } else if (changed && !file_replace(path, text)) {
            run->failed = true;
        }
    }
    sources_release(&sources);
    arena_release(&arena);
}

int command_fmt(int argc, char **argv)
{
    static const struct option options[] = {
        {"check", no_argument, NULL, 'c'}, {"diff", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
    struct format_run run = {0};
    struct paths paths = {0};
    struct error error;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?') {
            return option_fail(argv[0], "an option it does not have");
        }
        run.check |= option == 'c';
        run.diff |= option == 'd';
    }
    bool good = optind < argc || paths_add(&paths, "-", &error);
    for (int i = optind; i < argc && good; i++) {
        good = paths_add(&paths, argv[i], &error);
    }
    if (!good) {
        paths_release(&paths);
        return option_fail(argv[0], "%s", error.message);
    }
    for (size_t i = 0; i < paths.count; i++) {
        format_one(&run, paths.items[i]);
    }
    paths_release(&paths);
    return run.failed ? HEALC_FAILED : run.findings ? HEALC_FINDINGS : HEALC_OK;
}
