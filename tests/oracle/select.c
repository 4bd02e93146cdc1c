/* Selectors: which series, and which sample of each. */
#include <regex.h>
#include <string.h>

#include "tests/oracle/evaluate_part.h"

/* The whole value. */
static bool regex_holds(struct oracle *oracle, const struct matcher *matcher, const char *value)
{
    return regexec(oracle_regex(oracle, matcher->value), value, 0, NULL, 0) == 0;
}

static bool matcher_holds(struct oracle *oracle, const struct matcher *matcher,
                          const struct history_series *series)
{
    const char *value = strcmp(matcher->label.text, "__name__") == 0
                            ? series->name
                            : oracle_labels_get(&series->labels, matcher->label.text);
    switch (matcher->op) {
    case MATCH_EQ: return strcmp(value, matcher->value) == 0;
    case MATCH_NE: return strcmp(value, matcher->value) != 0;
    case MATCH_RE: return regex_holds(oracle, matcher, value);
    case MATCH_NRE: return !regex_holds(oracle, matcher, value);
    }
    return false;
}

bool oracle_matches(struct oracle *oracle, const struct expr *selector,
                    const struct history_series *series)
{
    const char *name = selector->selector.name.text;
    bool matches = !name || strcmp(name, series->name) == 0;
    for (const struct matcher *m = selector->selector.matchers; m && matches; m = m->next) {
        matches = matcher_holds(oracle, m, series);
    }
    return matches;
}

void oracle_select(struct oracle *oracle, const struct expr *selector, bool times, struct when when,
                   struct oracle_vector *ret)
{
    const struct history *h = oracle_history(oracle);
    const size_t tick = when_tick(when);
    const int64_t offset_ms = selector->has_offset ? selector->offset.ns / NS_PER_MS : 0;
    const int64_t at_ms = when_ms(when) - offset_ms;
    for (size_t i = 0; i < h->series_count; i++) {
        const struct history_series *series = &h->series[i];
        if (series->born > tick || !oracle_matches(oracle, selector, series)) {
            continue;
        }
        const struct history_sample *newest = history_newest(h, i, tick, at_ms);
        struct oracle_item item = {.name = series->name, .labels = series->labels};
        item.present = newest && !newest->end && newest->time_ms > at_ms - h->lookback_ms;
        item.unknown = history_unseen(h, i, tick, when_ms(when), h->lookback_ms + offset_ms);
        item.number = number_exact(!newest ? 0
                                   : times ? (double)newest->time_ms / 1e3
                                           : newest->value);
        oracle_put(ret, &item);
    }
    ret->blind = ret->count == 0 && history_cold(h, tick);
}

/* The labels an absent series would have: those that one matcher alone says, with `=`. */
void oracle_absent(const struct expr *of, const struct oracle_vector *from,
                   struct oracle_vector *ret)
{
    struct oracle_item item = {.present = true, .number = number_exact(1)};
    const bool series = of->kind == EXPR_SELECTOR && !of->selector.signal;
    for (const struct matcher *m = series ? of->selector.matchers : NULL; m; m = m->next) {
        bool alone = m->op == MATCH_EQ && strcmp(m->label.text, "__name__") != 0;
        for (const struct matcher *n = of->selector.matchers; n; n = n->next) {
            alone &= n == m || strcmp(n->label.text, m->label.text) != 0;
        }
        if (alone) {
            oracle_labels_add(&item.labels, m->label.text, m->value);
        }
    }
    for (size_t i = 0; i < from->count; i++) {
        item.present &= !from->items[i].present;
        item.unknown |= from->items[i].unknown;
        item.doubtful |= from->items[i].doubtful;
    }
    oracle_put(ret, &item);
}
