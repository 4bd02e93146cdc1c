/* Canonical text of a file: one clause a line, in the order of the source, with its comments. */
#include "lang/print.h"

#include <stdlib.h>
#include <string.h>

#include "lang/print_part.h"

void clauses_add(struct clauses *clauses, struct span span,
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

void print_clauses(struct printer *p, struct clauses *clauses, uint32_t end)
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

void print_names(struct printer *p, const struct name_list *names)
{
    for (; names; names = names->next) {
        out_add(&p->text, "%s%s", names->name.text, names->next ? ", " : "");
    }
}

void print_long_expr(struct printer *p, const struct expr *expr)
{
    out_expr_broken(&p->text, expr, p->indent + 2 * PRINT_INDENT);
}

void print_call(struct printer *p, const struct act_call *call)
{
    out_add(&p->text, "%s(", call->action.text);
    out_arguments(&p->text, call->arguments);
    out_add(&p->text, ")");
}

/* Word of one clause, "tier gold"; what is a struct name with the clause's word in print. */
PRINT_NAME(print_tier, "tier")
PRINT_NAME(print_via, "via")
PRINT_NAME(print_replaces, "replaces")

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
