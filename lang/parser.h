/* Text to tree.
 *
 *     struct file *file = parse_file(&arena, source, &diags);      // never NULL; reports go to
 * diags struct expr *expr = parse_expression(&arena, source, &diags);
 *
 * After an error the parser goes on at the next statement, so one run reports several. */
#ifndef HEAL_LANG_PARSER_H
#define HEAL_LANG_PARSER_H

#include "lang/ast.h"
#include "lang/diagnostic.h"

enum {
    PARSE_DEPTH_MAX = 100,   /* brackets inside each other */
    PARSE_HEIGHT_MAX = 1000, /* of an expression's tree: a chain of operators, of signs */
    PARSE_TOKENS_MAX = 1000000
};

struct file *parse_file(struct arena *arena, const struct source *source, struct diag_list *diags);
/* One expression and nothing else; NULL when it has an error. */
struct expr *parse_expression(struct arena *arena, const struct source *source,
                              struct diag_list *diags);

/* Reads the files, then their imports (relative to the importing file; each file once), and joins
 * all into one program. Unreadable files and imports are reports. */
struct program *parse_program(struct arena *arena, struct sources *sources, char *const *paths,
                              size_t path_count, struct diag_list *diags);

/* The same from memory: what a bundle holds. Imports resolve among the texts only. */
struct parse_text {
    const char *name, *text;
    size_t length;
};
struct program *parse_program_texts(struct arena *arena, struct sources *sources,
                                    const struct parse_text *texts, size_t text_count,
                                    struct diag_list *diags);

#endif
