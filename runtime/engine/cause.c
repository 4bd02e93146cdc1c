/* Which cause an incident has: naive Bayes over what its policy declares.
 *
 * A cause weighs its prior, times or divided by the factor of each piece of evidence that is true.
 * A cause whose condition is false weighs nothing; one that cannot be seen keeps its weight and is
 * never chosen, so that it takes away from how sure of another one heal is. Evidence that is false
 * or unknown counts for nothing. */
#include <stdarg.h>
#include <stdio.h>

#include "lang/print.h"
#include "runtime/engine/engine_internal.h"

enum status causes_add(struct engine *engine, struct policy_run *run, struct error *error)
{
    for (const struct cause *cause = run->policy->causes; cause; cause = cause->next) {
        CHECK(run->cause_count < CAUSES_MAX && cause->ladder);
        struct cause_run *to = &run->causes[run->cause_count++];
        *to = (struct cause_run){.cause = cause, .prior = cause_prior(run->policy, cause)};
        if (cause->when.expr && !(to->when = eval_watch_new(engine->eval, run->pool->entities,
                                                            cause->when.expr, run->every, error))) {
            return STATUS_LIMIT;
        }
        for (const struct evidence *e = cause->evidence; e; e = e->next) {
            CHECK(to->evidence_count < EVIDENCE_MAX);
            if (e->origin.text) {
                to->evidence[to->evidence_count++] = NULL;
                continue;
            }
            struct eval_watch *watch =
                eval_watch_new(engine->eval, run->pool->entities, e->is.expr, run->every, error);
            if (!watch) {
                return STATUS_LIMIT;
            }
            to->evidence[to->evidence_count++] = watch;
        }
    }
    return STATUS_OK;
}

/* ---- weighing ---- */

struct weighing {
    enum truth truth[CAUSES_MAX];
    double share[CAUSES_MAX]; /* of 1 */
    size_t best;              /* CAUSES_MAX: none is true */
    bool unseen;              /* some cause cannot be seen */
};

/* What the weighing looks at. */
struct scene {
    const struct engine *engine;
    const uint64_t *live;
    size_t slot;
    enum truth blind; /* UNKNOWN: whether trouble has an origin cannot be seen; else TRUE */
    uint32_t origin;  /* of the trouble of the policy's service; GRAPH_NONE: none is seen */
};

static struct scene scene_of(struct engine *engine, const struct policy_run *run, size_t slot)
{
    struct scene scene = {.engine = engine,
                          .live = eval_entities_live(run->pool->entities),
                          .slot = slot,
                          .blind = TRUTH_TRUE,
                          .origin = GRAPH_NONE};
    bool asked = false;
    for (size_t i = 0; i < run->cause_count; i++) {
        for (const struct evidence *e = run->causes[i].cause->evidence; e; e = e->next) {
            asked |= e->origin.text != NULL;
        }
    }
    if (asked && run->service != GRAPH_NONE) {
        bool blind;
        scene.origin = cascade_origin(engine, run->service, &blind);
        scene.blind = blind ? TRUTH_UNKNOWN : TRUTH_TRUE;
    }
    return scene;
}

static enum truth evidence_truth(const struct scene *scene, const struct evidence *evidence,
                                 const struct eval_watch *watch)
{
    if (watch) {
        return engine_truth(watch, scene->live, scene->slot);
    }
    if (scene->origin != GRAPH_NONE &&
        scene->origin == graph_find(&scene->engine->graph, evidence->origin.text)) {
        return TRUTH_TRUE;
    }
    return scene->blind == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

static double weight_of(const struct cause_run *cause, const struct scene *scene)
{
    double weight = cause->prior;
    size_t i = 0;
    for (const struct evidence *e = cause->cause->evidence; e; e = e->next, i++) {
        const double times = e->has_times ? e->times.value : EVIDENCE_TIMES;
        if (evidence_truth(scene, e, cause->evidence[i]) == TRUTH_TRUE) {
            weight = e->against ? weight / times : weight * times;
        }
    }
    return weight;
}

static struct weighing weigh(const struct policy_run *run, const struct scene *scene)
{
    struct weighing w = {.best = CAUSES_MAX};
    bool none = true; /* of the causes so far is anything but false */
    double sum = 0;
    for (size_t i = 0; i < run->cause_count; i++) {
        const struct cause_run *cause = &run->causes[i];
        w.truth[i] = cause->when ? engine_truth(cause->when, scene->live, scene->slot)
                     : none      ? TRUTH_TRUE
                                 : TRUTH_FALSE;
        none &= w.truth[i] == TRUTH_FALSE;
        w.unseen |= w.truth[i] == TRUTH_UNKNOWN;
        w.share[i] = w.truth[i] == TRUTH_FALSE ? 0 : weight_of(cause, scene);
        sum += w.share[i];
    }
    for (size_t i = 0; i < run->cause_count; i++) {
        w.share[i] = sum > 0 ? w.share[i] / sum : 0;
        if (w.truth[i] == TRUTH_TRUE && (w.best == CAUSES_MAX || w.share[i] > w.share[w.best])) {
            w.best = i; /* of equals the first written */
        }
    }
    return w;
}

/* ---- words ---- */

struct words {
    char text[TEXT_BYTES];
    size_t used;
};

PRINTF_LIKE(2, 3)
static void say(struct words *words, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const size_t room = sizeof words->text - words->used;
    int n = vsnprintf(words->text + words->used, room, fmt, args);
    words->used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    va_end(args);
}

static void say_evidence(struct words *words, const struct cause_run *cause,
                         const struct scene *scene)
{
    size_t i = 0;
    for (const struct evidence *e = cause->cause->evidence; e; e = e->next, i++) {
        const enum truth truth = evidence_truth(scene, e, cause->evidence[i]);
        if (truth == TRUTH_FALSE) {
            continue;
        }
        struct arena arena = {0};
        say(words, ", %s %.80s%s", e->against ? "against it" : "for it",
            e->origin.text ? arena_printf(&arena, "origin(%s)", e->origin.text)
                           : print_expr(&arena, e->is.expr),
            truth == TRUTH_UNKNOWN ? " (not seen)" : "");
        arena_release(&arena);
    }
}

static void say_causes(struct words *words, const struct policy_run *run, const struct scene *scene,
                       const struct weighing *w)
{
    for (size_t i = 0; i < run->cause_count; i++) {
        const struct cause_run *cause = &run->causes[i];
        say(words, "%s%s ", i > 0 ? "; " : "", cause->cause->name.text);
        switch (w->truth[i]) {
        case TRUTH_FALSE: say(words, "no"); break;
        case TRUTH_TRUE: say(words, "%.0f%%", 100 * w->share[i]); break;
        case TRUTH_UNKNOWN: say(words, "not seen, perhaps %.0f%%", 100 * w->share[i]); break;
        }
        if (w->truth[i] != TRUTH_FALSE) {
            say_evidence(words, cause, scene);
        }
    }
}

/* ---- the decision ---- */

void cause_set(struct incident *incident, size_t cause)
{
    incident->cause = (uint32_t)cause + 1;
    snprintf(incident->cause_name, sizeof incident->cause_name, "%s",
             incident->run->causes[cause].cause->name.text);
    incident->rung = incident->run->ladders[incident->run->causes[cause].ladder].rung;
}

bool cause_decide(struct engine *engine, struct incident *incident, struct effects *effects)
{
    const struct policy_run *run = incident->run;
    const struct escalate *escalate = &run->policy->escalate;
    if (incident->slot == SLOT_NONE) {
        return false;
    }
    const struct scene scene = scene_of(engine, run, incident->slot);
    const struct weighing w = weigh(run, &scene);
    const char *name = w.best < CAUSES_MAX ? run->causes[w.best].cause->name.text : NULL;
    const bool unsure =
        name && escalate->has_confidence && w.share[w.best] < escalate->confidence.value;
    struct words words = {.used = 0};
    if (name) {
        say(&words, CAUSE_WORD "%s, %.0f%% sure: ", name, 100 * w.share[w.best]);
    } else {
        say(&words, "no cause: ");
    }
    say_causes(&words, run, &scene, &w);
    if (name) {
        cause_set(incident, w.best);
    }
    engine_record(engine, effects, RECORD_CONCLUDED, incident, "%s", words.text);
    if (unsure) {
        char reason[TEXT_BYTES];
        snprintf(reason, sizeof reason, "not sure of the cause: %s %.0f%%, and %s is asked for",
                 name, 100 * w.share[w.best], escalate->confidence.text);
        incident_hold(engine, incident, effects, reason);
    } else if (!name) {
        incident_hold(engine, incident, effects,
                      w.unseen ? "the cause cannot be seen" : "none of the causes is true");
    }
    return name && !unsure;
}

void cause_restore(struct incident *incident, const struct record *record)
{
    const struct policy_run *run = incident->run;
    for (size_t i = 0; run && i < run->cause_count; i++) {
        if (record_has_cause(record->text, run->causes[i].cause->name.text)) {
            cause_set(incident, i);
        }
    }
}
