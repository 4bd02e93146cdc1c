/* Opinions: what is allowed, and wakes somebody later. */
#include <math.h>

#include "lang/lint_internal.h"

/* ---- flapping ---- */

static void lint_flapping(struct lint *lint, const struct policy *policy)
{
    if (!policy->when.expr || !policy->clear.expr || policy->when.has_for ||
        policy->clear.has_for) {
        return;
    }
    bool all_when, all_clear;
    const struct range *when = condition_ranges(lint->arena, policy->when.expr, &all_when);
    const struct range *clear = condition_ranges(lint->arena, policy->clear.expr, &all_clear);
    for (; when; when = when->next) {
        for (const struct range *c = clear; c; c = c->next) {
            if (!same(when->key, c->key) || when->threshold != c->threshold ||
                waived(lint, DIAG_FLAPPING, c->span)) {
                continue;
            }
            struct diag *d =
                diag_add(lint->diags, DIAG_FLAPPING, c->span,
                         "policy '%s' triggers and clears at the same limit", policy->name.text);
            diag_label(d, when->span, "the trigger");
            diag_help(d, "clear at a limit further off, or write 'for 2m' behind it");
        }
    }
}

/* ---- windows ---- */

struct window_lint {
    struct lint *lint;
    const struct policy *policy;
    double every;
};

static const double window_samples_min = 4;

static bool reads_slope(enum builtin builtin)
{
    return builtin == BUILTIN_RATE || builtin == BUILTIN_INCREASE || builtin == BUILTIN_DERIV ||
           builtin == BUILTIN_PREDICT_LINEAR;
}

static void lint_window(struct expr *expr, void *context)
{
    struct window_lint *w = context;
    const struct argument *a = expr->kind == EXPR_CALL ? expr->call.arguments : NULL;
    expr_children(expr, lint_window, context);
    if (!a || !reads_slope(expr->call.builtin) || a->value->kind != EXPR_RANGE) {
        return;
    }
    double seconds = duration_to_seconds(a->value->range.range);
    if (seconds >= window_samples_min * w->every ||
        waived(w->lint, DIAG_SHORT_WINDOW, expr->span)) {
        return;
    }
    char need[48], every[48];
    duration_print(duration_seconds(window_samples_min * w->every), need, sizeof need);
    duration_print(duration_seconds(w->every), every, sizeof every);
    struct diag *d = diag_add(
        w->lint->diags, DIAG_SHORT_WINDOW, expr->span,
        "%s() over %s holds %.0f samples, one each %s: too few when one is lost",
        expr->call.name.text, a->value->range.range_text, floor(seconds / w->every), every);
    diag_help(d, "write [%s] or longer", need);
}

/* ---- words and tests ---- */

static void lint_about(struct lint *lint, const struct policy *policy)
{
    if ((policy->about && policy->about[0]) || waived(lint, DIAG_NO_ABOUT, policy->name.span)) {
        return;
    }
    struct diag *d = diag_add(lint->diags, DIAG_NO_ABOUT, policy->name.span,
                              "policy '%s' does not say what it is about", policy->name.text);
    diag_help(d, "write 'about \"...\"': it is what the person who is paged reads first");
}

struct mention {
    const char *word;
    bool found;
};

static void visit_mention(struct expr *expr, void *context)
{
    struct mention *m = context;
    if (expr->kind == EXPR_SELECTOR && same(expr->selector.name.text, m->word)) {
        m->found = true;
    }
    expr_children(expr, visit_mention, context);
}

static bool expects_action_of(const struct test *test, const struct policy *policy)
{
    for (const struct expect *e = test->expects; e; e = e->next) {
        for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
            for (const struct rung *r = heal->rungs; r; r = r->next) {
                if (r->kind == RUNG_ACT && same(r->call.action.text, e->subject.text)) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* What a stream gives stands in its file; what the test expects says whom it is for. */
static bool test_is_of(const struct test *test, const struct policy *policy)
{
    for (const struct given *g = test->givens; g; g = g->next) {
        if (g->kind == GIVEN_STREAM && expects_action_of(test, policy)) {
            return true;
        }
        const char *name =
            g->subject && g->subject->kind == EXPR_SELECTOR ? g->subject->selector.name.text : NULL;
        struct mention m = {.word = name};
        for (const struct signal *s = policy->signals; s; s = s->next) {
            m.found = m.found || same(s->name.text, name);
        }
        if (name) {
            policy_exprs(policy, visit_mention, &m);
        }
        if (m.found) {
            return true;
        }
    }
    return false;
}

static void lint_no_test(struct lint *lint, const struct policy *policy)
{
    if (!policy_acts(policy)) {
        return;
    }
    for (const struct test *t = lint->program->tests; t; t = t->next) {
        if (test_is_of(t, policy)) {
            return;
        }
    }
    if (!waived(lint, DIAG_NO_TEST, policy->name.span)) {
        struct diag *d = diag_add(lint->diags, DIAG_NO_TEST, policy->name.span,
                                  "policy '%s' acts, and no test gives values to what it reads",
                                  policy->name.text);
        diag_help(d, "write test \"...\" { given ...  expect ... }");
    }
}

/* ---- unused ---- */

static void report_unused(struct lint *lint, const char *what, const struct name *name)
{
    if (!waived(lint, DIAG_UNUSED, name->span)) {
        struct diag *d = diag_add(lint->diags, DIAG_UNUSED, name->span, "nothing uses %s '%s'",
                                  what, name->text);
        diag_help(d, "remove it");
    }
}

struct uses {
    const void *declaration;
    bool found;
};

static void visit_signal_use(struct expr *expr, void *context)
{
    struct uses *uses = context;
    if (expr->kind == EXPR_SELECTOR && expr->selector.signal == uses->declaration) {
        uses->found = true;
    }
    expr_children(expr, visit_signal_use, context);
}

static bool uses_pool(const struct limit *limits, const struct pool *pool)
{
    for (; limits; limits = limits->next) {
        if (limits->pool == pool) {
            return true;
        }
    }
    return false;
}

static bool policy_uses(const struct policy *p, const void *declaration)
{
    if (p->resolved == declaration || p->on_missing.resolved == declaration ||
        p->on_stale.resolved == declaration || p->escalate.resolved == declaration ||
        uses_pool(p->bounds, declaration) || uses_pool(p->keeps, declaration)) {
        return true;
    }
    for (const struct climb_step *step = p->escalate.steps; step; step = step->next) {
        if (step->resolved == declaration) {
            return true;
        }
    }
    for (const struct heal *heal = p->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (rung->resolved == declaration || rung->call.resolved == declaration) {
                return true;
            }
        }
    }
    return false;
}

static bool declaration_is_used(const struct program *program, const void *declaration)
{
    for (const struct policy *p = program->policies; p; p = p->next) {
        if (policy_uses(p, declaration)) {
            return true;
        }
    }
    for (const struct guard *g = program->guards; g; g = g->next) {
        if (uses_pool(g->limits, declaration)) {
            return true;
        }
    }
    for (const struct action *a = program->actions; a; a = a->next) {
        if (a->undo && a->undo->resolved == declaration && a != declaration) {
            return true;
        }
    }
    return false;
}

static void lint_unused_signals(struct lint *lint, const struct policy *policy)
{
    for (const struct signal *s = policy->signals; s; s = s->next) {
        struct uses uses = {.declaration = s};
        policy_exprs(policy, visit_signal_use, &uses);
        if (!uses.found) {
            report_unused(lint, "signal", &s->name);
        }
    }
}

static void lint_unused(struct lint *lint)
{
    const struct program *p = lint->program;
    if (!p->policies) {
        return; /* a file of shared declarations, on its own */
    }
    for (const struct pool *d = p->pools; d; d = d->next) {
        if (!declaration_is_used(p, d)) {
            report_unused(lint, "pool", &d->name);
        }
    }
    for (const struct channel *d = p->channels; d; d = d->next) {
        if (!declaration_is_used(p, d)) {
            report_unused(lint, "channel", &d->name);
        }
    }
    for (const struct action *d = p->actions; d; d = d->next) {
        if (!declaration_is_used(p, d)) {
            report_unused(lint, "action", &d->name);
        }
    }
}

void lint_program(const struct program *program, struct diag_list *diags, struct instant today)
{
    struct lint lint = {.program = program, .diags = diags, .arena = diags->arena};
    waivers_read(&lint, today);
    for (const struct policy *policy = program->policies; policy; policy = policy->next) {
        struct window_lint window = {&lint, policy, POLICY_EVERY_DEFAULT_S};
        if (policy->has_every) {
            window.every = policy->every.value;
        }
        lint_flapping(&lint, policy);
        policy_exprs(policy, lint_window, &window);
        lint_about(&lint, policy);
        lint_no_test(&lint, policy);
        lint_unused_signals(&lint, policy);
    }
    for (const struct recorded *r = program->recorded; r; r = r->next) {
        struct window_lint window = {&lint, NULL, POLICY_EVERY_DEFAULT_S};
        if (r->has_every) {
            window.every = r->every.value;
        }
        lint_window(r->expr, &window);
    }
    lint_unused(&lint);
    waivers_unused(&lint);
}
