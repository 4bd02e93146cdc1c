/* Does every name mean something, and one thing only? Resolves pools, channels, actions, signals,
 * metrics and functions. */
#include <strings.h>

#include "lang/check_internal.h"
#include "lang/connector.h"

/* ---- declared twice ---- */

static void report_twice(struct check *check, const char *what, const struct name *second,
                         const struct name *first)
{
    struct diag *d = diag_add(check->diags, DIAG_DUPLICATE_NAME, second->span,
                              "%s '%s' is declared twice", what, second->text);
    diag_label(d, first->span, "first declared here");
    diag_help(d, "rename one of them, or remove it");
}

#define CHECK_TWICE(check, type, list, what)                            \
    for (const struct type *b_ = (list); b_; b_ = b_->next) {           \
        for (const struct type *a_ = (list); a_ != b_; a_ = a_->next) { \
            if (same(a_->name.text, b_->name.text)) {                   \
                report_twice((check), (what), &b_->name, &a_->name);    \
                break;                                                  \
            }                                                           \
        }                                                               \
    }

/* Records have room for no more. */
static void name_fits(struct check *check, const char *what, const struct name *name)
{
    if (name->text && strlen(name->text) > NAME_BYTES_MAX) {
        struct diag *d = diag_add(check->diags, DIAG_TOO_LARGE, name->span,
                                  "the name of a %s has at most %d bytes, this one %zu", what,
                                  NAME_BYTES_MAX, strlen(name->text));
        diag_help(d, "write a shorter one");
    }
}

#define CHECK_NAMES(check, type, list, what)                  \
    for (const struct type *n_ = (list); n_; n_ = n_->next) { \
        name_fits((check), (what), &n_->name);                \
    }

static void check_lengths(struct check *check)
{
    const struct program *p = check->program;
    CHECK_NAMES(check, service, p->services, "service");
    CHECK_NAMES(check, pool, p->pools, "pool");
    CHECK_NAMES(check, channel, p->channels, "channel");
    CHECK_NAMES(check, action, p->actions, "action");
    CHECK_NAMES(check, policy, p->policies, "policy");
}

static void check_duplicates(struct check *check)
{
    const struct program *p = check->program;
    CHECK_TWICE(check, service, p->services, "service");
    CHECK_TWICE(check, pool, p->pools, "pool");
    CHECK_TWICE(check, channel, p->channels, "channel");
    CHECK_TWICE(check, metric, p->metrics, "metric");
    CHECK_TWICE(check, action, p->actions, "action");
    CHECK_TWICE(check, guard, p->guards, "guard");
    CHECK_TWICE(check, policy, p->policies, "policy");
    for (const struct action *a = p->actions; a; a = a->next) {
        CHECK_TWICE(check, parameter, a->parameters, "parameter");
    }
    for (const struct policy *policy = p->policies; policy; policy = policy->next) {
        CHECK_TWICE(check, signal, policy->signals, "signal");
        CHECK_TWICE(check, cause, policy->causes, "cause");
    }
    for (const struct pool *pool = p->pools; pool; pool = pool->next) {
        CHECK_TWICE(check, name_list, pool->keys, "label");
    }
    for (const struct metric *metric = p->metrics; metric; metric = metric->next) {
        CHECK_TWICE(check, name_list, metric->labels, "label");
    }
}

/* ---- expressions ---- */

static const struct signal *policy_signal(const struct scope *scope, const char *name)
{
    for (const struct signal *s = scope->policy ? scope->policy->signals : NULL; s; s = s->next) {
        if (same(s->name.text, name)) {
            return s;
        }
    }
    return NULL;
}

static bool declared_before(const struct scope *scope, const struct signal *signal)
{
    if (!scope->until) {
        return true;
    }
    for (const struct signal *s = scope->policy->signals; s && s != scope->until; s = s->next) {
        if (s == signal) {
            return true;
        }
    }
    return false;
}

static void report_order(const struct scope *scope, struct expr *expr, const struct signal *signal)
{
    bool self = signal == scope->until;
    struct diag *d = diag_add(scope->check->diags, DIAG_SIGNAL_ORDER, expr->span,
                              self ? "signal '%s' is defined by itself"
                                   : "signal '%s' is used before it is declared",
                              signal->name.text);
    if (self) {
        diag_help(d, "rename the signal, or write %s{} for the metric", signal->name.text);
    } else {
        diag_label(d, signal->name.span, "declared here");
        diag_help(d, "move signal '%s' up", signal->name.text);
    }
}

static const char *selector_metric(const struct expr *expr)
{
    if (expr->selector.name.text) {
        return expr->selector.name.text;
    }
    for (const struct matcher *m = expr->selector.matchers; m; m = m->next) {
        if (m->op == MATCH_EQ && same(m->label.text, "__name__")) {
            return m->value;
        }
    }
    return NULL;
}

static void report_metric(const struct scope *scope, const struct expr *expr, const char *name)
{
    const struct check *check = scope->check;
    if (!name) {
        struct diag *d = diag_add(check->diags, DIAG_UNKNOWN_METRIC, expr->span,
                                  "a policy that acts reads metrics by their name, not by a "
                                  "pattern");
        diag_help(d, "write the name before the braces");
        return;
    }
    struct nearest near = {.word = name};
    const struct signal *signals = scope->policy ? scope->policy->signals : NULL;
    for (const struct signal *s = signals; s; s = s->next) {
        nearest_try(&near, s->name.text);
    }
    for (const struct recorded *r = check->program->recorded; r; r = r->next) {
        nearest_try(&near, r->name.text);
    }
    const struct metric *sets[] = {check->program->metrics, check->known_metrics};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        for (const struct metric *m = sets[i]; m; m = m->next) {
            nearest_try(&near, m->name.text);
        }
    }
    struct diag *d =
        scope->policy
            ? diag_add(check->diags, DIAG_UNKNOWN_METRIC, expr->span,
                       "policy '%s' acts on '%s', which is no signal and no declared metric",
                       scope->policy->name.text, name)
            : diag_add(check->diags, DIAG_UNKNOWN_METRIC, expr->span,
                       "'%s', which decides what is acted on, is no declared metric", name);
    nearest_help(d, &near, arena_printf(check->arena, "declare it: metric %s UNIT", name));
}

static void names_of_selector(const struct scope *scope, struct expr *expr)
{
    const struct signal *signal = NULL;
    const char *name = selector_metric(expr);
    if (!expr->selector.braces && expr->selector.name.text) {
        signal = policy_signal(scope, name);
    }
    if (signal && declared_before(scope, signal)) {
        expr->selector.signal = (struct signal *)signal;
        return;
    }
    if (signal) {
        report_order(scope, expr, signal);
        return;
    }
    expr->selector.metric = (struct metric *)find_metric(scope->check, name);
    if (!expr->selector.metric) {
        expr->selector.recorded = find_recorded(scope->check, name);
    }
    if (scope->acts && !expr->selector.metric && !expr->selector.recorded) {
        report_metric(scope, expr, name);
    }
}

static void names_of_call(const struct scope *scope, struct expr *expr)
{
    const char *name = expr->call.name.text;
    expr->call.builtin = builtin_find(name);
    if (expr->call.builtin == BUILTIN_NONE) {
        struct nearest near = {.word = name};
        for (int i = 0; i < BUILTIN_COUNT; i++) {
            nearest_try(&near, builtin_infos[i].text);
        }
        for (int i = 0; i < AGGREGATE_COUNT_; i++) {
            nearest_try(&near, aggregate_infos[i].text);
        }
        struct diag *d = diag_add(scope->check->diags, DIAG_UNKNOWN_FUNCTION, expr->call.name.span,
                                  "no function is called '%s'", name);
        nearest_help(d, &near,
                     "the functions are those of PromQL, and ewma, zscore, forecast and events");
    } else if (!builtin_infos[expr->call.builtin].ready) {
        struct diag *d = diag_add(scope->check->diags, DIAG_FUNCTION_NOT_READY,
                                  expr->call.name.span, "%s() is not in this version", name);
        diag_help(d, "write it with the functions of this version, such as rate, avg_over_time, "
                     "max_over_time or deriv");
    }
}

static void names_of_aggregate(const struct scope *scope, struct expr *expr)
{
    enum aggregate op = expr->aggregate.op;
    if (op != AGGREGATE_NONE && !aggregate_infos[op].ready) {
        struct diag *d = diag_add(scope->check->diags, DIAG_FUNCTION_NOT_READY, expr->span,
                                  "%s is not in this version", aggregate_infos[op].text);
        diag_help(d, "topk() chooses series by their values");
    }
}

static void visit_names(struct expr *child, void *context)
{
    names_of_expr(context, child);
}

void names_of_expr(const struct scope *scope, struct expr *expr)
{
    switch (expr->kind) {
    case EXPR_SELECTOR: names_of_selector(scope, expr); return;
    case EXPR_CALL: names_of_call(scope, expr); break;
    case EXPR_AGGREGATE: names_of_aggregate(scope, expr); break;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
    case EXPR_BINARY:
    case EXPR_UNARY:
    case EXPR_PAREN:
    case EXPR_PERCENT_OF:
    case EXPR_REACHES:
    case EXPR_LIST: break;
    }
    struct scope inner = *scope;
    if (expr->kind == EXPR_CALL && expr->call.builtin == BUILTIN_EVENTS) {
        inner.acts = false; /* heal's own series need no declaration */
        if (expr->call.expansion) {
            names_of_expr(&inner, expr->call.expansion);
        }
        return;
    }
    if (expr->kind == EXPR_CALL) {
        /* A named argument may be a word of the function (season: daily), not a metric. */
        for (struct argument *a = expr->call.arguments; a; a = a->next) {
            bool word = a->name.text && (a->value->kind == EXPR_LIST || expr_word(a->value));
            if (!word) {
                names_of_expr(&inner, a->value);
            }
        }
        return;
    }
    expr_children(expr, visit_names, &inner);
}

/* ---- statements ---- */

static struct channel *resolve_channel(struct check *check, const struct name *name)
{
    struct channel *channel = find_channel(check, name->text);
    if (!channel && name->text) {
        struct nearest near = {.word = name->text};
        for (const struct channel *c = check->program->channels; c; c = c->next) {
            nearest_try(&near, c->name.text);
        }
        struct diag *d = diag_add(check->diags, DIAG_UNKNOWN_CHANNEL, name->span,
                                  "no channel is called '%s'", name->text);
        nearest_help(d, &near,
                     arena_printf(check->arena, "declare it: channel %s = log", name->text));
    }
    return channel;
}

static struct pool *resolve_pool(struct check *check, const struct name *name)
{
    struct pool *pool = find_pool(check, name->text);
    if (!pool && name->text) {
        struct nearest near = {.word = name->text};
        for (const struct pool *p = check->program->pools; p; p = p->next) {
            nearest_try(&near, p->name.text);
        }
        struct diag *d = diag_add(check->diags, DIAG_UNKNOWN_POOL, name->span,
                                  "no pool is called '%s'", name->text);
        nearest_help(d, &near,
                     arena_printf(check->arena, "declare it: pool %s(LABEL) = METRIC", name->text));
    }
    return pool;
}

static void resolve_call(struct check *check, struct act_call *call)
{
    call->resolved = find_action(check, call->action.text);
    if (call->resolved || !call->action.text) {
        return;
    }
    struct nearest near = {.word = call->action.text};
    for (const struct action *a = check->program->actions; a; a = a->next) {
        nearest_try(&near, a->name.text);
    }
    struct diag *d = diag_add(check->diags, DIAG_UNKNOWN_ACTION, call->action.span,
                              "no action is called '%s'", call->action.text);
    nearest_help(
        d, &near,
        arena_printf(check->arena, "declare it: action %s(...) { ... }", call->action.text));
}

static void resolve_limit(struct check *check, struct limit *limit)
{
    const char *subject = limit->subject.text;
    if (limit->kind == LIMIT_KEEP || limit->kind == LIMIT_STORM || limit->kind == LIMIT_DOMAINS ||
        limit->each_domain) {
        limit->pool = resolve_pool(check, &limit->subject);
        return;
    }
    limit->pool = limit->any ? NULL : find_pool(check, subject);
    if (limit->pool || !subject || type_exists(check, subject)) {
        return;
    }
    struct nearest near = {.word = subject};
    nearest_try(&near, "service");
    for (const struct pool *p = check->program->pools; p; p = p->next) {
        nearest_try(&near, p->name.text);
        nearest_try(&near, pool_type(p));
    }
    struct diag *d = diag_add(check->diags, DIAG_UNKNOWN_SUBJECT, limit->subject.span,
                              limit->any ? "no pool has entities of the type '%s'"
                                         : "'%s' is no pool, and no pool has entities of that type",
                              subject);
    nearest_help(d, &near, "name a pool, the last key of a pool, or service");
}

static void check_word(struct check *check, const struct name *name, const char *what,
                       const char *const *words, const char *all)
{
    struct nearest near = {.word = name->text};
    for (; name->text && *words; words++) {
        if (same(*words, name->text)) {
            return;
        }
        nearest_try(&near, *words);
    }
    if (name->text) {
        struct diag *d = diag_add(check->diags, DIAG_UNKNOWN_WORD, name->span, "'%s' is no %s",
                                  name->text, what);
        nearest_help(d, &near, all);
    }
}

static void check_policy_words(struct check *check, const struct policy *policy)
{
    static const char *const risks[] = {"performance", "availability", "capacity", "security",
                                        NULL};
    static const char *const impacts[] = {"low", "medium", "high", "critical", NULL};
    check_word(check, &policy->risk, "kind of risk", risks,
               "one of performance, availability, capacity, security");
    check_word(check, &policy->impact, "impact", impacts, "one of low, medium, high, critical");
}

static void resolve_rungs(struct check *check, struct policy *policy)
{
    for (struct heal *heal = policy->heals; heal; heal = heal->next) {
        for (struct rung *rung = heal->rungs; rung; rung = rung->next) {
            if (rung->kind == RUNG_ACT) {
                resolve_call(check, &rung->call);
                rung->resolved = rung->approve ? resolve_channel(check, &rung->approver) : NULL;
            } else {
                rung->resolved = resolve_channel(check, &rung->channel);
            }
        }
    }
}

/* who: "service 'shop' depends on", "policy 'slow' is for". */
static void need_service(struct check *check, const struct name *name, const char *who)
{
    if (find_service(check, name->text)) {
        return;
    }
    struct nearest near = {.word = name->text};
    for (const struct service *s = check->program->services; s; s = s->next) {
        nearest_try(&near, s->name.text);
    }
    struct diag *d = diag_add(check->diags, DIAG_UNKNOWN_SERVICE, name->span,
                              "%s '%s', which is not declared", who, name->text);
    nearest_help(d, &near,
                 arena_printf(check->arena, "declare it: service %s { tier gold }", name->text));
}

static void resolve_policy(struct check *check, struct policy *policy)
{
    if (policy->service.text) {
        need_service(check, &policy->service,
                     arena_printf(check->arena, "policy '%s' is for service", policy->name.text));
    }
    for (const struct cause *cause = policy->causes; cause; cause = cause->next) {
        for (const struct evidence *e = cause->evidence; e; e = e->next) {
            if (e->origin.text) {
                need_service(check, &e->origin, "origin() names");
            }
        }
    }
    struct scope scope = scope_of_policy(check, policy);
    policy->resolved = policy->each.text ? resolve_pool(check, &policy->pool) : NULL;
    check_policy_words(check, policy);
    for (struct signal *signal = policy->signals; signal; signal = signal->next) {
        struct scope above = scope;
        above.until = signal;
        if (signal->expr) {
            names_of_expr(&above, signal->expr);
        }
    }
    struct policy rest = *policy;
    rest.signals = NULL;
    policy_exprs(&rest, visit_names, &scope);
    resolve_rungs(check, policy);
    struct missing *missings[] = {&policy->on_missing, &policy->on_stale};
    for (size_t i = 0; i < ARRAY_LEN(missings); i++) {
        if (missings[i]->kind == MISSING_NOTIFY) {
            missings[i]->resolved = resolve_channel(check, &missings[i]->channel);
        }
    }
    if (policy->escalate.present) {
        policy->escalate.resolved = resolve_channel(check, &policy->escalate.channel);
        for (struct climb_step *step = policy->escalate.steps; step; step = step->next) {
            step->resolved = resolve_channel(check, &step->channel);
        }
    }
    for (struct limit *l = policy->bounds; l; l = l->next) {
        resolve_limit(check, l);
    }
    for (struct limit *l = policy->keeps; l; l = l->next) {
        resolve_limit(check, l);
    }
}

static void resolve_service(struct check *check, const struct service *service)
{
    for (const struct name_list *on = service->depends; on; on = on->next) {
        need_service(check, &on->name,
                     arena_printf(check->arena, "service '%s' depends on", service->name.text));
    }
}

static void resolve_channel_kind(struct check *check, const struct channel *channel)
{
    if (!channel->kind.text || channel_find(channel->kind.text) != CHANNEL_COUNT) {
        return;
    }
    struct nearest near = {.word = channel->kind.text};
    for (enum channel_kind i = 0; i < CHANNEL_COUNT; i++) {
        nearest_try(&near, channel_texts[i]);
    }
    struct diag *d = diag_add(check->diags, DIAG_KIND_NOT_READY, channel->kind.span,
                              "channels of kind '%s' are not in this version", channel->kind.text);
    nearest_help(d, &near, "use log, or webhook(\"NAME\") with the address in heald.yaml");
}

static void resolve_pool_exprs(struct check *check, struct pool *pool)
{
    struct scope scope = {.check = check, .acts = pool_is_acted_on(check, pool)};
    if (pool->expr) {
        names_of_expr(&scope, pool->expr);
    }
    if (pool->ready) {
        names_of_expr(&scope, pool->ready);
    }
}

void check_names(struct check *check)
{
    check_lengths(check);
    check_duplicates(check);
    for (const struct service *s = check->program->services; s; s = s->next) {
        resolve_service(check, s);
    }
    struct scope outside = scope_of_recorded(check);
    for (struct recorded *r = check->program->recorded; r; r = r->next) {
        names_of_expr(&outside, r->expr);
    }
    for (struct pool *p = check->program->pools; p; p = p->next) {
        resolve_pool_exprs(check, p);
    }
    for (const struct channel *c = check->program->channels; c; c = c->next) {
        resolve_channel_kind(check, c);
    }
    for (struct action *a = check->program->actions; a; a = a->next) {
        struct scope scope = {.check = check};
        if (a->undo) {
            resolve_call(check, a->undo);
        }
        if (a->probe) {
            names_of_expr(&scope, a->probe);
        }
        if (a->reads) {
            names_of_expr(&(struct scope){.check = check, .acts = true}, a->reads);
        }
    }
    for (struct guard *g = check->program->guards; g; g = g->next) {
        for (struct limit *l = g->limits; l; l = l->next) {
            resolve_limit(check, l);
            if (l->only) {
                names_of_expr(&(struct scope){.check = check, .acts = true}, l->only);
            }
        }
    }
    for (struct policy *p = check->program->policies; p; p = p->next) {
        resolve_policy(check, p);
    }
}
