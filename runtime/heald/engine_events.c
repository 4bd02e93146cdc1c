/* See engine_events.h. */
#include "runtime/heald/engine_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/needs.h"
#include "runtime/ingest/event_source.h"

bool engine_event_record(const struct label_set *labels, struct instant time, struct record *ret)
{
    json_t *set = json_object();
    bool good = set != NULL;
    for (size_t i = 0; i < labels->count && good; i++) {
        const struct label label = label_set_at(labels, i);
        good = json_object_set_new(set, label.name, json_string(label.value)) == 0;
    }
    char *text = good ? json_dumps(set, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    const char *kind = json_string_value(json_object_get(set, "kind"));
    good = text && strlen(text) <= EVENT_SET_BYTES_MAX && kind && strlen(kind) < NAME_BYTES;
    if (good) {
        ret->kind = RECORD_EVENT;
        snprintf(ret->action, sizeof ret->action, "%s", kind);
        snprintf(ret->text, sizeof ret->text, "%s %lld", text, (long long)(time.ns / NS_PER_MS));
    }
    free(text);
    json_decref(set);
    return good;
}

struct restoring {
    struct store *store;
    struct flight *flight;
    uint32_t source;
    struct instant now;
    int64_t after_ms;
};

static void restore_event(const struct restoring *restoring, const char *text)
{
    const char *space = strrchr(text, ' ');
    struct label labels[EVENT_LABELS_MAX + 1];
    struct error error;
    json_t *json = NULL;
    uint32_t series;
    if (!space) {
        return;
    }
    const int64_t ms = strtoll(space + 1, NULL, 10);
    const struct instant time = {ms * NS_PER_MS};
    const size_t count = event_set_labels(text, (size_t)(space - text), labels, &json);
    if (count > 0 && ms > restoring->after_ms &&
        store_series(restoring->store, restoring->source, EVENT_METRIC, labels, count, &series,
                     &error) == STATUS_OK) {
        (void)store_append(restoring->store, series, restoring->now, time, 1);
        flight_series(restoring->flight, series, restoring->source, EVENT_METRIC, labels, count);
        flight_append(restoring->flight, series, restoring->now, time, 1);
    }
    json_decref(json);
}

static bool restore_record(void *context, const struct record *record)
{
    if (record->kind == RECORD_EVENT) {
        restore_event(context, record->text);
    }
    return true;
}

enum status engine_events_restore(struct journal *journal, struct store *store,
                                  struct flight *flight, struct instant now, struct error *error)
{
    const struct duration interval = duration_seconds(EVENT_INTERVAL_S);
    const struct duration grace = duration_seconds(EVENT_GRACE_S);
    struct restoring restoring = {
        .store = store,
        .flight = flight,
        .now = now,
        .after_ms = now.ns / NS_PER_MS - WINDOW_DAYS_MAX * 86400000LL,
    };
    TRY(store_source(store, EVENT_SOURCE_NAME, interval, grace, &restoring.source, error));
    flight_source(flight, restoring.source, EVENT_SOURCE_NAME, interval, grace);
    return journal_scan(journal, 1, 0, restore_record, &restoring, error);
}

enum status engine_events_check(const struct config *config, struct program *program,
                                struct arena *arena, struct error *error)
{
    for (const struct policy *policy = program->policies; policy && !config->events.enabled;
         policy = policy->next) {
        const struct policy_needs needs = policy_needs_of(arena, policy);
        for (size_t i = 0; i < needs.metric_count; i++) {
            if (strcmp(needs.metrics[i], EVENT_SOURCE_METRIC) == 0) {
                return error_set(error, STATUS_NOT_FOUND,
                                 "policy '%s' asks for events, and heald.yaml takes none: it needs "
                                 "events: {enabled: true}",
                                 policy->name.text);
            }
        }
    }
    return STATUS_OK;
}
