/* Builds expressions. */
#include <math.h>
#include <string.h>

#include "lang/parse/build.h"
#include "lang/parse/keyword.h"
#include "lang/parser.h"

static struct expr *expr_new(struct parser *parser, enum expr_kind kind, struct span span,
                             unsigned height_below)
{
    struct expr *expr = ARENA_NEW(parser->arena, struct expr);
    expr->kind = kind;
    expr->span = span;
    expr->height = height_below + 1;
    if (expr->height > PARSE_HEIGHT_MAX) {
        parser_stop(parser, span, "operators on top of each other", PARSE_HEIGHT_MAX);
        expr->height = 1;
    }
    return expr;
}

static unsigned height_max(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static unsigned arguments_height(const struct argument *arguments)
{
    unsigned height = 0;
    for (; arguments; arguments = arguments->next) {
        height = height_max(height, arguments->value->height);
    }
    return height;
}

struct expr *build_binary(struct parser *parser, struct span span, enum operator op,
                          struct expr *left, struct matching matching, struct expr *right)
{
    struct expr *expr =
        expr_new(parser, EXPR_BINARY, span, height_max(left->height, right->height));
    expr->binary.op = op;
    expr->binary.left = left;
    expr->binary.right = right;
    expr->binary.matching = matching;
    if (matching.return_bool && operator_infos[op].kind != OPERATOR_COMPARE) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, span,
                                     "'bool' stands only after a comparison, not after '%s'",
                                     operator_infos[op].text);
        diag_help(diag, "leave 'bool' out");
    } else if (matching.group != GROUP_NONE && operator_infos[op].kind == OPERATOR_SET) {
        diag_add(parser->diags, DIAG_SYNTAX, span, "'%s' takes no group_left or group_right",
                 operator_infos[op].text);
    }
    if (operator_infos[op].kind == OPERATOR_COMPARE && left->kind == EXPR_REACHES) {
        struct diag *diag =
            diag_add(parser->diags, DIAG_SYNTAX, span, "'reaches' cannot be compared again");
        diag_help(diag, "write its right side in parentheses");
    }
    return expr;
}

struct expr *build_unary(struct parser *parser, struct span span, bool minus, struct expr *inner)
{
    struct expr *expr = expr_new(parser, EXPR_UNARY, span, inner->height);
    expr->unary.minus = minus;
    expr->unary.inner = inner;
    return expr;
}

struct expr *build_percent_of(struct parser *parser, struct span span, struct quantity percent,
                              struct expr *inner)
{
    struct expr *expr = expr_new(parser, EXPR_PERCENT_OF, span, inner->height);
    expr->percent_of.ratio = percent.value;
    expr->percent_of.text = percent.text;
    expr->percent_of.inner = inner;
    return expr;
}

struct expr *build_reaches(struct parser *parser, struct span span, struct expr *forecast,
                           struct expr *threshold, struct argument *last_condition)
{
    struct argument *conditions = NULL;
    RING_OPEN(struct argument, last_condition, conditions);
    unsigned height =
        height_max(height_max(forecast->height, threshold->height), arguments_height(conditions));
    struct expr *expr = expr_new(parser, EXPR_REACHES, span, height);
    expr->reaches.forecast = forecast;
    expr->reaches.threshold = threshold;
    expr->reaches.conditions = conditions;
    if (forecast->kind != EXPR_CALL) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, forecast->span,
                                     "only a forecast can reach a value");
        diag_help(diag, "write forecast(used, in: 2h) reaches 90%% of limit");
    }
    return expr;
}

/* ---- how the sides of an operator are matched ---- */

struct matching build_matching(bool return_bool)
{
    return (struct matching){.return_bool = return_bool};
}

struct matching build_on(struct matching matching, bool on, struct name_list *labels)
{
    matching.present = true;
    matching.on = on;
    matching.labels = labels;
    return matching;
}

struct matching build_group(struct parser *parser, struct matching matching, int group,
                            struct name_list *include)
{
    matching.group = group == GROUP_LEFT ? GROUP_LEFT : GROUP_RIGHT;
    matching.include = include;
    for (struct name_list *a = include; a && matching.on; a = a->next) {
        for (struct name_list *b = matching.labels; b; b = b->next) {
            if (strcmp(a->name.text, b->name.text) == 0) {
                struct diag *diag =
                    diag_add(parser->diags, DIAG_SYNTAX, a->name.span,
                             "label '%s' stands both in on (...) and in the group", a->name.text);
                diag_label(diag, b->name.span, "here");
            }
        }
    }
    return matching;
}

/* ---- ranges, offsets, @ ---- */

static struct duration time_of(struct parser *parser, struct quantity quantity)
{
    if (!(fabs(quantity.value) < 9.2e9)) {
        diag_add(parser->diags, DIAG_TOO_LARGE, quantity.span, "'%s' is longer than 292 years",
                 quantity.text);
        return (struct duration){0};
    }
    return duration_seconds(quantity.value);
}

static struct duration range_of(struct parser *parser, struct quantity quantity)
{
    struct duration duration = time_of(parser, quantity);
    if (duration.ns <= 0) {
        diag_add(parser->diags, DIAG_NUMBER_FORM, quantity.span,
                 "a range is longer than nothing, not '%s'", quantity.text);
    }
    return duration;
}

struct expr *build_range(struct parser *parser, struct span span, struct expr *inner,
                         struct quantity range)
{
    if (inner->kind != EXPR_SELECTOR) {
        struct diag *diag = diag_add(parser->diags, DIAG_MODIFIER, span,
                                     "a range stands only behind a metric or signal");
        diag_help(diag, "a subquery ranges over any expression: [%s:]", range.text);
    } else if (inner->has_offset || inner->at_kind != AT_NONE) {
        struct diag *diag =
            diag_add(parser->diags, DIAG_MODIFIER, span, "the range stands before offset and @");
        diag_help(diag, "write the [%s] first", range.text);
    }
    struct expr *expr = expr_new(parser, EXPR_RANGE, span, inner->height);
    expr->range.inner = inner;
    expr->range.range = range_of(parser, range);
    expr->range.range_text = range.text;
    return expr;
}

struct expr *build_subquery(struct parser *parser, struct span span, struct expr *inner,
                            struct quantity range, const struct quantity *step)
{
    if (inner->kind == EXPR_RANGE || inner->kind == EXPR_SUBQUERY || inner->kind == EXPR_STRING) {
        diag_add(parser->diags, DIAG_MODIFIER, span, "a subquery ranges over instant values only");
    }
    struct expr *expr = expr_new(parser, EXPR_SUBQUERY, span, inner->height);
    expr->range.inner = inner;
    expr->range.range = range_of(parser, range);
    expr->range.range_text = range.text;
    if (step) {
        expr->range.step = range_of(parser, *step);
        expr->range.step_text = step->text;
    }
    return expr;
}

struct expr *build_form_refused(struct parser *parser, struct span span, struct expr *inner,
                                const char *what)
{
    struct diag *diag =
        diag_add(parser->diags, DIAG_FORM_NOT_READY, span, "%s is not in this version", what);
    diag_help(diag, "remove it; Prometheus has it behind a flag");
    return inner;
}

struct quantity build_no_time(struct span span)
{
    return (struct quantity){.value = 60, .unit = UNIT_SECONDS, .text = "1m", .span = span};
}

struct quantity build_reckoned(struct parser *parser, struct span span, struct quantity first)
{
    struct diag *diag = diag_add(parser->diags, DIAG_FORM_NOT_READY, span,
                                 "a duration that is reckoned is not in this version");
    diag_help(diag, "write the duration itself, such as 30m");
    return first;
}

static bool can_be_shifted(struct parser *parser, const struct expr *expr, struct span span,
                           const char *what, bool twice)
{
    struct diag *diag = NULL;
    if (expr->kind != EXPR_SELECTOR && expr->kind != EXPR_RANGE && expr->kind != EXPR_SUBQUERY) {
        diag = diag_add(parser->diags, DIAG_MODIFIER, span,
                        "'%s' stands only behind a metric, a range or a subquery", what);
        diag_help(diag, "put it behind each metric inside");
    } else if (twice) {
        diag = diag_add(parser->diags, DIAG_MODIFIER, span, "'%s' stands here twice", what);
    }
    return diag == NULL;
}

struct expr *build_offset(struct parser *parser, struct span span, struct expr *inner,
                          struct quantity offset)
{
    if (can_be_shifted(parser, inner, span, "offset", inner->has_offset)) {
        inner->has_offset = true;
        inner->offset = time_of(parser, offset);
        inner->offset_text = offset.text;
        inner->span = span;
    }
    return inner;
}

struct expr *build_at(struct parser *parser, struct span span, struct expr *inner,
                      enum at_kind kind, const struct quantity *at)
{
    if (!can_be_shifted(parser, inner, span, "@", inner->at_kind != AT_NONE)) {
        return inner;
    }
    if (at && !(fabs(at->value) < 9.2e9)) {
        diag_add(parser->diags, DIAG_TOO_LARGE, at->span, "'%s' is no time", at->text);
        return inner;
    }
    inner->at_kind = kind;
    inner->at = at ? at->value : 0;
    inner->at_text = at ? at->text : NULL;
    inner->span = span;
    return inner;
}

/* ---- leaves ---- */

struct expr *build_number(struct parser *parser, struct span span, struct quantity quantity)
{
    struct expr *expr = expr_new(parser, EXPR_NUMBER, span, 0);
    expr->number.value = quantity.value;
    expr->number.unit = quantity.unit;
    expr->number.per = quantity.per;
    expr->number.text = quantity.text;
    return expr;
}

struct quantity build_negative(struct parser *parser, struct span span, struct quantity quantity)
{
    quantity.value = -quantity.value;
    quantity.text = arena_printf(parser->arena, "-%s", quantity.text);
    quantity.span = span;
    return quantity;
}

struct expr *build_paren(struct parser *parser, struct span span, struct expr *inner)
{
    struct expr *expr = expr_new(parser, EXPR_PAREN, span, inner->height);
    expr->inner = inner;
    return expr;
}

/* {"metric", a="b"}: the one matcher without a label is the name. */
static void selector_take_name(struct parser *parser, struct expr *expr)
{
    for (struct matcher **at = &expr->selector.matchers; *at;) {
        struct matcher *matcher = *at;
        if (matcher->label.text) {
            at = &matcher->next;
            continue;
        }
        if (expr->selector.name.text) {
            struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, matcher->span,
                                         "the metric has its name twice");
            diag_label(diag, expr->selector.name.span, "the first one");
        } else {
            expr->selector.name = (struct name){matcher->value, matcher->span};
        }
        *at = matcher->next;
    }
}

struct expr *build_selector(struct parser *parser, struct span span, const struct name *name,
                            struct matcher *last_matcher, bool braces)
{
    struct expr *expr = expr_new(parser, EXPR_SELECTOR, span, 0);
    if (name) {
        expr->selector.name = *name;
    }
    RING_OPEN(struct matcher, last_matcher, expr->selector.matchers);
    expr->selector.braces = braces;
    selector_take_name(parser, expr);
    return expr;
}

struct expr *build_reserved(struct parser *parser, struct span span, struct name name)
{
    struct diag *diag = diag_add(parser->diags, DIAG_RESERVED_WORD, span,
                                 "'%s' is a word of the language, not a metric", name.text);
    diag_help(diag, "write {__name__=\"%s\"} for a metric of this name", name.text);
    return build_selector(parser, span, &name, NULL, false);
}

struct matcher *build_matcher(struct parser *parser, struct span span, const struct name *label,
                              enum match_op op, const struct expr *value)
{
    struct matcher *matcher = ARENA_NEW(parser->arena, struct matcher);
    if (label) {
        matcher->label = *label;
    }
    matcher->op = op;
    matcher->value = value->string.value;
    matcher->span = span;
    matcher->next = matcher;
    return matcher;
}

struct matcher *build_matcher_add(struct matcher *last, struct matcher *matcher)
{
    RING_ADD(last, matcher);
    return matcher;
}

/* ---- calls ---- */

struct expr *build_call(struct parser *parser, struct span span, struct name name,
                        struct argument *arguments)
{
    struct expr *expr = expr_new(parser, EXPR_CALL, span, arguments_height(arguments));
    expr->call.name = name;
    expr->call.arguments = arguments;
    expr->call.builtin = BUILTIN_NONE;
    if (strcmp(name.text, builtin_infos[BUILTIN_EVENTS].text) == 0 &&
        (expr->call.expansion = build_events(parser, expr)) != NULL) {
        expr->height = expr->call.expansion->height + 1;
    }
    return expr;
}

struct argument *build_argument(struct parser *parser, struct argument *last,
                                const struct name *name, struct expr *value)
{
    struct argument *argument = ARENA_NEW(parser->arena, struct argument);
    if (name) {
        argument->name = (struct name){name->text, name->span};
    } else if (last && last->name.text) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, value->span,
                                     "an argument without a name stands behind a named one");
        diag_help(diag, "put it before '%s:'", last->name.text);
    }
    argument->value = value;
    RING_ADD(last, argument);
    return argument;
}

struct expr *build_list(struct parser *parser, struct span span, struct argument *last)
{
    struct argument *items = NULL;
    RING_OPEN(struct argument, last, items);
    struct expr *expr = expr_new(parser, EXPR_LIST, span, arguments_height(items));
    expr->items = items;
    return expr;
}

struct expr *build_aggregate(struct parser *parser, struct span span, struct name name,
                             const struct grouping *grouping, struct argument *arguments)
{
    struct expr *expr = expr_new(parser, EXPR_AGGREGATE, span, arguments_height(arguments));
    enum aggregate op = aggregate_find(name.text, strlen(name.text));
    CHECK(op != AGGREGATE_NONE);
    expr->aggregate.op = op;
    if (grouping) {
        expr->aggregate.grouped = true;
        expr->aggregate.without = grouping->without;
        expr->aggregate.labels = grouping->labels;
    }
    size_t count = 0, wanted = aggregate_infos[op].parameter ? 2 : 1;
    for (struct argument *a = arguments; a; a = a->next, count++) {
        if (a->name.text) {
            diag_add(parser->diags, DIAG_SYNTAX, a->name.span, "'%s' has no argument '%s:'",
                     name.text, a->name.text);
        }
        expr->aggregate.parameter =
            count == 0 && wanted == 2 ? a->value : expr->aggregate.parameter;
        expr->aggregate.inner = a->value;
    }
    if (count != wanted) {
        struct diag *diag =
            diag_add(parser->diags, DIAG_SYNTAX, span, "'%s' takes %s, not %zu arguments",
                     name.text, wanted == 2 ? "a parameter and a vector" : "one vector", count);
        diag_help(diag, "write %s(%smetric)", aggregate_infos[op].text, wanted == 2 ? "5, " : "");
        if (!expr->aggregate.inner) {
            expr->aggregate.inner = build_number(parser, span, (struct quantity){.text = "0"});
        }
        if (wanted == 2 && !expr->aggregate.parameter) {
            expr->aggregate.parameter = expr->aggregate.inner;
        }
    }
    return expr;
}

struct name_list *build_name(struct parser *parser, struct name_list *last, struct name name)
{
    struct name_list *item = ARENA_NEW(parser->arena, struct name_list);
    item->name = name;
    RING_ADD(last, item);
    return item;
}
