/* Spans are offsets over all sources, so a policy holds those between its own ends. */
#include "runtime/heald/engine_place.h"

struct engine_place engine_place_of(const struct generation *generation, struct span span)
{
    struct position position = sources_position(&generation->sources, span.start);
    struct engine_place place = {
        .path = position.source ? position.source->path : "?", .line = position.line, .policy = ""};
    for (const struct policy *policy = generation->program->policies; policy;
         policy = policy->next) {
        if (span.start >= policy->span.start && span.end <= policy->span.end && span.start > 0) {
            place.policy = policy->name.text;
        }
    }
    return place;
}
