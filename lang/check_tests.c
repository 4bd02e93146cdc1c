/* Do a policy's own tests speak of things that exist? */
#include <stdio.h>
#include <stdlib.h>

#include "lang/check_internal.h"

static const struct signal *find_signal(const struct check *check, const char *name)
{
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        for (const struct signal *s = p->signals; s; s = s->next) {
            if (same(s->name.text, name)) {
                return s;
            }
        }
    }
    return NULL;
}

struct metric_use {
    const char *name;
    bool used;
};

static void visit_metric_use(struct expr *expr, void *context)
{
    struct metric_use *use = context;
    if (expr->kind == EXPR_SELECTOR && !expr->selector.signal &&
        same(expr->selector.name.text, use->name)) {
        use->used = true;
    }
    expr_children(expr, visit_metric_use, use);
}

static bool metric_is_read(const struct check *check, const char *name)
{
    struct metric_use use = {.name = name};
    for (const struct policy *p = check->program->policies; p && !use.used; p = p->next) {
        policy_exprs(p, visit_metric_use, &use);
    }
    for (const struct action *a = check->program->actions; a && !use.used; a = a->next) {
        if (a->reads) {
            visit_metric_use(a->reads, &use);
        }
    }
    for (const struct guard *g = check->program->guards; g && !use.used; g = g->next) {
        for (const struct limit *l = g->limits; l; l = l->next) {
            if (l->only) {
                visit_metric_use(l->only, &use);
            }
        }
    }
    for (const struct pool *p = check->program->pools; p && !use.used; p = p->next) {
        visit_metric_use(p->expr, &use);
        if (p->ready) {
            visit_metric_use(p->ready, &use);
        }
    }
    for (const struct recorded *r = check->program->recorded; r && !use.used; r = r->next) {
        visit_metric_use(r->expr, &use);
    }
    return use.used;
}

/* The unit in "4GiB", "90%", "1h30m" (hours will do), "1MiB/min". */
static struct dimension text_dimension(const char *text)
{
    char *end = NULL;
    strtod(text, &end);
    size_t length = strcspn(end, "/0123456789");
    const char *per = strchr(end, '/');
    enum unit unit = unit_find(end, length);
    enum unit below = per ? unit_find(per + 1, strlen(per + 1)) : UNIT_NONE;
    return dimension_of_unit(unit, below);
}

static void check_value(struct check *check, const struct given *given, const struct type *type,
                        const char *name, const char *text, double value)
{
    if (!text) {
        return;
    }
    struct dimension have = text_dimension(text), want = type->dimension;
    bool share = want.known && want.ratio;
    if (!have.known && share && value > 1) {
        struct diag *d =
            diag_add(check->diags, DIAG_TEST_VALUE, given->span,
                     "'%s' is a ratio, where 1 is all of it, and is given %s", name, text);
        diag_help(d, "write %s%%", text);
        if (type->weak) {
            diag_lower(d);
        }
        return;
    }
    if (have.known && !dimension_equal(have, want)) {
        char left[128], right[128];
        dimension_print(want, left, sizeof left);
        dimension_print(have, right, sizeof right);
        struct diag *d = diag_add(check->diags, DIAG_TEST_VALUE, given->span,
                                  "'%s' is in %s, %s is in %s", name, left, text, right);
        diag_help(d, "write the value in %s", left);
        if (type->weak) {
            diag_lower(d);
        }
    }
}

static void report_subject(struct check *check, const struct given *given, const char *name)
{
    struct nearest near = {.word = name};
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        for (const struct signal *s = p->signals; s; s = s->next) {
            nearest_try(&near, s->name.text);
        }
    }
    for (const struct metric *m = check->program->metrics; m; m = m->next) {
        nearest_try(&near, m->name.text);
    }
    struct diag *d = diag_add(check->diags, DIAG_TEST_SUBJECT, given->subject->span,
                              "'%s' is no signal, and no policy reads a metric of that name", name);
    nearest_help(d, &near, "give values to a signal or metric that a policy reads");
}

static void check_given_subject(struct check *check, const struct given *given)
{
    const struct expr *subject = given->subject;
    const char *name = subject->kind == EXPR_SELECTOR ? subject->selector.name.text : NULL;
    const struct signal *signal = name && expr_word(subject) ? find_signal(check, name) : NULL;
    struct type type;
    if (signal) {
        type = signal->expr->type;
    } else if (name && (metric_is_read(check, name) || find_metric(check, name))) {
        const struct metric *metric = find_metric(check, name);
        type = metric ? (struct type){.dimension =
                                          dimension_of_unit(metric->unit.unit, metric->unit.per)}
                      : type_of_metric_name(name);
    } else {
        report_subject(check, given, name ? name : expr_text(check, subject));
        return;
    }
    check_value(check, given, &type, name, given->from_text, given->from);
    if (given->kind == GIVEN_RAMPS) {
        check_value(check, given, &type, name, given->to_text, given->to);
    }
}

static void report_word(struct check *check, const struct name *name, const char *const *words)
{
    struct nearest near = {.word = name->text};
    for (const struct action *a = check->program->actions; a; a = a->next) {
        nearest_try(&near, a->name.text);
    }
    for (; *words; words++) {
        nearest_try(&near, *words);
    }
    struct diag *d =
        diag_add(check->diags, DIAG_TEST_WORD, name->span,
                 "'%s' is no action and nothing else that a test can expect", name->text);
    nearest_help(d, &near, "expect an action, cause NAME, or action"
#define OUTCOME(word, record) ", " word
#include "lang/test_outcome.def"
#undef OUTCOME
    );
}

static void check_expected_cause(struct check *check, const struct expect *expect)
{
    struct nearest near = {.word = expect->cause.text};
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        for (const struct cause *cause = p->causes; cause; cause = cause->next) {
            if (same(cause->name.text, expect->cause.text)) {
                return;
            }
            nearest_try(&near, cause->name.text);
        }
    }
    struct diag *d = diag_add(check->diags, DIAG_TEST_WORD, expect->cause.span,
                              "no policy has a cause '%s'", expect->cause.text);
    nearest_help(d, &near, "expect a cause that a policy declares");
}

/* Only a page goes to a channel, and only to one that is declared. */
static void check_expected_channel(struct check *check, const struct expect *expect)
{
    struct nearest near = {.word = expect->to.text};
    if (!same(expect->subject.text, "escalation")) {
        struct diag *d = diag_add(check->diags, DIAG_TEST_WORD, expect->to.span,
                                  "'%s' goes to no channel", expect->subject.text);
        diag_help(d, "write 'expect escalation to %s'", expect->to.text);
        return;
    }
    for (const struct channel *c = check->program->channels; c; c = c->next) {
        if (same(c->name.text, expect->to.text)) {
            return;
        }
        nearest_try(&near, c->name.text);
    }
    struct diag *d = diag_add(check->diags, DIAG_TEST_WORD, expect->to.span,
                              "there is no channel '%s'", expect->to.text);
    nearest_help(d, &near, "expect an escalation to a channel that is declared");
}

static void check_expect(struct check *check, const struct expect *expect)
{
    if (expect->to.text) {
        check_expected_channel(check, expect);
    }
    if (expect->cause.text) {
        check_expected_cause(check, expect);
        return;
    }
    static const char *const outcomes[] = {"action",
#define OUTCOME(word, record) word,
#include "lang/test_outcome.def"
#undef OUTCOME
                                           NULL};
    const char *word = expect->subject.text;
    if (!word || find_action(check, word)) {
        return;
    }
    for (const char *const *w = outcomes; *w; w++) {
        if (same(*w, word)) {
            return;
        }
    }
    report_word(check, &expect->subject, outcomes);
}

/* Why a test cannot have the file, or NULL: it lies beside the policy or below, so that a folder of
 * policies can be moved and signed as a whole. */
static const char *stream_fault(const char *path)
{
    const char *dot = strrchr(path, '.');
    size_t length = strlen(path);
    if (length == 0 || length > GIVEN_PATH_BYTES_MAX) {
        return "the path of a stream has between 1 and 255 bytes";
    }
    if (path[0] == '/') {
        return "a stream lies beside its policy or below, not at an absolute path";
    }
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 2 && memcmp(part, "..", 2) == 0)) {
            return "a stream lies beside its policy or below, and its path has neither '..' nor an "
                   "empty part";
        }
    }
    if (!dot || strchr(dot, '/') || (!same(dot, ".om") && !same(dot, ".csv"))) {
        return "a stream is a file of OpenMetrics text (.om) or of values (.csv)";
    }
    return NULL;
}

static void check_stream(struct check *check, const struct given *given)
{
    const char *fault = stream_fault(given->path);
    if (fault) {
        struct diag *d = diag_add(check->diags, DIAG_TEST_STREAM, given->span, "%s", fault);
        diag_help(d, "write the path from the policy's own folder, such as \"leak.om\"");
    }
}

static const struct given *find_given(const struct test *test, enum given_kind kind)
{
    const struct given *given = test->givens;
    while (given && given->kind != kind) {
        given = given->next;
    }
    return given;
}

/* A signal's givens stand in for its expression from the first tick on, so one that begins only
 * after an action would hide what the stream says until then. */
static void check_signal_over_stream(struct check *check, const struct test *test,
                                     const struct given *given)
{
    const char *name = expr_word(given->subject) ? given->subject->selector.name.text : NULL;
    bool hides = given->after_action && name && find_signal(check, name);
    for (const struct given *g = test->givens; g && hides; g = g->next) {
        bool from_start = g->subject && !g->after_action && !g->has_at && expr_word(g->subject) &&
                          same(g->subject->selector.name.text, name);
        hides = !from_start;
    }
    if (hides) {
        struct diag *d =
            diag_add(check->diags, DIAG_TEST_STREAM, given->span,
                     "'%s' is a signal: its given would hide the stream from the start", name);
        diag_help(d, "name the series of the stream that changes after '%s'", given->action.text);
    }
}

static void check_test(struct check *check, const struct test *test)
{
    static const char *const none[] = {NULL};
    bool streamed = find_given(test, GIVEN_STREAM) != NULL;
    for (const struct given *g = test->givens; g; g = g->next) {
        if (g->kind == GIVEN_STREAM) {
            check_stream(check, g);
        } else if (g->kind != GIVEN_APPROVAL && g->subject) {
            check_given_subject(check, g);
            if (streamed) {
                check_signal_over_stream(check, test, g);
            }
        }
        if (g->after_action && !find_action(check, g->action.text)) {
            report_word(check, &g->action, none);
        }
    }
    for (const struct expect *e = test->expects; e; e = e->next) {
        check_expect(check, e);
    }
    if (!test->expects) {
        struct diag *d = diag_add(check->diags, DIAG_TEST_EMPTY, test->span,
                                  "test \"%s\" expects nothing, so it cannot fail", test->title);
        diag_help(d, "write what must happen, such as 'expect incident'");
    }
}

void check_tests(struct check *check)
{
    for (const struct test *b = check->program->tests; b; b = b->next) {
        check_test(check, b);
        for (const struct test *a = check->program->tests; a != b; a = a->next) {
            if (same(a->title, b->title)) {
                struct diag *d = diag_add(check->diags, DIAG_DUPLICATE_NAME, b->span,
                                          "test \"%s\" is written twice", b->title);
                diag_label(d, a->span, "first written here");
                diag_help(d, "rename one of them, or remove it");
                break;
            }
        }
    }
}
