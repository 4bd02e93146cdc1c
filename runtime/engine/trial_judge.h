/* Expectations over the events of a trial. */
#ifndef HEAL_RUNTIME_ENGINE_TRIAL_JUDGE_H
#define HEAL_RUNTIME_ENGINE_TRIAL_JUDGE_H

#include "runtime/engine/trial.h"

/* Adds a failure to the trial when the expectation does not hold over its events. */
void trial_judge(struct trial *trial, const struct expect *expect);

#endif
