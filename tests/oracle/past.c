/* Functions over what was: the samples of a window, collected anew at every tick. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"
#include "tests/oracle/window.h"

#define LARGE        1e300L /* sums of such overflow on their way, or not */
#define LINE_LARGE   1e280L
#define SPREAD_LARGE 1e140L
#define SPREAD_SMALL 1e-150L
#define LINE_SMALL   1e-290L

/* ---- collecting ---- */

static struct past *past_of(struct pasts *pasts, const struct oracle_item *whose)
{
    for (size_t i = 0; i < pasts->count; i++) {
        const struct oracle_vector one = {.items = &pasts->items[i].item, .count = 1};
        if (oracle_find(&one, whose)) {
            return &pasts->items[i];
        }
    }
    ARRAY_RESERVE(pasts->items, pasts->count, pasts->capacity);
    pasts->items[pasts->count] = (struct past){
        .item = {.name = whose->name, .labels = whose->labels, .merged = whose->merged}};
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

static void read_series(struct oracle *oracle, const struct expr *selector, size_t tick,
                        int64_t horizon_ms, struct pasts *ret)
{
    const struct history *h = oracle_history(oracle);
    for (size_t i = 0; i < h->series_count; i++) {
        const struct history_series *series = &h->series[i];
        if (series->born > tick || !oracle_matches(oracle, selector, series)) {
            continue;
        }
        const struct oracle_item whose = {.name = series->name, .labels = series->labels};
        struct past *past = past_of(ret, &whose);
        past->item.unknown = history_unseen(h, i, tick, horizon_ms);
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

/* The values an expression had when its policy sampled it, which is at the first tick and then
 * whenever `every` has passed since the last time. */
static bool read_sampled(struct oracle *oracle, const struct expr *expr, size_t tick,
                         struct pasts *ret)
{
    const struct history *h = oracle_history(oracle);
    size_t last = 0;
    for (size_t i = 0; i <= tick; i++) {
        const struct oracle_vector *v = oracle_unnamed_at(oracle, expr, i);
        if (!v) {
            return false;
        }
        const bool sampled =
            i == 0 || h->ticks[i].ns - h->ticks[last].ns >= oracle_every(oracle).ns;
        last = sampled ? i : last;
        for (size_t j = 0; j < v->count; j++) {
            struct past *past = past_of(ret, &v->items[j]);
            const int64_t now_ms = oracle_now_ms(oracle, i);
            const bool in = sampled && now_ms > ret->start_ms && now_ms <= ret->end_ms;
            past->item.doubtful |= v->items[j].doubtful && (in || i == tick);
            past->item.unknown = v->items[j].unknown; /* of the last: now */
            if (in && v->items[j].present) {
                past_add(past, now_ms, v->items[j].number);
            }
        }
        ret->blind = v->blind;
    }
    return true;
}

bool pasts_read(struct oracle *oracle, const struct expr *x, size_t tick, int64_t range_ms,
                int64_t offset_ms, struct pasts *ret)
{
    const int64_t lookback_ms = oracle_history(oracle)->lookback_ms;
    *ret = (struct pasts){.end_ms = oracle_now_ms(oracle, tick) - offset_ms};
    ret->start_ms = ret->end_ms - range_ms;
    if (x->kind != EXPR_SELECTOR) {
        return read_sampled(oracle, x, tick, ret);
    }
    if (x->selector.signal) {
        return read_sampled(oracle, x->selector.signal->expr, tick, ret);
    }
    read_series(oracle, x, tick, (range_ms > lookback_ms ? range_ms : lookback_ms) + offset_ms,
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
    return large
               ? number_any()
               : number_near(result, 1e-10L * scale + LINE_SMALL * (1 + fabsl((long double)ahead)));
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
    long double result = 0, scale = 0, slack = argument.slack;
    const bool there = oracle_window(text, &w, &result, &scale);
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

/* The scalar argument of predict_linear() and quantile_over_time(). */
static bool argument_of(struct oracle *oracle, const struct expr *call, size_t tick,
                        struct oracle_item *ret, bool *ret_blind)
{
    const struct expr *argument = oracle_argument(call, 1);
    const struct oracle_vector *scalar = argument ? oracle_at(oracle, argument, tick) : NULL;
    *ret = scalar ? scalar->items[0] : (struct oracle_item){0};
    *ret_blind = scalar && scalar->blind;
    return scalar || !argument;
}

bool oracle_over(struct oracle *oracle, const struct expr *call, size_t tick,
                 struct oracle_vector *ret)
{
    const struct expr *range = oracle_argument(call, 0);
    const struct expr *x = range->kind == EXPR_RANGE ? oracle_inner(range->range.inner) : NULL;
    struct oracle_item argument;
    struct pasts pasts;
    bool blind;
    if (!x || !argument_of(oracle, call, tick, &argument, &blind)) {
        return false;
    }
    const int64_t offset_ns =
        (range->has_offset ? range->offset.ns : 0) + (x->has_offset ? x->offset.ns : 0);
    if (!pasts_read(oracle, x, tick, range->range.range.ns / NS_PER_MS, offset_ns / NS_PER_MS,
                    &pasts)) {
        return false;
    }
    for (size_t i = 0; i < pasts.count; i++) {
        const struct past *past = &pasts.items[i];
        struct oracle_item item = past->item;
        item.name = keeps_name(call->call.name.text) ? item.name : NULL;
        item.present =
            past_window(&pasts, past, call->call.name.text, argument.number, &item.number);
        item.unknown |= argument.unknown;
        item.doubtful |= argument.doubtful;
        oracle_put(ret, &item);
    }
    oracle_settle(ret);
    ret->blind = pasts.blind || blind;
    pasts_release(&pasts);
    return true;
}

bool oracle_signal_past(struct oracle *oracle, const struct expr *selector, size_t tick,
                        struct oracle_vector *ret)
{
    struct pasts pasts;
    if (!pasts_read(oracle, selector, tick, oracle_history(oracle)->lookback_ms,
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
    pasts_release(&pasts);
    return true;
}
