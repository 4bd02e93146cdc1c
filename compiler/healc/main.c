/* healc: checks, formats, explains and evaluates policies. One verb a file, command_<verb>.c. */
#include <stdio.h>
#include <string.h>

#include "compiler/healc/compile_child.h"
#include "compiler/healc/option.h"

struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
};
static const struct command commands[] = {
#define COMMAND(name, usage, summary, details) {#name, summary, command_##name},
#include "compiler/healc/command.def"
#undef COMMAND
};

static int usage(FILE *out)
{
    fprintf(out, "Usage: healc VERB [OPTION]... [ARGUMENT]...\n\nThe compiler of heal.\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    }
    fprintf(out, "\n  healc help VERB   how a verb is used\n  healc --version\n\n"
                 "Exit codes: 0 clean, 1 findings, 2 could not run, 3 internal error.\n");
    return out == stdout ? HEALC_OK : HEALC_FAILED;
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int unknown(const char *name)
{
    const char *near = NULL;
    unsigned best = 3;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        unsigned distance = edit_distance(name, commands[i].name);
        if (distance < best) {
            best = distance;
            near = commands[i].name;
        }
    }
    fprintf(stderr, "healc: no verb is called '%s'", name);
    if (near) {
        fprintf(stderr, "; did you mean '%s'?", near);
    }
    fprintf(stderr, "\nTry 'healc --help'.\n");
    return HEALC_FAILED;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : NULL;
    if (!verb) {
        return usage(stderr);
    }
    if (strcmp(verb, "--version") == 0) {
        printf("healc %s\n", HEAL_VERSION);
        return HEALC_OK;
    }
    if (strcmp(verb, "--compile-child") == 0 && argc == 3) {
        compile_child_main(argv[2]);
    }
    bool help = strcmp(verb, "help") == 0;
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || (help && argc < 3)) {
        return usage(stdout);
    }
    const struct command *command = command_find(help ? argv[2] : verb);
    if (!command) {
        return unknown(help ? argv[2] : verb);
    }
    if (help || (argc > 2 && strcmp(argv[2], "--help") == 0)) {
        option_usage(command->name, stdout);
        return HEALC_OK;
    }
    int code = command->run(argc - 1, argv + 1);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "healc: cannot write the output\n");
        return HEALC_FAILED;
    }
    return code;
}
