/* In which order incidents are worked: where a bound, a guard or a target leaves room for one only,
 * the one that matters most has it.
 *
 * Impact as the policy says it, then the weight of its service with all that stand on it, then how
 * many of its entities are affected, then how soon: a
 * trigger on what is before one on what a forecast sees, and the nearer forecast first; then the
 * kind of risk; then the oldest. */
#include <stdlib.h>
#include <string.h>

#include "lang/check.h"
#include "runtime/engine/engine_internal.h"

/* ---- what a policy's text says ---- */

struct lead_search {
    double seconds; /* the longest horizon */
    size_t steps;
};
enum { STEPS_MAX = 10000 }; /* signals built on signals double what is met */

static void find_lead(struct expr *expr, void *context)
{
    struct lead_search *search = context;
    if (search->steps++ >= STEPS_MAX) {
        return;
    }
    if (expr->kind == EXPR_CALL && expr->call.builtin == BUILTIN_FORECAST) {
        const double seconds = argument_seconds(expr, "in");
        search->seconds = seconds > search->seconds ? seconds : search->seconds;
    }
    if (expr->kind == EXPR_SELECTOR && expr->selector.signal) {
        find_lead(expr->selector.signal->expr, context);
        return;
    }
    expr_children(expr, find_lead, context);
}

static int place_of(const char *word, const char *const *words, size_t count, int otherwise)
{
    for (size_t i = 0; word && i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            return (int)i;
        }
    }
    return otherwise;
}

int triage_impact(const char *word)
{
    static const char *const impacts[] = {"low", "medium", "high", "critical"};
    return place_of(word, impacts, ARRAY_LEN(impacts), 1);
}

struct triage triage_of(const struct policy *policy)
{
    static const char *const risks[] = {"availability", "security", "performance", "capacity"};
    struct lead_search search = {0};
    if (policy->when.expr) {
        find_lead(policy->when.expr, &search);
    }
    return (struct triage){
        .impact = triage_impact(policy->impact.text),
        .risk = place_of(policy->risk.text, risks, ARRAY_LEN(risks), ARRAY_LEN(risks)),
        .lead = duration_seconds(search.seconds),
    };
}

/* ---- the order ---- */

static int compare(const void *a, const void *b)
{
    const struct incident *x = *(struct incident *const *)a, *y = *(struct incident *const *)b;
    static const struct triage none = {0};
    const struct triage *s = x->run ? &x->run->triage : &none;
    const struct triage *t = y->run ? &y->run->triage : &none;
    const size_t affected = x->run ? x->run->open : 0, others = y->run ? y->run->open : 0;
    return s->impact != t->impact     ? t->impact - s->impact
           : s->weight != t->weight   ? (s->weight < t->weight ? 1 : -1)
           : affected != others       ? (affected < others ? 1 : -1)
           : s->lead.ns != t->lead.ns ? (s->lead.ns < t->lead.ns ? -1 : 1)
           : s->risk != t->risk       ? s->risk - t->risk
           : x->id < y->id            ? -1
                                      : x->id > y->id;
}

struct incident **triage_order(struct engine *engine)
{
    const size_t count = engine->incident_count;
    size_t waiting = 0;
    if (count > engine->order_capacity) {
        engine->order_capacity = engine->incident_capacity;
        engine->order =
            heap_resize(engine->order, engine->order_capacity * sizeof(struct incident *));
    }
    for (size_t i = 0; i < count; i++) {
        engine->order[i] = engine->incidents[i];
        waiting += engine->incidents[i]->state == STATE_OPEN ||
                   engine->incidents[i]->state == STATE_WAITING;
    }
    if (waiting > 1) {
        qsort(engine->order, count, sizeof(struct incident *), compare);
    }
    return engine->order;
}
