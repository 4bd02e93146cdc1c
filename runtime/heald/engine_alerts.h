/* The answer to alerts: those that fire, then those that are pending, a page at a time. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_ALERTS_H
#define HEAL_RUNTIME_HEALD_ENGINE_ALERTS_H

#include <jansson.h>

#include "runtime/engine/engine.h"

enum {
    ALERTS_ANSWER_MAX = 500,               /* alerts of one answer */
    ALERTS_ANSWER_BYTES_MAX = 1024 * 1024, /* of their texts, unescaped, but for the last one's */
};

/* Of the request it reads `after`, how many of them were told already, and `annotations`. */
json_t *engine_alerts_json(const struct engine *engine, const json_t *request);

#endif
