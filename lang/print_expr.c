/* Canonical text of expressions. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/parse/keyword.h"
#include "lang/print.h"
#include "lang/print_out.h"

void out_add(struct out *text, const char *fmt, ...)
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

void out_line(struct out *text, int indent)
{
    while (text->length > 0 && text->bytes[text->length - 1] == ' ') {
        text->length--;
    }
    if (text->length > 0) {
        out_add(text, "\n");
    }
    text->line_start = text->length;
    out_add(text, "%*s", indent, "");
}

char *out_take(struct out *text, struct arena *arena)
{
    char *copy = arena_strndup(arena, text->bytes ? text->bytes : "", text->length);
    free(text->bytes);
    *text = (struct out){0};
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

void out_string(struct out *text, const char *value)
{
    static const char letters[] = "abfnrtv\\\"", values[] = "\a\b\f\n\r\t\v\\\"";
    out_add(text, "\"");
    for (const unsigned char *p = (const unsigned char *)value; *p;) {
        size_t n = sequence_length(p);
        const char *special = strchr(values, *p);
        if (special) {
            out_add(text, "\\%c", letters[special - values]);
        } else if (n == 0 || *p < 0x20 || *p == 0x7F) {
            out_add(text, "\\x%02x", *p);
        } else {
            out_add(text, "%.*s", (int)n, (const char *)p);
            p += n;
            continue;
        }
        p++;
    }
    out_add(text, "\"");
}

/* ---- pieces ---- */

void out_label(struct out *text, const char *label)
{
    if (keyword_is_bare_label(label)) {
        out_add(text, "%s", label);
    } else {
        out_string(text, label);
    }
}

void out_metric(struct out *text, const char *name)
{
    if (keyword_is_bare_metric(name)) {
        out_add(text, "%s", name);
    } else {
        out_string(text, name);
    }
}

void out_labels(struct out *text, const struct name_list *labels)
{
    out_add(text, "(");
    for (const struct name_list *l = labels; l; l = l->next) {
        out_label(text, l->name.text);
        out_add(text, "%s", l->next ? ", " : "");
    }
    out_add(text, ")");
}

static void text_modifiers(struct out *text, const struct expr *expr)
{
    if (expr->has_offset) {
        out_add(text, " offset %s", expr->offset_text);
    }
    if (expr->at_kind == AT_TIME) {
        out_add(text, " @ %s", expr->at_text);
    } else if (expr->at_kind != AT_NONE) {
        out_add(text, " @ %s()", expr->at_kind == AT_START ? "start" : "end");
    }
}

static void text_selector(struct out *text, const struct expr *expr)
{
    static const char *const ops[] = {
        [MATCH_EQ] = "=", [MATCH_NE] = "!=", [MATCH_RE] = "=~", [MATCH_NRE] = "!~"};
    const char *name = expr->selector.name.text;
    const char *comma = "";
    bool bare = name && keyword_is_bare_metric(name);
    if (bare) {
        out_add(text, "%s", name);
    }
    if (!expr->selector.matchers && !expr->selector.braces && bare) {
        return;
    }
    out_add(text, "{");
    if (name && !bare) {
        out_string(text, name);
        comma = ", ";
    }
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        out_add(text, "%s", comma);
        out_label(text, m->label.text);
        out_add(text, "%s", ops[m->op]);
        out_string(text, m->value);
        comma = ", ";
    }
    out_add(text, "}");
}

static bool starts_with_paren(const struct expr *expr)
{
    while (expr->kind == EXPR_BINARY || expr->kind == EXPR_SUBQUERY) {
        expr = expr->kind == EXPR_BINARY ? expr->binary.left : expr->range.inner;
    }
    return expr->kind == EXPR_PAREN;
}

static void text_operator(struct out *text, const struct expr *expr)
{
    const struct matching *m = &expr->binary.matching;
    out_add(text, "%s%s ", operator_infos[expr->binary.op].text, m->return_bool ? " bool" : "");
    if (m->present) {
        out_add(text, "%s ", m->on ? "on" : "ignoring");
        out_labels(text, m->labels);
        out_add(text, " ");
    }
    if (m->group != GROUP_NONE) {
        out_add(text, "%s ", m->group == GROUP_LEFT ? "group_left" : "group_right");
        if (m->include || starts_with_paren(expr->binary.right)) {
            out_labels(text, m->include);
            out_add(text, " ");
        }
    }
}

void out_arguments(struct out *text, const struct argument *arguments)
{
    for (const struct argument *a = arguments; a; a = a->next) {
        if (a->name.text) {
            out_add(text, "%s: ", a->name.text);
        }
        out_expr(text, a->value);
        out_add(text, "%s", a->next ? ", " : "");
    }
}

/* sum by (x) */
static void text_aggregate_head(struct out *text, const struct expr *expr)
{
    out_add(text, "%s", aggregate_infos[expr->aggregate.op].text);
    if (expr->aggregate.grouped) {
        out_add(text, " %s ", expr->aggregate.without ? "without" : "by");
        out_labels(text, expr->aggregate.labels);
        out_add(text, " ");
    }
    out_add(text, "(");
}

void out_expr(struct out *text, const struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_NUMBER: out_add(text, "%s", expr->number.text); break;
    case EXPR_STRING: out_add(text, "%s", expr->string.text); break;
    case EXPR_SELECTOR: text_selector(text, expr); break;
    case EXPR_RANGE:
        out_expr(text, expr->range.inner);
        out_add(text, "[%s]", expr->range.range_text);
        break;
    case EXPR_SUBQUERY:
        out_expr(text, expr->range.inner);
        out_add(text, "[%s:%s]", expr->range.range_text,
                expr->range.step_text ? expr->range.step_text : "");
        break;
    case EXPR_CALL:
        out_add(text, "%s(", expr->call.name.text);
        out_arguments(text, expr->call.arguments);
        out_add(text, ")");
        break;
    case EXPR_AGGREGATE:
        text_aggregate_head(text, expr);
        if (expr->aggregate.parameter) {
            out_expr(text, expr->aggregate.parameter);
            out_add(text, ", ");
        }
        out_expr(text, expr->aggregate.inner);
        out_add(text, ")");
        break;
    case EXPR_BINARY:
        out_expr(text, expr->binary.left);
        out_add(text, " ");
        text_operator(text, expr);
        out_expr(text, expr->binary.right);
        break;
    case EXPR_UNARY:
        out_add(text, "%s", expr->unary.minus ? "-" : "+");
        out_expr(text, expr->unary.inner);
        break;
    case EXPR_PAREN:
        out_add(text, "(");
        out_expr(text, expr->inner);
        out_add(text, ")");
        break;
    case EXPR_PERCENT_OF:
        out_add(text, "%s of ", expr->percent_of.text);
        out_expr(text, expr->percent_of.inner);
        break;
    case EXPR_REACHES:
        out_expr(text, expr->reaches.forecast);
        out_add(text, " reaches ");
        out_expr(text, expr->reaches.threshold);
        if (expr->reaches.conditions) {
            out_add(text, " with (");
            out_arguments(text, expr->reaches.conditions);
            out_add(text, ")");
        }
        break;
    case EXPR_LIST:
        out_add(text, "[");
        out_arguments(text, expr->items);
        out_add(text, "]");
        break;
    }
    text_modifiers(text, expr);
}

/* ---- broken over lines ---- */

/* Columns expr takes on one line; at most a little more than fits anyway. */
static size_t flat_width(const struct expr *expr)
{
    struct out flat = {0};
    out_expr(&flat, expr);
    size_t width = flat.length;
    free(flat.bytes);
    return width;
}

static void text_arguments_broken(struct out *text, const struct argument *arguments, int indent)
{
    for (const struct argument *a = arguments; a; a = a->next) {
        if (a->name.text) {
            out_add(text, "%s: ", a->name.text);
        }
        out_expr_broken(text, a->value, indent);
        if (a->next) {
            out_add(text, ",");
            out_line(text, indent);
        }
    }
}

void out_expr_broken(struct out *text, const struct expr *expr, int indent)
{
    size_t column = text->length - text->line_start;
    bool splits = expr->kind == EXPR_BINARY || expr->kind == EXPR_CALL ||
                  expr->kind == EXPR_AGGREGATE || expr->kind == EXPR_PAREN ||
                  expr->kind == EXPR_REACHES;
    if (!splits || indent > PRINT_COLUMNS / 2 || column + flat_width(expr) <= PRINT_COLUMNS) {
        out_expr(text, expr);
        return;
    }
    int deeper = indent + PRINT_INDENT;
    if (expr->kind == EXPR_BINARY) {
        bool set = operator_infos[expr->binary.op].kind == OPERATOR_SET;
        out_expr_broken(text, expr->binary.left, indent);
        if (set) {
            out_line(text, indent);
        } else {
            out_add(text, " ");
        }
        text_operator(text, expr);
        out_expr_broken(text, expr->binary.right, indent);
    } else if (expr->kind == EXPR_CALL) {
        out_add(text, "%s(", expr->call.name.text);
        text_arguments_broken(text, expr->call.arguments, deeper);
        out_add(text, ")");
    } else if (expr->kind == EXPR_AGGREGATE) {
        text_aggregate_head(text, expr);
        if (expr->aggregate.parameter) {
            out_expr(text, expr->aggregate.parameter);
            out_add(text, ", ");
        }
        out_expr_broken(text, expr->aggregate.inner, deeper);
        out_add(text, ")");
    } else if (expr->kind == EXPR_PAREN) {
        out_add(text, "(");
        out_expr_broken(text, expr->inner, deeper);
        out_add(text, ")");
    } else {
        out_expr_broken(text, expr->reaches.forecast, deeper);
        out_line(text, indent);
        out_add(text, "reaches ");
        out_expr_broken(text, expr->reaches.threshold, deeper);
        if (expr->reaches.conditions) {
            out_add(text, " with (");
            out_arguments(text, expr->reaches.conditions);
            out_add(text, ")");
        }
    }
    text_modifiers(text, expr);
}

char *print_expr(struct arena *arena, const struct expr *expr)
{
    struct out text = {0};
    out_expr(&text, expr);
    return out_take(&text, arena);
}

char *print_act_call(struct arena *arena, const struct act_call *call)
{
    struct out text = {0};
    out_add(&text, "%s(", call->action.text);
    out_arguments(&text, call->arguments);
    out_add(&text, ")");
    return out_take(&text, arena);
}
