/* What is recorded is run again bit for bit, and what is not as it was is told, whatever it is. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

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

/* ---- samples ---- */

static uint64_t seed = 88172645463325252ULL;

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static double random_value(double before)
{
    static const uint64_t odd[] = {0x7ff0000000000002ULL, 0x7ff8000000000001ULL,
                                   0x8000000000000000ULL, 0x7ff0000000000000ULL,
                                   0xfff0000000000000ULL, 1};
    uint64_t bits = random_bits();
    double value;
    switch (bits % 9) {
    case 0: return before;
    case 1: return before + (double)(bits >> 40 & 255);
    case 2: return before - 15;
    case 3: return (double)(int64_t)(bits >> 11) / 1000;
    case 4: return (double)(bits >> 50) / 1000;
    case 5: return (double)(int64_t)bits;
    case 6: bits = odd[bits >> 8 & 3 ? bits >> 16 & 1 : (bits >> 20) % 6]; break;
    default: break;
    }
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void any_samples_come_back_as_they_were(void **state)
{
    (void)state;
    enum { ROUNDS = 400, MOST = 300, IDS = 200 };
    static struct store_point items[MOST], got[POINTS_MAX];
    static double last[IDS];
    struct points put = {0}, take = {0};
    for (int round = 0; round < ROUNDS; round++) {
        struct wire_out out = {0};
        const size_t count = random_bits() % MOST;
        for (size_t i = 0; i < count; i++) {
            const uint32_t id = (uint32_t)(random_bits() % 8 ? i % IDS : random_bits() % IDS);
            last[id] = random_value(last[id]);
            items[i] = (struct store_point){
                id, random_bits() % 9 ? 0 : (int32_t)(random_bits() >> 32), last[id]};
        }
        points_put(&put, &out, items, count);
        struct wire_in in = {out.bytes, out.bytes + out.length, false};
        assert_int_equal(points_take(&take, &in, got), count);
        assert_true(!in.bad && in.at == in.end);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(got[i].series, items[i].series);
            assert_int_equal(got[i].ms, items[i].ms);
            assert_memory_equal(&got[i].value, &items[i].value, sizeof(double));
        }
        wire_release(&out);
    }
    points_release(&put);
    points_release(&take);
}

/* ---- one life, as bytes ---- */

enum { LIFE_STEPS = 240 };

struct bytes {
    uint8_t *at;
    size_t length;
    struct fleet_life life;
    uint64_t hashes[LIFE_STEPS + 1]; /* of all effects, by steps */
};

static void read_life(const struct fleet_life *life, uint32_t segment, struct bytes *ret)
{
    char name[FLIGHT_NAME_BYTES], path[256];
    flight_file_name(&(struct flight_file){life->ms, segment, 0}, name);
    snprintf(path, sizeof path, "%s/flight/%s", state_path, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    ret->at = heap_alloc(1 << 22);
    ret->length = fread(ret->at, 1, 1 << 22, file);
    fclose(file);
}

static void make_life(struct bytes *ret)
{
    struct fleet_options options = small(7);
    options.fault_of = 60;
    options.reload_of = 90;
    struct fleet *fleet = fleet_new(&options);
    memset(ret, 0, sizeof *ret);
    for (int i = 1; i <= LIFE_STEPS; i++) {
        fleet_step(fleet);
        ret->hashes[i] = flight_state(fleet->flight).hash;
    }
    assert_true(fleet->record_count > 100 && fleet->reloads > 0);
    ret->life = fleet->lives[0];
    fleet_free(fleet);
    read_life(&ret->life, 0, ret);
    clear();
}

static enum status replay_of(const struct bytes *bytes, struct replay_result *ret,
                             struct error *error)
{
    struct replay *replay = replay_new(NULL);
    enum status status = replay_bytes(replay, bytes->at, bytes->length, error);
    *ret = replay_result(replay);
    replay_free(replay);
    return status;
}

static void a_flipped_bit_anywhere_is_told_with_its_place(void **state)
{
    (void)state;
    struct bytes bytes;
    struct replay_result result;
    struct error error;
    make_life(&bytes);
    assert_int_equal(replay_of(&bytes, &result, &error), STATUS_OK);
    assert_true(result.end == REPLAY_WHOLE && result.steps == LIFE_STEPS);
    for (size_t at = 0; at < bytes.length; at += at < 300 ? 1 : 1 + bytes.length / 47) {
        const uint8_t bit = (uint8_t)(1 << random_bits() % 8);
        bytes.at[at] ^= bit;
        error.message[0] = '\0';
        assert_int_equal(replay_of(&bytes, &result, &error), STATUS_PROTOCOL);
        assert_non_null(strstr(error.message, "at byte "));
        assert_true(result.hash == bytes.hashes[result.steps]);
        bytes.at[at] ^= bit;
    }
    free(bytes.at);
}

static void what_is_cut_off_or_empty_is_run_up_to_the_last_whole_step(void **state)
{
    (void)state;
    struct bytes bytes, part;
    struct replay_result result;
    struct error error;
    uint64_t most = 0;
    make_life(&bytes);
    for (size_t length = 0; length < bytes.length; length += 1 + random_bits() % 5000) {
        part = bytes;
        part.length = length;
        assert_int_equal(replay_of(&part, &result, &error), STATUS_OK);
        assert_true(result.end == REPLAY_CUT || result.end == REPLAY_OPEN);
        assert_true(result.steps >= most && result.steps <= LIFE_STEPS);
        assert_true(result.hash == bytes.hashes[result.steps]);
        most = result.steps;
        /* The same after a loss of power: what was not written yet is zero. */
        if (length < FLIGHT_MAGIC_BYTES) {
            continue;
        }
        uint8_t *tail = bytes.at + length;
        const size_t zeros = bytes.length - length < 5000 ? bytes.length - length : 5000;
        uint8_t kept[5000];
        memcpy(kept, tail, zeros);
        memset(tail, 0, zeros);
        part.length = length + zeros;
        enum status status = replay_of(&part, &result, &error);
        assert_true(status == STATUS_OK || strstr(error.message, "damaged"));
        assert_true(result.steps >= most); /* what was cut off may have been zero itself */
        assert_true(result.hash == bytes.hashes[result.steps]);
        memcpy(tail, kept, zeros);
    }
    assert_true(most > LIFE_STEPS / 2);
    free(bytes.at);
}

/* ---- files that somebody made ---- */

static uint32_t number32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put32(uint8_t *at, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(number >> 8 * i);
    }
}

/* Makes all checksums right. */
static void seal(struct bytes *bytes)
{
    uint64_t checksum = 0;
    for (size_t at = FLIGHT_MAGIC_BYTES; at + FLIGHT_FRAME_HEAD_BYTES <= bytes->length;) {
        uint8_t *head = bytes->at + at;
        const size_t stored = number32(head);
        put32(head + 8, (uint32_t)XXH3_64bits_withSeed(head, 8, checksum));
        checksum = XXH3_64bits_withSeed(head + FLIGHT_FRAME_HEAD_BYTES, stored, checksum);
        put32(head + 12, (uint32_t)checksum);
        put32(head + 16, (uint32_t)(checksum >> 32));
        at += FLIGHT_FRAME_HEAD_BYTES + stored;
    }
}

/* The place of the n-th frame whose content begins with the event; 0 when there are fewer. */
static size_t frame_of(const struct bytes *bytes, enum flight_kind kind, size_t n)
{
    for (size_t at = FLIGHT_MAGIC_BYTES; at + FLIGHT_FRAME_HEAD_BYTES < bytes->length;
         at += FLIGHT_FRAME_HEAD_BYTES + number32(bytes->at + at)) {
        if (bytes->at[at + FLIGHT_FRAME_HEAD_BYTES] == kind && n-- == 0) {
            return at;
        }
    }
    return 0;
}

static void a_step_that_gave_something_else_is_the_first_difference(void **state)
{
    (void)state;
    struct bytes bytes;
    struct replay_result result;
    struct error error;
    make_life(&bytes);
    const size_t at = frame_of(&bytes, FLIGHT_GAVE, 20);
    assert_true(at > 0);
    bytes.at[at + FLIGHT_FRAME_HEAD_BYTES + number32(bytes.at + at) - 1] ^= 1;
    seal(&bytes);
    assert_int_equal(replay_of(&bytes, &result, &error), STATUS_OK);
    assert_int_equal(result.end, REPLAY_DIFFERS);
    assert_true(result.steps > 20 && result.steps < LIFE_STEPS);
    assert_int_equal(result.hash ^ result.recorded, 1ULL << 56);
    assert_int_equal(result.given_records, result.recorded_records);
    free(bytes.at);
}

static void a_file_with_right_checksums_and_wrong_content_does_no_harm(void **state)
{
    (void)state;
    struct bytes bytes, forged;
    struct replay_result result;
    struct error error;
    size_t told = 0, other = 0;
    make_life(&bytes);
    forged = bytes;
    forged.at = heap_alloc(bytes.length);
    for (int i = 0; i < 100; i++) {
        memcpy(forged.at, bytes.at, bytes.length);
        for (uint64_t changes = 1 + random_bits() % 3; changes > 0; changes--) {
            const size_t at =
                frame_of(&bytes, random_bits() % 4 ? FLIGHT_NOW : FLIGHT_GAVE, random_bits() % 30);
            const size_t length = number32(forged.at + at);
            forged.at[at + FLIGHT_FRAME_HEAD_BYTES + random_bits() % length] =
                (uint8_t)random_bits();
        }
        seal(&forged);
        told += replay_of(&forged, &result, &error) != STATUS_OK;
        other += result.end == REPLAY_DIFFERS;
    }
    assert_true(told > 10 && other > 10);
    free(forged.at);
    free(bytes.at);
}

/* ---- limits and a world that fails ---- */

static uint64_t bytes_on_disk(size_t *ret_files)
{
    struct error error;
    struct flight_files files;
    uint64_t bytes = 0;
    int folder;
    assert_int_equal(flight_folder_open(state_path, false, &folder, &error), STATUS_OK);
    assert_int_equal(flight_folder_list(folder, &files, &error), STATUS_OK);
    for (size_t i = 0; i < files.count; i++) {
        bytes += files.items[i].bytes;
    }
    *ret_files = files.count;
    flight_files_release(&files);
    close(folder);
    return bytes;
}

static struct replay_result replay_life_of(const struct fleet_life *life, enum status want,
                                           struct error *error)
{
    struct replay *replay = replay_new(NULL);
    assert_int_equal(replay_life(replay, state_path, life->ms, error), want);
    const struct replay_result result = replay_result(replay);
    replay_free(replay);
    return result;
}

static void the_limit_ends_the_recording_and_the_oldest_lives_go_first(void **state)
{
    (void)state;
    struct error error;
    struct fleet_options options = small(3);
    size_t files = 0;
    options.bytes_max = 60000;
    struct fleet *fleet = fleet_new(&options);
    for (int i = 1; i <= 300; i++) {
        fleet_step(fleet);
        assert_true(bytes_on_disk(&files) <= options.bytes_max);
        if (i % 50 == 0) {
            fleet_restart(fleet);
        }
    }
    assert_true(files >= 2 && files < fleet->life_count); /* the first ones have gone */
    replay_life_of(&fleet->lives[0], STATUS_NOT_FOUND, &error);
    struct replay_result result =
        replay_life_of(&fleet->lives[fleet->life_count - 2], STATUS_OK, &error);
    assert_true(result.end == REPLAY_WHOLE && result.steps == 50);
    for (int i = 0; i < 600; i++) {
        fleet_step(fleet);
    }
    const struct flight_state end = flight_state(fleet->flight);
    assert_true(!end.on && strstr(end.why, "limit"));
    assert_true(bytes_on_disk(&files) <= options.bytes_max && files == 1);
    result = replay_life_of(&fleet->lives[fleet->life_count - 1], STATUS_OK, &error);
    assert_int_equal(result.end, REPLAY_ENDED);
    assert_true(result.steps > 50 && result.steps < 600 && strstr(result.why, "limit"));
    assert_int_equal(result.hash, result.recorded);
    fleet_free(fleet);
    clear();
}

static void a_file_that_cannot_be_written_ends_the_recording_and_nothing_else(void **state)
{
    (void)state;
    struct rlimit old, less;
    struct error error;
    struct fleet_options options = small(3), unrecorded;
    getrlimit(RLIMIT_FSIZE, &old);
    less = old;
    less.rlim_cur = 50000;
    signal(SIGXFSZ, SIG_IGN);
    unrecorded = options;
    unrecorded.state = NULL;
    struct fleet *fleet = fleet_new(&options), *other = fleet_new(&unrecorded);
    for (int i = 0; i < 300; i++) {
        setrlimit(RLIMIT_FSIZE, &less);
        fleet_step(fleet);
        setrlimit(RLIMIT_FSIZE, &old);
        fleet_step(other);
    }
    const struct flight_state end = flight_state(fleet->flight);
    assert_true(!end.on && strstr(end.why, "cannot be written"));
    assert_int_equal(fleet->record_count, other->record_count);
    for (size_t i = 0; i < fleet->record_count; i++) {
        assert_null(flight_record_difference(&fleet->records[i], &other->records[i]));
    }
    const struct replay_result result = replay_life_of(&fleet->lives[0], STATUS_OK, &error);
    assert_int_equal(result.end, REPLAY_OPEN); /* no half of a frame is left */
    assert_true(result.steps > 20 && result.steps < 300);
    fleet_free(fleet);
    fleet_free(other);
    clear();
}

static void a_disk_that_has_little_room_is_left_to_the_journal(void **state)
{
    (void)state;
    struct flight *flight = flight_open(&(struct flight_options){.state = state_path,
                                                                 .bytes_max = 1 << 20,
                                                                 .disk_free_min = 1ULL << 62},
                                        (struct instant){NS_PER_S}, 1);
    assert_true(!flight_state(flight).on && strstr(flight_state(flight).why, "the disk has"));
    flight_close(flight);
    assert_true(!flight_state(NULL).on);
    clear();
}

static void a_life_of_many_segments_is_run_whole_and_a_missing_one_is_told(void **state)
{
    (void)state;
    struct error error;
    struct fleet_options options = small(5);
    char path[256], name[FLIGHT_NAME_BYTES];
    size_t files = 0;
    options.segment_bytes = 8000;
    struct fleet *fleet = fleet_new(&options);
    for (int i = 0; i < LIFE_STEPS; i++) {
        fleet_step(fleet);
    }
    const struct flight_state end = flight_state(fleet->flight);
    const struct fleet_life life = fleet->lives[0];
    fleet_free(fleet);
    (void)bytes_on_disk(&files);
    assert_true(files > 5);
    struct replay_result result = replay_life_of(&life, STATUS_OK, &error);
    assert_true(result.end == REPLAY_WHOLE && result.hash == end.hash);
    for (uint32_t gone = 3;; gone = 0) {
        flight_file_name(&(struct flight_file){life.ms, gone, 0}, name);
        snprintf(path, sizeof path, "%s/flight/%s", state_path, name);
        assert_int_equal(unlink(path), 0);
        (void)replay_life_of(&life, STATUS_PROTOCOL, &error);
        assert_non_null(strstr(error.message, "missing"));
        if (gone == 0) {
            break;
        }
    }
    clear();
}

static void two_lives_that_begin_at_once_are_two_recordings(void **state)
{
    (void)state;
    size_t files = 0;
    const struct flight_options options = {.state = state_path, .bytes_max = 1 << 20};
    struct flight *first = flight_open(&options, (struct instant){NS_PER_S}, 1);
    struct flight *second = flight_open(&options, (struct instant){NS_PER_S}, 1);
    assert_true(flight_state(first).on && flight_state(second).on);
    flight_close(first);
    flight_close(second);
    (void)bytes_on_disk(&files);
    assert_int_equal(files, 2);
    clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_samples_come_back_as_they_were),
        cmocka_unit_test(random_worlds_are_run_again_bit_for_bit),
        cmocka_unit_test(a_flipped_bit_anywhere_is_told_with_its_place),
        cmocka_unit_test(what_is_cut_off_or_empty_is_run_up_to_the_last_whole_step),
        cmocka_unit_test(a_step_that_gave_something_else_is_the_first_difference),
        cmocka_unit_test(a_file_with_right_checksums_and_wrong_content_does_no_harm),
        cmocka_unit_test(the_limit_ends_the_recording_and_the_oldest_lives_go_first),
        cmocka_unit_test(a_file_that_cannot_be_written_ends_the_recording_and_nothing_else),
        cmocka_unit_test(a_disk_that_has_little_room_is_left_to_the_journal),
        cmocka_unit_test(a_life_of_many_segments_is_run_whole_and_a_missing_one_is_told),
        cmocka_unit_test(two_lives_that_begin_at_once_are_two_recordings),
    };
    return cmocka_run_group_tests(tests, setup, leave);
}
