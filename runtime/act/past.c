/* Starts of the past, in order. */
#include "runtime/act/past.h"

#include <stdlib.h>
#include <string.h>

void past_release(struct past *past)
{
    free(past->items);
    *past = (struct past){.keep = past->keep};
}

/* By time, then id. */
static int compare(const void *a, const void *b)
{
    const struct past_start *x = a, *y = b;
    if (x->at.ns != y->at.ns) {
        return x->at.ns < y->at.ns ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

void past_append(struct past *past, const struct past_start *start, struct duration now)
{
    if (now.ns - start->at.ns >= past->keep.ns) {
        return;
    }
    ARRAY_RESERVE(past->items, past->count, past->capacity);
    past->items[past->count++] = *start;
}

void past_sort(struct past *past)
{
    if (past->count > 1) {
        qsort(past->items, past->count, sizeof *past->items, compare);
    }
}

void past_add(struct past *past, const struct past_start *start, struct duration now)
{
    size_t old = 0;
    while (old < past->count && now.ns - past->items[old].at.ns >= past->keep.ns) {
        old++;
    }
    if (old > 0) {
        past->count -= old;
        memmove(past->items, past->items + old, past->count * sizeof *past->items);
    }
    const size_t before = past->count;
    past_append(past, start, now);
    for (size_t i = before; i < past->count && i > 0 && compare(&past->items[i - 1], start) > 0;
         i--) {
        past->items[i] = past->items[i - 1];
        past->items[i - 1] = *start;
    }
}

size_t past_count(const struct past *past, struct duration now, struct duration window,
                  past_match_f *match, const void *context)
{
    size_t count = 0;
    for (size_t i = past->count; i-- > 0 && now.ns - past->items[i].at.ns < window.ns;) {
        count += match(&past->items[i], context);
    }
    return count;
}

bool past_stands(const struct past *past, const struct past_start *start)
{
    for (size_t i = past->count; i-- > 0 && start->undoes == 0;) {
        if (past->items[i].undoes == start->id) {
            return false;
        }
    }
    return start->undoes == 0;
}
