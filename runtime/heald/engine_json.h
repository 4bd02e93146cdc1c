/* What all answers of the engine are made of. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_JSON_H
#define HEAL_RUNTIME_HEALD_ENGINE_JSON_H

#include <jansson.h>

#include "lang/base.h"

/* Labels come from outside; what is not UTF-8 is shown as what it is. */
json_t *json_text(const char *text);
/* Seconds since 1970; null for ns 0. */
json_t *json_time(struct instant t);
/* A number, or the text "NaN", "+Inf" or "-Inf", which JSON cannot say as one. */
json_t *json_value(double value);

#endif
