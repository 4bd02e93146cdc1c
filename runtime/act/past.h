/* What an actor started, oldest first: what caps and the host's guards count. It is made anew from
 * the latches, so that it is kept over restarts and boots.
 *
 *     struct past past = {.keep = {31 * 86400 * NS_PER_S}};
 *     past_add(&past, &start, now);
 *     n = past_count(&past, now, window, is_pod, context);
 *     past_release(&past);
 *
 * Windows slide and are open on the left: a start at t counts in (now - window, now]. */
#ifndef HEAL_RUNTIME_ACT_PAST_H
#define HEAL_RUNTIME_ACT_PAST_H

#include "runtime/act/message.h"

struct past_start {
    uint64_t id;
    char action[NAME_BYTES], target[TARGET_BYTES];
    struct duration at; /* since this boot; below 0: before it */
    uint64_t undoes;    /* the start that it takes back: then no rate counts it; 0: none */
};

struct past {
    struct past_start *items;
    size_t count, capacity;
    struct duration keep; /* what is as old as this is forgotten */
};

void past_release(struct past *past); /* also makes it empty; keep stays */

/* Puts it in its place by time and id, unless it is to be forgotten already. */
void past_add(struct past *past, const struct past_start *start, struct duration now);
/* The same without a place, for many at once; past_sort comes after the last. */
void past_append(struct past *past, const struct past_start *start, struct duration now);
void past_sort(struct past *past);

typedef bool past_match_f(const struct past_start *start, const void *context);
size_t past_count(const struct past *past, struct duration now, struct duration window,
                  past_match_f *match, const void *context);

/* True for a start that takes nothing back and that no undo took back. */
bool past_stands(const struct past *past, const struct past_start *start);

#endif
