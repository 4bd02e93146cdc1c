/* What was spent and when, and the arithmetic of amounts. */
#include "runtime/engine/ledger.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ledger_release(struct ledger *ledger)
{
    free(ledger->entries);
    *ledger = (struct ledger){.keep = ledger->keep};
}

uint64_t ledger_name(const char *name)
{
    uint64_t hash = hash_bytes(HASH_INIT, name, strlen(name));
    return hash ? hash : 1;
}

static void ledger_forget(struct ledger *ledger, struct instant now)
{
    size_t old = 0;
    while (old < ledger->count && ledger->entries[old].time.ns <= now.ns - ledger->keep.ns) {
        old++;
    }
    if (old > 0 && (old > ledger->count / 2 || ledger->count == ledger->capacity)) {
        memmove(ledger->entries, ledger->entries + old,
                (ledger->count - old) * sizeof *ledger->entries);
        ledger->count -= old;
    }
}

bool ledger_spend(struct ledger *ledger, const struct ledger_entry *entry)
{
    CHECK(ledger->count == 0 || ledger->entries[ledger->count - 1].time.ns <= entry->time.ns);
    ledger_forget(ledger, entry->time);
    if (ledger->count >= LEDGER_ENTRIES_MAX) {
        return false;
    }
    ARRAY_RESERVE(ledger->entries, ledger->count, ledger->capacity);
    ledger->entries[ledger->count++] = *entry;
    return true;
}

static bool query_matches(const struct ledger_query *query, const struct ledger_entry *entry)
{
    return (query->policy == 0 || query->policy == entry->policy) &&
           (query->target == 0 || query->target == entry->target) &&
           (query->type == 0 || query->type == entry->type);
}

size_t ledger_count(const struct ledger *ledger, struct instant now, struct ledger_query query)
{
    CHECK(query.window.ns <= ledger->keep.ns);
    size_t count = 0;
    for (size_t i = ledger->count; i > 0; i--) {
        const struct ledger_entry *entry = &ledger->entries[i - 1];
        if (entry->time.ns <= now.ns - query.window.ns) {
            break;
        }
        count += !entry->undo && query_matches(&query, entry);
    }
    return count;
}

double ledger_cost(const struct amounts *amounts, struct duration window)
{
    return amounts->once + amounts->hourly * (duration_to_seconds(window) / 3600);
}

double ledger_money(const struct ledger *ledger, struct instant now, struct ledger_query query)
{
    CHECK(query.window.ns <= ledger->keep.ns);
    double sum = 0;
    for (size_t i = ledger->count; i > 0; i--) {
        const struct ledger_entry *entry = &ledger->entries[i - 1];
        if (entry->time.ns <= now.ns - query.window.ns) {
            break;
        }
        if (!entry->undo && query_matches(&query, entry)) {
            sum += ledger_cost(&entry->amounts, query.window);
        }
    }
    return sum;
}

struct ledger_steps ledger_steps(const struct ledger *ledger, struct instant now,
                                 struct ledger_query query, enum base_quantity quantity)
{
    CHECK(query.window.ns <= ledger->keep.ns);
    struct ledger_steps steps = {0};
    for (size_t i = ledger->count; i > 0; i--) {
        const struct ledger_entry *entry = &ledger->entries[i - 1];
        if (entry->time.ns <= now.ns - query.window.ns) {
            break;
        }
        if (!entry->amounts.read || !query_matches(&query, entry) ||
            (quantity != BASE_QUANTITIES && entry->quantity != BASE_QUANTITIES &&
             quantity != entry->quantity)) {
            continue;
        }
        steps.last = steps.any ? steps.last : entry->time;
        steps.any = true;
        steps.sum += fabs(entry->amounts.given - entry->amounts.before);
        steps.first = entry->amounts.before;
    }
    return steps;
}

/* 10% of 30 is 3, although 0.1 * 30 is a little more in doubles and 0.29 * 100 a little less. */
static double share_of(double ratio, double population)
{
    double share = ratio * population;
    double nearest = nearbyint(share);
    return fabs(share - nearest) <= 1e-9 * fmax(1.0, fabs(share)) ? nearest : share;
}

double amount_at_most(const struct amount *amount, double population)
{
    double by_count = amount->has_count ? floor(amount->count) : INFINITY;
    double by_ratio = amount->has_ratio ? floor(share_of(amount->ratio, population)) : INFINITY;
    double allowed = fmin(by_count, by_ratio);
    return isfinite(allowed) && allowed > 0 ? allowed : 0;
}

double amount_at_least(const struct amount *amount, double population)
{
    if (!isfinite(population) || population < 0) {
        return INFINITY;
    }
    double by_count = amount->has_count ? ceil(amount->count) : 0;
    double by_ratio = amount->has_ratio ? ceil(share_of(amount->ratio, population)) : 0;
    double needed = amount->minimum ? fmin(by_count, by_ratio) : fmax(by_count, by_ratio);
    return isfinite(needed) ? needed : INFINITY;
}

void population_note(struct population *population, struct instant now, size_t size)
{
    size_t n = population->count;
    if (n > 0 && population->size[n - 1] == size) {
        return;
    }
    if (n == POPULATION_NOTES) { /* the oldest two become the smaller one: never a larger bound */
        size_t smaller =
            population->size[0] < population->size[1] ? population->size[0] : population->size[1];
        memmove(population->time + 1, population->time + 2, (n - 2) * sizeof population->time[0]);
        memmove(population->size + 1, population->size + 2, (n - 2) * sizeof population->size[0]);
        population->size[0] = smaller;
        n--;
    }
    population->time[n] = now;
    population->size[n] = size;
    population->count = n + 1;
}

size_t population_smallest(const struct population *population, struct instant now,
                           struct duration window)
{
    size_t smallest = SIZE_MAX;
    for (size_t i = population->count; i > 0; i--) {
        smallest = population->size[i - 1] < smallest ? population->size[i - 1] : smallest;
        if (population->time[i - 1].ns <= now.ns - window.ns) {
            break; /* this size held at the window's start */
        }
    }
    return smallest == SIZE_MAX ? 0 : smallest;
}
