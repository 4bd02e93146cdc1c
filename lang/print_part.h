/* The printer's own state, shared by print.c, print_policy.c and print_test.c. */
#ifndef HEAL_LANG_PRINT_PART_H
#define HEAL_LANG_PRINT_PART_H

#include "lang/print.h"
#include "lang/print_out.h"

struct printer {
    struct arena *arena;
    struct out text;
    const struct source *source;   /* NULL: no comments and no kept blank lines */
    const struct comment *comment; /* the next one to print */
    int indent;
    bool first; /* nothing was printed in this block yet */
};

/* One clause of a block: where it stands and how it is printed. */
struct clause {
    struct span span;
    void (*print)(struct printer *p, const void *what);
    const void *what;
};
struct clauses {
    struct clause *items;
    size_t count, capacity;
};
void clauses_add(struct clauses *clauses, struct span span,
                 void (*print)(struct printer *p, const void *what), const void *what);
/* " { ... }" in the order of the source, with its comments before `end`; the clauses are freed. */
void print_clauses(struct printer *p, struct clauses *clauses, uint32_t end);

void print_names(struct printer *p, const struct name_list *names);
void print_long_expr(struct printer *p, const struct expr *expr);
void print_call(struct printer *p, const struct act_call *call);

/* A clause of a word and a name. */
#define PRINT_NAME(function, word)                                        \
    static void function(struct printer *p, const void *what)             \
    {                                                                     \
        out_add(&p->text, word " %s", ((const struct name *)what)->text); \
    }

/* print_policy.c */
void print_condition(struct printer *p, const struct condition *condition, const char *hold);
void print_pair(struct printer *p, const char *before, const struct pair *pair,
                const char *between);
void print_guard(struct printer *p, const struct guard *guard);
void print_policy_item(struct printer *p, const struct policy *policy);

/* print_test.c */
void print_test(struct printer *p, const struct test *test);

#endif
