/* A flight recording run again: program, store and engine are made anew and fed what was recorded.
 *
 *     struct replay *replay = replay_new(&hooks);
 *     status = replay_life(replay, state, life_ms, &error);   // or replay_bytes()
 *     struct replay_result result = replay_result(replay);
 *     replay_free(replay);
 *
 * By the reference evaluator, unless a hook gives the engine machine code. Each step's effects are
 * compared with the hash that was recorded; at the first difference it ends, for all that follows
 * would only follow from it. */
#ifndef HEAL_RUNTIME_FLIGHT_REPLAY_H
#define HEAL_RUNTIME_FLIGHT_REPLAY_H

#include "runtime/flight/reader.h"

struct replay_hooks {
    void *context;
    /* An engine was made, before it restores or adopts anything. */
    void (*engine)(void *context, struct engine *engine);
    /* A step gave these; same: as it was recorded, as far as that is known. False ends it. */
    bool (*step)(void *context, struct instant now, const struct effects *effects, bool same);
};

enum replay_end {
    REPLAY_WHOLE,   /* to the end of the life */
    REPLAY_ENDED,   /* the recorder ended before the life did: result.why */
    REPLAY_OPEN,    /* to the last frame; the engine lives, or was killed between two frames */
    REPLAY_CUT,     /* to the last whole frame; bytes of another follow */
    REPLAY_DIFFERS, /* a step gave something else */
    REPLAY_STOPPED  /* by a hook */
};
struct replay_result {
    enum replay_end end;
    uint64_t steps, records, samples, restored, programs;
    uint64_t hash;             /* of all effects that were given, as far as it went */
    uint64_t recorded;         /* the hash on file at the last step that gave something */
    uint64_t recorded_records; /* of the step that differs */
    uint64_t given_records;
    struct instant first, last; /* steps */
    bool unjudged;              /* nothing on file says what the last step gave */
    uint32_t epoch;
    char version[64]; /* of who recorded it */
    char why[400];
};

struct replay;
struct replay *replay_new(const struct replay_hooks *hooks);
void replay_free(struct replay *replay);
/* STATUS_OK also for a difference. STATUS_PROTOCOL: the file is damaged, or not one of heal's:
 * what was run before that still is in the result. Once only. */
NODISCARD enum status replay_life(struct replay *replay, const char *state, int64_t life_ms,
                                  struct error *error);
NODISCARD enum status replay_bytes(struct replay *replay, const uint8_t *bytes, size_t length,
                                   struct error *error);
struct replay_result replay_result(const struct replay *replay);

#endif
