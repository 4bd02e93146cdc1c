/* Canonical text of expressions. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/parse/keyword.h"
#include "lang/print.h"
#include "lang/print_text.h"

void text_add(struct text *text, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(length >= 0);
    while (text->length + (size_t)length + 1 > text->capacity) {
        text->capacity = text->capacity ? 2 * text->capacity : 1024;
        text->bytes = heap_resize(text->bytes, text->capacity);
    }
    vsnprintf(text->bytes + text->length, (size_t)length + 1, fmt, again);
    va_end(again);
    text->length += (size_t)length;
}

void text_line(struct text *text, int indent)
{
    while (text->length > 0 && text->bytes[text->length - 1] == ' ') {
        text->length--;
    }
    if (text->length > 0) {
        text_add(text, "\n");
    }
    text->line_start = text->length;
    text_add(text, "%*s", indent, "");
}

char *text_take(struct text *text, struct arena *arena)
{
    char *copy = arena_strndup(arena, text->bytes ? text->bytes : "", text->length);
    free(text->bytes);
    *text = (struct text){0};
    return copy;
}

static size_t sequence_length(const unsigned char *p)
{
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xC2 ? 0
               : p[0] < 0xE0 ? 2
               : p[0] < 0xF0 ? 3
               : p[0] < 0xF5 ? 4
                             : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool bad = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] >= 0xA0) ||
               (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] >= 0x90);
    return bad ? 0 : n;
}

void text_string(struct text *text, const char *value)
{
    static const char letters[] = "abfnrtv\\\"", values[] = "\a\b\f\n\r\t\v\\\"";
    text_add(text, "\"");
    for (const unsigned char *p = (const unsigned char *)value; *p;) {
        size_t n = sequence_length(p);
        const char *special = strchr(values, *p);
        if (special) {
            text_add(text, "\\%c", letters[special - values]);
        } else if (n == 0 || *p < 0x20 || *p == 0x7F) {
            text_add(text, "\\x%02x", *p);
        } else {
            text_add(text, "%.*s", (int)n, (const char *)p);
            p += n;
            continue;
        }
        p++;
    }
    text_add(text, "\"");
}

/* ---- pieces ---- */

static void text_label(struct text *text, const char *label)
{
    if (keyword_is_bare_label(label)) {
        text_add(text, "%s", label);
    } else {
        text_string(text, label);
    }
}

void text_labels(struct text *text, const struct name_list *labels)
{
    text_add(text, "(");
    for (const struct name_list *l = labels; l; l = l->next) {
        text_label(text, l->name.text);
        text_add(text, "%s", l->next ? ", " : "");
    }
    text_add(text, ")");
}

static void text_modifiers(struct text *text, const struct expr *expr)
{
    if (expr->has_offset) {
        text_add(text, " offset %s", expr->offset_text);
    }
    if (expr->at_kind == AT_TIME) {
        text_add(text, " @ %s", expr->at_text);
    } else if (expr->at_kind != AT_NONE) {
        text_add(text, " @ %s()", expr->at_kind == AT_START ? "start" : "end");
    }
}

static void text_selector(struct text *text, const struct expr *expr)
{
    static const char *const ops[] = {
        [MATCH_EQ] = "=", [MATCH_NE] = "!=", [MATCH_RE] = "=~", [MATCH_NRE] = "!~"};
    const char *name = expr->selector.name.text;
    const char *comma = "";
    bool bare = name && keyword_is_bare_metric(name);
    if (bare) {
        text_add(text, "%s", name);
    }
    if (!expr->selector.matchers && !expr->selector.braces && bare) {
        return;
    }
    text_add(text, "{");
    if (name && !bare) {
        text_string(text, name);
        comma = ", ";
    }
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        text_add(text, "%s", comma);
        text_label(text, m->label.text);
        text_add(text, "%s", ops[m->op]);
        text_string(text, m->value);
        comma = ", ";
    }
    text_add(text, "}");
}

static bool starts_with_paren(const struct expr *expr)
{
    while (expr->kind == EXPR_BINARY || expr->kind == EXPR_SUBQUERY) {
        expr = expr->kind == EXPR_BINARY ? expr->binary.left : expr->range.inner;
    }
    return expr->kind == EXPR_PAREN;
}

static void text_operator(struct text *text, const struct expr *expr)
{
    const struct matching *m = &expr->binary.matching;
    text_add(text, "%s%s ", operator_infos[expr->binary.op].text, m->return_bool ? " bool" : "");
    if (m->present) {
        text_add(text, "%s ", m->on ? "on" : "ignoring");
        text_labels(text, m->labels);
        text_add(text, " ");
    }
    if (m->group != GROUP_NONE) {
        text_add(text, "%s ", m->group == GROUP_LEFT ? "group_left" : "group_right");
        if (m->include || starts_with_paren(expr->binary.right)) {
            text_labels(text, m->include);
            text_add(text, " ");
        }
    }
}

void text_arguments(struct text *text, const struct argument *arguments)
{
    for (const struct argument *a = arguments; a; a = a->next) {
        if (a->name.text) {
            text_add(text, "%s: ", a->name.text);
        }
        text_expr(text, a->value);
        text_add(text, "%s", a->next ? ", " : "");
    }
}

/* sum by (x) */
static void text_aggregate_head(struct text *text, const struct expr *expr)
{
    text_add(text, "%s", aggregate_infos[expr->aggregate.op].text);
    if (expr->aggregate.grouped) {
        text_add(text, " %s ", expr->aggregate.without ? "without" : "by");
        text_labels(text, expr->aggregate.labels);
        text_add(text, " ");
    }
    text_add(text, "(");
}

void text_expr(struct text *text, const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_NUMBER: text_add(text, "%s", expr->number.text); break;
    case EXPR_STRING: text_add(text, "%s", expr->string.text); break;
    case EXPR_SELECTOR: text_selector(text, expr); break;
    case EXPR_RANGE:
        text_expr(text, expr->range.inner);
        text_add(text, "[%s]", expr->range.range_text);
        break;
    case EXPR_SUBQUERY:
        text_expr(text, expr->range.inner);
        text_add(text, "[%s:%s]", expr->range.range_text,
                 expr->range.step_text ? expr->range.step_text : "");
        break;
    case EXPR_CALL:
        text_add(text, "%s(", expr->call.name.text);
        text_arguments(text, expr->call.arguments);
        text_add(text, ")");
        break;
    case EXPR_AGGREGATE:
        text_aggregate_head(text, expr);
        if (expr->aggregate.parameter) {
            text_expr(text, expr->aggregate.parameter);
            text_add(text, ", ");
        }
        text_expr(text, expr->aggregate.inner);
        text_add(text, ")");
        break;
    case EXPR_BINARY:
        text_expr(text, expr->binary.left);
        text_add(text, " ");
        text_operator(text, expr);
        text_expr(text, expr->binary.right);
        break;
    case EXPR_UNARY:
        text_add(text, "%s", expr->unary.minus ? "-" : "+");
        text_expr(text, expr->unary.inner);
        break;
    case EXPR_PAREN:
        text_add(text, "(");
        text_expr(text, expr->inner);
        text_add(text, ")");
        break;
    case EXPR_PERCENT_OF:
        text_add(text, "%s of ", expr->percent_of.text);
        text_expr(text, expr->percent_of.inner);
        break;
    case EXPR_REACHES:
        text_expr(text, expr->reaches.forecast);
        text_add(text, " reaches ");
        text_expr(text, expr->reaches.threshold);
        if (expr->reaches.conditions) {
            text_add(text, " with (");
            text_arguments(text, expr->reaches.conditions);
            text_add(text, ")");
        }
        break;
    case EXPR_LIST:
        text_add(text, "[");
        text_arguments(text, expr->items);
        text_add(text, "]");
        break;
    }
    text_modifiers(text, expr);
}

/* ---- broken over lines ---- */

/* Columns expr takes on one line; at most a little more than fits anyway. */
static size_t flat_width(const struct expr *expr)
{
    struct text flat = {0};
    text_expr(&flat, expr);
    size_t width = flat.length;
    free(flat.bytes);
    return width;
}

static void text_arguments_broken(struct text *text, const struct argument *arguments, int indent)
{
    for (const struct argument *a = arguments; a; a = a->next) {
        if (a->name.text) {
            text_add(text, "%s: ", a->name.text);
        }
        text_expr_broken(text, a->value, indent);
        if (a->next) {
            text_add(text, ",");
            text_line(text, indent);
        }
    }
}

void text_expr_broken(struct text *text, const struct expr *expr, int indent)
{
    size_t column = text->length - text->line_start;
    bool splits = expr->kind == EXPR_BINARY || expr->kind == EXPR_CALL ||
                  expr->kind == EXPR_AGGREGATE || expr->kind == EXPR_PAREN ||
                  expr->kind == EXPR_REACHES;
    if (!splits || indent > PRINT_COLUMNS / 2 || column + flat_width(expr) <= PRINT_COLUMNS) {
        text_expr(text, expr);
        return;
    }
    int deeper = indent + PRINT_INDENT;
    if (expr->kind == EXPR_BINARY) {
        bool set = operator_infos[expr->binary.op].kind == OPERATOR_SET;
        text_expr_broken(text, expr->binary.left, indent);
        if (set) {
            text_line(text, indent);
        } else {
            text_add(text, " ");
        }
        text_operator(text, expr);
        text_expr_broken(text, expr->binary.right, indent);
    } else if (expr->kind == EXPR_CALL) {
        text_add(text, "%s(", expr->call.name.text);
        text_arguments_broken(text, expr->call.arguments, deeper);
        text_add(text, ")");
    } else if (expr->kind == EXPR_AGGREGATE) {
        text_aggregate_head(text, expr);
        if (expr->aggregate.parameter) {
            text_expr(text, expr->aggregate.parameter);
            text_add(text, ", ");
        }
        text_expr_broken(text, expr->aggregate.inner, deeper);
        text_add(text, ")");
    } else if (expr->kind == EXPR_PAREN) {
        text_add(text, "(");
        text_expr_broken(text, expr->inner, deeper);
        text_add(text, ")");
    } else {
        text_expr_broken(text, expr->reaches.forecast, deeper);
        text_line(text, indent);
        text_add(text, "reaches ");
        text_expr_broken(text, expr->reaches.threshold, deeper);
        if (expr->reaches.conditions) {
            text_add(text, " with (");
            text_arguments(text, expr->reaches.conditions);
            text_add(text, ")");
        }
    }
    text_modifiers(text, expr);
}

char *print_expr(struct arena *arena, const struct expr *expr)
{
    struct text text = {0};
    text_expr(&text, expr);
    return text_take(&text, arena);
}

char *print_act_call(struct arena *arena, const struct act_call *call)
{
    struct text text = {0};
    text_add(&text, "%s(", call->action.text);
    text_arguments(&text, call->arguments);
    text_add(&text, ")");
    return text_take(&text, arena);
}
