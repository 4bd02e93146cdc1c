/* Alerts of policies for each series, and the incidents they are: a firing one is open, a resolved
 * one closes it.
 *
 * After a restart the journal knows which alerts were firing, not how long others were pending: an
 * alert whose incident is on record goes on firing when its series is there again, any other begins
 * anew. */
#include <stdio.h>
#include <string.h>

#include "lang/print.h"
#include "runtime/engine/engine_internal.h"

enum {
    RESTORE_GRACE_S = 300
}; /* windows are empty after a restart: no alert is resolved so soon */

/* ---- setting up ---- */

static void step(void *context, struct instant now)
{
    alert_rule_step(context, now);
}

enum status alerts_add(struct engine *engine, struct policy_run *run, struct error *error)
{
    const struct policy *policy = run->policy;
    struct alert_rule_settings settings = {
        .every = run->every,
        .hold = run->hold,
        .keep = policy->has_keep_firing ? duration_seconds(policy->keep_firing.value)
                                        : (struct duration){0},
        .as_prometheus = run->as_prometheus,
        .outside = &engine->outside,
    };
    struct eval_node *node = eval_add(engine->eval, policy->when.expr, run->every, error);
    if (!node) {
        return STATUS_LIMIT;
    }
    TRY(alert_rule_new(policy, engine->store, node, &settings, &run->alerts, error));
    eval_writes(engine->eval, ALERTS_NAME);
    eval_writes(engine->eval, ALERTS_FOR_STATE_NAME);
    return eval_step_add(engine->eval, node, step, run->alerts, error);
}

enum status alerts_record(struct engine *engine, struct error *error)
{
    bool read =
        eval_reads(engine->eval, ALERTS_NAME) || eval_reads(engine->eval, ALERTS_FOR_STATE_NAME);
    for (size_t i = 0; read && i < engine->policy_count; i++) {
        if (engine->policies[i]->alerts) {
            TRY(alert_rule_record(engine->policies[i]->alerts, error));
        }
    }
    return STATUS_OK;
}

/* ---- incidents ---- */

/* The labels but the alert's name, cut where there is no room: then their hash tells them apart. */
static void target_text(const struct alert *alert, char ret[TARGET_BYTES])
{
    struct label label;
    size_t used = 0;
    ret[0] = '\0';
    for (size_t i = 0; alert_labels_at(&alert->labels, i, &label); i++) {
        if (strcmp(label.name, ALERT_NAME_LABEL) == 0) {
            continue;
        }
        int n = snprintf(ret + used, TARGET_BYTES - used, "%s%s=%s", used ? "," : "", label.name,
                         label.value);
        if (n < 0 || (size_t)n >= TARGET_BYTES - used) {
            enum { HASH_BYTES = 17 };
            uint64_t hash = hash_bytes(HASH_INIT, alert->labels.bytes, alert->labels.length);
            used = TARGET_BYTES - 1 - HASH_BYTES;
            while (used > 0 && ((unsigned char)ret[used] & 0xC0) == 0x80) {
                used--;
            }
            snprintf(ret + used, TARGET_BYTES - used, "~%016llx", (unsigned long long)hash);
            return;
        }
        used += (size_t)n;
    }
}

/* Summary, description or what the policy is about: the first there is. */
static void incident_text(const struct alert_rule *rule, const struct alert *alert,
                          struct instant now, char ret[TEXT_BYTES])
{
    const struct alert_about about = alert_about(alert, now);
    const struct policy *policy = rule->policy;
    if (!alert_texts_find(rule->texts, "summary", &about, ret, TEXT_BYTES) &&
        !alert_texts_find(rule->texts, "description", &about, ret, TEXT_BYTES)) {
        snprintf(ret, TEXT_BYTES, "%s", policy->about ? policy->about : policy->name.text);
    }
}

static void open_incident(struct engine *engine, struct policy_run *run, struct alert *alert,
                          struct effects *effects)
{
    struct incident *incident = incident_new(engine, run, SLOT_NONE, ++engine->next_incident);
    struct arena arena = {0};
    char value[64];
    alert->incident = incident->id;
    incident->alerting = true;
    run->bound++;
    target_text(alert, incident->target);
    incident_text(run->alerts, alert, engine->now, incident->text);
    engine->counters.opened++;
    engine_record(engine, effects, RECORD_OPENED, incident, "%s", incident->text);
    engine_record(
        engine, effects, RECORD_CONCLUDED, incident, "when %.400s; value = %s",
        print_expr(&arena, run->policy->when.expr),
        quantity_print(alert->value, run->policy->when.expr->type.dimension, value, sizeof value));
    arena_release(&arena);
    incident_hand_over(engine, incident, effects);
}

/* Incidents are in the order of their ids. */
static struct incident *incident_of(const struct engine *engine, uint64_t id)
{
    size_t low = 0, high = engine->incident_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (engine->incidents[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < engine->incident_count && engine->incidents[low]->id == id;
    return found ? engine->incidents[low] : NULL;
}

static void close_resolved(struct engine *engine, struct policy_run *run, struct effects *effects)
{
    struct alert_rule *rule = run->alerts;
    for (size_t i = 0; i < INCIDENT_CLOSE_MAX_PER_TICK && rule->resolved_count > 0; i++) {
        struct incident *incident = incident_of(engine, rule->resolved[--rule->resolved_count]);
        if (incident) {
            incident_close(engine, incident, effects, "resolved");
        }
    }
}

static void open_firing(struct engine *engine, struct policy_run *run, struct effects *effects)
{
    struct alert_rule *rule = run->alerts;
    size_t opened = 0;
    run->backlog = rule->resolved_count > 0;
    for (size_t i = 0; i < rule->count; i++) {
        struct alert *alert = rule->alerts[i];
        if (!alert->firing || alert->incident) {
            continue;
        }
        if (engine->incident_count >= ENGINE_INCIDENTS_MAX) {
            engine->counters.dropped_incidents++;
            return;
        }
        if (opened++ == INCIDENT_OPEN_MAX_PER_TICK) {
            run->backlog = true;
            return;
        }
        open_incident(engine, run, alert, effects);
    }
}

/* ---- after a restart ---- */

static void bind_alert(const struct engine *engine, struct policy_run *run, struct alert *alert)
{
    char target[TARGET_BYTES];
    target_text(alert, target);
    for (size_t i = 0; i < engine->incident_count; i++) {
        struct incident *incident = engine->incidents[i];
        if (incident->run == run && !incident->alerting && strcmp(incident->target, target) == 0) {
            incident->alerting = true;
            run->bound++;
            alert->incident = incident->id;
            run->alerts->firing += !alert->firing;
            alert->firing = true;
            alert->active_at = (struct instant){incident->opened.ns - run->hold.ns};
            return;
        }
    }
}

/* Incidents of the journal find the alerts they are of; those that have none for long are over. */
static void bind_alerts(struct engine *engine, struct policy_run *run, struct effects *effects)
{
    const struct alert_rule *rule = run->alerts;
    if (run->open == run->bound) {
        return;
    }
    for (size_t i = 0; i < rule->count; i++) {
        if (!rule->alerts[i]->incident) {
            bind_alert(engine, run, rule->alerts[i]);
        }
    }
    const int64_t grace_ns = RESTORE_GRACE_S * NS_PER_S + rule->settings.keep.ns;
    if (engine->now.ns - rule->first.ns < grace_ns || !store_warm(engine->store)) {
        return;
    }
    for (size_t i = engine->incident_count; i > 0; i--) {
        struct incident *incident = engine->incidents[i - 1];
        if (incident->run == run && !incident->alerting) {
            incident_close(engine, incident, effects, "resolved while heal was away");
        }
    }
}

/* ---- a step ---- */

bool alerts_due(const struct policy_run *run)
{
    return run->alerts->ran || run->backlog;
}

void alerts_step(struct engine *engine, struct policy_run *run, struct effects *effects)
{
    if (run->alerts->ran) {
        bind_alerts(engine, run, effects);
        run->unknown_count = run->alerts->unknown_count;
    }
    close_resolved(engine, run, effects);
    open_firing(engine, run, effects);
}

/* ---- views ---- */

size_t engine_alert_count(const struct engine *engine)
{
    size_t count = 0;
    for (size_t i = 0; i < engine->policy_count; i++) {
        count += engine->policies[i]->alerts ? engine->policies[i]->alerts->count : 0;
    }
    return count;
}

static const struct alert *alert_at(const struct engine *engine, size_t index,
                                    const struct alert_rule **ret_rule)
{
    for (size_t i = 0; i < engine->policy_count; i++) {
        const struct alert_rule *rule = engine->policies[i]->alerts;
        size_t count = rule ? rule->count : 0;
        if (index < count) {
            *ret_rule = rule;
            return rule->alerts[index];
        }
        index -= count;
    }
    CHECK(false);
    return NULL;
}

static struct alert_view view_of(const struct alert_rule *rule, const struct alert *alert)
{
    return (struct alert_view){.policy = rule->policy->name.text,
                               .labels = alert->entity,
                               .firing = alert->firing,
                               .active_at = alert->active_at,
                               .value = alert->value,
                               .incident = alert->incident,
                               .rule = rule,
                               .alert = alert};
}

struct alert_view engine_alert(const struct engine *engine, size_t index)
{
    const struct alert_rule *rule;
    const struct alert *alert = alert_at(engine, index, &rule);
    return view_of(rule, alert);
}

size_t engine_alerts_firing(const struct engine *engine)
{
    size_t count = 0;
    for (size_t i = 0; i < engine->policy_count; i++) {
        count += engine->policies[i]->alerts ? engine->policies[i]->alerts->firing : 0;
    }
    return count;
}

size_t engine_alerts_find(const struct engine *engine, bool firing, size_t skip,
                          struct alert_view *ret, size_t max)
{
    size_t found = 0;
    for (size_t i = 0; i < engine->policy_count && found < max; i++) {
        const struct alert_rule *rule = engine->policies[i]->alerts;
        const size_t here = !rule ? 0 : firing ? rule->firing : rule->count - rule->firing;
        if (here <= skip) {
            skip -= here;
            continue;
        }
        for (size_t a = 0; a < rule->count && found < max; a++) {
            if (rule->alerts[a]->firing != firing) {
                continue;
            }
            if (skip > 0) {
                skip--;
            } else {
                ret[found++] = view_of(rule, rule->alerts[a]);
            }
        }
    }
    return found;
}

bool alert_view_label(const struct alert_view *view, size_t at, struct label *ret_label)
{
    return alert_labels_at(&view->alert->labels, at, ret_label);
}

bool engine_alert_label(const struct engine *engine, size_t index, size_t at,
                        struct label *ret_label)
{
    const struct alert_view view = engine_alert(engine, index);
    return alert_view_label(&view, at, ret_label);
}

const char *alert_view_annotation(const struct engine *engine, const struct alert_view *view,
                                  size_t at, char *ret, size_t size)
{
    const struct alert_about about = alert_about(view->alert, engine->now);
    return at < alert_texts_annotations(view->rule->texts)
               ? alert_texts_annotation(view->rule->texts, at, &about, ret, size)
               : NULL;
}

const char *engine_alert_annotation(const struct engine *engine, size_t index, size_t at, char *ret,
                                    size_t size)
{
    const struct alert_view view = engine_alert(engine, index);
    return alert_view_annotation(engine, &view, at, ret, size);
}
