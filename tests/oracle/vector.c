/* Vectors of the oracle: label sets, what several of the same become, and the names of metrics. */
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"

bool oracle_same_name(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

void oracle_put(struct oracle_vector *vector, const struct oracle_item *item)
{
    ARRAY_RESERVE(vector->items, vector->count, vector->capacity);
    vector->items[vector->count] = *item;
    vector->items[vector->count].drop &= item->name != NULL;
    vector->count++;
}

void oracle_put_scalar(struct oracle_vector *ret, struct number number)
{
    ret->scalar = true;
    oracle_put(ret, &(struct oracle_item){.number = number, .present = true});
}

void oracle_inherit(struct oracle_vector *ret, const struct oracle_vector *from)
{
    ret->blind |= from->blind;
    ret->wild |= from->wild;
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

/* ---- several of the same ---- */

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

/* Whether the name is given up makes two of one label set, which count as one all the same. */
static struct oracle_item *same_item(const struct oracle_vector *in, const struct oracle_item *like)
{
    for (size_t i = 0; i < in->count; i++) {
        if (in->items[i].drop == like->drop && oracle_same_name(in->items[i].name, like->name) &&
            oracle_labels_equal(&in->items[i].labels, &like->labels)) {
            return &in->items[i];
        }
    }
    return NULL;
}

/* Items that differ in what becomes of their name alone: of several present none is. */
static void settle_names(struct oracle_vector *vector, const size_t *present)
{
    for (size_t i = 0; i < vector->count; i++) {
        struct oracle_item *item = &vector->items[i];
        size_t together = present[i];
        for (size_t j = 0; j < vector->count; j++) {
            const struct oracle_item *other = &vector->items[j];
            if (other->drop != item->drop && oracle_same_name(other->name, item->name) &&
                oracle_labels_equal(&other->labels, &item->labels)) {
                together += present[j];
                item->doubtful |= other->doubtful;
            }
        }
        item->unknown |= together > 1;
        item->present &= together < 2;
    }
}

void oracle_settle(struct oracle_vector *vector)
{
    size_t kept = 0;
    size_t *present = heap_alloc((vector->count + 1) * sizeof *present);
    for (size_t i = 0; i < vector->count; i++) {
        const struct oracle_item item = vector->items[i];
        const struct oracle_vector before = {.items = vector->items, .count = kept};
        struct oracle_item *found = same_item(&before, &item);
        if (found) {
            merge(found, &item);
        } else {
            vector->items[kept] = item;
            found = &vector->items[kept++];
        }
        present[found - vector->items] += item.present;
    }
    vector->count = kept;
    settle_names(vector, present);
    free(present);
}

/* ---- names ---- */

static void without_names(const struct oracle_vector *from, bool all, struct oracle_vector *ret)
{
    ret->scalar = from->scalar;
    oracle_inherit(ret, from);
    for (size_t i = 0; i < from->count; i++) {
        struct oracle_item item = from->items[i];
        item.name = all || item.drop ? NULL : item.name;
        oracle_put(ret, &item);
    }
    oracle_settle(ret);
}

void oracle_without_names(const struct oracle_vector *from, struct oracle_vector *ret)
{
    without_names(from, true, ret);
}

void oracle_end(const struct oracle_vector *from, struct oracle_vector *ret)
{
    without_names(from, false, ret);
}

void oracle_give_up_names(struct oracle_vector *vector)
{
    for (size_t i = 0; i < vector->count; i++) {
        vector->items[i].drop = vector->items[i].name != NULL;
    }
    oracle_settle(vector);
}
