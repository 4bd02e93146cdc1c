/* Trouble that spreads along the graph of services: incidents of a service, and of those that stand
 * on it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

enum { CASCADE_WINDOW_S = 900 }; /* from one failure to the next along a call */

enum status cascade_new(struct engine *engine, struct error *error)
{
    struct cascading *c = &engine->cascading;
    TRY(graph_build_program(&engine->graph, engine->program, error));
    for (const struct policy *p = engine->program->policies; p; p = p->next) {
        c->wanted |= p->escalate.has_cascading;
    }
    const size_t room = engine->graph.services + 1;
    c->health = heap_alloc(room * sizeof *c->health);
    c->below = heap_alloc(room * sizeof *c->below);
    c->chain = heap_alloc(room * sizeof *c->chain);
    return STATUS_OK;
}

void cascade_free(struct engine *engine)
{
    graph_release(&engine->graph);
    free(engine->cascading.health);
    free(engine->cascading.below);
    free(engine->cascading.chain);
}

/* A service fails from the first of its incidents that are open and not recovered; it is healthy
 * while some policy sees it and nothing is open. */
static void note_health(struct engine *engine)
{
    struct graph_health *health = engine->cascading.health;
    for (uint32_t s = 0; s < engine->graph.services; s++) {
        health[s] = (struct graph_health){.state = GRAPH_UNKNOWN};
    }
    for (size_t i = 0; i < engine->policy_count; i++) {
        const struct policy_run *run = engine->policies[i];
        if (run->service != GRAPH_NONE && run->unknown_since.ns == 0) {
            health[run->service].state = GRAPH_HEALTHY;
        }
    }
    for (size_t i = 0; i < engine->incident_count; i++) { /* oldest first */
        const struct incident *incident = engine->incidents[i];
        if (!incident->run || incident->run->service == GRAPH_NONE ||
            incident->state == STATE_RECOVERED) {
            continue;
        }
        struct graph_health *of = &health[incident->run->service];
        if (of->state != GRAPH_FAILING || incident->opened.ns < of->since.ns) {
            *of = (struct graph_health){.state = GRAPH_FAILING, .since = incident->opened};
        }
    }
}

/* Some service that stands on it failed within the window after it: without that no cascade begins
 * here, and it need not be looked for at every tick. */
static bool may_begin(struct engine *engine, uint32_t service)
{
    struct cascading *c = &engine->cascading;
    const int64_t since_ns = c->health[service].since.ns;
    const size_t count = graph_dependants(&engine->graph, service, c->chain);
    for (size_t i = 0; i < count; i++) {
        const struct graph_health *other = &c->health[c->chain[i]];
        if (other->state == GRAPH_FAILING && other->since.ns > since_ns &&
            other->since.ns - since_ns <= CASCADE_WINDOW_S * NS_PER_S) {
            return true;
        }
    }
    return false;
}

/* The cascade that began with the service, whatever it may itself have come from. */
static struct graph_cascade cascade_from(struct engine *engine, uint32_t service)
{
    struct cascading *c = &engine->cascading;
    memcpy(c->below, c->health, engine->graph.services * sizeof *c->below);
    const size_t count = graph_dependencies(&engine->graph, service, c->chain);
    for (size_t i = 0; i < count; i++) {
        c->below[c->chain[i]].state = GRAPH_HEALTHY;
    }
    return graph_cascade(&engine->graph, service, c->below, duration_seconds(CASCADE_WINDOW_S),
                         c->chain);
}

static void tell(struct engine *engine, struct incident *incident,
                 const struct graph_cascade *cascade, struct effects *effects)
{
    char chain[TEXT_BYTES / 2];
    size_t used = 0;
    for (size_t i = 0; i < cascade->length && used < sizeof chain; i++) {
        int n = snprintf(chain + used, sizeof chain - used, "%s%s", i > 0 ? " -> " : "",
                         engine->graph.names[engine->cascading.chain[i]]);
        used += n > 0 ? (size_t)n : 0;
    }
    incident->cascade_told = true;
    incident_escalate(engine, incident, effects,
                      CASCADE_WORD "%s; %u that stand%s on it failed after it", chain,
                      cascade->affected, cascade->affected == 1 ? "s" : "");
}

void cascades_step(struct engine *engine, struct effects *effects)
{
    if (!engine->cascading.wanted || engine->incident_count < 2) {
        return;
    }
    note_health(engine);
    for (size_t i = 0; i < engine->incident_count; i++) {
        struct incident *incident = engine->incidents[i];
        const struct policy_run *run = incident->run;
        if (!run || !run->policy->escalate.has_cascading || incident->cascade_told ||
            incident->state == STATE_RECOVERED || run->service == GRAPH_NONE ||
            !may_begin(engine, run->service)) {
            continue;
        }
        const struct graph_cascade cascade = cascade_from(engine, run->service);
        if (cascade.origin == run->service && cascade.affected > 0) {
            tell(engine, incident, &cascade, effects);
        }
    }
}

uint32_t cascade_origin(struct engine *engine, uint32_t service, bool *ret_blind)
{
    struct cascading *c = &engine->cascading;
    const size_t services = engine->graph.services;
    double *score = heap_alloc((services + 1) * sizeof *score);
    struct graph_suspect *suspects = heap_alloc((services + 1) * sizeof *suspects);
    note_health(engine);
    for (size_t s = 0; s < services; s++) {
        score[s] = c->health[s].state == GRAPH_UNKNOWN   ? NAN
                   : c->health[s].state == GRAPH_FAILING ? 2
                                                         : 0;
    }
    *ret_blind = false;
    const size_t below = graph_dependencies(&engine->graph, service, c->chain);
    for (size_t i = 0; i < below; i++) {
        *ret_blind |= c->health[c->chain[i]].state == GRAPH_UNKNOWN;
    }
    const size_t count = graph_rank(&engine->graph, service, score, 1, suspects);
    const uint32_t origin =
        count > 0 && suspects[0].chained ? suspects[0].service : (uint32_t)GRAPH_NONE;
    free(score);
    free(suspects);
    return origin;
}
