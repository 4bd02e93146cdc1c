/* Do plans and the clauses about what was done fit the policy: plan, resolved when, abort when,
 * settle? */
#include "lang/check_internal.h"

static const double settle_seconds_most = 86400;
enum { METRICS_SEEN_MAX = 64, CONJUNCTS_MAX = 16 };

static void form(struct check *check, struct span span, const char *what, const char *help)
{
    struct diag *d = diag_add(check->diags, DIAG_PLAN_FORM, span, "%s", what);
    diag_help(d, "%s", help);
}

static void check_plan(struct check *check, const struct heal *plan)
{
    const char *risk = plan->risk.text;
    if (plan->has_effect && !(plan->effect.value > 0 && plan->effect.value < 1)) {
        form(check, plan->effect.span, "an effect is how often the plan helps, as a share",
             "write a share between 0% and 100%, such as effect 70%");
    }
    if (risk && !same(risk, "low") && !same(risk, "medium") && !same(risk, "high")) {
        form(check, plan->risk.span, "the risk of a plan is low, medium or high",
             "write risk medium");
    }
    if (!plan->rungs || plan->rungs->kind == RUNG_PAGE) {
        form(check, plan->span, "a plan that tries nothing is chosen for nothing",
             "write try ACTION(...) in it, or leave the plan out");
    }
}

/* Plans of one block, the first of them given. */
static void check_block(struct check *check, const struct heal *first)
{
    for (const struct heal *b = first; b && (b == first || b->more); b = b->next) {
        check_plan(check, b);
        for (const struct heal *a = first; a != b; a = a->next) {
            if (same(a->plan.text, b->plan.text)) {
                struct diag *d = diag_add(check->diags, DIAG_REPEATED, b->plan.span,
                                          "plan '%s' is written twice", b->plan.text);
                diag_label(d, a->plan.span, "first here");
                diag_help(d, "give it a name of its own");
                break;
            }
        }
    }
}

static bool takes_back(const struct policy *policy)
{
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (rung->kind == RUNG_ACT && (!rung->call.resolved || rung->call.resolved->undo)) {
                return true;
            }
        }
    }
    return false;
}

static void check_clauses(struct check *check, const struct policy *policy)
{
    const struct condition *resolved = &policy->resolved_when, *abort = &policy->abort_when;
    if (resolved->expr && !policy_acts(policy)) {
        form(check, resolved->span, "'resolved when' ends what is tried, and nothing is tried here",
             "write 'clear when' for the end of the incident");
    }
    if (abort->expr && !takes_back(policy)) {
        form(check, abort->span, "'abort when' takes back what was done, and no action has an undo",
             "write 'undo ACTION(...)' in an action, or leave 'abort when' out");
    }
    if (policy->escalate.has_unprecedented && !policy_acts(policy)) {
        form(check, policy->escalate.span,
             "what is unprecedented is not acted on, and nothing is tried here",
             "leave 'unprecedented' out: an incident of this policy is told in any case");
    }
    if (policy->has_settle &&
        !(policy->settle.value > 0 && policy->settle.value <= settle_seconds_most)) {
        form(check, policy->settle.span, "a policy settles for some time, a day at most",
             "write settle 5m");
    }
}

/* ---- taking capacity away ---- */

struct metrics_of {
    const char *names[METRICS_SEEN_MAX];
    size_t count, steps;
};

static void see_metrics(struct expr *expr, void *context)
{
    struct metrics_of *seen = context;
    if (++seen->steps > CHECK_WALK_MAX) {
        return;
    }
    if (expr->kind == EXPR_SELECTOR && expr->selector.signal) {
        see_metrics(expr->selector.signal->expr, context);
    } else if (expr->kind == EXPR_SELECTOR && expr->selector.name.text &&
               seen->count < METRICS_SEEN_MAX) {
        seen->names[seen->count++] = expr->selector.name.text;
    }
    expr_children(expr, see_metrics, context);
}

static bool share_metric(const struct metrics_of *a, const struct metrics_of *b)
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            if (same(a->names[i], b->names[j])) {
                return true;
            }
        }
    }
    return false;
}

static size_t conjuncts(struct expr *expr, struct expr **ret, size_t count)
{
    while (expr->kind == EXPR_PAREN) {
        expr = expr->inner;
    }
    if (expr->kind == EXPR_BINARY && expr->binary.op == OPERATOR_AND) {
        count = conjuncts(expr->binary.left, ret, count);
        return conjuncts(expr->binary.right, ret, count);
    }
    if (count < CONJUNCTS_MAX) {
        ret[count++] = expr;
    }
    return count;
}

/* Two parts of the trigger, both needed, that read no metric in common. */
static bool corroborated(struct expr *when)
{
    struct expr *parts[CONJUNCTS_MAX];
    size_t count = conjuncts(when, parts, 0);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            struct metrics_of a = {.count = 0}, b = {.count = 0};
            see_metrics(parts[i], &a);
            see_metrics(parts[j], &b);
            if (a.count > 0 && b.count > 0 && !share_metric(&a, &b)) {
                return true;
            }
        }
    }
    return false;
}

static void check_reduces(struct check *check, const struct policy *policy)
{
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            const struct action *action = rung->kind == RUNG_ACT ? rung->call.resolved : NULL;
            if (!action || !action->reduces.text || !policy->when.expr ||
                corroborated(policy->when.expr)) {
                continue;
            }
            struct diag *d =
                diag_add(check->diags, DIAG_ONE_SIGNAL, policy->when.span,
                         "policy '%s' takes capacity away with '%s' on the word of one "
                         "signal: idle may mean cut off",
                         policy->name.text, action->name.text);
            diag_label(d, action->reduces.span, "declared here");
            diag_help(d, "write 'and' a condition on another metric that says the same");
            return;
        }
    }
}

/* ---- acting on what was acted on ---- */

/* 1: the step adds, -1: it takes away, 0: it sets, or takes no number that is read. */
static int step_of(const struct act_call *call)
{
    const struct action *action = call->resolved;
    const struct parameter *number = action && action->reads ? action_number(action) : NULL;
    const struct expr *value = number ? call_value(call, number) : NULL;
    double by = 0;
    if (!value || !expr_relative(value) || !expr_constant(value, &by)) {
        return 0;
    }
    return by > 0 ? 1 : -1;
}

/* Which way the comparison is true: 1 when what reads the metrics is large, -1 when it is small. */
static int side_of(struct expr *part, const struct metrics_of *set)
{
    if (part->kind != EXPR_BINARY || operator_infos[part->binary.op].kind != OPERATOR_COMPARE) {
        return 0;
    }
    struct metrics_of left = {.count = 0}, right = {.count = 0};
    see_metrics(part->binary.left, &left);
    see_metrics(part->binary.right, &right);
    const bool in_left = share_metric(&left, set), in_right = share_metric(&right, set);
    const enum operator op = part->binary.op;
    const int way = op == OPERATOR_GT || op == OPERATOR_GE   ? 1
                    : op == OPERATOR_LT || op == OPERATOR_LE ? -1
                                                             : 0;
    return in_left == in_right ? 0 : in_left ? way : -way;
}

static void check_feedback(struct check *check, const struct policy *policy,
                           const struct rung *rung)
{
    const int step = step_of(&rung->call);
    struct expr *parts[CONJUNCTS_MAX];
    struct metrics_of set = {.count = 0};
    if (step == 0 || !policy->when.expr) {
        return;
    }
    see_metrics(rung->call.resolved->reads, &set);
    const size_t count = conjuncts(policy->when.expr, parts, 0);
    for (size_t i = 0; i < count; i++) {
        if (side_of(parts[i], &set) != step) {
            continue;
        }
        struct diag *d = diag_add(check->diags, DIAG_FEEDS_ITSELF, rung->call.span,
                                  "'%s' %s what its own trigger finds too %s, and would again",
                                  rung->call.action.text, step > 0 ? "adds to" : "takes from",
                                  step > 0 ? "large" : "small");
        diag_label(d, parts[i]->span, "the trigger reads what the action sets");
        diag_label(d, rung->call.resolved->reads->span, "read here");
        diag_help(d, "trigger on the demand instead, such as requests a second");
        return;
    }
}

static void check_loops(struct check *check, const struct policy *policy)
{
    for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (const struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (rung->kind == RUNG_ACT && rung->call.resolved) {
                check_feedback(check, policy, rung);
            }
        }
    }
}

void check_plans(struct check *check)
{
    for (const struct policy *policy = check->program->policies; policy; policy = policy->next) {
        if (!policy->each_series) {
            check_clauses(check, policy);
        }
        check_reduces(check, policy);
        check_loops(check, policy);
        for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
            if (heal->plan.text && !heal->more) {
                check_block(check, heal);
            }
        }
    }
}
