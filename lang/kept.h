/* What windows keep: the samples of a series, for as long as the longest window over it looks back.
 * An estimate by arithmetic on the text alone; SPEC.md, "Static bounds", has the formula.
 *
 *     struct kept_list list = {.arena = &arena, .scrape_s = KEPT_SCRAPE_S};
 *     kept_of_policy(&list, policy);      // of a checked program
 *     kept_bytes(&list)                   // for one series of each selector
 *
 * Windows over the same selector share its samples, so a list has each selector once, with the
 * longest of them. What a subquery evaluates keeps samples of its own. */
#ifndef HEAL_LANG_KEPT_H
#define HEAL_LANG_KEPT_H

#include "lang/ast.h"

#define KEPT_SCRAPE_S 15.0
enum { KEPT_SAMPLE_BYTES = 12, KEPT_SAMPLES_MAX = 1 << 20, KEPT_BUCKETS = 4096 };

struct kept {
    const char *text;           /* the selector or expression, canonical; the arena's */
    const struct policy *owner; /* where the text holds signals of that policy; else NULL */
    double reach_s;             /* how far back: range, offset, and the step of a subquery */
    double interval_s;          /* between two samples */
    struct kept *next, *next_in_bucket;
};

/* Zero but for the first two fields; what is in it lives in the arena. */
struct kept_list {
    struct arena *arena;
    double scrape_s;     /* between two samples of a series that is scraped */
    struct kept *first;  /* in the order in which they were met */
    struct kept **last;  /* the list's own, as all below */
    struct kept **table; /* [KEPT_BUCKETS] */
    struct kept_inside *insides;
    size_t count;
};

void kept_of_policy(struct kept_list *list, const struct policy *policy);
void kept_of_recorded(struct kept_list *list, const struct recorded *recorded);
void kept_of_pool(struct kept_list *list, const struct pool *pool);
/* All of the above that there are. */
void kept_of_program(struct kept_list *list, const struct program *program);

/* Of one series, with the room that is left free. */
uint64_t kept_samples(const struct kept *kept);
uint64_t kept_bytes(const struct kept_list *list);

#endif
