#include <float.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"

/* ---- what was asked already ---- */

struct answer {
    const struct expr *expr;
    size_t tick;
    bool unnamed, known;
    struct oracle_vector vector;
};
struct compiled {
    const struct matcher *matcher;
    regex_t regex;
};
struct oracle {
    const struct history *history;
    struct duration every;
    struct answer **answers;
    size_t count, capacity;
    struct answer **table; /* by expression and tick, open addressing */
    size_t table_size;
    struct compiled *regexes; /* of POSIX: tests keep to what RE2 has too */
    size_t regex_count, regex_capacity;
};

struct oracle *oracle_new(const struct history *history, struct duration every)
{
    struct oracle *oracle = heap_alloc(sizeof *oracle);
    *oracle = (struct oracle){.history = history, .every = every};
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

int64_t oracle_now_ms(const struct oracle *oracle, size_t tick)
{
    return history_ms(oracle->history->ticks[tick]);
}

static struct answer **place(const struct oracle *oracle, const struct expr *expr, size_t tick,
                             bool unnamed)
{
    size_t at = ((uintptr_t)expr / 16 * 31 + tick * 2 + unnamed) * 0x9e3779b97f4a7c15ULL;
    for (at = (at >> 20) % oracle->table_size;; at = (at + 1) % oracle->table_size) {
        struct answer *found = oracle->table[at];
        if (!found || (found->expr == expr && found->tick == tick && found->unnamed == unnamed)) {
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
            *place(oracle, known->expr, known->tick, known->unnamed) = known;
        }
    }
    *place(oracle, answer->expr, answer->tick, answer->unnamed) = answer;
}

/* ---- vectors ---- */

bool oracle_same_name(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

void oracle_put(struct oracle_vector *vector, const struct oracle_item *item)
{
    ARRAY_RESERVE(vector->items, vector->count, vector->capacity);
    vector->items[vector->count] = *item;
    vector->count++;
}

const struct oracle_item *oracle_find(const struct oracle_vector *vector,
                                      const struct oracle_item *like)
{
    for (size_t i = 0; i < vector->count; i++) {
        if (oracle_same_name(vector->items[i].name, like->name) &&
            oracle_labels_equal(&vector->items[i].labels, &like->labels)) {
            return &vector->items[i];
        }
    }
    return NULL;
}

static void merge(struct oracle_item *into, const struct oracle_item *other)
{
    const bool both = into->present && other->present;
    into->number = into->present ? into->number : other->number;
    into->doubtful |= other->doubtful;
    into->unknown |= other->unknown;
    into->present |= other->present;
    if (both) { /* a third that is present changes nothing: see oracle_settle() */
        into->unknown = true;
    }
    into->merged = true;
}

void oracle_settle(struct oracle_vector *vector)
{
    size_t kept = 0;
    size_t *present = heap_alloc((vector->count + 1) * sizeof *present);
    for (size_t i = 0; i < vector->count; i++) {
        const struct oracle_item item = vector->items[i];
        const struct oracle_vector before = {.items = vector->items, .count = kept};
        struct oracle_item *found = (struct oracle_item *)(uintptr_t)oracle_find(&before, &item);
        if (found) {
            merge(found, &item);
        } else {
            vector->items[kept] = item;
            found = &vector->items[kept++];
        }
        present[found - vector->items] += item.present;
    }
    for (size_t i = 0; i < kept; i++) {
        vector->items[i].present &= present[i] < 2;
    }
    free(present);
    vector->count = kept;
}

static void put_scalar(struct oracle_vector *ret, struct number number)
{
    ret->scalar = true;
    oracle_put(ret, &(struct oracle_item){.number = number, .present = true});
}

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

/* ---- small things of trees ---- */

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

static bool is_call(const struct expr *expr, const char *name)
{
    return expr->kind == EXPR_CALL && strcmp(expr->call.name.text, name) == 0;
}

/* ---- selectors ---- */

/* The whole value. */
static bool regex_holds(struct oracle *oracle, const struct matcher *matcher, const char *value)
{
    size_t at = 0;
    while (at < oracle->regex_count && oracle->regexes[at].matcher != matcher) {
        at++;
    }
    if (at == oracle->regex_count) {
        char whole[200];
        ARRAY_RESERVE(oracle->regexes, oracle->regex_count, oracle->regex_capacity);
        struct compiled *made = &oracle->regexes[oracle->regex_count++];
        made->matcher = matcher;
        CHECK(snprintf(whole, sizeof whole, "^(%s)$", matcher->value) < (int)sizeof whole);
        CHECK(regcomp(&made->regex, whole, REG_EXTENDED | REG_NOSUB) == 0);
    }
    return regexec(&oracle->regexes[at].regex, value, 0, NULL, 0) == 0;
}

static bool matcher_holds(struct oracle *oracle, const struct matcher *matcher,
                          const struct history_series *series)
{
    const char *value = strcmp(matcher->label.text, "__name__") == 0
                            ? series->name
                            : oracle_labels_get(&series->labels, matcher->label.text);
    switch (matcher->op) {
    case MATCH_EQ: return strcmp(value, matcher->value) == 0;
    case MATCH_NE: return strcmp(value, matcher->value) != 0;
    case MATCH_RE: return regex_holds(oracle, matcher, value);
    case MATCH_NRE: return !regex_holds(oracle, matcher, value);
    }
    return false;
}

bool oracle_matches(struct oracle *oracle, const struct expr *selector,
                    const struct history_series *series)
{
    const char *name = selector->selector.name.text;
    bool matches = !name || strcmp(name, series->name) == 0;
    for (const struct matcher *m = selector->selector.matchers; m && matches; m = m->next) {
        matches = matcher_holds(oracle, m, series);
    }
    return matches;
}

void oracle_select(struct oracle *oracle, const struct expr *selector, size_t tick,
                   struct oracle_vector *ret)
{
    const struct history *h = oracle->history;
    const int64_t offset_ms = selector->has_offset ? selector->offset.ns / NS_PER_MS : 0;
    const int64_t at_ms = oracle_now_ms(oracle, tick) - offset_ms;
    for (size_t i = 0; i < h->series_count; i++) {
        const struct history_series *series = &h->series[i];
        if (series->born > tick || !oracle_matches(oracle, selector, series)) {
            continue;
        }
        const struct history_sample *newest = history_newest(h, i, tick, at_ms);
        struct oracle_item item = {.name = series->name, .labels = series->labels};
        item.present = newest && !newest->end && newest->time_ms > at_ms - h->lookback_ms;
        item.unknown = history_unseen(h, i, tick, h->lookback_ms + offset_ms);
        item.number = number_exact(newest ? newest->value : 0);
        oracle_put(ret, &item);
    }
    ret->blind = ret->count == 0 && history_cold(h, tick);
}

/* ---- one operand ---- */

void oracle_without_names(const struct oracle_vector *from, struct oracle_vector *ret)
{
    ret->scalar = from->scalar;
    for (size_t i = 0; i < from->count; i++) {
        struct oracle_item item = from->items[i];
        item.name = NULL;
        oracle_put(ret, &item);
    }
    oracle_settle(ret);
}

static void negated(const struct oracle_vector *from, struct oracle_vector *ret)
{
    oracle_without_names(from, ret);
    for (size_t i = 0; i < ret->count; i++) {
        ret->items[i].number = number_negate(ret->items[i].number);
    }
}

/* The labels an absent series would have: those that one matcher alone says, with `=`. */
static void absent(const struct expr *of, const struct oracle_vector *from,
                   struct oracle_vector *ret)
{
    struct oracle_item item = {.present = true, .number = number_exact(1)};
    const bool series = of->kind == EXPR_SELECTOR && !of->selector.signal;
    for (const struct matcher *m = series ? of->selector.matchers : NULL; m; m = m->next) {
        bool alone = m->op == MATCH_EQ && strcmp(m->label.text, "__name__") != 0;
        for (const struct matcher *n = of->selector.matchers; n; n = n->next) {
            alone &= n == m || strcmp(n->label.text, m->label.text) != 0;
        }
        if (alone) {
            oracle_labels_add(&item.labels, m->label.text, m->value);
        }
    }
    for (size_t i = 0; i < from->count; i++) {
        item.present &= !from->items[i].present;
        item.unknown |= from->items[i].unknown;
        item.doubtful |= from->items[i].doubtful;
    }
    oracle_put(ret, &item);
}

/* ---- aggregations ---- */

struct members {
    const struct oracle_item **items;
    size_t count; /* present ones only */
};

static bool whole(const struct members *m)
{
    long double size = 0;
    bool whole = true;
    for (size_t i = 0; i < m->count; i++) {
        const struct number n = m->items[i]->number;
        size += fabsl((long double)n.value);
        whole &= number_is_exact(n) && trunc(n.value) == n.value;
    }
    return whole && size < 0x1p53L;
}

/* A sum of no more digits than a double has is exact; else it is near the sum. */
static struct number sum(const struct members *m, bool mean)
{
    long double total = 0, size = 0, slack = 0, count = mean ? (long double)m->count : 1;
    bool finite = true;
    for (size_t i = 0; i < m->count; i++) {
        const struct number n = m->items[i]->number;
        total += n.value;
        slack += n.slack;
        size += isfinite(n.value) ? fabsl((long double)n.value) : 0;
        finite &= isfinite(n.value) != 0;
    }
    if (size > DBL_MAX / 4 || !isfinite((double)slack)) {
        return number_any(); /* it may overflow on its way */
    }
    if (!finite || whole(m) || (m->count == 1 && number_is_exact(m->items[0]->number))) {
        return number_exact((double)total / (double)count + 0.0);
    }
    return number_near(total / count, slack / count + 1e-15L * size / count);
}

static struct number best(const struct members *m, bool highest)
{
    struct number found = m->items[0]->number;
    long double slack = 0;
    bool zeros[2] = {false, false};
    for (size_t i = 0; i < m->count; i++) {
        const struct number n = m->items[i]->number;
        bool better =
            isnan(found.value) || (highest ? n.value > found.value : n.value < found.value);
        found = better ? n : found;
        slack = n.slack > slack ? n.slack : slack;
        zeros[signbit(n.value) != 0] |= n.value == 0;
    }
    /* Of zeros of both signs either is the best. */
    slack = found.value == 0 && zeros[0] && zeros[1] && slack == 0 ? DBL_TRUE_MIN : slack;
    return (struct number){found.value, slack};
}

static struct number aggregate_value(enum aggregate op, const struct members *m)
{
    switch ((int)op) {
    case AGGREGATE_SUM: return sum(m, false);
    case AGGREGATE_AVG: return sum(m, true);
    case AGGREGATE_MIN: return best(m, false);
    case AGGREGATE_MAX: return best(m, true);
    default: CHECK(op == AGGREGATE_COUNT); return number_exact((double)m->count);
    }
}

static struct oracle_item group_of(const struct expr *expr, const struct oracle_item *item)
{
    const bool without = expr->aggregate.grouped && expr->aggregate.without;
    const struct name_list *names = expr->aggregate.labels;
    return (struct oracle_item){
        .labels = oracle_project(&item->labels, names, !without),
        .name = !without && oracle_names_metric(names) ? item->name : NULL,
    };
}

static void aggregate(const struct expr *expr, const struct oracle_vector *from,
                      struct oracle_vector *ret)
{
    struct members members = {.items = heap_alloc((from->count + 1) * sizeof(void *))};
    for (size_t i = 0; i < from->count; i++) {
        const struct oracle_item group = group_of(expr, &from->items[i]);
        if (!oracle_find(ret, &group)) {
            oracle_put(ret, &group);
        }
    }
    for (size_t g = 0; g < ret->count; g++) {
        struct oracle_item *group = &ret->items[g];
        members.count = 0;
        for (size_t i = 0; i < from->count; i++) {
            const struct oracle_item *item = &from->items[i], key = group_of(expr, item);
            if (!oracle_same_name(key.name, group->name) ||
                !oracle_labels_equal(&key.labels, &group->labels)) {
                continue;
            }
            group->unknown |= item->unknown;
            group->doubtful |= item->doubtful;
            if (item->present) {
                members.items[members.count++] = item;
            }
        }
        group->present = members.count > 0;
        group->number =
            group->present ? aggregate_value(expr->aggregate.op, &members) : number_exact(0);
    }
    free(members.items);
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

static bool binary(struct oracle *oracle, const struct expr *expr, size_t tick,
                   struct oracle_vector *ret)
{
    const struct expr *a = oracle_inner(expr->binary.left), *b = oracle_inner(expr->binary.right);
    const bool return_bool = expr->binary.matching.return_bool;
    double k;
    if (oracle_is_compare(expr->binary.op) && is_call(a, "zscore") && oracle_constant(b, &k)) {
        return oracle_score_compare(oracle, a, expr->binary.op, k, return_bool, tick, ret);
    }
    if (oracle_is_compare(expr->binary.op) && is_call(b, "zscore") && oracle_constant(a, &k)) {
        return oracle_score_compare(oracle, b, turned_round(expr->binary.op), k, return_bool, tick,
                                    ret);
    }
    const struct oracle_vector *left = oracle_at(oracle, a, tick);
    const struct oracle_vector *right = oracle_at(oracle, b, tick);
    if (!left || !right) {
        return false;
    }
    ret->blind = left->blind || right->blind;
    oracle_join(expr, left, right, ret);
    return true;
}

/* ---- any expression ---- */

static bool call(struct oracle *oracle, const struct expr *expr, size_t tick,
                 struct oracle_vector *ret)
{
    if (is_call(expr, "time")) {
        put_scalar(ret, number_exact((double)oracle_now_ms(oracle, tick) / 1000));
        return true;
    }
    if (is_call(expr, "ewma")) {
        return oracle_average(oracle, expr, tick, ret);
    }
    if (is_call(expr, "zscore")) {
        return oracle_score(oracle, expr, tick, ret);
    }
    if (is_call(expr, "forecast")) {
        return oracle_forecast(oracle, expr, tick, ret);
    }
    if (is_call(expr, "absent")) {
        const struct expr *of = oracle_argument(expr, 0);
        const struct oracle_vector *from = oracle_at(oracle, of, tick);
        if (from) {
            absent(of, from, ret);
            ret->blind = from->blind;
        }
        return from != NULL;
    }
    return oracle_over(oracle, expr, tick, ret);
}

static bool selector(struct oracle *oracle, const struct expr *expr, size_t tick,
                     struct oracle_vector *ret)
{
    if (!expr->selector.signal) {
        oracle_select(oracle, expr, tick, ret);
        return true;
    }
    if (expr->has_offset && expr->offset.ns != 0) {
        return oracle_signal_past(oracle, expr, tick, ret);
    }
    const struct oracle_vector *from = oracle_at(oracle, expr->selector.signal->expr, tick);
    if (from) {
        oracle_without_names(from, ret);
        ret->blind = from->blind;
    }
    return from != NULL;
}

static bool of_inner(struct oracle *oracle, const struct expr *expr, size_t tick,
                     struct oracle_vector *ret)
{
    const struct expr *inner = expr->kind == EXPR_UNARY        ? expr->unary.inner
                               : expr->kind == EXPR_AGGREGATE  ? expr->aggregate.inner
                               : expr->kind == EXPR_PERCENT_OF ? expr->percent_of.inner
                                                               : expr->inner;
    const struct oracle_vector *from = oracle_at(oracle, inner, tick);
    if (!from) {
        return false;
    }
    ret->blind = from->blind;
    if (expr->kind == EXPR_AGGREGATE) {
        aggregate(expr, from, ret);
    } else if (expr->kind == EXPR_PERCENT_OF) {
        struct oracle_vector ratio = {0};
        const struct expr times = {.kind = EXPR_BINARY, .binary.op = OPERATOR_MUL};
        put_scalar(&ratio, number_exact(expr->percent_of.ratio));
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

static bool evaluate(struct oracle *oracle, const struct expr *expr, size_t tick,
                     struct oracle_vector *ret)
{
    switch (expr->kind) {
    case EXPR_NUMBER: put_scalar(ret, number_exact(expr->number.value)); return true;
    case EXPR_SELECTOR: return selector(oracle, expr, tick, ret);
    case EXPR_CALL: return call(oracle, expr, tick, ret);
    case EXPR_BINARY: return binary(oracle, expr, tick, ret);
    case EXPR_AGGREGATE:
    case EXPR_UNARY:
    case EXPR_PAREN:
    case EXPR_PERCENT_OF: return of_inner(oracle, expr, tick, ret);
    case EXPR_REACHES: return oracle_reaches(oracle, expr, tick, ret);
    case EXPR_STRING:
    case EXPR_RANGE:
    case EXPR_SUBQUERY:
    case EXPR_LIST: return false;
    }
    return false;
}

static struct answer *answered(const struct oracle *oracle, const struct expr *expr, size_t tick,
                               bool unnamed)
{
    return oracle->table_size > 0 ? *place(oracle, expr, tick, unnamed) : NULL;
}

const struct oracle_vector *oracle_at(struct oracle *oracle, const struct expr *expr, size_t tick)
{
    struct answer *answer = answered(oracle, expr, tick, false);
    if (!answer) {
        answer = heap_alloc(sizeof *answer);
        *answer = (struct answer){.expr = expr, .tick = tick};
        answer->known = evaluate(oracle, expr, tick, &answer->vector);
        for (size_t i = 0; i < answer->vector.count && answer->vector.blind; i++) {
            answer->vector.items[i].unknown = true;
        }
        remember(oracle, answer);
    }
    return answer->known ? &answer->vector : NULL;
}

const struct oracle_vector *oracle_unnamed_at(struct oracle *oracle, const struct expr *expr,
                                              size_t tick)
{
    struct answer *answer = answered(oracle, expr, tick, true);
    if (!answer) {
        const struct oracle_vector *from = oracle_at(oracle, expr, tick);
        answer = heap_alloc(sizeof *answer);
        *answer = (struct answer){.expr = expr, .tick = tick, .unnamed = true, .known = from};
        if (from) {
            oracle_without_names(from, &answer->vector);
            answer->vector.blind = from->blind;
        }
        remember(oracle, answer);
    }
    return answer->known ? &answer->vector : NULL;
}
