/* Guards and contracts for an actor under test, from the text of a policy file.
 *
 *     struct guards *guards = guards_of("guard host { at most 3 actions per 1h }");
 *     assert_int_equal(actor_guard(actor, guards->program, &error), STATUS_OK);
 *     guards_free(guards); */
#ifndef HEAL_TESTS_ACT_GUARDS_H
#define HEAL_TESTS_ACT_GUARDS_H

#include <string.h>

#include "lang/check.h"
#include "lang/diagnostic.h"
#include "lang/parser.h"
#include "tests/unit.h"

struct guards {
    struct arena arena;
    struct sources sources;
    struct program *program;
};

static inline struct guards *guards_of(const char *text)
{
    struct guards *guards = heap_alloc(sizeof *guards);
    struct diag_list diags;
    const struct parse_text one = {"guards.heal", text, strlen(text)};
    diag_list_init(&diags, &guards->arena, &guards->sources);
    guards->program = parse_program_texts(&guards->arena, &guards->sources, &one, 1, &diags);
    if (diags.errors == 0) {
        (void)check_program(guards->program, &diags, &(struct check_options){0});
    }
    for (const struct diag *diag = diags.first; diag; diag = diag->next) {
        if (diag->severity == SEVERITY_ERROR) {
            fail_msg("%s in:\n%s", diag->message, text);
        }
    }
    return guards;
}

static inline void guards_free(struct guards *guards)
{
    sources_release(&guards->sources);
    arena_release(&guards->arena);
    free(guards);
}

#endif
