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
#include "stdlib/math.h"

enum {
    EVAL_DEPTH_MAX = 200,     /* of an expression with its signals */
    EVAL_NODES_MAX = 100000,  /* of one evaluator */
    EVAL_SLOTS_MAX = 4000000, /* of one node; more: all of it is unknown */
    EVAL_INPUTS_MAX = 3,
    EVAL_NAMES_MAX = 64,   /* labels of by, without, on, ignoring, group_left, label_join */
    EVAL_OPERANDS_MAX = 64 /* of a top-level or */
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
    NODE_AGGREGATE,    /* of in[0]; in[1] the parameter of quantile */
    NODE_PICK,         /* topk, bottomk: the best in[1] of in[0] in each group */
    NODE_COUNT_VALUES, /* its slots change with the values of in[0] */
    NODE_RENAME,       /* without the metric name; minus: negated, and the name goes at the end;
                          together: with the name, slots of the same labels as one */
    NODE_END,          /* in[0] without the names that go at the end of an expression */
    NODE_ABSENT,
    NODE_MATH,      /* a function of one value at a time; in[1], in[2] its scalars */
    NODE_SCALAR,    /* scalar(in[0]) */
    NODE_VECTOR,    /* vector(in[0]) */
    NODE_TIMESTAMP, /* of the newest samples of in[0] (SELECT or PAST), else the tick's */
    NODE_SORT,      /* in[0]; eval_order() has its order */
    NODE_LABELS,    /* label_replace, label_join */
    NODE_HISTOGRAM, /* quantile or fraction of classic buckets in[0]; in[1], in[2] its scalars */
    NODE_AT,        /* sub->node, at one time */
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
    enum kernel_window_kind window;  /* WINDOW */
    enum kernel_math math;           /* MATH */
    bool fraction, join, descending; /* HISTOGRAM; LABELS: label_join; SORT */
    const char *text[3]; /* LABELS: destination, replacement or separator, source; COUNT_VALUES:
                            label */
    struct regex *regex; /* LABELS */
    int64_t sub_ms;      /* SAMPLED: step of a subquery's grid, 0: none; AT: the time */
    struct duration range, offset, every;
    bool raw;      /* SAMPLED; ABSENT, TIMESTAMP: of a selector */
    bool together; /* RENAME: names stay, equal slots become one */
    bool lasting;  /* COUNT_VALUES: values that are gone have a slot for `range` */
    bool minus, return_bool, on, without, strict; /* strict: chance > bound */
    int group;                                    /* GROUP_* of struct matching */
    const char *names[EVAL_NAMES_MAX], *include[EVAL_NAMES_MAX];
    size_t name_count, include_count;
    const char *metric; /* SELECT: or NULL */
    uint32_t metric_id;
    uint32_t writes; /* SELECT: steps before it that write what it reads; with a sub: all before */
    struct node_matcher *matchers;
    size_t matcher_count;
};

/* Groups of slots of which at most one may be present: CSR, only groups of two or more. */
struct contention {
    uint32_t *slots, *starts;
    size_t group_count, slot_capacity, start_capacity;
};

/* Slots of a child by group: CSR over all groups. */
struct membership {
    uint32_t *slots, *starts;
    size_t slot_capacity, start_capacity;
};

/* Who computes a node at this tick: its own loop, its group's kernel, or the kernel of the group
 * whose root is another. */
enum node_run { RUN_REFERENCE, RUN_KERNEL, RUN_INSIDE };

/* What a tick may have changed of a node's values and bits: blocks of 64 slots. A block that is not
 * fresh is as the tick before left it, and so are its slots. */
enum fresh { FRESH_NONE, FRESH_SOME, FRESH_ALL };

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
    struct eval_node *in[EVAL_INPUTS_MAX];
    size_t in_count;
    struct eval_sub *sub; /* SAMPLED of a subquery, AT: where `foreign` is evaluated */
    struct eval_node *foreign;

    size_t count, capacity;
    const struct label_set **labels;
    const char **names;
    uint8_t *drops; /* the name goes at the end of the expression */
    bool any_name, any_drop, blind, scalar, overflow;
    bool faulted;     /* at this tick two slots here or below were one, of which one may be there */
    enum fresh fresh; /* at this tick */
    uint64_t *fresh_blocks; /* FRESH_SOME: a bit a block */
    uint64_t ran;           /* the generation that last ran; 0: none */
    enum node_run ran_by;
    bool settled;      /* all of what it has follows from what it read, slot by slot */
    uint64_t heard;    /* SELECT, WINDOW: what its unknown bits stand for: eval->silence */
    uint64_t looked;   /* SELECT: at the store; see store_look() */
    int64_t *until_ms; /* SELECT: of each block, before which its presence stays the same */
    uint32_t *reads, *reads_from; /* SELECT, not contiguous: blocks of series of each block */
    uint64_t reads_of;            /* the generation that these are of */
    const double *values;         /* own, or of the child or the store */
    double *own;
    uint64_t *present, *unknown;
    uint64_t generation, seen[EVAL_INPUTS_MAX];
    bool built;
    bool unique; /* no two slots can have the same labels */
    /* Slots whose labels changed since the generation before; of an older one all may have. */
    uint32_t *changed;
    size_t changed_count, changed_capacity;
    bool patched;            /* generation - 1 led to generation by `changed` alone */
    uint64_t shape;          /* counts changes of the count and of index vectors */
    struct table slot_table; /* SELECT: slots by series; AGGREGATE: groups by key */
    struct table dead_table; /* SELECT: by labels, slots whose label set has no series */
    uint32_t *free_slots;    /* that may be given to other label sets */
    size_t free_count, free_capacity;
    uint32_t *group_size; /* AGGREGATE: slots of the child in each group */
    size_t child_count;   /* AGGREGATE: slots that the child had */

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
    struct samples_watch watch;    /* WINDOW that runs: what its only reader looks for */
    bool lanes_same;               /* SAMPLED: slot i is lane i */
    struct kernel_sum *sums;       /* AGGREGATE */
    double *counts;
    struct membership members; /* AGGREGATE quantile, PICK, HISTOGRAM, COUNT_VALUES: of in[0] */
    double *bounds;            /* HISTOGRAM: of each of the members */
    struct counting *counting; /* COUNT_VALUES */
    double *order;             /* scratch for the members of the largest group, twice */
    struct instant sampled;    /* SAMPLED */
    bool has_sampled;
    bool kept;    /* AT: the evaluator before had it */
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
    struct table by_hash; /* of nodes that expressions made */
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
    bool begun; /* it has a time: it was ticked */
    bool warm, all_observed;
    bool *observed;   /* [sources] */
    uint64_t silence; /* which sources do not answer, and since when; 0: all do */
    size_t observed_capacity;
    int64_t *times_ms; /* scratch of one window */
    double *samples;
    size_t scratch_capacity;
    uint64_t many_to_many;
    struct eval *root; /* itself, or the evaluator it is a subquery's of */
    struct eval_sub **subs;
    size_t sub_count, sub_capacity;
    int64_t come_ms;  /* behind an `@`: how late it is really; else INT64_MAX */
    bool is_at;       /* it, or one around it, is of one time */
    int64_t gap_ms;   /* between its ticks: the step of a grid; 0: it ticks as samples come */
    int64_t reach_ms; /* of what reads this evaluator: kept besides by the store */
    size_t early;     /* nodes before this one run before the slots of the others */
    size_t watched;   /* nodes that watches_find() has seen */
    bool has_bounds;  /* of @ start() and @ end(); else both are the tick */
    int64_t start_ms, end_ms;
    struct eval_code *code;
    struct eval_timing *timing; /* NULL: nothing is timed */
};

/* eval_add.c */
const struct expr *strip_parens(const struct expr *expr);

/* eval_shape.c */
bool node_is_scalar(const struct eval_node *node); /* one value without labels */
/* Several slots may have the same labels, were it not for the metric's name: at most one of them is
 * present. */
bool node_may_repeat(const struct eval_node *node);
/* Some slot may have a name that goes at the end of the expression. */
bool node_may_drop(const struct eval_node *node);
/* eval_slots.c */
/* A slot more; false when there are too many. drop: the name goes at the end. */
bool node_add(struct eval_node *node, const struct label_set *labels, const char *name, bool drop);
/* The child's slots, with its names or without; drop: all names go at the end. */
void copy_slots(struct eval_node *node, const struct eval_node *child, bool names, bool drop);
/* Another label set in a slot that is there. */
void node_set(struct eval_node *node, size_t slot, const struct label_set *labels, const char *name,
              bool drop);
/* eval_patch.c: what changes with single slots, without a rebuild; false when it cannot be done. */
bool node_patch(struct eval_node *node, const uint64_t now[EVAL_INPUTS_MAX]);
void select_index(struct eval_node *node);    /* after SELECT's slots were made anew */
void aggregate_index(struct eval_node *node); /* the same of AGGREGATE */
bool select_matches(const struct eval_node *node, uint32_t id);
uint64_t key_hash(const struct label_set *labels, const char *name);
/* eval_state.c */
void state_reset(struct eval_node *node, size_t slot); /* as of a label set never seen before */
/* eval_slots.c */
void node_slots(struct eval_node *node); /* brings the slots up to date */
void node_release(struct eval_node *node);
bool node_has_state(const struct eval_node *node);
/* Takes slots and state of another node as if they had always been this one's. */
void node_take(struct eval_node *node, struct eval_node *from);
/* The same of all that a node has, with the values of its last tick; its inputs' too. */
void node_take_all(struct eval_node *node, struct eval_node *from);
void state_carry(struct eval_node *node, const struct label_set **labels, const char **names,
                 size_t count, struct node_state *old);
void lanes_carry(struct eval_node *node, const struct label_set **labels, const char **names,
                 size_t count, struct node_state *old);
/* Whether an index vector of count slots leads each to the child's slot of the same number. */
bool index_is_same(const uint32_t *index, size_t count, size_t child_count);
/* eval_run.c */
void bits_fill(uint64_t *bits, size_t count, bool one);
void bits_gather(const uint64_t *from, const uint32_t *index, size_t count, uint64_t *ret);
void copy_bits(uint64_t *to, const uint64_t *from, size_t count);
bool any_bit(const uint64_t *bits, size_t count);
/* At most one slot of each group may be present; else none is, and all are unknown. */
void contend(struct eval_node *node, const struct contention *contention);
/* A slot is unknown when its source does not answer although it gave the series not long ago.
 * Brings the bits of the node, a selector or over one, up to date where these may be others. */
void select_unknown(struct eval_node *node, const struct eval_node *select, int64_t horizon_ms);
void node_run(struct eval_node *node);
void node_run_reference(struct eval_node *node); /* whoever should run it */
/* eval_fresh.c */
/* Tells windows that run what their only readers look for; before the first tick. */
void watches_find(struct eval *eval);
/* Before a node runs: what of it has to be made anew whatever it reads. */
void fresh_begin(struct eval_node *node);
/* Nothing it reads is fresh. */
bool fresh_inputs(const struct eval_node *node);
void fresh_mark(struct eval_node *node, size_t block);
/* And what is fresh of another node with the same slots. */
void fresh_add(struct eval_node *node, const struct eval_node *other);
/* The next blocks in a row that are fresh, from *ret_past on; false: none. Starts with both 0. */
bool fresh_next(const struct eval_node *node, size_t *ret_from, size_t *ret_past);
static inline bool fresh_at(const struct eval_node *node, size_t block)
{
    return node->fresh == FRESH_ALL ||
           (node->fresh == FRESH_SOME && bit_get(node->fresh_blocks, block));
}
/* After it ran. */
void fresh_end(struct eval_node *node);
/* eval_past.c */
void run_sampled(struct eval_node *node);
void run_past(struct eval_node *node);
void run_window(struct eval_node *node);
void run_forecast(struct eval_node *node);
/* The window of a WINDOW node in the samples below it; NULL when they have no lane yet. */
struct samples_window *node_window(struct eval_node *node);
/* eval_group.c */
void aggregate_slots(struct eval_node *node);
void pick_slots(struct eval_node *node);
void histogram_slots(struct eval_node *node);
void run_aggregate(struct eval_node *node);
void run_pick(struct eval_node *node);
void run_histogram(struct eval_node *node);
/* eval_count.c */
void count_values_slots(struct eval_node *node);
void run_count_values(struct eval_node *node);
void count_values_release(struct eval_node *node);
/* Takes over what was counted before the first tick. */
void count_values_adopt(struct eval_node *node, struct eval_node *from);
/* eval_labels.c */
void labels_slots(struct eval_node *node);
/* eval_value.c */
void run_math(struct eval_node *node);
void run_scalar(struct eval_node *node);
void run_vector(struct eval_node *node);
void run_timestamp(struct eval_node *node);
/* eval_sub.c */
/* The evaluator of a subquery's grid (step_ms above 0), whose points are wanted so long before they
 * come; or of one time. */
struct sub_kind {
    int64_t step_ms, after_ms, at_ms;
    bool again;      /* of one time: at every tick, since something of now goes into it */
    uint32_t writes; /* sub_get()'s own: steps of the root that stand before what reads it */
};
struct eval_sub *sub_get(struct eval *eval, struct sub_kind kind);
struct eval *sub_eval(struct eval_sub *sub);
int64_t sub_time(const struct eval_sub *sub); /* that it is of, in milliseconds; 0 of a grid */
/* node reads sub; samples of a grid are wanted so long before the tick's time. */
void sub_read(struct eval_sub *sub, struct eval_node *node, int64_t before_ms);
void subs_begin(struct eval *eval);                     /* of a tick */
void sub_tick(struct eval *eval, struct eval_sub *sub); /* at the turn of its first reader */
void run_at(struct eval_node *node);
void at_adopt(struct eval_node *node, const struct eval_node *before);
/* eval.c */
/* eval_adopt() of an evaluator that does not tick every time: its columns go over as they are. */
void eval_adopt_all(struct eval *now, struct eval *before);
void subs_adopt(struct eval *now, struct eval *before);
void subs_free(struct eval *eval);
/* eval_code.c */
void code_decide(struct eval *eval); /* after the slots, before the nodes run */
/* Steps tiles of the window of a WINDOW node that runs on its kernel; it has lanes. */
void code_window(struct eval_node *node, size_t from, size_t past);
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
