/* What a policy asks of its host: the metrics it reads and the actions it may start.
 *
 *     struct policy_needs needs = policy_needs_of(&arena, policy);   // of a checked program
 *     needs.metrics[i]   // "app_bad", or a pattern, {__name__=~"app_.*"}
 *     needs.actions[i]   // of its ladders, and their undos
 *
 * Both are sorted by name, each once; the arena's. */
#ifndef HEAL_LANG_NEEDS_H
#define HEAL_LANG_NEEDS_H

#include "lang/ast.h"

struct policy_needs {
    const char **metrics;
    size_t metric_count;
    const struct action **actions;
    size_t action_count;
};

struct policy_needs policy_needs_of(struct arena *arena, const struct policy *policy);

#endif
