/* The border between machine code and the evaluator: what a kernel is called with, and the plan
 * both sides make of a program, so that they name the same kernels.
 *
 * A plan is the evaluator's graph, children before parents, equal operators once. Nodes for which
 * code can be made are in groups: one kernel a group, named by the hash of what it computes. A
 * group's last member is its root; mostly only the root's column is stored and the others live in
 * registers. Moments that several z-scores and comparisons read are in one group with all of these,
 * each of which is stored.
 *
 *     struct abi_plan *plan = abi_plan_new(program, tick, error);
 *     for (size_t i = 0; i < plan->group_count; i++) ... plan->groups[i] ...
 *     abi_plan_free(plan);
 */
#ifndef HEAL_RUNTIME_ABI_H
#define HEAL_RUNTIME_ABI_H

#include "lang/ast.h"

enum {
    ABI_VERSION = 3,
    ABI_COLUMNS_MAX = 256, /* of one kernel */
    ABI_MEMBERS_MAX = 96,  /* nodes of one kernel */
    ABI_FAN_MAX = 48,      /* readers of moments in one kernel with them */
    ABI_BLOCK = 64         /* slots; lo and hi are multiples */
};
#define ABI_NONE UINT32_MAX

/* The columns of a kernel, in the order that abi_group says:
 *
 *   a vector that is read     double values[], bits present, bits unknown
 *   a scalar that is read     double values[1], bits unknown (bit 0); a constant has none
 *   state of an ewma          double mean[], bits begun
 *   moments that are read     double d[], double variance[], bits present, bits unknown
 *   state of moments          double mean[], double variance[], uint8_t history[], bits ripe
 *   what is stored            as it is read
 *
 * All are valid for lo <= slot < hi, a multiple of ABI_BLOCK, also where there are fewer slots;
 * there the present bits are 0 and the kernel leaves the state as it was. Bits are 64 a word, the
 * lowest first. Values are written where the present bits are, and may be elsewhere; unknown bits
 * behind the last slot are unspecified.
 *
 * A window is a group of its own, and its kernel that of its function (abi_window_hash()), whatever
 * it is over. Its slots are the lanes of tiles, ABI_BLOCK a tile; its columns are those of enum
 * abi_window; what is unknown the caller knows.
 */
struct abi_columns {
    void *column[ABI_COLUMNS_MAX];
};
enum abi_window {
    ABI_WINDOW_TILES,    /* struct kernel_tile tiles[], one for ABI_BLOCK slots */
    ABI_WINDOW_STATES,   /* the state of its row in stdlib/window.def, one for ABI_BLOCK slots */
    ABI_WINDOW_ARGUMENT, /* double[1], for functions that have one */
    ABI_WINDOW_VALUES,   /* double values[] */
    ABI_WINDOW_PRESENT,  /* bits */
    ABI_WINDOW_SPAN,     /* struct abi_span */
    ABI_WINDOW_COLUMNS
};
/* The window (now - offset - range, now - offset]. */
struct abi_span {
    int64_t range_ms, offset_ms;
};
/* Returns 0 when no slot of what is stored is present. */
typedef uint64_t abi_kernel_f(const struct abi_columns *columns, int64_t lo, int64_t hi,
                              int64_t now_ms);

enum abi_kind {
    ABI_OTHER, /* the reference evaluator's */
    ABI_NUMBER,
    ABI_ADD,
    ABI_SUBTRACT,
    ABI_MULTIPLY,
    ABI_DIVIDE,
    ABI_COMPARE,
    ABI_AND,
    ABI_UNLESS,
    ABI_RENAME,
    ABI_NEGATE,
    ABI_EWMA,
    ABI_MOMENTS,
    ABI_ZSCORE,
    ABI_ZSCORE_COMPARE,
    ABI_WINDOW
};
enum abi_compare { ABI_EQ, ABI_NE, ABI_LE, ABI_LT, ABI_GE, ABI_GT };
enum { ABI_TEXT_BYTES = 120 };

struct abi_node {
    enum abi_kind kind;
    uint64_t hash; /* operator, parameters and inputs */
    uint32_t input[3], input_count;
    enum abi_compare compare;
    bool return_bool;
    bool scalar;     /* one value, without labels */
    bool outside;    /* read by the engine, not only by nodes */
    double number;   /* of NUMBER; alpha */
    double bound;    /* k of ZSCORE_COMPARE */
    uint32_t window; /* of WINDOW: enum kernel_window_kind */
    uint32_t group;
    uint32_t readers;          /* nodes that read it */
    uint32_t bytes_per_slot;   /* columns and state, without rings of samples */
    uint32_t ns_per_slot;      /* worst case, on the reference evaluator */
    char text[ABI_TEXT_BYTES]; /* for people */
    /* Where the first of the equal operators stands; no part of what it is. path is the program's,
     * NULL in a plan that was made without one. */
    struct span span;
    const char *path;
    uint32_t line;
};

struct abi_group {
    uint64_t hash;
    uint32_t *members; /* inputs before readers; the last is the root */
    uint32_t *state;   /* [member_count] first column of the member's state, or ABI_NONE */
    uint32_t *stored;  /* [member_count] first column of what is stored of it, or ABI_NONE */
    uint32_t member_count;
    uint32_t run_at; /* the member at whose turn the kernel runs: all inputs stand before it, all
                        readers of what it stores behind it */
    uint32_t *inputs;
    uint32_t *input_column; /* [input_count] first column, ABI_NONE for constants */
    uint32_t input_count;
    uint32_t root_column, column_count;
    uint32_t alias;  /* the input whose values are the root's values (they are not stored), or
                        ABI_NONE */
    uint32_t scores; /* the member in whose values all of them that have z as value find it, or
                        ABI_NONE */
};

struct abi_plan {
    struct abi_node *nodes;
    size_t node_count;
    struct abi_group *groups;
    size_t group_count;
};

/* Of the kernel of a window's function: enum kernel_window_kind. */
uint64_t abi_window_hash(uint32_t window);

/* Its value is the z of its moments. */
static inline bool abi_is_score(const struct abi_node *node)
{
    return node->kind == ABI_ZSCORE || (node->kind == ABI_ZSCORE_COMPARE && !node->return_bool);
}

/* The plan of a checked program, which outlives it, as an engine with this tick would run it; NULL
 * with error set when the engine would refuse it. */
struct abi_plan *abi_plan_new(const struct program *program, struct duration tick,
                              struct error *error);
void abi_plan_free(struct abi_plan *plan);

#endif
