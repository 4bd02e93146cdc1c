/* The answers to `history` and `outcomes`, from the memory of incidents. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_MEMORY_H
#define HEAL_RUNTIME_HEALD_ENGINE_MEMORY_H

#include <jansson.h>

#include "runtime/store/memory.h"

enum { ENGINE_HISTORY_DEFAULT = 50 };

/* args is the request. New references; an error's answer where the request makes no sense, or the
 * memory cannot be read. */
json_t *engine_history_json(struct memory_db *memory, const json_t *args);
json_t *engine_outcomes_json(const struct memory_db *memory, struct instant now,
                             const json_t *args);
/* What is known of the actions that were judged in an incident: the same rows, for its class. */
enum { LEARNED_ACTIONS_MAX = 16 };
struct judged_actions {
    char actions[LEARNED_ACTIONS_MAX][NAME_BYTES];
    size_t count;
    char cause[NAME_BYTES];
};
void engine_judged_add(struct judged_actions *judged, const struct record *record);
json_t *engine_learned_json(const struct memory_db *memory, struct instant now,
                            const struct record *opened, const struct judged_actions *judged);
/* For status: {applied behind rebuilds trouble} */
json_t *engine_memory_json(const struct memory_db *memory);

#endif
