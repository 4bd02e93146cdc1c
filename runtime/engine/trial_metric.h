/* Which metrics the expressions of policies name. */
#ifndef HEAL_RUNTIME_ENGINE_TRIAL_METRIC_H
#define HEAL_RUNTIME_ENGINE_TRIAL_METRIC_H

#include "lang/ast.h"

bool expr_names_metric(const struct expr *expr, const char *name); /* expr NULL: false */
/* Any policy of the list: its signals, conditions and pool. */
bool policies_name_metric(const struct policy *policies, const char *name);
bool guards_name_metric(const struct guard *guards, const char *name); /* in what must hold */
bool recorded_name_metric(const struct recorded *recorded, const char *name);

#endif
