/* events(deploy, service: checkout, within: 6h): what it is defined as, made where it is read.
 *
 *     (sum(count_over_time(heal_event{kind="deploy", service="checkout"}[6h])) or vector(0))
 *         * (max(heal_event_source) or vector(1))
 *
 * Everything behind the parser sees this instead of the arguments; printing sees what was written.
 */
#include <string.h>

#include "lang/parse/build.h"

/* The text of a bare word or a string; NULL: it is neither. */
static const char *text_of(const struct expr *value)
{
    const bool plain = value->kind == EXPR_SELECTOR && !value->selector.braces &&
                       !value->selector.matchers && !value->has_offset && value->at_kind == AT_NONE;
    return plain                        ? value->selector.name.text
           : value->kind == EXPR_STRING ? value->string.value
                                        : NULL;
}

static struct matcher *add_matcher(struct parser *parser, struct matcher *last, struct name label,
                                   const char *value, struct span span)
{
    const struct expr text = {.kind = EXPR_STRING, .string = {.value = value}};
    struct matcher *matcher = build_matcher(parser, span, &label, MATCH_EQ, &text);
    return last ? build_matcher_add(last, matcher) : matcher;
}

static struct argument *argument_of(struct parser *parser, struct expr *value)
{
    struct argument *argument = build_argument(parser, NULL, NULL, value);
    argument->next = NULL; /* no ring any more */
    return argument;
}

static struct expr *call_of(struct parser *parser, struct span span, const char *function,
                            struct expr *value)
{
    return build_call(parser, span, (struct name){function, span}, argument_of(parser, value));
}

static struct expr *aggregate_of(struct parser *parser, struct span span, const char *function,
                                 struct expr *value)
{
    return build_aggregate(parser, span, (struct name){function, span}, NULL,
                           argument_of(parser, value));
}

static struct expr *or_number(struct parser *parser, struct span span, struct expr *value,
                              double number)
{
    const struct quantity quantity = {
        .value = number, .unit = UNIT_NONE, .per = UNIT_NONE, .text = number > 0 ? "1" : "0"};
    struct expr *vector = call_of(parser, span, "vector", build_number(parser, span, quantity));
    return build_paren(
        parser, span,
        build_binary(parser, span, OPERATOR_OR, value, build_matching(false), vector));
}

static struct expr *expansion_of(struct parser *parser, struct span span, struct matcher *last,
                                 struct quantity within)
{
    const struct name event = {EVENT_METRIC, span}, source = {EVENT_SOURCE_METRIC, span};
    struct expr *range =
        build_range(parser, span, build_selector(parser, span, &event, last, true), within);
    struct expr *count =
        aggregate_of(parser, span, "sum", call_of(parser, span, "count_over_time", range));
    struct expr *there =
        aggregate_of(parser, span, "max", build_selector(parser, span, &source, NULL, false));
    return build_binary(parser, span, OPERATOR_MUL, or_number(parser, span, count, 0),
                        build_matching(false), or_number(parser, span, there, 1));
}

struct expr *build_events(struct parser *parser, const struct expr *call)
{
    const struct argument *within = NULL;
    const char *kind = NULL;
    struct matcher *last = NULL;
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        const char *text = text_of(a->value);
        if (a->name.text && strcmp(a->name.text, "within") == 0) {
            const bool time = a->value->kind == EXPR_NUMBER && a->value->number.value > 0 &&
                              a->value->number.per == UNIT_NONE &&
                              a->value->number.unit != UNIT_NONE &&
                              unit_infos[a->value->number.unit].base == BASE_SECONDS;
            if (within || !time) {
                return NULL;
            }
            within = a;
        } else if (!text || text[0] == '\0' || (!a->name.text && kind)) {
            return NULL;
        } else {
            const struct name label =
                a->name.text ? a->name : (struct name){"kind", a->value->span};
            kind = a->name.text ? kind : text;
            last = add_matcher(parser, last, label, text, a->value->span);
        }
    }
    if (!kind || !within) {
        return NULL;
    }
    return expansion_of(parser, call->span, last,
                        (struct quantity){.value = within->value->number.value,
                                          .unit = within->value->number.unit,
                                          .per = UNIT_NONE,
                                          .text = within->value->number.text,
                                          .span = within->value->span});
}
