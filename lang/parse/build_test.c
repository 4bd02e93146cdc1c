/* Builds the tests of policies. */
#include <string.h>

#include "lang/parse/build.h"

void build_test(struct parser *parser, const struct expr *title, const struct quantity *length)
{
    struct test *test = ARENA_NEW(parser->arena, struct test);
    test->title = title->string.value;
    test->has_length = length != NULL;
    if (length) {
        test->length = *length;
    }
    build_item(parser, ITEM_TEST, title->span)->test = test;
    parser->test = test;
    parser->last_given = NULL;
    parser->last_expect = NULL;
}

void build_given(struct parser *parser, enum given_kind kind, struct expr *subject)
{
    struct given *given = ARENA_NEW(parser->arena, struct given);
    given->kind = kind;
    given->subject = subject;
    parser->given = given;
    for (struct matcher *m = subject ? subject->selector.matchers : NULL; m; m = m->next) {
        if (m->op != MATCH_EQ) {
            struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, m->span,
                                         "a series of a test is named by = only");
            diag_help(diag, "write %s=\"...\"", m->label.text);
        }
    }
    if (subject && (subject->has_offset || subject->at_kind != AT_NONE)) {
        diag_add(parser->diags, DIAG_MODIFIER, subject->span,
                 "a series of a test has no modifiers");
    }
}

void build_given_stream(struct parser *parser, const struct expr *path)
{
    build_given(parser, GIVEN_STREAM, NULL);
    parser->given->path = path->string.value;
}

void build_given_is(struct parser *parser, struct expr *subject, struct quantity value)
{
    build_given(parser, GIVEN_IS, subject);
    parser->given->from = parser->given->to = value.value;
    parser->given->from_text = value.text;
}

void build_given_ramps(struct parser *parser, struct expr *subject, struct quantity from,
                       struct quantity to, struct quantity over)
{
    build_given(parser, GIVEN_RAMPS, subject);
    parser->given->from = from.value;
    parser->given->from_text = from.text;
    parser->given->to = to.value;
    parser->given->to_text = to.text;
    parser->given->over = over;
}

void build_given_after(struct parser *parser, struct name action)
{
    parser->given->after_action = true;
    parser->given->action = action;
}

void build_given_at(struct parser *parser, struct span span, struct quantity at)
{
    parser->given->has_at = true;
    parser->given->at = at;
    build_given_end(parser, span);
}

void build_given_delay(struct parser *parser, bool denied, const struct quantity *after)
{
    parser->given->denied |= denied;
    if (after) {
        parser->given->has_at = true;
        parser->given->at = *after;
    }
}

void build_given_by(struct parser *parser, struct name who)
{
    parser->given->who = who;
}

void build_given_end(struct parser *parser, struct span span)
{
    parser->given->span = span;
    RING_ADD(parser->last_given, parser->given);
    parser->last_given = parser->given;
}

struct quantity build_quantity(struct parser *parser, struct span span, struct quantity number,
                               struct name unit, const struct name *per)
{
    struct quantity of = build_unit(parser, unit, per);
    if (number.unit != UNIT_NONE) {
        diag_add(parser->diags, DIAG_NUMBER_FORM, span, "'%s' has a unit already", number.text);
        return number;
    }
    number.unit = of.unit;
    number.per = of.per;
    number.value *= of.unit == UNIT_NONE ? 1 : unit_infos[of.unit].scale;
    number.value /= of.per == UNIT_NONE ? 1 : unit_infos[of.per].scale;
    number.text = arena_printf(parser->arena, "%s%s", number.text, of.text);
    number.span = span;
    return number;
}

/* ---- expect ---- */

static bool word_is_outcome(const char *word)
{
    static const char *const outcomes[] = {
#define OUTCOME(word, record) word,
#include "lang/test_outcome.def"
#undef OUTCOME
    };
    for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
        if (strcmp(word, outcomes[i]) == 0) {
            return true;
        }
    }
    return false;
}

void build_expect(struct parser *parser, struct name subject, bool no)
{
    struct expect *expect = ARENA_NEW(parser->arena, struct expect);
    bool outcome = word_is_outcome(subject.text);
    expect->kind = outcome ? (no ? EXPECT_NO_OUTCOME : EXPECT_OUTCOME)
                           : (no ? EXPECT_NO_ACTION : EXPECT_ACTION);
    expect->subject = subject;
    parser->expect = expect;
    parser->seen_count = 0;
}

void build_expect_cause(struct parser *parser, struct name word, struct name cause, bool no)
{
    build_expect(parser, word, no);
    parser->expect->kind = no ? EXPECT_NO_OUTCOME : EXPECT_OUTCOME;
    parser->expect->cause = cause;
}

void build_expect_to(struct parser *parser, struct span span, struct name channel)
{
    if (build_clause(parser, "to", span)) {
        parser->expect->to = channel;
    }
}

void build_expect_on(struct parser *parser, struct span span, const struct expr *target)
{
    if (build_clause(parser, "on", span)) {
        parser->expect->on = target->string.value;
    }
}

void build_expect_before(struct parser *parser, struct span span, struct quantity before)
{
    if (build_clause(parser, "before", span)) {
        parser->expect->has_before = true;
        parser->expect->before = before;
    }
}

void build_expect_after(struct parser *parser, struct span span, struct quantity after)
{
    if (build_clause(parser, "after", span)) {
        parser->expect->has_after = true;
        parser->expect->after = after;
    }
}

void build_expect_times(struct parser *parser, struct span span, struct quantity times)
{
    if (build_clause(parser, "at most", span)) {
        parser->expect->has_times = true;
        parser->expect->times = times.value;
    }
}

void build_expect_end(struct parser *parser, struct span span)
{
    parser->expect->span = span;
    RING_ADD(parser->last_expect, parser->expect);
    parser->last_expect = parser->expect;
}
