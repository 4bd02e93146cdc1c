/* last_over_time, irate, idelta, count_over_time, present_over_time, changes and resets: what the
 * newest samples, or pairs of neighbours, say. */
#include "stdlib/window_walk.h"

/* ---- the newest two ---- */

struct pairing {
    real last, before;
    whole last_ms, before_ms;
};

static inline void pair_enter(void *state, const struct walk *w, mask m, whole t)
{
    struct pairing *p = state;
    p->before = real_pick(m, p->last, p->before);
    p->before_ms = whole_pick(m, p->last_ms, p->before_ms);
    p->last = real_pick(m, walk_values(w, w->past, m), p->last);
    p->last_ms = whole_pick(m, t, p->last_ms);
}

static inline void nothing_leaves(void *state, const struct walk *w, mask m, mask rest,
                                  whole second)
{
    (void)state;
    (void)w;
    (void)m;
    (void)rest;
    (void)second;
}

enum pair_of { PAIR_LAST, PAIR_DELTA, PAIR_RATE };

/* A counter that fell restarted from 0. */
LANE_INLINE real pair_result(const struct pairing *p, enum pair_of what)
{
    real growth = p->last - p->before;
    switch (what) {
    case PAIR_LAST: return p->last;
    case PAIR_DELTA: return growth;
    case PAIR_RATE: break;
    }
    growth = real_pick(real_less(p->last, p->before), p->last, growth);
    return growth / ((real_whole(p->last_ms) - real_whole(p->before_ms)) / real_of(1e3));
}

LANE_INLINE uint64_t pair_step(const struct kernel_tile *tile, struct window_pair *state,
                               int64_t start_ms, int64_t end_ms, enum pair_of what, double *ret)
{
    uint64_t present = 0;
    for (int lane = 0; lane < TILE_LANES; lane += LANES) {
        if (walk_is_dead(tile, lane)) {
            continue;
        }
        struct window_pair_group *g = &state->groups[lane / TILE_GROUP];
        const int in = lane % TILE_GROUP;
        struct walk w = walk_load(tile, &g->cursor, lane, start_ms, end_ms);
        struct pairing p = {real_load(g->last + in), real_load(g->before + in),
                            whole_load(g->last_ms + in), whole_load(g->before_ms + in)};
        walk_step(&w, pair_enter, nothing_leaves, &p);
        if (w.moved) {
            walk_store(&w, &g->cursor);
            real_store(g->last + in, p.last);
            real_store(g->before + in, p.before);
            whole_store(g->last_ms + in, p.last_ms);
            whole_store(g->before_ms + in, p.before_ms);
        }
        real_store(ret + lane, pair_result(&p, what));
        present |= group_bits(whole_greater(w.count, whole_of(what == PAIR_LAST ? 0 : 1)), lane);
    }
    return present;
}

uint64_t kernel_window_last_over_time(const struct kernel_tile *tile, void *state, int64_t start_ms,
                                      int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return pair_step(tile, state, start_ms, end_ms, PAIR_LAST, ret);
}

uint64_t kernel_window_idelta(const struct kernel_tile *tile, void *state, int64_t start_ms,
                              int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return pair_step(tile, state, start_ms, end_ms, PAIR_DELTA, ret);
}

uint64_t kernel_window_irate(const struct kernel_tile *tile, void *state, int64_t start_ms,
                             int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return pair_step(tile, state, start_ms, end_ms, PAIR_RATE, ret);
}

/* ---- how many ---- */

static inline void nothing_enters(void *state, const struct walk *w, mask m, whole t)
{
    (void)state;
    (void)w;
    (void)m;
    (void)t;
}

LANE_INLINE uint64_t count_step(const struct kernel_tile *tile, struct window_count *state,
                                int64_t start_ms, int64_t end_ms, bool one, double *ret)
{
    uint64_t present = 0;
    for (int lane = 0; lane < TILE_LANES; lane += LANES) {
        if (walk_is_dead(tile, lane)) {
            continue;
        }
        struct window_cursor *cursor = &state->groups[lane / TILE_GROUP].cursor;
        struct walk w = walk_load(tile, cursor, lane, start_ms, end_ms);
        walk_step(&w, nothing_enters, nothing_leaves, NULL);
        if (w.moved) {
            walk_store(&w, cursor);
        }
        real_store(ret + lane, one ? real_of(1) : real_whole(w.count));
        present |= group_bits(whole_greater(w.count, whole_of(0)), lane);
    }
    return present;
}

uint64_t kernel_window_count_over_time(const struct kernel_tile *tile, void *state,
                                       int64_t start_ms, int64_t end_ms, double argument,
                                       double *ret)
{
    (void)argument;
    return count_step(tile, state, start_ms, end_ms, false, ret);
}

uint64_t kernel_window_present_over_time(const struct kernel_tile *tile, void *state,
                                         int64_t start_ms, int64_t end_ms, double argument,
                                         double *ret)
{
    (void)argument;
    return count_step(tile, state, start_ms, end_ms, true, ret);
}

/* ---- turns ---- */

struct turning {
    real first, last;
    whole turns;
    bool only_falls;
};

LANE_INLINE mask is_turn(const struct turning *t, real from, real to)
{
    mask both_odd = ~real_equal(from, from) & ~real_equal(to, to);
    return t->only_falls ? real_less(to, from) : ~real_equal(from, to) & ~both_odd;
}

static inline void turns_enter(void *state, const struct walk *w, mask m, whole t)
{
    struct turning *s = state;
    real value = walk_values(w, w->past, m);
    mask some = whole_greater(w->count, whole_of(0));
    (void)t;
    s->turns -= m & some & is_turn(s, s->last, value);
    s->first = real_pick(m & ~some, value, s->first);
    s->last = real_pick(m, value, s->last);
}

static inline void turns_leave(void *state, const struct walk *w, mask m, mask rest, whole second)
{
    struct turning *s = state;
    real value = mask_any(rest) ? walk_values(w, second, rest) : s->first;
    (void)m;
    s->turns += rest & is_turn(s, s->first, value);
    s->first = real_pick(rest, value, s->first);
}

LANE_INLINE uint64_t turns_step(const struct kernel_tile *tile, struct window_turns *state,
                                int64_t start_ms, int64_t end_ms, bool only_falls, double *ret)
{
    uint64_t present = 0;
    for (int lane = 0; lane < TILE_LANES; lane += LANES) {
        if (walk_is_dead(tile, lane)) {
            continue;
        }
        struct window_turns_group *g = &state->groups[lane / TILE_GROUP];
        const int in = lane % TILE_GROUP;
        struct walk w = walk_load(tile, &g->cursor, lane, start_ms, end_ms);
        struct turning t = {real_load(g->first + in), real_load(g->last + in),
                            whole_load(g->turns + in), only_falls};
        walk_step(&w, turns_enter, turns_leave, &t);
        if (w.moved) {
            walk_store(&w, &g->cursor);
            real_store(g->first + in, t.first);
            real_store(g->last + in, t.last);
            whole_store(g->turns + in, t.turns);
        }
        real_store(ret + lane, real_whole(t.turns));
        present |= group_bits(whole_greater(w.count, whole_of(0)), lane);
    }
    return present;
}

uint64_t kernel_window_changes(const struct kernel_tile *tile, void *state, int64_t start_ms,
                               int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return turns_step(tile, state, start_ms, end_ms, false, ret);
}

uint64_t kernel_window_resets(const struct kernel_tile *tile, void *state, int64_t start_ms,
                              int64_t end_ms, double argument, double *ret)
{
    (void)argument;
    return turns_step(tile, state, start_ms, end_ms, true, ret);
}
