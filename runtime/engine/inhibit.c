/* Trouble of a service on which others stand is told once: an incident of one that stands on it,
 * and opened later, is not paged while a person knows of the first, or heal is at work on it. In
 * doubt a page is sent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/engine_internal.h"

/* After an action on the first was verified: so long the others have to follow. */
enum { INHIBIT_RECOVERED_S = 600 };

/* A person was told of it, or heal is at work on it, which ends by a deadline. */
static bool is_taken_care_of(const struct engine *engine, const struct incident *incident)
{
    switch (incident->state) {
    case STATE_ACTING:
    case STATE_VERIFYING:
    case STATE_UNDOING: return true;
    case STATE_RECOVERED:
        return engine->now.ns - incident->since.ns < INHIBIT_RECOVERED_S * NS_PER_S;
    case STATE_OPEN:
    case STATE_WAITING:
    case STATE_JOINED:
    case STATE_SHADOWED:
    case STATE_ASKED:
    case STATE_ROLLED_BACK:
    case STATE_HELD: return incident->notices > 0;
    case INCIDENT_STATES: break;
    }
    return false;
}

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static const struct incident *inhibitor_of(struct engine *engine, const struct incident *incident)
{
    if (!incident->run || incident->run->service == GRAPH_NONE) {
        return NULL;
    }
    uint32_t *below = engine->cascading.chain; /* ascending */
    const size_t count = graph_dependencies(&engine->graph, incident->run->service, below);
    for (size_t i = 0; count > 0 && i < engine->incident_count; i++) { /* oldest first */
        const struct incident *other = engine->incidents[i];
        if (other->run && other->run->service != GRAPH_NONE &&
            other->opened.ns < incident->opened.ns && is_taken_care_of(engine, other) &&
            bsearch(&other->run->service, below, count, sizeof *below, compare)) {
            return other;
        }
    }
    return NULL;
}

bool inhibited(struct engine *engine, struct incident *incident, const char *reason,
               struct effects *effects)
{
    const struct incident *by = inhibitor_of(engine, incident);
    if (!by) {
        return false;
    }
    engine_record(engine, effects, RECORD_INHIBITED, incident,
                  "by incident %llu of policy %s: %.380s", (unsigned long long)by->id, by->policy,
                  reason);
    struct record *record = &effects->items[effects->count - 1].record;
    snprintf(record->action, sizeof record->action, "%s", incident->channel);
    snprintf(incident->withheld, sizeof incident->withheld, "%.380s", reason);
    return true;
}

void inhibitions_step(struct engine *engine, struct effects *effects)
{
    for (size_t i = 0; i < engine->incident_count; i++) {
        struct incident *incident = engine->incidents[i];
        if (!incident->withheld[0] || inhibitor_of(engine, incident)) {
            continue;
        }
        if (incident->state != STATE_RECOVERED) {
            incident_page(engine, incident, effects, incident->channel, "%s", incident->withheld);
            climb_begin(incident, engine->now);
        }
        incident->withheld[0] = '\0';
    }
}

void inhibit_restore(struct incident *incident, const struct record *record)
{
    const char *reason = strstr(record->text, ": ");
    snprintf(incident->withheld, sizeof incident->withheld, "%s",
             reason ? reason + 2 : record->text);
}
