/* label_replace and label_join: the child's slots under other labels. */
#include <stdlib.h>

#include "runtime/engine/eval_keys.h"

enum { LABEL_TEXT_BYTES = STORE_LABEL_BYTES_MAX + 1 };

struct relabelled {
    struct label labels[STORE_LABELS_MAX];
    size_t count;
    const char *name; /* interned or NULL */
    bool drop;
    char text[LABEL_TEXT_BYTES]; /* the value that is written: a label set has its own copy */
};

static const char *label_of(const struct eval_node *child, size_t slot, const char *label)
{
    const char *value = strcmp(label, LABEL_NAME_KEY) == 0
                            ? child->names[slot]
                            : label_set_get(child->labels[slot], label);
    return value ? value : "";
}

/* Sets a label, or the name; an empty value takes it away. */
static void set_label(struct eval_node *node, struct relabelled *r, const char *label,
                      const char *value)
{
    if (strcmp(label, LABEL_NAME_KEY) == 0) {
        r->name = value[0] ? store_string(node->eval->store, value) : NULL;
        r->drop = false;
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->labels[i].name, label) != 0) {
            r->labels[kept++] = r->labels[i];
        }
    }
    r->count = kept;
    if (value[0] && r->count < STORE_LABELS_MAX) {
        r->labels[r->count++] = (struct label){label, value};
    }
}

static void replace(struct eval_node *node, size_t slot, struct relabelled *r)
{
    const char *source = label_of(node->in[0], slot, node->p.text[2]);
    if (regex_expand(node->p.regex, source, node->p.text[1], r->text, sizeof r->text)) {
        set_label(node, r, node->p.text[0], r->text);
    }
}

static void join(struct eval_node *node, size_t slot, struct relabelled *r)
{
    size_t used = 0;
    for (size_t i = 0; i < node->p.name_count; i++) {
        const char *parts[2] = {i > 0 ? node->p.text[1] : "",
                                label_of(node->in[0], slot, node->p.names[i])};
        for (size_t k = 0; k < 2; k++) {
            size_t length = strlen(parts[k]);
            length = length < sizeof r->text - 1 - used ? length : sizeof r->text - 1 - used;
            memcpy(r->text + used, parts[k], length);
            used += length;
        }
    }
    r->text[used] = '\0';
    set_label(node, r, node->p.text[0], r->text);
}

void labels_slots(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    for (size_t i = 0; i < child->count; i++) {
        const struct label_set *from = child->labels[i];
        struct relabelled r = {
            .count = from->count, .name = child->names[i], .drop = child->drops[i]};
        label_set_copy(from, r.labels);
        if (node->p.join) {
            join(node, i, &r);
        } else {
            replace(node, i, &r);
        }
        node_add(node, store_intern(node->eval->store, r.labels, r.count), r.name, r.drop);
    }
    contention_by_labels(node);
}
