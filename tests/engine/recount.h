/* A recount of what random programs did: it knows only what was sent, what came of it and what
 * could be seen, and shares no code with the guards. It is never too strict, and lets pass what it
 * cannot know.
 *
 *     recount.acts[recount.act_count++] = act;       as it was sent
 *     const char *what = recount_passed(&recount, known, full);     NULL, or what was passed */
#ifndef HEAL_TESTS_ENGINE_RECOUNT_H
#define HEAL_TESTS_ENGINE_RECOUNT_H

#include "tests/engine/random_policy.h"

enum {
    RECOUNT_TICKS_MAX = 110, /* of one second */
    RECOUNT_ACTS_MAX = 2048,
    RECOUNT_INCIDENTS_MAX = 1024,
    RECOUNT_BEGIN_S = 20 /* tick 0 is at 22:13:20 */
};

struct act {
    int at, object, policy;
    enum random_action action;
    bool undo, answered, approved, by_two;
    double before, given;
    uint64_t id;
};

struct known { /* of an incident */
    size_t acts;
    bool undo;  /* its last act */
    bool ended; /* its last act but for undos: judged, never begun, or over by itself */
    int object;
    enum random_action action;
    bool asked;
    unsigned yes; /* who said so since it was asked, a bit each; nothing was done since */
};

struct judged { /* of a policy and an object */
    int at;     /* far below 0: never */
    int failures;
    int useless[ACT_COUNT]; /* in a row */
};

struct recount {
    const struct random_program *program;
    int now;                                   /* ticks */
    double x_read[RANDOM_ENTITIES], heat_read; /* what was last told */
    int x_at[RANDOM_ENTITIES], heat_at;        /* when */
    bool gone[RANDOM_ENTITIES], stopped;
    int population[RECOUNT_TICKS_MAX + 1]; /* at each tick */
    int rose;                              /* the engine, after this tick */
    struct act acts[RECOUNT_ACTS_MAX];
    size_t act_count;
    struct known known[RECOUNT_INCIDENTS_MAX]; /* by id */
    struct judged judged[RANDOM_POLICIES_MAX][RANDOM_OBJECTS];
    /* As the host or a person set it; what heal takes away is less. */
    int mode[RANDOM_POLICIES_MAX];
};

void recount_begin(struct recount *recount, const struct random_program *program);
/* What the last act passed, of an incident as it was before it; NULL: nothing. Counts in full the
 * limits that it reached without passing them. */
const char *recount_passed(const struct recount *recount, const struct known *known,
                           size_t full[RANDOM_KINDS]);

#endif
