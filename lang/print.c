/* Canonical text of a file: one clause a line, in the order of the source, with its comments. */
#include "lang/print.h"

#include <stdlib.h>
#include <string.h>

#include "lang/print_out.h"

struct printer {
    struct arena *arena;
    struct out text;
    const struct source *source;   /* NULL: no comments and no kept blank lines */
    const struct comment *comment; /* the next one to print */
    int indent;
    bool first; /* nothing was printed in this block yet */
};

/* One clause of a block: where it stands and how it is printed. */
struct clause {
    struct span span;
    void (*print)(struct printer *p, const void *what);
    const void *what;
};
struct clauses {
    struct clause *items;
    size_t count, capacity;
};

static void clauses_add(struct clauses *clauses, struct span span,
                        void (*print)(struct printer *p, const void *what), const void *what)
{
    ARRAY_RESERVE(clauses->items, clauses->count, clauses->capacity);
    clauses->items[clauses->count++] = (struct clause){span, print, what};
}

static int clause_order(const void *a, const void *b)
{
    const struct clause *x = a, *y = b;
    return x->span.start < y->span.start ? -1 : x->span.start > y->span.start;
}

/* ---- comments and blank lines ---- */

static const char *text_at(const struct printer *p, uint32_t offset)
{
    return p->source->text + (offset - p->source->base);
}

/* True when the line before the one of offset is blank. */
static bool blank_before(const struct printer *p, uint32_t offset)
{
    size_t i = offset - p->source->base;
    const char *text = p->source->text;
    while (i > 0 && text[i - 1] != '\n') {
        i--;
    }
    if (i == 0) {
        return false;
    }
    i--;
    while (i > 0 && (text[i - 1] == ' ' || text[i - 1] == '\t' || text[i - 1] == '\r')) {
        i--;
    }
    return i == 0 || text[i - 1] == '\n';
}

static void comment_text(struct printer *p)
{
    const char *text = text_at(p, p->comment->span.start);
    size_t length = p->comment->span.end - p->comment->span.start;
    while (length > 0 &&
           (text[length - 1] == ' ' || text[length - 1] == '\t' || text[length - 1] == '\r')) {
        length--;
    }
    out_add(&p->text, "%.*s", (int)length, text);
    p->comment = p->comment->next;
}

static void start_line(struct printer *p, uint32_t offset)
{
    if (p->source && !p->first && blank_before(p, offset)) {
        out_line(&p->text, 0);
    }
    p->first = false;
    out_line(&p->text, p->indent);
}

/* Comments before offset, each on its own line. */
static void flush_comments(struct printer *p, uint32_t offset)
{
    while (p->comment && p->comment->span.start < offset) {
        start_line(p, p->comment->span.start);
        comment_text(p);
    }
}

/* A comment inside what was just printed, or right behind it on its line, stays at its side. */
static void trailing_comment(struct printer *p, uint32_t end)
{
    if (!p->comment || p->comment->own_line) {
        return;
    }
    for (uint32_t i = end; i < p->comment->span.start; i++) {
        char c = *text_at(p, i);
        if (c != ' ' && c != '\t' && c != ',') {
            return;
        }
    }
    out_add(&p->text, "  ");
    comment_text(p);
}

static void print_clauses(struct printer *p, struct clauses *clauses, uint32_t end)
{
    if (clauses->count > 0) {
        qsort(clauses->items, clauses->count, sizeof *clauses->items, clause_order);
    }
    uint32_t first = clauses->count ? clauses->items[0].span.start : end;
    out_add(&p->text, " {");
    if (p->comment && !p->comment->own_line && p->comment->span.start < first) {
        out_add(&p->text, "  ");
        comment_text(p);
    }
    p->indent += PRINT_INDENT;
    p->first = true;
    for (size_t i = 0; i < clauses->count; i++) {
        struct clause *clause = &clauses->items[i];
        if (p->source) {
            flush_comments(p, clause->span.start);
        }
        start_line(p, clause->span.start);
        clause->print(p, clause->what);
        if (p->source) {
            trailing_comment(p, clause->span.end);
        }
    }
    if (p->source) {
        flush_comments(p, end);
    }
    p->indent -= PRINT_INDENT;
    p->first = false;
    out_line(&p->text, p->indent);
    out_add(&p->text, "}");
    free(clauses->items);
    *clauses = (struct clauses){0};
}

/* ---- small pieces ---- */

static void print_names(struct printer *p, const struct name_list *names)
{
    for (; names; names = names->next) {
        out_add(&p->text, "%s%s", names->name.text, names->next ? ", " : "");
    }
}

static void print_long_expr(struct printer *p, const struct expr *expr)
{
    out_expr_broken(&p->text, expr, p->indent + 2 * PRINT_INDENT);
}

static void print_call(struct printer *p, const struct act_call *call)
{
    out_add(&p->text, "%s(", call->action.text);
    out_arguments(&p->text, call->arguments);
    out_add(&p->text, ")");
}

/* Word of one clause, "tier gold"; what is a struct name with the clause's word in print. */
#define PRINT_NAME(function, word)                                        \
    static void function(struct printer *p, const void *what)             \
    {                                                                     \
        out_add(&p->text, word " %s", ((const struct name *)what)->text); \
    }
PRINT_NAME(print_tier, "tier")
PRINT_NAME(print_via, "via")
PRINT_NAME(print_replaces, "replaces")
PRINT_NAME(print_risk, "risk")
PRINT_NAME(print_impact, "impact")

/* ---- service, action ---- */

static void print_depends(struct printer *p, const void *what)
{
    out_add(&p->text, "depends on ");
    print_names(p, what);
}

static void print_owner(struct printer *p, const void *what)
{
    out_add(&p->text, "owner ");
    out_string(&p->text, ((const struct name *)what)->text);
}

static void print_service(struct printer *p, const struct service *service)
{
    struct clauses clauses = {0};
    if (service->tier.text) {
        clauses_add(&clauses, service->tier.span, print_tier, &service->tier);
    }
    if (service->depends) {
        struct span span = service->depends->name.span;
        for (const struct name_list *n = service->depends; n; n = n->next) {
            span.end = n->name.span.end;
        }
        clauses_add(&clauses, span, print_depends, service->depends);
    }
    if (service->owner.text) {
        clauses_add(&clauses, service->owner.span, print_owner, &service->owner);
    }
    out_add(&p->text, "service %s", service->name.text);
    print_clauses(p, &clauses, service->span.end);
}

static void print_affects(struct printer *p, const void *what)
{
    const struct action *action = what;
    out_add(&p->text, "affects ");
    for (const struct affect *a = action->affects; a; a = a->next) {
        out_add(&p->text, "%s.%s%s", a->subject.text, a->quantity.text, a->next ? ", " : "");
    }
    if (action->has_within) {
        out_add(&p->text, " within %s", action->within.text);
    }
}

static void print_undo(struct printer *p, const void *what)
{
    out_add(&p->text, "undo ");
    print_call(p, what);
}

static void print_timeout(struct printer *p, const void *what)
{
    out_add(&p->text, "timeout %s", ((const struct quantity *)what)->text);
}

static void print_probe(struct printer *p, const void *what)
{
    out_add(&p->text, "probe ");
    print_long_expr(p, what);
}

static void print_reads(struct printer *p, const void *what)
{
    out_add(&p->text, "reads ");
    print_long_expr(p, what);
}

static void print_costs(struct printer *p, const void *what)
{
    const struct action *action = what;
    out_add(&p->text, "costs %s", action->costs.text);
    if (action->costs_per.text) {
        out_add(&p->text, " per %s", action->costs_per.text);
    }
}

static void print_word(struct printer *p, const void *what)
{
    out_add(&p->text, "%s", (const char *)what);
}

static struct span affects_span(const struct action *action)
{
    struct span span = action->affects->subject.span;
    for (const struct affect *a = action->affects; a; a = a->next) {
        span.end = a->quantity.span.end;
    }
    span.end = action->has_within ? action->within.span.end : span.end;
    return span;
}

static void print_action(struct printer *p, const struct action *action)
{
    struct clauses clauses = {0};
    if (action->connector.text) {
        clauses_add(&clauses, action->connector.span, print_via, &action->connector);
    }
    if (action->affects) {
        clauses_add(&clauses, affects_span(action), print_affects, action);
    }
    if (action->undo) {
        clauses_add(&clauses, action->undo->span, print_undo, action->undo);
    }
    if (action->irreversible) {
        clauses_add(&clauses, action->irreversible_span, print_word, "irreversible");
    }
    if (action->has_timeout) {
        clauses_add(&clauses, action->timeout.span, print_timeout, &action->timeout);
    }
    if (action->idempotent) {
        clauses_add(&clauses, action->idempotent_span, print_word, "idempotent");
    }
    if (action->replaces.text) {
        clauses_add(&clauses, action->replaces.span, print_replaces, &action->replaces);
    }
    if (action->probe) {
        clauses_add(&clauses, action->probe->span, print_probe, action->probe);
    }
    if (action->reduces.text) {
        clauses_add(&clauses, action->reduces.span, print_word, "reduces capacity");
    }
    if (action->reads) {
        clauses_add(&clauses, action->reads->span, print_reads, action->reads);
    }
    if (action->has_costs) {
        clauses_add(&clauses, action->costs_span, print_costs, action);
    }
    out_add(&p->text, "action %s(", action->name.text);
    for (const struct parameter *a = action->parameters; a; a = a->next) {
        out_add(&p->text, "%s: %s%s", a->name.text, a->type.text, a->next ? ", " : "");
    }
    out_add(&p->text, ")");
    print_clauses(p, &clauses, action->span.end);
}

/* ---- limits ---- */

static void print_freeze(struct printer *p, const struct freeze *freeze)
{
    out_add(&p->text, "not during ");
    out_string(&p->text, freeze->from.text);
    out_add(&p->text, "..");
    out_string(&p->text, freeze->to.text);
    out_add(&p->text, " in ");
    out_string(&p->text, freeze->zone.text);
    if (freeze->above.text) {
        out_add(&p->text, " for impact above %s", freeze->above.text);
    }
}

static void print_limit(struct printer *p, const void *what)
{
    const struct limit *limit = what;
    switch (limit->kind) {
    case LIMIT_AT_MOST:
        out_add(&p->text, "at most %s %s%s %s per %s%s", limit->amount.text,
                limit->unattended ? "unattended " : "", limit->any ? "actions on any" : "of",
                limit->subject.text, limit->per.text, limit->each_domain ? " in each domain" : "");
        break;
    case LIMIT_TOTAL:
        out_add(&p->text, "at most %s actions per %s", limit->amount.text, limit->per.text);
        break;
    case LIMIT_DOMAINS:
        out_add(&p->text, "at most %s domains of %s per %s", limit->amount.text,
                limit->subject.text, limit->per.text);
        break;
    case LIMIT_NOT_DURING: print_freeze(p, limit->freeze); break;
    case LIMIT_BETWEEN:
        out_add(&p->text, "between %s of any %s", limit->amount.text, limit->subject.text);
        break;
    case LIMIT_STORM:
        out_add(&p->text, "storm above %s of %s", limit->amount.text, limit->subject.text);
        break;
    case LIMIT_EXCLUSIVE: out_add(&p->text, "exclusive on %s", limit->subject.text); break;
    case LIMIT_STEP:
        out_add(&p->text, "step at most %s per %s", limit->amount.text, limit->per.text);
        if (!limit->inherits) {
            out_add(&p->text, " of any %s", limit->subject.text);
        }
        break;
    case LIMIT_SPEND:
        out_add(&p->text, "spend at most %s per %s", limit->amount.text, limit->per.text);
        break;
    case LIMIT_ONLY_WHILE:
        out_add(&p->text, "only while ");
        print_long_expr(p, limit->only);
        break;
    case LIMIT_KEEP:
        out_add(&p->text, "keep at least %s of %s ready", limit->amount.text, limit->subject.text);
        break;
    }
}

static void print_guard(struct printer *p, const struct guard *guard)
{
    struct clauses clauses = {0};
    for (const struct limit *l = guard->limits; l; l = l->next) {
        clauses_add(&clauses, l->span, print_limit, l);
    }
    out_add(&p->text, "guard %s", guard->name.text);
    print_clauses(p, &clauses, guard->span.end);
}

/* ---- policy ---- */

static void print_about(struct printer *p, const void *what)
{
    out_add(&p->text, "about ");
    out_string(&p->text, what);
}

static void print_signal(struct printer *p, const void *what)
{
    const struct signal *signal = what;
    out_add(&p->text, "signal %s = ", signal->name.text);
    print_long_expr(p, signal->expr);
}

static void print_condition(struct printer *p, const struct condition *condition, const char *hold)
{
    print_long_expr(p, condition->expr);
    if (condition->has_for) {
        out_add(&p->text, " %s %s", hold, condition->hold.text);
    }
}

static void print_pair(struct printer *p, const char *before, const struct pair *pair,
                       const char *between)
{
    out_add(&p->text, "%s", before);
    out_label(&p->text, pair->name.text);
    out_add(&p->text, "%s", between);
    out_string(&p->text, pair->value);
}

static void print_policy_label(struct printer *p, const void *what)
{
    print_pair(p, "label ", what, " = ");
}

static void print_annotation(struct printer *p, const void *what)
{
    print_pair(p, "annotation ", what, " = ");
}

static void print_keep_firing(struct printer *p, const void *what)
{
    out_add(&p->text, "keep firing for %s", ((const struct quantity *)what)->text);
}

static void print_when(struct printer *p, const void *what)
{
    out_add(&p->text, "when ");
    print_condition(p, what, "for");
}

static void print_clear(struct printer *p, const void *what)
{
    out_add(&p->text, "clear when ");
    print_condition(p, what, "for");
}

static void print_resolved(struct printer *p, const void *what)
{
    out_add(&p->text, "resolved when ");
    print_condition(p, what, "for");
}

static void print_abort(struct printer *p, const void *what)
{
    out_add(&p->text, "abort when ");
    print_condition(p, what, "for");
}

static void print_settle(struct printer *p, const void *what)
{
    out_add(&p->text, "settle %s", ((const struct quantity *)what)->text);
}

static void print_missing(struct printer *p, const void *what)
{
    const struct missing *missing = what;
    if (missing->than.text) {
        out_add(&p->text, "on stale > %s ", missing->than.text);
    } else {
        out_add(&p->text, "on missing ");
    }
    switch (missing->kind) {
    case MISSING_NONE: break;
    case MISSING_HOLD: out_add(&p->text, "hold"); break;
    case MISSING_NOTIFY: out_add(&p->text, "notify %s", missing->channel.text); break;
    case MISSING_PROMETHEUS: out_add(&p->text, "as prometheus"); break;
    }
}

static void print_rung(struct printer *p, const void *what)
{
    const struct rung *rung = what;
    if (rung->kind == RUNG_PAGE) {
        out_add(&p->text, "else page %s", rung->channel.text);
        return;
    }
    out_add(&p->text, "%s ", rung->then ? "then" : "try");
    print_call(p, &rung->call);
    if (rung->approve) {
        out_add(&p->text, " approve by %s%s within %s", rung->four_eyes ? "two of " : "",
                rung->approver.text, rung->approve_within.text);
    }
    if (rung->has_verify) {
        p->indent += 2 * PRINT_INDENT;
        out_line(&p->text, p->indent);
        out_add(&p->text, "verify ");
        print_condition(p, &rung->verify, "holds");
        out_add(&p->text, " within %s", rung->verify_within.text);
        p->indent -= 2 * PRINT_INDENT;
    }
}

static void rung_clauses(struct clauses *clauses, const struct heal *heal)
{
    for (const struct rung *r = heal->rungs; r; r = r->next) {
        clauses_add(clauses, r->span, print_rung, r);
    }
}

static void print_plan(struct printer *p, const void *what)
{
    const struct heal *plan = what;
    struct clauses clauses = {0};
    rung_clauses(&clauses, plan);
    out_add(&p->text, "plan %s", plan->plan.text);
    if (plan->has_effect) {
        out_add(&p->text, " effect %s", plan->effect.text);
    }
    if (plan->risk.text) {
        out_add(&p->text, " risk %s", plan->risk.text);
    }
    print_clauses(p, &clauses, plan->span.end);
}

static void print_heal(struct printer *p, const void *what)
{
    const struct heal *heal = what;
    struct clauses clauses = {0};
    out_add(&p->text, "heal%s", heal->causes ? " " : "");
    print_names(p, heal->causes);
    if (heal->plan.text) {
        clauses_add(&clauses, heal->span, print_plan, heal);
        for (const struct heal *h = heal->next; h && h->more; h = h->next) {
            clauses_add(&clauses, h->span, print_plan, h);
        }
    } else {
        rung_clauses(&clauses, heal);
    }
    print_clauses(p, &clauses, heal->block.end);
}

static void print_evidence(struct printer *p, const void *what)
{
    const struct evidence *evidence = what;
    out_add(&p->text, "%*s%s ", PRINT_INDENT, "", evidence->against ? "against" : "evidence");
    print_long_expr(p, evidence->is.expr);
    if (evidence->has_times) {
        out_add(&p->text, " times %s", evidence->times.text);
    }
}

static void print_cause(struct printer *p, const void *what)
{
    const struct cause *cause = what;
    out_add(&p->text, "cause %s ", cause->name.text);
    if (cause->has_prior) {
        out_add(&p->text, "prior %s ", cause->prior.text);
    }
    if (!cause->when.expr) {
        out_add(&p->text, "otherwise");
        return;
    }
    out_add(&p->text, "when ");
    print_long_expr(p, cause->when.expr);
}

static void print_bounds(struct printer *p, const void *what)
{
    out_add(&p->text, "bound ");
    for (const struct limit *l = what; l; l = l->next) {
        print_limit(p, l);
        out_add(&p->text, "%s", l->next ? ", " : "");
    }
}

static void print_spends(struct printer *p, const void *what)
{
    out_add(&p->text, "spend at most ");
    for (const struct limit *l = what; l; l = l->next) {
        out_add(&p->text, "%s per %s%s", l->amount.text, l->per.text, l->next ? ", " : "");
    }
}

static void print_cooldown(struct printer *p, const void *what)
{
    const struct policy *policy = what;
    out_add(&p->text, "cooldown %s", policy->cooldown.text);
    if (policy->cooldown_max.text) {
        out_add(&p->text, " doubling to %s", policy->cooldown_max.text);
    }
}

static void print_escalate(struct printer *p, const void *what)
{
    const struct escalate *escalate = what;
    const char *before = "when";
    out_add(&p->text, "escalate to %s", escalate->channel.text);
    for (const struct climb_step *step = escalate->steps; step; step = step->next) {
        out_add(&p->text, " then %s after %s", step->channel.text, step->after.text);
    }
    if (escalate->has_repeat) {
        out_add(&p->text, " repeat every %s", escalate->repeat.text);
    }
    if (escalate->has_unresolved) {
        out_add(&p->text, " %s unresolved for %s", before, escalate->unresolved_for.text);
        before = "or";
    }
    if (escalate->has_confidence) {
        out_add(&p->text, " %s confidence < %s", before, escalate->confidence.text);
        before = "or";
    }
    if (escalate->has_cascading) {
        out_add(&p->text, " %s cascading", before);
        before = "or";
    }
    if (escalate->has_budget) {
        out_add(&p->text, " %s budget exceeded", before);
        before = "or";
    }
    if (escalate->has_unprecedented) {
        out_add(&p->text, " %s unprecedented", before);
    }
}

static struct span bounds_span(const struct limit *limits)
{
    struct span span = limits->span;
    for (; limits; limits = limits->next) {
        span.end = limits->span.end;
    }
    return span;
}

static void policy_clauses(struct clauses *clauses, const struct policy *policy)
{
    if (policy->about) {
        clauses_add(clauses, policy->about_span, print_about, policy->about);
    }
    if (policy->risk.text) {
        clauses_add(clauses, policy->risk.span, print_risk, &policy->risk);
    }
    if (policy->impact.text) {
        clauses_add(clauses, policy->impact.span, print_impact, &policy->impact);
    }
    for (const struct signal *s = policy->signals; s; s = s->next) {
        clauses_add(clauses, s->span, print_signal, s);
    }
    for (const struct pair *l = policy->labels; l; l = l->next) {
        clauses_add(clauses, l->span, print_policy_label, l);
    }
    for (const struct pair *a = policy->annotations; a; a = a->next) {
        clauses_add(clauses, a->span, print_annotation, a);
    }
    if (policy->has_keep_firing) {
        clauses_add(clauses, policy->keep_firing_span, print_keep_firing, &policy->keep_firing);
    }
    if (policy->when.expr) {
        clauses_add(clauses, policy->when.span, print_when, &policy->when);
    }
    if (policy->clear.expr) {
        clauses_add(clauses, policy->clear.span, print_clear, &policy->clear);
    }
    if (policy->resolved_when.expr) {
        clauses_add(clauses, policy->resolved_when.span, print_resolved, &policy->resolved_when);
    }
    if (policy->abort_when.expr) {
        clauses_add(clauses, policy->abort_when.span, print_abort, &policy->abort_when);
    }
    if (policy->has_settle) {
        clauses_add(clauses, policy->settle_span, print_settle, &policy->settle);
    }
    if (policy->on_missing.kind != MISSING_NONE) {
        clauses_add(clauses, policy->on_missing.span, print_missing, &policy->on_missing);
    }
    if (policy->on_stale.kind != MISSING_NONE) {
        clauses_add(clauses, policy->on_stale.span, print_missing, &policy->on_stale);
    }
    for (const struct cause *c = policy->causes; c; c = c->next) {
        clauses_add(clauses, c->span, print_cause, c);
        for (const struct evidence *e = c->evidence; e; e = e->next) {
            clauses_add(clauses, e->span, print_evidence, e);
        }
    }
    for (const struct heal *h = policy->heals; h; h = h->next) {
        if (!h->more) {
            clauses_add(clauses, h->block, print_heal, h);
        }
    }
    if (policy->bounds) {
        clauses_add(clauses, bounds_span(policy->bounds), print_bounds, policy->bounds);
    }
    for (const struct limit *l = policy->keeps; l; l = l->next) {
        clauses_add(clauses, l->span, print_limit, l);
    }
    if (policy->spends) {
        clauses_add(clauses, bounds_span(policy->spends), print_spends, policy->spends);
    }
    if (policy->has_cooldown) {
        struct span span = policy->cooldown.span;
        span.end = policy->cooldown_max.text ? policy->cooldown_max.span.end : span.end;
        clauses_add(clauses, span, print_cooldown, policy);
    }
    if (policy->escalate.present) {
        clauses_add(clauses, policy->escalate.span, print_escalate, &policy->escalate);
    }
}

static void print_policy_item(struct printer *p, const struct policy *policy)
{
    struct clauses clauses = {0};
    policy_clauses(&clauses, policy);
    out_add(&p->text, "policy %s", policy->name.text);
    if (policy->each.text) {
        out_add(&p->text, " for each %s in %s", policy->each.text, policy->pool.text);
    }
    if (policy->each_series) {
        out_add(&p->text, " for each series");
    }
    if (policy->service.text) {
        out_add(&p->text, " for service %s", policy->service.text);
    }
    if (policy->has_every) {
        out_add(&p->text, " every %s", policy->every.text);
    }
    print_clauses(p, &clauses, policy->span.end);
}

/* ---- test ---- */

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

static void print_test(struct printer *p, const struct test *test)
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

/* ---- items ---- */

static void print_pool(struct printer *p, const struct pool *pool)
{
    out_add(&p->text, "pool %s", pool->name.text);
    out_labels(&p->text, pool->keys);
    out_add(&p->text, " = ");
    print_long_expr(p, pool->expr);
    if (pool->ready) {
        out_line(&p->text, p->indent + 2 * PRINT_INDENT);
        out_add(&p->text, "ready ");
        print_long_expr(p, pool->ready);
    }
    if (pool->domain.text) {
        out_add(&p->text, " domain %s", pool->domain.text);
    }
}

static void print_channel(struct printer *p, const struct channel *channel)
{
    out_add(&p->text, "channel %s = %s", channel->name.text, channel->kind.text);
    if (channel->argument) {
        out_add(&p->text, "(");
        out_string(&p->text, channel->argument->string.value);
        out_add(&p->text, ")");
    }
}

static void print_metric(struct printer *p, const struct metric *metric)
{
    out_add(&p->text, "metric %s %s%s", metric->name.text, metric->unit.text,
            metric->counter ? " counter" : "");
    if (metric->has_labels) {
        out_add(&p->text, " by ");
        out_labels(&p->text, metric->labels);
    }
}

static void print_recorded(struct printer *p, const struct recorded *recorded)
{
    out_add(&p->text, "signal ");
    out_metric(&p->text, recorded->name.text);
    for (const struct pair *l = recorded->labels; l; l = l->next) {
        print_pair(p, l == recorded->labels ? "{" : ", ", l, "=");
    }
    out_add(&p->text, "%s", recorded->labels ? "}" : "");
    if (recorded->has_every) {
        out_add(&p->text, " every %s", recorded->every.text);
    }
    out_add(&p->text, " = ");
    print_long_expr(p, recorded->expr);
}

static void print_item(struct printer *p, const struct item *item)
{
    switch (item->kind) {
    case ITEM_EDITION: out_add(&p->text, "edition %d", item->edition); break;
    case ITEM_IMPORT:
        out_add(&p->text, "import ");
        out_string(&p->text, item->import->path);
        break;
    case ITEM_SERVICE: print_service(p, item->service); break;
    case ITEM_POOL: print_pool(p, item->pool); break;
    case ITEM_CHANNEL: print_channel(p, item->channel); break;
    case ITEM_METRIC: print_metric(p, item->metric); break;
    case ITEM_RECORDED: print_recorded(p, item->recorded); break;
    case ITEM_ACTION: print_action(p, item->action); break;
    case ITEM_GUARD: print_guard(p, item->guard); break;
    case ITEM_POLICY: print_policy_item(p, item->policy); break;
    case ITEM_TEST: print_test(p, item->test); break;
    }
}

static bool item_is_block(const struct item *item)
{
    return item->kind == ITEM_SERVICE || item->kind == ITEM_ACTION || item->kind == ITEM_GUARD ||
           item->kind == ITEM_POLICY || item->kind == ITEM_TEST;
}

/* Blocks, and lines of different kinds, stand apart. */
static bool stands_apart(const struct item *before, const struct item *item)
{
    return before && (item_is_block(before) || item_is_block(item) || before->kind != item->kind);
}

char *print_file(struct arena *arena, const struct file *file)
{
    struct printer p = {.arena = arena, .source = file->source, .comment = file->comments};
    p.first = true;
    const struct item *before = NULL;
    for (const struct item *item = file->items; item; item = item->next) {
        uint32_t start = item->span.start;
        bool comments = p.comment && p.comment->span.start < start;
        uint32_t first = comments ? p.comment->span.start : start;
        if (stands_apart(before, item) && !blank_before(&p, first)) {
            out_line(&p.text, 0);
        }
        flush_comments(&p, start);
        start_line(&p, start);
        print_item(&p, item);
        trailing_comment(&p, item->span.end);
        before = item;
    }
    flush_comments(&p, UINT32_MAX);
    if (p.text.length > 0) {
        out_line(&p.text, 0);
    }
    return out_take(&p.text, arena);
}

char *print_policy(struct arena *arena, const struct policy *policy)
{
    struct printer p = {.arena = arena};
    print_policy_item(&p, policy);
    return out_take(&p.text, arena);
}
