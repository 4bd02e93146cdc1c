/* healc explain: the page of a diagnostic. */
#include <stdio.h>
#include <string.h>

#include "compiler/healc/option.h"

int command_explain(int argc, char **argv)
{
    if (argc > 2) {
        return option_fail(argv[0], "one code at a time");
    }
    if (argc == 1) {
        for (int i = 0; i < DIAG_COUNT; i++) {
            printf("%s  %-7s  %s\n", diag_infos[i].code,
                   diag_infos[i].severity == SEVERITY_ERROR ? "error" : "warning",
                   diag_infos[i].title);
        }
        return HEALC_OK;
    }
    enum diag_code code = diag_code_find(argv[1]);
    if (code == DIAG_COUNT) {
        return option_fail(argv[0], "no diagnostic has the code '%s'; 'healc explain' lists all",
                           argv[1]);
    }
    const char *page = diag_page(code);
    size_t length = strlen(page);
    printf("%s%s", page, length > 0 && page[length - 1] == '\n' ? "" : "\n");
    return HEALC_OK;
}
