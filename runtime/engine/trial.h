/* A policy's own test, run through the engine on a virtual clock.
 *
 *     struct trial trial = {0};
 *     TRY(trial_run(program, test, &trial, error));
 *     trial.failure_count == 0
 *     trial_release(&trial);
 *
 * The policies of the test's own file and all recorded signals run, in mode act, with every action
 * granted. The givens become samples: a signal's givens stand in for its expression, a selector's
 * givens are a series. A pool whose inventory no given names has one entity for each label tuple
 * the givens write, or one called KEY-1. Actions succeed at the next tick; `after ACTION` shapes
 * begin then.
 *
 * A stream given by a test is read by the caller, for the core opens no file. Its first sample is
 * at the given's start. A series given besides takes the place of the stream's once its shape has
 * begun: its samples, its absence, or (unseen) the silence of the whole stream. A test without a
 * length ends with its longest stream. */
#ifndef HEAL_RUNTIME_ENGINE_TRIAL_H
#define HEAL_RUNTIME_ENGINE_TRIAL_H

#include "lang/ast.h"
#include "runtime/engine/record.h"
#include "runtime/engine/recording.h"

enum { TRIAL_STREAMS_MAX = 16, TRIAL_EVENTS_MAX = 100000, TRIAL_TICKS_MAX = 2000000 };

struct trial_event {
    struct duration at; /* since the test began */
    enum record_kind kind;
    char action[NAME_BYTES], target[TARGET_BYTES], policy[NAME_BYTES], text[TEXT_BYTES];
};
struct trial_failure {
    const struct expect *expect;
    char text[TEXT_BYTES];
};
struct trial {
    struct trial_event *events;
    size_t event_count, event_capacity;
    struct trial_failure *failures;
    size_t failure_count, failure_capacity;
    struct duration length;
    size_t ticks;
};

/* How the samples of `given stream` come: load() makes the series in the store, as the source's,
 * and adds the samples to the recording. */
struct trial_reader {
    void *context;
    enum status (*load)(void *context, const struct given *given, struct store *store,
                        uint32_t source, struct recording *recording, struct error *error);
};

/* STATUS_OK when it ran, whether or not the expectations held. */
NODISCARD enum status trial_run(struct program *program, const struct test *test,
                                const struct trial_reader *reader, struct trial *ret_trial,
                                struct error *error);
void trial_release(struct trial *trial);

#endif
