/* healc lint: opinions about policies that are right. */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "compiler/healc/option.h"
#include "lang/check.h"
#include "lang/lint.h"
#include "lang/parser.h"

static int lint_paths(const struct paths *paths, enum diag_format format, bool color)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    diag_list_init(&diags, &arena, &sources);
    struct program *program = parse_program(&arena, &sources, paths->items, paths->count, &diags);
    if (diags.errors == 0 && check_program(program, &diags, &(struct check_options){0})) {
        lint_program(program, &diags,
                     (struct instant){(int64_t)now.tv_sec * NS_PER_S + now.tv_nsec});
    }
    diag_print(&diags, format, color, stdout);
    if (format != DIAG_JSON) {
        printf("%zu errors, %zu warnings\n", diags.errors, diags.warnings);
    }
    int code = diags.errors + diags.warnings > 0 ? HEALC_FINDINGS : HEALC_OK;
    sources_release(&sources);
    arena_release(&arena);
    return code;
}

int command_lint(int argc, char **argv)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {"color", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    enum diag_format format = DIAG_FULL;
    const char *color_word = NULL;
    bool color = false;
    struct paths paths = {0};
    struct error error;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?' || (option == 'f' && !option_format(optarg, &format))) {
            return HEALC_FAILED;
        }
        color_word = option == 'c' ? optarg : color_word;
    }
    if (!option_color(color_word, stdout, &color)) {
        return HEALC_FAILED;
    }
    if (optind == argc) {
        return option_fail(argv[0], "a file or folder is missing");
    }
    int code = HEALC_OK;
    for (int i = optind; i < argc && code == HEALC_OK; i++) {
        if (!paths_add(&paths, argv[i], &error)) {
            code = option_fail(argv[0], "%s", error.message);
        }
    }
    code = code == HEALC_OK ? lint_paths(&paths, format, color) : code;
    paths_release(&paths);
    return code;
}
