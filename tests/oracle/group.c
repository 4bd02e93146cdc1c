/* Aggregations: the members of a group, and what they come to. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"

#define SPREAD_LARGE 1e140L /* squares of more overflow, or not */
#define SPREAD_SMALL 1e-150L

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

/* Variance around the mean; what rounding of the members' own size leaves of it is no error. */
static struct number spread(const struct members *m, bool root)
{
    const long double n = (long double)m->count;
    long double mean = 0, squares = 0, size = 0, slack = 0;
    bool finite = true;
    for (size_t i = 0; i < m->count; i++) {
        const struct number x = m->items[i]->number;
        mean += x.value / n;
        slack = fmaxl(slack, x.slack);
        finite &= isfinite(x.value) != 0;
        size = isfinite(x.value) ? fmaxl(size, fabsl((long double)x.value)) : size;
    }
    if (!finite) {
        return slack < INFINITY ? number_exact(NAN) : number_any();
    }
    for (size_t i = 0; i < m->count; i++) {
        squares += (m->items[i]->number.value - mean) * (m->items[i]->number.value - mean) / n;
    }
    if (size > SPREAD_LARGE || !isfinite((double)slack) || slack > SPREAD_LARGE) {
        return number_any();
    }
    const long double deviation = sqrtl(squares);
    const long double wide = slack + 4e-16L * n * size; /* of each difference from the mean */
    const long double near = (2 * deviation + wide) * wide + SPREAD_SMALL + 1e-14L * squares;
    if (!root) {
        return number_near(squares, near);
    }
    const long double low = squares > near ? sqrtl(squares - near) : 0;
    return number_near(deviation, fmaxl(deviation - low, sqrtl(squares + near) - deviation));
}

/* NaN stands below all numbers. */
static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) {
        return (isnan(y) != 0) - (isnan(x) != 0);
    }
    return x < y ? -1 : x > y;
}

/* Between the two members that are nearest to the share. */
static struct number quantile(const struct members *m, struct number share)
{
    double *sorted = heap_alloc(m->count * sizeof *sorted);
    long double slack = 0, size = 0;
    for (size_t i = 0; i < m->count; i++) {
        sorted[i] = m->items[i]->number.value;
        slack = fmaxl(slack, m->items[i]->number.slack);
    }
    qsort(sorted, m->count, sizeof *sorted, by_value);
    const double q = share.value, rank = q * (double)(m->count - 1);
    struct number ret = number_exact(isnan(q) ? NAN : q < 0 ? -INFINITY : INFINITY);
    if (q >= 0 && q <= 1) {
        const size_t below = (size_t)floor(rank), above = below + (below + 1 < m->count);
        const double weight = rank - floor(rank);
        const double value = sorted[below] * (1 - weight) + sorted[above] * weight;
        size = fmaxl(fabsl((long double)sorted[below]), fabsl((long double)sorted[above]));
        ret = !isfinite(value) ? (slack > 0 ? number_any() : number_exact(value))
                               : number_near(value, slack + 1e-15L * size);
    }
    free(sorted);
    return number_is_exact(share) ? ret : number_any();
}

static struct number aggregate_value(enum aggregate op, const struct members *m,
                                     struct number parameter)
{
    switch ((int)op) {
    case AGGREGATE_SUM: return sum(m, false);
    case AGGREGATE_AVG: return sum(m, true);
    case AGGREGATE_MIN: return best(m, false);
    case AGGREGATE_MAX: return best(m, true);
    case AGGREGATE_GROUP: return number_exact(1);
    case AGGREGATE_STDDEV: return spread(m, true);
    case AGGREGATE_STDVAR: return spread(m, false);
    case AGGREGATE_QUANTILE: return quantile(m, parameter);
    default: CHECK(op == AGGREGATE_COUNT); return number_exact((double)m->count);
    }
}

/* ---- groups ---- */

static struct oracle_item group_of(const struct expr *expr, const struct oracle_item *item)
{
    const bool without = expr->aggregate.grouped && expr->aggregate.without;
    const struct name_list *names = expr->aggregate.labels;
    const bool named = !without && oracle_names_metric(names);
    return (struct oracle_item){.labels = oracle_project(&item->labels, names, !without),
                                .name = named ? item->name : NULL,
                                .drop = named && item->drop};
}

static bool same_group(const struct oracle_item *a, const struct oracle_item *b)
{
    return oracle_same_name(a->name, b->name) && oracle_labels_equal(&a->labels, &b->labels);
}

/* The groups there are. What becomes of a name that some members have given up and others not is
 * not written: then both are there, in doubt. */
static void put_groups(const struct expr *expr, const struct oracle_vector *from,
                       struct oracle_vector *ret)
{
    for (size_t i = 0; i < from->count; i++) {
        struct oracle_item group = group_of(expr, &from->items[i]);
        bool known = false;
        for (size_t g = 0; g < ret->count; g++) {
            const bool same = same_group(&ret->items[g], &group);
            known |= same && ret->items[g].drop == group.drop;
            group.doubtful |= same && ret->items[g].drop != group.drop;
            ret->items[g].doubtful |= same && ret->items[g].drop != group.drop;
        }
        if (!known) {
            oracle_put(ret, &group);
        }
    }
}

static void read_members(const struct expr *expr, const struct oracle_vector *from,
                         struct oracle_item *group, struct members *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct oracle_item *item = &from->items[i], key = group_of(expr, item);
        if (same_group(&key, group)) {
            group->unknown |= item->unknown;
            group->doubtful |= item->doubtful;
            if (item->present) {
                ret->items[ret->count++] = item;
            }
        }
    }
}

static void aggregate(const struct expr *expr, const struct oracle_vector *from,
                      const struct oracle_item *parameter, struct oracle_vector *ret)
{
    struct members members = {.items = heap_alloc((from->count + 1) * sizeof(void *))};
    put_groups(expr, from, ret);
    for (size_t g = 0; g < ret->count; g++) {
        struct oracle_item *group = &ret->items[g];
        read_members(expr, from, group, &members);
        group->present = members.count > 0;
        group->unknown |= parameter->unknown;
        group->doubtful |= parameter->doubtful;
        group->number = group->present
                            ? aggregate_value(expr->aggregate.op, &members, parameter->number)
                            : number_exact(0);
    }
    free(members.items);
}

/* ---- topk, bottomk ---- */

/* How many members are chosen before this one: for certain, and at most. Of equals SPEC.md does not
 * say which. */
static size_t chosen_before(const struct expr *expr, const struct oracle_vector *from,
                            const struct oracle_item *item, size_t *ret_most)
{
    const struct oracle_item group = group_of(expr, item);
    const bool highest = expr->aggregate.op == AGGREGATE_TOPK;
    const struct number x = item->number;
    size_t least = 0;
    *ret_most = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct oracle_item *other = &from->items[i], key = group_of(expr, other);
        if (other == item || !other->present || !same_group(&key, &group)) {
            continue;
        }
        const struct number y = other->number;
        const long double slack = x.slack + y.slack;
        const bool tie = slack > 0 && !(fabsl((long double)x.value - y.value) > slack);
        const bool before = isnan(y.value)   ? false
                            : isnan(x.value) ? true
                            : highest        ? y.value > x.value
                                             : y.value < x.value;
        least += before && !tie;
        *ret_most += before || tie || x.value == y.value || (isnan(x.value) && isnan(y.value));
    }
    return least;
}

static void pick(const struct expr *expr, const struct oracle_vector *from,
                 const struct oracle_item *parameter, struct oracle_vector *ret)
{
    const double k = parameter->number.value;
    const size_t wanted = !(k >= 1) ? 0 : k < 1e9 ? (size_t)k : SIZE_MAX;
    struct members members = {.items = heap_alloc((from->count + 1) * sizeof(void *))};
    for (size_t i = 0; i < from->count; i++) {
        struct oracle_item item = from->items[i], group = group_of(expr, &item);
        size_t most, least = chosen_before(expr, from, &from->items[i], &most);
        read_members(expr, from, &group, &members);
        item.unknown = group.unknown || parameter->unknown || isnan(k);
        item.doubtful = group.doubtful || parameter->doubtful ||
                        !number_is_exact(parameter->number) ||
                        (item.present && least < wanted && most >= wanted);
        item.present &= most < wanted;
        oracle_put(ret, &item);
    }
    free(members.items);
}

/* ---- count_values ---- */

/* The shortest decimal that reads as the value, without an exponent: digits, then zeros up to the
 * point, or zeros behind it, then digits. */
static const char *value_text(struct oracle *oracle, double value)
{
    char text[40], digits[40], ret[800] = "";
    int count = 0;
    if (!isfinite(value)) {
        return isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    }
    do {
        snprintf(text, sizeof text, "%.*e", count, value);
    } while (strtod(text, NULL) != value && ++count < 17);
    count = 0;
    for (const char *at = text; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            digits[count++] = *at;
        }
    }
    const int point = (int)strtol(strchr(text, 'e') + 1, NULL, 10) + 1; /* before digit `point` */
    size_t used = 0;
    if (signbit(value)) {
        ret[used++] = '-';
    }
    if (point <= 0) {
        ret[used++] = '0';
    }
    for (int i = point < 0 ? point : 0; i < count || i < point; i++) {
        if (i == point || (i == 0 && point == 0) || (point < 0 && i == point)) {
            ret[used++] = '.';
        }
        ret[used++] = i < 0 || i >= count ? '0' : digits[i];
    }
    ret[used] = '\0';
    return oracle_text(oracle, ret);
}

/* A label set for each value of a group; where some member is unknown, so are they all, and that
 * there are no others. */
static void count_values(struct oracle *oracle, const struct expr *expr,
                         const struct oracle_vector *from, struct oracle_vector *ret)
{
    const char *label = oracle_inner(expr->aggregate.parameter)->string.value;
    const struct name_list only = {.name.text = label};
    struct oracle_vector groups = {0};
    put_groups(expr, from, &groups);
    for (size_t i = 0; i < from->count; i++) {
        const struct oracle_item *item = &from->items[i];
        ret->wild |= item->doubtful || (item->present && !number_is_exact(item->number));
    }
    struct members members = {.items = heap_alloc((from->count + 1) * sizeof(void *))};
    for (size_t g = 0; g < groups.count; g++) {
        struct oracle_item group = groups.items[g];
        read_members(expr, from, &group, &members);
        ret->wild |= group.doubtful;
        group.labels = oracle_project(&group.labels, &only, false);
        if (group.unknown) { /* what else there is */
            oracle_put(ret, &group);
        }
        for (size_t i = 0; i < members.count; i++) {
            struct oracle_item value = group;
            double count = 0;
            const char *text = value_text(oracle, members.items[i]->number.value);
            for (size_t j = 0; j < members.count; j++) {
                const char *other = value_text(oracle, members.items[j]->number.value);
                count += strcmp(text, other) == 0;
                value.present |= j == i && count == 1; /* the first of them */
            }
            value.number = number_exact(count);
            oracle_labels_add(&value.labels, label, text);
            if (value.present) {
                oracle_put(ret, &value);
            }
        }
    }
    free(members.items);
    free(groups.items);
    oracle_settle(ret);
}

/* ---- all of them ---- */

bool oracle_aggregate(struct oracle *oracle, const struct expr *expr, struct when when,
                      struct oracle_vector *ret)
{
    const struct oracle_vector *from = oracle_eval(oracle, expr->aggregate.inner, when);
    const enum aggregate op = expr->aggregate.op;
    const struct oracle_item none = {0}, *parameter = &none;
    if (!from) {
        return false;
    }
    oracle_inherit(ret, from);
    if (op == AGGREGATE_COUNT_VALUES) {
        count_values(oracle, expr, from, ret);
        return true;
    }
    if (expr->aggregate.parameter) {
        parameter = oracle_scalar(oracle, expr->aggregate.parameter, when, ret);
    }
    if (!parameter) {
        return false;
    }
    if (op == AGGREGATE_TOPK || op == AGGREGATE_BOTTOMK) {
        pick(expr, from, parameter, ret);
    } else {
        aggregate(expr, from, parameter, ret);
    }
    return true;
}
