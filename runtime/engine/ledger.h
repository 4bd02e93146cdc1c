/* What was spent and when: one entry a dispatched action, kept as long as the longest window that
 * any bound or guard looks back over. Pure: times are given.
 *
 * Windows slide and are open on the left: a unit spent at t counts in (now - window, now]. */
#ifndef HEAL_RUNTIME_ENGINE_LEDGER_H
#define HEAL_RUNTIME_ENGINE_LEDGER_H

#include "lang/ast.h"
#include "runtime/engine/amounts.h"
#include "runtime/engine/record.h"

enum { LEDGER_ENTRIES_MAX = 1 << 20 };

struct ledger_entry {
    struct instant time;
    uint64_t policy, target, type; /* name hashes */
    bool undo;                     /* not counted, and costs nothing; its change is one */
    enum base_quantity quantity;   /* of the number it changed; BASE_QUANTITIES: any */
    struct amounts amounts;
    uint64_t domain; /* of the target, when it is known; 0: not */
};

struct ledger {
    struct ledger_entry *entries; /* oldest first */
    size_t count, capacity;
    struct duration keep;
};

/* Which entries count; 0 matches any. */
struct ledger_query {
    uint64_t policy, target, type;
    struct duration window;
};

void ledger_release(struct ledger *ledger);
/* Times must not go backwards. False when the ledger is full: then nothing may be dispatched. */
NODISCARD bool ledger_spend(struct ledger *ledger, const struct ledger_entry *entry);
/* Money in usd: what an entry costs once, and its rate for the whole length of the window. */
double ledger_cost(const struct amounts *amounts, struct duration window);
double ledger_money(const struct ledger *ledger, struct instant now, struct ledger_query query);
/* Changes of a number, undos included: of entries whose quantity is this, or not known. */
struct ledger_steps {
    bool any;
    double sum;   /* of the absolute changes */
    double first; /* what was there before the first of them */
    struct instant last;
};
struct ledger_steps ledger_steps(const struct ledger *ledger, struct instant now,
                                 struct ledger_query query, enum base_quantity quantity);
size_t ledger_count(const struct ledger *ledger, struct instant now, struct ledger_query query);
uint64_t ledger_name(const char *name); /* never 0 */

/* How many targets the amount allows of `population`, rounded towards fewer actions. NAN-safe: an
 * amount that cannot be computed allows none. */
double amount_at_most(const struct amount *amount, double population);
/* How many targets the amount demands of `population`, rounded towards fewer actions (up). */
double amount_at_least(const struct amount *amount, double population);

/* Sizes of a population over time, for the denominators of bounds: the smaller of now and the
 * window's start counts for `at most`. Only complete inventories are noted. */
enum { POPULATION_NOTES = 512 };
struct population {
    struct instant time[POPULATION_NOTES];
    size_t size[POPULATION_NOTES];
    size_t count; /* notes, oldest first */
};
void population_note(struct population *population, struct instant now, size_t size);
/* The smallest size noted to hold anywhere in (now - window, now]; 0 when none is known. */
size_t population_smallest(const struct population *population, struct instant now,
                           struct duration window);

#endif
