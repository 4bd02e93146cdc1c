/* The conformance runner: conformance [DIR [KIND...]]. DIR holds promql/, alert-rules/,
 * openmetrics/ and exposition/ in the layout of the shared corpora; without it, or with -,
 * conformance/ in the folder that HEAL_SHARED names (../shared). A line a case that fails, and at
 * the end of each kind "KIND: N passed, N failed, N skipped". Exit 1 when a case failed; 0, said
 * so, where there is no such folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/conformance/incremental.h"
#include "tests/conformance/promql.h"
#include "tests/conformance/rules.h"
#include "tests/conformance/wire.h"

struct kind {
    const char *name;
    bool (*run)(const char *dir, struct tally *ret);
};

static const struct kind kinds[] = {
    {"promql", conformance_promql},
    {"grammar", conformance_grammar},
    {"compliance", conformance_compliance},
    {"rules", conformance_rules},
    {"groups", conformance_groups},
    {"incremental", conformance_incremental},
    {"openmetrics", conformance_openmetrics},
    {"exposition", conformance_exposition},
    {"remote_write", conformance_remote_write},
};

/* Behind the folder stand the kinds; none: all of them. */
static bool is_wanted(char **words, int count, const char *kind)
{
    bool wanted = count < 2;
    for (int i = 1; i < count; i++) {
        wanted |= strcmp(words[i], kind) == 0;
    }
    return wanted;
}

int main(int argc, char **argv)
{
    const char *shared = getenv("HEAL_SHARED");
    char dir[1000];
    struct stat status;
    bool failed = false;
    const bool named = argc > 1 && strcmp(argv[1], "-") != 0;
    snprintf(dir, sizeof dir, named ? "%s" : "%s/conformance",
             named ? argv[1] : (shared ? shared : "../shared"));
    if (stat(dir, &status) != 0) {
        printf("conformance: no corpora at %s: nothing was run\n", dir);
        return 0;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct tally tally = {0};
        if (!is_wanted(argv + 1, argc - 1, kinds[i].name)) {
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
