/* Thousands of generations, one after the other: nothing grows, and no state is lost. */
#include <dirent.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/code.h"
#include "lang/check.h"
#include "runtime/heald/engine_code.h"
#include "runtime/heald/engine_program.h"
#include "runtime/heald/log.h"
#include "tests/unit.h"

enum {
    LOADS = 2400,
    WARM_UP = 400,
    ENTITIES = 70,
    INPUTS_MAX = 256,
    HEAP_SLACK_BYTES = 64 << 10 /* samples come and go */
};

#define HEAD                                         \
    "edition 1\nmetric up ratio by (w)\n"            \
    "metric x ratio by (w)\nmetric y ratio by (w)\n" \
    "pool ws(w) = up == 1\nchannel oncall = log\n"
#define POLICY(name, when)                          \
    "policy " name " for each w in ws every 1s {\n" \
    "  about \"" name "\"\n"                        \
    "  when " when " for 3s\n"                      \
    "  clear when x < 0.45 for 3s\n"                \
    "  on missing hold\n  escalate to oncall\n}\n"
/* Both have `shared`, whose truth hangs on means of all samples ever; the rest differs. */
#define SHARED POLICY("shared", "ewma(x, alpha: 0.05) > 0.55 and zscore(x, alpha: 0.02) < 3")
static const char text_a[] = HEAD SHARED;
static const char text_b[] = HEAD SHARED POLICY("second", "x - y > 0.2")
    POLICY("third", "ewma(x - y, alpha: 0.1) > 0.2 and x > 0.5");

static char folder[] = "/tmp/heal_reload_XXXXXX";
static struct trust_secret secret;

/* ---- bundles ---- */

static void path_write(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void add_objects(struct arena *arena, const struct program *program, struct bundle *bundle)
{
    struct error error;
    struct code_object *made;
    size_t count = 0;
    enum code_cpu cpu = (enum code_cpu)engine_code_level();
    assert_int_equal(code_compile(program, cpu, &made, &count, &error), STATUS_OK);
    assert_true(count > 0);
    bundle->objects = arena_alloc(arena, count * sizeof(*bundle->objects));
    bundle->object_count = count;
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = arena_alloc(arena, made[i].size);
        uint64_t *kernels = arena_alloc(arena, made[i].hash_count * sizeof(uint64_t));
        memcpy(bytes, made[i].bytes, made[i].size);
        memcpy(kernels, made[i].hashes, made[i].hash_count * sizeof(uint64_t));
        bundle->objects[i] = (struct bundle_object){.cpu = (enum bundle_cpu)cpu,
                                                    .abi = made[i].abi,
                                                    .kernels = kernels,
                                                    .kernel_count = made[i].hash_count,
                                                    .bytes = bytes,
                                                    .length = made[i].size};
    }
    code_objects_free(made, count);
}

/* A bundle of the text, with machine code when coded, as a signed file where a path is given. The
 * arena keeps what it names. */
static void bundle_make(const char *path, const char *text, bool coded, struct arena *keep,
                        struct bundle *bundle)
{
    struct error error;
    struct sources sources = {0};
    struct diag_list diags;
    struct parse_text source = {"a.heal", text, strlen(text)};
    uint8_t *bytes = NULL;
    size_t length = 0;
    char signature[TRUST_SIGNATURE_BYTES], beside[128];
    diag_list_init(&diags, keep, &sources);
    struct program *program = parse_program_texts(keep, &sources, &source, 1, &diags);
    bool good = diags.errors == 0 && check_program(program, &diags, &(struct check_options){0}) &&
                diags.errors == 0;
    if (!good) {
        diag_print(&diags, DIAG_FULL, false, stderr);
    }
    assert_true(good);
    *bundle = (struct bundle){.name = "a", .serial = 1, .source_count = 1};
    bundle->sources = arena_alloc(keep, sizeof(*bundle->sources));
    bundle->sources[0] =
        (struct bundle_source){.path = "a.heal", .text = text, .length = strlen(text)};
    bundle_describe(keep, program, bundle);
    if (coded) {
        add_objects(keep, program, bundle);
    }
    sources_release(&sources);
    if (path == NULL) {
        return;
    }
    assert_int_equal(bundle_write(bundle, &bytes, &length, &error), STATUS_OK);
    path_write(path, bytes, length);
    assert_int_equal(trust_sign(&secret, bytes, length, "test", signature, &error), STATUS_OK);
    snprintf(beside, sizeof(beside), "%s.minisig", path);
    path_write(beside, signature, strlen(signature));
    free(bytes);
}

/* ---- a heald without processes ---- */

struct play {
    struct config config;
    struct store *store;
    struct generation *generation;
    uint32_t source, up[ENTITIES], x[ENTITIES], y[ENTITIES];
    size_t step;
    struct effects effects;
    struct input inputs[INPUTS_MAX]; /* of the next step: what was told has arrived */
    size_t input_count;
    uint64_t digest; /* of all records of `shared` */
    size_t records;
};

static uint32_t series(struct play *play, const char *name, size_t entity)
{
    struct error error;
    char text[16];
    uint32_t id = 0;
    snprintf(text, sizeof text, "e%zu", entity);
    struct label label = {"w", text};
    assert_int_equal(store_series(play->store, play->source, name, &label, 1, &id, &error),
                     STATUS_OK);
    return id;
}

static void play_init(struct play *play, const char *bundle)
{
    struct error error = {""};
    struct config_report report = {0};
    char yaml[400];
    memset(play, 0, sizeof *play);
    int length = snprintf(yaml, sizeof yaml,
                          "state: %s\npolicies: %s/%s.healb\ntrusted_key: %s/k.pub\n"
                          "channels: {oncall: {log: {}}}\nhost: {enabled: false}\n",
                          folder, folder, bundle, folder);
    assert_true(config_parse("yaml", yaml, (size_t)length, &play->config, &report));
    play->store = store_new(&(struct store_limits){0});
    assert_int_equal(store_source(play->store, "one", duration_seconds(1), duration_seconds(5),
                                  &play->source, &error),
                     STATUS_OK);
    for (size_t i = 0; i < ENTITIES; i++) {
        play->up[i] = series(play, "up", i);
        play->x[i] = series(play, "x", i);
        play->y[i] = series(play, "y", i);
    }
    if (generation_load(&play->config, play->store, 1, 0, &play->generation, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
}

static void play_release(struct play *play)
{
    generation_free(play->generation);
    effects_release(&play->effects);
    store_free(play->store);
    config_release(&play->config);
}

static void play_load(struct play *play, const char *bundle)
{
    struct error error = {""};
    struct generation *next;
    snprintf(play->config.policies, strlen(play->config.policies) + 1, "%s/%s.healb", folder,
             bundle);
    assert_int_equal(
        generation_load(&play->config, play->store, 1, play->generation->serial, &next, &error),
        STATUS_OK);
    engine_adopt(next->engine, play->generation->engine);
    generation_free(play->generation);
    play->generation = next;
}

static void note(struct play *play, const struct record *record)
{
    if (strcmp(record->policy, "shared") != 0) {
        return;
    }
    play->records++;
    play->digest = play->digest * 1099511628211ULL + (uint64_t)record->kind;
    play->digest = play->digest * 1099511628211ULL + (uint64_t)record->time.ns;
    for (const char *p = record->target; *p; p++) {
        play->digest = play->digest * 1099511628211ULL + (uint8_t)*p;
    }
}

/* One second on: waves of another length and phase for each entity. */
static void play_step(struct play *play)
{
    struct instant now = {(1700000000LL + (int64_t)play->step++) * NS_PER_S};
    for (size_t i = 0; i < ENTITIES; i++) {
        double wave = sin((double)play->step / (5.0 + (double)i) + (double)i);
        (void)store_append(play->store, play->up[i], now, now, 1);
        (void)store_append(play->store, play->x[i], now, now, 0.5 + 0.3 * wave);
        (void)store_append(play->store, play->y[i], now, now, 0.5 - 0.2 * wave);
    }
    store_answered(play->store, play->source, now);
    store_expire(play->store, now);
    play->effects.count = 0;
    engine_step(play->generation->engine, now, play->inputs, play->input_count, &play->effects);
    play->input_count = 0;
    for (size_t i = 0; i < play->effects.count; i++) {
        const struct effect *effect = &play->effects.items[i];
        if (effect->kind == EFFECT_RECORD) {
            note(play, &effect->record);
        } else if (effect->kind == EFFECT_NOTIFY && play->input_count < INPUTS_MAX) {
            play->inputs[play->input_count++] = (struct input){
                .kind = INPUT_NOTIFIED, .id = effect->id, .delivered = true, .text = "told"};
        }
    }
}

static size_t operators_by_code(const struct play *play)
{
    return eval_code_nodes(engine_eval(play->generation->engine));
}

/* ---- what must not grow ---- */

struct usage {
    size_t heap_bytes, maps, fds;
};

static struct usage usage_now(void)
{
    struct usage usage = {.heap_bytes = mallinfo2().uordblks};
    FILE *file = fopen("/proc/self/maps", "r");
    DIR *dir = opendir("/proc/self/fd");
    assert_true(file != NULL && dir != NULL);
    for (int c; (c = fgetc(file)) != EOF;) {
        usage.maps += c == '\n';
    }
    while (readdir(dir) != NULL) {
        usage.fds++;
    }
    fclose(file);
    closedir(dir);
    return usage;
}

static void loads_by_the_thousand_grow_nothing_and_lose_no_state(void **state)
{
    (void)state;
    struct play play, control;
    struct usage before[2] = {{0}}, after;
    play_init(&play, "a");
    play_init(&control, "a_bare");
    for (size_t load = 0; load < LOADS; load++) {
        play_step(&play);
        play_step(&control);
        play_load(&play, load % 2 ? "a" : "b");
        if (load >= WARM_UP && load < WARM_UP + 2) {
            before[load % 2] = usage_now();
        }
    }
    after = usage_now();
    play_step(&play);
    play_step(&control);
    assert_true(play.generation->slab != NULL && operators_by_code(&play) > 0);
    assert_int_equal(operators_by_code(&control), 0);
    assert_true(play.records > 1000);
    assert_int_equal(play.records, control.records);
    assert_int_equal(play.digest, control.digest);
    const struct usage *then = &before[(LOADS - 1) % 2];
    assert_int_equal(after.fds, then->fds);
#ifndef __SANITIZE_ADDRESS__ /* it keeps what is freed */
    assert_int_equal(after.maps, then->maps);
    assert_in_range(after.heap_bytes, 0, then->heap_bytes + HEAP_SLACK_BYTES);
#endif
    play_release(&play);
    play_release(&control);
}

/* ---- code that comes to a running engine ---- */

static void code_taken_on_the_run_decides_the_same(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct bundle coded;
    struct error error = {""};
    struct play play, control;
    bundle_make(NULL, text_b, true, &arena, &coded);
    play_init(&play, "b_bare");
    play_init(&control, "b_bare");
    for (size_t step = 0; step < 600; step++) {
        if (step == 150) {
            assert_true(engine_lacks_code(play.generation->engine) > 0);
            assert_int_equal(
                engine_code_take(play.generation->engine, &coded, &play.generation->made, &error),
                STATUS_OK);
            assert_int_equal(engine_lacks_code(play.generation->engine), 0);
        }
        play_step(&play);
        play_step(&control);
        assert_true((operators_by_code(&play) > 0) == (step >= 150));
    }
    assert_true(play.records > 200);
    assert_int_equal(play.records, control.records);
    assert_int_equal(play.digest, control.digest);
    play_release(&play);
    play_release(&control);
    arena_release(&arena);
}

static void code_that_is_not_all_wanted_is_refused_whole(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct bundle coded;
    struct error error = {""};
    struct play play;
    bundle_make(NULL, text_b, true, &arena, &coded);
    play_init(&play, "a_bare"); /* wants only a part of it */
    size_t lacks = engine_lacks_code(play.generation->engine);
    assert_int_equal(
        engine_code_take(play.generation->engine, &coded, &play.generation->made, &error),
        STATUS_DENIED);
    assert_non_null(strstr(error.message, "nobody wants the kernel"));
    assert_null(play.generation->made);
    assert_int_equal(engine_lacks_code(play.generation->engine), lacks);
    play_step(&play);
    assert_int_equal(operators_by_code(&play), 0);
    coded.objects[0].abi++;
    assert_int_equal(
        engine_code_take(play.generation->engine, &coded, &play.generation->made, &error),
        STATUS_DENIED);
    play_release(&play);
    arena_release(&arena);
}

static int setup(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct bundle bundle;
    struct error error;
    char path[64];
    log_open("test", LOG_TEXT, LOG_ERROR);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/k.key", folder);
    assert_int_equal(trust_pair_make(path, &error), STATUS_OK);
    assert_int_equal(trust_secret_read(path, &secret, &error), STATUS_OK);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s%s.healb", folder, i < 2 ? "a" : "b",
                 i % 2 ? "_bare" : "");
        bundle_make(path, i < 2 ? text_a : text_b, i % 2 == 0, &arena, &bundle);
    }
    arena_release(&arena);
    return 0;
}

static int leave(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_by_the_thousand_grow_nothing_and_lose_no_state),
        cmocka_unit_test(code_taken_on_the_run_decides_the_same),
        cmocka_unit_test(code_that_is_not_all_wanted_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, setup, leave);
}
