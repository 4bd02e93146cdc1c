/* A growing text with lines, for the formatter. Only lang/print*.c include this. */
#ifndef HEAL_LANG_PRINT_OUT_H
#define HEAL_LANG_PRINT_OUT_H

#include "lang/ast.h"

enum { PRINT_COLUMNS = 100, PRINT_INDENT = 2 };

struct out {
    char *bytes; /* heap */
    size_t length, capacity;
    size_t line_start; /* of the last line */
};

void out_add(struct out *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
void out_line(struct out *text, int indent);           /* starts a new line */
void out_string(struct out *text, const char *value);  /* in double quotes */
char *out_take(struct out *text, struct arena *arena); /* the arena's copy; text is released */

/* An expression on one line; broken over several when it does not fit behind the current column. */
void out_expr(struct out *text, const struct expr *expr);
void out_expr_broken(struct out *text, const struct expr *expr, int indent);
void out_arguments(struct out *text, const struct argument *arguments);
void out_label(struct out *text, const char *name);  /* in quotes where it is no word */
void out_metric(struct out *text, const char *name); /* the same */
void out_labels(struct out *text, const struct name_list *labels);

#endif
