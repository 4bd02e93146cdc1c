/* The texts of an alert: the labels and annotations that its policy gives it. */
#include "runtime/engine/alert_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- one text ---- */

struct text {
    const char *name, *written;
    struct template *template; /* NULL: as written */
    bool told; /* an annotation: it may ask; labels are made at every evaluation, and may not */
};

struct alert_texts {
    struct text labels[POLICY_PAIRS_MAX + 1], annotations[POLICY_PAIRS_MAX];
    size_t label_count, annotation_count;
    const struct alert_outside *outside;
    char *scratch; /* values of the labels */
};

static bool is_template(const struct pair *pair)
{
    return strstr(pair->value, "{{") && strcmp(pair->name.text, ALERT_NAME_LABEL) != 0;
}

static enum status text_parse(struct text *text, struct error *error)
{
    struct error reason = {""};
    enum status status = template_new(text->written, &text->template, &reason);
    return status == STATUS_OK
               ? status
               : error_set(error, status, "template of '%.64s': %s", text->name, reason.message);
}

static void text_release(struct text *text)
{
    template_free(text->template);
}

static void check_pairs(const struct pair *pairs, struct diag_list *diags)
{
    for (const struct pair *p = pairs; p; p = p->next) {
        struct error error = {""};
        struct text text = {.name = p->name.text, .written = p->value};
        if (is_template(p) && text_parse(&text, &error) != STATUS_OK) {
            diag_add(diags, DIAG_SYNTAX, p->value_span, "%s", error.message);
        }
        text_release(&text);
    }
}

static void text_run(const struct alert_texts *texts, const struct text *text,
                     const struct alert_about *about, char *ret, size_t size)
{
    struct label labels[STORE_LABELS_MAX + 1];
    size_t count = 0;
    struct error error;
    if (about->name) {
        labels[count++] = (struct label){"__name__", about->name};
    }
    count += label_set_copy(about->labels, labels + count);
    struct template_data data = {.labels = labels,
                                 .label_count = count,
                                 .external = texts->outside->labels,
                                 .external_count = texts->outside->label_count,
                                 .external_url = texts->outside->url,
                                 .alert_name = alert_texts_written(texts, ALERT_NAME_LABEL),
                                 .query = text->told ? texts->outside->query : NULL,
                                 .query_context = texts->outside->query_context,
                                 .value = about->value,
                                 .now = about->now};
    if (template_run(text->template, &data, ret, size, &error) != STATUS_OK) {
        return; /* the text says so, in Prometheus' words */
    }
}

static void text_expand(const struct alert_texts *texts, const struct text *text,
                        const struct alert_about *about, char *ret, size_t size)
{
    if (text->template) {
        text_run(texts, text, about, ret, size);
    } else {
        snprintf(ret, size, "%s", text->written);
    }
}

void alert_texts_check(const struct program *program, struct diag_list *diags)
{
    for (const struct policy *policy = program->policies; policy; policy = policy->next) {
        check_pairs(policy->labels, diags);
        check_pairs(policy->annotations, diags);
    }
}

/* ---- those of a policy ---- */

static enum status texts_add(struct text *texts, size_t *count, const struct pair *pairs, bool told,
                             struct error *error)
{
    for (const struct pair *p = pairs; p; p = p->next) {
        CHECK(*count < POLICY_PAIRS_MAX);
        struct text *text = &texts[*count];
        *text = (struct text){.name = p->name.text, .written = p->value, .told = told};
        ++*count;
        if (is_template(p)) {
            TRY(text_parse(text, error));
        }
    }
    return STATUS_OK;
}

static bool is_label(const struct alert_texts *texts, const char *name)
{
    return alert_texts_written(texts, name) != NULL;
}

enum status alert_texts_new(const struct policy *policy, const struct alert_outside *outside,
                            struct alert_texts **ret, struct error *error)
{
    struct alert_texts *texts = heap_alloc(sizeof *texts);
    texts->outside = outside;
    texts->scratch = heap_alloc((size_t)(POLICY_PAIRS_MAX + 1) * (STORE_LABEL_BYTES_MAX + 1));
    enum status status =
        texts_add(texts->labels, &texts->label_count, policy->labels, false, error);
    if (status == STATUS_OK && !is_label(texts, ALERT_NAME_LABEL)) {
        texts->labels[texts->label_count++] =
            (struct text){.name = ALERT_NAME_LABEL, .written = policy->name.text};
    }
    if (status == STATUS_OK) {
        status = texts_add(texts->annotations, &texts->annotation_count, policy->annotations, true,
                           error);
    }
    if (status != STATUS_OK) {
        alert_texts_free(texts);
        return status;
    }
    *ret = texts;
    return STATUS_OK;
}

void alert_texts_free(struct alert_texts *texts)
{
    for (size_t i = 0; texts && i < texts->label_count; i++) {
        text_release(&texts->labels[i]);
    }
    for (size_t i = 0; texts && i < texts->annotation_count; i++) {
        text_release(&texts->annotations[i]);
    }
    if (texts) {
        free(texts->scratch);
    }
    free(texts);
}

bool alert_texts_vary(const struct alert_texts *texts)
{
    for (size_t i = 0; i < texts->label_count; i++) {
        if (texts->labels[i].template) {
            return true;
        }
    }
    return false;
}

const char *alert_texts_written(const struct alert_texts *texts, const char *name)
{
    for (size_t i = 0; i < texts->label_count; i++) {
        if (strcmp(texts->labels[i].name, name) == 0) {
            return texts->labels[i].written;
        }
    }
    return NULL;
}

/* ---- labels ---- */

void alert_labels_release(struct alert_labels *labels)
{
    free(labels->bytes);
    *labels = (struct alert_labels){0};
}

bool alert_labels_equal(const struct alert_labels *a, const struct alert_labels *b)
{
    return a->hash == b->hash && a->length == b->length &&
           (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

bool alert_labels_at(const struct alert_labels *labels, size_t at, struct label *ret)
{
    const char *c = labels->bytes;
    if (at >= labels->count) {
        return false;
    }
    for (size_t i = 0; i < 2 * at; i++) {
        c += strlen(c) + 1;
    }
    *ret = (struct label){c, c + strlen(c) + 1};
    return true;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static void labels_put(struct alert_labels *labels, const char *text)
{
    const size_t length = strlen(text) + 1;
    while (labels->length + length > labels->capacity) {
        labels->capacity = labels->capacity ? labels->capacity * 2 : 256;
        labels->bytes = heap_resize(labels->bytes, labels->capacity);
    }
    memcpy(labels->bytes + labels->length, text, length);
    labels->length += length;
}

bool alert_texts_labels(const struct alert_texts *texts, const struct alert_about *about,
                        struct alert_labels *ret)
{
    struct label all[STORE_LABELS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < about->labels->count; i++) {
        const struct label label = label_set_at(about->labels, i);
        if (!is_label(texts, label.name)) {
            all[count++] = label;
        }
    }
    for (size_t i = 0; i < texts->label_count; i++) {
        if (count == STORE_LABELS_MAX) {
            return false;
        }
        char *value = texts->scratch + i * (STORE_LABEL_BYTES_MAX + 1);
        text_expand(texts, &texts->labels[i], about, value, STORE_LABEL_BYTES_MAX + 1);
        if (value[0] != '\0') {
            all[count++] = (struct label){texts->labels[i].name, value};
        }
    }
    qsort(all, count, sizeof *all, compare_labels);
    ret->length = 0;
    ret->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        labels_put(ret, all[i].name);
        labels_put(ret, all[i].value);
    }
    ret->hash = XXH3_64bits(ret->bytes, ret->length);
    return true;
}

/* ---- annotations ---- */

size_t alert_texts_annotations(const struct alert_texts *texts)
{
    return texts->annotation_count;
}

const char *alert_texts_annotation(const struct alert_texts *texts, size_t at,
                                   const struct alert_about *about, char *ret, size_t size)
{
    CHECK(at < texts->annotation_count);
    text_expand(texts, &texts->annotations[at], about, ret, size);
    return texts->annotations[at].name;
}

bool alert_texts_find(const struct alert_texts *texts, const char *name,
                      const struct alert_about *about, char *ret, size_t size)
{
    for (size_t i = 0; i < texts->annotation_count; i++) {
        if (strcmp(texts->annotations[i].name, name) == 0) {
            text_expand(texts, &texts->annotations[i], about, ret, size);
            return true;
        }
    }
    return false;
}
