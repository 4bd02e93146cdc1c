/* Limits over failure domains, and in total.
 *
 * The domain of a target is looked up in an inventory of the pool's keys with the domain's label
 * beside them. An action of the past whose target is in no inventory now, as after a restart,
 * counts in every domain. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

enum status domains_add(struct engine *engine, struct pool_run *run, struct duration every,
                        struct error *error)
{
    size_t keys = 0;
    for (const struct name_list *key = run->pool->keys; key; key = key->next) {
        keys++;
    }
    run->domain_keys = heap_alloc((keys + 1) * sizeof *run->domain_keys);
    struct name_list *to = run->domain_keys;
    for (const struct name_list *key = run->pool->keys; key; key = key->next, to++) {
        *to = (struct name_list){.name = key->name, .next = to + 1};
    }
    *to = (struct name_list){.name = run->pool->domain};
    run->domain_pool =
        (struct pool){.name = run->pool->name, .keys = run->domain_keys, .expr = run->pool->expr};
    run->domains = eval_entities_new(engine->eval, &run->domain_pool, every, error);
    return run->domains ? STATUS_OK : STATUS_LIMIT;
}

/* The canonical text of the entity in that slot of the domains' inventory, without its domain. */
static bool member_text(const struct pool_run *run, size_t slot, char *ret, size_t size)
{
    struct pool_run of = *run;
    of.entities = run->domains;
    return engine_target_text(&of, slot, ret, size);
}

static const char *domain_at(const struct pool_run *run, size_t slot)
{
    const char *domain =
        label_set_get(eval_entities_labels(run->domains, slot), run->pool->domain.text);
    return domain && domain[0] ? domain : NULL;
}

static bool is_live(const struct eval_entities *entities, size_t slot)
{
    return eval_entities_live(entities)[slot / 64] >> (slot % 64) & 1;
}

/* The domain of the target of that name; NULL: it has none, or two, or is not there. */
static const char *domain_of(const struct pool_run *run, uint64_t target)
{
    const char *found = NULL;
    for (size_t slot = 0; slot < eval_entities_count(run->domains); slot++) {
        char text[TARGET_BYTES];
        if (!is_live(run->domains, slot) || !member_text(run, slot, text, sizeof text) ||
            ledger_name(text) != target) {
            continue;
        }
        if (found) {
            return NULL;
        }
        found = domain_at(run, slot);
    }
    return found;
}

/* Whether an action of the window took place in the domain, as far as can be told. */
static bool was_in(const struct pool_run *run, struct ledger_entry *entry, uint64_t domain)
{
    if (entry->domain == 0) {
        const char *name = domain_of(run, entry->target);
        entry->domain = name ? ledger_name(name) : 0;
    }
    return entry->domain == 0 || entry->domain == domain;
}

static bool unseen(const struct limit *limit, const struct pool_run *run, char *reason, size_t size)
{
    if (run && run->domains && eval_entities_complete(run->domains)) {
        return false;
    }
    snprintf(reason, size, "the domains of %s were not completely observed",
             limit->pool ? limit->pool->name.text : limit->subject.text);
    return true;
}

/* How many live members of the pool the domain has. */
static size_t population_of(const struct pool_run *run, const char *domain)
{
    size_t count = 0;
    for (size_t slot = 0; slot < eval_entities_count(run->domains); slot++) {
        const char *at = is_live(run->domains, slot) ? domain_at(run, slot) : NULL;
        count += at && strcmp(at, domain) == 0;
    }
    return count;
}

/* The entries of the window, newest first: NULL behind the last. */
static struct ledger_entry *older(const struct engine *engine, const struct limit *limit,
                                  const struct plan *plan, uint64_t policy,
                                  struct ledger_entry *from)
{
    const struct ledger *ledger = &engine->ledger;
    size_t i = from ? (size_t)(from - ledger->entries) : ledger->count;
    const int64_t begin = engine->now.ns - duration_seconds(limit->per.value).ns;
    while (i > 0 && ledger->entries[i - 1].time.ns > begin) {
        struct ledger_entry *entry = &ledger->entries[--i];
        if (!entry->undo && entry->type == ledger_name(plan->type) &&
            (policy == 0 || entry->policy == policy)) {
            return entry;
        }
    }
    return NULL;
}

bool each_domain_denies(struct engine *engine, const struct limit *limit,
                        const struct policy *policy, const struct plan *plan, char *reason,
                        size_t size)
{
    const struct pool_run *run = pool_run_of(engine, limit->pool);
    if (unseen(limit, run, reason, size)) {
        return true;
    }
    const char *name = domain_of(run, ledger_name(plan->target));
    if (!name) {
        snprintf(reason, size,
                 "at most %s of %s per %s in each domain: the domain of %s is not known",
                 limit->amount.text, limit->subject.text, limit->per.text, plan->target);
        return true;
    }
    const uint64_t domain = ledger_name(name);
    const double allowed = amount_at_most(&limit->amount, (double)population_of(run, name));
    size_t spent = 0;
    struct ledger_entry *entry = NULL;
    while (
        (entry = older(engine, limit, plan, policy ? ledger_name(policy->name.text) : 0, entry))) {
        spent += was_in(run, entry, domain);
    }
    if ((double)spent + 1 <= allowed) {
        return false;
    }
    snprintf(reason, size,
             "at most %s of %s per %s in each domain allows %.0f in %.80s: %zu in the window",
             limit->amount.text, limit->subject.text, limit->per.text, allowed, name, spent);
    return true;
}

/* Each action whose domain is not known is a domain of its own. */
bool domains_deny(struct engine *engine, const struct limit *limit, const struct plan *plan,
                  char *reason, size_t size)
{
    const struct pool_run *run = pool_run_of(engine, limit->pool);
    if (unseen(limit, run, reason, size)) {
        return true;
    }
    const char *name = domain_of(run, ledger_name(plan->target));
    const uint64_t own = name ? ledger_name(name) : 0;
    const double allowed =
        amount_at_most(&limit->amount, (double)eval_entities_live_count(run->domains));
    double touched = 1; /* this one */
    struct ledger_entry *entry = NULL;
    while ((entry = older(engine, limit, plan, 0, entry))) {
        (void)was_in(run, entry, 0);
        bool counted = entry->domain != 0 && entry->domain == own;
        for (struct ledger_entry *other = NULL;
             entry->domain != 0 && !counted &&
             (other = older(engine, limit, plan, 0, other)) != entry;) {
            counted = other->domain == entry->domain;
        }
        touched += !counted;
    }
    if (name && touched <= allowed) {
        return false;
    }
    snprintf(reason, size, "at most %s domains of %s per %s: %.80s would be number %.0f",
             limit->amount.text, limit->subject.text, limit->per.text,
             name ? name : "one that is not known", touched);
    return true;
}

bool total_denies(const struct engine *engine, const struct limit *limit, char *reason, size_t size)
{
    const struct ledger_query all = {.window = duration_seconds(limit->per.value)};
    const size_t spent = ledger_count(&engine->ledger, engine->now, all);
    if ((double)spent + 1 <= amount_at_most(&limit->amount, INFINITY)) {
        return false;
    }
    snprintf(reason, size, "at most %s actions per %s: %zu in the window", limit->amount.text,
             limit->per.text, spent);
    return true;
}

bool unattended_spent(const struct engine *engine, const struct plan *plan)
{
    for (const struct guard *guard = engine->program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            if (!limit->unattended || !limit_covers(limit, plan->type)) {
                continue;
            }
            const struct ledger_query query = {.target = ledger_name(plan->target),
                                               .type = ledger_name(plan->type),
                                               .window = duration_seconds(limit->per.value)};
            const size_t spent = ledger_count(&engine->ledger, engine->now, query);
            if ((double)spent + 1 > amount_at_most(&limit->amount, INFINITY)) {
                return true;
            }
        }
    }
    return false;
}
