/* The identity of a policy: its canonical text and that of all it refers to. State survives a
 * reload when this is the same. Guards and tests are not part of it: guards are always the newest.
 */
#include <stdlib.h>

#include "lang/check_internal.h"
#include "lang/print.h"

/* The declarations a policy reaches, by their place in memory. */
struct reached {
    const void **items;
    size_t count, capacity;
};

/* True when it was not there. */
static bool reach(struct reached *reached, const void *item)
{
    if (!item) {
        return false;
    }
    for (size_t i = 0; i < reached->count; i++) {
        if (reached->items[i] == item) {
            return false;
        }
    }
    ARRAY_RESERVE(reached->items, reached->count, reached->capacity);
    reached->items[reached->count++] = item;
    return true;
}

static void reach_expr(struct expr *expr, void *context)
{
    if (expr->kind == EXPR_SELECTOR && !expr->selector.signal) {
        reach(context, expr->selector.metric);
    }
    expr_children(expr, reach_expr, context);
}

static void reach_pool(struct reached *reached, const struct pool *pool)
{
    if (reach(reached, pool)) {
        reach_expr(pool->expr, reached);
        if (pool->ready) {
            reach_expr(pool->ready, reached);
        }
    }
}

static void reach_action(struct reached *reached, const struct action *action)
{
    while (reach(reached, action)) {
        if (action->probe) {
            reach_expr(action->probe, reached);
        }
        if (action->reads) {
            reach_expr(action->reads, reached);
        }
        action = action->undo ? action->undo->resolved : NULL;
    }
}

static void reach_rung(struct reached *reached, const struct check *check, const struct rung *rung)
{
    reach(reached, rung->resolved);
    if (rung->kind == RUNG_ACT) {
        reach_action(reached, rung->call.resolved);
        for (const struct argument *a = rung->call.arguments; a; a = a->next) {
            const char *word = expr_word(a->value);
            reach(reached, word ? find_service(check, word) : NULL);
        }
    }
}

static void reach_policy(struct reached *reached, const struct check *check,
                         const struct policy *policy)
{
    policy_exprs(policy, reach_expr, reached);
    reach_pool(reached, policy->resolved);
    reach(reached, policy->on_missing.resolved);
    reach(reached, policy->on_stale.resolved);
    reach(reached, policy->escalate.resolved);
    for (const struct climb_step *step = policy->escalate.steps; step; step = step->next) {
        reach(reached, step->resolved);
    }
    for (const struct limit *l = policy->bounds; l; l = l->next) {
        reach_pool(reached, l->pool);
    }
    for (const struct limit *l = policy->keeps; l; l = l->next) {
        reach_pool(reached, l->pool);
    }
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            reach_rung(reached, check, rung);
        }
    }
}

/* ---- canonical text of one declaration ---- */

static const void *item_declaration(const struct item *item)
{
    switch (item->kind) {
    case ITEM_SERVICE: return item->service;
    case ITEM_POOL: return item->pool;
    case ITEM_CHANNEL: return item->channel;
    case ITEM_METRIC: return item->metric;
    case ITEM_RECORDED: return item->recorded;
    case ITEM_ACTION: return item->action;
    case ITEM_GUARD: return item->guard;
    case ITEM_POLICY: return item->policy;
    case ITEM_TEST:
    case ITEM_EDITION:
    case ITEM_IMPORT: return NULL;
    }
    return NULL;
}

struct printed {
    const void *declaration;
    uint64_t hash; /* of its canonical text */
};

static struct printed *print_declarations(const struct check *check, size_t *ret_count)
{
    size_t count = 0;
    for (const struct file *f = check->program->files; f; f = f->next) {
        for (const struct item *i = f->items; i; i = i->next) {
            count += item_declaration(i) != NULL;
        }
    }
    struct printed *printed = arena_alloc(check->arena, (count + 1) * sizeof *printed);
    struct arena scratch = {0};
    size_t n = 0;
    for (const struct file *f = check->program->files; f; f = f->next) {
        for (const struct item *i = f->items; i; i = i->next) {
            if (!item_declaration(i)) {
                continue;
            }
            struct item alone = *i;
            alone.next = NULL;
            struct file one = {.source = f->source, .items = &alone};
            const char *text = i->kind == ITEM_POLICY ? print_policy(&scratch, i->policy)
                                                      : print_file(&scratch, &one);
            printed[n++] =
                (struct printed){item_declaration(i), hash_bytes(HASH_INIT, text, strlen(text))};
            arena_release(&scratch);
        }
    }
    *ret_count = n;
    return printed;
}

static bool has_reached(const struct reached *reached, const void *declaration)
{
    for (size_t i = 0; i < reached->count; i++) {
        if (reached->items[i] == declaration) {
            return true;
        }
    }
    return false;
}

void check_hash(struct check *check)
{
    size_t count;
    const struct printed *printed = print_declarations(check, &count);
    struct reached reached = {0};
    uint64_t whole = HASH_INIT;
    for (struct policy *policy = check->program->policies; policy; policy = policy->next) {
        reached.count = 0;
        reach(&reached, policy);
        reach_policy(&reached, check, policy);
        uint64_t hash = HASH_INIT;
        for (size_t i = 0; i < count; i++) {
            if (has_reached(&reached, printed[i].declaration)) {
                hash = hash_bytes(hash, &printed[i].hash, sizeof printed[i].hash);
            }
        }
        policy->hash = hash;
    }
    for (size_t i = 0; i < count; i++) {
        whole = hash_bytes(whole, &printed[i].hash, sizeof printed[i].hash);
    }
    check->program->hash = whole;
    free(reached.items);
}
