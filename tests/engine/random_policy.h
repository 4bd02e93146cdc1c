/* Random programs that act, with every limit that guards and policies have, and what each of them
 * says as plain numbers: a test recounts by these, never by the engine's. */
#ifndef HEAL_TESTS_ENGINE_RANDOM_POLICY_H
#define HEAL_TESTS_ENGINE_RANDOM_POLICY_H

#include "lang/base.h"

enum {
    RANDOM_ENTITIES = 5, /* w=e0 ... in zones z0, z1, z0, ... */
    RANDOM_ZONES = 2,
    RANDOM_SHOP = RANDOM_ENTITIES, /* the service, as an object beside the entities */
    RANDOM_OBJECTS,
    RANDOM_POLICIES_MAX = 3,
    RANDOM_LIMITS_MAX = 24,
    RANDOM_TEXT_BYTES = 16384,
    RANDOM_TIMEOUT_S = 3 /* of every action */
};

enum random_action { ACT_FIX, ACT_TURN, ACT_BACK, ACT_SCALE, ACT_GROW, ACT_SHED, ACT_COUNT };
extern const char *const random_action_texts[ACT_COUNT];

enum random_kind {
    RANDOM_AT_MOST,     /* count or share of the pool, in per seconds */
    RANDOM_OF_SERVICE,  /* count */
    RANDOM_EACH_DOMAIN, /* count */
    RANDOM_ON_ANY,      /* count on one entity */
    RANDOM_TOTAL,       /* count */
    RANDOM_DOMAINS,     /* count of zones */
    RANDOM_UNATTENDED,  /* count on one entity */
    RANDOM_BETWEEN,     /* low, high replicas */
    RANDOM_STEP,        /* count of replicas */
    RANDOM_EXCLUSIVE,   /* on entities */
    RANDOM_STORM,       /* count or share */
    RANDOM_KEEP,        /* count */
    RANDOM_SPEND,       /* count of tenths of a usd; an action costs one */
    RANDOM_ONLY_WHILE,  /* heat < 50% */
    RANDOM_FREEZE,      /* from low to high seconds after 22:13:00, for impact above count */
    RANDOM_KINDS
};

struct random_limit {
    enum random_kind kind;
    int policy; /* -1: of a guard */
    int count, percent, per_s, low, high;
};

struct random_policy {
    bool service; /* its one entity is that of the service; else each w */
    bool aborts;  /* each of its ladders begins with what has an undo */
    int mode;     /* of the host: 0 shadow, 1 ask, 2 act */
    int impact;   /* 0 low to 3 critical */
    int cooldown_s, cooldown_max_s;
    bool approve[ACT_COUNT];
    bool two; /* people must approve what is written so */
};

struct random_program {
    uint64_t random; /* its state */
    char text[RANDOM_TEXT_BYTES];
    size_t used;
    struct random_policy policies[RANDOM_POLICIES_MAX];
    size_t policy_count;
    struct random_limit limits[RANDOM_LIMITS_MAX];
    size_t limit_count;
    bool unattended[ACT_COUNT]; /* its grant */
    int window_s;               /* in which the effects of a fix show */
};

/* The same program for the same seed. */
void random_program_make(struct random_program *program, uint64_t seed);
/* A whole number from 0, below `below`. */
int random_below(uint64_t *random, int below);

#endif
