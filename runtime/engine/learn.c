/* Outcomes, fading, by key.
 *
 * Weights are kept as if the past did not fade and the present grew (forward decay, Cormode et al.
 * 2009): an outcome at t adds 2^(t / half-life - base), and the whole is scaled when it is asked
 * for. The base moves by whole half-lives, which is exact; so a sum kept step by step is the sum
 * over all outcomes at once, without drift. */
#include "runtime/engine/learn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/beta.h"
#include "runtime/engine/id_table.h"

enum { FADED_MAX = 1000 }; /* half-lives after which nothing is left */
static const int64_t half_life_ns = LEARN_HALF_LIFE_S * NS_PER_S;

struct entry {
    char policy[NAME_BYTES], class[LEARN_CLASS_BYTES], action[NAME_BYTES];
    uint64_t hash;
    int64_t base; /* half-lives since 1970: weights are relative to its beginning */
    double good, bad;
    uint64_t counts[3];
    struct instant last;
};

struct learning {
    struct entry *entries;
    size_t count, capacity;
    struct id_table table;
};

struct learning *learning_new(void)
{
    return heap_alloc(sizeof(struct learning));
}

void learning_clear(struct learning *learning)
{
    free(learning->entries);
    id_table_release(&learning->table);
    *learning = (struct learning){0};
}

void learning_free(struct learning *learning)
{
    if (learning) {
        learning_clear(learning);
        free(learning);
    }
}

void learn_class(const char *type, const char *cause, char ret[LEARN_CLASS_BYTES])
{
    snprintf(ret, LEARN_CLASS_BYTES, "%.*s%s%.*s", NAME_BYTES_MAX, type, *cause ? ", " : "",
             NAME_BYTES_MAX, cause);
}

/* ---- keys ---- */

static uint64_t hash_of(const struct learn_key *key)
{
    /* With its NUL each, so that "ab", "c" is another key than "a", "bc". */
    uint64_t hash = hash_bytes(HASH_INIT, key->policy, strlen(key->policy) + 1);
    hash = hash_bytes(hash, key->class, strlen(key->class) + 1);
    return hash_bytes(hash, key->action, strlen(key->action) + 1);
}

static uint32_t find(const struct learning *learning, const struct learn_key *key, uint64_t hash)
{
    size_t cursor = SIZE_MAX;
    uint32_t id;
    while ((id = id_table_next(&learning->table, hash, &cursor)) != ID_NONE) {
        const struct entry *entry = &learning->entries[id];
        if (strcmp(entry->policy, key->policy) == 0 && strcmp(entry->class, key->class) == 0 &&
            strcmp(entry->action, key->action) == 0) {
            return id;
        }
    }
    return ID_NONE;
}

static uint32_t oldest(const struct learning *learning)
{
    size_t at = 0;
    for (size_t i = 1; i < learning->count; i++) {
        at = learning->entries[i].last.ns < learning->entries[at].last.ns ? i : at;
    }
    return (uint32_t)at;
}

static struct entry *add(struct learning *learning, const struct learn_key *key, uint64_t hash)
{
    uint32_t id;
    if (learning->count < LEARN_KEYS_MAX) {
        ARRAY_RESERVE(learning->entries, learning->count, learning->capacity);
        id = (uint32_t)learning->count++;
    } else {
        id = oldest(learning);
        id_table_remove(&learning->table, learning->entries[id].hash, id);
    }
    struct entry *entry = &learning->entries[id];
    *entry = (struct entry){.hash = hash, .base = INT64_MIN};
    CHECK(strlen(key->policy) < NAME_BYTES && strlen(key->class) < LEARN_CLASS_BYTES &&
          strlen(key->action) < NAME_BYTES);
    snprintf(entry->policy, sizeof entry->policy, "%s", key->policy);
    snprintf(entry->class, sizeof entry->class, "%s", key->class);
    snprintf(entry->action, sizeof entry->action, "%s", key->action);
    id_table_add(&learning->table, hash, id);
    return entry;
}

/* ---- weights ---- */

/* 2^halves: what is too far away is nothing. */
static double scale(double value, int64_t halves)
{
    return halves < -FADED_MAX ? 0 : ldexp(value, halves > FADED_MAX ? FADED_MAX : (int)halves);
}

/* How much an outcome at the time weighs for one at the beginning of its half-life: 1..2. */
static double growth(int64_t ns)
{
    return power_of_two((double)(ns % half_life_ns) / (double)half_life_ns);
}

void learn_outcome(struct learning *learning, const struct learn_key *key, struct instant time,
                   enum learn_result result)
{
    const uint64_t hash = hash_of(key);
    const uint32_t id = find(learning, key, hash);
    struct entry *entry = id == ID_NONE ? add(learning, key, hash) : &learning->entries[id];
    const int64_t ns = time.ns > 0 ? time.ns : 0, base = ns / half_life_ns;
    entry->counts[result]++;
    entry->last.ns = ns > entry->last.ns ? ns : entry->last.ns;
    if (result == LEARN_FAILED) {
        return;
    }
    if (entry->base == INT64_MIN) {
        entry->base = base;
    } else if (base > entry->base) {
        entry->good = scale(entry->good, entry->base - base);
        entry->bad = scale(entry->bad, entry->base - base);
        entry->base = base;
    }
    *(result == LEARN_VERIFIED ? &entry->good : &entry->bad) +=
        scale(growth(ns), base - entry->base);
}

static struct learned learned_of(const struct entry *entry, struct instant now)
{
    /* What is known of the future, where a clock went back, weighs as if it were now. */
    const int64_t ns = now.ns > entry->last.ns ? now.ns : entry->last.ns;
    double good = 0, bad = 0;
    if (entry->base != INT64_MIN) {
        const int64_t halves = entry->base - ns / half_life_ns;
        good = scale(entry->good / growth(ns), halves);
        bad = scale(entry->bad / growth(ns), halves);
    }
    struct learned ret = {.mean = beta_mean(1 + good, 1 + bad),
                          .weight = good + bad,
                          .verified = entry->counts[LEARN_VERIFIED],
                          .unverified = entry->counts[LEARN_UNVERIFIED],
                          .failed = entry->counts[LEARN_FAILED],
                          .last = entry->last};
    beta_interval(1 + good, 1 + bad, LEARN_SHARE, &ret.low, &ret.high);
    return ret;
}

struct learned learn_of(const struct learning *learning, const struct learn_key *key,
                        struct instant now)
{
    static const struct entry nothing = {.base = INT64_MIN};
    const uint32_t id = find(learning, key, hash_of(key));
    return learned_of(id == ID_NONE ? &nothing : &learning->entries[id], now);
}

int learned_compare(const struct learned *a, const struct learned *b)
{
    const double x = floor(a->mean * 1000 + 0.5), y = floor(b->mean * 1000 + 0.5);
    return (x > y) - (x < y);
}

size_t learn_count(const struct learning *learning)
{
    return learning->count;
}

struct learn_key learn_key_at(const struct learning *learning, size_t i)
{
    const struct entry *entry = &learning->entries[i];
    CHECK(i < learning->count);
    return (struct learn_key){entry->policy, entry->class, entry->action};
}
