/* Builds policies. */
#include <string.h>

#include "lang/parse/build.h"
#include "lang/parse/token.h"

void build_policy_head(struct parser *parser, struct name name)
{
    struct policy *policy = ARENA_NEW(parser->arena, struct policy);
    policy->name = name;
    build_item(parser, ITEM_POLICY, name.span)->policy = policy;
    parser->policy = policy;
    parser->last_signal = NULL;
    parser->last_heal = NULL;
    parser->last_cause = NULL;
    parser->last_evidence = NULL;
    parser->last_bound = parser->last_keep = parser->last_spend = NULL;
    parser->last_label = parser->last_annotation = NULL;
}

void build_each(struct parser *parser, struct name each, struct name pool)
{
    parser->policy->each = each;
    parser->policy->pool = pool;
}

void build_each_series(struct parser *parser, struct span span)
{
    parser->policy->each_series = true;
    parser->policy->each_span = span;
}

void build_for_service(struct parser *parser, struct name service)
{
    parser->policy->service = service;
}

void build_every(struct parser *parser, struct quantity every)
{
    if (every.text) {
        parser->policy->every = every;
        parser->policy->has_every = true;
    }
}

void build_about(struct parser *parser, struct span span, const struct expr *text)
{
    if (build_clause(parser, "about", span)) {
        parser->policy->about = text->string.value;
        parser->policy->about_span = span;
    }
}

void build_risk(struct parser *parser, struct span span, struct name risk)
{
    if (build_clause(parser, "risk", span)) {
        parser->policy->risk = risk;
    }
}

void build_impact(struct parser *parser, struct span span, struct name impact)
{
    if (build_clause(parser, "impact", span)) {
        parser->policy->impact = impact;
    }
}

void build_signal(struct parser *parser, struct span span, struct name name, struct expr *expr)
{
    struct signal *signal = ARENA_NEW(parser->arena, struct signal);
    signal->name = name;
    signal->expr = expr;
    signal->span = span;
    RING_ADD(parser->last_signal, signal);
    parser->last_signal = signal;
}

void build_policy_label(struct parser *parser, struct span span, struct pair *pair)
{
    pair->span = span;
    RING_ADD(parser->last_label, pair);
    parser->last_label = pair;
}

void build_annotation(struct parser *parser, struct span span, struct pair *pair)
{
    pair->span = span;
    RING_ADD(parser->last_annotation, pair);
    parser->last_annotation = pair;
}

void build_keep_firing(struct parser *parser, struct span span, struct quantity duration)
{
    if (build_clause(parser, "keep firing", span)) {
        parser->policy->has_keep_firing = true;
        parser->policy->keep_firing = duration;
        parser->policy->keep_firing_span = span;
    }
}

struct condition build_condition(struct span span, struct expr *expr, const struct quantity *hold)
{
    struct condition condition = {.expr = expr, .has_for = hold != NULL, .span = span};
    if (hold) {
        condition.hold = *hold;
        condition.span.end = hold->span.end;
    }
    return condition;
}

void build_when(struct parser *parser, struct span span, struct condition condition)
{
    if (build_clause(parser, "when", span)) {
        parser->policy->when = condition;
    }
}

void build_clear(struct parser *parser, struct span span, struct condition condition)
{
    if (build_clause(parser, "clear when", span)) {
        parser->policy->clear = condition;
    }
}

void build_resolved(struct parser *parser, struct span span, struct condition condition)
{
    if (build_clause(parser, "resolved when", span)) {
        parser->policy->resolved_when = condition;
    }
}

void build_abort(struct parser *parser, struct span span, struct condition condition)
{
    if (build_clause(parser, "abort when", span)) {
        parser->policy->abort_when = condition;
    }
}

void build_settle(struct parser *parser, struct span span, struct quantity duration)
{
    if (build_clause(parser, "settle", span)) {
        parser->policy->has_settle = true;
        parser->policy->settle = duration;
        parser->policy->settle_span = span;
    }
}

struct missing build_reaction(enum missing_kind kind, const struct name *channel)
{
    struct missing missing = {.kind = kind};
    if (channel) {
        missing.channel = *channel;
    }
    return missing;
}

void build_on_missing(struct parser *parser, struct span span, struct missing missing)
{
    if (build_clause(parser, "on missing", span)) {
        parser->policy->on_missing = missing;
        parser->policy->on_missing.span = span;
    }
}

void build_on_stale(struct parser *parser, struct span span, struct quantity than,
                    struct missing missing)
{
    if (missing.kind == MISSING_PROMETHEUS) {
        struct diag *diag =
            diag_add(parser->diags, DIAG_SYNTAX, span,
                     "'as prometheus' says what missing means, not what stale means");
        diag_help(diag, "write on stale > %s hold, or notify and a channel", than.text);
    }
    if (build_clause(parser, "on stale", span)) {
        parser->policy->on_stale = missing;
        parser->policy->on_stale.than = than;
        parser->policy->on_stale.span = span;
    }
}

/* ---- causes ---- */

static void evidence_end(struct parser *parser)
{
    if (parser->last_cause) {
        RING_OPEN(struct evidence, parser->last_evidence, parser->last_cause->evidence);
    }
    parser->last_evidence = NULL;
}

void build_cause(struct parser *parser, struct name name, const struct quantity *prior)
{
    struct cause *cause = ARENA_NEW(parser->arena, struct cause);
    evidence_end(parser);
    cause->name = name;
    cause->has_prior = prior != NULL;
    if (prior) {
        cause->prior = *prior;
    }
    RING_ADD(parser->last_cause, cause);
    parser->last_cause = cause;
}

void build_cause_when(struct parser *parser, struct span span, struct expr *expr)
{
    parser->last_cause->when = (struct condition){.expr = expr, .span = expr->span};
    parser->last_cause->span = span;
}

void build_otherwise(struct parser *parser, struct span span)
{
    parser->last_cause->span = span;
}

/* origin(SERVICE) is no expression: the graph of services decides it. */
static struct name origin_of(struct parser *parser, const struct expr *call)
{
    const struct argument *only = call->call.arguments;
    const struct expr *value = only && !only->next && !only->name.text ? only->value : NULL;
    if (!value || value->kind != EXPR_SELECTOR || !value->selector.name.text ||
        value->selector.braces) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, call->span,
                                     "origin() is of one service, by its name");
        diag_help(diag, "write evidence origin(db)");
        return (struct name){"?", call->span};
    }
    return (struct name){value->selector.name.text, value->span};
}

void build_evidence(struct parser *parser, struct span span, struct expr *expr,
                    struct quantity times, bool against)
{
    if (!parser->last_cause) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, span,
                                     "'%s' stands behind the cause that it is about",
                                     against ? "against" : "evidence");
        diag_help(diag, "write cause NAME when CONDITION before it");
        return;
    }
    struct evidence *evidence = ARENA_NEW(parser->arena, struct evidence);
    *evidence = (struct evidence){.is = {.expr = expr, .span = expr->span},
                                  .against = against,
                                  .has_times = times.text != NULL,
                                  .times = times,
                                  .span = span};
    if (expr->kind == EXPR_CALL && strcmp(expr->call.name.text, "origin") == 0) {
        evidence->origin = origin_of(parser, expr);
        evidence->is.expr = NULL;
    }
    RING_ADD(parser->last_evidence, evidence);
    parser->last_evidence = evidence;
}

void build_causes_end(struct parser *parser)
{
    evidence_end(parser);
    RING_OPEN(struct cause, parser->last_cause, parser->policy->causes);
    parser->last_cause = NULL;
}

static struct heal *heal_new(struct parser *parser, struct span span, struct name_list *causes)
{
    struct heal *heal = ARENA_NEW(parser->arena, struct heal);
    heal->causes = causes;
    heal->span = heal->block = span; /* as far as it is read */
    RING_ADD(parser->last_heal, heal);
    parser->last_heal = heal;
    parser->heal = heal;
    parser->last_rung = NULL;
    parser->rung = NULL;
    return heal;
}

void build_heal(struct parser *parser, struct span span, struct name_list *last_cause)
{
    parser->heal_block = heal_new(parser, span, NULL);
    RING_OPEN(struct name_list, last_cause, parser->heal_block->causes);
}

void build_heal_end(struct parser *parser, struct span span)
{
    parser->heal->span = parser->heal->block = span;
    RING_OPEN(struct rung, parser->last_rung, parser->heal->rungs);
    parser->last_rung = NULL;
}

void build_plan(struct parser *parser, struct span span, struct name name, struct quantity effect,
                const struct name *risk)
{
    struct heal *heal = parser->heal;
    if (heal->plan.text) {
        heal = heal_new(parser, span, heal->causes);
        heal->more = true;
    }
    heal->plan = name;
    heal->has_effect = effect.text != NULL;
    heal->effect = effect;
    if (risk) {
        heal->risk = *risk;
    }
}

void build_plans_end(struct parser *parser, struct span span)
{
    parser->heal_block->block = span;
}

void build_bound(struct parser *parser, struct limit *limit)
{
    RING_ADD(parser->last_bound, limit);
    parser->last_bound = limit;
}

void build_policy_keep(struct parser *parser, struct limit *limit)
{
    RING_ADD(parser->last_keep, limit);
    parser->last_keep = limit;
}

void build_policy_spend(struct parser *parser, struct limit *money)
{
    RING_ADD(parser->last_spend, money);
    parser->last_spend = money;
}

void build_cooldown(struct parser *parser, struct span span, struct quantity cooldown,
                    const struct quantity *maximum)
{
    if (build_clause(parser, "cooldown", span)) {
        parser->policy->has_cooldown = true;
        parser->policy->cooldown = cooldown;
        if (maximum) {
            parser->policy->cooldown_max = *maximum;
        }
    }
}

void build_escalate(struct parser *parser, struct span span, struct name channel)
{
    struct escalate *escalate = &parser->policy->escalate;
    if (build_clause(parser, "escalate", span)) {
        escalate->present = true;
        escalate->channel = channel;
        escalate->span = span;
    }
    parser->last_climb = NULL;
}

void build_climb(struct parser *parser, struct span span, struct name channel,
                 struct quantity after)
{
    struct climb_step *step = ARENA_NEW(parser->arena, struct climb_step);
    *step = (struct climb_step){.channel = channel, .after = after, .span = span};
    RING_ADD(parser->last_climb, step);
    parser->last_climb = step;
}

void build_repeat(struct parser *parser, struct quantity every)
{
    parser->policy->escalate.has_repeat = true;
    parser->policy->escalate.repeat = every;
}

void build_escalate_end(struct parser *parser, struct span span)
{
    struct escalate *escalate = &parser->policy->escalate;
    escalate->span = span;
    RING_OPEN(struct climb_step, parser->last_climb, escalate->steps);
    parser->last_climb = NULL;
}

void build_unresolved(struct parser *parser, struct span span, struct quantity duration)
{
    if (build_clause(parser, "unresolved", span)) {
        parser->policy->escalate.has_unresolved = true;
        parser->policy->escalate.unresolved_for = duration;
    }
}

/* Reasons of one or two words that say when a person is told. */
static const struct reason {
    const char *first, *second; /* second NULL: one word */
    size_t has, span;           /* their places in struct escalate; span 0: it keeps none */
} reasons[] = {
    {"cascading", NULL, offsetof(struct escalate, has_cascading),
     offsetof(struct escalate, cascading_span)},
    {"budget", "exceeded", offsetof(struct escalate, has_budget), 0},
    {"unprecedented", NULL, offsetof(struct escalate, has_unprecedented), 0},
};

void build_refuse_reason(struct parser *parser, struct span span, struct name name)
{
    struct diag *diag = diag_add(parser->diags, DIAG_NOT_YET, span,
                                 "'%s' as a reason to escalate is not in this version", name.text);
    diag_help(diag,
              "the reasons of this version are unresolved for 10m, confidence < 70%%, cascading, "
              "unprecedented, and budget exceeded");
}

void build_reason(struct parser *parser, struct span span, struct name first,
                  const struct name *second)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        const struct reason *reason = &reasons[i];
        const bool same =
            strcmp(reason->first, first.text) == 0 &&
            (reason->second ? second && strcmp(reason->second, second->text) == 0 : second == NULL);
        if (same && build_clause(parser, reason->first, span)) {
            char *escalate = (char *)&parser->policy->escalate;
            *(bool *)(escalate + reason->has) = true;
            if (reason->span != 0) {
                *(struct span *)(void *)(escalate + reason->span) = span;
            }
        }
        if (same) {
            return;
        }
    }
    build_refuse_reason(parser, span, first);
}

void build_reason_below(struct parser *parser, struct span span, struct name name,
                        struct quantity limit)
{
    if (strcmp(name.text, "confidence") != 0) {
        build_refuse_reason(parser, span, name);
    } else if (build_clause(parser, "confidence", span)) {
        parser->policy->escalate.has_confidence = true;
        parser->policy->escalate.confidence = limit;
    }
}

/* ---- rungs ---- */

static struct rung *rung_new(struct parser *parser, enum rung_kind kind, struct span span)
{
    struct rung *rung = ARENA_NEW(parser->arena, struct rung);
    rung->kind = kind;
    rung->span = span;
    if (parser->last_rung && parser->last_rung->kind == RUNG_PAGE) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, span,
                                     "'else page' is the end of a ladder; nothing follows it");
        diag_label(diag, parser->last_rung->span, "the end");
    }
    return rung;
}

void build_try(struct parser *parser, struct span span, bool then)
{
    if (then != (parser->last_rung != NULL)) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, span,
                                     then ? "a ladder starts with 'try', not 'then'"
                                          : "the next rung of a ladder starts with 'then'");
        diag_help(diag, "write %s", then ? "try" : "then");
    }
    parser->rung = rung_new(parser, RUNG_ACT, span);
    parser->rung->then = then;
}

void build_approve(struct parser *parser, const struct name *people, struct name channel,
                   struct quantity within)
{
    if (people && strcmp(people->text, "two") != 0) {
        struct diag *diag =
            diag_add(parser->diags, DIAG_SYNTAX, people->span,
                     "an approval is by one person or by two, not by '%s'", people->text);
        diag_help(diag, "write 'approve by two of %s', or 'approve by %s'", channel.text,
                  channel.text);
    }
    parser->rung->approve = true;
    parser->rung->four_eyes = people != NULL;
    parser->rung->approver = channel;
    parser->rung->approve_within = within;
}

void build_rung(struct parser *parser, struct span span, const struct act_call *call,
                const struct condition *verify, const struct quantity *within)
{
    struct rung *rung = parser->rung;
    rung->span = span;
    rung->call = *call;
    if (verify) {
        rung->verify = *verify;
        rung->has_verify = true;
        if (within) {
            rung->verify_within = *within;
        } else {
            struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, verify->span,
                                         "a verify says within which time it must hold");
            diag_help(diag, "write within 10m behind it");
        }
    }
    RING_ADD(parser->last_rung, rung);
    parser->last_rung = rung;
}

void build_page(struct parser *parser, struct span span, struct name channel)
{
    struct rung *rung = rung_new(parser, RUNG_PAGE, span);
    rung->channel = channel;
    RING_ADD(parser->last_rung, rung);
    parser->last_rung = rung;
}

struct act_call *build_act_call(struct parser *parser, struct span span, struct name name,
                                struct argument *arguments)
{
    struct act_call *call = ARENA_NEW(parser->arena, struct act_call);
    call->action = name;
    call->arguments = arguments;
    call->span = span;
    return call;
}
