/* Distances of incidents. */
#include "runtime/engine/precedent.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPEN = PRECEDENT_SIGNALS_MAX,
    NUMBERS,         /* features that are numbers */
    CAUSE = NUMBERS, /* the other one */
    FEATURES,
    SAID_MAX = 3,
    CASE_NUMBER_BYTES = 26
};
#define NOT_SEEN         1e300
#define MAD_TO_DEVIATION 1.4826 /* of a normal distribution */
#define SCALE_LEAST      0.05   /* of the median */
#define USUAL_LOW        0.1    /* what lies between these quantiles is told as usual */
#define USUAL_HIGH       0.9
#define CASE_HEAD        "seen " /* as the journal has a case */

_Static_assert(PRECEDENT_SIGNALS_MAX *CASE_NUMBER_BYTES + NAME_BYTES + 24 <= TEXT_BYTES,
               "a case fits into a record's text");

/* The past, standardised: a row a feature, so that one case is compared with all at once. Equal
 * numbers are 0 apart, and what is not seen lies at NOT_SEEN, far from all that is. */
struct precedent {
    struct precedent_case past[PRECEDENT_PAST_MAX]; /* a ring */
    size_t count, next;
    bool measured;                                      /* what follows is of the past as it is */
    double scale[NUMBERS], low[NUMBERS], high[NUMBERS]; /* low, high: what is usual; NaN: unseen */
    double at[FEATURES][PRECEDENT_PAST_MAX];
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

static bool has_feature(const struct precedent_case *seen, size_t feature)
{
    return feature < seen->signal_count || feature >= PRECEDENT_SIGNALS_MAX;
}

static void measure_feature(struct precedent *precedent, size_t feature)
{
    double values[PRECEDENT_PAST_MAX];
    const size_t count = values_of(precedent, feature, values);
    precedent->scale[feature] = 0;
    precedent->low[feature] = precedent->high[feature] = (double)NAN;
    if (count == 0) {
        return;
    }
    precedent->low[feature] = rank_of(values, count, USUAL_LOW);
    precedent->high[feature] = rank_of(values, count, USUAL_HIGH);
    const double median = middle_of(values, count);
    for (size_t i = 0; i < count; i++) {
        values[i] = fabs(values[i] - median);
    }
    qsort(values, count, sizeof *values, by_size);
    const double least = feature == OPEN ? 1 : SCALE_LEAST * fabs(median);
    precedent->scale[feature] = fmax(MAD_TO_DEVIATION * middle_of(values, count), least);
}

/* ---- distances ---- */

/* The first of the past that has the same, or count. */
static size_t first_same(const struct precedent *precedent, size_t feature,
                         const struct precedent_case *seen)
{
    size_t i = 0;
    while (i < precedent->count &&
           (feature == CAUSE ? strcmp(precedent->past[i].cause, seen->cause) != 0
                             : value_of(&precedent->past[i], feature) != value_of(seen, feature))) {
        i++;
    }
    return i;
}

/* Where a feature lies. Of causes, and of numbers whose scale is 0, others are far away. */
static double place_of(const struct precedent *precedent, size_t feature,
                       const struct precedent_case *seen)
{
    if (!has_feature(seen, feature)) {
        return 0;
    }
    const double value = feature == CAUSE ? 0 : value_of(seen, feature);
    if (isnan(value)) {
        return NOT_SEEN;
    }
    if (feature == CAUSE || precedent->scale[feature] == 0) {
        return PRECEDENT_FAR * (double)first_same(precedent, feature, seen);
    }
    const double place = value / precedent->scale[feature];
    return fabs(place) < NOT_SEEN / 4 ? place : copysign(NOT_SEEN / 4, place);
}

static double apart(double a, double b)
{
    const double difference = fabs(a - b);
    return difference > PRECEDENT_FAR ? PRECEDENT_FAR : difference;
}

/* The mean distance to the nearest of the past, leaving out the one at `without`. */
static double distance_from_past(const struct precedent *precedent, const double place[FEATURES],
                                 size_t without)
{
    double squares[PRECEDENT_PAST_MAX] = {0}, nearest[PRECEDENT_NEIGHBOURS], sum = 0;
    size_t found = 0;
    for (size_t feature = 0; feature < FEATURES; feature++) {
        const double *at = precedent->at[feature], own = place[feature];
        for (size_t i = 0; i < precedent->count; i++) {
            const double d = apart(own, at[i]);
            squares[i] += d * d;
        }
    }
    for (size_t i = 0; i < precedent->count; i++) {
        if (i == without || (found == PRECEDENT_NEIGHBOURS && squares[i] >= nearest[found - 1])) {
            continue;
        }
        size_t at = found < PRECEDENT_NEIGHBOURS ? found++ : PRECEDENT_NEIGHBOURS - 1;
        for (; at > 0 && nearest[at - 1] > squares[i]; at--) {
            nearest[at] = nearest[at - 1];
        }
        nearest[at] = squares[i];
    }
    for (size_t i = 0; i < found; i++) {
        sum += sqrt(nearest[i]);
    }
    return sum / (double)found;
}

static void measure(struct precedent *precedent)
{
    double own[PRECEDENT_PAST_MAX];
    for (size_t feature = 0; feature < FEATURES; feature++) {
        if (feature < NUMBERS) {
            measure_feature(precedent, feature);
        }
        for (size_t i = 0; i < precedent->count; i++) {
            precedent->at[feature][i] = place_of(precedent, feature, &precedent->past[i]);
        }
    }
    for (size_t i = 0; i < precedent->count; i++) {
        double place[FEATURES];
        for (size_t feature = 0; feature < FEATURES; feature++) {
            place[feature] = precedent->at[feature][i];
        }
        own[i] = distance_from_past(precedent, place, i);
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
    char is[64], low[64], high[64];
    quantity_print(value, signal->dimension, is, sizeof is);
    quantity_print(precedent->low[feature], signal->dimension, low, sizeof low);
    quantity_print(precedent->high[feature], signal->dimension, high, sizeof high);
    const bool same = strcmp(low, high) == 0;
    if (isnan(precedent->low[feature])) {
        say(to, "%.63s = %s where it never was seen", signal->name, is);
        return;
    }
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
                               const struct precedent_case *seen, double place)
{
    if (!has_feature(seen, feature)) {
        return 0;
    }
    if (feature == CAUSE) {
        size_t same = 0;
        for (size_t i = 0; i < precedent->count; i++) {
            same += precedent->at[CAUSE][i] == place;
        }
        return same < PRECEDENT_NEIGHBOURS ? PRECEDENT_FAR : 0;
    }
    const double value = value_of(seen, feature), scale = precedent->scale[feature];
    const double low = precedent->low[feature], high = precedent->high[feature];
    if (isnan(value) || isnan(low)) {
        return isnan(value) && isnan(low) ? 0 : PRECEDENT_FAR;
    }
    const double beyond = value < low ? low - value : value > high ? value - high : 0;
    return beyond == 0 ? 0 : beyond >= PRECEDENT_FAR * scale ? PRECEDENT_FAR : beyond / scale;
}

static void say_far(struct precedent_judgment *to, const struct precedent *precedent,
                    const struct precedent_case *seen, const struct precedent_signal *signals,
                    const double place[FEATURES])
{
    const struct precedent_signal open = {"incidents open", {.known = true}};
    double distances[FEATURES];
    for (size_t feature = 0; feature < FEATURES; feature++) {
        distances[feature] = feature_distance(precedent, feature, seen, place[feature]);
    }
    for (size_t n = 0; n < SAID_MAX; n++) {
        size_t far = 0;
        for (size_t feature = 1; feature < FEATURES; feature++) {
            far = distances[feature] > distances[far] ? feature : far;
        }
        if (distances[far] <= 1) { /* nothing to speak of */
            break;
        }
        distances[far] = 0;
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
    double place[FEATURES];
    for (size_t feature = 0; feature < FEATURES; feature++) {
        place[feature] = place_of(precedent, feature, seen);
    }
    ret->distance = distance_from_past(precedent, place, SIZE_MAX);
    ret->unprecedented = ret->distance > ret->threshold;
    if (ret->unprecedented) {
        say_far(ret, precedent, seen, signals, place);
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
            !read_value(&text, &ret->values[ret->signal_count])) {
            return false;
        }
        ret->signal_count++;
    }
    return *text == '\0';
}
