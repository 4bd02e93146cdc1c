/* The conformance runner: conformance [DIR]. DIR holds promql/, alert-rules/, openmetrics/ and
 * exposition/ in the layout of the shared corpora; without it, ../shared/conformance. A line a case
 * that fails, and at the end of each kind "KIND: N passed, N failed, N skipped". Exit 1 when a case
 * failed; 0, said so, where there is no such folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/conformance/promql.h"
#include "tests/conformance/wire.h"

struct kind {
    const char *name;
    bool (*run)(const char *dir, struct tally *ret);
};

static const struct kind kinds[] = {
    {"promql", conformance_promql},
    {"grammar", conformance_grammar},
    {"compliance", conformance_compliance},
    {"openmetrics", conformance_openmetrics},
    {"exposition", conformance_exposition},
    {"remote_write", conformance_remote_write},
};

int main(int argc, char **argv)
{
    const char *shared = getenv("HEAL_SHARED");
    char dir[1000];
    struct stat status;
    bool failed = false;
    snprintf(dir, sizeof dir, argc > 1 ? "%s" : "%s/conformance",
             argc > 1 ? argv[1] : (shared ? shared : "../shared"));
    if (stat(dir, &status) != 0) {
        printf("conformance: no corpora at %s: nothing was run\n", dir);
        return 0;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct tally tally = {0};
        if (argc > 2 && strcmp(argv[2], kinds[i].name) != 0) {
            continue;
        }
        if (kinds[i].run(dir, &tally)) {
            printf("%s: %d passed, %d failed, %d skipped\n", kinds[i].name, tally.passed,
                   tally.failed, tally.skipped);
        } else {
            printf("%s: no such cases\n", kinds[i].name);
        }
        (void)fflush(stdout);
        failed |= tally.failed > 0;
    }
    return failed;
}
