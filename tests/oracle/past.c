/* Functions over what was: the samples of a window, collected anew at every tick. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"
#include "tests/oracle/window.h"

#define LARGE           1e300L /* sums of such overflow on their way, or not */
#define LINE_LARGE      1e280L
#define SPREAD_LARGE    1e140L
#define SPREAD_SMALL    1e-150L
#define LINE_SMALL      1e-290L
#define LINE_NEAR       1e-10L
#define AHEAD_SLACK_MAX 1e-5L /* seconds */
#define TIME_SLACK      5e-7L /* of the difference of two times since 1970, in doubles */

/* ---- collecting ---- */

static struct past *past_of(struct pasts *pasts, const struct oracle_item *whose)
{
    for (size_t i = 0; i < pasts->count; i++) {
        const struct oracle_vector one = {.items = &pasts->items[i].item, .count = 1};
        if (pasts->items[i].item.drop == whose->drop && oracle_find(&one, whose)) {
            return &pasts->items[i];
        }
    }
    ARRAY_RESERVE(pasts->items, pasts->count, pasts->capacity);
    pasts->items[pasts->count] = (struct past){.item = {.name = whose->name,
                                                        .drop = whose->drop,
                                                        .labels = whose->labels,
                                                        .merged = whose->merged}};
    return &pasts->items[pasts->count++];
}

static void past_add(struct past *past, int64_t time_ms, struct number number)
{
    ARRAY_RESERVE(past->times_ms, past->count, past->capacity);
    ARRAY_RESERVE(past->values, past->count, past->value_capacity);
    ARRAY_RESERVE(past->slacks, past->count, past->slack_capacity);
    past->times_ms[past->count] = time_ms;
    past->values[past->count] = number.value;
    past->slacks[past->count++] = number.slack;
}

void pasts_release(struct pasts *pasts)
{
    for (size_t i = 0; i < pasts->count; i++) {
        free(pasts->items[i].times_ms);
        free(pasts->items[i].values);
        free(pasts->items[i].slacks);
    }
    free(pasts->items);
}

static void read_series(struct oracle *oracle, const struct expr *selector, struct when when,
                        int64_t horizon_ms, struct pasts *ret)
{
    const struct history *h = oracle_history(oracle);
    const size_t tick = when_tick(when);
    for (size_t i = 0; i < h->series_count; i++) {
        const struct history_series *series = &h->series[i];
        if (series->born > tick || !oracle_matches(oracle, selector, series)) {
            continue;
        }
        const struct oracle_item whose = {.name = series->name, .labels = series->labels};
        struct past *past = past_of(ret, &whose);
        past->item.unknown = history_unseen(h, i, tick, when_ms(when), horizon_ms);
        for (size_t j = 0; j < series->count; j++) {
            const struct history_sample *s = &series->samples[j];
            if (!s->end && s->tick <= tick && s->time_ms > ret->start_ms &&
                s->time_ms <= ret->end_ms) {
                past_add(past, s->time_ms, number_exact(s->value));
            }
        }
    }
    ret->blind = ret->count == 0 && history_cold(h, tick);
}

/* Samples of one label set that has given its name up at some moments and not at others: whose the
 * others are is not written. */
static void doubt_mixed(struct pasts *pasts)
{
    for (size_t i = 0; i < pasts->count; i++) {
        for (size_t j = 0; j < i; j++) {
            struct oracle_item *a = &pasts->items[i].item, *b = &pasts->items[j].item;
            if (a->drop != b->drop && oracle_same_name(a->name, b->name) &&
                oracle_labels_equal(&a->labels, &b->labels)) {
                a->doubtful = b->doubtful = true;
            }
        }
    }
}

/* Label sets of count_values() come and go. Whether those that are gone may be unknown, or when
 * they are forgotten, is not written. */
static void doubt_gone(const struct oracle_vector *now, struct pasts *pasts)
{
    bool unknown = false;
    for (size_t j = 0; j < now->count; j++) {
        unknown |= now->items[j].unknown;
    }
    for (size_t i = 0; i < pasts->count; i++) {
        struct past *past = &pasts->items[i];
        past->item.doubtful |= !oracle_find(now, &past->item) && (unknown || past->count == 0);
    }
}

/* What an expression was at one moment; last: the newest one, which says what is unknown. */
static void read_moment(const struct oracle_vector *v, struct when when, bool sampled, bool last,
                        struct pasts *ret)
{
    const int64_t now_ms = when_ms(when);
    const bool in = sampled && now_ms > ret->start_ms && now_ms <= ret->end_ms;
    for (size_t i = 0; i < ret->count; i++) {
        ret->items[i].item.unknown = false; /* of the last: now */
    }
    for (size_t j = 0; j < v->count; j++) {
        struct past *past = past_of(ret, &v->items[j]);
        past->item.doubtful |= v->items[j].doubtful && (in || last);
        past->item.unknown = v->items[j].unknown;
        if (in && v->items[j].present) {
            past_add(past, now_ms, v->items[j].number);
        }
    }
    ret->wild |= v->wild && (in || last);
    ret->blind = v->blind;
    if (last) {
        doubt_gone(v, ret);
        doubt_mixed(ret);
    }
}

/* The values an expression had when its policy sampled it, which is at the first tick and then
 * whenever `every` has passed since the last time. */
static bool read_sampled(struct oracle *oracle, const struct expr *expr, struct when when,
                         struct pasts *ret)
{
    const int64_t every_ms = oracle_every(oracle).ns / NS_PER_MS;
    struct when now = when, last = {when.clock, 0};
    for (now.at = 0; now.at <= when.at; now.at++) {
        const struct oracle_vector *v = oracle_unnamed(oracle, expr, now);
        if (!v) {
            return false;
        }
        const bool sampled = now.at == 0 || when_ms(now) - when_ms(last) >= every_ms;
        last = sampled ? now : last;
        read_moment(v, now, sampled, now.at == when.at, ret);
    }
    return true;
}

/* The same of a subquery, at all points of its grid. */
static bool read_grid(struct oracle *oracle, const struct expr *subquery, struct when when,
                      struct pasts *ret)
{
    size_t count;
    struct when now = {.clock = clock_grid(oracle, when, subquery, &count, &ret->wild)};
    for (now.at = 0; now.at < count; now.at++) {
        const struct oracle_vector *v = oracle_eval(oracle, subquery->range.inner, now);
        if (!v) {
            return false;
        }
        read_moment(v, now, true, now.at + 1 == count, ret);
    }
    return true;
}

bool pasts_read(struct oracle *oracle, const struct expr *x, struct when when, int64_t range_ms,
                int64_t offset_ms, struct pasts *ret)
{
    const int64_t lookback_ms = oracle_history(oracle)->lookback_ms;
    *ret = (struct pasts){.end_ms = when_ms(when) - offset_ms};
    ret->start_ms = ret->end_ms - range_ms;
    if (x->kind == EXPR_SUBQUERY) {
        return read_grid(oracle, x, when, ret);
    }
    if (x->kind != EXPR_SELECTOR) {
        return read_sampled(oracle, x, when, ret);
    }
    if (x->selector.signal) {
        return read_sampled(oracle, x->selector.signal->expr, when, ret);
    }
    read_series(oracle, x, when, (range_ms > lookback_ms ? range_ms : lookback_ms) + offset_ms,
                ret);
    return true;
}

/* ---- functions ---- */

/* A result that is not finite: no number, where a sample or the argument is none; nothing certain
 * where finite ones may overflow. */
static struct number odd(const struct past *past, double argument)
{
    bool large = false, none = !isfinite(argument);
    for (size_t i = 0; i < past->count; i++) {
        none |= !isfinite(past->values[i]);
        large |= isfinite(past->values[i]) && fabsl((long double)past->values[i]) > LARGE;
    }
    return none && !large ? number_odd() : number_any();
}

/* Squares of values may over- or underflow: of those below SPREAD_SMALL nothing is left. */
static struct number spread(const struct past *past, long double result, long double scale)
{
    bool large = false;
    for (size_t i = 0; i < past->count; i++) {
        large |= fabsl((long double)past->values[i]) > SPREAD_LARGE;
    }
    return large ? number_any() : number_near(result, 1e-12L * scale + SPREAD_SMALL);
}

/* The slack of a line: it divides by how far the times are spread, and its products of values and
 * times must neither over- nor underflow. */
static struct number line(const struct past *past, long double result, long double scale,
                          double ahead)
{
    bool large = scale > LINE_LARGE || fabs(ahead) > LINE_LARGE;
    for (size_t i = 0; i < past->count; i++) {
        large |= fabsl((long double)past->values[i]) > LINE_LARGE;
    }
    return large ? number_any()
                 : number_near(result,
                               LINE_NEAR * scale + LINE_SMALL * (1 + fabsl((long double)ahead)));
}

/* The newest sample is still the series'. */
static bool keeps_name(const char *text)
{
    return strcmp(text, "last_over_time") == 0;
}

bool past_window(const struct pasts *pasts, const struct past *past, const char *text,
                 struct number argument, struct number *ret)
{
    const struct oracle_window w = {.times_ms = past->times_ms,
                                    .values = past->values,
                                    .count = past->count,
                                    .start_ms = pasts->start_ms,
                                    .end_ms = pasts->end_ms,
                                    .argument = argument.value};
    const bool best =
        strncmp(text + 1, "ax_", 3) == 0 || strncmp(text + 1, "in_", 3) == 0 || keeps_name(text);
    const bool counted =
        strcmp(text, "count_over_time") == 0 || strcmp(text, "present_over_time") == 0;
    const bool lines = strcmp(text, "deriv") == 0 || strcmp(text, "predict_linear") == 0;
    const bool ahead = lines && argument.slack < AHEAD_SLACK_MAX;
    long double result = 0, scale = 0, slope = 0, steep = 0, slack = ahead ? 0 : argument.slack;
    const bool there = oracle_window(text, &w, &result, &scale);
    if (ahead && argument.slack > 0) {
        (void)oracle_window("deriv", &w, &slope, &steep);
        scale += steep * argument.slack / LINE_NEAR;
    }
    for (size_t i = 0; i < past->count; i++) {
        slack = past->slacks[i] > slack ? past->slacks[i] : slack;
    }
    if (counted) {
        *ret = number_exact((double)result);
    } else if (slack > 0 && !best && strcmp(text, "avg_over_time") != 0) {
        *ret = number_any();
    } else if (best) {
        *ret = (struct number){(double)result, slack};
    } else if (!isfinite((double)result)) {
        *ret = slack > 0 ? number_any() : odd(past, argument.value);
    } else if (strncmp(text, "std", 3) == 0) {
        *ret = spread(past, result, scale);
    } else if (lines) {
        *ret = line(past, result, scale, argument.value);
    } else {
        *ret = scale < LARGE ? number_near(result, slack + 1e-12L * scale) : number_any();
    }
    return there;
}

/* ---- calls ---- */

const struct expr *oracle_range_of(const struct expr *call)
{
    const struct expr *argument;
    for (size_t i = 0; (argument = oracle_argument(call, i)) != NULL; i++) {
        if (argument->kind == EXPR_RANGE || argument->kind == EXPR_SUBQUERY) {
            return argument;
        }
    }
    return NULL;
}

/* What a function over windows reads. */
struct over {
    const struct expr *range, *x;
    const struct expr *timed; /* whose `@` it is; or NULL */
    int64_t range_ms, offset_ms;
};

static struct over over_of(const struct expr *call)
{
    struct over over = {.range = oracle_range_of(call)};
    const bool subquery = over.range->kind == EXPR_SUBQUERY;
    over.x = subquery ? over.range : oracle_inner(over.range->range.inner);
    int64_t offset_ns = over.range->has_offset ? over.range->offset.ns : 0;
    offset_ns += !subquery && over.x->has_offset ? over.x->offset.ns : 0;
    over.range_ms = over.range->range.range.ns / NS_PER_MS;
    over.offset_ms = offset_ns / NS_PER_MS;
    over.timed = over.range->at_kind == AT_TIME ? over.range
                 : over.x->at_kind == AT_TIME   ? over.x
                                                : NULL;
    return over;
}

/* The scalar argument of predict_linear() and quantile_over_time(), which is of now where the range
 * is at another time; the line is carried on from now as well. */
static bool argument_of(struct oracle *oracle, const struct expr *call, const struct over *over,
                        struct when when, struct oracle_item *ret, struct oracle_vector *ret_all)
{
    const bool first = oracle_argument(call, 0) == over->range;
    const struct expr *argument = oracle_argument(call, first ? 1 : 0);
    *ret = (struct oracle_item){0};
    if (!argument) {
        return true;
    }
    const bool at = over->timed && clock_is_at(when, over->timed);
    const struct when now = at ? clock_outer(when) : when;
    const struct oracle_item *scalar = oracle_scalar(oracle, argument, now, ret_all);
    if (!scalar) {
        return false;
    }
    *ret = *scalar;
    if (oracle_is_call(call, "predict_linear")) {
        const int64_t since_ms = when_ms(now) - (when_ms(when) - over->offset_ms);
        ret->number.value += (double)since_ms / 1e3;
        ret->number.slack += at ? TIME_SLACK : 0;
    }
    return true;
}

/* One if no series had a sample there. */
static void absent_over(const struct over *over, const struct pasts *pasts,
                        struct oracle_vector *ret)
{
    struct oracle_vector there = {0};
    for (size_t i = 0; i < pasts->count; i++) {
        struct oracle_item item = pasts->items[i].item;
        item.present = pasts->items[i].count > 0;
        oracle_put(&there, &item);
    }
    oracle_absent(over->x, &there, ret);
    free(there.items);
}

bool oracle_over(struct oracle *oracle, const struct expr *call, struct when when,
                 struct oracle_vector *ret)
{
    const struct over over = over_of(call);
    const char *text = call->call.name.text;
    struct oracle_item argument;
    struct pasts pasts;
    if (!argument_of(oracle, call, &over, when, &argument, ret) ||
        !pasts_read(oracle, over.x, when, over.range_ms, over.offset_ms, &pasts)) {
        return false;
    }
    for (size_t i = 0; i < pasts.count && strcmp(text, "absent_over_time") != 0; i++) {
        const struct past *past = &pasts.items[i];
        struct oracle_item item = past->item;
        item.drop |= item.name && !keeps_name(text);
        item.present = past_window(&pasts, past, text, argument.number, &item.number);
        item.unknown |= argument.unknown;
        item.doubtful |= argument.doubtful;
        oracle_put(ret, &item);
    }
    if (strcmp(text, "absent_over_time") == 0) {
        absent_over(&over, &pasts, ret);
    }
    oracle_settle(ret);
    ret->blind |= pasts.blind;
    ret->wild |= pasts.wild;
    pasts_release(&pasts);
    return true;
}

bool oracle_signal_past(struct oracle *oracle, const struct expr *selector, struct when when,
                        struct oracle_vector *ret)
{
    struct pasts pasts;
    if (!pasts_read(oracle, selector, when, oracle_history(oracle)->lookback_ms,
                    selector->offset.ns / NS_PER_MS, &pasts)) {
        return false;
    }
    for (size_t i = 0; i < pasts.count; i++) {
        const struct past *past = &pasts.items[i];
        struct oracle_item item = past->item;
        item.present = past->count > 0;
        if (item.present) {
            item.number =
                (struct number){past->values[past->count - 1], past->slacks[past->count - 1]};
        }
        oracle_put(ret, &item);
    }
    ret->blind = pasts.blind;
    ret->wild = pasts.wild;
    pasts_release(&pasts);
    return true;
}
