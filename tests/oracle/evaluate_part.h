/* What the files of the oracle tell each other; only tests/oracle includes this. */
#ifndef HEAL_TESTS_ORACLE_EVALUATE_PART_H
#define HEAL_TESTS_ORACLE_EVALUATE_PART_H

#include "tests/oracle/evaluate.h"

/* ---- evaluate.c ---- */

const struct history *oracle_history(const struct oracle *oracle);
struct duration oracle_every(const struct oracle *oracle);
int64_t oracle_now_ms(const struct oracle *oracle, size_t tick);
void oracle_put(struct oracle_vector *vector, const struct oracle_item *item);
/* The item of equal name and labels, or NULL. */
const struct oracle_item *oracle_find(const struct oracle_vector *vector,
                                      const struct oracle_item *like);
/* Items of equal name and labels become one: of several present none is, and it is unknown. */
void oracle_settle(struct oracle_vector *vector);
void oracle_without_names(const struct oracle_vector *from, struct oracle_vector *ret);
/* As oracle_at(), without the names of metrics: what is remembered is remembered of labels. */
const struct oracle_vector *oracle_unnamed_at(struct oracle *oracle, const struct expr *expr,
                                              size_t tick);

bool oracle_same_name(const char *a, const char *b);
/* The labels that are named, or (keep false) the others. */
struct oracle_labels oracle_project(const struct oracle_labels *from, const struct name_list *names,
                                    bool keep);
bool oracle_names_metric(const struct name_list *names); /* __name__ is among them */

const struct expr *oracle_inner(const struct expr *expr); /* without parentheses */
const struct expr *oracle_argument(const struct expr *call, size_t at);
const struct expr *oracle_named(const struct expr *call, const char *name);
/* A number with its signs; false when it is none. */
bool oracle_constant(const struct expr *expr, double *ret);

bool oracle_matches(struct oracle *oracle, const struct expr *selector,
                    const struct history_series *series);
/* What a selector gives, by its offset. */
void oracle_select(struct oracle *oracle, const struct expr *selector, size_t tick,
                   struct oracle_vector *ret);

/* ---- join.c ---- */

bool oracle_is_compare(enum operator op);
/* Any binary operator, but for a score and a constant. */
void oracle_join(const struct expr *expr, const struct oracle_vector *left,
                 const struct oracle_vector *right, struct oracle_vector *ret);

/* ---- past.c: functions over what was ---- */

/* What one series, or one label set of an expression as it was sampled, was in a window. */
struct past {
    struct oracle_item item; /* whose it is; unknown and doubtful of the whole window */
    int64_t *times_ms;
    double *values;
    long double *slacks;
    size_t count, capacity, value_capacity, slack_capacity;
};
struct pasts {
    struct past *items;
    size_t count, capacity;
    bool blind;
    int64_t start_ms, end_ms; /* (start, end] */
};
/* x: a selector, a signal or any expression. False when it cannot be evaluated. */
bool pasts_read(struct oracle *oracle, const struct expr *x, size_t tick, int64_t range_ms,
                int64_t offset_ms, struct pasts *ret);
void pasts_release(struct pasts *pasts);
/* A function of tests/oracle/window.h over one of them; false when there are too few samples. */
bool past_window(const struct pasts *pasts, const struct past *past, const char *text,
                 struct number argument, struct number *ret);

/* rate() and its like; false when it is none of them. */
bool oracle_over(struct oracle *oracle, const struct expr *call, size_t tick,
                 struct oracle_vector *ret);
/* A signal with an offset. */
bool oracle_signal_past(struct oracle *oracle, const struct expr *selector, size_t tick,
                        struct oracle_vector *ret);

/* ---- forecast.c ---- */

bool oracle_forecast(struct oracle *oracle, const struct expr *call, size_t tick,
                     struct oracle_vector *ret);
bool oracle_reaches(struct oracle *oracle, const struct expr *expr, size_t tick,
                    struct oracle_vector *ret);

/* ---- average.c ---- */

bool oracle_average(struct oracle *oracle, const struct expr *call, size_t tick,
                    struct oracle_vector *ret);
bool oracle_score(struct oracle *oracle, const struct expr *call, size_t tick,
                  struct oracle_vector *ret);
/* zscore(x) op k. */
bool oracle_score_compare(struct oracle *oracle, const struct expr *call, enum operator op,
                          double k, bool return_bool, size_t tick, struct oracle_vector *ret);

#endif
