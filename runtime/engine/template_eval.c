/* What pipelines, commands and operands of a template give. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/engine/template_internal.h"

/* What comes down the pipe as the last argument; NULL at the first command. */
typedef const struct template_value *piped;

static enum status eval_operand(struct template_run *run, const struct template_value *dot,
                                const struct template_node *node, struct template_value *ret);

/* ---- errors ---- */

/* Where Prometheus would say it is: it puts definitions of $labels and the like before the text. */
enum { DEFINITIONS_BYTES = 112 };

static size_t node_column(const struct template_run *run, size_t *ret_line)
{
    size_t start = 0;
    *ret_line = 1;
    for (size_t i = 0; i < run->node->place; i++) {
        if (run->t->text[i] == '\n') {
            ++*ret_line;
            start = i + 1;
        }
    }
    return run->node->place - start + (*ret_line == 1 ? DEFINITIONS_BYTES : 0);
}

enum status template_run_fail(struct template_run *run, const char *fmt, ...)
{
    char words[TEMPLATE_MESSAGE_BYTES];
    const char *alert = run->data->alert_name ? run->data->alert_name : "";
    size_t line, column = node_column(run, &line);
    size_t length = run->node->end - run->node->at;
    bool braces = run->node->kind == NODE_TEMPLATE;
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    snprintf(run->message, sizeof run->message,
             "template: __alert_%.100s:%zu:%zu: executing \"%s%.100s\" at <%s%.*s%s>: %.500s",
             alert, line, column, run->body->name[0] ? "" : "__alert_",
             run->body->name[0] ? run->body->name : alert, braces ? "{{" : "",
             (int)(length < 200 ? length : 200), run->t->text + run->node->at, braces ? "}}" : "",
             words);
    return STATUS_PROTOCOL;
}

enum status template_call_fail(struct template_run *run, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(run->message, sizeof run->message, fmt, args);
    va_end(args);
    return STATUS_PROTOCOL;
}

static enum status call_failed(struct template_run *run, const struct template_node *at,
                               const char *name)
{
    char words[TEMPLATE_MESSAGE_BYTES];
    memcpy(words, run->message, sizeof words);
    run->node = at;
    return template_run_fail(run, "error calling %s: %s", name, words);
}

/* ---- memory and steps ---- */

void *template_run_alloc(struct template_run *run, size_t size)
{
    if (size > TEMPLATE_MEMORY_BYTES_MAX ||
        run->arena.total_bytes > TEMPLATE_MEMORY_BYTES_MAX - size) {
        return NULL;
    }
    return arena_alloc(&run->arena, size);
}

enum status template_step(struct template_run *run, const struct template_node *node)
{
    run->node = node;
    if (++run->steps > TEMPLATE_STEPS_MAX) {
        return template_run_fail(run, "more than %d steps", TEMPLATE_STEPS_MAX);
    }
    return run->out->full
               ? template_run_fail(run, "it gives more than %d bytes", TEMPLATE_OUTPUT_BYTES_MAX)
               : STATUS_OK;
}

/* ---- variables ---- */

enum status template_variable_push(struct template_run *run, const char *name,
                                   struct template_value value)
{
    if (run->variable_count >= TEMPLATE_VARIABLES_MAX) {
        return template_run_fail(run, "more than %d variables", TEMPLATE_VARIABLES_MAX);
    }
    run->variables[run->variable_count++] = (struct template_variable){name, value};
    return STATUS_OK;
}

static struct template_variable *variable_find(struct template_run *run, const char *name)
{
    for (size_t i = run->variable_count; i > run->variable_first; i--) {
        if (strcmp(run->variables[i - 1].name, name) == 0) {
            return &run->variables[i - 1];
        }
    }
    return NULL;
}

enum status template_variable_set(struct template_run *run, const char *name,
                                  struct template_value value)
{
    struct template_variable *variable = variable_find(run, name);
    if (variable == NULL) {
        return template_run_fail(run, "undefined variable: %s", name);
    }
    variable->value = value;
    return STATUS_OK;
}

/* ---- arguments ---- */

static const char *parameter_type(char parameter)
{
    return parameter == 's'   ? "string"
           : parameter == 'v' ? "template.queryResult"
           : parameter == 'e' ? "*template.sample"
                              : "interface {}";
}

/* The value as a parameter of that kind takes it. A query without an answer and a sample that is
 * none may be nil. */
static enum status argument_fit(struct template_run *run, char parameter,
                                const struct template_value *value)
{
    enum template_kind kind = parameter == 's'   ? VALUE_TEXT
                              : parameter == 'v' ? VALUE_SAMPLES
                                                 : VALUE_SAMPLE;
    if (parameter == 'a' || value->kind == kind ||
        (value->kind == VALUE_NONE && parameter != 's')) {
        return STATUS_OK;
    }
    if (value->kind == VALUE_NONE) {
        return template_run_fail(run, "invalid value; expected %s", parameter_type(parameter));
    }
    return template_run_fail(run, "wrong type for value; expected %s; got %s",
                             parameter_type(parameter), template_value_type(value));
}

static bool is_constant(const struct template_node *node)
{
    return node->kind == NODE_BOOL || node->kind == NODE_NUMBER || node->kind == NODE_STRING;
}

static enum status argument_eval(struct template_run *run, const struct template_value *dot,
                                 const struct template_node *node, char parameter,
                                 struct template_value *ret)
{
    TRY(template_step(run, node));
    if (node->kind == NODE_NIL) {
        *ret = (struct template_value){.kind = VALUE_NONE};
        return parameter != 's' ? STATUS_OK : template_run_fail(run, "cannot assign nil to string");
    }
    if (is_constant(node) && parameter != 'a' && !(parameter == 's' && node->kind == NODE_STRING)) {
        const char *text = run->t->text + node->at;
        int length = (int)(node->end - node->at);
        return parameter == 's'
                   ? template_run_fail(run, "expected string; found %.*s", length, text)
                   : template_run_fail(run, "can't handle %.*s for arg of type %s", length, text,
                                       parameter_type(parameter));
    }
    TRY(eval_operand(run, dot, node, ret));
    return argument_fit(run, parameter, ret);
}

static char parameter_at(const struct template_function *function, size_t i)
{
    size_t fixed = strcspn(function->parameters, "*");
    return function->parameters[i < fixed ? i : fixed - 1];
}

/* Of `and` and `or`: no argument behind the one that decides is evaluated. */
static enum status call_lazy(struct template_run *run, const struct template_value *dot,
                             const struct template_function *function,
                             const struct template_node *arguments, piped final,
                             struct template_value *ret)
{
    bool decides = function->name[0] == 'o';
    for (const struct template_node *node = arguments; node; node = node->next) {
        TRY(argument_eval(run, dot, node, 'a', ret));
        if (template_value_true(ret) == decides) {
            return STATUS_OK;
        }
    }
    *ret = final ? *final : *ret;
    return STATUS_OK;
}

static enum status count_check(struct template_run *run, const struct template_function *function,
                               size_t count)
{
    size_t fixed = strcspn(function->parameters, "*");
    bool variadic = function->parameters[fixed] == '*';
    if (variadic && count + 1 < fixed) {
        return template_run_fail(run, "wrong number of args for %s: want at least %zu got %zu",
                                 function->name, fixed - 1, count);
    }
    if (!variadic && count != fixed) {
        return template_run_fail(run, "wrong number of args for %s: want %zu got %zu",
                                 function->name, fixed, count);
    }
    return STATUS_OK;
}

/* at is the command, or the bare name of the function where it is an argument itself. */
static enum status eval_call(struct template_run *run, const struct template_value *dot,
                             const struct template_node *at, const struct template_node *name,
                             const struct template_node *arguments, piped final,
                             struct template_value *ret)
{
    const struct template_function *function = name->word.function;
    size_t count = final ? 1 : 0, i = 0;
    TRY(template_step(run, name));
    for (const struct template_node *node = arguments; node; node = node->next) {
        count++;
    }
    TRY(count_check(run, function, count));
    if (function->lazy) {
        return call_lazy(run, dot, function, arguments, final, ret);
    }
    struct template_value *values = template_run_alloc(run, (count + 1) * sizeof *values);
    if (values == NULL) {
        return template_run_fail(run, "it takes more than %d bytes", TEMPLATE_MEMORY_BYTES_MAX);
    }
    for (const struct template_node *node = arguments; node; node = node->next, i++) {
        TRY(argument_eval(run, dot, node, parameter_at(function, i), &values[i]));
    }
    if (final) {
        TRY(argument_fit(run, parameter_at(function, i), final));
        values[i] = *final;
    }
    return function->call(run, values, count, ret) == STATUS_OK
               ? STATUS_OK
               : call_failed(run, at, function->name);
}

/* ---- fields ---- */

/* Only methods have arguments; those of a map are an error that comes before they are evaluated. */
static bool has_methods(const struct template_value *value)
{
    return value->kind == VALUE_TIME || value->kind == VALUE_SPAN || value->kind == VALUE_MONTH ||
           value->kind == VALUE_WEEKDAY;
}

/* Fields one after another; only the last one may have arguments. */
static enum status eval_fields(struct template_run *run, const struct template_value *dot,
                               const struct template_word *fields,
                               const struct template_node *arguments, piped final,
                               struct template_value *value)
{
    struct template_value values[2] = {{.kind = VALUE_NONE}, {.kind = VALUE_NONE}};
    for (; fields; fields = fields->next) {
        bool last = fields->next == NULL;
        size_t count = last && (arguments || final) ? 1 : 0;
        struct template_value of = *value;
        if (last && has_methods(&of)) {
            count = 0;
            for (; arguments && count < ARRAY_LEN(values); arguments = arguments->next) {
                TRY(argument_eval(run, dot, arguments, 's', &values[count++]));
            }
            if (final && count < ARRAY_LEN(values)) {
                values[count++] = *final;
            }
        }
        TRY(template_field(run, &of, fields->text, values, count, value));
    }
    return STATUS_OK;
}

static enum status no_arguments(struct template_run *run, const struct template_node *node,
                                const struct template_node *arguments, piped final)
{
    if (arguments || final) {
        return template_run_fail(run, "can't give argument to non-function %.*s",
                                 (int)(node->end - node->at), run->t->text + node->at);
    }
    return STATUS_OK;
}

static enum status eval_variable(struct template_run *run, const struct template_value *dot,
                                 const struct template_node *node,
                                 const struct template_node *arguments, piped final,
                                 struct template_value *ret)
{
    const struct template_variable *variable = variable_find(run, node->word.name);
    if (variable == NULL) {
        return template_run_fail(run, "undefined variable: %s", node->word.name);
    }
    *ret = variable->value;
    return node->word.fields ? eval_fields(run, dot, node->word.fields, arguments, final, ret)
                             : no_arguments(run, node, arguments, final);
}

static enum status eval_chain(struct template_run *run, const struct template_value *dot,
                              const struct template_node *node,
                              const struct template_node *arguments, piped final,
                              struct template_value *ret)
{
    if (node->word.operand->kind == NODE_NIL) {
        return template_run_fail(run, "indirection through explicit nil in %.*s",
                                 (int)(node->end - node->at), run->t->text + node->at);
    }
    TRY(argument_eval(run, dot, node->word.operand, 'a', ret));
    return eval_fields(run, dot, node->word.fields, arguments, final, ret);
}

/* ---- operands and commands ---- */

static struct template_value constant_value(const struct template_node *node)
{
    if (node->kind == NODE_BOOL) {
        return template_value_truth(node->flag);
    }
    if (node->kind == NODE_STRING) {
        return template_value_text(node->text.bytes, node->text.length);
    }
    struct template_value value = node->number.as_float ? template_value_float(node->number.real)
                                                        : template_value_int(node->number.integer);
    return value;
}

/* An operand where it stands as an argument. */
static enum status eval_operand(struct template_run *run, const struct template_value *dot,
                                const struct template_node *node, struct template_value *ret)
{
    if (node->kind == NODE_FIELD) {
        *ret = *dot;
        return eval_fields(run, dot, node->word.fields, NULL, NULL, ret);
    }
    if (node->kind == NODE_VARIABLE) {
        return eval_variable(run, dot, node, NULL, NULL, ret);
    }
    if (node->kind == NODE_CHAIN) {
        return eval_chain(run, dot, node, NULL, NULL, ret);
    }
    if (node->kind == NODE_IDENTIFIER) {
        return eval_call(run, dot, node, node, NULL, NULL, ret);
    }
    if (node->kind == NODE_PIPE) {
        return template_pipe(run, dot, node, ret);
    }
    *ret = node->kind == NODE_DOT ? *dot : constant_value(node);
    return STATUS_OK;
}

static enum status eval_command(struct template_run *run, const struct template_value *dot,
                                const struct template_node *command, piped final,
                                struct template_value *ret)
{
    const struct template_node *first = command->arguments, *rest = first->next;
    if (first->kind == NODE_IDENTIFIER) {
        return eval_call(run, dot, command, first, rest, final, ret);
    }
    TRY(template_step(run, first));
    if (first->kind == NODE_FIELD) {
        *ret = *dot;
        return eval_fields(run, dot, first->word.fields, rest, final, ret);
    }
    if (first->kind == NODE_VARIABLE) {
        return eval_variable(run, dot, first, rest, final, ret);
    }
    if (first->kind == NODE_CHAIN) {
        return eval_chain(run, dot, first, rest, final, ret);
    }
    TRY(no_arguments(run, first, rest, final));
    if (first->kind == NODE_NIL) {
        return template_run_fail(run, "nil is not a command");
    }
    return eval_operand(run, dot, first, ret);
}

enum status template_pipe(struct template_run *run, const struct template_value *dot,
                          const struct template_node *pipe, struct template_value *ret)
{
    struct template_value value = {.kind = VALUE_NONE}, before;
    TRY(template_step(run, pipe));
    for (const struct template_node *command = pipe->pipe.commands; command;
         command = command->next) {
        before = value;
        TRY(eval_command(run, dot, command, command == pipe->pipe.commands ? NULL : &before,
                         &value));
    }
    for (const struct template_word *name = pipe->pipe.variables; name; name = name->next) {
        TRY(pipe->pipe.assign ? template_variable_set(run, name->text, value)
                              : template_variable_push(run, name->text, value));
    }
    *ret = value;
    return STATUS_OK;
}
