/* The checks of healc over what is imported. */
#include "compiler/healc/rules_check.h"

#include <stdio.h>
#include <string.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/engine/template.h"

bool rules_check_template(const char *text, char *why, size_t size)
{
    struct template *t;
    struct error error = {""};
    if (template_new(text, &t, &error) != STATUS_OK) {
        snprintf(why, size, "%s", error.message);
        return false;
    }
    template_free(t);
    return true;
}

bool rules_check_statement(const char *text, char *why, size_t size)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    struct parse_text one = {"imported.heal", text, strlen(text)};
    diag_list_init(&diags, &arena, &sources);
    struct program *program = parse_program_texts(&arena, &sources, &one, 1, &diags);
    bool good = diags.errors == 0 && check_program(program, &diags, &(struct check_options){0});
    const struct diag *diag = diags.first;
    while (!good && diag && diag->severity != SEVERITY_ERROR) {
        diag = diag->next;
    }
    if (!good) {
        snprintf(why, size, "%s", diag ? diag->message : "heal refuses it");
    }
    sources_release(&sources);
    arena_release(&arena);
    return good;
}
