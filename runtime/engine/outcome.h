/* What became of an action, as the actor tells it and the engine takes it. */
#ifndef HEAL_RUNTIME_ENGINE_OUTCOME_H
#define HEAL_RUNTIME_ENGINE_OUTCOME_H

enum outcome {
    OUTCOME_NONE, /* not an outcome */
    OUTCOME_SUCCEEDED,
    OUTCOME_FAILED,
    OUTCOME_TIMED_OUT,
    OUTCOME_UNKNOWN,       /* it may have run: a person must look */
    OUTCOME_NEVER_STARTED, /* no effect, and none will come */
    OUTCOME_REFUSED,
    OUTCOME_COUNT
};

#endif
