/* The reference evaluator: checked expressions over columns.
 *
 * An expression becomes nodes, equal nodes once (hash-consed). Each node has a column: one slot a
 * label set, a double and a presence bit a slot, and an unknown bit a slot (law 4: what was not
 * observed). Slots are rebuilt only when a series is born or dies; a tick is arithmetic over the
 * columns.
 *
 *     struct eval *eval = eval_new(store);
 *     struct eval_node *node = eval_add(eval, expr, error);
 *     eval_tick(eval, now);
 *     struct eval_column c = eval_column(node);
 *
 * now must not go backwards. */
#ifndef HEAL_RUNTIME_ENGINE_EVAL_H
#define HEAL_RUNTIME_ENGINE_EVAL_H

#include "lang/ast.h"
#include "runtime/abi.h"
#include "runtime/engine/series.h"

struct eval;
struct eval_node;

struct eval *eval_new(struct store *store);
void eval_free(struct eval *eval);

/* The expression must be checked. every: the tick of the policy it belongs to, how often its
 * signals are sampled. Signals (bare words with selector.signal set) become nodes of their own,
 * whose samples `used[30m]` ranges over. NULL with error set when something is not in this version.
 * The nodes live until eval_free; operator state is kept per (node, label set). */
struct eval_node *eval_add(struct eval *eval, const struct expr *expr, struct duration every,
                           struct error *error);

/* The same for a reader that does not ask for the names of metrics. */
struct eval_node *eval_add_unnamed(struct eval *eval, const struct expr *expr,
                                   struct duration every, struct error *error);

/* What `@ start()` and `@ end()` mean in expressions added afterwards; without it both are the
 * tick's own time, as in rules. */
void eval_bounds(struct eval *eval, struct instant start, struct instant end);

/* Evaluates every node at now. */
void eval_tick(struct eval *eval, struct instant now);

/* How an instant query lists the slots: sort(), sort_desc(), and topk() and bottomk() where they
 * stand alone. */
enum eval_order { EVAL_UNORDERED, EVAL_UPWARDS, EVAL_DOWNWARDS };
struct eval_column {
    size_t count;                    /* slots */
    const struct label_set **labels; /* [count] */
    const char *const *names;        /* [count] metric name or NULL; NULL when no slot has one */
    const double *values;            /* [count] */
    const uint64_t *present;         /* bit a slot */
    const uint64_t *unknown;         /* bit a slot */
    bool blind; /* nothing this node reads was ever observed: no slot can be relied on, nor an
                   absence */
    bool scalar;
    enum eval_order order;
};
/* Valid until the next tick; values may already be newer ones after samples were appended. */
struct eval_column eval_column(const struct eval_node *node);

/* Of an expression that is a range alone (x[5m]), as an instant query gives it: the samples of a
 * slot that is present, oldest first, valid until the next call. Its column has the newest ones. */
size_t eval_range_read(const struct eval_node *node, size_t slot, const int64_t **ret_times_ms,
                       const double **ret_values);

/* Identity of operator, parameters and inputs: the same in every process. */
uint64_t eval_node_hash(const struct eval_node *node);
/* Takes over the operator state and entity slots of an earlier evaluator of the same store, where
 * node or pool are the same, matched by labels. Call before the first tick of `now`; afterwards
 * `before` can only be freed. */
void eval_adopt(struct eval *now, struct eval *before);
/* For tests of policies: from now on the signal reads the newest samples of a metric instead of
 * its expression. Call before the eval_add() that uses it. */
void eval_override(struct eval *eval, const struct signal *signal, const char *metric_name);

/* The entities of a pool: one slot a distinct tuple of key labels. A slot stays the entity's until
 * it has been gone for an hour; then it is used again. pool NULL: one entity without labels. */
struct eval_entities;
struct eval_entities *eval_entities_new(struct eval *eval, const struct pool *pool,
                                        struct duration every, struct error *error);
/* One entity that is always there, with this label alone. Lives until eval_free. */
struct eval_entities *eval_entities_one(struct eval *eval, const char *label, const char *value);
size_t eval_entities_count(const struct eval_entities *entities); /* slots, live or not */
const uint64_t *eval_entities_live(const struct eval_entities *entities);
/* Slots taken over by another entity since the tick before: their state elsewhere must be dropped.
 */
const uint64_t *eval_entities_reused(const struct eval_entities *entities);
/* Labels of the slot: exactly the pool's keys. */
const struct label_set *eval_entities_labels(const struct eval_entities *entities, size_t slot);
/* True when the inventory was completely observed at this tick. */
bool eval_entities_complete(const struct eval_entities *entities);
/* Largest number of live entities in a complete inventory of the last hour (0 before the first),
 * and of this tick. */
size_t eval_entities_largest(const struct eval_entities *entities);
size_t eval_entities_live_count(const struct eval_entities *entities);

/* A condition read per entity. Labels of the condition's column are matched to the entity by those
 * of the entity's keys that the column carries; a column without labels holds for all. Several
 * column slots for one entity: true if any is true, unknown if any is unknown. */
struct eval_watch;
struct eval_watch *eval_watch_new(struct eval *eval, struct eval_entities *entities,
                                  const struct expr *expr, struct duration every,
                                  struct error *error);
/* Bit an entity slot, valid until the next tick. A bit in unknown wins over one in yes. For a
 * top-level `or` a true operand decides although the other is unknown: then the bit is in yes and
 * not in unknown. */
const uint64_t *eval_watch_yes(const struct eval_watch *watch);
const uint64_t *eval_watch_unknown(const struct eval_watch *watch);
/* The value behind the entity's truth, for explanations; false when there is none. */
bool eval_watch_value(const struct eval_watch *watch, size_t slot, double *ret_value);
/* The value of the entity where all that decides it is observed and exactly one series has it; of
 * the operands of a top-level `or` the first that has one. */
bool eval_watch_single(const struct eval_watch *watch, size_t slot, double *ret_value);
/* The chance behind a watch whose operand is `forecast(...) reaches ...`; false when there is none.
 */
bool eval_watch_chance(const struct eval_watch *watch, size_t slot, double *ret_chance);
/* At this tick several series matched where one may, in what the watch reads. */
bool eval_watch_faulted(const struct eval_watch *watch);
/* The oldest time of which a sample may have gone into the entity's truth at this tick: of the
 * series that are not plainly another entity's, the newest sample, or the begin of the range they
 * are read over. verify needs all of it newer than the end of the action. A mean that never forgets
 * (ewma, zscore) counts by its newest sample. The tick's time when there are none. */
struct instant eval_watch_oldest_sample(const struct eval_watch *watch, size_t slot);

/* Machine code. Every operator is added first; a later eval_add() forgets the kernels. The plan is
 * the caller's, for abi_plan_free(). */
struct abi_plan *eval_plan(const struct eval *eval);
/* From the next tick on the kernel computes the group of this hash, wherever its slots allow it;
 * NULL gives the group back to the reference evaluator. False when no group has the hash. The
 * kernel must stay mapped until then. */
bool eval_use_code(struct eval *eval, uint64_t hash, abi_kernel_f *kernel);
bool eval_wants_code(struct eval *eval, uint64_t hash); /* whether a group has the hash, or a
                                                          window may */
size_t eval_lacks_code(struct eval *eval);              /* groups without a kernel */
/* Nodes that ran in kernels at the last tick. */
size_t eval_code_nodes(const struct eval *eval);

/* Where the time goes: one tick in EVAL_TIMES_EVERY asks the clock after each operator, the others
 * pay one branch. No result depends on it. The clock is the shell's: the time since whenever, which
 * never goes back. Call eval_time() when every operator is added; clock NULL: no more. */
enum { EVAL_TIMES_EVERY = 64, EVAL_COSTS_MAX = 32 };
typedef struct duration eval_clock_f(void *ctx);
void eval_time(struct eval *eval, eval_clock_f *clock, void *ctx);
/* An operator, or the operators of a kernel; over all ticks that were timed. */
struct eval_cost {
    uint64_t hash; /* of the kernel's group, or of the operator */
    bool code;     /* a kernel; else the reference evaluator */
    struct duration time;
    uint64_t runs, slots; /* slots summed over the runs */
    uint32_t members;     /* operators of the kernel; 1 */
    struct span span;     /* of the kernel's last operator */
    char text[ABI_TEXT_BYTES];
};
struct eval_costs {
    uint64_t ticks;                         /* that were timed */
    struct eval_cost items[EVAL_COSTS_MAX]; /* those that took longest, the longest first */
    size_t count;
    struct duration other; /* what all others took */
};
/* Anew after each tick that was timed. */
const struct eval_costs *eval_costs(const struct eval *eval);

struct eval_stats {
    size_t nodes, slots, bytes;
    uint64_t many_to_many; /* groups found ambiguous in the data, and counts to choose that are no
                              number, summed over ticks */
};
struct eval_stats eval_stats(const struct eval *eval);

#endif
