/* A stage: a world of tests/engine whose series, sources and targets the scar names itself, and
 * that reacts to acts. A scar is played twice on it, once by each of its two policies.
 *
 *     const size_t source = stage_source(stage, "exporter");
 *     const size_t cpu = stage_series(stage, source, "cpu", "node=n0");
 *     stage_target(stage, "node=n0");
 *     while (stage_seconds(stage) < 60) {
 *         stage->series[cpu].value = 0.95;
 *         const size_t acts = stage_step(stage);     the acts are the last ones of stage->acts
 *     } */
#ifndef HEAL_TESTS_SCARS_STAGE_H
#define HEAL_TESTS_SCARS_STAGE_H

#include "tests/engine/world.h"

enum {
    STAGE_SERIES_MAX = 512,
    STAGE_SOURCES_MAX = 256,
    STAGE_TARGETS_MAX = 256,
    STAGE_ACTIONS_MAX = 8,
    STAGE_ACTS_MAX = 8192,
    STAGE_PENDING_MAX = 512
};

struct stage_act {
    char action[NAME_BYTES], target[TARGET_BYTES];
    double number; /* its first, 0 without one */
    bool undo;
    uint64_t id;
};

struct stage {
    struct world world;
    bool naive; /* the policy without its guard */
    struct {
        uint32_t id;
        size_t source;
        double value; /* NAN: the source answers without it */
    } series[STAGE_SERIES_MAX];
    size_t series_count;
    struct {
        uint32_t id;
        bool silent;
    } sources[STAGE_SOURCES_MAX];
    size_t source_count;
    char target_texts[STAGE_TARGETS_MAX][64];
    const char *targets[STAGE_TARGETS_MAX];
    size_t target_count;
    struct engine_grant grants[STAGE_ACTIONS_MAX]; /* every action on every target, unattended */
    struct stage_act acts[STAGE_ACTS_MAX];
    size_t act_count;
    bool mute; /* acts are not answered; else each succeeds one second later */
    struct input pending[STAGE_PENDING_MAX];
    size_t pending_count;
    struct instant began;
    bool failed;           /* the world did not come to what its scar needs */
    char said[TEXT_BYTES]; /* by something else than the engine: why it refuses */
};

/* The program of a file, path from the root of the repository; fails the test when it has an error.
 * The engine acts under the program's own guards, in mode act. */
void stage_init(struct stage *stage, const char *path, bool naive);
void stage_release(struct stage *stage);
/* A source of its own name, asked each second. */
size_t stage_source(struct stage *stage, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A series with labels such as "node=n0,zone=a"; its value is 0. */
size_t stage_series(struct stage *stage, size_t source, const char *metric, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void stage_target(struct stage *stage, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An input beside the answers, at the next step. */
void stage_input(struct stage *stage, struct input input);
/* One second on. Returns how many acts were sent; undos are among them. */
size_t stage_step(struct stage *stage);
/* Not true: the scar is not refused, whatever its damage. */
void stage_expect(struct stage *stage, bool fact);
double stage_seconds(const struct stage *stage); /* since the stage began */
/* The number at the end of a target's text: 7 of "node=n7". */
size_t stage_number(const struct stage_act *act);
/* The last record whose text holds these words, of `refused` before other kinds; NULL without one.
 */
const struct record *stage_record(const struct stage *stage, const char *words);

#endif
