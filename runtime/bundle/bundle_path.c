/* Names of bundles. */
#include <string.h>

#include "runtime/bundle/bundle.h"

enum { SHOWN_BYTES_MAX = 70 }; /* a longer path is not repeated in the commands */

enum status bundle_path_check(const char *path, struct error *error)
{
    size_t length = strlen(path), suffix = strlen(BUNDLE_SUFFIX);
    if (length > suffix && strcmp(path + length - suffix, BUNDLE_SUFFIX) == 0) {
        return STATUS_OK;
    }
    const char *from = length <= SHOWN_BYTES_MAX ? path : "FOLDER";
    int stem = (int)strlen(from);
    while (stem > 1 && from[stem - 1] == '/') {
        stem--;
    }
    return error_set(error, STATUS_DENIED,
                     "'%.80s' is no bundle of policies (a file NAME" BUNDLE_SUFFIX "); make one: "
                     "healc compile %s -o %.*s" BUNDLE_SUFFIX
                     " && healc sign --key team.key %.*s" BUNDLE_SUFFIX,
                     path, from, stem, from, stem, from);
}
