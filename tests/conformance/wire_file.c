/* Files and folders of the cases. */
#include "tests/conformance/wire_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lang/base.h"

enum { FILE_BYTES_MAX = 64 << 20, PATH_BYTES = 2048 };

static void path_join(char *ret, const char *folder, const char *name)
{
    CHECK(snprintf(ret, PATH_BYTES, "%s/%s", folder, name) < PATH_BYTES);
}

struct file file_read(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    struct stat st;
    struct file file = {NULL, 0};
    path_join(path, folder, name);
    FILE *from = fopen(path, "rb");
    if (from == NULL) {
        return file;
    }
    if (fstat(fileno(from), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_BYTES_MAX) {
        /* Exactly as large, so that a sanitizer sees a read past the end. */
        file.bytes = heap_alloc((size_t)st.st_size + (st.st_size == 0));
        file.size = fread(file.bytes, 1, (size_t)st.st_size, from);
    }
    fclose(from);
    return file;
}

json_t *file_json(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    path_join(path, folder, name);
    return json_load_file(path, JSON_ALLOW_NUL, NULL);
}

bool folder_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool folder_visit(const char *folder, visit_f *visit, struct tally *tally)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            visit(folder, entries[i]->d_name, tally);
        }
        free(entries[i]);
    }
    free(entries);
    return count >= 0;
}

void tally_case(struct tally *tally, bool good, const char *kind, const char *name,
                const char *reason)
{
    tally->passed += good;
    tally->failed += !good;
    if (!good) {
        printf("%s/%s: %s\n", kind, name, reason);
    }
}
