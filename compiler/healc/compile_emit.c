/* healc compile --emit: machine code for people and tools to look at. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compiler/code.h"
#include "compiler/healc/option.h"
#include "lang/check.h"
#include "lang/parser.h"

struct program *paths_program(const struct paths *paths, struct arena *arena,
                              struct sources *sources, int *ret_code)
{
    struct diag_list diags;
    diag_list_init(&diags, arena, sources);
    struct program *program = parse_program(arena, sources, paths->items, paths->count, &diags);
    bool good = diags.errors == 0 && check_program(program, &diags, &(struct check_options){0}) &&
                diags.errors == 0;
    if (!good) {
        diag_print(&diags, DIAG_FULL, false, stderr);
        *ret_code = source_is_missing(&diags) ? HEALC_FAILED : HEALC_FINDINGS;
    }
    return good ? program : NULL;
}

static bool find_form(const char *text, enum code_form *ret)
{
    static const struct {
        const char *text;
        enum code_form form;
    } rows[] = {{"ll", CODE_IR}, {"asm", CODE_ASSEMBLY}, {"obj", CODE_OBJECT}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].text, text) == 0) {
            *ret = rows[i].form;
            return true;
        }
    }
    return false;
}

/* Nothing is written over a source. */
static bool is_policy(const char *path)
{
    const char *suffix = strrchr(path, '.');
    return suffix && strcmp(suffix, ".heal") == 0;
}

int compile_emit(const char *verb, const struct paths *paths, const char *form_text,
                 const char *cpu_text, const char *output)
{
    enum code_form form;
    enum code_cpu cpu = CODE_NATIVE;
    struct arena arena = {0};
    struct sources sources = {0};
    struct error error;
    int code = HEALC_OK;
    if (!find_form(form_text, &form)) {
        return option_fail(verb, "--emit is ll, asm or obj, not '%s'", form_text);
    }
    if (cpu_text && !code_cpu_find(cpu_text, &cpu)) {
        return option_fail(verb, "--cpu is native, v2, v3 or v4, not '%s'", cpu_text);
    }
    if (form == CODE_OBJECT && !output && isatty(STDOUT_FILENO)) {
        return option_fail(verb, "an object is not for a terminal; name a file with -o");
    }
    if (output && is_policy(output)) {
        return option_fail(verb, "'%s' would be a policy by its name; name another file with -o",
                           output);
    }
    const struct program *program = paths_program(paths, &arena, &sources, &code);
    if (program && code_emit(program, cpu, form, output, &error) != STATUS_OK) {
        fprintf(stderr, "healc %s: %s\n", verb, error.message);
        code = HEALC_FAILED;
    }
    sources_release(&sources);
    arena_release(&arena);
    return code;
}
