/* Distances of incidents. */
#include "runtime/engine/precedent.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN = PRECEDENT_SIGNALS_MAX, CAUSE, FEATURES, SAID_MAX = 3, CASE_NUMBER_BYTES = 26 };
#define MAD_TO_DEVIATION 1.4826 /* of a normal distribution */
#define SCALE_LEAST      0.05   /* of the median */
#define USUAL_LOW        0.1    /* what lies between these quantiles is told as usual */
#define USUAL_HIGH       0.9
#define CASE_HEAD        "seen " /* as the journal has a case */

_Static_assert(PRECEDENT_SIGNALS_MAX *CASE_NUMBER_BYTES + NAME_BYTES + 24 <= TEXT_BYTES,
               "a case fits into a record's text");

struct precedent {
    struct precedent_case past[PRECEDENT_PAST_MAX]; /* a ring */
    size_t count, next;
    bool measured; /* scale and threshold are those of the past as it is */
    double scale[FEATURES];
    double threshold;
};

struct precedent *precedent_new(void)
{
    return heap_alloc(sizeof(struct precedent));
}

void precedent_free(struct precedent *precedent)
{
    free(precedent);
}

size_t precedent_count(const struct precedent *precedent)
{
    return precedent->count;
}

void precedent_add(struct precedent *precedent, const struct precedent_case *seen)
{
    CHECK(seen->signal_count <= PRECEDENT_SIGNALS_MAX);
    if (precedent->count > 0 && precedent->past[0].signal_count != seen->signal_count) {
        precedent->count = precedent->next = 0;
    }
    precedent->past[precedent->next] = *seen;
    precedent->next = (precedent->next + 1) % PRECEDENT_PAST_MAX;
    precedent->count += precedent->count < PRECEDENT_PAST_MAX;
    precedent->measured = false;
}

/* ---- numbers of the past ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle_of(const double *sorted, size_t count)
{
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* By nearest rank: a value that was there. */
static double rank_of(const double *sorted, size_t count, double part)
{
    const size_t rank = (size_t)ceil(part * (double)count);
    return sorted[rank > 0 ? rank - 1 : 0];
}

/* NaN: not seen. */
static double value_of(const struct precedent_case *seen, size_t feature)
{
    const double value = feature == OPEN ? seen->open : seen->values[feature];
    return isfinite(value) ? value : (double)NAN;
}

/* What the past saw of a feature, sorted; returns how many. */
static size_t values_of(const struct precedent *precedent, size_t feature,
                        double ret[PRECEDENT_PAST_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < precedent->count; i++) {
        const double value = value_of(&precedent->past[i], feature);
        if (!isnan(value)) {
            ret[count++] = value;
        }
    }
    qsort(ret, count, sizeof *ret, by_size);
    return count;
}

static double scale_of(const struct precedent *precedent, size_t feature)
{
    double values[PRECEDENT_PAST_MAX];
    const size_t count = values_of(precedent, feature, values);
    if (count == 0) {
        return 0;
    }
    const double median = middle_of(values, count);
    for (size_t i = 0; i < count; i++) {
        values[i] = fabs(values[i] - median);
    }
    qsort(values, count, sizeof *values, by_size);
    const double least = feature == OPEN ? 1 : SCALE_LEAST * fabs(median);
    return fmax(MAD_TO_DEVIATION * middle_of(values, count), least);
}

/* ---- distances ---- */

static double apart(const struct precedent *precedent, size_t feature,
                    const struct precedent_case *a, const struct precedent_case *b)
{
    if (feature == CAUSE) {
        return strcmp(a->cause, b->cause) == 0 ? 0 : PRECEDENT_FAR;
    }
    const double x = value_of(a, feature), y = value_of(b, feature);
    if (isnan(x) || isnan(y)) {
        return isnan(x) && isnan(y) ? 0 : PRECEDENT_FAR;
    }
    const double difference = fabs(x - y), scale = precedent->scale[feature];
    /* Not divided first: a scale of 0 has nothing near it but itself. */
    return difference == 0                       ? 0
           : difference >= PRECEDENT_FAR * scale ? PRECEDENT_FAR
                                                 : difference / scale;
}

static double distance(const struct precedent *precedent, const struct precedent_case *a,
                       const struct precedent_case *b)
{
    double sum = 0;
    for (size_t feature = 0; feature < FEATURES; feature++) {
        if (feature < a->signal_count || feature >= PRECEDENT_SIGNALS_MAX) {
            const double d = apart(precedent, feature, a, b);
            sum += d * d;
        }
    }
    return sqrt(sum);
}

/* The mean distance to the nearest of the past, leaving out the one at `without`. */
static double distance_from_past(const struct precedent *precedent,
                                 const struct precedent_case *seen, size_t without)
{
    double nearest[PRECEDENT_NEIGHBOURS];
    size_t found = 0;
    for (size_t i = 0; i < precedent->count; i++) {
        if (i == without) {
            continue;
        }
        const double d = distance(precedent, seen, &precedent->past[i]);
        size_t at = found < PRECEDENT_NEIGHBOURS ? found++ : PRECEDENT_NEIGHBOURS;
        for (; at > 0 && nearest[at - 1] > d; at--) {
            if (at < PRECEDENT_NEIGHBOURS) {
                nearest[at] = nearest[at - 1];
            }
        }
        if (at < PRECEDENT_NEIGHBOURS) {
            nearest[at] = d;
        }
    }
    double sum = 0;
    for (size_t i = 0; i < found; i++) {
        sum += nearest[i];
    }
    return sum / (double)found;
}

static void measure(struct precedent *precedent)
{
    double own[PRECEDENT_PAST_MAX];
    const size_t signals = precedent->past[0].signal_count;
    for (size_t feature = 0; feature < CAUSE; feature++) {
        precedent->scale[feature] =
            feature < signals || feature == OPEN ? scale_of(precedent, feature) : 0;
    }
    for (size_t i = 0; i < precedent->count; i++) {
        own[i] = distance_from_past(precedent, &precedent->past[i], i);
    }
    qsort(own, precedent->count, sizeof *own, by_size);
    precedent->threshold = rank_of(own, precedent->count, PRECEDENT_QUANTILE);
    precedent->measured = true;
}

/* ---- words ---- */

PRINTF_LIKE(2, 3)
static void say(struct precedent_judgment *to, const char *fmt, ...)
{
    va_list args;
    size_t used = strlen(to->text);
    va_start(args, fmt);
    vsnprintf(to->text + used, sizeof to->text - used, fmt, args);
    va_end(args);
}

static void say_number(struct precedent_judgment *to, const struct precedent *precedent,
                       const struct precedent_signal *signal, size_t feature, double value)
{
    double values[PRECEDENT_PAST_MAX];
    char is[64], low[64], high[64];
    const size_t count = values_of(precedent, feature, values);
    quantity_print(value, signal->dimension, is, sizeof is);
    if (count == 0) {
        say(to, "%.63s = %s where it never was seen", signal->name, is);
        return;
    }
    quantity_print(rank_of(values, count, USUAL_LOW), signal->dimension, low, sizeof low);
    quantity_print(rank_of(values, count, USUAL_HIGH), signal->dimension, high, sizeof high);
    const bool same = strcmp(low, high) == 0;
    if (isnan(value)) {
        say(to, "%.63s is not seen", signal->name);
    } else {
        say(to, "%.63s = %s", signal->name, is);
    }
    say(to, " where %s%s%s was usual", low, same ? "" : " to ", same ? "" : high);
}

static void say_cause(struct precedent_judgment *to, const struct precedent *precedent,
                      const char *cause)
{
    size_t same = 0;
    for (size_t i = 0; i < precedent->count; i++) {
        same += strcmp(precedent->past[i].cause, cause) == 0;
    }
    say(to, "%s%s in %zu of %zu incidents", *cause ? "cause " : "no cause", cause, same,
        precedent->count);
}

/* How far a feature is from what is usual of it. */
static double feature_distance(const struct precedent *precedent, size_t feature,
                               const struct precedent_case *seen)
{
    double nearest = INFINITY;
    double values[PRECEDENT_PAST_MAX];
    size_t same = 0;
    if (feature == CAUSE) {
        for (size_t i = 0; i < precedent->count; i++) {
            same += strcmp(precedent->past[i].cause, seen->cause) == 0;
        }
        return same < PRECEDENT_NEIGHBOURS ? PRECEDENT_FAR : 0;
    }
    const size_t count = values_of(precedent, feature, values);
    struct precedent_case usual = *seen;
    const double ends[] = {count ? rank_of(values, count, USUAL_LOW) : (double)NAN,
                           count ? rank_of(values, count, USUAL_HIGH) : (double)NAN};
    const double value = value_of(seen, feature);
    if (value >= ends[0] && value <= ends[1]) {
        return 0;
    }
    for (size_t i = 0; i < 2; i++) {
        if (feature == OPEN) {
            usual.open = (uint32_t)ends[i];
        } else {
            usual.values[feature] = ends[i];
        }
        nearest = fmin(nearest, apart(precedent, feature, seen, &usual));
    }
    return nearest;
}

static void say_far(struct precedent_judgment *to, const struct precedent *precedent,
                    const struct precedent_case *seen, const struct precedent_signal *signals)
{
    const struct precedent_signal open = {"incidents open", {.known = true}};
    bool said[FEATURES] = {false};
    for (size_t n = 0; n < SAID_MAX; n++) {
        size_t far = FEATURES;
        double most = 1; /* less is nothing to speak of */
        for (size_t feature = 0; feature < FEATURES; feature++) {
            const bool has = feature < seen->signal_count || feature >= PRECEDENT_SIGNALS_MAX;
            const double d = has && !said[feature] ? feature_distance(precedent, feature, seen) : 0;
            if (d > most) {
                most = d;
                far = feature;
            }
        }
        if (far == FEATURES) {
            break;
        }
        said[far] = true;
        say(to, "%s", n > 0 ? "; " : "");
        if (far == CAUSE) {
            say_cause(to, precedent, seen->cause);
        } else {
            say_number(to, precedent, far == OPEN ? &open : &signals[far], far,
                       value_of(seen, far));
        }
    }
    if (to->text[0] == '\0') {
        say(to, "each value was seen before, but not together");
    }
}

void precedent_judge(struct precedent *precedent, const struct precedent_case *seen,
                     const struct precedent_signal *signals, struct precedent_judgment *ret)
{
    const bool same = precedent->count > 0 && precedent->past[0].signal_count == seen->signal_count;
    *ret = (struct precedent_judgment){.past = same ? precedent->count : 0};
    if (ret->past < PRECEDENT_LEAST) {
        ret->unprecedented = true;
        say(ret, "fewer than %d incidents are remembered", PRECEDENT_LEAST);
        return;
    }
    if (!precedent->measured) {
        measure(precedent);
    }
    ret->threshold = precedent->threshold;
    ret->distance = distance_from_past(precedent, seen, SIZE_MAX);
    ret->unprecedented = ret->distance > ret->threshold;
    if (ret->unprecedented) {
        say_far(ret, precedent, seen, signals);
    }
}

/* ---- as text ---- */

void precedent_print(const struct precedent_case *seen, char ret[TEXT_BYTES])
{
    int used = snprintf(ret, TEXT_BYTES, CASE_HEAD "%" PRIu32 " %s", seen->open,
                        *seen->cause ? seen->cause : "-");
    for (size_t i = 0; i < seen->signal_count && used > 0 && used < TEXT_BYTES; i++) {
        const double value = value_of(seen, i);
        used += isnan(value) ? snprintf(ret + used, TEXT_BYTES - (size_t)used, " -")
                             : snprintf(ret + used, TEXT_BYTES - (size_t)used, " %.17g", value);
    }
    CHECK(used > 0 && used < TEXT_BYTES);
}

/* A number as printed, "-" for none; moves *text behind it. */
static bool read_value(const char **text, double *ret)
{
    char *end;
    if (**text == '-' && ((*text)[1] == ' ' || (*text)[1] == '\0')) {
        *ret = (double)NAN;
        *text += 1;
        return true;
    }
    if (strchr("-0123456789", **text) == NULL) {
        return false; /* strtod would take blanks, hexadecimal and words too */
    }
    *ret = strtod(*text, &end);
    bool good = end > *text && isfinite(*ret);
    *text = end;
    return good;
}

bool precedent_read(const char *text, struct precedent_case *ret)
{
    *ret = (struct precedent_case){0};
    if (strncmp(text, CASE_HEAD, strlen(CASE_HEAD)) != 0) {
        return false;
    }
    text += strlen(CASE_HEAD);
    char *end;
    const unsigned long long open = strtoull(text, &end, 10);
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 10 || open > UINT32_MAX || *end != ' ') {
        return false;
    }
    ret->open = (uint32_t)open;
    text = end + 1;
    const size_t length = strcspn(text, " ");
    if (length == 0 || length >= NAME_BYTES) {
        return false;
    }
    if (strncmp(text, "-", length) != 0) {
        memcpy(ret->cause, text, length);
    }
    for (text += length; *text == ' ';) {
        text++;
        if (ret->signal_count == PRECEDENT_SIGNALS_MAX ||
            !read_value(&text, &ret->values[ret->signal_count++])) {
            return false;
        }
    }
    return *text == '\0';
}
