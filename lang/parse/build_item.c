/* Builds the statements that a team shares: services, pools, channels, metrics, actions, guards. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lang/parse/build.h"
#include "lang/parse/token.h"

void build_result(struct parser *parser, struct expr *expr)
{
    parser->expr = expr;
}

struct item *build_item(struct parser *parser, enum item_kind kind, struct span span)
{
    struct item *item = ARENA_NEW(parser->arena, struct item);
    item->kind = kind;
    item->span = span;
    if (parser->last_item) {
        parser->last_item->next = item;
    } else {
        parser->file->items = item;
    }
    parser->last_item = item;
    parser->seen_count = 0;
    return item;
}

void build_end(struct parser *parser, struct span span)
{
    struct item *item = parser->last_item;
    item->span = span;
    switch (item->kind) {
    case ITEM_EDITION:
    case ITEM_IMPORT:
    case ITEM_POOL:
    case ITEM_CHANNEL:
    case ITEM_METRIC:
    case ITEM_RECORDED: break;
    case ITEM_SERVICE: item->service->span = span; break;
    case ITEM_ACTION: item->action->span = span; break;
    case ITEM_GUARD:
        item->guard->span = span;
        RING_OPEN(struct limit, parser->last_guard_limit, item->guard->limits);
        parser->last_guard_limit = NULL;
        break;
    case ITEM_POLICY:
        item->policy->span = span;
        RING_OPEN(struct signal, parser->last_signal, item->policy->signals);
        RING_OPEN(struct pair, parser->last_label, item->policy->labels);
        RING_OPEN(struct pair, parser->last_annotation, item->policy->annotations);
        build_causes_end(parser);
        RING_OPEN(struct heal, parser->last_heal, item->policy->heals);
        RING_OPEN(struct limit, parser->last_bound, item->policy->bounds);
        RING_OPEN(struct limit, parser->last_keep, item->policy->keeps);
        RING_OPEN(struct limit, parser->last_spend, item->policy->spends);
        parser->last_signal = NULL;
        parser->last_label = parser->last_annotation = NULL;
        parser->last_heal = NULL;
        parser->last_bound = parser->last_keep = parser->last_spend = NULL;
        break;
    case ITEM_TEST:
        item->test->span = span;
        RING_OPEN(struct given, parser->last_given, item->test->givens);
        RING_OPEN(struct expect, parser->last_expect, item->test->expects);
        parser->last_given = NULL;
        parser->last_expect = NULL;
        break;
    }
}

bool build_clause(struct parser *parser, const char *clause, struct span span)
{
    for (int i = 0; i < parser->seen_count; i++) {
        if (strcmp(parser->seen[i].clause, clause) == 0) {
            struct diag *diag =
                diag_add(parser->diags, DIAG_REPEATED, span, "'%s' is written twice", clause);
            diag_label(diag, parser->seen[i].span, "first here");
            return false;
        }
    }
    CHECK(parser->seen_count < (int)ARRAY_LEN(parser->seen));
    parser->seen[parser->seen_count].clause = clause;
    parser->seen[parser->seen_count++].span = span;
    return true;
}

void build_refuse(struct parser *parser, struct name name)
{
    diag_add(parser->diags, DIAG_NOT_YET, name.span, "'%s' is not in this version", name.text);
    parser->skipping = true;
    parser->skip_by_line = true;
}

struct quantity build_time(struct parser *parser, struct quantity quantity)
{
    bool time = quantity.unit != UNIT_NONE && quantity.per == UNIT_NONE &&
                unit_infos[quantity.unit].base == BASE_SECONDS;
    if (!time) {
        struct diag *diag = diag_add(parser->diags, DIAG_NUMBER_FORM, quantity.span,
                                     "'%s' is no duration", quantity.text);
        if (quantity.unit == UNIT_NONE && isfinite(quantity.value)) {
            diag_help(diag, "give it a unit, such as %ss", quantity.text);
        } else {
            diag_help(diag, "durations are written like 90s or 1h30m");
        }
    } else if (quantity.value > 9.2e9) {
        diag_add(parser->diags, DIAG_TOO_LARGE, quantity.span, "'%s' is longer than 292 years",
                 quantity.text);
    }
    return quantity;
}

void build_edition(struct parser *parser, struct span span, struct quantity number)
{
    bool first = parser->last_item == NULL;
    build_item(parser, ITEM_EDITION, span)->edition = 1;
    if (!first) {
        struct diag *diag =
            diag_add(parser->diags, DIAG_EDITION, span, "the edition stands first in a file, once");
        diag_help(diag, "move it to the first line");
    } else if (strcmp(number.text, "1") != 0) {
        struct diag *diag = diag_add(parser->diags, DIAG_EDITION, number.span,
                                     "edition '%s' is not known to this compiler", number.text);
        diag_help(diag, "write edition 1");
    }
}

void build_import(struct parser *parser, struct span span, const struct expr *path)
{
    struct import *import = ARENA_NEW(parser->arena, struct import);
    import->path = path->string.value;
    import->span = span;
    build_item(parser, ITEM_IMPORT, span)->import = import;
}

/* ---- service, pool, channel, metric ---- */

void build_service(struct parser *parser, struct name name)
{
    struct service *service = ARENA_NEW(parser->arena, struct service);
    service->name = name;
    build_item(parser, ITEM_SERVICE, name.span)->service = service;
    parser->service = service;
}

void build_tier(struct parser *parser, struct span span, struct name tier)
{
    if (build_clause(parser, "tier", span)) {
        parser->service->tier = tier;
    }
}

void build_depends(struct parser *parser, struct span span, struct name_list *last)
{
    if (build_clause(parser, "depends on", span)) {
        RING_OPEN(struct name_list, last, parser->service->depends);
    }
}

void build_owner(struct parser *parser, struct span span, const struct expr *owner)
{
    if (build_clause(parser, "owner", span)) {
        parser->service->owner = (struct name){owner->string.value, owner->span};
    }
}

void build_pool(struct parser *parser, struct span span, struct name name,
                struct name_list *last_key, struct expr *expr, struct expr *ready)
{
    struct pool *pool = ARENA_NEW(parser->arena, struct pool);
    pool->name = name;
    RING_OPEN(struct name_list, last_key, pool->keys);
    pool->expr = expr;
    pool->ready = ready;
    pool->domain = parser->domain;
    pool->span = span;
    parser->domain = (struct name){0};
    build_item(parser, ITEM_POOL, span)->pool = pool;
}

void build_channel(struct parser *parser, struct span span, struct name name, struct name kind,
                   struct expr *argument)
{
    struct channel *channel = ARENA_NEW(parser->arena, struct channel);
    channel->name = name;
    channel->kind = kind;
    channel->argument = argument;
    channel->span = span;
    build_item(parser, ITEM_CHANNEL, span)->channel = channel;
}

static enum unit unit_of(struct parser *parser, struct name name)
{
    enum unit unit = unit_find(name.text, strlen(name.text));
    if (unit == UNIT_NONE) {
        struct diag *diag = diag_add(parser->diags, DIAG_NUMBER_FORM, name.span,
                                     "no unit is called '%s'", name.text);
        diag_help(diag,
                  "units are ratio bytes B kB MB GB TB KiB MiB GiB TiB seconds ms s min h d w "
                  "req usd replicas count");
    }
    return unit;
}

struct quantity build_unit(struct parser *parser, struct name unit, const struct name *per)
{
    struct quantity quantity = {.unit = unit_of(parser, unit), .per = UNIT_NONE, .span = unit.span};
    quantity.text = unit.text;
    if (per) {
        quantity.per = unit_of(parser, *per);
        quantity.span = span_join(unit.span, per->span);
        quantity.text = arena_printf(parser->arena, "%s/%s", unit.text, per->text);
    }
    return quantity;
}

void build_metric(struct parser *parser, struct span span, struct quantity unit, bool counter,
                  struct name_list *const *labels)
{
    struct metric *metric = ARENA_NEW(parser->arena, struct metric);
    metric->name = parser->metric_name;
    metric->unit = unit;
    metric->counter = counter;
    metric->has_labels = labels != NULL;
    metric->labels = labels ? *labels : NULL;
    metric->span = span;
    build_item(parser, ITEM_METRIC, span)->metric = metric;
}

/* ---- a recorded signal ---- */

struct pair *build_pair(struct parser *parser, struct span span, struct name name,
                        const struct expr *value)
{
    struct pair *pair = ARENA_NEW(parser->arena, struct pair);
    pair->name = name;
    pair->value = value->string.value;
    pair->value_span = value->span;
    pair->span = span;
    return pair;
}

struct pair *build_pair_add(struct pair *last, struct pair *pair)
{
    RING_ADD(last, pair);
    return pair;
}

void build_recorded(struct parser *parser, struct span span, struct pair *labels,
                    struct quantity every, struct expr *expr)
{
    struct recorded *recorded = ARENA_NEW(parser->arena, struct recorded);
    recorded->name = parser->metric_name;
    recorded->labels = labels;
    recorded->has_every = every.text != NULL;
    recorded->every = every;
    recorded->expr = expr;
    recorded->span = span;
    build_item(parser, ITEM_RECORDED, span)->recorded = recorded;
}

/* ---- action ---- */

void build_action(struct parser *parser, struct name name, struct parameter *last)
{
    struct action *action = ARENA_NEW(parser->arena, struct action);
    action->name = name;
    RING_OPEN(struct parameter, last, action->parameters);
    build_item(parser, ITEM_ACTION, name.span)->action = action;
    parser->action = action;
}

struct parameter *build_parameter(struct parser *parser, struct parameter *last, struct name name,
                                  struct name type)
{
    struct parameter *parameter = ARENA_NEW(parser->arena, struct parameter);
    parameter->name = name;
    parameter->type = type;
    RING_ADD(last, parameter);
    return parameter;
}

void build_via(struct parser *parser, struct span span, struct name first,
               const struct name *second)
{
    if (build_clause(parser, "via", span)) {
        const char *dot = second ? "." : "", *rest = second ? second->text : "";
        parser->action->connector.text =
            arena_printf(parser->arena, "%s%s%s", first.text, dot, rest);
        parser->action->connector.span = second ? span_join(first.span, second->span) : first.span;
    }
}

struct affect *build_affect(struct parser *parser, struct affect *last, struct name subject,
                            struct name quantity)
{
    struct affect *affect = ARENA_NEW(parser->arena, struct affect);
    affect->subject = subject;
    affect->quantity = quantity;
    RING_ADD(last, affect);
    return affect;
}

void build_affects(struct parser *parser, struct span span, struct affect *last,
                   const struct quantity *within)
{
    if (build_clause(parser, "affects", span)) {
        RING_OPEN(struct affect, last, parser->action->affects);
        parser->action->has_within = within != NULL;
        if (within) {
            parser->action->within = *within;
        }
    }
}

void build_undo(struct parser *parser, struct span span, struct act_call *call)
{
    if (build_clause(parser, "undo", span)) {
        parser->action->undo = call;
    }
}

void build_reduces(struct parser *parser, struct span span, struct name what)
{
    if (strcmp(what.text, "capacity") != 0) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, what.span,
                                     "an action reduces capacity, not '%s'", what.text);
        diag_help(diag, "write reduces capacity");
    }
    if (build_clause(parser, "reduces", span)) {
        parser->action->reduces = (struct name){what.text, span};
    }
}

void build_irreversible(struct parser *parser, struct span span)
{
    if (build_clause(parser, "irreversible", span)) {
        parser->action->irreversible = true;
        parser->action->irreversible_span = span;
    }
}

void build_timeout(struct parser *parser, struct span span, struct quantity timeout)
{
    if (build_clause(parser, "timeout", span)) {
        parser->action->timeout = timeout;
        parser->action->has_timeout = true;
    }
}

void build_idempotent(struct parser *parser, struct span span)
{
    if (build_clause(parser, "idempotent", span)) {
        parser->action->idempotent = true;
        parser->action->idempotent_span = span;
    }
}

void build_replaces(struct parser *parser, struct span span, struct name name)
{
    if (build_clause(parser, "replaces", span)) {
        parser->action->replaces = name;
    }
}

void build_probe(struct parser *parser, struct span span, struct expr *expr)
{
    if (build_clause(parser, "probe", span)) {
        parser->action->probe = expr;
    }
}

void build_reads(struct parser *parser, struct span span, struct expr *expr)
{
    if (build_clause(parser, "reads", span)) {
        parser->action->reads = expr;
    }
}

/* "500 usd", "0.12 usd/h", "2 replicas": what is counted stands apart from its number. */
static const char *apart(struct parser *parser, const struct quantity *quantity)
{
    const char *unit = quantity->unit == UNIT_USD || quantity->unit == UNIT_REPLICAS ||
                               quantity->unit == UNIT_COUNT
                           ? strstr(quantity->text, unit_infos[quantity->unit].text)
                           : NULL;
    return unit ? arena_printf(parser->arena, "%.*s %s", (int)(unit - quantity->text),
                               quantity->text, unit)
                : quantity->text;
}

void build_costs(struct parser *parser, struct span span, struct quantity costs,
                 const struct name *per)
{
    if (build_clause(parser, "costs", span)) {
        costs.text = apart(parser, &costs);
        parser->action->has_costs = true;
        parser->action->costs = costs;
        parser->action->costs_per = per ? *per : (struct name){0};
        parser->action->costs_span = span;
    }
}

/* ---- guard and its limits ---- */

void build_guard(struct parser *parser, struct name name)
{
    struct guard *guard = ARENA_NEW(parser->arena, struct guard);
    guard->name = name;
    build_item(parser, ITEM_GUARD, name.span)->guard = guard;
    parser->guard = guard;
    parser->last_guard_limit = NULL;
}

void build_guard_limit(struct parser *parser, struct limit *limit)
{
    RING_ADD(parser->last_guard_limit, limit);
    parser->last_guard_limit = limit;
}

static struct limit *limit_new(struct parser *parser, enum limit_kind kind, struct span span,
                               struct name subject)
{
    struct limit *limit = ARENA_NEW(parser->arena, struct limit);
    limit->kind = kind;
    limit->span = span;
    limit->subject = subject;
    limit->unit = UNIT_NONE;
    return limit;
}

struct limit *build_limit(struct parser *parser, struct span span, struct amount amount,
                          struct name subject, struct quantity per)
{
    struct limit *limit = limit_new(parser, LIMIT_AT_MOST, span, subject);
    limit->amount = amount;
    limit->per = per;
    return limit;
}

static void counted(struct parser *parser, const struct amount *amount, const char *what,
                    const char *help)
{
    if (amount->has_ratio) {
        struct diag *diag = diag_add(parser->diags, DIAG_AMOUNT_FORM, amount->span,
                                     "%s are counted; a share of one is nothing", what);
        diag_help(diag, "write a number, such as %s", help);
    }
}

struct limit *build_limit_actions(struct parser *parser, struct span span, struct amount amount,
                                  struct name type, struct quantity per)
{
    struct limit *limit = build_limit(parser, span, amount, type, per);
    limit->any = true;
    counted(parser, &amount, "actions on one target",
            arena_printf(parser->arena, "at most 3 actions on any %s per 1h", type.text));
    return limit;
}

struct limit *build_limit_each(struct parser *parser, struct span span, struct amount amount,
                               struct name pool, struct quantity per)
{
    struct limit *limit = build_limit(parser, span, amount, pool, per);
    limit->each_domain = true;
    return limit;
}

struct limit *build_limit_unattended(struct parser *parser, struct span span, struct amount amount,
                                     struct name type, struct quantity per)
{
    struct limit *limit = build_limit_actions(parser, span, amount, type, per);
    limit->unattended = true;
    return limit;
}

struct limit *build_limit_total(struct parser *parser, struct span span, struct amount amount,
                                struct quantity per)
{
    struct limit *limit = limit_new(parser, LIMIT_TOTAL, span, (struct name){0});
    limit->amount = amount;
    limit->per = per;
    counted(parser, &amount, "actions in total", "at most 10 actions per 1h");
    return limit;
}

struct limit *build_limit_domains(struct parser *parser, struct span span, struct amount amount,
                                  struct name pool, struct quantity per)
{
    struct limit *limit = limit_new(parser, LIMIT_DOMAINS, span, pool);
    limit->amount = amount;
    limit->per = per;
    counted(parser, &amount, "domains",
            arena_printf(parser->arena, "at most 1 domains of %s per 1h", pool.text));
    return limit;
}

struct limit *build_not_during(struct parser *parser, struct span span, const struct expr *from,
                               const struct expr *to, const struct expr *zone,
                               const struct name *above)
{
    struct limit *limit = limit_new(parser, LIMIT_NOT_DURING, span, (struct name){0});
    struct freeze *freeze = ARENA_NEW(parser->arena, struct freeze);
    freeze->from = (struct name){from->string.value, from->span};
    freeze->to = (struct name){to->string.value, to->span};
    freeze->zone = (struct name){zone->string.value, zone->span};
    if (above) {
        freeze->above = *above;
    }
    limit->freeze = freeze;
    return limit;
}

struct limit *build_limit_between(struct parser *parser, struct span span, struct quantity low,
                                  struct quantity high, const struct name *unit, struct name type)
{
    struct limit *limit = limit_new(parser, LIMIT_BETWEEN, span, type);
    limit->any = true;
    limit->low = low.value;
    limit->high = high.value;
    limit->unit = unit ? unit_of(parser, *unit) : high.unit;
    if (unit && limit->unit != UNIT_NONE) {
        limit->low *= unit_infos[limit->unit].scale;
        limit->high *= unit_infos[limit->unit].scale;
    }
    limit->amount.text = arena_printf(parser->arena, "%s and %s%s%s", low.text, high.text,
                                      unit ? " " : "", unit ? unit->text : "");
    limit->amount.span = span_join(low.span, unit ? unit->span : high.span);
    return limit;
}

struct limit *build_keep(struct parser *parser, struct span span, struct amount amount,
                         struct name pool)
{
    struct limit *limit = limit_new(parser, LIMIT_KEEP, span, pool);
    limit->amount = amount;
    return limit;
}

struct limit *build_storm(struct parser *parser, struct span span, struct amount amount,
                          struct name pool)
{
    struct limit *limit = limit_new(parser, LIMIT_STORM, span, pool);
    limit->amount = amount;
    return limit;
}

struct limit *build_exclusive(struct parser *parser, struct span span, struct name subject)
{
    return limit_new(parser, LIMIT_EXCLUSIVE, span, subject);
}

struct limit *build_step(struct parser *parser, struct span span, struct quantity amount,
                         struct quantity per)
{
    struct limit *limit = limit_new(parser, LIMIT_STEP, span, (struct name){0});
    limit->any = true;
    limit->per = per;
    limit->amount = (struct amount){.text = apart(parser, &amount), .span = amount.span};
    limit->amount.has_ratio = amount.unit == UNIT_PERCENT;
    limit->amount.has_count = !limit->amount.has_ratio;
    *(limit->amount.has_ratio ? &limit->amount.ratio : &limit->amount.count) = amount.value;
    limit->unit = limit->amount.has_ratio ? UNIT_NONE : amount.unit;
    if (amount.per != UNIT_NONE) {
        struct diag *diag =
            diag_add(parser->diags, DIAG_AMOUNT_FORM, amount.span,
                     "a step is a quantity or a share, '%s' is a rate", amount.text);
        diag_help(diag, "write step at most 50%% per 1m, or 2 replicas per 1m");
    }
    return limit;
}

struct limit *build_step_inherits(struct parser *parser, struct limit *step)
{
    const struct limit *before = parser->last_guard_limit;
    if (!before || before->kind != LIMIT_BETWEEN) {
        struct diag *diag =
            diag_add(parser->diags, DIAG_AMOUNT_FORM, step->span, "this step does not say of what");
        diag_help(diag, "write of any TYPE behind it, or put it behind a 'between'");
        return step;
    }
    step->inherits = true;
    step->subject = before->subject;
    step->unit = step->unit == UNIT_NONE ? before->unit : step->unit;
    return step;
}

struct limit *build_step_of(struct span span, struct limit *step, struct name type)
{
    step->span = span;
    step->subject = type;
    return step;
}

struct limit *build_money(struct parser *parser, struct span span, struct quantity money,
                          struct quantity per)
{
    struct limit *limit = limit_new(parser, LIMIT_SPEND, span, (struct name){0});
    limit->per = per;
    limit->amount = (struct amount){
        .has_count = true, .count = money.value, .text = apart(parser, &money), .span = money.span};
    if (money.unit != UNIT_USD || money.per != UNIT_NONE) {
        struct diag *diag = diag_add(parser->diags, DIAG_AMOUNT_FORM, money.span,
                                     "'%s' is no amount of money", money.text);
        diag_help(diag, "write it in usd, such as spend at most 500 usd per 1h");
    }
    return limit;
}

struct limit *build_spend(struct span span, struct limit *money)
{
    money->span = span;
    return money;
}

void build_guard_money(struct parser *parser, struct limit *money)
{
    const struct limit *before = parser->last_guard_limit;
    if (!before || before->kind != LIMIT_SPEND) {
        struct diag *diag = diag_add(parser->diags, DIAG_SYNTAX, money->span,
                                     "money stands alone only behind a 'spend at most'");
        diag_help(diag, "write spend at most %s per %s", money->amount.text, money->per.text);
    }
    build_guard_limit(parser, money);
}

struct limit *build_only_while(struct parser *parser, struct span span, struct expr *expr)
{
    struct limit *limit = limit_new(parser, LIMIT_ONLY_WHILE, span, (struct name){0});
    limit->only = expr;
    return limit;
}

struct amount build_amount(struct parser *parser, struct quantity quantity)
{
    (void)parser;
    struct amount amount = {.text = quantity.text, .span = quantity.span};
    amount.has_ratio = quantity.unit == UNIT_PERCENT;
    amount.has_count = !amount.has_ratio;
    *(amount.has_ratio ? &amount.ratio : &amount.count) = quantity.value;
    return amount;
}

struct amount build_amount_min(struct parser *parser, struct span span, struct name function,
                               struct amount a, struct amount b)
{
    struct amount amount = {.has_count = true, .has_ratio = true, .minimum = true, .span = span};
    if (strcmp(function.text, "min") != 0 || a.has_ratio == b.has_ratio) {
        struct diag *diag = diag_add(parser->diags, DIAG_AMOUNT_FORM, span,
                                     "an amount of two parts is min(count, share)");
        diag_help(diag, "write min(2, 10%%)");
    }
    amount.count = a.has_count ? a.count : b.count;
    amount.ratio = a.has_ratio ? a.ratio : b.ratio;
    amount.text = arena_printf(parser->arena, "min(%s, %s)", a.has_count ? a.text : b.text,
                               a.has_count ? b.text : a.text);
    return amount;
}

struct amount build_amount_word(struct parser *parser, struct name word)
{
    struct diag *diag =
        diag_add(parser->diags, DIAG_AMOUNT_FORM, word.span, "'%s' is no amount", word.text);
    diag_help(diag, "write a count, a share or the smaller of both: 3, 10%% or min(3, 10%%)");
    return (struct amount){.has_count = true, .count = 1, .text = "1", .span = word.span};
}
