/* Clocks: the ticks of a policy, the grids of subqueries, the times behind `@`.
 *
 * A moment is a time and what can be known at it. A point of a grid is evaluated once: when a tick
 * (or a point of the grid around it) has reached it, with what is known then. */
#include <math.h>
#include <stdlib.h>

#include "tests/oracle/evaluate_part.h"

enum { STEP_MS = 60000 }; /* where none is written */

struct moment {
    int64_t time_ms;
    int64_t come_ms; /* how late it is really */
    size_t tick;
};
struct clock {
    const struct expr *expr; /* the subquery, or what has the `@`; NULL: of the ticks */
    struct clock *parent;
    struct moment *moments;
    size_t count, capacity;
    size_t *until; /* how many moments are past at each of the parent's */
    size_t until_count, until_capacity;
    bool at;      /* of `@`: a moment for each of the parent's */
    size_t first; /* of `@`: the moment at which it was evaluated for good */
    bool done, late;
    bool wild; /* of `@`: a grid below it was evaluated before its time */
};

struct clock *clock_new(struct clock *parent, const struct expr *expr, bool at)
{
    struct clock *clock = heap_alloc(sizeof *clock);
    *clock = (struct clock){.parent = parent, .expr = expr, .at = at};
    return clock;
}

bool clock_is(const struct clock *clock, const struct clock *parent, const struct expr *expr,
              bool at)
{
    return clock->parent == parent && clock->expr == expr && clock->at == at;
}

void clocks_free(struct clock **clocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(clocks[i]->moments);
        free(clocks[i]->until);
        free(clocks[i]);
    }
    free(clocks);
}

int64_t when_ms(struct when when)
{
    return when.clock->moments[when.at].time_ms;
}

size_t when_tick(struct when when)
{
    return when.clock->moments[when.at].tick;
}

bool clock_is_at(struct when when, const struct expr *timed)
{
    return when.clock->at && when.clock->expr == timed;
}

struct when clock_outer(struct when when)
{
    return (struct when){when.clock->parent, when.at};
}

static void add_moment(struct clock *clock, int64_t time_ms, int64_t come_ms, size_t tick)
{
    ARRAY_RESERVE(clock->moments, clock->count, clock->capacity);
    clock->moments[clock->count++] = (struct moment){time_ms, come_ms, tick};
}

static void add_until(struct clock *clock)
{
    ARRAY_RESERVE(clock->until, clock->until_count, clock->until_capacity);
    clock->until[clock->until_count++] = clock->count;
}

struct when clock_tick(struct oracle *oracle, size_t tick)
{
    const struct history *h = oracle_history(oracle);
    struct clock *clock = oracle_clock(oracle, NULL, NULL, false);
    for (size_t i = clock->count; i <= tick; i++) {
        add_moment(clock, history_ms(h->ticks[i]), INT64_MAX, i);
    }
    return (struct when){clock, tick};
}

/* ---- grids ---- */

static int64_t grid_at(int64_t time_ms, int64_t step_ms)
{
    const int64_t rest = time_ms % step_ms;
    return time_ms - (rest < 0 ? rest + step_ms : rest);
}

static int64_t ms_of(struct duration duration)
{
    return duration.ns / NS_PER_MS;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct clock *clock_grid(struct oracle *oracle, struct when when, const struct expr *subquery,
                         size_t *ret_count, bool *ret_wild)
{
    struct clock *clock = oracle_clock(oracle, when.clock, subquery, false);
    const int64_t written_ms = ms_of(subquery->range.step);
    const int64_t step_ms = written_ms > 0 ? written_ms : STEP_MS;
    const int64_t offset_ms = subquery->has_offset ? ms_of(subquery->offset) : 0;
    const int64_t ahead_ms = offset_ms < 0 ? -offset_ms : 0;
    const int64_t back_ms = ms_of(subquery->range.range) + (offset_ms > 0 ? offset_ms : 0);
    for (size_t i = clock->until_count; i <= when.at; i++) {
        const struct moment *now = &when.clock->moments[i];
        const int64_t come_ms = earlier(now->time_ms, now->come_ms);
        const bool live = oracle_is_live(oracle);
        const int64_t last_ms = grid_at((live ? come_ms : now->time_ms) + ahead_ms, step_ms);
        int64_t next_ms = grid_at(now->time_ms - back_ms, step_ms);
        if (clock->count > 0) {
            next_ms = clock->moments[clock->count - 1].time_ms + step_ms;
        } else if (live) {
            next_ms = last_ms; /* it begins with the program */
        }
        for (; next_ms <= last_ms; next_ms += step_ms) {
            add_moment(clock, next_ms, INT64_MAX, now->tick);
        }
        add_until(clock);
    }
    *ret_count = clock->until[when.at];
    *ret_wild = when.clock->wild;
    return clock;
}

/* ---- one time ---- */

struct at_time clock_at(struct oracle *oracle, struct when when, const struct expr *timed)
{
    struct clock *clock = oracle_clock(oracle, when.clock, timed, true);
    const int64_t at_ms = llround(timed->at * 1e3);
    const bool live = oracle_is_live(oracle);
    for (size_t i = clock->count; i <= when.at; i++) {
        const struct moment *now = &when.clock->moments[i];
        const int64_t come_ms = earlier(now->time_ms, now->come_ms);
        clock->late |= i == 0 && live && come_ms > at_ms;
        clock->wild |= i == 0 && !live && come_ms < at_ms;
        clock->first = clock->done ? clock->first : i;
        clock->done |= come_ms > at_ms;
        add_moment(clock, at_ms, come_ms, now->tick);
    }
    /* A daemon may still know what was there a minute before its program. */
    const struct moment *first = &when.clock->moments[0], *now = &when.clock->moments[when.at];
    const int64_t since_ms = earlier(first->time_ms, first->come_ms) - at_ms;
    const bool to_come = live && earlier(now->time_ms, now->come_ms) < at_ms;
    return (struct at_time){.first = {clock, clock->first < when.at ? clock->first : when.at},
                            .now = {clock, when.at},
                            .blind = clock->late || to_come,
                            .wild = clock->late && since_ms <= STORE_LIVE_MS};
}
