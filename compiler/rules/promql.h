/* Expressions of PromQL as heal writes them: the same text, but for the few places that heal would
 * read otherwise.
 *
 *     struct promql promql;
 *     if (!promql_read(&arena, "when > 2%3", &promql)) ... promql.why, promql.place
 *     promql.text     {__name__="when"} > 2 %3
 *     promql.changes  what was rewritten, a line each
 *
 * What is no PromQL is refused, though heal would take it: 4GiB, 90% of x, forecast(...). */
#ifndef HEAL_COMPILER_RULES_PROMQL_H
#define HEAL_COMPILER_RULES_PROMQL_H

#include "compiler/rules/report.h"
#include "lang/arena.h"

enum { PROMQL_BYTES_MAX = 64 * 1024 };

struct promql_change {
    const char *text; /* one sentence without a full stop */
    struct promql_change *next;
};
struct promql {
    const char *text;
    struct promql_change *changes;
    const char *why;          /* of a refusal */
    struct rules_place place; /* of a refusal, in the text that was given */
};

bool promql_read(struct arena *arena, const char *text, struct promql *ret);

#endif
