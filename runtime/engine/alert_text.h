/* The texts of an alert: the labels and annotations that its policy gives it.
 *
 * A text that holds {{ is a Go template over the labels and the value of the series; the label
 * alertname never is one. A template that fails becomes a text that says so, as in Prometheus. */
#ifndef HEAL_RUNTIME_ENGINE_ALERT_TEXT_H
#define HEAL_RUNTIME_ENGINE_ALERT_TEXT_H

#include "lang/ast.h"
#include "lang/diagnostic.h"
#include "runtime/engine/template.h"

#define ALERT_NAME_LABEL "alertname"
enum { ALERT_TEXT_BYTES = 16384 }; /* of one expanded text, with its NUL */

/* What every template may read beside the series. */
struct alert_outside {
    const struct label *labels; /* the host's own */
    size_t label_count;
    const char *url;
    template_query_f *query; /* of annotations; NULL: they cannot ask */
    void *query_context;
};

struct alert_texts;
/* Parses the templates of the policy. */
NODISCARD enum status alert_texts_new(const struct policy *policy,
                                      const struct alert_outside *outside, struct alert_texts **ret,
                                      struct error *error);
void alert_texts_free(struct alert_texts *texts);

/* Reports the templates of a program's policies that do not parse. */
void alert_texts_check(const struct program *program, struct diag_list *diags);

/* True when the labels depend on more than those of the series. */
bool alert_texts_vary(const struct alert_texts *texts);

struct alert_about {  /* what is told */
    const char *name; /* of the series, or NULL */
    const struct label_set *labels;
    double value;
    struct instant now;
};

/* Labels of an alert: sorted by name, "name\0value\0" one after another. */
struct alert_labels {
    char *bytes;
    size_t length, capacity;
    uint32_t count;
    uint64_t hash;
};
void alert_labels_release(struct alert_labels *labels);
bool alert_labels_equal(const struct alert_labels *a, const struct alert_labels *b);
/* The at-th; false behind the last. The strings are the labels' own. */
bool alert_labels_at(const struct alert_labels *labels, size_t at, struct label *ret);
/* False when they are more than a series can have. Values are cut at STORE_LABEL_BYTES_MAX. */
bool alert_texts_labels(const struct alert_texts *texts, const struct alert_about *about,
                        struct alert_labels *ret);
/* The label as it is written, for a name that the policy gives; or NULL. */
const char *alert_texts_written(const struct alert_texts *texts, const char *name);

size_t alert_texts_annotations(const struct alert_texts *texts); /* how many */
const char *alert_texts_annotation(const struct alert_texts *texts, size_t at,
                                   const struct alert_about *about, char *ret, size_t size);
/* The annotation of this name; false when the policy has none. */
bool alert_texts_find(const struct alert_texts *texts, const char *name,
                      const struct alert_about *about, char *ret, size_t size);

#endif
