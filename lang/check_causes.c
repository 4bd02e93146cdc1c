/* Do causes, their evidence and the ladders that heal them fit together? */
#include "lang/check_internal.h"

static const double times_most = 1000;

static void form(struct check *check, struct span span, const char *what, const char *help)
{
    struct diag *d = diag_add(check->diags, DIAG_CAUSE_FORM, span, "%s", what);
    diag_help(d, "%s", help);
}

/* ---- causes ---- */

/* What the policy's service stands on, at any distance; depth bounds cycles. */
static bool stands_on(const struct check *check, const char *service, const char *on, size_t depth)
{
    const struct service *s = find_service(check, service);
    for (const struct name_list *n = s ? s->depends : NULL; n; n = n->next) {
        if (same(n->name.text, on) ||
            (depth > 0 && stands_on(check, n->name.text, on, depth - 1))) {
            return true;
        }
    }
    return false;
}

static void check_origin(struct check *check, const struct policy *policy,
                         const struct name *origin)
{
    enum { DEPTH_MAX = 16 };
    if (!policy->service.text) {
        struct diag *d = diag_add(check->diags, DIAG_NOT_OF_SERVICE, origin->span,
                                  "policy '%s' is of no service, so its trouble has no origin",
                                  policy->name.text);
        diag_help(d, "write 'for service NAME' behind the policy's name");
    } else if (find_service(check, origin->text) && !same(origin->text, policy->service.text) &&
               !stands_on(check, policy->service.text, origin->text, DEPTH_MAX)) {
        form(check, origin->span, "trouble comes from what a service stands on, and this is not it",
             "write depends on in the service, or name one that it depends on");
    }
}

static void check_evidence(struct check *check, const struct policy *policy,
                           const struct cause *cause)
{
    size_t count = 0;
    for (const struct evidence *e = cause->evidence; e; e = e->next) {
        if (e->origin.text) {
            check_origin(check, policy, &e->origin);
        }
        if (++count == EVIDENCE_MAX + 1) {
            struct diag *d = diag_add(check->diags, DIAG_TOO_LARGE, e->span,
                                      "cause '%s' has more than %d pieces of evidence",
                                      cause->name.text, EVIDENCE_MAX);
            diag_help(d, "leave out what says the same as another one");
        }
        if (e->has_times &&
            !(e->times.value > 1 && e->times.value <= times_most && e->times.unit == UNIT_NONE)) {
            form(check, e->times.span, "evidence makes a cause between 1 and 1000 times likelier",
                 "write a number above 1, and 'against' for what makes the cause less likely");
        }
    }
    if (!cause->when.expr && cause->evidence) {
        form(check, cause->evidence->span, "'otherwise' is what is left: nothing speaks for it",
             "give the cause a condition: cause NAME when CONDITION");
    }
}

static void check_priors(struct check *check, const struct policy *policy)
{
    double sum = 0;
    bool open = false;
    for (const struct cause *cause = policy->causes; cause; cause = cause->next) {
        open |= !cause->has_prior;
        if (!cause->has_prior) {
            continue;
        }
        sum += cause->prior.value;
        if (!(cause->prior.value > 0 && cause->prior.value < 1)) {
            form(check, cause->prior.span, "a prior is how often it is this cause, as a share",
                 "write a share between 0% and 100%, such as prior 30%");
            return;
        }
    }
    if (sum > 1 + 1e-9 || (open && sum > 1 - 1e-9)) {
        form(check, policy->causes->prior.text ? policy->causes->prior.span : policy->causes->span,
             open ? "these priors leave nothing for the causes without one"
                  : "these priors are more than 100% together",
             "write shares that make 100% together");
    }
}

static void check_list(struct check *check, const struct policy *policy)
{
    size_t count = 0;
    for (const struct cause *cause = policy->causes; cause; cause = cause->next) {
        check_evidence(check, policy, cause);
        if (!cause->when.expr && cause->next) {
            form(check, cause->span, "'otherwise' is what is left when no other cause is true",
                 "write it as the last one");
        }
        if (++count == CAUSES_MAX + 1) {
            struct diag *d =
                diag_add(check->diags, DIAG_TOO_LARGE, cause->span,
                         "policy '%s' has more than %d causes", policy->name.text, CAUSES_MAX);
            diag_help(d, "divide it into policies of fewer causes");
        }
    }
    check_priors(check, policy);
    if (!policy_acts(policy)) {
        form(check, policy->causes->span,
             "causes choose what is tried, and this policy tries nothing",
             "write heal NAME { try ... }, or leave the causes out");
    }
}

/* ---- ladders ---- */

static void never_runs(struct check *check, struct span span, const char *why, struct span instead)
{
    struct diag *d =
        diag_add(check->diags, DIAG_RUNG_NEVER, span, "this heal block never runs: %s", why);
    diag_label(d, instead, "runs instead");
    diag_help(d, "join the blocks with 'then'");
}

static struct cause *find_cause(const struct policy *policy, const char *name)
{
    for (struct cause *cause = policy->causes; cause; cause = cause->next) {
        if (same(cause->name.text, name)) {
            return cause;
        }
    }
    return NULL;
}

static void unknown_cause(struct check *check, const struct policy *policy, const struct name *name)
{
    struct nearest near = {.word = name->text};
    for (const struct cause *cause = policy->causes; cause; cause = cause->next) {
        nearest_try(&near, cause->name.text);
    }
    struct diag *d = diag_add(check->diags, DIAG_UNKNOWN_CAUSE, name->span,
                              "policy '%s' has no cause '%s'", policy->name.text, name->text);
    nearest_help(d, &near,
                 arena_printf(check->arena, "declare it: cause %s when CONDITION", name->text));
}

static void ladder_of_names(struct check *check, const struct policy *policy, struct heal *heal)
{
    for (const struct name_list *n = heal->causes; n; n = n->next) {
        struct cause *cause = find_cause(policy, n->name.text);
        if (!cause) {
            unknown_cause(check, policy, &n->name);
        } else if (cause->ladder) {
            never_runs(check, n->name.span, "another one heals this cause", cause->ladder->span);
        } else {
            cause->ladder = heal;
        }
    }
}

static void check_ladders(struct check *check, const struct policy *policy)
{
    struct heal *rest = NULL;
    for (struct heal *heal = policy->heals; heal; heal = heal->next) {
        if (heal->more) { /* goes with the plan before it */
            continue;
        }
        if (heal->causes) {
            ladder_of_names(check, policy, heal);
        } else if (rest) {
            never_runs(check, heal->span, "the first one without a cause does", rest->span);
        } else {
            rest = heal;
        }
    }
    bool used = policy->causes == NULL;
    for (struct cause *cause = policy->causes; cause; cause = cause->next) {
        used |= !cause->ladder;
        cause->ladder = cause->ladder ? cause->ladder : rest;
        if (!cause->ladder && policy_acts(policy)) {
            struct diag *d = diag_add(check->diags, DIAG_CAUSE_LADDER, cause->span,
                                      "nothing is done about cause '%s'", cause->name.text);
            diag_help(d, "write heal %s { ... }, or heal { else page CHANNEL } for what is left",
                      cause->name.text);
        }
    }
    if (rest && !used) {
        never_runs(check, rest->span, "every cause has one of its own",
                   policy->causes->ladder->span);
    }
}

void check_causes(struct check *check)
{
    for (const struct policy *policy = check->program->policies; policy; policy = policy->next) {
        const struct escalate *escalate = &policy->escalate;
        if (policy->causes) {
            check_list(check, policy);
        }
        if (!policy->each_series) {
            check_ladders(check, policy);
        }
        if (escalate->has_cascading && !policy->service.text) {
            struct diag *d = diag_add(check->diags, DIAG_NOT_OF_SERVICE, escalate->cascading_span,
                                      "policy '%s' is of no service, so nothing stands on it",
                                      policy->name.text);
            diag_help(d, "write 'for service NAME' behind the policy's name");
        }
        if (escalate->has_confidence &&
            !(escalate->confidence.value > 0 && escalate->confidence.value < 1)) {
            form(check, escalate->confidence.span, "a confidence is a share between 0% and 100%",
                 "write confidence < 70%");
        } else if (escalate->has_confidence && !policy->causes) {
            form(check, escalate->confidence.span,
                 "without causes there is nothing to be sure of or not",
                 "declare what may be the cause: cause NAME when CONDITION");
        }
    }
}
