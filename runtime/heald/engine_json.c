/* See engine_json.h. */
#include "runtime/heald/engine_json.h"

#include <math.h>

json_t *json_text(const char *text)
{
    json_t *string = json_string(text);
    return string ? string : json_string("(not UTF-8)");
}

json_t *json_time(struct instant t)
{
    return t.ns ? json_real(instant_to_seconds(t)) : json_null();
}

json_t *json_value(double value)
{
    return isfinite(value) ? json_real(value)
                           : json_string(isnan(value) ? "NaN"
                                         : value > 0  ? "+Inf"
                                                      : "-Inf");
}
