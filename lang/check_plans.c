/* Do plans and the clauses about what was done fit the policy: plan, resolved when, abort when,
 * settle? */
#include "lang/check_internal.h"

static const double settle_seconds_most = 86400;

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
    if (policy->has_settle &&
        !(policy->settle.value > 0 && policy->settle.value <= settle_seconds_most)) {
        form(check, policy->settle.span, "a policy settles for some time, a day at most",
             "write settle 5m");
    }
}

void check_plans(struct check *check)
{
    for (const struct policy *policy = check->program->policies; policy; policy = policy->next) {
        if (!policy->each_series) {
            check_clauses(check, policy);
        }
        for (const struct heal *heal = policy->heals; heal; heal = heal->next) {
            if (heal->plan.text && !heal->more) {
                check_block(check, heal);
            }
        }
    }
}
