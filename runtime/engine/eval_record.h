/* Steps within a tick, and series that heal itself writes.
 *
 * A step runs at its turn: behind all nodes that were added before it, before all that are added
 * after it. What it writes into the store is seen by selectors that were added after it at the same
 * tick, by those before it at the next one.
 *
 *     eval_writes(eval, "job:errors:rate5m");      // from here on selectors are other nodes
 *     eval_step_add(eval, child, step, context, error);
 *
 *     recorder_add(recorder, series, value);       // in the step: all of this evaluation
 *     recorder_end(recorder, now)                  // written; what was there before is stale now
 *
 * A recorded signal of a program is such a step, made by eval_record_add(). */
#ifndef HEAL_RUNTIME_ENGINE_EVAL_RECORD_H
#define HEAL_RUNTIME_ENGINE_EVAL_RECORD_H

#include "runtime/engine/eval.h"

#define RECORD_SOURCE "heald" /* the source of all that heal writes */

/* ---- steps ---- */

typedef void eval_step_f(void *context, struct instant now);
/* child: what the step reads, of eval_add(). The context must live as long as eval. */
NODISCARD enum status eval_step_add(struct eval *eval, struct eval_node *child, eval_step_f *step,
                                    void *context, struct error *error);
/* A step that is added next writes series of this name. */
void eval_writes(struct eval *eval, const char *name);
/* How many steps so far write series of this name; NULL: of any name. */
uint32_t eval_write_count(const struct eval *eval, const char *name);
/* Some selector may read series of this name. */
bool eval_reads(const struct eval *eval, const char *name);
/* The evaluation of something below the node failed at this tick, as Prometheus would say: its
 * result is nothing, not the absence of series. */
bool eval_faulted(const struct eval_node *node);
/* A new number when the slots of the node are others. */
uint64_t eval_generation(const struct eval_node *node);

/* ---- what a step writes ---- */

struct recorder {
    struct store *store;
    uint32_t source;
    struct written {
        uint32_t series;
        double value;
    } *now;           /* of the evaluation at hand */
    uint32_t *before; /* series of the last one; held */
    size_t now_count, now_capacity, before_count, before_capacity;
    uint64_t *marks; /* bit a series: is in now; all clear between two evaluations */
    size_t mark_words;
};

NODISCARD enum status recorder_init(struct recorder *recorder, struct store *store,
                                    struct error *error);
void recorder_release(struct recorder *recorder);
/* False when the store refuses the series: another source gives it, or there are too many. */
bool recorder_series(struct recorder *recorder, const char *name, const struct label *labels,
                     size_t count, uint32_t *ret_series);
void recorder_add(struct recorder *recorder, uint32_t series, double value);
/* Appends what was added at now, and ends what was there at the last evaluation and is not now.
 * False when a series was added twice: the evaluation failed, and nothing is written or ended. */
NODISCARD bool recorder_end(struct recorder *recorder, struct instant now);
/* Takes over what `from` has written. */
void recorder_adopt(struct recorder *recorder, struct recorder *from);
/* Nobody writes these series any more: they end at now. */
void recorder_retire(struct recorder *recorder, struct instant now);

/* ---- recorded signals ---- */

NODISCARD enum status eval_record_add(struct eval *eval, const struct recorded *recorded,
                                      struct duration every, struct error *error);
struct eval_record_view {
    const char *name;
    size_t series;     /* written at the last evaluation */
    uint64_t failures; /* evaluations that gave two series of the same labels, or had no result */
    uint64_t refused;  /* series that the store did not take, summed over evaluations */
};
size_t eval_record_count(const struct eval *eval);
struct eval_record_view eval_record(const struct eval *eval, size_t index);

#endif
