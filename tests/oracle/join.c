/* Operators of two operands: who is whose partner, and what their pair is. */
#include <string.h>

#include "tests/oracle/evaluate_part.h"

static bool is_set(enum operator op)
{
    return op == OPERATOR_AND || op == OPERATOR_OR || op == OPERATOR_UNLESS;
}

bool oracle_is_compare(enum operator op)
{
    return op == OPERATOR_EQ || op == OPERATOR_NE || op == OPERATOR_LT || op == OPERATOR_LE ||
           op == OPERATOR_GT || op == OPERATOR_GE;
}

/* What has to be equal on both sides. */
static struct oracle_item match_key(const struct matching *matching, const struct oracle_item *item)
{
    const bool on = matching->present && matching->on;
    return (struct oracle_item){
        .labels = oracle_project(&item->labels, matching->labels, on),
        .name = on && oracle_names_metric(matching->labels) ? item->name : NULL,
    };
}

static bool partners(const struct matching *matching, const struct oracle_item *a,
                     const struct oracle_item *b)
{
    const struct oracle_item x = match_key(matching, a), y = match_key(matching, b);
    return oracle_same_name(x.name, y.name) && oracle_labels_equal(&x.labels, &y.labels);
}

/* The value of an item of a pair, and whether it is there: both sides are. */
static struct oracle_item combine(const struct expr *expr, const struct oracle_item *a,
                                  const struct oracle_item *b, struct number kept)
{
    struct oracle_item item = {.present = a->present && b->present,
                               .unknown = a->unknown || b->unknown,
                               .doubtful = a->doubtful || b->doubtful,
                               .merged = a->merged || b->merged,
                               .number = kept};
    if (!oracle_is_compare(expr->binary.op)) {
        item.number = number_arithmetic(expr->binary.op, a->number, b->number);
        return item;
    }
    const struct truth truth = number_compare(expr->binary.op, a->number, b->number);
    item.unknown |= item.present && truth.unknown;
    item.doubtful |= item.present && truth.doubtful;
    if (expr->binary.matching.return_bool) {
        item.number = number_exact(truth.is_true ? 1 : 0);
    } else {
        item.present &= truth.is_true;
    }
    return item;
}

/* Arithmetic, and a comparison that says 0 or 1, give the name up. */
static bool gives_up_name(const struct expr *expr)
{
    return !oracle_is_compare(expr->binary.op) || expr->binary.matching.return_bool;
}

/* A scalar on a side: every item of the other side has it as its partner. */
static void with_scalar(const struct expr *expr, const struct oracle_vector *left,
                        const struct oracle_vector *right, struct oracle_vector *ret)
{
    const struct oracle_vector *many = left->scalar ? right : left;
    ret->scalar = left->scalar && right->scalar;
    for (size_t i = 0; i < many->count; i++) {
        const struct oracle_item *a = &left->items[left->scalar ? 0 : i];
        const struct oracle_item *b = &right->items[right->scalar ? 0 : i];
        struct oracle_item item = combine(expr, a, b, many->items[i].number);
        item.labels = many->items[i].labels;
        item.name = many->items[i].name;
        item.drop = many->items[i].drop || gives_up_name(expr);
        oracle_put(ret, &item);
    }
    oracle_settle(ret);
}

/* How many pairs are there among those that share the key (one to one), or the many side's item
 * (many to one): for certain, and at most. */
static size_t rivals(const struct matching *matching, const struct oracle_vector *many,
                     const struct oracle_vector *one, const struct oracle_item *of,
                     size_t *ret_most)
{
    size_t lefts = 0, rights = 0, most_lefts = 0, most_rights = 0;
    for (size_t i = 0; i < many->count; i++) {
        const struct oracle_item *item = &many->items[i];
        if (matching->group == GROUP_NONE ? partners(matching, item, of) : item == of) {
            lefts += item->present && !item->doubtful;
            most_lefts += item->present || item->doubtful;
        }
    }
    for (size_t j = 0; j < one->count; j++) {
        const struct oracle_item *item = &one->items[j];
        if (partners(matching, of, item)) {
            rights += item->present && !item->doubtful;
            most_rights += item->present || item->doubtful;
        }
    }
    *ret_most = most_lefts * most_rights;
    return lefts * rights;
}

static struct oracle_labels pair_labels(const struct matching *matching,
                                        const struct oracle_item *many,
                                        const struct oracle_item *one)
{
    if (matching->group == GROUP_NONE) {
        return match_key(matching, many).labels;
    }
    struct oracle_labels labels = oracle_project(&many->labels, matching->include, false);
    for (const struct name_list *n = matching->include; n; n = n->next) {
        oracle_labels_add(&labels, n->name.text, oracle_labels_get(&one->labels, n->name.text));
    }
    return labels;
}

/* Of arithmetic there is no name at all; where the labels are those of `on`, or not of `ignoring`,
 * so is the name. */
static const char *pair_name(const struct expr *expr, const struct oracle_item *many)
{
    const struct matching *matching = &expr->binary.matching;
    const bool on = matching->present && matching->on;
    if (!oracle_is_compare(expr->binary.op) ||
        (matching->group == GROUP_NONE && oracle_names_metric(matching->labels) != on)) {
        return NULL;
    }
    return many->name;
}

/* One pair. Many partners for one, as the data has them, are unknown, even where a filter would
 * leave one. */
static void put_pair(const struct expr *expr, const struct oracle_vector *many,
                     const struct oracle_vector *one, size_t i, size_t j, struct oracle_vector *ret)
{
    const struct matching *matching = &expr->binary.matching;
    const bool swapped = matching->group == GROUP_RIGHT;
    const struct oracle_item *a = swapped ? &one->items[j] : &many->items[i];
    const struct oracle_item *b = swapped ? &many->items[i] : &one->items[j];
    size_t most, least = rivals(matching, many, one, &many->items[i], &most);
    struct oracle_item item = combine(expr, a, b, a->number);
    item.labels = pair_labels(matching, &many->items[i], &one->items[j]);
    item.name = pair_name(expr, &many->items[i]);
    item.drop = many->items[i].drop || gives_up_name(expr);
    item.doubtful |= least < 2 && most > 1;
    /* Told apart by the metric's name only, from one that has too many partners. */
    item.doubtful |= least > 1 && item.name && !many->items[i].present;
    if (least > 1) {
        item.present = false;
        item.unknown = true;
    }
    oracle_put(ret, &item);
}

static void with_vector(const struct expr *expr, const struct oracle_vector *left,
                        const struct oracle_vector *right, struct oracle_vector *ret)
{
    const bool swapped = expr->binary.matching.group == GROUP_RIGHT;
    const struct oracle_vector *many = swapped ? right : left, *one = swapped ? left : right;
    for (size_t i = 0; i < many->count; i++) {
        for (size_t j = 0; j < one->count; j++) {
            if (partners(&expr->binary.matching, &many->items[i], &one->items[j])) {
                put_pair(expr, many, one, i, j, ret);
            }
        }
    }
    oracle_settle(ret);
}

/* Whether a vector has a partner for the item that is present, unknown, doubtful. */
static struct oracle_item partner(const struct matching *matching, const struct oracle_vector *in,
                                  const struct oracle_item *of)
{
    struct oracle_item any = {0};
    for (size_t i = 0; i < in->count; i++) {
        if (partners(matching, of, &in->items[i])) {
            any.present |= in->items[i].present;
            any.unknown |= in->items[i].unknown;
            any.doubtful |= in->items[i].doubtful;
        }
    }
    return any;
}

static void set_operator(const struct expr *expr, const struct oracle_vector *left,
                         const struct oracle_vector *right, struct oracle_vector *ret)
{
    const enum operator op = expr->binary.op;
    for (size_t i = 0; i < left->count; i++) {
        struct oracle_item item = left->items[i];
        if (op != OPERATOR_OR) {
            const struct oracle_item other = partner(&expr->binary.matching, right, &item);
            item.present &= other.present == (op == OPERATOR_AND);
            item.unknown |= other.unknown;
            item.doubtful |= other.doubtful;
        }
        oracle_put(ret, &item);
    }
    for (size_t i = 0; i < right->count && op == OPERATOR_OR; i++) {
        struct oracle_item item = right->items[i];
        const struct oracle_item other = partner(&expr->binary.matching, left, &item);
        item.present &= !other.present;
        item.unknown |= other.unknown;
        item.doubtful |= other.doubtful;
        oracle_put(ret, &item);
    }
    oracle_settle(ret);
}

void oracle_join(const struct expr *expr, const struct oracle_vector *left,
                 const struct oracle_vector *right, struct oracle_vector *ret)
{
    if (is_set(expr->binary.op)) {
        set_operator(expr, left, right, ret);
    } else if (left->scalar || right->scalar) {
        with_scalar(expr, left, right, ret);
    } else {
        with_vector(expr, left, right, ret);
    }
}
