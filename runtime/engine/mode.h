/* How much a policy may do by itself: what the host gives, and less where its acts did not help or
 * a person said so. Only a person gives it back, and never more than the host does. */
#ifndef HEAL_RUNTIME_ENGINE_MODE_H
#define HEAL_RUNTIME_ENGINE_MODE_H

#include "runtime/engine/record.h"

enum {
    MODE_JUDGED = 5, /* of the last so many judged actions */
    MODE_BAD = 3     /* so many of them that failed or were not verified take a step down */
};

/* What is remembered of a policy, by its name: a changed policy stays where it was put. */
struct standing {
    char policy[NAME_BYTES];
    bool set;              /* by a demotion or a person; else the host's mode holds */
    unsigned mode;         /* enum mode */
    char why[TEXT_BYTES];  /* who or what set it; "" while nobody did */
    uint64_t program_hash; /* of the policy that was judged; another one begins anew */
    unsigned bad;          /* a bit each of the last MODE_JUDGED, the newest is bit 0 */
    bool due;              /* a step down is not yet recorded */
    struct instant due_at; /* the step that judged so */
};

/* How the text of a demotion begins that came of outcomes; that of a person begins with "by ". */
#define OUTCOMES_WORD "of the last "

#endif
