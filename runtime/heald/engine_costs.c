/* See engine_costs.h. What has machine code is called as its kernel, k_ and the hash of its group;
 * what the reference evaluator runs n_ and the hash of the operator. */
#include "runtime/heald/engine_costs.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/heald/engine_place.h"

enum { OPERATOR_BYTES = ABI_TEXT_BYTES + 16, NAME_OF_COST_BYTES = 24 };

struct words {
    char kernel[NAME_OF_COST_BYTES], operator[OPERATOR_BYTES];
    const char *by;
};

/* Names of metrics come from outside: what could break a line or a label is shown as '?'. */
static struct words words_of(const struct eval_cost *cost)
{
    struct words words = {.by = cost->code ? "code" : "reference"};
    snprintf(words.kernel, sizeof words.kernel, "%c_%016" PRIx64, cost->code ? 'k' : 'n',
             cost->hash);
    if (cost->members > 1) {
        snprintf(words.operator, sizeof words.operator, "%s +%u", cost->text, cost->members - 1);
    } else {
        snprintf(words.operator, sizeof words.operator, "%s", cost->text);
    }
    for (char *c = words.operator; *c; c++) {
        bool plain = *c >= ' ' && *c <= '~' && *c != '"' && *c != '\\';
        *c = plain ? *c : '?';
    }
    return words;
}

void engine_costs_lines(const struct generation *generation, char ret[ENGINE_COSTS_BYTES])
{
    enum { LINE_BYTES = OPERATOR_BYTES + NAME_OF_COST_BYTES + 128 };
    _Static_assert((EVAL_COSTS_MAX + 1) * LINE_BYTES <= ENGINE_COSTS_BYTES, "all lines fit");
    const struct eval_costs *costs = eval_costs(engine_eval(generation->engine));
    size_t used = 0;
    for (size_t i = 0; i < costs->count; i++) {
        struct words words = words_of(&costs->items[i]);
        used += (size_t)snprintf(
            ret + used, LINE_BYTES,
            "heald_kernel_seconds_total{kernel=\"%s\",operator=\"%s\",by=\"%s\"} %.9f\n",
            words.kernel, words.operator, words.by, duration_to_seconds(costs->items[i].time));
    }
    snprintf(ret + used, LINE_BYTES,
             "heald_kernel_seconds_total{kernel=\"\",operator=\"other\",by=\"\"} %.9f\n",
             duration_to_seconds(costs->other));
}

static json_t *cost_json(const struct generation *generation, const struct eval_cost *cost,
                         double all_ns)
{
    struct words words = words_of(cost);
    struct engine_place place = engine_place_of(generation, cost->span);
    const double ns = (double)cost->time.ns;
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:I, s:s, s:o}", "kernel", words.kernel,
                     "operator", words.operator, "by", words.by, "seconds", ns / NS_PER_S, "share",
                     all_ns > 0 ? ns / all_ns : 0, "ns_per_slot",
                     cost->slots > 0 ? ns / (double)cost->slots : 0, "slots",
                     (json_int_t)((cost->slots + cost->runs / 2) / cost->runs), "policy",
                     place.policy, "place", json_sprintf("%s:%zu", place.path, place.line));
}

json_t *engine_costs_json(const struct generation *generation)
{
    const struct eval_costs *costs = eval_costs(engine_eval(generation->engine));
    double all_ns = (double)costs->other.ns;
    json_t *operators = json_array();
    for (size_t i = 0; i < costs->count; i++) {
        all_ns += (double)costs->items[i].time.ns;
    }
    for (size_t i = 0; i < costs->count; i++) {
        json_array_append_new(operators, cost_json(generation, &costs->items[i], all_ns));
    }
    return json_pack("{s:I, s:i, s:o, s:f}", "ticks", (json_int_t)costs->ticks, "every",
                     EVAL_TIMES_EVERY, "operators", operators, "other_seconds",
                     duration_to_seconds(costs->other));
}
