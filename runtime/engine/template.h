/* Go templates as Prometheus expands them in labels and annotations of alerts: text/template with
 * the functions of Prometheus 3.
 *
 *     struct template *t;
 *     TRY(template_new("{{ $labels.pod }} is {{ $value | humanize }}", &t, error));
 *     if (template_run(t, &data, text, sizeof text, error) != STATUS_OK) {
 *         ...                              // text holds "<error expanding template: ...>"
 *     }
 *     template_free(t);
 *
 * query is answered by alert_query.h, or as the caller likes.
 * A template reads nothing but its data: no clock, no file. What it may do is bounded by the limits
 * below; passing one is an error of the run, never of the process. */
#ifndef HEAL_RUNTIME_ENGINE_TEMPLATE_H
#define HEAL_RUNTIME_ENGINE_TEMPLATE_H

#include "lang/arena.h"
#include "runtime/engine/series.h"

enum {
    TEMPLATE_TEXT_BYTES_MAX = 64 * 1024,        /* of the template */
    TEMPLATE_NEST_MAX = 64,                     /* brackets and blocks inside each other */
    TEMPLATE_STEPS_MAX = 100000,                /* nodes that one run may visit */
    TEMPLATE_CALLS_MAX = 32,                    /* templates that call each other */
    TEMPLATE_VARIABLES_MAX = 256,               /* at once */
    TEMPLATE_ARGUMENTS_MAX = 32,                /* of one call */
    TEMPLATE_QUERIES_MAX = 16,                  /* of one run */
    TEMPLATE_OUTPUT_BYTES_MAX = 256 * 1024,     /* of one run */
    TEMPLATE_MEMORY_BYTES_MAX = 8 * 1024 * 1024 /* of one run */
};

struct template;

/* One sample of a query's answer. The labels hold __name__ where the series has one. */
struct template_sample {
    const struct label *labels;
    size_t label_count;
    double value;
};
struct template_vector {
    struct template_sample *samples;
    size_t count;
};

/* Evaluates the text at `now`. What it gives lives in the arena. */
typedef enum status template_query_f(void *context, const char *text, struct instant now,
                                     struct arena *arena, struct template_vector *ret,
                                     struct error *error);

struct template_data {
    const struct label *labels; /* with __name__, where the sample has one */
    size_t label_count;
    const struct label *external;
    size_t external_count;
    const char *external_url; /* NULL: "" */
    const char *alert_name;   /* named in errors, as by Prometheus; NULL: "" */
    double value;
    struct instant now;
    void *query_context;
    template_query_f *query; /* NULL: query is refused with an error */
};

/* Parses; the caller frees. An error names line and column, both from 1. */
NODISCARD enum status template_new(const char *text, struct template **ret, struct error *error);
void template_free(struct template *t);

/* Expands into ret[size]. After an error ret holds Prometheus' text for it, as much as there is
 * room for; a result that does not fit is STATUS_LIMIT. */
NODISCARD enum status template_run(const struct template *t, const struct template_data *data,
                                   char *ret, size_t size, struct error *error);

#endif
