/* The host's guards, as far as an actor can judge them by itself: by what it started, by what it is
 * asked to start, and by the clock. It believes the engine nothing, and what cannot be judged is
 * forbidden.
 *
 *     if (rule_denies(program, &act, reason, sizeof reason)) ... refuse ...
 *
 *   at most N actions on any TYPE per D    starts on that target
 *   at most N of SUBJECT per D             starts on targets of the type; of min(N, SHARE) the N
 *   at most N actions per D                starts
 *   exclusive on TYPE                      nothing else of the type runs
 *   between A and B UNIT of any TYPE       numbers whose parameter is of such a unit
 *   not during A..B in ZONE                the wall clock; without `for impact above`
 *
 * Shares, domains, keep, storm, step, spend, `only while`, `unattended` and impacts need an
 * inventory, readings or policies, which an actor has not: the engine judges those alone. */
#ifndef HEAL_RUNTIME_ACT_RULE_H
#define HEAL_RUNTIME_ACT_RULE_H

#include "lang/ast.h"
#include "runtime/act/past.h"

/* An actor counts an action when it starts it, which is after the engine counted it, sometimes more
 * and sometimes less: its windows are shorter by so much, or by a tenth where that is less. */
#define RULE_SLACK ((struct duration){2 * NS_PER_S})

struct rule_act {
    const char *action, *target; /* canonical text: "namespace=shop,pod=a" */
    const double *numbers;       /* base units, one a parameter after the target */
    size_t number_count;
    bool undo; /* the engine says so, and rule_undone() finds what it takes back */
    struct duration uptime;
    struct instant now; /* wall clock */
    const struct past *past;
    const char *const *running; /* targets that are acted on now */
    size_t running_count;
};

/* True when a guard forbids it; then ret says which, and why. program: checked; NULL for none,
 * without which, or without a guard in it, everything is forbidden. */
bool rule_denies(const struct program *program, const struct rule_act *act, char *ret, size_t size);

/* The last start on the target that nothing took back yet and whose contract names the action as
 * its undo; 0: there is none. Such an undo is free of rates, `exclusive` and `not during`. */
uint64_t rule_undone(const struct program *program, const struct past *past, const char *action,
                     const char *target);

/* The longest window that rates of the guards look back over. */
struct duration rule_window(const struct program *program);

#endif
