/* The worlds of the scars: how each reacts to what is done to it, and what damage is. A play runs
 * its world to its end and returns the damage, in the words of its row. It is played twice: on a
 * naive stage, where the guard is taken away, and under heal's policy. A play by hand has no naive
 * policy: nothing in a policy can get around that guard, so a loop in the play acts without it. */
#ifndef HEAL_TESTS_SCARS_PLAYS_H
#define HEAL_TESTS_SCARS_PLAYS_H

#include "tests/scars/stage.h"

typedef size_t play_f(struct stage *stage);

/* play_sight.c: what is seen is not so */
play_f play_missing_read_as_zero, play_half_read_inventory, play_idle_because_cut_off,
    play_one_bad_sample, play_empty_selector, play_condition_long_gone, play_assumed_success;
/* play_loop.c: what is done comes back */
play_f play_healing_spreads, play_runaway_scaling, play_flip_flop_failover, play_own_reboot,
    play_evict_reschedule_evict, play_flat_retry, play_shared_record;
/* play_wide.c: too much at once, and what a breaker must let through */
play_f play_slow_tier, play_several_domains, play_connection_surge, play_breaker;
/* play_actor.c: between engine and effect */
play_f play_stale_plan, play_in_doubt;
/* How many of 10 terminations, each asked for by an engine that lost its mind, a real actor starts
 * whose grant has a cap of one an hour. */
size_t actor_starts_under_cap(char *ret_refusal, size_t size);

#endif
