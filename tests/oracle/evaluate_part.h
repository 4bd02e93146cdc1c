/* What the files of the oracle tell each other; only tests/oracle includes this. */
#ifndef HEAL_TESTS_ORACLE_EVALUATE_PART_H
#define HEAL_TESTS_ORACLE_EVALUATE_PART_H

#include <regex.h>

#include "tests/oracle/evaluate.h"

/* ---- clock.c: when something is evaluated ---- */

struct clock;
/* The n-th time that the clock's expressions are evaluated. */
struct when {
    struct clock *clock;
    size_t at;
};
struct when clock_tick(struct oracle *oracle, size_t tick); /* of the policy itself */
int64_t when_ms(struct when when);
/* The newest tick whose samples and answers can be known then. */
size_t when_tick(struct when when);
/* The grid of a subquery, as far as it is evaluated: *ret_count moments from 0 on. wild: with what
 * samples, is not written. */
struct clock *clock_grid(struct oracle *oracle, struct when when, const struct expr *subquery,
                         size_t *ret_count, bool *ret_wild);
/* What `@` says, with what was known when the time had come, and with what is known now. */
struct at_time {
    struct when first, now;
    bool blind, wild;
};
struct at_time clock_at(struct oracle *oracle, struct when when, const struct expr *timed);
bool clock_is_at(struct when when, const struct expr *timed); /* when is of its `@` */
struct when clock_outer(struct when when);                    /* where that `@` is read */
struct clock *clock_new(struct clock *parent, const struct expr *expr, bool at);
bool clock_is(const struct clock *clock, const struct clock *parent, const struct expr *expr,
              bool at);
void clocks_free(struct clock **clocks, size_t count);

/* ---- evaluate.c ---- */

const struct history *oracle_history(const struct oracle *oracle);
struct duration oracle_every(const struct oracle *oracle);
bool oracle_is_live(const struct oracle *oracle);
/* The clock of an expression below another, made if need be; parent NULL: the ticks. */
struct clock *oracle_clock(struct oracle *oracle, struct clock *parent, const struct expr *expr,
                           bool at);
/* A copy that lives as long as the oracle. */
const char *oracle_text(struct oracle *oracle, const char *text);
/* Of the whole value, with its groups: number 2 is the first of the text's own. */
const regex_t *oracle_regex(struct oracle *oracle, const char *text);

/* An expression within another: names that go at its end are still there. */
const struct oracle_vector *oracle_eval(struct oracle *oracle, const struct expr *expr,
                                        struct when when);
/* Without the names of metrics: what is remembered is remembered of labels. */
const struct oracle_vector *oracle_unnamed(struct oracle *oracle, const struct expr *expr,
                                           struct when when);

/* ---- vector.c ---- */

void oracle_put(struct oracle_vector *vector, const struct oracle_item *item);
/* The item of equal name and labels, or NULL. */
const struct oracle_item *oracle_find(const struct oracle_vector *vector,
                                      const struct oracle_item *like);
/* Items of equal name and labels become one: of several present none is, and it is unknown. */
void oracle_settle(struct oracle_vector *vector);
void oracle_without_names(const struct oracle_vector *from, struct oracle_vector *ret);
/* As at the end of an expression: names that are given up go. */
void oracle_end(const struct oracle_vector *from, struct oracle_vector *ret);
void oracle_put_scalar(struct oracle_vector *ret, struct number number);
void oracle_give_up_names(struct oracle_vector *vector);
/* What can be said of all of the one cannot be said of the other either. */
void oracle_inherit(struct oracle_vector *ret, const struct oracle_vector *from);

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

bool oracle_is_call(const struct expr *expr, const char *name);

/* ---- select.c ---- */

bool oracle_matches(struct oracle *oracle, const struct expr *selector,
                    const struct history_series *series);
/* What a selector gives, by its offset; or the times of these samples, in seconds. */
void oracle_select(struct oracle *oracle, const struct expr *selector, bool times, struct when when,
                   struct oracle_vector *ret);

/* Whether nothing of `from` is there: what `of` gave, or had over a range. */
void oracle_absent(const struct expr *of, const struct oracle_vector *from,
                   struct oracle_vector *ret);

/* ---- group.c: aggregations ---- */

bool oracle_aggregate(struct oracle *oracle, const struct expr *expr, struct when when,
                      struct oracle_vector *ret);

/* ---- instant.c: functions of instants; false when it is none of them ---- */

bool oracle_instant(struct oracle *oracle, const struct expr *call, struct when when,
                    struct oracle_vector *ret);
/* A scalar: its item, and what cannot be said of it goes to ret. NULL when it has no answer. */
const struct oracle_item *oracle_scalar(struct oracle *oracle, const struct expr *expr,
                                        struct when when, struct oracle_vector *ret);

/* ---- relabel.c ---- */

bool oracle_relabel(struct oracle *oracle, const struct expr *call, struct when when,
                    struct oracle_vector *ret);

/* ---- histogram.c ---- */

bool oracle_histogram(struct oracle *oracle, const struct expr *call, struct when when,
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
    bool blind, wild;
    int64_t start_ms, end_ms; /* (start, end] */
};
/* x: a selector, a signal, a subquery or any expression. False when it cannot be evaluated. */
bool pasts_read(struct oracle *oracle, const struct expr *x, struct when when, int64_t range_ms,
                int64_t offset_ms, struct pasts *ret);
void pasts_release(struct pasts *pasts);
/* A function of tests/oracle/window.h over one of them; false when there are too few samples. */
bool past_window(const struct pasts *pasts, const struct past *past, const char *text,
                 struct number argument, struct number *ret);

/* The range among the arguments of a function over windows, or NULL. */
const struct expr *oracle_range_of(const struct expr *call);
/* rate() and its like; false when it is none of them. */
bool oracle_over(struct oracle *oracle, const struct expr *call, struct when when,
                 struct oracle_vector *ret);
/* A signal with an offset. */
bool oracle_signal_past(struct oracle *oracle, const struct expr *selector, struct when when,
                        struct oracle_vector *ret);

/* ---- forecast.c ---- */

bool oracle_forecast(struct oracle *oracle, const struct expr *call, struct when when,
                     struct oracle_vector *ret);
bool oracle_reaches(struct oracle *oracle, const struct expr *expr, struct when when,
                    struct oracle_vector *ret);

/* ---- average.c ---- */

bool oracle_average(struct oracle *oracle, const struct expr *call, struct when when,
                    struct oracle_vector *ret);
bool oracle_score(struct oracle *oracle, const struct expr *call, struct when when,
                  struct oracle_vector *ret);
/* zscore(x) op k. */
bool oracle_score_compare(struct oracle *oracle, const struct expr *call, enum operator op,
                          double k, bool return_bool, struct when when, struct oracle_vector *ret);

#endif
