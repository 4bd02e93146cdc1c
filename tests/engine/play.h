/* A play: a world whose action answers as told, one tick after it was dispatched. */
#ifndef HEAL_TESTS_ENGINE_PLAY_H
#define HEAL_TESTS_ENGINE_PLAY_H

#include "tests/engine/world.h"

#define HEAD                          \
    "edition 1\n"                     \
    "metric x ratio by (w)\n"         \
    "metric up ratio by (w)\n"        \
    "pool ws(w) = up ready up == 1\n" \
    "channel oncall = log\n"          \
    "channel boss = log\n"

#define POLICY(name, actions, heal, rest)                   \
    actions "policy " name " for each w in ws every 1s {\n" \
            "  when x > 90% for 2s\n"                       \
            "  clear when x < 50% for 2s\n"                 \
            "  on missing hold\n"                           \
            "  on stale > 1m notify oncall\n"               \
            "  heal { " heal " }\n"                         \
            "  bound at most 10 of ws per 1m\n"             \
            "  cooldown 10s doubling to 40s\n" rest "}\n"

struct play {
    struct world world;
    double x[8]; /* of at most so many entities */
    enum outcome outcome;
    bool silent; /* no answer comes */
    struct input pending;
    bool has_pending;
    size_t dispatched;
    double last_dispatch; /* seconds since the play began */
    struct instant began;
    bool helps; /* a success brings x of its target to 10% */
};

/* Fails the test when the text has an error. x of every entity begins at 20%. */
void play_init(struct play *play, const char *text, size_t entities);
/* Grants these actions on all entities, unattended, instead of `fix`; grants[count] is kept. */
void play_grant(struct play *play, struct engine_grant *grants, const char *const *actions,
                size_t count);
/* One second on, with an input or NULL. */
void play_step(struct play *play, const struct input *input);
void play_on(struct play *play, int seconds);
size_t count_of(const struct play *play, enum record_kind kind);
/* Fails the test when there is none. */
const struct record *last_of(const struct play *play, enum record_kind kind);

#endif
