/* Templates: made, expanded, freed; and the walk over their nodes. */
#include "runtime/engine/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template_internal.h"

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

static enum status walk(struct template_run *run, struct template_value dot,
                        const struct template_node *list, enum flow *ret_flow);

/* ---- data ---- */

static int label_order(const void *a, const void *b)
{
    const struct template_label *x = a, *y = b;
    return template_text_order(x->name, y->name);
}

struct template_labels template_labels_make(struct template_run *run, const struct label *labels,
                                            size_t count)
{
    struct template_labels made = {0};
    count = count > STORE_LABELS_MAX + 1 ? STORE_LABELS_MAX + 1 : count;
    made.items = template_run_alloc(run, (count + 1) * sizeof *made.items);
    for (; made.items && made.count < count; made.count++) {
        const struct label *label = &labels[made.count];
        made.items[made.count] =
            (struct template_label){template_text_of(label->name), template_text_of(label->value)};
    }
    if (made.count > 0) {
        qsort(made.items, made.count, sizeof *made.items, label_order);
    }
    return made;
}

enum status template_take(struct template_run *run, struct template_out *out,
                          struct template_value *ret)
{
    char *copy = out->full ? NULL : template_run_alloc(run, out->length + 1);
    if (copy == NULL) {
        free(out->bytes);
        *out = (struct template_out){0};
        return template_call_fail(run, "its text is too long");
    }
    if (out->length > 0) {
        memcpy(copy, out->bytes, out->length);
    }
    copy[out->length] = '\0';
    *ret = template_value_text(copy, out->length);
    free(out->bytes);
    *out = (struct template_out){0};
    return STATUS_OK;
}

/* ---- the walk ---- */

static enum status walk_action(struct template_run *run, const struct template_value *dot,
                               const struct template_node *node)
{
    struct template_value value;
    TRY(template_pipe(run, dot, node->control.pipe, &value));
    if (node->control.pipe->pipe.variables) {
        return STATUS_OK;
    }
    run->node = node;
    if (template_print(run, run->out, &value) != STATUS_OK) {
        char words[TEMPLATE_MESSAGE_BYTES];
        memcpy(words, run->message, sizeof words);
        return template_run_fail(run, "%.500s", words);
    }
    return STATUS_OK;
}

static enum status walk_if(struct template_run *run, const struct template_value *dot,
                           const struct template_node *node, enum flow *ret_flow)
{
    struct template_value value;
    TRY(template_pipe(run, dot, node->control.pipe, &value));
    bool truth = template_value_true(&value);
    return walk(run, truth && node->kind == NODE_WITH ? value : *dot,
                truth ? node->control.list : node->control.other, ret_flow);
}

/* What a range goes over: how many, and the i-th with its index. */
static bool range_count(const struct template_value *over, size_t *ret)
{
    *ret = over->kind == VALUE_SAMPLES     ? over->samples.count
           : over->kind == VALUE_LABELS    ? over->labels->count
           : over->kind == VALUE_ARGUMENTS ? over->list.count
           : template_value_is_integer(over) && over->integer > 0
               ? (size_t)(over->integer < TEMPLATE_STEPS_MAX ? over->integer : TEMPLATE_STEPS_MAX)
               : 0;
    return over->kind == VALUE_SAMPLES || over->kind == VALUE_LABELS ||
           over->kind == VALUE_ARGUMENTS || over->kind == VALUE_NONE ||
           template_value_is_integer(over);
}

/* The name of the i-th of count arguments in the order of names: arg0 arg1 arg10 arg2. */
static size_t argument_sorted(size_t i, size_t count)
{
    size_t order[TEMPLATE_ARGUMENTS_MAX], n = 0;
    for (size_t k = 0; k < 10 && k < count; k++) {
        order[n++] = k;
        for (size_t more = 10 * k; k > 0 && more < 10 * k + 10 && more < count; more++) {
            order[n++] = more;
        }
    }
    CHECK(i < n);
    return order[i];
}

static enum status range_item(struct template_run *run, const struct template_value *over, size_t i,
                              struct template_value *ret_index, struct template_value *ret)
{
    struct template_out name = {0};
    *ret_index = *ret = template_value_int((int64_t)i);
    if (over->kind == VALUE_SAMPLES) {
        *ret = (struct template_value){.kind = VALUE_SAMPLE, .sample = over->samples.items[i]};
    } else if (over->kind == VALUE_LABELS) {
        const struct template_label *label = &over->labels->items[i];
        *ret_index = template_value_text(label->name.bytes, label->name.length);
        *ret = template_value_text(label->value.bytes, label->value.length);
    } else if (over->kind == VALUE_ARGUMENTS) {
        size_t at = argument_sorted(i, over->list.count);
        *ret = over->list.items[at];
        template_out_printf(&name, "arg%zu", at);
        return template_take(run, &name, ret_index);
    }
    return STATUS_OK;
}

/* Of two variables the first one is the index; one alone is the item. */
static enum status range_set(struct template_run *run, const struct template_node *pipe,
                             size_t mark, struct template_value index, struct template_value item)
{
    const struct template_word *first = pipe->pipe.variables;
    if (first == NULL) {
        return STATUS_OK;
    }
    if (pipe->pipe.assign) {
        TRY(template_variable_set(run, first->text, first->next ? index : item));
        return first->next ? template_variable_set(run, first->next->text, item) : STATUS_OK;
    }
    run->variables[mark - 1].value = item;
    if (first->next) {
        run->variables[mark - 2].value = index;
    }
    return STATUS_OK;
}

static enum status range_fail(struct template_run *run, const struct template_value *over)
{
    struct template_out text = {0};
    enum status status = template_print(run, &text, over);
    status = status == STATUS_OK ? template_run_fail(run, "range can't iterate over %s",
                                                     text.bytes ? text.bytes : "")
                                 : status;
    free(text.bytes);
    return status;
}

static enum status walk_range(struct template_run *run, const struct template_value *dot,
                              const struct template_node *node, enum flow *ret_flow)
{
    struct template_value over, index, item;
    size_t count;
    TRY(template_pipe(run, dot, node->control.pipe, &over));
    if (!range_count(&over, &count)) {
        return range_fail(run, &over);
    }
    size_t mark = run->variable_count;
    enum flow flow = FLOW_ON;
    for (size_t i = 0; i < count && flow != FLOW_BREAK; i++) {
        TRY(template_step(run, node));
        TRY(range_item(run, &over, i, &index, &item));
        TRY(range_set(run, node->control.pipe, mark, index, item));
        TRY(walk(run, item, node->control.list, &flow));
        run->variable_count = mark;
    }
    *ret_flow = FLOW_ON;
    return count > 0 ? STATUS_OK : walk(run, *dot, node->control.other, ret_flow);
}

static enum status walk_template(struct template_run *run, const struct template_value *dot,
                                 const struct template_node *node)
{
    struct template_value value = {.kind = VALUE_NONE};
    const struct template_body *body = template_body_find(run->t, node->control.name);
    if (body == NULL) {
        return template_run_fail(run, "template \"%s\" not defined", node->control.name);
    }
    if (node->control.pipe) {
        TRY(template_pipe(run, dot, node->control.pipe, &value));
    }
    return template_body_run(run, body, value);
}

static enum status walk_node(struct template_run *run, const struct template_value *dot,
                             const struct template_node *node, enum flow *ret_flow)
{
    CHECK(node->kind <= NODE_CONTINUE); /* the others stand in no list */
    TRY(template_step(run, node));
    switch (node->kind) {
    case NODE_TEXT:
        template_out_add(run->out, node->text.bytes, node->text.length);
        return STATUS_OK;
    case NODE_ACTION: return walk_action(run, dot, node);
    case NODE_IF:
    case NODE_WITH: return walk_if(run, dot, node, ret_flow);
    case NODE_RANGE: return walk_range(run, dot, node, ret_flow);
    case NODE_TEMPLATE: return walk_template(run, dot, node);
    case NODE_BREAK: *ret_flow = FLOW_BREAK; return STATUS_OK;
    case NODE_CONTINUE: *ret_flow = FLOW_CONTINUE; return STATUS_OK;
    case NODE_PIPE:
    case NODE_COMMAND:
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_BOOL:
    case NODE_NIL:
    case NODE_DOT:
    case NODE_FIELD:
    case NODE_VARIABLE:
    case NODE_CHAIN:
    case NODE_IDENTIFIER: break;
    }
    return STATUS_OK;
}

/* Variables of if, with and range end with them; those of a list's own actions live on in it. */
static enum status walk(struct template_run *run, struct template_value dot,
                        const struct template_node *list, enum flow *ret_flow)
{
    *ret_flow = FLOW_ON;
    for (const struct template_node *node = list; node && *ret_flow == FLOW_ON; node = node->next) {
        size_t mark = run->variable_count;
        TRY(walk_node(run, &dot, node, ret_flow));
        if (node->kind != NODE_ACTION) {
            run->variable_count = mark;
        }
    }
    return STATUS_OK;
}

enum status template_body_run(struct template_run *run, const struct template_body *body,
                              struct template_value dot)
{
    const struct template_body *outer = run->body;
    enum flow flow;
    if (++run->calls > TEMPLATE_CALLS_MAX) {
        return template_run_fail(run, "exceeded maximum template depth (%d)", TEMPLATE_CALLS_MAX);
    }
    /* A body sees none of the variables around it. */
    size_t mark = run->variable_count, first = run->variable_first;
    run->variable_first = mark;
    run->body = body;
    TRY(template_variable_push(run, "$", dot));
    TRY(walk(run, dot, body->list, &flow));
    run->variable_first = first;
    run->variable_count = mark;
    run->body = outer;
    run->calls--;
    return STATUS_OK;
}

/* ---- the whole ---- */

static enum status run_begin(struct template_run *run)
{
    const struct template_data *data = run->data;
    struct template_value value;
    run->labels = template_labels_make(run, data->labels, data->label_count);
    run->external = template_labels_make(run, data->external, data->external_count);
    value = (struct template_value){.kind = VALUE_DATA};
    TRY(template_variable_push(run, "$", value));
    value = (struct template_value){.kind = VALUE_LABELS, .labels = &run->labels};
    TRY(template_variable_push(run, "$labels", value));
    value.labels = &run->external;
    TRY(template_variable_push(run, "$externalLabels", value));
    value = template_value_of(data->external_url ? data->external_url : "");
    TRY(template_variable_push(run, "$externalURL", value));
    return template_variable_push(run, "$value", template_value_float(data->value));
}

static enum status run_fits(struct template_run *run, size_t size)
{
    if (run->out->full || run->out->length >= size) {
        return template_run_fail(run, "it gives more than %zu bytes",
                                 run->out->full ? (size_t)TEMPLATE_OUTPUT_BYTES_MAX : size);
    }
    return STATUS_OK;
}

enum status template_run(const struct template *t, const struct template_data *data, char *ret,
                         size_t size, struct error *error)
{
    static const struct template_node nowhere = {.kind = NODE_TEXT};
    struct template_out out = {0};
    struct template_run run = {
        .t = t, .data = data, .body = t->bodies, .node = &nowhere, .out = &out};
    enum flow flow;
    enum status status = run_begin(&run);
    if (status == STATUS_OK) {
        status = walk(&run, (struct template_value){.kind = VALUE_DATA}, t->bodies->list, &flow);
    }
    if (status == STATUS_OK) {
        status = run_fits(&run, size);
    }
    if (status == STATUS_OK) {
        memcpy(ret, out.bytes ? out.bytes : "", out.length + 1);
    } else {
        snprintf(ret, size, "<error expanding template: error executing template __alert_%s: %s>",
                 data->alert_name ? data->alert_name : "", run.message);
        error_set(error, status, "%s", run.message);
    }
    free(out.bytes);
    arena_release(&run.arena);
    return status;
}

enum status template_new(const char *text, struct template **ret, struct error *error)
{
    size_t length = strlen(text);
    if (length > TEMPLATE_TEXT_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT, "a template of more than %d bytes",
                         TEMPLATE_TEXT_BYTES_MAX);
    }
    struct template *t = heap_alloc(sizeof *t);
    t->text = arena_strndup(&t->arena, text, length);
    enum status status = template_parse(t, error);
    if (status != STATUS_OK) {
        template_free(t);
        return status;
    }
    *ret = t;
    return STATUS_OK;
}

void template_free(struct template *t)
{
    if (t) {
        arena_release(&t->arena);
        free(t);
    }
}
