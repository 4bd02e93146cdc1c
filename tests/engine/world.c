/* A small world for tests of the engine. */
#include "tests/engine/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lang/check.h"
#include "lang/parser.h"
#include "tests/unit.h"

static void world_parse(struct world *world, const char *text)
{
    char path[] = "/tmp/heal-world-XXXXXX.heal";
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    char *paths[] = {path};
    diag_list_init(&world->diags, &world->arena, &world->sources);
    world->program = parse_program(&world->arena, &world->sources, paths, 1, &world->diags);
    bool ok = world->diags.errors == 0 &&
              check_program(world->program, &world->diags, &(struct check_options){0});
    unlink(path);
    if (!ok) {
        diag_print(&world->diags, DIAG_FULL, false, stderr);
    }
    assert_true(ok);
}

static void world_feed_series(struct world *world, size_t i)
{
    struct error error;
    char source[16], name[16];
    snprintf(source, sizeof source, "s%zu", i);
    snprintf(name, sizeof name, "e%zu", i);
    struct label label = {"w", name};
    assert_int_equal(store_source(world->store, source, duration_seconds(1), duration_seconds(1),
                                  &world->sources_of[i], &error),
                     STATUS_OK);
    assert_int_equal(
        store_series(world->store, world->sources_of[i], "up", &label, 1, &world->up[i], &error),
        STATUS_OK);
    assert_int_equal(
        store_series(world->store, world->sources_of[i], "x", &label, 1, &world->x[i], &error),
        STATUS_OK);
    snprintf(world->target_texts[i], sizeof world->target_texts[i], "w=e%zu", i);
    world->targets[i] = world->target_texts[i];
}

void world_init(struct world *world, const char *text, size_t entities)
{
    struct error error = {""};
    memset(world, 0, sizeof *world);
    world_parse(world, text);
    world->records = heap_alloc(WORLD_RECORDS_MAX * sizeof *world->records);
    world->store = store_new(&(struct store_limits){0});
    world->entities = entities;
    for (size_t i = 0; i < entities; i++) {
        world_feed_series(world, i);
    }
    world->grant = (struct engine_grant){"fix", world->targets, entities, true};
    world->host = (struct engine_host){
        .grants = &world->grant,
        .grant_count = 1,
        .default_mode = MODE_ACT,
        .guarded = true,
        .tick = duration_seconds(1),
        .epoch = 1,
    };
    world->now = (struct instant){1700000000LL * NS_PER_S};
    world->engine = engine_new(world->program, world->store, &world->host, &error);
    assert_non_null(world->engine);
}

void world_release(struct world *world)
{
    engine_free(world->engine);
    effects_release(&world->effects);
    store_free(world->store);
    sources_release(&world->sources);
    arena_release(&world->arena);
    free(world->records);
}

void world_step(struct world *world, const double *x, const bool *unseen,
                const struct input *inputs, size_t input_count)
{
    world->now = instant_add(world->now, duration_seconds(1));
    for (size_t i = 0; i < world->entities; i++) {
        if (unseen && unseen[i]) {
            store_failed(world->store, world->sources_of[i], world->now);
            continue;
        }
        (void)store_append(world->store, world->up[i], world->now, world->now, 1);
        (void)store_append(world->store, world->x[i], world->now, world->now, x[i]);
        store_answered(world->store, world->sources_of[i], world->now);
    }
    world->effects.count = 0;
    engine_step(world->engine, world->now, inputs, input_count, &world->effects);
    for (size_t i = 0; i < world->effects.count; i++) {
        if (world->effects.items[i].kind == EFFECT_RECORD) {
            assert_true(world->record_count < WORLD_RECORDS_MAX);
            world->effects.items[i].record.sequence = world->record_count + 1;
            world->records[world->record_count++] = world->effects.items[i].record;
        }
    }
}

void world_restart(struct world *world)
{
    struct error error = {""};
    engine_free(world->engine);
    world->host.epoch++;
    world->engine = engine_new(world->program, world->store, &world->host, &error);
    assert_non_null(world->engine);
    for (size_t i = 0; i < world->record_count; i++) {
        engine_restore(world->engine, &world->records[i]);
    }
}

void world_reload(struct world *world)
{
    struct error error = {""};
    struct engine *before = world->engine;
    world->engine = engine_new(world->program, world->store, &world->host, &error);
    assert_non_null(world->engine);
    engine_adopt(world->engine, before);
    engine_free(before);
}

size_t world_count(const struct world *world, enum record_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < world->record_count; i++) {
        count += world->records[i].kind == kind;
    }
    return count;
}

const struct effect *world_effect(const struct world *world, enum effect_kind kind)
{
    for (size_t i = 0; i < world->effects.count; i++) {
        if (world->effects.items[i].kind == kind) {
            return &world->effects.items[i];
        }
    }
    return NULL;
}
