/* Options and paths that the verbs of healc share. */
#include "compiler/healc/option.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool option_format(const char *text, enum diag_format *ret)
{
    static const char *const words[] = {
        [DIAG_FULL] = "full", [DIAG_CONCISE] = "concise", [DIAG_JSON] = "json"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i], text) == 0) {
            *ret = (enum diag_format)i;
            return true;
        }
    }
    fprintf(stderr, "healc: --format is full, concise or json, not '%s'\n", text);
    return false;
}

bool option_color(const char *text, FILE *out, bool *ret)
{
    if (!text || strcmp(text, "auto") == 0) {
        const char *no_color = getenv("NO_COLOR");
        *ret = isatty(fileno(out)) && !(no_color && no_color[0]);
        return true;
    }
    if (strcmp(text, "always") != 0 && strcmp(text, "never") != 0) {
        fprintf(stderr, "healc: --color is auto, always or never, not '%s'\n", text);
        return false;
    }
    *ret = strcmp(text, "always") == 0;
    return true;
}

int option_fail(const char *verb, const char *fmt, ...)
{
    va_list args;
    fprintf(stderr, "healc %s: ", verb);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nTry 'healc help %s'.\n", verb);
    return HEALC_FAILED;
}

bool source_is_missing(const struct diag_list *diags)
{
    for (const struct diag *d = diags->first; d; d = d->next) {
        if (d->code == DIAG_SOURCE_UNREADABLE && d->span.end == 0) {
            return true;
        }
    }
    return false;
}

void option_usage(const char *verb, FILE *out)
{
#define COMMAND(name, usage, summary, details)                                 \
    if (strcmp(verb, #name) == 0) {                                            \
        fprintf(out, "Usage: healc %s %s\n\n%c%s.\n\n%s", #name, usage,        \
                toupper((unsigned char)(summary)[0]), (summary) + 1, details); \
    }
#include "compiler/healc/command.def"
#undef COMMAND
}

static bool paths_add_file(struct paths *paths, const char *path, struct error *error)
{
    if (paths->count >= PATHS_MAX) {
        error_set(error, STATUS_LIMIT, "more than %d files", PATHS_MAX);
        return false;
    }
    ARRAY_RESERVE(paths->items, paths->count, paths->capacity);
    paths->items[paths->count++] = heap_strdup(path);
    return true;
}

static int entry_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool paths_walk(struct paths *paths, const char *folder, int depth, struct error *error)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, entry_wanted, alphasort);
    bool good = count >= 0 && depth <= PATHS_DEPTH_MAX;
    if (!good) {
        error_set(error, STATUS_IO, "cannot read the folder '%s': %s", folder,
                  count < 0 ? strerror(errno) : "too deep");
    }
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        size_t length = strlen(name);
        size_t size = strlen(folder) + length + 2;
        char *path = heap_alloc(size);
        snprintf(path, size, "%s/%s", folder, name);
        struct stat info;
        if (good && lstat(path, &info) == 0) {
            if (S_ISDIR(info.st_mode)) {
                good = paths_walk(paths, path, depth + 1, error);
            } else if (S_ISREG(info.st_mode) && length > 5 &&
                       strcmp(name + length - 5, ".heal") == 0) {
                good = paths_add_file(paths, path, error);
            }
        }
        free(path);
        free(entries[i]);
    }
    free(entries);
    return good;
}

bool paths_add(struct paths *paths, const char *path, struct error *error)
{
    struct stat info;
    if (strcmp(path, "-") != 0 && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return paths_walk(paths, path, 0, error);
    }
    return paths_add_file(paths, path, error);
}

void paths_release(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        free(paths->items[i]);
    }
    free(paths->items);
    *paths = (struct paths){0};
}
