/* See engine_memory.h. */
#include "runtime/heald/engine_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/control.h"
#include "runtime/heald/engine_json.h"

/* The text of a filter. False: it is there and no text. */
static bool filter_of(const json_t *args, const char *key, const char **ret)
{
    const json_t *value = json_object_get(args, key);
    *ret = json_string_value(value);
    return value == NULL || json_is_null(value) || *ret != NULL;
}

static bool limit_of(const json_t *args, size_t *ret)
{
    const json_t *value = json_object_get(args, "limit");
    const json_int_t limit = value ? json_integer_value(value) : ENGINE_HISTORY_DEFAULT;
    *ret = (size_t)limit;
    return limit >= 1 && limit <= MEMORY_HISTORY_MAX;
}

/* As a query gives them: 0 is no time. */
static json_t *actions_json(const struct memory_incident *incident)
{
    json_t *actions = json_array();
    for (size_t i = 0; i < incident->action_count; i++) {
        const struct memory_action *action = &incident->actions[i];
        json_array_append_new(
            actions,
            json_pack("{s:o, s:o, s:b, s:o, s:o}", "action", json_text(action->action), "result",
                      json_text(action->result), "undo", (int)action->undo, "begun",
                      json_time(action->begun), "ended", json_time(action->ended)));
    }
    return actions;
}

static void add_incident(void *context, const struct memory_incident *incident)
{
    json_t *took =
        incident->closed.ns
            ? json_real(duration_to_seconds(instant_sub(incident->closed, incident->opened)))
            : json_null();
    json_array_append_new(
        context,
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                  (json_int_t)incident->id, "policy", json_text(incident->policy), "target",
                  json_text(incident->target), "type", json_text(incident->type), "cause",
                  json_text(incident->cause), "opened", json_time(incident->opened), "closed",
                  json_time(incident->closed), "took_seconds", took, "ended",
                  json_text(incident->ended), "last", json_text(incident->last), "text",
                  json_text(incident->text), "actions", actions_json(incident)));
}

json_t *engine_history_json(struct memory_db *memory, const json_t *args)
{
    struct error error;
    struct memory_query query;
    if (!filter_of(args, "policy", &query.policy) || !filter_of(args, "target", &query.target) ||
        !limit_of(args, &query.limit)) {
        return control_error(
            CONTROL_USAGE, "history takes the texts 'policy' and 'target' and a 'limit' of 1 to %d",
            MEMORY_HISTORY_MAX);
    }
    json_t *incidents = json_array();
    if (memory_history(memory, &query, add_incident, incidents, &error) != STATUS_OK) {
        json_decref(incidents);
        return control_error(CONTROL_NEGATIVE, "%s", error.message);
    }
    return json_pack("{s:o, s:I}", "incidents", incidents, "behind",
                     (json_int_t)memory_state(memory).behind);
}

static int by_key(const void *a, const void *b)
{
    const struct learn_key *x = a, *y = b;
    int order = strcmp(x->policy, y->policy);
    order = order ? order : strcmp(x->class, y->class);
    return order ? order : strcmp(x->action, y->action);
}

static json_t *outcome_json(const struct learn_key *key, const struct learned *learned)
{
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o}", "policy",
                     json_text(key->policy), "class", json_text(key->class), "action",
                     json_text(key->action), "verified", (json_int_t)learned->verified,
                     "unverified", (json_int_t)learned->unverified, "failed",
                     (json_int_t)learned->failed, "weight", learned->weight, "mean", learned->mean,
                     "low", learned->low, "high", learned->high, "last", json_time(learned->last));
}

json_t *engine_outcomes_json(const struct memory_db *memory, struct instant now, const json_t *args)
{
    const char *policy;
    const struct learning *learning = memory_learning(memory);
    const size_t count = learn_count(learning);
    if (!filter_of(args, "policy", &policy)) {
        return control_error(CONTROL_USAGE, "outcomes takes the text 'policy'");
    }
    struct learn_key *keys = heap_alloc((count + 1) * sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        keys[i] = learn_key_at(learning, i);
    }
    qsort(keys, count, sizeof *keys, by_key);
    json_t *outcomes = json_array();
    for (size_t i = 0; i < count; i++) {
        if (policy == NULL || strcmp(policy, keys[i].policy) == 0) {
            const struct learned learned = learn_of(learning, &keys[i], now);
            json_array_append_new(outcomes, outcome_json(&keys[i], &learned));
        }
    }
    free(keys);
    return json_pack("{s:o, s:I}", "outcomes", outcomes, "behind",
                     (json_int_t)memory_state(memory).behind);
}

void engine_judged_add(struct judged_actions *judged, const struct record *record)
{
    char cause[NAME_BYTES];
    if (record->kind == RECORD_CONCLUDED && record_cause(record->text, cause)) {
        snprintf(judged->cause, sizeof judged->cause, "%s", cause);
    }
    if (record->kind != RECORD_VERIFIED && record->kind != RECORD_UNVERIFIED &&
        record->kind != RECORD_FAILED && record->kind != RECORD_ABORTED) {
        return;
    }
    for (size_t i = 0; i < judged->count; i++) {
        if (strcmp(judged->actions[i], record->action) == 0) {
            return;
        }
    }
    if (judged->count < LEARNED_ACTIONS_MAX) {
        snprintf(judged->actions[judged->count++], NAME_BYTES, "%s", record->action);
    }
}

json_t *engine_learned_json(const struct memory_db *memory, struct instant now,
                            const struct record *opened, const struct judged_actions *judged)
{
    char class[LEARN_CLASS_BYTES];
    json_t *rows = json_array();
    learn_class(opened->type, judged->cause, class);
    for (size_t i = 0; i < judged->count; i++) {
        const struct learn_key key = {opened->policy, class, judged->actions[i]};
        const struct learned learned = learn_of(memory_learning(memory), &key, now);
        json_array_append_new(rows, outcome_json(&key, &learned));
    }
    return rows;
}

json_t *engine_memory_json(const struct memory_db *memory)
{
    const struct memory_state state = memory_state(memory);
    return json_pack("{s:I, s:I, s:I, s:o}", "applied", (json_int_t)state.applied, "behind",
                     (json_int_t)state.behind, "rebuilds", (json_int_t)state.rebuilds, "trouble",
                     json_text(state.trouble));
}
