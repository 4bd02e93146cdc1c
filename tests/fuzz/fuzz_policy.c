/* Policies under libFuzzer: any text is refused with a place, or parses, prints to a fixed point,
 * and passes through every check and lint. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "lang/lint.h"
#include "lang/parser.h"
#include "lang/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parses text; NULL when it has an error. */
static struct program *parse(struct arena *arena, struct sources *sources, struct diag_list *diags,
                             const char *text, size_t length)
{
    struct parse_text one = {"fuzz.heal", text, length};
    diag_list_init(diags, arena, sources);
    struct program *program = parse_program_texts(arena, sources, &one, 1, diags);
    return diags->errors == 0 ? program : NULL;
}

static char *printed(const uint8_t *data, size_t size, bool check)
{
    struct arena arena = {0};
    struct sources sources = {0};
    struct diag_list diags;
    char *text = NULL;
    struct program *program = parse(&arena, &sources, &diags, (const char *)data, size);
    CHECK(program || diags.first);
    if (program) {
        text = heap_strdup(print_file(&arena, program->files));
        if (check && check_program(program, &diags, &(struct check_options){0})) {
            lint_program(program, &diags, (struct instant){1700000000LL * NS_PER_S});
        }
        FILE *nowhere = fopen("/dev/null", "w");
        CHECK(nowhere);
        diag_print(&diags, DIAG_FULL, false, nowhere);
        diag_print(&diags, DIAG_JSON, false, nowhere);
        fclose(nowhere);
    }
    sources_release(&sources);
    arena_release(&arena);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *once = printed(data, size, true);
    if (once) {
        char *twice = printed((const uint8_t *)once, strlen(once), false);
        CHECK(twice && strcmp(once, twice) == 0);
        free(twice);
        free(once);
    }
    return 0;
}
