/* A growing text with lines, for the formatter. Only lang/print*.c include this. */
#ifndef HEAL_LANG_PRINT_TEXT_H
#define HEAL_LANG_PRINT_TEXT_H

#include "lang/ast.h"

enum { PRINT_COLUMNS = 100, PRINT_INDENT = 2 };

struct text {
    char *bytes; /* heap */
    size_t length, capacity;
    size_t line_start; /* of the last line */
};

void text_add(struct text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_line(struct text *text, int indent);           /* starts a new line */
void text_string(struct text *text, const char *value);  /* in double quotes */
char *text_take(struct text *text, struct arena *arena); /* the arena's copy; text is released */

/* An expression on one line; broken over several when it does not fit behind the current column. */
void text_expr(struct text *text, const struct expr *expr);
void text_expr_broken(struct text *text, const struct expr *expr, int indent);
void text_arguments(struct text *text, const struct argument *arguments);
void text_labels(struct text *text, const struct name_list *labels);

#endif
