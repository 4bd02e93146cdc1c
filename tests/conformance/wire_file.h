/* Files and folders of the cases. */
#ifndef HEAL_TESTS_CONFORMANCE_WIRE_FILE_H
#define HEAL_TESTS_CONFORMANCE_WIRE_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/conformance/tally.h"

struct file {
    char *bytes; /* NULL: it cannot be read; the caller frees */
    size_t size;
};
struct file file_read(const char *folder, const char *name);
json_t *file_json(const char *folder, const char *name);
bool folder_exists(const char *path);
/* Calls visit for each entry, sorted by name; false when there is no such folder. */
typedef void visit_f(const char *folder, const char *name, struct tally *tally);
bool folder_visit(const char *folder, visit_f *visit, struct tally *tally);

/* Counts a case; prints it when it failed. */
void tally_case(struct tally *tally, bool good, const char *kind, const char *name,
                const char *reason);

#endif
