/* Answers the queries of templates from a store.
 *
 *     struct template_data data = {..., .query = template_query, .query_context = store};
 *
 * The text is parsed, checked and evaluated anew each time, at the time of the template, over what
 * the store keeps by then: the newest samples, and of windows its retention, which in a live store
 * is STORE_LIVE_MS. A longer window holds what is there. */
#ifndef HEAL_RUNTIME_ENGINE_TEMPLATE_QUERY_H
#define HEAL_RUNTIME_ENGINE_TEMPLATE_QUERY_H

#include "runtime/engine/template.h"

enum { TEMPLATE_QUERY_BYTES_MAX = 4096 };

template_query_f template_query; /* the context is the struct store */

#endif
