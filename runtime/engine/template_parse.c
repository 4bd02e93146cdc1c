/* Tokens to nodes, by the grammar of text/template/parse. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/engine/template_internal.h"

struct scope { /* names that may be used here */
    const char *names[TEMPLATE_VARIABLES_MAX];
    size_t count;
};

struct tree {
    struct template *t;
    struct template_tokens tokens;
    size_t at;
    unsigned nest, ranges;
    struct scope *scope;
    struct error *error;
};

enum control { CONTROL_IF, CONTROL_WITH, CONTROL_RANGE };
static const char *const control_words[] = {"if", "with", "range"};

static enum status parse_pipe(struct tree *tree, const char *context, enum template_token_kind end,
                              struct template_node **ret);
static enum status parse_list(struct tree *tree, struct template_node **ret,
                              struct template_token *ret_end);

/* ---- tokens ---- */

static const struct template_token *peek(const struct tree *tree)
{
    return &tree->tokens.items[tree->at];
}

static const struct template_token *next(struct tree *tree)
{
    const struct template_token *token = peek(tree);
    tree->at += token->kind != TOKEN_EOF;
    return token;
}

static const struct template_token *peek_word(struct tree *tree)
{
    while (peek(tree)->kind == TOKEN_SPACE) {
        tree->at++;
    }
    return peek(tree);
}

static const struct template_token *next_word(struct tree *tree)
{
    peek_word(tree);
    return next(tree);
}

static enum status unexpected(const struct tree *tree, const struct template_token *token,
                              const char *context)
{
    const char *text = tree->tokens.text;
    if (token->kind == TOKEN_EOF) {
        return template_fail(tree->error, text, token->at, "unexpected end in %s", context);
    }
    return template_fail(tree->error, text, token->at, "unexpected \"%.*s\" in %s",
                         (int)(token->length < 40 ? token->length : 40), text + token->at, context);
}

static const char *token_text(const struct tree *tree, const struct template_token *token)
{
    return arena_strndup(&tree->t->arena, tree->tokens.text + token->at, token->length);
}

static struct template_node *node_new(struct tree *tree, enum template_node_kind kind, size_t at)
{
    struct template_node *node = ARENA_NEW(&tree->t->arena, struct template_node);
    node->kind = kind;
    node->at = node->place = (uint32_t)at;
    node->end = tree->tokens.items[tree->at > 0 ? tree->at - 1 : 0].at +
                tree->tokens.items[tree->at > 0 ? tree->at - 1 : 0].length;
    return node;
}

static enum status nest(struct tree *tree, size_t at)
{
    if (++tree->nest > TEMPLATE_NEST_MAX) {
        return template_fail(tree->error, tree->tokens.text, at, "more than %d inside each other",
                             TEMPLATE_NEST_MAX);
    }
    return STATUS_OK;
}

/* ---- variables ---- */

static bool scope_has(const struct scope *scope, const char *name)
{
    for (size_t i = scope->count; i > 0; i--) {
        if (strcmp(scope->names[i - 1], name) == 0) {
            return true;
        }
    }
    return false;
}

static enum status scope_add(struct tree *tree, const char *name, size_t at)
{
    if (tree->scope->count >= TEMPLATE_VARIABLES_MAX) {
        return template_fail(tree->error, tree->tokens.text, at, "more than %d variables",
                             TEMPLATE_VARIABLES_MAX);
    }
    tree->scope->names[tree->scope->count++] = name;
    return STATUS_OK;
}

static void scope_open(struct scope *scope)
{
    static const char *const first[] = {"$", "$labels", "$externalLabels", "$externalURL",
                                        "$value"};
    memcpy(scope->names, first, sizeof first);
    scope->count = ARRAY_LEN(first);
}

/* ---- operands ---- */

static enum status parse_number(struct tree *tree, const struct template_token *token,
                                struct template_node **ret)
{
    struct template_node *node = node_new(tree, NODE_NUMBER, token->at);
    const char *text = tree->tokens.text + token->at;
    struct template_text value;
    if (token->kind == TOKEN_NUMBER) {
        if (!template_number_read(text, token->length, &node->number)) {
            return template_fail(tree->error, tree->tokens.text, token->at,
                                 "illegal number syntax: \"%.*s\"", (int)token->length, text);
        }
    } else {
        uint32_t rune = 0;
        if (!template_unquote(&tree->t->arena, (struct template_text){text, token->length},
                              &value) ||
            value.length == 0 || template_rune(value.bytes, value.length, &rune) != value.length) {
            return template_fail(tree->error, tree->tokens.text, token->at,
                                 "malformed character constant: %.*s", (int)token->length, text);
        }
        node->number = (struct template_number){true, true, false, rune, rune};
    }
    *ret = node;
    return STATUS_OK;
}

static enum status parse_string(struct tree *tree, const struct template_token *token,
                                struct template_text *ret)
{
    struct template_text quoted = {tree->tokens.text + token->at, token->length};
    if (!template_unquote(&tree->t->arena, quoted, ret)) {
        return template_fail(tree->error, tree->tokens.text, token->at, "invalid string %.*s",
                             (int)(token->length < 60 ? token->length : 60), quoted.bytes);
    }
    return STATUS_OK;
}

static enum status parse_identifier(struct tree *tree, const struct template_token *token,
                                    struct template_node *node)
{
    node->word.name = token_text(tree, token);
    if (node->kind == NODE_IDENTIFIER) {
        node->word.function = template_function_find(node->word.name, token->length);
        if (node->word.function == NULL) {
            return template_fail(tree->error, tree->tokens.text, token->at,
                                 "function \"%s\" not defined", node->word.name);
        }
    } else if (!scope_has(tree->scope, node->word.name)) {
        return template_fail(tree->error, tree->tokens.text, token->at, "undefined variable \"%s\"",
                             node->word.name);
    }
    return STATUS_OK;
}

static struct template_word *word_of(struct tree *tree, const struct template_token *token)
{
    struct template_word *word = ARENA_NEW(&tree->t->arena, struct template_word);
    word->text = token_text(tree, token);
    return word;
}

static struct template_word *field_of(struct tree *tree, const struct template_token *token)
{
    struct template_token name = {token->kind, token->at + 1, token->length - 1};
    return word_of(tree, &name);
}

/* One operand without the fields behind it; *ret NULL where none stands. */
static enum status parse_term(struct tree *tree, struct template_node **ret)
{
    const struct template_token *token = next_word(tree);
    struct template_node *node = NULL;
    *ret = NULL;
    switch (token->kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_VARIABLE:
        node = node_new(tree, token->kind == TOKEN_VARIABLE ? NODE_VARIABLE : NODE_IDENTIFIER,
                        token->at);
        TRY(parse_identifier(tree, token, node));
        break;
    case TOKEN_DOT: node = node_new(tree, NODE_DOT, token->at); break;
    case TOKEN_NIL: node = node_new(tree, NODE_NIL, token->at); break;
    case TOKEN_FIELD:
        node = node_new(tree, NODE_FIELD, token->at);
        node->word.fields = field_of(tree, token);
        break;
    case TOKEN_BOOL:
        node = node_new(tree, NODE_BOOL, token->at);
        node->flag = token->length == 4;
        break;
    case TOKEN_CHARACTER:
    case TOKEN_NUMBER: TRY(parse_number(tree, token, &node)); break;
    case TOKEN_STRING:
    case TOKEN_RAW_STRING:
        node = node_new(tree, NODE_STRING, token->at);
        TRY(parse_string(tree, token, &node->text));
        break;
    case TOKEN_LEFT:
        TRY(nest(tree, token->at));
        TRY(parse_pipe(tree, "parenthesized pipeline", TOKEN_RIGHT, &node));
        tree->nest--;
        break;
    case TOKEN_TEXT:
    case TOKEN_OPEN:
    case TOKEN_CLOSE:
    case TOKEN_SPACE:
    case TOKEN_ASSIGN:
    case TOKEN_DECLARE:
    case TOKEN_PIPE:
    case TOKEN_RIGHT:
    case TOKEN_CHAR:
    case TOKEN_BLOCK:
    case TOKEN_BREAK:
    case TOKEN_CONTINUE:
    case TOKEN_DEFINE:
    case TOKEN_ELSE:
    case TOKEN_END:
    case TOKEN_IF:
    case TOKEN_RANGE:
    case TOKEN_TEMPLATE:
    case TOKEN_WITH: tree->at--; break;
    case TOKEN_EOF: break;
    }
    *ret = node;
    return STATUS_OK;
}

/* A term and the fields behind it. */
static enum status parse_operand(struct tree *tree, struct template_node **ret)
{
    TRY(parse_term(tree, ret));
    struct template_node *node = *ret;
    if (node == NULL || peek(tree)->kind != TOKEN_FIELD) {
        return STATUS_OK;
    }
    if (node->kind == NODE_BOOL || node->kind == NODE_STRING || node->kind == NODE_NUMBER ||
        node->kind == NODE_NIL || node->kind == NODE_DOT) {
        return template_fail(tree->error, tree->tokens.text, peek(tree)->at,
                             "unexpected . after term \"%.*s\"", (int)(node->end - node->at),
                             tree->tokens.text + node->at);
    }
    if (node->kind != NODE_FIELD && node->kind != NODE_VARIABLE) {
        struct template_node *chain = node_new(tree, NODE_CHAIN, node->at);
        chain->word.operand = node;
        node = chain;
    }
    struct template_word **last = &node->word.fields;
    while (*last) {
        last = &(*last)->next;
    }
    node->place = peek(tree)->at;
    while (peek(tree)->kind == TOKEN_FIELD) {
        *last = field_of(tree, next(tree));
        last = &(*last)->next;
    }
    node->end = tree->tokens.items[tree->at - 1].at + tree->tokens.items[tree->at - 1].length;
    *ret = node;
    return STATUS_OK;
}

/* Operands up to a pipe or the end of the pipeline. */
static enum status parse_command(struct tree *tree, struct template_node **ret)
{
    struct template_node *command = node_new(tree, NODE_COMMAND, peek_word(tree)->at);
    struct template_node **last = &command->arguments;
    size_t count = 0;
    bool go = true;
    while (go) {
        struct template_node *operand;
        peek_word(tree);
        TRY(parse_operand(tree, &operand));
        if (operand) {
            *last = operand;
            last = &operand->next;
            command->end = operand->end;
            count++;
        }
        if (count > TEMPLATE_ARGUMENTS_MAX) {
            return template_fail(tree->error, tree->tokens.text, command->at,
                                 "more than %d arguments", TEMPLATE_ARGUMENTS_MAX);
        }
        const struct template_token *token = peek(tree);
        go = token->kind == TOKEN_SPACE;
        if (token->kind == TOKEN_PIPE) {
            next(tree);
        } else if (!go && token->kind != TOKEN_CLOSE && token->kind != TOKEN_RIGHT) {
            return unexpected(tree, token, "operand");
        }
    }
    if (count == 0) {
        return template_fail(tree->error, tree->tokens.text, command->at, "empty command");
    }
    *ret = command;
    return STATUS_OK;
}

/* ---- pipelines ---- */

/* Variables before := or =, and after a comma in a range. */
static enum status parse_variables(struct tree *tree, const char *context,
                                   struct template_node *pipe)
{
    struct template_word **last = &pipe->pipe.variables;
    for (size_t count = 1; peek_word(tree)->kind == TOKEN_VARIABLE; count++) {
        size_t back = tree->at;
        const struct template_token *name = next(tree), *after = peek_word(tree);
        bool comma = after->kind == TOKEN_CHAR && tree->tokens.text[after->at] == ',';
        if (!comma && after->kind != TOKEN_ASSIGN && after->kind != TOKEN_DECLARE) {
            tree->at = back;
            return STATUS_OK;
        }
        next(tree);
        *last = word_of(tree, name);
        TRY(scope_add(tree, (*last)->text, name->at));
        last = &(*last)->next;
        if (!comma) {
            pipe->pipe.assign = after->kind == TOKEN_ASSIGN;
            return STATUS_OK;
        }
        if (strcmp(context, "range") != 0 || count >= 2) {
            return template_fail(tree->error, tree->tokens.text, name->at,
                                 "too many declarations in %s", context);
        }
        enum template_token_kind kind = peek_word(tree)->kind;
        if (kind != TOKEN_VARIABLE && kind != TOKEN_CLOSE && kind != TOKEN_RIGHT) {
            return template_fail(tree->error, tree->tokens.text, name->at,
                                 "range can only initialize variables");
        }
    }
    return STATUS_OK;
}

static bool is_operand(enum template_token_kind kind)
{
    return kind == TOKEN_BOOL || kind == TOKEN_CHARACTER || kind == TOKEN_DOT ||
           kind == TOKEN_FIELD || kind == TOKEN_IDENTIFIER || kind == TOKEN_NUMBER ||
           kind == TOKEN_NIL || kind == TOKEN_RAW_STRING || kind == TOKEN_STRING ||
           kind == TOKEN_VARIABLE || kind == TOKEN_LEFT;
}

static bool is_executable(const struct template_node *node)
{
    return node->kind != NODE_BOOL && node->kind != NODE_DOT && node->kind != NODE_NIL &&
           node->kind != NODE_NUMBER && node->kind != NODE_STRING;
}

static enum status pipe_check(struct tree *tree, const struct template_node *pipe,
                              const char *context)
{
    const struct template_node *command = pipe->pipe.commands;
    if (command == NULL) {
        return template_fail(tree->error, tree->tokens.text, pipe->at, "missing value for %s",
                             context);
    }
    size_t stage = 2;
    for (command = command->next; command; command = command->next, stage++) {
        if (!is_executable(command->arguments)) {
            return template_fail(tree->error, tree->tokens.text, command->at,
                                 "non executable command in pipeline stage %zu", stage);
        }
    }
    return STATUS_OK;
}

static enum status parse_pipe(struct tree *tree, const char *context, enum template_token_kind end,
                              struct template_node **ret)
{
    struct template_node *pipe = node_new(tree, NODE_PIPE, peek_word(tree)->at);
    struct template_node **last = &pipe->pipe.commands;
    TRY(parse_variables(tree, context, pipe));
    for (const struct template_token *token; (token = peek_word(tree))->kind != end;) {
        if (!is_operand(token->kind)) {
            return unexpected(tree, token, context);
        }
        TRY(parse_command(tree, last));
        pipe->end = (*last)->end;
        last = &(*last)->next;
    }
    next(tree);
    *ret = pipe;
    return pipe_check(tree, pipe, context);
}

/* ---- actions ---- */

static bool list_ends(enum template_token_kind kind)
{
    return kind == TOKEN_END || kind == TOKEN_ELSE;
}

/* Behind the word `else`: an if or with of its own, or what is to be done otherwise. */
static enum status parse_else(struct tree *tree, enum control control, struct template_node **ret);

static enum status parse_control(struct tree *tree, enum control control, size_t at,
                                 struct template_node **ret)
{
    static const enum template_node_kind kinds[] = {NODE_IF, NODE_WITH, NODE_RANGE};
    struct template_node *node = node_new(tree, kinds[control], at);
    struct template_token end;
    size_t scope = tree->scope->count;
    TRY(nest(tree, at));
    TRY(parse_pipe(tree, control_words[control], TOKEN_CLOSE, &node->control.pipe));
    tree->ranges += control == CONTROL_RANGE;
    TRY(parse_list(tree, &node->control.list, &end));
    tree->ranges -= control == CONTROL_RANGE;
    if (end.kind == TOKEN_ELSE) {
        TRY(parse_else(tree, control, &node->control.other));
    }
    tree->nest--;
    tree->scope->count = scope;
    *ret = node;
    return STATUS_OK;
}

static enum status expect_close(struct tree *tree, const char *context)
{
    const struct template_token *token = next_word(tree);
    return token->kind == TOKEN_CLOSE ? STATUS_OK : unexpected(tree, token, context);
}

static enum status parse_else(struct tree *tree, enum control control, struct template_node **ret)
{
    const struct template_token *token = peek_word(tree);
    if ((control == CONTROL_IF && token->kind == TOKEN_IF) ||
        (control == CONTROL_WITH && token->kind == TOKEN_WITH)) {
        next(tree);
        return parse_control(tree, control, token->at, ret);
    }
    struct template_token end;
    TRY(expect_close(tree, "else"));
    TRY(parse_list(tree, ret, &end));
    if (end.kind != TOKEN_END) {
        return template_fail(tree->error, tree->tokens.text, end.at,
                             "expected end; found {{else}}");
    }
    return STATUS_OK;
}

static enum status parse_name(struct tree *tree, const char *context, const char **ret)
{
    const struct template_token *token = next_word(tree);
    struct template_text name;
    if (token->kind != TOKEN_STRING && token->kind != TOKEN_RAW_STRING) {
        return unexpected(tree, token, context);
    }
    TRY(parse_string(tree, token, &name));
    *ret = name.bytes;
    return STATUS_OK;
}

static bool list_is_empty(const struct template_node *list)
{
    for (; list; list = list->next) {
        if (list->kind != NODE_TEXT || strspn(list->text.bytes, " \t\r\n") < list->text.length) {
            return false;
        }
    }
    return true;
}

/* A name is defined once, unless one of the two is empty. */
static enum status body_add(struct tree *tree, const char *name, struct template_node *list,
                            size_t at)
{
    struct template_body **last = &tree->t->bodies;
    for (; *last; last = &(*last)->next) {
        if ((*last)->name[0] != '\0' && strcmp((*last)->name, name) == 0) {
            if (!list_is_empty((*last)->list) && !list_is_empty(list)) {
                return template_fail(tree->error, tree->tokens.text, at,
                                     "multiple definition of template \"%s\"", name);
            }
            (*last)->list = list_is_empty(list) ? (*last)->list : list;
            return STATUS_OK;
        }
    }
    *last = ARENA_NEW(&tree->t->arena, struct template_body);
    **last = (struct template_body){name, list, NULL};
    return STATUS_OK;
}

/* The body of define or block, which sees none of the variables around it but those every template
 * begins with. */
static enum status parse_body(struct tree *tree, const char *name, size_t at)
{
    struct scope scope, *outer = tree->scope;
    struct template_node *list;
    struct template_token end;
    unsigned ranges = tree->ranges;
    scope_open(&scope);
    scope.count = 1; /* only $ */
    tree->scope = &scope;
    tree->ranges = 0;
    TRY(nest(tree, at));
    enum status status = parse_list(tree, &list, &end);
    tree->scope = outer;
    tree->ranges = ranges;
    TRY(status);
    tree->nest--;
    if (end.kind != TOKEN_END) {
        return template_fail(tree->error, tree->tokens.text, end.at, "unexpected {{else}}");
    }
    return body_add(tree, name, list, at);
}

static enum status parse_template(struct tree *tree, size_t at, struct template_node **ret)
{
    struct template_node *node = node_new(tree, NODE_TEMPLATE, at);
    node->place = peek_word(tree)->at;
    TRY(parse_name(tree, "template clause", &node->control.name));
    node->end = tree->tokens.items[tree->at - 1].at + tree->tokens.items[tree->at - 1].length;
    if (peek_word(tree)->kind == TOKEN_CLOSE) {
        next(tree);
    } else {
        TRY(parse_pipe(tree, "template clause", TOKEN_CLOSE, &node->control.pipe));
        node->end = node->control.pipe->end;
    }
    *ret = node;
    return STATUS_OK;
}

static enum status parse_block(struct tree *tree, size_t at, struct template_node **ret)
{
    struct template_node *node = node_new(tree, NODE_TEMPLATE, at);
    TRY(parse_name(tree, "block clause", &node->control.name));
    TRY(parse_pipe(tree, "block clause", TOKEN_CLOSE, &node->control.pipe));
    *ret = node;
    return parse_body(tree, node->control.name, at);
}

static enum status parse_jump(struct tree *tree, const struct template_token *token,
                              struct template_node **ret)
{
    *ret = node_new(tree, token->kind == TOKEN_BREAK ? NODE_BREAK : NODE_CONTINUE, token->at);
    if (tree->ranges == 0) {
        return template_fail(tree->error, tree->tokens.text, token->at, "{{%s}} outside {{range}}",
                             token->kind == TOKEN_BREAK ? "break" : "continue");
    }
    return expect_close(tree, token->kind == TOKEN_BREAK ? "{{break}}" : "{{continue}}");
}

/* What stands between {{ and }}; the end of a list is left to the caller. */
static enum status parse_action(struct tree *tree, struct template_node **ret)
{
    struct template_token token = *peek_word(tree);
    enum template_token_kind kind = token.kind;
    if (kind == TOKEN_IF || kind == TOKEN_WITH || kind == TOKEN_RANGE) {
        next(tree);
        return parse_control(tree,
                             kind == TOKEN_IF     ? CONTROL_IF
                             : kind == TOKEN_WITH ? CONTROL_WITH
                                                  : CONTROL_RANGE,
                             token.at, ret);
    }
    if (kind == TOKEN_TEMPLATE || kind == TOKEN_BLOCK) {
        next(tree);
        return kind == TOKEN_TEMPLATE ? parse_template(tree, token.at, ret)
                                      : parse_block(tree, token.at, ret);
    }
    if (kind == TOKEN_BREAK || kind == TOKEN_CONTINUE) {
        next(tree);
        return parse_jump(tree, &token, ret);
    }
    *ret = node_new(tree, NODE_ACTION, token.at);
    TRY(parse_pipe(tree, "command", TOKEN_CLOSE, &(*ret)->control.pipe));
    (*ret)->end = (*ret)->control.pipe->end;
    return STATUS_OK;
}

static struct template_node *parse_text(struct tree *tree, const struct template_token *token)
{
    struct template_node *node = node_new(tree, NODE_TEXT, token->at);
    node->text = (struct template_text){token_text(tree, token), token->length};
    return node;
}

/* Nodes up to {{end}} or {{else}}, whose word is eaten (of end, its }} too). */
static enum status parse_list(struct tree *tree, struct template_node **ret,
                              struct template_token *ret_end)
{
    *ret = NULL;
    for (struct template_node **last = ret;;) {
        const struct template_token *token = next(tree);
        if (token->kind == TOKEN_EOF) {
            return template_fail(tree->error, tree->tokens.text, token->at, "unexpected EOF");
        }
        if (token->kind == TOKEN_TEXT) {
            *last = parse_text(tree, token);
        } else if (list_ends(peek_word(tree)->kind)) {
            *ret_end = *next(tree);
            return ret_end->kind == TOKEN_END ? expect_close(tree, "end") : STATUS_OK;
        } else {
            TRY(parse_action(tree, last));
        }
        last = &(*last)->next;
    }
}

/* The whole: nodes, and definitions among them. */
static enum status parse_top(struct tree *tree, struct template_node **ret)
{
    struct template_node **last = ret;
    for (const struct template_token *token; (token = next(tree))->kind != TOKEN_EOF;) {
        if (token->kind == TOKEN_TEXT) {
            *last = parse_text(tree, token);
            last = &(*last)->next;
            continue;
        }
        const struct template_token *word = peek_word(tree);
        if (list_ends(word->kind)) {
            return template_fail(tree->error, tree->tokens.text, word->at, "unexpected {{%s}}",
                                 word->kind == TOKEN_END ? "end" : "else");
        }
        if (word->kind == TOKEN_DEFINE) {
            const char *name;
            next(tree);
            TRY(parse_name(tree, "define clause", &name));
            TRY(expect_close(tree, "define clause"));
            TRY(parse_body(tree, name, word->at));
            continue;
        }
        TRY(parse_action(tree, last));
        last = &(*last)->next;
    }
    return STATUS_OK;
}

enum status template_parse(struct template *t, struct error *error)
{
    struct tree tree = {.t = t, .error = error};
    struct scope scope;
    scope_open(&scope);
    tree.scope = &scope;
    struct template_body *body = ARENA_NEW(&t->arena, struct template_body);
    body->name = "";
    t->bodies = body;
    enum status status = template_lex(t->text, &tree.tokens, error);
    if (status == STATUS_OK) {
        status = parse_top(&tree, &body->list);
    }
    free(tree.tokens.items);
    return status;
}

const struct template_body *template_body_find(const struct template *t, const char *name)
{
    for (const struct template_body *body = t->bodies->next; body; body = body->next) {
        if (strcmp(body->name, name) == 0) {
            return body;
        }
    }
    return NULL;
}
