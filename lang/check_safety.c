/* Does a policy that acts have all without which nothing acts (law 5)? */
#include "lang/check_internal.h"

static const char *target_of(const struct rung *rung)
{
    return rung->call.resolved ? action_target(rung->call.resolved) : NULL;
}

static void rung_bound(struct check *check, const struct policy *policy, const struct rung *rung)
{
    const char *type = target_of(rung);
    if (!type) {
        return;
    }
    for (const struct limit *l = policy->bounds; l; l = l->next) {
        if (limit_covers(l, type)) {
            return;
        }
    }
    struct diag *d =
        diag_add(check->diags, DIAG_NO_BOUND, rung->call.span,
                 "nothing bounds how many of '%s' '%s' may act on", type, rung->call.action.text);
    bool of_pool = policy->resolved && same(pool_type(policy->resolved), type);
    diag_help(d, "write 'bound at most 1 of %s per 10m' in policy '%s'",
              of_pool ? policy->resolved->name.text : type, policy->name.text);
}

/* How far back the samples of an expression may lie: ranges, lookbacks and offsets, in seconds. */
static double expr_reach(struct expr *expr, size_t *steps);

struct reach_children {
    double most;
    size_t *steps;
};

static void reach_child(struct expr *child, void *context)
{
    struct reach_children *children = context;
    double seconds = expr_reach(child, children->steps);
    children->most = seconds > children->most ? seconds : children->most;
}

static double expr_reach(struct expr *expr, size_t *steps)
{
    struct reach_children children = {.steps = steps};
    if (++*steps > CHECK_WALK_MAX) {
        return 0;
    }
    double own = expr->has_offset && expr->offset.ns > 0 ? duration_to_seconds(expr->offset) : 0;
    if (expr->kind == EXPR_RANGE || expr->kind == EXPR_SUBQUERY) {
        own += duration_to_seconds(expr->range.range);
    } else if (expr->kind == EXPR_CALL && expr->call.builtin == BUILTIN_FORECAST) {
        double lookback = argument_seconds(expr, "lookback");
        own += lookback > 0 ? lookback : 4 * argument_seconds(expr, "in");
    } else if (expr->kind == EXPR_SELECTOR && expr->selector.signal) {
        return own + expr_reach(expr->selector.signal->expr, steps);
    }
    expr_children(expr, reach_child, &children);
    return own + children.most;
}

static void rung_verify(struct check *check, const struct rung *rung)
{
    if (!rung->has_verify || !rung->verify.expr) {
        struct diag *d = diag_add(check->diags, DIAG_NO_VERIFY, rung->call.span,
                                  "nothing observes whether '%s' helped", rung->call.action.text);
        diag_help(d, "write 'verify CONDITION within 5m' behind it");
        return;
    }
    double hold = rung->verify.has_for ? rung->verify.hold.value : 0;
    if (!(rung->verify_within.value > 0) || rung->verify_within.value < hold) {
        struct diag *d = diag_add(
            check->diags, DIAG_VERIFY_WINDOW, rung->verify_within.span,
            "this verify ends after %s, before it can hold for %s", rung->verify_within.text,
            rung->verify.has_for ? rung->verify.hold.text : "three evaluations");
        diag_help(d, "write a 'within' that is longer than 'holds'");
        return;
    }
    size_t steps = 0;
    double reach = expr_reach(rung->verify.expr, &steps);
    if (reach > 0 && rung->verify_within.value < reach + hold) {
        char text[64];
        struct diag *d = diag_add(check->diags, DIAG_VERIFY_WINDOW, rung->verify_within.span,
                                  "this verify ends after %s, but looks back %s and may only use "
                                  "samples after the action",
                                  rung->verify_within.text,
                                  duration_print(duration_seconds(reach), text, sizeof text));
        diag_help(d, "write 'within %s' or longer, or a shorter range",
                  duration_print(duration_seconds(reach + hold), text, sizeof text));
        return;
    }
    const struct action *action = rung->call.resolved;
    if (action && action->has_within && rung->verify_within.value < action->within.value) {
        struct diag *d =
            diag_add(check->diags, DIAG_VERIFY_WINDOW, rung->verify_within.span,
                     "this verify ends after %s, before '%s' shows its effect within %s",
                     rung->verify_within.text, action->name.text, action->within.text);
        diag_label(d, action->within.span, "declared here");
        diag_help(d, "write 'within %s' or longer", action->within.text);
    }
}

static void rung_approval(struct check *check, const struct rung *rung)
{
    static const double approval_seconds_min = 10;
    if (!rung->approve || rung->approve_within.value >= approval_seconds_min) {
        return;
    }
    struct diag *d =
        diag_add(check->diags, DIAG_APPROVE_WITHIN,
                 rung->approve_within.text ? rung->approve_within.span : rung->approver.span,
                 "no person can approve '%s' within %s", rung->call.action.text,
                 rung->approve_within.text ? rung->approve_within.text : "no time");
    diag_help(d, "write 'within 15m'; an approval that is not given in time is a no");
}

static void check_ladder(struct check *check, const struct policy *policy, const struct heal *heal)
{
    const struct rung *last = NULL;
    for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
        last = rung;
        if (rung->kind == RUNG_ACT) {
            rung_bound(check, policy, rung);
            rung_verify(check, rung);
            rung_approval(check, rung);
        }
    }
    if (last && last->kind != RUNG_PAGE && !policy->escalate.present) {
        struct diag *d =
            diag_add(check->diags, DIAG_NOBODY_TOLD, last->span,
                     "when '%s' does not help, nobody is told", last->call.action.text);
        diag_help(d, "end the heal block with 'else page CHANNEL'");
    }
}

static void report_lacking(struct check *check, enum diag_code code, const struct policy *policy,
                           const char *what, const char *help)
{
    struct diag *d = diag_add(check->diags, code, policy->name.span, "policy '%s' acts %s",
                              policy->name.text, what);
    diag_help(d, "%s", help);
}

static void check_acting(struct check *check, const struct policy *policy)
{
    const struct missing *missing = &policy->on_missing, *stale = &policy->on_stale;
    if (missing->kind == MISSING_NONE) {
        report_lacking(check, DIAG_NO_MISSING, policy,
                       "and does not say what happens on missing data", "write 'on missing hold'");
    }
    if (stale->kind == MISSING_NONE) {
        report_lacking(check, DIAG_NO_STALE, policy, "and does not say what happens on stale data",
                       "write 'on stale > 2m hold'");
    }
    if (stale->kind != MISSING_NONE && !(stale->than.value > 0)) {
        struct diag *d = diag_add(check->diags, DIAG_NO_STALE, stale->span,
                                  "data older than %s is all data: policy '%s' would never act",
                                  stale->than.text, policy->name.text);
        diag_help(d, "write 'on stale > 2m hold'");
    }
    const struct missing *both[] = {missing, stale};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        if (both[i]->kind == MISSING_PROMETHEUS) {
            struct diag *d = diag_add(check->diags, DIAG_ACTS_AS_PROMETHEUS, both[i]->span,
                                      "as prometheus takes a series that is gone for false, and "
                                      "policy '%s' acts on it",
                                      policy->name.text);
            diag_help(d, "write 'on missing hold'");
        }
    }
    if (!policy->clear.expr) {
        report_lacking(check, DIAG_NO_CLEAR, policy, "and has no end: 'clear when' is missing",
                       "write 'clear when' with a limit below that of 'when'");
    }
    if (!policy->has_cooldown || !(policy->cooldown.value > 0)) {
        report_lacking(check, DIAG_NO_COOLDOWN, policy, "without a pause between its attempts",
                       "write 'cooldown 10m doubling to 6h'");
    }
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        check_ladder(check, policy, heal);
    }
}

static void check_every(struct check *check, const char *what, const char *name,
                        const struct quantity *every, bool lenient)
{
    static const double least = 0.01, most = 3600, most_lenient = 365 * 86400.0;
    if (!(every->value >= least && every->value <= (lenient ? most_lenient : most))) {
        struct diag *d = diag_add(check->diags, DIAG_EVERY_RANGE, every->span,
                                  "%s '%s' is evaluated every %s", what, name, every->text);
        diag_help(d, "write a tick between 10ms and %s, such as 15s", lenient ? "1y" : "1h");
    }
}

static void check_ticks(struct check *check)
{
    for (const struct policy *p = check->program->policies; p; p = p->next) {
        if (p->has_every) {
            check_every(check, "policy", p->name.text, &p->every,
                        scope_of_policy(check, p).lenient);
        }
    }
    for (const struct recorded *r = check->program->recorded; r; r = r->next) {
        if (r->has_every) {
            check_every(check, "signal", r->name.text, &r->every, true);
        }
    }
}

void check_safety(struct check *check)
{
    check_ticks(check);
    for (const struct policy *policy = check->program->policies; policy; policy = policy->next) {
        if (!policy->when.expr) {
            struct diag *d =
                diag_add(check->diags, DIAG_NO_WHEN, policy->name.span,
                         "policy '%s' never triggers: it has no 'when'", policy->name.text);
            diag_help(d, "write 'when CONDITION for 5m'");
        }
        if (policy_acts(policy)) {
            check_acting(check, policy);
        }
    }
}
