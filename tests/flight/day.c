/* A day of a made-up fleet, recorded once and run again: by the reference evaluator twice, and by
 * machine code. Whoever runs it, whatever compiled it, it must give the same journal.
 *
 *     flight_day EXPECTED           make it, run it, compare all with the hash in the file
 *     flight_day EXPECTED FOLDER    the same with the recordings in FOLDER, which stay
 *
 * UPDATE=1 writes the file anew: where the language or what records say was changed on purpose. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "runtime/flight/folder.h"
#include "runtime/flight/replay.h"
#include "tests/flight/fleet.h"
#ifdef HEAL_CODE
#    include "compiler/code.h"
#    include "runtime/code/link.h"
#endif

enum { DAY_S = 86400, STEP_S = 15, PODS = 48, QUEUES = 8, SLABS_MAX = 64 };

static double cpu_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

_Noreturn static void fail(const char *what, const char *why)
{
    printf("FAILED: %s: %s\n", what, why);
    exit(1);
}

/* ---- the day ---- */

struct day {
    size_t lives, records, kinds[RECORD_KINDS];
    uint64_t reloads, steps, samples, bytes;
};

static struct day make(const char *folder)
{
    char *text = fleet_text(HEAL_ROOT "/tests/flight/fleet.heal");
    if (!text) {
        fail("the policies", "cannot be read");
    }
    struct fleet *fleet = fleet_new(&(struct fleet_options){.text = text,
                                                            .state = folder,
                                                            .seed = 20261128,
                                                            .pods = PODS,
                                                            .queues = QUEUES,
                                                            .step = duration_seconds(STEP_S),
                                                            .fault_of = 300,
                                                            .reload_of = 500,
                                                            .restart_of = 1000});
    struct day day = {0};
    for (int i = 0; i < DAY_S / STEP_S; i++) {
        fleet_step(fleet);
    }
    fleet_restart(fleet); /* so that the last life has its end */
    for (size_t i = 0; i + 1 < fleet->life_count; i++) {
        const struct flight_state *state = &fleet->lives[i].state;
        if (!state->on) {
            fail("a recording ended", state->why);
        }
        day.steps += state->steps;
        day.samples += state->samples;
        day.bytes += state->bytes;
    }
    for (size_t i = 0; i < fleet->record_count; i++) {
        day.kinds[fleet->records[i].kind]++;
    }
    day.lives = fleet->life_count - 1;
    day.reloads = fleet->reloads;
    day.records = fleet->record_count;
    fleet_free(fleet);
    free(text);
    return day;
}

/* Of all files, in the order of their names. */
static uint64_t hash_of_files(const char *state, struct flight_files *ret_files)
{
    struct error error;
    uint64_t hash = 0;
    int folder = -1;
    if (flight_folder_open(state, false, &folder, &error) != STATUS_OK ||
        flight_folder_list(folder, ret_files, &error) != STATUS_OK) {
        fail("the recordings", error.message);
    }
    for (size_t i = 0; i < ret_files->count; i++) {
        char name[FLIGHT_NAME_BYTES];
        const size_t length = ret_files->items[i].bytes;
        uint8_t *bytes = heap_alloc(length + 1);
        flight_file_name(&ret_files->items[i], name);
        const int fd = openat(folder, name, O_RDONLY);
        if (fd < 0 || read(fd, bytes, length + 1) != (ssize_t)length) {
            fail("a recording", "cannot be read");
        }
        close(fd);
        hash = XXH3_64bits_withSeed(bytes, length, hash);
        free(bytes);
    }
    close(folder);
    return hash;
}

/* ---- running it again ---- */

struct run {
    uint64_t hash, steps, records;
    size_t operators; /* with machine code, of the last program */
#ifdef HEAL_CODE
    struct slab *slabs[SLABS_MAX];
    size_t slab_count;
#endif
};

#ifdef HEAL_CODE
static void use_code(void *context, struct engine *engine)
{
    struct run *run = context;
    struct error error;
    struct code_object *objects;
    size_t count = 0;
    struct abi_plan *plan = eval_plan(engine_eval(engine));
    struct slab *slab = slab_new();
    if (run->slab_count == SLABS_MAX ||
        code_compile_plan(plan, &(struct code_options){.cpu = CODE_NATIVE}, &objects, &count,
                          &error) != STATUS_OK) {
        fail("machine code", error.message);
    }
    for (size_t i = 0; i < count; i++) {
        if (slab_add(slab, objects[i].bytes, objects[i].size, &error) != STATUS_OK) {
            fail("machine code", error.message);
        }
    }
    if (slab_link(slab, &error) != STATUS_OK) {
        fail("machine code", error.message);
    }
    for (size_t i = 0; i < slab_count(slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(slab, i, &hash, &size);
        run->operators += engine_use_code(engine, hash, kernel);
    }
    code_objects_free(objects, count);
    abi_plan_free(plan);
    run->slabs[run->slab_count++] = slab;
}
#endif

static struct run replay_day(const char *folder, const struct flight_files *files, size_t lives,
                             void (*engine)(void *, struct engine *))
{
    struct run run = {0};
    size_t done = 0;
    for (size_t i = 0; i < files->count && done < lives; i++) {
        struct error error;
        if (i > 0 && files->items[i].life_ms == files->items[i - 1].life_ms) {
            continue;
        }
        struct replay *replay =
            replay_new(&(struct replay_hooks){.context = &run, .engine = engine});
        if (replay_life(replay, folder, files->items[i].life_ms, &error) != STATUS_OK) {
            fail("a replay", error.message);
        }
        const struct replay_result result = replay_result(replay);
        replay_free(replay);
        if (result.end != REPLAY_WHOLE) {
            char why[200];
            snprintf(why, sizeof why,
                     "life %zu, step %" PRIu64 ": hash %016" PRIx64 " for %016" PRIx64, done,
                     result.steps, result.hash, result.recorded);
            fail("the run differs", why);
        }
        run.hash = XXH3_64bits_withSeed(&result.hash, sizeof result.hash, run.hash);
        run.steps += result.steps;
        run.records += result.records;
        done++;
    }
#ifdef HEAL_CODE
    for (size_t i = 0; i < run.slab_count; i++) {
        slab_free(run.slabs[i]);
    }
#endif
    return run;
}

/* ---- what is expected ---- */

static void compare(const char *path, const char *text)
{
    char kept[4096] = "";
    if (getenv("UPDATE")) {
        FILE *file = fopen(path, "w");
        if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
            fail(path, "cannot be written");
        }
    }
    FILE *file = fopen(path, "r");
    if (!file) {
        fail(path, "cannot be read");
    }
    kept[fread(kept, 1, sizeof kept - 1, file)] = '\0';
    fclose(file);
    if (strcmp(kept, text) != 0) {
        printf("expected\n%sgot\n%s", kept, text);
        fail("another day than the one that is expected", "UPDATE=1 if that is meant");
    }
}

static size_t print_day(const struct day *day, uint64_t hash, char *ret, size_t size)
{
    size_t used =
        (size_t)snprintf(ret, size,
                         "journal %016" PRIx64 "\nlives %zu\nreloads %" PRIu64 "\nsteps %" PRIu64
                         "\nsamples %" PRIu64 "\nrecords %zu\n",
                         hash, day->lives, day->reloads, day->steps, day->samples, day->records);
    for (size_t i = 0; i < RECORD_KINDS; i++) {
        if (day->kinds[i] > 0) {
            used += (size_t)snprintf(ret + used, size - used, "%s %zu\n", record_infos[i].text,
                                     day->kinds[i]);
        }
    }
    return used;
}

/* The sum of what must have happened for the day to mean something. */
static void check_day(const struct day *day)
{
    static const enum record_kind must[] = {
        RECORD_OPENED,    RECORD_CONCLUDED,  RECORD_REFUSED,    RECORD_ASKED,
        RECORD_APPROVED,  RECORD_DENIED,     RECORD_DISPATCHED, RECORD_DROPPED,
        RECORD_SUCCEEDED, RECORD_FAILED,     RECORD_TIMED_OUT,  RECORD_UNKNOWN,
        RECORD_VERIFIED,  RECORD_UNVERIFIED, RECORD_UNDONE,     RECORD_ESCALATED,
        RECORD_NOTIFIED,  RECORD_CLOSED,     RECORD_STOPPED,    RECORD_ACKNOWLEDGED,
        RECORD_DEMOTED,   RECORD_PROMOTED,   RECORD_RESUMED};
    for (size_t i = 0; i < ARRAY_LEN(must); i++) {
        if (day->kinds[must[i]] == 0) {
            fail("nothing of this kind happened", record_infos[must[i]].text);
        }
    }
    if (day->kinds[RECORD_OPENED] < 200 || day->lives < 2 || day->reloads < 2) {
        fail("the day", "too little happened");
    }
}

static void check_runs(const char *folder, const struct day *day, const char *expected)
{
    char text[4096];
    struct flight_files files;
    const uint64_t bytes = hash_of_files(folder, &files);
    const double before = cpu_s();
    const struct run first = replay_day(folder, &files, day->lives, NULL);
    const double took = cpu_s() - before;
    const struct run second = replay_day(folder, &files, day->lives, NULL);
    print_day(day, first.hash, text, sizeof text);
    printf("%srecordings %016" PRIx64 ", %" PRIu64 " bytes, %.2f a sample\n", text, bytes,
           day->bytes, (double)day->bytes / (double)day->samples);
    printf("reference: journal %016" PRIx64 ", again %016" PRIx64 ", %.2f s of CPU\n", first.hash,
           second.hash, took);
    if (first.hash != second.hash || first.steps != day->steps || first.records != day->records) {
        fail("the reference evaluator", "two runs differ");
    }
#ifdef HEAL_CODE
    const struct run code = replay_day(folder, &files, day->lives, use_code);
    printf("machine code: journal %016" PRIx64 ", %zu groups of operators\n", code.hash,
           code.operators);
    if (code.hash != first.hash || code.operators == 0) {
        fail("machine code", "another journal");
    }
#else
    printf("machine code: not in this build\n");
#endif
    compare(expected, text);
    flight_files_release(&files);
}

static void remove_all(const char *folder)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%.200s'", folder);
    if (system(command) != 0) {
        fail(folder, "cannot be removed");
    }
}

int main(int argc, char **argv)
{
    char first[] = "/tmp/heal_day_XXXXXX", second[] = "/tmp/heal_day_XXXXXX";
    if (argc < 2 || argc > 3 || !mkdtemp(first) || !mkdtemp(second)) {
        fprintf(stderr, "usage: flight_day EXPECTED [FOLDER]\n");
        return 2;
    }
    const char *folder = argc == 3 ? argv[2] : first;
    struct flight_files files, again;
    const struct day day = make(folder);
    (void)make(second);
    if (hash_of_files(folder, &files) != hash_of_files(second, &again)) {
        fail("a day that is made twice", "its recordings differ");
    }
    flight_files_release(&files);
    flight_files_release(&again);
    check_day(&day);
    check_runs(folder, &day, argv[1]);
    remove_all(first);
    remove_all(second);
    puts("the same day, run again: the same journal");
    return 0;
}
