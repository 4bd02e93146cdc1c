/* What must hold before a program may run.
 *
 *     struct check_options options = {.known_metrics = metrics};
 *     bool ok = check_program(program, &diags, &options);
 *
 * One question a file: check_names, check_types, check_labels, check_safety, check_bounds,
 * check_contracts, check_tests. All run, so all reports come at once; a node with an error is
 * VALUE_UNTYPED and silent after. */
#ifndef HEAL_LANG_CHECK_H
#define HEAL_LANG_CHECK_H

#include "lang/ast.h"
#include "lang/diagnostic.h"

struct check_options {
    /* Metrics known from elsewhere (healc check --metrics FILE): name, unit, counter. */
    struct metric *known_metrics;
};

/* Resolves names, types expressions, annotates the tree, reports. True when there is no error. */
bool check_program(struct program *program, struct diag_list *diags,
                   const struct check_options *options);

/* One expression outside a policy (healc eval): names are metrics, no signals. True without errors.
 */
bool check_expression(struct arena *arena, struct expr *expr, struct diag_list *diags);

/* The same where PromQL of others is asked: what only heal minds is a warning. */
bool check_foreign_expression(struct arena *arena, struct expr *expr, struct diag_list *diags);

/* Calls visit for each expression directly below expr. */
typedef void expr_visit_f(struct expr *child, void *context);
void expr_children(struct expr *expr, expr_visit_f *visit, void *context);

/* Static bounds, law 8: worst cases by arithmetic on the policy alone. */
struct policy_bounds {
    double actions_per_hour,
        actions_per_day;       /* per entity limit applied; INFINITY when no count is static */
    uint64_t bytes_per_entity; /* without the samples of windows: lang/kept.h */
    uint64_t ns_per_entity;    /* per evaluation, by the kernels' cost table */
};
struct policy_bounds policy_bounds_of(const struct policy *policy);

/* Most usd that its acts can cost in any span of so many seconds, undos not counted; 0: nothing
 * that it does costs anything; INFINITY: nothing limits it. */
double policy_spends(const struct policy *policy, double seconds);
/* The same of all policies together, under the guards. */
double program_spends(const struct program *program, double seconds);

#endif
