/* Whether a new incident of a policy is like those that the policy had before. Pure: no file, no
 * clock.
 *
 *     struct precedent *past = precedent_new();                       (one a policy)
 *     struct precedent_case seen = {.signal_count = 2, .values = {12, NAN}, .open = 1};
 *     precedent_judge(past, &seen, signals, &judgment);               (when the cause is chosen)
 *     if (judgment.unprecedented) { ... escalate, judgment.text says why ... }
 *     precedent_add(past, &seen);                                     (when it is closed)
 *     precedent_print(&seen, text, sizeof text);                      (for the journal)
 *
 * Add an incident when it is closed, not when it opens: those that begin together are then judged
 * against the past, not against each other.
 *
 * A case is what was seen when the incident opened. Each number is standardised by the past: (value
 * - median) / scale, the scale being 1.4826 MAD and at least a twentieth of the median's size; so
 * one strange incident of the past does not stretch it. The distance of two cases is the Euclidean
 * one of their features, none of which counts for more than PRECEDENT_FAR: each signal, how many
 * incidents were open (its scale is at least 1), and the cause (another one is PRECEDENT_FAR away).
 * A signal that is seen in one case and not in the other is PRECEDENT_FAR away too: what cannot be
 * seen is no precedent. The hour and the day are no features: trouble at another time is no other
 * trouble.
 *
 * The distance of a case from the past is the mean of those to its PRECEDENT_NEIGHBOURS nearest. It
 * is unprecedented when that is more than the PRECEDENT_QUANTILE of the past's own, each case of it
 * measured against the others; and also while fewer than PRECEDENT_LEAST are remembered, for then
 * nobody can say. Only + - * / and square roots go into it: it is the same bit for bit everywhere.
 */
#ifndef HEAL_RUNTIME_ENGINE_PRECEDENT_H
#define HEAL_RUNTIME_ENGINE_PRECEDENT_H

#include "lang/unit.h"
#include "runtime/engine/record.h"

enum {
    PRECEDENT_SIGNALS_MAX = 16, /* the first ones of a policy */
    PRECEDENT_PAST_MAX = 256,   /* incidents; a new one takes the place of the oldest */
    PRECEDENT_LEAST = 5,
    PRECEDENT_NEIGHBOURS = 3
};
#define PRECEDENT_QUANTILE 0.95 /* by nearest rank, so the largest of fewer than 20 */
#define PRECEDENT_FAR      8.0  /* scales */

struct precedent_case {
    size_t signal_count;
    double values[PRECEDENT_SIGNALS_MAX]; /* NaN and infinities: not seen */
    char cause[NAME_BYTES];               /* "": none was chosen */
    uint32_t open;                        /* incidents of any policy, this one too */
};

/* How a signal is told; borrowed. */
struct precedent_signal {
    const char *name;
    struct dimension dimension;
};

struct precedent_judgment {
    bool unprecedented;
    size_t past;
    double distance, threshold; /* 0 while fewer than PRECEDENT_LEAST are remembered */
    char text[TEXT_BYTES]; /* which features are far, farthest first: "rps = 12 where 300 to 450 was
                              usual"; "" when it has precedents */
};

struct precedent;
struct precedent *precedent_new(void);            /* some 100 KB */
void precedent_free(struct precedent *precedent); /* NULL is fine */
size_t precedent_count(const struct precedent *precedent);

/* Cases of another number of signals are of another policy text: the past is forgotten then. */
void precedent_add(struct precedent *precedent, const struct precedent_case *seen);

/* signals[seen->signal_count]. The first call after an addition measures the past: up to 2 ms for
 * PRECEDENT_PAST_MAX cases of PRECEDENT_SIGNALS_MAX signals; others take some 10 us. */
void precedent_judge(struct precedent *precedent, const struct precedent_case *seen,
                     const struct precedent_signal *signals, struct precedent_judgment *ret);

/* A case as text of at most TEXT_BYTES with its NUL, and back: the same numbers bit for bit. False:
 * the text is no case. */
void precedent_print(const struct precedent_case *seen, char ret[TEXT_BYTES]);
NODISCARD bool precedent_read(const char *text, struct precedent_case *ret);

#endif
