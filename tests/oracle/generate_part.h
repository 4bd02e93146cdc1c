/* What the files of the generator tell each other. */
#ifndef HEAL_TESTS_ORACLE_GENERATE_PART_H
#define HEAL_TESTS_ORACLE_GENERATE_PART_H

#include "tests/oracle/generate.h"

typedef struct expr *generate_f(struct arena *arena, struct dice *dice, int depth);

/* generate.c */
struct expr *generate_scalar(struct arena *arena, struct dice *dice, int depth);
double generate_odd(struct dice *dice);
struct expr *generate_series(struct arena *arena, struct dice *dice); /* a selector of any kind */
struct name_list *generate_labels(struct arena *arena, struct dice *dice);

/* generate_call.c; inner: what they are of */
struct expr *generate_math(struct arena *arena, struct dice *dice, struct expr *inner);
struct expr *generate_aggregate(struct arena *arena, struct dice *dice, struct expr *inner);
struct expr *generate_relabelled(struct arena *arena, struct dice *dice, struct expr *inner);
struct expr *generate_histogram(struct arena *arena, struct dice *dice, struct expr *inner);
/* A subquery, `@`, a function between scalars and vectors, in which depth is what is left. */
struct expr *generate_subquery(struct arena *arena, struct dice *dice, int depth,
                               generate_f *generate);
struct expr *generate_timed(struct arena *arena, struct dice *dice, int depth,
                            generate_f *generate);
struct expr *generate_other(struct arena *arena, struct dice *dice, int depth,
                            generate_f *generate);

#endif
