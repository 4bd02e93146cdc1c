/* Canonical text of tests. */
#include "lang/print_part.h"

static void print_given(struct printer *p, const void *what)
{
    const struct given *given = what;
    out_add(&p->text, "given ");
    if (given->after_action) {
        out_add(&p->text, "after %s ", given->action.text);
    }
    if (given->subject) {
        out_expr(&p->text, given->subject);
    }
    switch (given->kind) {
    case GIVEN_IS: out_add(&p->text, " is %s", given->from_text); break;
    case GIVEN_RAMPS:
        out_add(&p->text, " ramps %s -> %s over %s", given->from_text, given->to_text,
                given->over.text);
        break;
    case GIVEN_MISSING: out_add(&p->text, " is missing"); break;
    case GIVEN_UNSEEN: out_add(&p->text, " is unseen"); break;
    case GIVEN_STREAM:
        out_add(&p->text, "stream ");
        out_string(&p->text, given->path);
        break;
    case GIVEN_ACKNOWLEDGEMENT: out_add(&p->text, "acknowledgement"); break;
    case GIVEN_APPROVAL:
        out_add(&p->text, "approval%s%s%s", given->denied ? " denied" : "",
                given->who.text ? " by " : "", given->who.text ? given->who.text : "");
        break;
    }
    if (given->has_at) {
        const bool delay = given->kind == GIVEN_APPROVAL || given->kind == GIVEN_ACKNOWLEDGEMENT;
        out_add(&p->text, " %s %s", delay ? "after" : "at", given->at.text);
    }
}

static void print_expect(struct printer *p, const void *what)
{
    const struct expect *expect = what;
    bool no = expect->kind == EXPECT_NO_ACTION || expect->kind == EXPECT_NO_OUTCOME;
    out_add(&p->text, "expect %s%s", no ? "no " : "", expect->subject.text);
    if (expect->cause.text) {
        out_add(&p->text, " %s", expect->cause.text);
    }
    if (expect->on) {
        out_add(&p->text, " on ");
        out_string(&p->text, expect->on);
    }
    if (expect->to.text) {
        out_add(&p->text, " to %s", expect->to.text);
    }
    if (expect->has_before) {
        out_add(&p->text, " before %s", expect->before.text);
    }
    if (expect->has_after) {
        out_add(&p->text, " after %s", expect->after.text);
    }
    if (expect->has_times) {
        out_add(&p->text, " at most %.17g times", expect->times);
    }
}

void print_test(struct printer *p, const struct test *test)
{
    struct clauses clauses = {0};
    for (const struct given *g = test->givens; g; g = g->next) {
        clauses_add(&clauses, g->span, print_given, g);
    }
    for (const struct expect *e = test->expects; e; e = e->next) {
        clauses_add(&clauses, e->span, print_expect, e);
    }
    out_add(&p->text, "test ");
    out_string(&p->text, test->title);
    if (test->has_length) {
        out_add(&p->text, " for %s", test->length.text);
    }
    print_clauses(p, &clauses, test->span.end);
}
