/* A made-up fleet with faults of its own, its heald and its hands: pods that leak or answer with
 * errors, queues that stop, sources that fall silent; actions that help, fail or never end; people
 * who approve, deny, stop and start; reloads and restarts. All of it from one seed, in whole
 * numbers and exact steps, so that it is the same whatever compiled it.
 *
 *     struct fleet *fleet = fleet_new(&options);
 *     for (...) { fleet_step(fleet); }
 *     ... fleet->records, fleet->lives ...
 *     fleet_free(fleet);
 *
 * What its engine is fed is recorded in options.state, one recording a life. */
#ifndef HEAL_TESTS_FLIGHT_FLEET_H
#define HEAL_TESTS_FLIGHT_FLEET_H

#include "runtime/flight/flight.h"

enum { FLEET_LIVES_MAX = 64, FLEET_PODS_MAX = 64, FLEET_QUEUES_MAX = 16, FLEET_NAMES = 4 };

struct fleet_options {
    const char *text;  /* of the policies */
    const char *state; /* folder of the recordings; NULL: none */
    uint64_t seed;
    size_t pods, queues;
    struct duration step;
    unsigned fault_of;   /* one of so many pods and steps gets a fault */
    unsigned reload_of;  /* one of so many steps has a reload; 0: none */
    unsigned restart_of; /* the same for kill -9; 0: none */
    uint64_t bytes_max;  /* of recordings; 0: 1 GiB */
    uint64_t segment_bytes;
    bool plain; /* recordings are not compressed */
};

struct fleet_pod {
    uint32_t series[6]; /* ready, memory, limit, good and bad answers, CPU */
    int64_t memory, leak, good, bad, cpu_ms, bad_of; /* bad_of: of 1000 answers; leak: a step */
    unsigned name; /* it is replaced now and then, under another of FLEET_NAMES */
    bool ready;
};
struct fleet_queue {
    uint32_t series[3]; /* consumers, acknowledged, ready */
    int64_t acked, ready;
    bool stuck;
    uint64_t gone_until; /* step: its series have ended until then */
};
struct fleet_answer { /* that comes later */
    struct input input;
    uint64_t step;
    char text[32];
};
struct fleet_program {
    struct arena arena;
    struct sources sources;
    struct program *program;
    struct engine_host host;
    struct engine *engine;
};

struct fleet {
    struct fleet_options options;
    uint64_t random;
    struct fleet_program *program;
    struct store *store;
    struct flight *flight;
    struct engine_grant grants[8];
    char *targets[FLEET_PODS_MAX * FLEET_NAMES + FLEET_QUEUES_MAX + 1];
    size_t target_count;
    struct fleet_pod pods[FLEET_PODS_MAX];
    struct fleet_queue queues[FLEET_QUEUES_MAX];
    uint32_t sources[8];
    bool broken[8];      /* the last answer of the source was */
    uint64_t life_steps; /* of the life at hand */
    struct fleet_answer *answers;
    size_t answer_count, answer_capacity;
    struct instant now;
    uint64_t steps, reloads;
    uint32_t epoch;
    bool other; /* the text of the program is the other one */
    struct effects effects;
    struct record *records; /* of all lives */
    size_t record_count, record_capacity;
    struct fleet_life {
        int64_t ms;
        uint32_t epoch;
        size_t first;              /* record */
        struct flight_state state; /* at its end */
    } lives[FLEET_LIVES_MAX];
    size_t life_count;
};

struct fleet *fleet_new(const struct fleet_options *options);
void fleet_step(struct fleet *fleet);
/* A new engine from the records, one epoch on, as after kill -9. */
void fleet_restart(struct fleet *fleet);
/* Another program, and back again. */
void fleet_reload(struct fleet *fleet);
void fleet_free(struct fleet *fleet);

/* All of a file; the caller frees it. NULL when it cannot be read. */
char *fleet_text(const char *path);

#endif
