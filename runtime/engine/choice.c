/* Which plan of a heal block is tried: the one most likely to help, less what its risk takes away.
 *
 * A plan helps when one of its acts does. The worth of a plan is that chance less a discount for
 * its risk; worths are compared in whole percents, so that no last bit decides; of equals the one
 * that costs less within an hour is taken, then the one written first. A plan whose first act a
 * guard, a keep or the host refuses now is passed over while another one is not refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

enum { COST_WINDOW_S = 3600 };

enum plan_risk { PLAN_LOW, PLAN_MEDIUM, PLAN_HIGH, PLAN_RISKS };
static const struct {
    const char *text;
    double discount;
} risks[PLAN_RISKS] = {
    [PLAN_LOW] = {"low", 0}, [PLAN_MEDIUM] = {"medium", 0.10}, [PLAN_HIGH] = {"high", 0.25}};

struct option {
    const struct heal *heal;
    double effect;
    struct tries tries;
    enum plan_risk risk;
    long worth;  /* percent */
    double cost; /* usd, of the first act, within an hour */
    bool refused;
    char why[TEXT_BYTES];
};

/* What is written, else by the actions: high with an irreversible one, low when all are undone. */
static enum plan_risk risk_of(const struct heal *heal)
{
    for (int i = 0; heal->risk.text && i < PLAN_RISKS; i++) {
        if (strcmp(heal->risk.text, risks[i].text) == 0) {
            return (enum plan_risk)i;
        }
    }
    enum plan_risk risk = PLAN_LOW;
    for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
        const struct action *action = rung->kind == RUNG_ACT ? rung->call.resolved : NULL;
        risk = action && (action->irreversible || action->replaces.text) ? PLAN_HIGH : risk;
    }
    return risk;
}

/* Whether its first act would be refused now for good. */
static void look_ahead(struct engine *engine, const struct incident *incident,
                       struct option *option)
{
    const struct rung *rung = option->heal->rungs;
    struct plan plan;
    if (!rung || rung->kind != RUNG_ACT) {
        return;
    }
    if (!plan_make(engine, incident, &rung->call, NULL, &plan)) {
        option->refused = true;
        snprintf(option->why, sizeof option->why, "its target or numbers are not known");
        return;
    }
    option->cost = ledger_cost(&plan.amounts, duration_seconds(COST_WINDOW_S));
    option->refused =
        plan_refusal(engine, incident, &plan, option->why, sizeof option->why) == REFUSAL_DENY;
}

static bool better(const struct option *a, const struct option *b)
{
    if (a->refused != b->refused) {
        return b->refused;
    }
    return a->worth != b->worth ? a->worth > b->worth : a->cost < b->cost;
}

static int say_option(char *text, size_t size, const struct option *option)
{
    char tries[64] = "";
    if (option->tries.all > 0) {
        snprintf(tries, sizeof tries, " (%llu of %llu helped)",
                 (unsigned long long)option->tries.helped, (unsigned long long)option->tries.all);
    }
    char cost[48] = "";
    if (option->cost > 0) {
        snprintf(cost, sizeof cost, ", cost %.6g usd", option->cost);
    }
    return snprintf(text, size, "effect %.0f%%%s, risk %s%s%s%.60s", 100 * option->effect, tries,
                    risks[option->risk].text, cost, option->refused ? ", refused: " : "",
                    option->refused ? option->why : "");
}

static void say(struct engine *engine, const struct incident *incident,
                const struct option *options, size_t count, size_t best, struct effects *effects)
{
    char text[TEXT_BYTES];
    int used = snprintf(text, sizeof text, PLAN_WORD "%s: ", options[best].heal->plan.text);
    used += say_option(text + used, sizeof text - (size_t)used, &options[best]);
    for (size_t i = 0; i < count && used > 0 && (size_t)used < sizeof text; i++) {
        if (i != best) {
            used += snprintf(text + used, sizeof text - (size_t)used,
                             "; %s: ", options[i].heal->plan.text);
            used += (size_t)used < sizeof text
                        ? say_option(text + used, sizeof text - (size_t)used, &options[i])
                        : 0;
        }
    }
    engine_record(engine, effects, RECORD_CHOSEN, incident, "%s", text);
}

/* The place of the ladder that the incident's cause begins with. */
static size_t block_of(const struct incident *incident)
{
    const struct policy_run *run = incident->run;
    return incident->cause > 0 ? run->causes[incident->cause - 1].ladder : 0;
}

static void plan_set(struct incident *incident, size_t ladder)
{
    incident->plan = (uint32_t)ladder + 1;
    incident->rung = incident->run->ladders[ladder].rung;
}

void choose_plan(struct engine *engine, struct incident *incident, struct effects *effects)
{
    const struct policy_run *run = incident->run;
    const size_t first = block_of(incident);
    size_t count = 0, best = 0;
    struct option options[RUNGS_MAX];
    for (size_t i = first; i < run->ladder_count && (i == first || run->ladders[i].heal->more);
         i++) {
        CHECK(count < RUNGS_MAX);
        struct option *option = &options[count++];
        const struct heal *heal = run->ladders[i].heal;
        *option = (struct option){.heal = heal, .risk = risk_of(heal)};
        option->effect = experience_effect(engine, incident, heal, &option->tries);
        option->worth = lround(100 * (option->effect - risks[option->risk].discount));
    }
    if (count == 0 || !options[0].heal->plan.text) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        look_ahead(engine, incident, &options[i]);
        best = better(&options[i], &options[best]) ? i : best;
    }
    plan_set(incident, first + best);
    say(engine, incident, options, count, best, effects);
}

void plan_restore(struct incident *incident, const struct record *record)
{
    const struct policy_run *run = incident->run;
    const size_t first = run ? block_of(incident) : 0;
    for (size_t i = first; run && i < run->ladder_count; i++) {
        const char *name = run->ladders[i].heal->plan.text;
        const size_t length = name ? strlen(name) : 0;
        if (i > first && !run->ladders[i].heal->more) {
            return;
        }
        if (name && strncmp(record->text, PLAN_WORD, sizeof PLAN_WORD - 1) == 0 &&
            strncmp(record->text + sizeof PLAN_WORD - 1, name, length) == 0 &&
            record->text[sizeof PLAN_WORD - 1 + length] == ':') {
            plan_set(incident, i);
        }
    }
}
