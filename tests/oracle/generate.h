/* Random samples and random well-typed expressions, for tests that compare two evaluators.
 *
 *     struct dice dice = {seed};
 *     struct expr *expr = generate_expression(&arena, &dice, generate_taste(&dice));
 */
#ifndef HEAL_TESTS_ORACLE_GENERATE_H
#define HEAL_TESTS_ORACLE_GENERATE_H

#include "lang/ast.h"

struct dice {
    uint64_t state; /* the seed first */
};
uint64_t roll(struct dice *dice);
unsigned below(struct dice *dice, unsigned count);
bool one_in(struct dice *dice, unsigned count);

enum { GENERATE_METRICS = 4 };
extern const char *const generate_metrics[GENERATE_METRICS]; /* what expressions read, by `pod` */
/* And, by generate_expression() alone: "node", one series a node with several pods; "moved",
 * several of one pod. */

/* NaN, infinities, the ends of the range, any bits, and mostly calm numbers. */
double generate_sample(struct dice *dice);

/* What a set of expressions is about. */
enum taste { TASTE_ALL, TASTE_SCORES, TASTE_ONE_SCORE };
enum taste generate_taste(struct dice *dice);
/* The arena's. */
struct expr *generate_expression(struct arena *arena, struct dice *dice, enum taste taste);
/* Of everything this version evaluates, over the metrics above by (pod, zone), info by (pod, v),
 * limit by (zone), bucket by (pod, le) and quota without labels. */
struct expr *generate_any(struct arena *arena, struct dice *dice, int depth);
/* `@` is up to so many seconds behind this time. */
enum { GENERATE_AT_S = 500 };
extern double generate_epoch_s;

#endif
