/* What windows keep. The rules are those of runtime/engine/eval_add.c and eval_call_window.c. */
#include "lang/kept.h"

#include <math.h>
#include <string.h>

#include "lang/check_internal.h"
#include "lang/print.h"

#define STEP_DEFAULT_S    60.0  /* of a subquery */
#define LOOKBACK_S        300.0 /* how old an instant sample may be */
#define LIVE_S            60.0 /* what is evaluated on a grid is evaluated so soon after its time */
#define FORECAST_HORIZONS 4.0  /* of a forecast, when no lookback is written */

/* A signal that was looked into on a grid: its own windows keep samples there too. */
struct kept_inside {
    const struct signal *signal;
    const char *grid;
    struct kept_inside *next;
};

struct walk {
    struct kept_list *list;
    const struct policy *policy; /* or NULL */
    double every_s;
    const char *grid; /* below subqueries or `@`: which ones; else "" */
    double step_s;    /* of the grid; 0 without */
};

/* ---- the list ---- */

static struct kept *kept_find(struct kept_list *list, const char *text, const struct policy *owner,
                              double interval_s, struct kept ***ret_bucket)
{
    if (!list->table) {
        list->table = arena_alloc(list->arena, KEPT_BUCKETS * sizeof(struct kept *));
        list->last = &list->first;
    }
    const uint64_t hash = hash_bytes(HASH_INIT, text, strlen(text));
    *ret_bucket = &list->table[hash % KEPT_BUCKETS];
    for (struct kept *k = **ret_bucket; k; k = k->next_in_bucket) {
        if (k->owner == owner && k->interval_s == interval_s && strcmp(k->text, text) == 0) {
            return k;
        }
    }
    return NULL;
}

static void keep(const struct walk *walk, const char *text, const struct policy *owner,
                 double interval_s, double reach_s)
{
    struct kept_list *list = walk->list;
    struct kept **bucket;
    struct kept *kept = kept_find(list, text, owner, interval_s, &bucket);
    if (!kept) {
        kept = ARENA_NEW(list->arena, struct kept);
        *kept = (struct kept){
            .text = text, .owner = owner, .interval_s = interval_s, .next_in_bucket = *bucket};
        *bucket = kept;
        *list->last = kept;
        list->last = &kept->next;
        list->count++;
    }
    kept->reach_s = fmax(kept->reach_s, reach_s);
}

/* ---- texts ---- */

static void find_signal(struct expr *expr, void *context)
{
    bool *found = context;
    *found |= expr->kind == EXPR_SELECTOR && expr->selector.signal;
    expr_children(expr, find_signal, context);
}

/* The same text in another policy may mean other signals. */
static const struct policy *owner_of(const struct walk *walk, const struct expr *expr)
{
    bool found = false;
    find_signal((struct expr *)(uintptr_t)expr, &found);
    return found ? walk->policy : NULL;
}

/* The selector without its offset, which does not choose series. */
static const char *selector_text(const struct walk *walk, const struct expr *selector)
{
    struct expr alone = *selector;
    alone.has_offset = false;
    alone.at_kind = AT_NONE;
    return print_expr(walk->list->arena, &alone);
}

/* How the words of a subquery or `@` continue the grid. */
static const char *grid_of(const struct walk *walk, const struct expr *expr, double step_s)
{
    char step[32] = "";
    if (step_s > 0) {
        duration_print(duration_seconds(step_s), step, sizeof step);
    }
    return arena_printf(walk->list->arena, "%s%s%s%s%s", walk->grid,
                        expr->at_kind == AT_TIME ? " @ " : "",
                        expr->at_kind == AT_TIME && expr->at_text ? expr->at_text : "",
                        step_s > 0 ? " each " : "", step);
}

static double offset_of(const struct expr *expr)
{
    return expr->has_offset ? duration_to_seconds(expr->offset) : 0;
}

/* ---- what is kept ---- */

static void walk_expr(struct expr *expr, void *context);

/* Of a selector that is no signal of the policy. */
static double raw_interval(const struct walk *walk, const struct expr *selector)
{
    const struct recorded *recorded = selector->selector.recorded;
    return !recorded             ? walk->list->scrape_s
           : recorded->has_every ? recorded->every.value
                                 : POLICY_EVERY_DEFAULT_S;
}

/* A selector, a signal or an expression, as a window reads it. */
static void keep_source(const struct walk *walk, const struct expr *expr, double reach_s)
{
    const bool selector = expr->kind == EXPR_SELECTOR;
    const struct signal *signal = selector ? expr->selector.signal : NULL;
    const bool raw = selector && !signal;
    const char *text = raw ? selector_text(walk, expr)
                           : print_expr(walk->list->arena, signal ? signal->expr : expr);
    const double interval_s = raw ? raw_interval(walk, expr) : fmax(walk->every_s, walk->step_s);
    keep(walk, walk->grid[0] ? arena_printf(walk->list->arena, "%s%s", text, walk->grid) : text,
         owner_of(walk, signal ? signal->expr : expr), interval_s, reach_s);
}

/* On a grid a signal is evaluated once more, and so are its windows. */
static void look_inside(const struct walk *walk, const struct signal *signal)
{
    struct kept_list *list = walk->list;
    for (struct kept_inside *i = list->insides; i; i = i->next) {
        if (i->signal == signal && strcmp(i->grid, walk->grid) == 0) {
            return;
        }
    }
    struct kept_inside *inside = ARENA_NEW(list->arena, struct kept_inside);
    *inside = (struct kept_inside){signal, walk->grid, list->insides};
    list->insides = inside;
    walk_expr(signal->expr, (void *)(uintptr_t)walk);
}

static const char *metric_of(const struct expr *selector)
{
    const char *name = selector->selector.name.text;
    for (const struct matcher *m = selector->selector.matchers; m && !name; m = m->next) {
        name = m->op == MATCH_EQ && same(m->label.text, "__name__") ? m->value : NULL;
    }
    return name;
}

/* An instant selector with an offset: the store keeps samples of all series of the metric. */
static void walk_selector(const struct walk *walk, const struct expr *expr)
{
    const struct signal *signal = expr->selector.signal;
    const double offset_s = offset_of(expr), reach_s = offset_s + LOOKBACK_S;
    if (signal && walk->grid[0]) {
        look_inside(walk, signal);
    }
    if (offset_s > 0 && signal) {
        keep_source(walk, expr, reach_s);
    } else if (offset_s > 0) {
        const char *name = metric_of(expr);
        keep(walk, arena_printf(walk->list->arena, "%s, by offset", name ? name : "every metric"),
             NULL, raw_interval(walk, expr), reach_s + (walk->grid[0] ? LIVE_S : 0));
    }
}

static void walk_range(const struct walk *walk, const struct expr *expr)
{
    const struct expr *inner = expr_strip(expr->range.inner);
    const double offset_s = offset_of(expr) + offset_of(inner);
    struct walk below = *walk;
    below.grid = grid_of(walk, expr->at_kind != AT_NONE ? expr : inner, 0);
    keep_source(&below, inner, duration_to_seconds(expr->range.range) + fmax(offset_s, 0));
    if (inner->kind == EXPR_SELECTOR && inner->selector.signal && below.grid[0]) {
        look_inside(&below, inner->selector.signal);
    }
}

static void walk_subquery(const struct walk *walk, const struct expr *expr)
{
    const double written_s = duration_to_seconds(expr->range.step);
    const double step_s = written_s > 0 ? written_s : STEP_DEFAULT_S;
    const struct expr *inner = expr_strip(expr->range.inner);
    struct walk below = *walk;
    below.grid = grid_of(walk, expr, step_s);
    below.step_s = step_s;
    keep(walk,
         arena_printf(walk->list->arena, "%s%s", print_expr(walk->list->arena, inner), below.grid),
         owner_of(walk, inner), step_s,
         duration_to_seconds(expr->range.range) + fabs(offset_of(expr)) + step_s);
    walk_expr(expr->range.inner, &below);
}

/* It looks back over its lookback, or over so many of its horizons. */
static void walk_forecast(const struct walk *walk, const struct expr *call)
{
    const struct expr *x = NULL;
    const double ahead_s = argument_seconds(call, "in");
    const double back_s = argument_seconds(call, "lookback");
    for (const struct argument *a = call->call.arguments; a && !x; a = a->next) {
        x = a->name.text ? NULL : expr_strip(a->value);
    }
    if (x) {
        keep_source(walk, x,
                    (back_s > 0 ? back_s : FORECAST_HORIZONS * ahead_s) + fmax(offset_of(x), 0));
    }
}

static void walk_expr(struct expr *expr, void *context)
{
    const struct walk *walk = context;
    if (expr->kind == EXPR_SELECTOR) {
        walk_selector(walk, expr);
    } else if (expr->kind == EXPR_RANGE) {
        walk_range(walk, expr);
    } else if (expr->kind == EXPR_SUBQUERY) {
        walk_subquery(walk, expr);
    } else {
        if (expr->kind == EXPR_CALL && expr->call.builtin == BUILTIN_FORECAST) {
            walk_forecast(walk, expr);
        }
        expr_children(expr, walk_expr, context);
    }
}

/* ---- of what ---- */

static double every_of(bool written, const struct quantity *every)
{
    return written && every->value > 0 ? every->value : POLICY_EVERY_DEFAULT_S;
}

void kept_of_policy(struct kept_list *list, const struct policy *policy)
{
    struct walk walk = {list, policy, every_of(policy->has_every, &policy->every), "", 0};
    policy_exprs(policy, walk_expr, &walk);
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            const struct action *action = rung->kind == RUNG_ACT ? rung->call.resolved : NULL;
            if (action && action->reads) {
                walk_expr(action->reads, &walk);
            }
        }
    }
}

void kept_of_recorded(struct kept_list *list, const struct recorded *recorded)
{
    struct walk walk = {list, NULL, every_of(recorded->has_every, &recorded->every), "", 0};
    walk_expr(recorded->expr, &walk);
}

void kept_of_pool(struct kept_list *list, const struct pool *pool)
{
    struct walk walk = {list, NULL, POLICY_EVERY_DEFAULT_S, "", 0};
    walk_expr(pool->expr, &walk);
    if (pool->ready) {
        walk_expr(pool->ready, &walk);
    }
}

void kept_of_program(struct kept_list *list, const struct program *program)
{
    for (const struct pool *pool = program->pools; pool; pool = pool->next) {
        kept_of_pool(list, pool);
    }
    for (const struct recorded *r = program->recorded; r; r = r->next) {
        kept_of_recorded(list, r);
    }
    for (const struct guard *guard = program->guards; guard; guard = guard->next) {
        for (const struct limit *limit = guard->limits; limit; limit = limit->next) {
            struct walk walk = {list, NULL, POLICY_EVERY_DEFAULT_S, "", 0};
            if (limit->only) {
                walk_expr(limit->only, &walk);
            }
        }
    }
    for (const struct policy *policy = program->policies; policy; policy = policy->next) {
        kept_of_policy(list, policy);
    }
}

uint64_t kept_samples(const struct kept *kept)
{
    const double rows = floor(kept->reach_s / kept->interval_s);
    const double with_room = rows + floor(rows / 32) + 6; /* as first_rows() of samples.c */
    return (uint64_t)fmin(with_room, KEPT_SAMPLES_MAX);
}

uint64_t kept_bytes(const struct kept_list *list)
{
    uint64_t samples = 0;
    for (const struct kept *kept = list->first; kept; kept = kept->next) {
        samples += kept_samples(kept);
    }
    return samples * KEPT_SAMPLE_BYTES;
}
