/* What a policy asks of its host. */
#include "lang/needs.h"

#include <stdlib.h>
#include <string.h>

#include "lang/check_internal.h"
#include "lang/print.h"

struct gathering {
    struct arena *arena;
    const char **metrics;
    size_t metric_count, metric_capacity;
    const struct action **actions;
    size_t action_count, action_capacity;
    const struct recorded **recorded;
    size_t recorded_count, recorded_capacity;
};

static bool is_name_matcher(const struct matcher *matcher)
{
    return strcmp(matcher->label.text, "__name__") == 0;
}

/* The selector without what does not choose its metric. */
static const char *metric_pattern(struct arena *arena, const struct expr *expr)
{
    struct expr alone = {.kind = EXPR_SELECTOR, .height = 1, .selector.braces = true};
    struct matcher **last = &alone.selector.matchers;
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        if (is_name_matcher(m)) {
            struct matcher *copy = ARENA_NEW(arena, struct matcher);
            *copy = *m;
            copy->next = NULL;
            *last = copy;
            last = &copy->next;
        }
    }
    return print_expr(arena, &alone);
}

static const char *metric_name(struct arena *arena, const struct expr *expr)
{
    if (expr->selector.name.text) {
        return expr->selector.name.text;
    }
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        if (is_name_matcher(m) && m->op == MATCH_EQ) {
            return m->value;
        }
    }
    return metric_pattern(arena, expr);
}

static void gather_metric(struct gathering *gathering, const char *name)
{
    for (size_t i = 0; i < gathering->metric_count; i++) {
        if (strcmp(gathering->metrics[i], name) == 0) {
            return;
        }
    }
    ARRAY_RESERVE(gathering->metrics, gathering->metric_count, gathering->metric_capacity);
    gathering->metrics[gathering->metric_count++] = name;
}

static void gather_expr(struct expr *expr, void *context);

/* A recorded signal is made here; what it is made of comes from outside. */
static void gather_recorded(struct gathering *gathering, const struct recorded *first)
{
    for (size_t i = 0; i < gathering->recorded_count; i++) {
        if (gathering->recorded[i] == first) {
            return;
        }
    }
    ARRAY_RESERVE(gathering->recorded, gathering->recorded_count, gathering->recorded_capacity);
    gathering->recorded[gathering->recorded_count++] = first;
    for (const struct recorded *r = first; r; r = r->next) {
        if (strcmp(r->name.text, first->name.text) == 0) {
            gather_expr(r->expr, gathering);
        }
    }
}

/* A bare word that is not a series (the service of a call, a word of a forecast) has no type. */
static void gather_expr(struct expr *expr, void *context)
{
    struct gathering *gathering = context;
    if (expr->kind == EXPR_SELECTOR && expr->selector.recorded) {
        gather_recorded(gathering, expr->selector.recorded);
    } else if (expr->kind == EXPR_SELECTOR && !expr->selector.signal &&
               expr->type.kind == VALUE_VECTOR) {
        gather_metric(gathering, metric_name(gathering->arena, expr));
    }
    expr_children(expr, gather_expr, context);
}

static void gather_optional(struct gathering *gathering, struct expr *expr)
{
    if (expr) {
        gather_expr(expr, gathering);
    }
}

static void gather_pool(struct gathering *gathering, const struct pool *pool)
{
    if (pool) {
        gather_optional(gathering, pool->expr);
        gather_optional(gathering, pool->ready);
    }
}

static void gather_action(struct gathering *gathering, const struct action *action)
{
    for (; action; action = action->undo ? action->undo->resolved : NULL) {
        for (size_t i = 0; i < gathering->action_count; i++) {
            if (gathering->actions[i] == action) {
                return;
            }
        }
        ARRAY_RESERVE(gathering->actions, gathering->action_count, gathering->action_capacity);
        gathering->actions[gathering->action_count++] = action;
        gather_optional(gathering, action->probe);
        gather_optional(gathering, action->reads);
    }
}

static void gather_policy(struct gathering *gathering, const struct policy *policy)
{
    policy_exprs(policy, gather_expr, gathering);
    gather_pool(gathering, policy->resolved);
    for (const struct limit *limit = policy->bounds; limit; limit = limit->next) {
        gather_pool(gathering, limit->pool);
    }
    for (const struct limit *limit = policy->keeps; limit; limit = limit->next) {
        gather_pool(gathering, limit->pool);
    }
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (rung->kind == RUNG_ACT) {
                gather_action(gathering, rung->call.resolved);
            }
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_action_name(const void *a, const void *b)
{
    return strcmp((*(const struct action *const *)a)->name.text,
                  (*(const struct action *const *)b)->name.text);
}

/* Sorts a heap array, moves it into the arena and frees it. */
static void *settle(struct arena *arena, void *items, size_t count, size_t size,
                    int (*compare)(const void *, const void *))
{
    void *settled = arena_alloc(arena, count * size);
    if (count > 0) {
        qsort(items, count, size, compare);
        memcpy(settled, items, count * size);
    }
    free(items);
    return settled;
}

struct policy_needs policy_needs_of(struct arena *arena, const struct policy *policy)
{
    struct gathering found = {.arena = arena};
    gather_policy(&found, policy);
    free(found.recorded);
    return (struct policy_needs){
        .metrics =
            settle(arena, found.metrics, found.metric_count, sizeof(*found.metrics), by_text),
        .metric_count = found.metric_count,
        .actions = settle(arena, found.actions, found.action_count, sizeof(*found.actions),
                          by_action_name),
        .action_count = found.action_count,
    };
}
