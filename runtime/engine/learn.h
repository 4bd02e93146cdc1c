/* What heal learns from outcomes: how often an action helped, by policy, class of target and
 * action. Pure: no file, no clock; times are given.
 *
 *     struct learning *learning = learning_new();
 *     learn_class("pod", "leak", class);
 *     struct learn_key key = {"checkout_memory", class, "scale"};
 *     learn_outcome(learning, &key, record->time, LEARN_VERIFIED);
 *     struct learned scale = learn_of(learning, &key, now);
 *     if (learned_compare(&scale, &recycle) >= 0) { ... scale first ... }
 *
 * It may only serve to choose among the plans that a policy declares, and in which order. Nothing
 * in it is a permission: it never widens a bound or a guard, never stands for an approval, and what
 * it says of an action that a policy does not name is never asked.
 *
 * A success is an action whose verification came true (VERIFIED), a failure one whose did not
 * (UNVERIFIED). One that FAILED did not happen: it says nothing of whether it would have helped, is
 * counted apart and does not enter the estimate.
 *
 * An outcome weighs 1 when it happens and half after each LEARN_HALF_LIFE_S. The share of successes
 * has the prior Beta(1, 1), all shares alike, so the posterior is Beta(1 + weight of successes, 1 +
 * weight of failures). Of outcomes at one time the order does not matter, as long as no key has to
 * be forgotten, and one more success never lowers the mean. All of it is the same bit for bit on
 * every machine (see beta.h).
 */
#ifndef HEAL_RUNTIME_ENGINE_LEARN_H
#define HEAL_RUNTIME_ENGINE_LEARN_H

#include "runtime/engine/record.h"

enum {
    LEARN_KEYS_MAX = 4096, /* the one longest without an outcome is forgotten for a new one */
    LEARN_HALF_LIFE_S = 30 * 24 * 3600,
    LEARN_CLASS_BYTES = 2 * NAME_BYTES_MAX + 3 /* "TYPE, CAUSE" with its NUL */
};
#define LEARN_SHARE 0.90 /* of the posterior, in the interval */

enum learn_result { LEARN_VERIFIED, LEARN_UNVERIFIED, LEARN_FAILED };

/* Borrowed texts; policy and action are shorter than NAME_BYTES, the class than LEARN_CLASS_BYTES.
 */
struct learn_key {
    const char *policy, *class, *action;
};

struct learned {
    double mean, low, high;                /* of the share of successes, 0..1 */
    double weight;                         /* of the outcomes behind it, faded; 0: only the prior */
    uint64_t verified, unverified, failed; /* how many, not faded */
    struct instant last;                   /* outcome; 0: none */
};

struct learning;
struct learning *learning_new(void);
void learning_free(struct learning *learning); /* NULL is fine */
void learning_clear(struct learning *learning);

/* The class of a target: its entity type, and the cause that was chosen unless that is "". */
void learn_class(const char *type, const char *cause, char ret[LEARN_CLASS_BYTES]);

/* Times may come in any order; one before 1970 counts as 1970. */
void learn_outcome(struct learning *learning, const struct learn_key *key, struct instant time,
                   enum learn_result result);
/* As known at a time; of a key without outcomes the prior. Some 40 us. */
struct learned learn_of(const struct learning *learning, const struct learn_key *key,
                        struct instant now);

/* Which of two plans is better: below 0, 0, above 0, as strcmp. Means are compared in whole
 * thousandths, so that what a person reads as equal is equal; where it is 0, the order of the
 * policy decides. */
int learned_compare(const struct learned *a, const struct learned *b);

/* All keys, in no order that means anything; a key lives until the next outcome. */
size_t learn_count(const struct learning *learning);
struct learn_key learn_key_at(const struct learning *learning, size_t i);

#endif
