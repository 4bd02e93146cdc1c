/* The engine process: its state, shared by process_engine.c, engine_face.c and engine_metrics.c. */
#ifndef HEAL_RUNTIME_HEALD_PROCESS_ENGINE_H
#define HEAL_RUNTIME_HEALD_PROCESS_ENGINE_H

#include "runtime/api/control.h"
#include "runtime/heald/engine_compile.h"
#include "runtime/heald/engine_feed.h"
#include "runtime/heald/engine_program.h"
#include "runtime/heald/process.h"
#include "runtime/ingest/page.h"
#include "runtime/store/journal.h"
#include "runtime/store/memory.h"

enum { ENGINE_INPUTS_MAX = 4096, ENGINE_WHO_BYTES = 64, ENGINE_UNANSWERED_MAX = 256 };

/* An input that waits for the next step, with room for its words. */
struct waiting_input {
    struct input input;
    char who[ENGINE_WHO_BYTES], text[TEXT_BYTES], policy[NAME_BYTES];
};

/* How long it took from the end of a step until all its records were durable: a histogram. */
enum { COMMIT_BUCKETS = 10 };
extern const double commit_bounds_s[COMMIT_BUCKETS];
struct commit_times {
    uint64_t counts[COMMIT_BUCKETS + 1]; /* not cumulative; the last has no bound */
    struct duration sum, worst;
};

enum { METRICS_BYTES = 256 * 1024 }; /* of the page of metrics */

enum {
    ENGINE_EVENTS_BATCH = 256, /* that go into the journal in one commit */
    ENGINE_EVENTS_MAX = 4096   /* in one tick: ingest is not trusted with the disk */
};

/* A sum that may shrink when policies go, and what went. */
struct steady_count {
    uint64_t last, gone;
};

struct engine_process {
    const struct process_start *start;
    struct store *store;
    struct generation *generation;
    struct engine_compile compile;
    struct journal *journal;
    struct memory_db *memory;
    struct engine_feed feed;
    struct flight *flight; /* NULL: off */
    bool flight_told;      /* that it has ended */
    struct page *page;
    char *page_text; /* [METRICS_BYTES] where it is written before it is published */
    struct control *control;
    struct effects effects;
    struct waiting_input *inputs;
    size_t input_count;
    uint64_t unanswered[ENGINE_UNANSWERED_MAX]; /* ids of the ACTs of this life, without RESULT */
    size_t unanswered_count;
    uint32_t epoch;
    struct clock_ticks ticks;
    struct instant now; /* of the last tick */
    struct duration
        skew;          /* what is added to the clock, so that time never goes back in a journal */
    bool peer, failed; /* failed: the journal takes nothing more; the process must end */
    char stop_path[4096];
    char sandbox[SANDBOX_REPORT_BYTES];
    struct duration last_step_cpu; /* of the last tick */
    struct commit_times commits;
    struct record *events;           /* [ENGINE_EVENTS_BATCH] for the journal */
    size_t event_count, events_seen; /* seen: in this tick */
    uint64_t reloads, reload_failures, ticks_late;
    struct steady_count alert_failures, signal_failures, signals_refused, many_to_many;
};

struct waiting_input *engine_input_add(struct engine_process *process, enum input_kind kind,
                                       uint64_t id, const char *who, const char *text);
/* Swaps the program whole or not at all. */
NODISCARD enum status engine_reload(struct engine_process *process, struct error *error);
/* Writes or removes the STOP file, so that the actor sees it before anything else. */
NODISCARD enum status engine_stop(struct engine_process *process, bool stop, const char *who,
                                  const char *why, struct error *error);
/* Answers what came over the control socket. */
void engine_face_poll(struct engine_process *process);
/* Publishes readiness and metrics for the listener. */
void engine_face_publish(struct engine_process *process);

#endif
