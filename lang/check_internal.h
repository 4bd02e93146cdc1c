/* What the files of the checks share. Nobody else includes this.
 *
 * Order: names resolve the tree, types give every expression its kind, dimension and role, labels
 * its label shape; the other checks read what these left. A node with an error is VALUE_UNTYPED and
 * silent after. */
#ifndef HEAL_LANG_CHECK_INTERNAL_H
#define HEAL_LANG_CHECK_INTERNAL_H

#include <string.h>

#include "lang/check.h"

/* heald's tick where a policy writes none. */
#define POLICY_EVERY_DEFAULT_S 15.0

struct check {
    struct program *program;
    struct arena *arena;
    struct diag_list *diags;
    const struct metric *known_metrics;
};

/* Signals built on signals double what a walk through them meets; a walk gives up here. */
enum { CHECK_WALK_MAX = 10000 };

/* Where an expression stands. */
struct scope {
    struct check *check;
    const struct policy *policy; /* NULL outside of one */
    const struct signal *until;  /* signals from here on are not declared yet; NULL: all are */
    bool acts;                   /* unknown metrics and weak findings are errors */
    bool lenient;                /* notifies only, as prometheus: findings are warnings */
};

void check_names(struct check *check);
void check_types(struct check *check);
void check_labels(struct check *check);
void check_safety(struct check *check);
void check_bounds(struct check *check);
void check_contracts(struct check *check);
void check_amounts(struct check *check);
void check_tests(struct check *check);
void check_set(struct check *check);
void check_later(struct check *check);
void check_causes(struct check *check);
void check_escalations(struct check *check);
void check_plans(struct check *check);
void check_freeze(struct check *check, struct freeze *freeze); /* fills stretch and zone */
void check_alerts(struct check *check);
void check_hash(struct check *check);

/* Signals, metrics and functions of one expression. */
void names_of_expr(const struct scope *scope, struct expr *expr);
/* Kind, dimension and role of one expression and all below it; names must be resolved. */
void type_expr(const struct scope *scope, struct expr *expr);
/* The calls among them, on typed arguments: check_calls.c. */
void type_call(const struct scope *scope, struct expr *expr);
void type_reaches(const struct scope *scope, struct expr *expr);
/* Label shape of one typed expression and all below it. */
void label_expr(const struct scope *scope, struct expr *expr);

/* ---- shared pieces ---- */

struct scope scope_of_policy(struct check *check, const struct policy *policy);
/* Of a recorded signal: findings are warnings, as where Prometheus would load the rule. */
struct scope scope_of_recorded(struct check *check);
/* Lowers a finding to a warning where a policy only notifies and the finding rests on a name. */
struct diag *scope_soften(const struct scope *scope, struct diag *diag, bool weak);

/* Calls visit for each condition, signal and argument expression of a policy, in source order. */
void policy_exprs(const struct policy *policy, expr_visit_f *visit, void *context);

/* Calls visit for each condition of a policy with the word it stands behind; expr is NULL where a
 * clause is not there. */
typedef void condition_visit_f(void *context, const struct condition *condition, const char *what);
void policy_conditions(const struct policy *policy, condition_visit_f *visit, void *context);

bool expr_bare(const struct expr *expr); /* numbers without a unit only */
/* The text of a bare word (a selector without braces or modifiers), or NULL. */
const char *expr_word(const struct expr *expr);
/* The bytes between the first and the last character, as written. */
const char *expr_text(const struct check *check, const struct expr *expr);

static inline bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}
bool names_have(const struct name_list *list, const char *text);
bool names_equal(const struct name_list *a, const struct name_list *b); /* in any order */

struct nearest {
    const char *word, *best;
    unsigned distance;
};
void nearest_try(struct nearest *nearest, const char *candidate);
/* Adds "did you mean 'x'?" or, where nothing is near, the other help. */
void nearest_help(struct diag *diag, const struct nearest *nearest, const char *otherwise);

struct pool *find_pool(const struct check *check, const char *name);
struct channel *find_channel(const struct check *check, const char *name);
struct action *find_action(const struct check *check, const char *name);
struct service *find_service(const struct check *check, const char *name);
const struct metric *find_metric(const struct check *check, const char *name);
/* The first of the recorded signals with this name. */
struct recorded *find_recorded(const struct check *check, const char *name);
/* What all recorded signals of the name of `first` agree on; as far as they are checked. */
struct type type_of_recorded(const struct recorded *first);
/* True when all of them write series with exactly these labels. */
bool shape_of_recorded(struct arena *arena, const struct recorded *first,
                       struct name_list **ret_labels);
const char *action_target(const struct action *action); /* type of its target, or NULL */
/* What a quantity for this parameter measures. */
struct dimension parameter_dimension(const struct parameter *parameter);
/* A policy that acts stands on this pool. */
bool pool_is_acted_on(const struct check *check, const struct pool *pool);
/* "service", a pool's entity type. */
bool type_exists(const struct check *check, const char *name);

/* Most actions on targets of this type in any span of so many seconds; INFINITY without a count. */
double policy_most_of_type(const struct policy *policy, const char *type, double seconds);
/* An earlier rung already acts on this type: a type is counted once. */
bool policy_counts_type(const struct policy *policy, const struct rung *until, const char *type);

/* What a metric's name alone says; weak when it says anything. */
struct type type_of_metric_name(const char *name);
const char *kind_text(enum value_kind kind); /* "an instant vector" */

/* A comparison read as a range of one expression: key stays for the same left side. */
struct range {
    const char *key;
    double low, high;
    bool low_open, high_open;
    double threshold;
    bool share; /* of another expression: 0.9 is 90% of it */
    struct span span;
    struct range *next;
};
/* The conjuncts of a condition; *ret_all is false when some are not plain comparisons. */
struct range *condition_ranges(struct arena *arena, const struct expr *expr, bool *ret_all);
/* No value is in both. */
bool ranges_disjoint(const struct range *a, const struct range *b);

#endif
