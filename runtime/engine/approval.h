/* What a person was asked before an act, and what came of it. An approval is for one plan, holds
 * until the question's deadline, is used once, and goes with the engine that asked. */
#ifndef HEAL_RUNTIME_ENGINE_APPROVAL_H
#define HEAL_RUNTIME_ENGINE_APPROVAL_H

#include "runtime/engine/record.h"

enum {
    APPROVERS_MAX = 2,   /* four eyes */
    PLAN_NAME_BYTES = 9, /* eight hexadecimal digits and the NUL */
    WHO_BYTES = 64       /* a person's name, with its NUL; longer ones are cut */
};

struct approval {
    uint64_t plan; /* hash of what was asked last; 0: nothing */
    uint32_t asks; /* questions of this incident so far, so that each has a hash of its own */
    uint32_t wanted, given;
    struct instant until; /* not used from then on */
    char name[PLAN_NAME_BYTES];
    char who[APPROVERS_MAX][WHO_BYTES];
    char text[TEXT_BYTES]; /* the plan in words */
};

#endif
