/* What an act does to the number of its target, and what it costs: the end of the text of its
 * records, by which both come back after a restart.
 *
 *     "scale(service=checkout, 6) from 4, costs 0.24 usd/h"
 *
 * Numbers are written as short as they can be read back exactly. */
#ifndef HEAL_RUNTIME_ENGINE_AMOUNTS_H
#define HEAL_RUNTIME_ENGINE_AMOUNTS_H

#include "lang/base.h"

enum { NUMBER_BYTES = 32 };

struct amounts {
    bool read;            /* what was there is known: before and given are set */
    double before, given; /* base units */
    double once, hourly;  /* usd; usd for each hour */
};

/* The shortest text that reads back as value, into ret[NUMBER_BYTES]; returns ret. */
char *number_print(double value, char *ret);

/* What stands behind the call: " from 4, costs 0.24 usd/h", or nothing. */
char *amounts_print(const struct amounts *amounts, char *ret, size_t size);

/* From the whole text of an INTENT or DISPATCHED record; what it does not say is 0 and not read. */
struct amounts amounts_parse(const char *text);

/* The target of the call in such a text into ret[size]; false when there is none. */
bool call_target(const char *text, char *ret, size_t size);

/* Money to 12 digits: what is written as 0.12 usd/h and multiplied is 0.24 usd/h. */
double money_round(double usd);

enum step { STEP_TAKEN, STEP_NONE, STEP_BELOW_ZERO };

/* `now` and a step from it: share of now, or a quantity. Things that are counted (whole) stay whole
 * numbers, rounded towards the smaller change. STEP_NONE: that is no change. STEP_BELOW_ZERO: what
 * cannot be negative would be; only where `positive`. *ret is set in any case. */
enum step amount_step(double now, double by, bool share, bool whole, bool positive, double *ret);

#endif
