/* Canonical text of guards and policies. */
#include "lang/print_part.h"

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

void print_guard(struct printer *p, const struct guard *guard)
{
    struct clauses clauses = {0};
    for (const struct limit *l = guard->limits; l; l = l->next) {
        clauses_add(&clauses, l->span, print_limit, l);
    }
    out_add(&p->text, "guard %s", guard->name.text);
    print_clauses(p, &clauses, guard->span.end);
}

/* ---- policy ---- */

PRINT_NAME(print_risk, "risk")
PRINT_NAME(print_impact, "impact")

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

void print_condition(struct printer *p, const struct condition *condition, const char *hold)
{
    print_long_expr(p, condition->expr);
    if (condition->has_for) {
        out_add(&p->text, " %s %s", hold, condition->hold.text);
    }
}

void print_pair(struct printer *p, const char *before, const struct pair *pair, const char *between)
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
    if (evidence->origin.text) {
        out_add(&p->text, "origin(%s)", evidence->origin.text);
    } else {
        print_long_expr(p, evidence->is.expr);
    }
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

void print_policy_item(struct printer *p, const struct policy *policy)
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
