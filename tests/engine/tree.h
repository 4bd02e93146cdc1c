/* Expression trees made by hand, for tests of the evaluator. */
#ifndef HEAL_TESTS_ENGINE_TREE_H
#define HEAL_TESTS_ENGINE_TREE_H

#include <string.h>

#include "lang/ast.h"

#define TREE static inline __attribute__((unused))

TREE struct expr *tree_new(struct arena *arena, enum expr_kind kind)
{
    struct expr *expr = ARENA_NEW(arena, struct expr);
    expr->kind = kind;
    return expr;
}
TREE struct expr *tree_number(struct arena *arena, double value)
{
    struct expr *expr = tree_new(arena, EXPR_NUMBER);
    expr->number.value = value;
    expr->number.text = arena_printf(arena, "%.17g", value);
    return expr;
}
TREE struct expr *tree_select(struct arena *arena, const char *name)
{
    struct expr *expr = tree_new(arena, EXPR_SELECTOR);
    expr->selector.name.text = name;
    return expr;
}
TREE struct expr *tree_matching(struct arena *arena, struct expr *selector, const char *label,
                                enum match_op op, const char *value)
{
    struct matcher *matcher = ARENA_NEW(arena, struct matcher);
    *matcher = (struct matcher){.label.text = label, .op = op, .value = value};
    matcher->next = selector->selector.matchers;
    selector->selector.matchers = matcher;
    return selector;
}
TREE struct expr *tree_signal(struct arena *arena, const char *name, struct expr *inner)
{
    struct expr *expr = tree_select(arena, name);
    expr->selector.signal = ARENA_NEW(arena, struct signal);
    expr->selector.signal->expr = inner;
    return expr;
}
TREE const char *tree_duration(struct arena *arena, struct duration duration)
{
    char text[40];
    return arena_strdup(arena, duration_print(duration, text, sizeof text));
}
TREE struct expr *tree_offset(struct arena *arena, struct expr *expr, double seconds)
{
    expr->has_offset = true;
    expr->offset = duration_seconds(seconds);
    expr->offset_text = tree_duration(arena, expr->offset);
    return expr;
}
TREE struct expr *tree_range(struct arena *arena, struct expr *inner, double seconds)
{
    struct expr *expr = tree_new(arena, EXPR_RANGE);
    expr->range.inner = inner;
    expr->range.range = duration_seconds(seconds);
    expr->range.range_text = tree_duration(arena, expr->range.range);
    return expr;
}
TREE struct expr *tree_subquery(struct arena *arena, struct expr *inner, double seconds,
                                double step)
{
    struct expr *expr = tree_range(arena, inner, seconds);
    expr->kind = EXPR_SUBQUERY;
    expr->range.step = duration_seconds(step);
    expr->range.step_text = step > 0 ? tree_duration(arena, expr->range.step) : NULL;
    return expr;
}
TREE struct expr *tree_at(struct arena *arena, struct expr *expr, double seconds)
{
    expr->at_kind = AT_TIME;
    expr->at = seconds;
    expr->at_text = arena_printf(arena, "%.17g", seconds);
    return expr;
}
TREE struct expr *tree_string(struct arena *arena, const char *value)
{
    struct expr *expr = tree_new(arena, EXPR_STRING);
    expr->string.value = value;
    expr->string.text = arena_printf(arena, "\"%s\"", value);
    return expr;
}
TREE struct expr *tree_binary(struct arena *arena, struct expr *left, const char *op,
                              struct expr *right)
{
    struct expr *expr = tree_new(arena, EXPR_BINARY);
    for (int i = 0; i < OPERATOR_COUNT; i++) {
        if (strcmp(operator_infos[i].text, op) == 0) {
            expr->binary.op = (enum operator)i;
        }
    }
    expr->binary.left = left;
    expr->binary.right = right;
    return expr;
}
TREE struct name_list *tree_names(struct arena *arena, const char *name, struct name_list *next)
{
    struct name_list *list = ARENA_NEW(arena, struct name_list);
    *list = (struct name_list){.name.text = name, .next = next};
    return list;
}
TREE struct expr *tree_on(struct arena *arena, struct expr *binary, bool on, const char *label)
{
    binary->binary.matching.present = true;
    binary->binary.matching.on = on;
    binary->binary.matching.labels = label ? tree_names(arena, label, NULL) : NULL;
    return binary;
}
TREE struct expr *tree_sum(struct arena *arena, enum aggregate op, const char *by,
                           struct expr *inner)
{
    struct expr *expr = tree_new(arena, EXPR_AGGREGATE);
    expr->aggregate.op = op;
    expr->aggregate.inner = inner;
    expr->aggregate.grouped = by != NULL;
    expr->aggregate.labels = by ? tree_names(arena, by, NULL) : NULL;
    return expr;
}
/* name NULL: a positional argument. */
TREE struct expr *tree_argument(struct arena *arena, struct expr *call, const char *name,
                                struct expr *value)
{
    struct argument **end = &call->call.arguments;
    while (*end) {
        end = &(*end)->next;
    }
    *end = ARENA_NEW(arena, struct argument);
    **end = (struct argument){.name.text = name, .value = value};
    return call;
}
TREE struct expr *tree_call(struct arena *arena, const char *name, struct expr *first)
{
    struct expr *expr = tree_new(arena, EXPR_CALL);
    expr->call.name.text = name;
    return first ? tree_argument(arena, expr, NULL, first) : expr;
}
TREE struct expr *tree_zscore(struct arena *arena, struct expr *x, double alpha)
{
    return tree_argument(arena, tree_call(arena, "zscore", x), "alpha", tree_number(arena, alpha));
}
TREE struct expr *tree_reaches(struct arena *arena, struct expr *x, double ahead, double lookback,
                               double threshold)
{
    struct expr *expr = tree_new(arena, EXPR_REACHES);
    struct expr *call = tree_call(arena, "forecast", x);
    tree_argument(arena, call, "in", tree_number(arena, ahead));
    tree_argument(arena, call, "lookback", tree_number(arena, lookback));
    expr->reaches.forecast = call;
    expr->reaches.threshold = tree_number(arena, threshold);
    return expr;
}

#endif
