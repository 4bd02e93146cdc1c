/* What `query` of templates is answered: the newest samples of the store, at the time of the text.
 *
 * The expression is evaluated by an evaluator of its own over copies of the samples it selects, so
 * that nothing of it stays: no name, no state. A live store keeps no past for it: there ranges,
 * offsets and `@` are refused, and what has state everywhere. It is asked while a step tells of
 * alerts, so what all queries of one step may do is bounded; those beyond are refused too.
 *
 *     struct alert_query query = {.store = store};
 *     struct alert_outside outside = {.query = alert_query_answer, .query_context = &query};
 */
#ifndef HEAL_RUNTIME_ENGINE_ALERT_QUERY_H
#define HEAL_RUNTIME_ENGINE_ALERT_QUERY_H

#include "runtime/engine/template.h"

enum {
    ALERT_QUERY_BYTES_MAX = 4096,   /* of one expression */
    ALERT_QUERY_SERIES_MAX = 10000, /* that one query selects */
    /* Work is counted in samples looked at, some 50 ns each. */
    ALERT_QUERY_WORK = 400,        /* of one query, whatever it reads */
    ALERT_QUERY_REGEX_WORK = 4,    /* of one regular expression on one sample, besides */
    ALERT_QUERY_COPY_WORK = 20,    /* of one sample that is selected, besides */
    ALERT_QUERY_WORK_MAX = 1000000 /* of all queries of one step */
};

struct alert_query {
    const struct store *store;
    struct instant now; /* of the step that the work is of */
    size_t work;
};

/* A template_query_f over a struct alert_query. */
enum status alert_query_answer(void *context, const char *text, struct instant now,
                               struct arena *arena, struct template_vector *ret,
                               struct error *error);

#endif
