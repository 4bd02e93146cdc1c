#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"

/* ---- what was asked already ---- */

enum form { AS_IS, ENDED, UNNAMED, FORMS };
struct answer {
    const struct expr *expr;
    struct when when;
    enum form form;
    bool known;
    struct oracle_vector vector;
};
struct compiled {
    const char *text;
    regex_t regex;
};
struct oracle {
    const struct history *history;
    struct duration every;
    bool live;
    struct answer **answers;
    size_t count, capacity;
    struct answer **table; /* by expression and moment, open addressing */
    size_t table_size;
    struct compiled *regexes; /* of POSIX: tests keep to what RE2 has too */
    size_t regex_count, regex_capacity;
    struct clock **clocks;
    size_t clock_count, clock_capacity;
    char **texts;
    size_t text_count, text_capacity;
};

struct oracle *oracle_new(const struct history *history, struct duration every, bool live)
{
    struct oracle *oracle = heap_alloc(sizeof *oracle);
    *oracle = (struct oracle){.history = history, .every = every, .live = live};
    return oracle;
}

void oracle_free(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->count; i++) {
        free(oracle->answers[i]->vector.items);
        free(oracle->answers[i]);
    }
    for (size_t i = 0; i < oracle->regex_count; i++) {
        regfree(&oracle->regexes[i].regex);
    }
    for (size_t i = 0; i < oracle->text_count; i++) {
        free(oracle->texts[i]);
    }
    clocks_free(oracle->clocks, oracle->clock_count);
    free(oracle->texts);
    free(oracle->regexes);
    free(oracle->answers);
    free(oracle->table);
    free(oracle);
}

const struct history *oracle_history(const struct oracle *oracle)
{
    return oracle->history;
}

struct duration oracle_every(const struct oracle *oracle)
{
    return oracle->every;
}

bool oracle_is_live(const struct oracle *oracle)
{
    return oracle->live;
}

struct clock *oracle_clock(struct oracle *oracle, struct clock *parent, const struct expr *expr,
                           bool at)
{
    for (size_t i = 0; i < oracle->clock_count; i++) {
        if (clock_is(oracle->clocks[i], parent, expr, at)) {
            return oracle->clocks[i];
        }
    }
    ARRAY_RESERVE(oracle->clocks, oracle->clock_count, oracle->clock_capacity);
    return oracle->clocks[oracle->clock_count++] = clock_new(parent, expr, at);
}

const char *oracle_text(struct oracle *oracle, const char *text)
{
    for (size_t i = 0; i < oracle->text_count; i++) {
        if (strcmp(oracle->texts[i], text) == 0) {
            return oracle->texts[i];
        }
    }
    ARRAY_RESERVE(oracle->texts, oracle->text_count, oracle->text_capacity);
    return oracle->texts[oracle->text_count++] = heap_strdup(text);
}

const regex_t *oracle_regex(struct oracle *oracle, const char *text)
{
    char whole[200];
    for (size_t i = 0; i < oracle->regex_count; i++) {
        if (strcmp(oracle->regexes[i].text, text) == 0) {
            return &oracle->regexes[i].regex;
        }
    }
    ARRAY_RESERVE(oracle->regexes, oracle->regex_count, oracle->regex_capacity);
    struct compiled *made = &oracle->regexes[oracle->regex_count++];
    made->text = oracle_text(oracle, text);
    CHECK(snprintf(whole, sizeof whole, "^(%s)$", text) < (int)sizeof whole);
    CHECK(regcomp(&made->regex, whole, REG_EXTENDED) == 0);
    return &made->regex;
}

static struct answer **place(const struct oracle *oracle, const struct expr *expr, struct when when,
                             enum form form)
{
    size_t at = (uintptr_t)expr / 16 * 31 + (uintptr_t)when.clock / 16 * 7;
    at = (at + when.at * FORMS + form) * 0x9e3779b97f4a7c15ULL;
    for (at = (at >> 20) % oracle->table_size;; at = (at + 1) % oracle->table_size) {
        struct answer *found = oracle->table[at];
        if (!found || (found->expr == expr && found->when.clock == when.clock &&
                       found->when.at == when.at && found->form == form)) {
            return &oracle->table[at];
        }
    }
}

static void remember(struct oracle *oracle, struct answer *answer)
{
    ARRAY_RESERVE(oracle->answers, oracle->count, oracle->capacity);
    oracle->answers[oracle->count++] = answer;
    if (oracle->count * 2 >= oracle->table_size) {
        free(oracle->table);
        oracle->table_size = oracle->count * 4;
        oracle->table = heap_alloc(oracle->table_size * sizeof(struct answer *));
        for (size_t i = 0; i + 1 < oracle->count; i++) {
            struct answer *known = oracle->answers[i];
            *place(oracle, known->expr, known->when, known->form) = known;
        }
    }
    *place(oracle, answer->expr, answer->when, answer->form) = answer;
}

/* ---- small things of trees ---- */

struct oracle_labels oracle_project(const struct oracle_labels *from, const struct name_list *names,
                                    bool keep)
{
    struct oracle_labels ret = {0};
    for (size_t i = 0; i < from->count; i++) {
        bool named = false;
        for (const struct name_list *n = names; n; n = n->next) {
            named |= strcmp(n->name.text, from->items[i].name) == 0;
        }
        if (named == keep) {
            oracle_labels_add(&ret, from->items[i].name, from->items[i].value);
        }
    }
    return ret;
}

bool oracle_names_metric(const struct name_list *names)
{
    for (; names; names = names->next) {
        if (strcmp(names->name.text, "__name__") == 0) {
            return true;
        }
    }
    return false;
}

const struct expr *oracle_inner(const struct expr *expr)
{
    while (expr->kind == EXPR_PAREN) {
        expr = expr->inner;
    }
    return expr;
}

bool oracle_constant(const struct expr *expr, double *ret)
{
    expr = oracle_inner(expr);
    if (expr->kind == EXPR_UNARY) {
        bool constant = oracle_constant(expr->unary.inner, ret);
        *ret = expr->unary.minus ? -*ret : *ret;
        return constant;
    }
    *ret = expr->kind == EXPR_NUMBER ? expr->number.value : 0;
    return expr->kind == EXPR_NUMBER;
}

const struct expr *oracle_argument(const struct expr *call, size_t at)
{
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        if (!a->name.text && at-- == 0) {
            return oracle_inner(a->value);
        }
    }
    return NULL;
}

const struct expr *oracle_named(const struct expr *call, const char *name)
{
    for (const struct argument *a = call->call.arguments; a; a = a->next) {
        if (a->name.text && strcmp(a->name.text, name) == 0) {
            return a->value;
        }
    }
    return NULL;
}

bool oracle_is_call(const struct expr *expr, const char *name)
{
    return expr->kind == EXPR_CALL && strcmp(expr->call.name.text, name) == 0;
}

/* ---- operators ---- */

static enum operator turned_round(enum operator op)
{
    return op == OPERATOR_LT   ? OPERATOR_GT
           : op == OPERATOR_GT ? OPERATOR_LT
           : op == OPERATOR_LE ? OPERATOR_GE
           : op == OPERATOR_GE ? OPERATOR_LE
                               : op;
}

static bool binary(struct oracle *oracle, const struct expr *expr, struct when when,
                   struct oracle_vector *ret)
{
    const struct expr *a = oracle_inner(expr->binary.left), *b = oracle_inner(expr->binary.right);
    const bool return_bool = expr->binary.matching.return_bool;
    double k;
    if (oracle_is_compare(expr->binary.op) && oracle_is_call(a, "zscore") &&
        oracle_constant(b, &k)) {
        return oracle_score_compare(oracle, a, expr->binary.op, k, return_bool, when, ret);
    }
    if (oracle_is_compare(expr->binary.op) && oracle_is_call(b, "zscore") &&
        oracle_constant(a, &k)) {
        return oracle_score_compare(oracle, b, turned_round(expr->binary.op), k, return_bool, when,
                                    ret);
    }
    const struct oracle_vector *left = oracle_eval(oracle, a, when);
    const struct oracle_vector *right = oracle_eval(oracle, b, when);
    if (!left || !right) {
        return false;
    }
    oracle_inherit(ret, left);
    oracle_inherit(ret, right);
    oracle_join(expr, left, right, ret);
    return true;
}

/* ---- any expression ---- */

static bool call(struct oracle *oracle, const struct expr *expr, struct when when,
                 struct oracle_vector *ret)
{
    return oracle_is_call(expr, "ewma")       ? oracle_average(oracle, expr, when, ret)
           : oracle_is_call(expr, "zscore")   ? oracle_score(oracle, expr, when, ret)
           : oracle_is_call(expr, "forecast") ? oracle_forecast(oracle, expr, when, ret)
           : strncmp(expr->call.name.text, "label_", 6) == 0
               ? oracle_relabel(oracle, expr, when, ret)
           : strncmp(expr->call.name.text, "histogram_", 10) == 0
               ? oracle_histogram(oracle, expr, when, ret)
           : oracle_range_of(expr) ? oracle_over(oracle, expr, when, ret)
                                   : oracle_instant(oracle, expr, when, ret);
}

static bool selector(struct oracle *oracle, const struct expr *expr, struct when when,
                     struct oracle_vector *ret)
{
    if (!expr->selector.signal) {
        oracle_select(oracle, expr, false, when, ret);
        return true;
    }
    if (expr->has_offset && expr->offset.ns != 0) {
        return oracle_signal_past(oracle, expr, when, ret);
    }
    const struct oracle_vector *from = oracle_eval(oracle, expr->selector.signal->expr, when);
    if (from) {
        oracle_without_names(from, ret);
    }
    return from != NULL;
}

static void negated(const struct oracle_vector *from, struct oracle_vector *ret)
{
    ret->scalar = from->scalar;
    for (size_t i = 0; i < from->count; i++) {
        oracle_put(ret, &from->items[i]);
        ret->items[i].number = number_negate(from->items[i].number);
    }
    oracle_give_up_names(ret);
}

static bool of_inner(struct oracle *oracle, const struct expr *expr, struct when when,
                     struct oracle_vector *ret)
{
    const struct expr *inner = expr->kind == EXPR_UNARY        ? expr->unary.inner
                               : expr->kind == EXPR_PERCENT_OF ? expr->percent_of.inner
                                                               : expr->inner;
    const struct oracle_vector *from = oracle_eval(oracle, inner, when);
    if (!from) {
        return false;
    }
    oracle_inherit(ret, from);
    if (expr->kind == EXPR_PERCENT_OF) {
        struct oracle_vector ratio = {0};
        const struct expr times = {.kind = EXPR_BINARY, .binary.op = OPERATOR_MUL};
        oracle_put_scalar(&ratio, number_exact(expr->percent_of.ratio));
        oracle_join(&times, &ratio, from, ret);
        free(ratio.items);
    } else if (expr->kind == EXPR_UNARY && expr->unary.minus) {
        negated(from, ret);
    } else {
        ret->scalar = from->scalar;
        for (size_t i = 0; i < from->count; i++) {
            oracle_put(ret, &from->items[i]);
        }
    }
    return true;
}

static bool evaluate(struct oracle *oracle, const struct expr *expr, struct when when,
                     struct oracle_vector *ret)
{
    switch (expr->kind) {
    case EXPR_NUMBER: oracle_put_scalar(ret, number_exact(expr->number.value)); return true;
    case EXPR_SELECTOR: return selector(oracle, expr, when, ret);
    case EXPR_CALL: return call(oracle, expr, when, ret);
    case EXPR_BINARY: return binary(oracle, expr, when, ret);
    case EXPR_AGGREGATE: return oracle_aggregate(oracle, expr, when, ret);
    case EXPR_UNARY:
    case EXPR_PAREN:
    case EXPR_PERCENT_OF: return of_inner(oracle, expr, when, ret);
    case EXPR_REACHES: return oracle_reaches(oracle, expr, when, ret);
    case EXPR_STRING:
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
    case EXPR_LIST: return false;
    }
    return false;
}

/* ---- @ ---- */

/* What the `@` of an expression stands behind: a selector, or the range of a function; or NULL. */
static const struct expr *timed(const struct expr *expr)
{
    const struct expr *of = expr->kind == EXPR_SELECTOR ? expr : NULL;
    if (expr->kind == EXPR_CALL) {
        const struct expr *range = oracle_range_of(expr);
        const struct expr *x = oracle_argument(expr, 0);
        const bool plain = range && range->kind == EXPR_RANGE && range->at_kind != AT_TIME;
        of = plain ? oracle_inner(range->range.inner) : range;
        of = oracle_is_call(expr, "timestamp") && x->kind == EXPR_SELECTOR ? x : of;
    }
    return of && of->at_kind == AT_TIME ? of : NULL;
}

/* Whether a source was silent at a time of the past, which series there might have been, and what
 * an
 * `@` within it says that was still to come, may look different later: SPEC.md does not say when
 * one looks. */
static bool doubt_looks(struct oracle *oracle, const struct expr *expr, const struct at_time *at,
                        struct oracle_vector *ret)
{
    for (struct when then = at->first; then.at < at->now.at; then.at++) {
        const struct oracle_vector *v = oracle_eval(oracle, expr, then);
        if (!v) {
            return false;
        }
        ret->wild |= v->wild || v->blind != ret->blind;
        for (size_t i = 0; i < v->count; i++) {
            if (!oracle_find(ret, &v->items[i])) { /* a value that was unknown, or is */
                struct oracle_item gone = v->items[i];
                gone.present = false;
                gone.doubtful = true;
                oracle_put(ret, &gone);
            }
        }
        for (size_t i = 0; i < ret->count; i++) {
            struct oracle_item *item = &ret->items[i];
            const struct oracle_item *before = oracle_find(v, item);
            item->doubtful |= !before || before->doubtful || before->unknown != item->unknown ||
                              before->present != item->present ||
                              (item->present && before->number.value != item->number.value &&
                               !(isnan(before->number.value) && isnan(item->number.value)));
        }
    }
    return true;
}

static bool evaluate_at(struct oracle *oracle, const struct expr *expr, const struct expr *of,
                        struct when when, struct oracle_vector *ret)
{
    const struct at_time at = clock_at(oracle, when, of);
    const struct oracle_vector *now = oracle_eval(oracle, expr, at.now);
    if (!now) {
        return false;
    }
    ret->scalar = now->scalar;
    ret->blind = now->blind;
    ret->wild = at.wild || now->wild;
    for (size_t i = 0; i < now->count; i++) {
        oracle_put(ret, &now->items[i]);
    }
    if (!doubt_looks(oracle, expr, &at, ret)) {
        return false;
    }
    ret->blind |= at.blind;
    for (size_t i = 0; i < ret->count && at.blind; i++) {
        ret->items[i].present = oracle_is_call(expr, "absent_over_time");
    }
    return true;
}

/* ---- answers ---- */

static struct answer *answered(const struct oracle *oracle, const struct expr *expr,
                               struct when when, enum form form)
{
    return oracle->table_size > 0 ? *place(oracle, expr, when, form) : NULL;
}

static struct answer *answer_new(const struct expr *expr, struct when when, enum form form)
{
    struct answer *answer = heap_alloc(sizeof *answer);
    *answer = (struct answer){.expr = expr, .when = when, .form = form};
    return answer;
}

const struct oracle_vector *oracle_eval(struct oracle *oracle, const struct expr *expr,
                                        struct when when)
{
    struct answer *answer = answered(oracle, expr, when, AS_IS);
    if (!answer) {
        const struct expr *of = timed(expr);
        answer = answer_new(expr, when, AS_IS);
        answer->known = of && !clock_is_at(when, of)
                            ? evaluate_at(oracle, expr, of, when, &answer->vector)
                            : evaluate(oracle, expr, when, &answer->vector);
        for (size_t i = 0; i < answer->vector.count && answer->vector.blind; i++) {
            answer->vector.items[i].unknown = true;
        }
        remember(oracle, answer);
    }
    return answer->known ? &answer->vector : NULL;
}

static const struct oracle_vector *in_form(struct oracle *oracle, const struct expr *expr,
                                           struct when when, enum form form)
{
    struct answer *answer = answered(oracle, expr, when, form);
    if (!answer) {
        const struct oracle_vector *from = oracle_eval(oracle, expr, when);
        answer = answer_new(expr, when, form);
        answer->known = from != NULL;
        if (from && form == UNNAMED) {
            oracle_without_names(from, &answer->vector);
        } else if (from) {
            oracle_end(from, &answer->vector);
        }
        remember(oracle, answer);
    }
    return answer->known ? &answer->vector : NULL;
}

const struct oracle_vector *oracle_unnamed(struct oracle *oracle, const struct expr *expr,
                                           struct when when)
{
    return in_form(oracle, expr, when, UNNAMED);
}

const struct oracle_vector *oracle_at(struct oracle *oracle, const struct expr *expr, size_t tick)
{
    return in_form(oracle, expr, clock_tick(oracle, tick), ENDED);
}
