/* The alerts of a policy for each series: Prometheus' alerting rule over one node. */
#include "runtime/engine/alert.h"

#include <stdlib.h>

#include "runtime/engine/column.h"

#define STATE_LABEL     "alertstate"
#define NO_SLOT         SIZE_MAX
#define REHASH_PER_LOAD 2

/* ---- alerts by their labels ---- */

struct table_of_alerts {
    struct alert **items; /* open addressing; NULL: empty */
    size_t count, capacity;
};

static void table_put(struct table_of_alerts *table, struct alert *alert)
{
    size_t i = (size_t)alert->labels.hash & (table->capacity - 1);
    while (table->items[i]) {
        i = (i + 1) & (table->capacity - 1);
    }
    table->items[i] = alert;
    table->count++;
}

/* Made anew where alerts went or there is no room: nothing is ever taken out of it. */
static void table_fill(struct alert_rule *rule)
{
    struct table_of_alerts *table = rule->table;
    size_t wanted = 64;
    while (wanted < (rule->count + 1) * REHASH_PER_LOAD * 2) {
        wanted *= 2;
    }
    if (wanted > table->capacity) {
        free(table->items);
        table->items = heap_alloc(wanted * sizeof(struct alert *));
        table->capacity = wanted;
    } else {
        for (size_t i = 0; i < table->capacity; i++) {
            table->items[i] = NULL;
        }
    }
    table->count = 0;
    for (size_t i = 0; i < rule->count; i++) {
        table_put(table, rule->alerts[i]);
    }
}

static struct alert *table_find(const struct table_of_alerts *table,
                                const struct alert_labels *labels)
{
    for (size_t i = (size_t)labels->hash & (table->capacity - 1); table->items[i];
         i = (i + 1) & (table->capacity - 1)) {
        if (alert_labels_equal(&table->items[i]->labels, labels)) {
            return table->items[i];
        }
    }
    return NULL;
}

/* ---- life of a rule ---- */

enum status alert_rule_new(const struct policy *policy, struct store *store, struct eval_node *node,
                           const struct alert_rule_settings *settings, struct alert_rule **ret,
                           struct error *error)
{
    struct alert_rule *rule = heap_alloc(sizeof *rule);
    rule->policy = policy;
    rule->store = store;
    rule->node = node;
    rule->settings = *settings;
    rule->table = heap_alloc(sizeof *rule->table);
    table_fill(rule);
    enum status status = alert_texts_new(policy, settings->outside, &rule->texts, error);
    if (status != STATUS_OK) {
        alert_rule_free(rule);
        return status;
    }
    *ret = rule;
    return STATUS_OK;
}

enum status alert_rule_record(struct alert_rule *rule, struct error *error)
{
    TRY(recorder_init(&rule->recorder, rule->store, error));
    rule->recorded = true;
    return STATUS_OK;
}

static void series_let_go(const struct alert_rule *rule, struct alert *alert)
{
    for (size_t i = 0; i < ARRAY_LEN(alert->series); i++) {
        if (alert->series[i] != SLOT_NONE) {
            store_let_go(rule->store, alert->series[i]);
            alert->series[i] = SLOT_NONE;
        }
    }
}

static void alert_free(const struct alert_rule *rule, struct alert *alert)
{
    series_let_go(rule, alert);
    alert_labels_release(&alert->labels);
    if (alert->entity) {
        label_set_drop(rule->store, alert->entity);
    }
    free(alert);
}

void alert_rule_free(struct alert_rule *rule)
{
    if (!rule) {
        return;
    }
    for (size_t i = 0; i < rule->count; i++) {
        alert_free(rule, rule->alerts[i]);
    }
    recorder_release(&rule->recorder);
    alert_texts_free(rule->texts);
    alert_labels_release(&rule->scratch);
    free(rule->table->items);
    free(rule->table);
    free(rule->alerts);
    free(rule->resolved);
    free(rule->at);
    free(rule);
}

void alert_rule_adopt(struct alert_rule *rule, struct alert_rule *from)
{
    CHECK(rule->store == from->store && rule->count == 0);
    free(rule->alerts);
    rule->alerts = from->alerts;
    rule->count = from->count;
    rule->capacity = from->capacity;
    from->alerts = NULL;
    rule->firing = from->firing;
    from->count = from->capacity = from->firing = 0;
    free(rule->resolved);
    rule->resolved = from->resolved;
    rule->resolved_count = from->resolved_count;
    rule->resolved_capacity = from->resolved_capacity;
    from->resolved = NULL;
    from->resolved_count = from->resolved_capacity = 0;
    rule->last = from->last;
    rule->first = from->first;
    rule->failures = from->failures;
    rule->failed = from->failed;
    rule->unknown_count = from->unknown_count;
    rule->stamp = from->stamp;
    if (rule->recorded && from->recorded) {
        recorder_adopt(&rule->recorder, &from->recorder);
    }
    for (size_t i = 0; i < rule->count; i++) {
        rule->alerts[i]->slot = NO_SLOT;
    }
    table_fill(rule);
}

struct alert_about alert_about(const struct alert *alert, struct instant now)
{
    return (struct alert_about){alert->name, alert->entity, alert->value, now};
}

/* ---- what the node gives ---- */

/* The slots of the node are others now: each alert finds that of its series. */
static void find_slots(struct alert_rule *rule, const struct eval_column *column)
{
    struct table by_entity = {0};
    rule->at = heap_resize(rule->at, (column->count + 1) * sizeof(struct alert *));
    rule->slots = column->count;
    rule->generation = eval_generation(rule->node);
    for (size_t i = 0; i < column->count; i++) {
        rule->at[i] = NULL;
    }
    for (size_t i = 0; i < rule->count; i++) {
        rule->alerts[i]->slot = NO_SLOT;
        table_add(&by_entity, rule->alerts[i]->entity->hash, (uint32_t)i);
    }
    for (size_t i = 0; i < column->count && rule->count > 0; i++) {
        size_t cursor = SIZE_MAX;
        uint32_t found;
        while ((found = table_next(&by_entity, column->labels[i]->hash, &cursor)) != SLOT_NONE) {
            struct alert *alert = rule->alerts[found];
            const char *name = column->names ? column->names[i] : NULL;
            if (alert->entity == column->labels[i] && alert->name == name) {
                alert->slot = i;
                rule->at[i] = alert;
            }
        }
    }
    table_release(&by_entity);
}

/* A clock of tests begins at 0. */
static const struct instant NEVER = {INT64_MIN};

static struct alert *alert_new(struct alert_rule *rule)
{
    if (rule->count >= ALERTS_MAX) {
        return NULL;
    }
    struct alert *alert = heap_alloc(sizeof *alert);
    alert->active_at = NEVER;
    alert->labels = rule->scratch;
    rule->scratch = (struct alert_labels){0};
    alert->slot = NO_SLOT;
    alert->series[0] = alert->series[1] = SLOT_NONE;
    ARRAY_RESERVE(rule->alerts, rule->count, rule->capacity);
    rule->alerts[rule->count++] = alert;
    if ((rule->table->count + 1) * REHASH_PER_LOAD > rule->table->capacity) {
        table_fill(rule);
    } else {
        table_put(rule->table, alert);
    }
    return alert;
}

/* The alert of the series in this slot, a new one where none has its labels; NULL when it cannot be
 * one. */
static struct alert *alert_of(struct alert_rule *rule, const struct eval_column *column,
                              size_t slot, struct instant now, bool vary)
{
    struct alert *alert = rule->at[slot];
    if (alert && !vary) {
        return alert;
    }
    struct alert_about about = {.name = column->names ? column->names[slot] : NULL,
                                .labels = column->labels[slot],
                                .value = column->values[slot],
                                .now = now};
    if (!alert_texts_labels(rule->texts, &about, &rule->scratch)) {
        return NULL;
    }
    alert = table_find(rule->table, &rule->scratch);
    alert = alert ? alert : alert_new(rule);
    if (alert && alert->stamp != rule->stamp) { /* else two series lead to it, and that fails */
        if (alert->slot != NO_SLOT && rule->at[alert->slot] == alert) {
            rule->at[alert->slot] = NULL;
        }
        label_set_hold(about.labels);
        if (alert->entity) {
            label_set_drop(rule->store, alert->entity);
        }
        alert->entity = about.labels;
        alert->name = about.name;
        alert->slot = slot;
        rule->at[slot] = alert;
    }
    return alert;
}

/* Marks the alerts whose series are there. False when two of them have the same labels, or one
 * cannot be an alert. */
static bool collect(struct alert_rule *rule, const struct eval_column *column, struct instant now)
{
    const bool vary = alert_texts_vary(rule->texts);
    for (size_t w = 0; w < BIT_WORDS(column->count); w++) {
        uint64_t there = column->present[w];
        if (!rule->settings.as_prometheus) {
            there &= ~column->unknown[w];
        }
        for (; there; there &= there - 1) {
            size_t slot = w * 64 + (size_t)__builtin_ctzll(there);
            struct alert *alert = alert_of(rule, column, slot, now, vary);
            if (!alert || alert->stamp == rule->stamp) {
                return false;
            }
            alert->stamp = rule->stamp;
            alert->next_value = column->values[slot];
        }
    }
    return true;
}

/* ---- what becomes of the alerts ---- */

static void alert_end(struct alert_rule *rule, struct alert *alert)
{
    if (alert->incident) {
        ARRAY_RESERVE(rule->resolved, rule->resolved_count, rule->resolved_capacity);
        rule->resolved[rule->resolved_count++] = alert->incident;
    }
    if (alert->slot != NO_SLOT && rule->at[alert->slot] == alert) {
        rule->at[alert->slot] = NULL;
    }
    alert_free(rule, alert);
}

/* Its series is there. */
static void alert_present(struct alert_rule *rule, struct alert *alert, struct instant now)
{
    if (alert->active_at.ns == NEVER.ns) {
        alert->active_at = now;
    }
    alert->value = alert->next_value;
    alert->keep_since = (struct instant){0};
    alert->firing = alert->firing || now.ns - alert->active_at.ns >= rule->settings.hold.ns;
}

/* Its series is gone. True when it goes on all the same. */
static bool alert_absent(struct alert_rule *rule, struct alert *alert, struct instant now)
{
    if (!alert->firing || rule->settings.keep.ns <= 0) {
        return false;
    }
    if (alert->keep_since.ns == 0) {
        alert->keep_since = now;
    }
    return now.ns - alert->keep_since.ns < rule->settings.keep.ns;
}

/* It fires, and cannot be seen whether its series is still there. */
static bool alert_unseen(const struct alert_rule *rule, const struct alert *alert,
                         const struct eval_column *column)
{
    return alert->firing && !rule->settings.as_prometheus &&
           (column->blind || (alert->slot != NO_SLOT && bit_get(column->unknown, alert->slot)));
}

/* Alerts that are over go, the others stay in their order. */
static void settle(struct alert_rule *rule, const struct eval_column *column, struct instant now)
{
    size_t kept = 0;
    rule->firing = 0;
    for (size_t i = 0; i < rule->count; i++) {
        struct alert *alert = rule->alerts[i];
        bool there = alert->stamp == rule->stamp;
        if (there) {
            alert_present(rule, alert, now);
        }
        if (there || alert_unseen(rule, alert, column) || alert_absent(rule, alert, now)) {
            rule->alerts[kept++] = alert;
            rule->firing += alert->firing;
        } else {
            alert_end(rule, alert);
        }
    }
    if (kept < rule->count) {
        rule->count = kept;
        table_fill(rule);
    }
}

/* The evaluation gave no result: the alerts that it would have begun are forgotten. */
static void fail(struct alert_rule *rule, size_t count)
{
    rule->failures++;
    rule->failed = true;
    for (size_t i = count; i < rule->count; i++) {
        alert_end(rule, rule->alerts[i]);
    }
    if (count < rule->count) {
        rule->count = count;
        table_fill(rule);
    }
}

/* ---- ALERTS ---- */

/* Prometheus leaves a label that became empty as it is written. */
static size_t record_labels(const struct alert_rule *rule, const struct alert *alert,
                            struct label ret[STORE_LABELS_MAX])
{
    size_t count = 0;
    while (count < STORE_LABELS_MAX - 1 && alert_labels_at(&alert->labels, count, &ret[count])) {
        count++;
    }
    for (const struct pair *p = rule->policy->labels; p && count < STORE_LABELS_MAX - 1;
         p = p->next) {
        bool there = p->value[0] == '\0';
        for (size_t i = 0; i < count && !there; i++) {
            there = strcmp(ret[i].name, p->name.text) == 0;
        }
        if (!there) {
            ret[count++] = (struct label){p->name.text, p->value};
        }
    }
    return count;
}

/* The series that say that the alert is there, and in which state. */
static void make_series(struct alert_rule *rule, struct alert *alert)
{
    struct label labels[STORE_LABELS_MAX];
    size_t count = record_labels(rule, alert, labels);
    series_let_go(rule, alert);
    alert->series_firing = alert->firing;
    bool for_state =
        recorder_series(&rule->recorder, ALERTS_FOR_STATE_NAME, labels, count, &alert->series[1]);
    for (size_t l = 0; l < count; l++) { /* the state takes the place of such a label */
        if (strcmp(labels[l].name, STATE_LABEL) == 0) {
            labels[l] = labels[--count];
        }
    }
    labels[count++] = (struct label){STATE_LABEL, alert->firing ? "firing" : "pending"};
    bool state = recorder_series(&rule->recorder, ALERTS_NAME, labels, count, &alert->series[0]);
    const bool made[] = {state, for_state};
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        if (made[i]) {
            store_hold(rule->store, alert->series[i]);
        } else {
            alert->series[i] = SLOT_NONE;
        }
    }
}

static void record_alerts(struct alert_rule *rule, struct instant now)
{
    for (size_t i = 0; i < rule->count; i++) {
        struct alert *alert = rule->alerts[i];
        if (alert->series[0] == SLOT_NONE || alert->series_firing != alert->firing) {
            make_series(rule, alert);
        }
        const double values[] = {1, (double)(alert->active_at.ns / NS_PER_S)};
        for (size_t s = 0; s < ARRAY_LEN(values); s++) {
            if (alert->series[s] != SLOT_NONE) {
                recorder_add(&rule->recorder, alert->series[s], values[s]);
            }
        }
    }
    if (!recorder_end(&rule->recorder, now)) {
        rule->failures++; /* labels that only the state of the alert tells apart */
        rule->failed = true;
    }
}

/* ---- a step ---- */

static size_t count_unknown(const struct alert_rule *rule, const struct eval_column *column)
{
    size_t count = 0;
    for (size_t w = 0; w < BIT_WORDS(column->count) && !rule->settings.as_prometheus; w++) {
        count += (size_t)__builtin_popcountll(column->unknown[w]);
    }
    return count + (column->blind && !rule->settings.as_prometheus && count == 0);
}

void alert_rule_step(struct alert_rule *rule, struct instant now)
{
    rule->ran = rule->last.ns == 0 || now.ns - rule->last.ns >= rule->settings.every.ns;
    if (!rule->ran) {
        return;
    }
    rule->failed = false;
    rule->last = now;
    rule->first = rule->first.ns == 0 ? now : rule->first;
    const struct eval_column column = eval_column(rule->node);
    if (rule->generation != eval_generation(rule->node)) {
        find_slots(rule, &column);
    }
    rule->unknown_count = count_unknown(rule, &column);
    rule->stamp++;
    const size_t count = rule->count;
    if (eval_faulted(rule->node) || !collect(rule, &column, now)) {
        fail(rule, count);
        return;
    }
    settle(rule, &column, now);
    if (rule->recorded) {
        record_alerts(rule, now);
    }
}
