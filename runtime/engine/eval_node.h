/* Nodes of the evaluator; only eval*.c include this.
 *
 * A node's slots (labels, index vectors, room) change in eval_slots.c, when a series was born or
 * died below it. Its values change at every tick in eval_run.c. eval_add.c makes nodes from
 * expressions. */
#ifndef HEAL_RUNTIME_ENGINE_EVAL_NODE_H
#define HEAL_RUNTIME_ENGINE_EVAL_NODE_H

#include "runtime/engine/column.h"
#include "runtime/engine/eval.h"
#include "runtime/engine/eval_record.h"
#include "runtime/engine/regex.h"
#include "runtime/engine/samples.h"
#include "stdlib/kernel.h"

enum {
    EVAL_DEPTH_MAX = 200,     /* of an expression with its signals */
    EVAL_NODES_MAX = 100000,  /* of one evaluator */
    EVAL_SLOTS_MAX = 4000000, /* of one node; more: all of it is unknown */
    EVAL_NAMES_MAX = 64,      /* labels of by, without, on, ignoring, group_left */
    EVAL_OPERANDS_MAX = 64    /* of a top-level or */
};

enum node_kind {
    NODE_NUMBER,
    NODE_TIME,
    NODE_SELECT,   /* newest samples of matching series */
    NODE_SAMPLED,  /* samples of in[0]: of its series (raw), or its value every `every` */
    NODE_PAST,     /* in[0] (SELECT or SAMPLED) at an offset */
    NODE_WINDOW,   /* window function over in[0] (SAMPLED); in[1] its scalar argument */
    NODE_FORECAST, /* over in[0] (SAMPLED) */
    NODE_REACHES,  /* in[0] FORECAST, in[1] threshold */
    NODE_BINARY,
    NODE_SET,
    NODE_AGGREGATE,
    NODE_RENAME, /* without the metric name; minus: negated */
    NODE_ABSENT,
    NODE_EWMA,
    NODE_MOMENTS, /* deviation of in[0] from its mean; the variance beside it */
    NODE_ZSCORE,  /* in[0] MOMENTS */
    NODE_ZSCORE_COMPARE,
    NODE_STEP /* reads in[0] at its turn and has no slots: eval_record.h */
};

struct node_matcher {
    const char *label, *value; /* interned */
    enum match_op op;
    struct regex *regex;
};

/* Names are interned by the store. */
struct node_parameters {
    double number; /* NUMBER, alpha, horizon in seconds */
    double bound;  /* the k of ZSCORE_COMPARE, the chance of REACHES */
    enum operator op;
    enum aggregate aggregate;
    enum kernel_window_kind window; /* WINDOW */
    struct duration range, offset, every;
    bool raw;                                     /* SAMPLED; ABSENT: of a selector */
    bool minus, return_bool, on, without, strict; /* strict: chance > bound */
    int group;                                    /* GROUP_* of struct matching */
    const char *names[EVAL_NAMES_MAX], *include[EVAL_NAMES_MAX];
    size_t name_count, include_count;
    const char *metric; /* SELECT: or NULL */
    uint32_t metric_id;
    uint32_t writes; /* SELECT: steps before it that write what it reads */
    struct node_matcher *matchers;
    size_t matcher_count;
};

/* Groups of slots of which at most one may be present: CSR, only groups of two or more. */
struct contention {
    uint32_t *slots, *starts;
    size_t group_count, slot_capacity, start_capacity;
};

/* Who computes a node at this tick: its own loop, its group's kernel, or the kernel of the group
 * whose root is another. */
enum node_run { RUN_REFERENCE, RUN_KERNEL, RUN_INSIDE };

/* State that survives a rebuild, a slot each; NULL where the kind has none. */
struct node_state {
    double *mean, *variance;
    uint8_t *history;
    uint64_t *begun;         /* EWMA: has a mean; MOMENTS: is ripe */
    struct samples *samples; /* SAMPLED, of all slots; NULL before the first */
    uint32_t *lane;          /* of each slot in samples */
    int8_t *side;
};

struct eval_node {
    struct eval *eval;
    size_t index; /* in eval->nodes */
    enum node_kind kind;
    uint64_t hash;
    struct span span; /* of the first expression that it came from; not in the hash */
    struct node_parameters p;
    struct eval_node *in[2];
    size_t in_count;

    size_t count, capacity;
    const struct label_set **labels;
    const char **names;
    bool any_name, blind, scalar, overflow;
    bool faulted; /* at this tick two slots here or below were one, of which one may be there */
    const double *values; /* own, or of the child or the store */
    double *own;
    uint64_t *present, *unknown;
    uint64_t generation, seen[2];
    bool built;

    uint32_t *left,
        *right; /* BINARY, REACHES: slot of each side; AGGREGATE, SET: group of a slot */
    bool left_same, right_same; /* index vectors are 0, 1, 2, ... over all of the child */
    size_t group_count;         /* SET */
    bool gathers;               /* SELECT: a step behind it writes what it reads */
    bool contiguous;            /* SELECT: series left[0], left[0] + 1, ... */
    int64_t *newest_ms;         /* SELECT: of each slot, when not contiguous */
    struct contention contention[2];
    struct node_state state;
    struct kernel_forecast *fits; /* FORECAST; freedom 0: none */
    double *chance;               /* REACHES */
    double *variance;             /* MOMENTS: before the newest sample */
    double *scratch[2];
    uint64_t *scratch_bits[2];
    struct samples_window *window; /* WINDOW: the samples' own; NULL before their first lane */
    bool lanes_same;               /* SAMPLED: slot i is lane i */
    struct kernel_sum *sums;       /* AGGREGATE */
    double *counts;
    struct instant sampled; /* SAMPLED */
    bool has_sampled;
    bool outside; /* eval_add() has given it away: its column is read by others than nodes */
    enum node_run run;
    struct node_code *code;
    eval_step_f *step; /* STEP */
    void *step_context;
};

struct override {
    const struct signal *signal;
    char *metric;
};

struct eval {
    struct store *store;
    struct eval_node **nodes;
    size_t node_count, node_capacity;
    struct eval_entities **entities;
    size_t entities_count, entities_capacity;
    struct eval_watch **watches;
    size_t watch_count, watch_capacity;
    struct eval_record **records; /* recorded signals */
    size_t record_count, record_capacity;
    struct write {        /* names that steps write */
        const char *name; /* interned */
        uint32_t steps;   /* that write it */
        size_t seen;      /* nodes before the last of them */
    } *writes;
    size_t write_count, write_capacity;
    uint32_t write_steps; /* of all names */
    struct override *overrides;
    size_t override_count, override_capacity;
    struct instant now;
    int64_t now_ms;
    bool warm, all_observed;
    bool *observed; /* [sources] */
    size_t observed_capacity;
    int64_t *times_ms; /* scratch of one window */
    double *samples;
    size_t scratch_capacity;
    uint64_t many_to_many;
    bool at_fault; /* this tick */
    struct eval_code *code;
    struct eval_timing *timing; /* NULL: nothing is timed */
};

/* eval_add.c */
const struct expr *strip_parens(const struct expr *expr);

/* eval_slots.c */
void node_slots(struct eval_node *node); /* brings the slots up to date */
void node_release(struct eval_node *node);
bool node_has_state(const struct eval_node *node);
/* Takes slots and state of another node as if they had always been this one's. */
void node_take(struct eval_node *node, struct eval_node *from);
/* Whether an index vector of count slots leads each to the child's slot of the same number. */
bool index_is_same(const uint32_t *index, size_t count, size_t child_count);
/* eval_run.c */
void node_run(struct eval_node *node);
void node_run_reference(struct eval_node *node); /* whoever should run it */
/* The window of a WINDOW node in the samples below it; NULL when they have no lane yet. */
struct samples_window *node_window(struct eval_node *node);
/* eval_code.c */
void code_decide(struct eval *eval); /* after the slots, before the nodes run */
/* Steps the window of a WINDOW node that runs on its kernel; it has lanes. */
void code_window(struct eval_node *node);
void code_run(struct eval_node *root);
void code_free(struct eval *eval);
uint64_t code_hash(const struct eval_node *root, uint32_t *ret_members);
/* eval_plan.c */
void node_text(const struct eval_node *node, char *ret, size_t size);
/* eval_time.c */
bool time_due(struct eval *eval);  /* whether this tick is timed */
void time_tick(struct eval *eval); /* node_run() of all nodes */
void time_free(struct eval *eval);
/* eval_record.c */
void step_run(struct eval_node *node);
void records_free(struct eval *eval);
/* The expression of the index-th recorded signal, when a selector of this metric (NULL: of any)
 * reads it; else NULL. */
const struct eval_node *record_reads(const struct eval *eval, size_t index, const char *metric,
                                     struct duration *ret_every);
void records_adopt(struct eval *now, struct eval *before);
/* eval_entity.c */
void entities_tick(struct eval_entities *entities);
void entities_free(struct eval_entities *entities);
void entities_adopt(struct eval_entities *now, struct eval_entities *before);
bool entities_same(const struct eval_entities *a, const struct eval_entities *b);
void watch_tick(struct eval_watch *watch);
void watch_free(struct eval_watch *watch);

#endif
