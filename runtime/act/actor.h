/* The actor: does what a grant allows, once, and refuses everything else with a reason. It decides
 * nothing; it trusts nothing that the engine says. Before each effect, in this order: no STOP file,
 * the epoch is not older than any seen, the deadline has not passed, grant and target are in its
 * own lists, the numbers are finite and in their range, the target has no other action running, the
 * grant's cap has room, the host's guards allow it as far as an actor can judge (rule.h), the latch
 * is taken and durable, and still no STOP file.
 *
 *     TRY(actor_new(grants, count, latches, &env, &actor, error));
 *     TRY(actor_guard(actor, program, error));    before it nothing starts
 *     actor_receive(actor, bytes, size);      for each datagram
 *     actor_step(actor);                      when env's descriptors wake, and every ACTOR_STEP_MS
 *
 * All that is not determined goes through struct act_env, so that a test can be the world. */
#ifndef HEAL_RUNTIME_ACT_ACTOR_H
#define HEAL_RUNTIME_ACT_ACTOR_H

#include "runtime/act/grant.h"
#include "runtime/act/hand.h"
#include "runtime/act/latch.h"
#include "runtime/act/rule.h"

enum { ACTOR_RUNNING_MAX = 64, ACTOR_STEP_MS = 200 };

struct act_env {
    void *context;
    struct instant (*now)(void *context); /* wall clock: for deadlines and people */
    struct duration (*uptime)(
        void *context);             /* since boot, never backwards: for windows and timeouts */
    const char *boot;               /* which boot, shorter than LATCH_BOOT_BYTES */
    bool (*stopped)(void *context); /* is there a STOP file? true if that cannot be known */
    /* Starts what is ordered; ret_run is the hand's. Anything but STATUS_OK: nothing was started.
     */
    enum status (*spawn)(void *context, const struct hand_order *order, void **ret_run,
                         struct error *error);
    bool (*poll)(void *context, void *run, struct hand_result *ret); /* true: ended, run is gone */
    void (*end)(void *context, void *run);                           /* end it soon */
    /* false: the queue is full or there is no such channel; refusal says which. */
    enum refusal (*notify)(void *context, const struct message *message);
    void (*answer)(void *context, const struct message *message);
    point_f *point; /* NULL outside of tests; called with context */
};

struct actor;

/* Checks every grant and counts what latches tell of the past. The grants, latches and env belong
 * to the caller and outlive the actor. */
NODISCARD enum status actor_new(const struct grant *grants, size_t grant_count,
                                struct latches *latches, const struct act_env *env,
                                struct actor **ret, struct error *error);

/* Forgets the actor. Running children die with the process, not with this. */
void actor_free(struct actor *actor);

/* Takes the guards and contracts of a checked program, which outlives the actor or the next call.
 * On failure (the latches cannot be read, for longer windows than before) it has none. */
NODISCARD enum status actor_guard(struct actor *actor, const struct program *guards,
                                  struct error *error);

/* Takes one datagram. Every one is answered, now or when its action ends. */
void actor_receive(struct actor *actor, const uint8_t *bytes, size_t size);

/* Ends children under STOP, and answers for those that ended. */
void actor_step(struct actor *actor);

/* Answers a notification that env's notify took. */
void actor_notified(struct actor *actor, uint64_t id, bool delivered, const char *text);

size_t actor_running(const struct actor *actor);

#endif
