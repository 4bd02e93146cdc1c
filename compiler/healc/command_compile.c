/* healc compile: the machine code of policies. */
#include <getopt.h>

#include "compiler/healc/option.h"

int command_compile(int argc, char **argv)
{
    static const struct option options[] = {{"emit", required_argument, NULL, 'e'},
                                            {"cpu", required_argument, NULL, 'c'},
                                            {"output", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    const char *form = NULL, *cpu = NULL, *output = NULL;
    struct paths paths = {0};
    struct error error;
    int code = HEALC_OK;
    for (int option; (option = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        switch (option) {
        case 'e': form = optarg; break;
        case 'c': cpu = optarg; break;
        case 'o': output = optarg; break;
        default: return HEALC_FAILED;
        }
    }
    if (!form) {
        return option_fail(argv[0], "what to write is missing: --emit ll, asm or obj");
    }
    if (optind == argc) {
        return option_fail(argv[0], "a file or folder is missing");
    }
    for (int i = optind; i < argc && code == HEALC_OK; i++) {
        if (!paths_add(&paths, argv[i], &error)) {
            code = option_fail(argv[0], "%s", error.message);
        }
    }
    code = code == HEALC_OK ? compile_emit(argv[0], &paths, form, cpu, output) : code;
    paths_release(&paths);
    return code;
}
