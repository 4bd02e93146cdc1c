/* What is recorded is run again bit for bit, and what is not as it was is told, whatever it is. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/flight/folder.h"
#include "runtime/flight/replay.h"
#include "tests/flight/fleet.h"
#include "tests/unit.h"

static char state_path[64];
static char *policies;

static int setup(void **state)
{
    (void)state;
    snprintf(state_path, sizeof state_path, "/tmp/heal_flight_XXXXXX");
    policies = fleet_text(HEAL_ROOT "/tests/flight/fleet.heal");
    return policies && mkdtemp(state_path) ? 0 : -1;
}

static int leave(void **state)
{
    char command[128];
    (void)state;
    free(policies);
    snprintf(command, sizeof command, "rm -rf %s", state_path);
    return system(command);
}

static void clear(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s/flight", state_path);
    assert_int_equal(system(command), 0);
}

static struct fleet_options small(uint64_t seed)
{
    return (struct fleet_options){.text = policies,
                                  .state = state_path,
                                  .seed = seed,
                                  .pods = 12,
                                  .queues = 3,
                                  .step = duration_seconds(15),
                                  .fault_of = 150};
}

/* ---- whole lives ---- */

struct comparing {
    const struct fleet *fleet;
    size_t at;
    uint64_t steps;
};

static bool compare_step(void *context, struct instant now, const struct effects *effects,
                         bool same)
{
    struct comparing *comparing = context;
    (void)now;
    assert_true(same);
    comparing->steps++;
    for (size_t i = 0; i < effects->count; i++) {
        if (effects->items[i].kind == EFFECT_RECORD) {
            assert_null(flight_record_difference(&effects->items[i].record,
                                                 &comparing->fleet->records[comparing->at++]));
        }
    }
    return true;
}

static void replay_all(const struct fleet *fleet, uint64_t *steps)
{
    for (size_t i = 0; i < fleet->life_count; i++) {
        const struct fleet_life *life = &fleet->lives[i];
        struct error error = {""};
        struct comparing comparing = {.fleet = fleet, .at = life->first};
        const struct replay_hooks hooks = {.context = &comparing, .step = compare_step};
        struct replay *replay = replay_new(&hooks);
        if (replay_life(replay, state_path, life->ms, &error) != STATUS_OK) {
            fail_msg("%s", error.message);
        }
        const struct replay_result result = replay_result(replay);
        const struct flight_state state =
            i + 1 < fleet->life_count ? life->state : flight_state(fleet->flight);
        assert_int_equal(result.end, i + 1 < fleet->life_count ? REPLAY_WHOLE : REPLAY_OPEN);
        assert_int_equal(result.hash, state.hash);
        assert_int_equal(result.steps, state.steps);
        assert_int_equal(result.samples, state.samples);
        assert_int_equal(result.epoch, life->epoch);
        assert_int_equal(result.restored, life->first);
        assert_int_equal(comparing.at, i + 1 < fleet->life_count ? fleet->lives[i + 1].first
                                                                 : fleet->record_count);
        *steps += comparing.steps;
        replay_free(replay);
    }
}

static void random_worlds_are_run_again_bit_for_bit(void **state)
{
    (void)state;
    uint64_t steps = 0, records = 0, lives = 0, reloads = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct fleet_options options = small(seed);
        options.reload_of = 120;
        options.restart_of = 300;
        options.step = duration_seconds(seed % 2 ? 15 : 5);
        struct fleet *fleet = fleet_new(&options);
        for (int i = 0; i < 900; i++) {
            fleet_step(fleet);
        }
        replay_all(fleet, &steps);
        records += fleet->record_count;
        lives += fleet->life_count;
        reloads += fleet->reloads;
        fleet_free(fleet);
        clear();
    }
    assert_int_equal(steps, 6 * 900);
    assert_true(records > 1000 && lives > 12 && reloads > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_worlds_are_run_again_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, setup, leave);
}
