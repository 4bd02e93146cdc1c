/* The definitional oracle: what an expression is at a tick, by SPEC.md and from the whole history.
 *
 * No columns, no state from tick to tick, no kernel of stdlib and no code of runtime/engine: what
 * remembers (averages, signals as they are sampled) walks all ticks from the first. Answers are
 * kept by (expression, tick) while the oracle lives, since a history that is asked by tick is the
 * same for ever.
 *
 *     struct oracle *oracle = oracle_new(&history, every, live);
 *     const struct oracle_vector *v = oracle_at(oracle, expr, tick);
 *
 * An item is there for every label set that the expression can have, given the series known at the
 * tick: one that is neither present nor unknown is known to be absent. */
#ifndef HEAL_TESTS_ORACLE_EVALUATE_H
#define HEAL_TESTS_ORACLE_EVALUATE_H

#include "tests/oracle/history.h"
#include "tests/oracle/number.h"

struct oracle_item {
    const char *name; /* of the metric, or NULL */
    bool drop;        /* the name goes at the end of the expression */
    struct oracle_labels labels;
    struct number number; /* where present */
    bool present, unknown;
    bool doubtful; /* present and unknown turn on how something was rounded */
    bool merged;   /* several ways lead to this label set; at most one may be present */
};
struct oracle_vector {
    struct oracle_item *items; /* no two with equal name, drop and labels */
    size_t count, capacity;
    bool scalar; /* one item */
    bool blind;  /* nothing it reads was ever observed */
    bool wild;   /* which label sets there are turns on rounding, or is not written anywhere */
};

struct oracle;
/* every: the tick of the policy, how often its signals are sampled. live: a daemon, which has no
 * past of what it evaluates. */
struct oracle *oracle_new(const struct history *history, struct duration every, bool live);
void oracle_free(struct oracle *oracle);
/* An expression that stands alone, at a tick of its policy. NULL when it has something that is not
 * in this version; the oracle's. */
const struct oracle_vector *oracle_at(struct oracle *oracle, const struct expr *expr, size_t tick);

#endif
