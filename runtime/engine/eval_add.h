/* From expressions to nodes: what the files that make them share. Only eval_add.c and eval_call*.c
 * include this. */
#ifndef HEAL_RUNTIME_ENGINE_EVAL_ADD_H
#define HEAL_RUNTIME_ENGINE_EVAL_ADD_H

#include "runtime/engine/eval_node.h"

struct adding {
    struct eval *eval;
    bool at_this_time; /* `@` of the window that is added is this evaluator's time */
    bool lasting; /* what is added is sampled: label sets stay for as long as samples are kept */
    struct duration every;
    struct error *error;
    struct span span; /* of the expression whose nodes are made */
    int depth;
};

/* All give NULL with the error set where something is wrong or not in this version. */
struct eval_node *expr_node(struct adding *a, const struct expr *expr);
struct eval_node *refuse(struct adding *a, const char *what, const char *text);
struct eval_node *wrong(struct adding *a, const char *what, const char *text);

/* Finds the equal node or makes it; takes p's matchers and regex. Inputs end with the first NULL.
 */
struct eval_node *node_make(struct adding *a, enum node_kind kind, struct node_parameters *p,
                            struct eval_node *const in[EVAL_INPUTS_MAX], struct eval_node *foreign);
struct eval_node *node_get(struct adding *a, enum node_kind kind, struct node_parameters *p,
                           struct eval_node *in0, struct eval_node *in1);
struct eval_node *number_node(struct adding *a, double value);

/* The selector without its modifiers. */
struct eval_node *add_select(struct adding *a, const struct expr *expr);
/* What is remembered is remembered of a label set, whichever way led to it. */
struct eval_node *add_unique(struct adding *a, struct eval_node *inner);
struct eval_node *add_together(struct adding *a, struct eval_node *inner); /* ... and of its name */
/* What a window reads, kept for at least so long. */
struct eval_node *add_source(struct adding *a, const struct expr *expr, struct duration wanted);
/* The series below stay known while what was made of them is wanted, however long they are gone. */
void remember_below(struct eval *eval, struct eval_node *node, struct duration wanted);
/* `wanted`, and as long as what reads this evaluator looks back. */
struct duration with_reach(const struct adding *a, struct duration wanted);

/* eval_call.c */
enum builtin call_builtin(const struct expr *expr);
struct eval_node *add_call(struct adding *a, const struct expr *expr);
/* What reads the moments of a zscore: equal x and alpha are one state. */
struct eval_node *add_zscore(struct adding *a, const struct expr *call, enum node_kind kind,
                             struct node_parameters *p);
/* eval_call_window.c */
const struct expr *argument_at(const struct expr *call, size_t index);
const struct expr *argument_named(const struct expr *call, const char *name);
enum kernel_window_kind window_of(enum builtin builtin); /* WINDOW_KINDS when it is none */
struct eval_node *add_window(struct adding *a, const struct expr *call,
                             enum kernel_window_kind window);
/* x[5m] alone: the window whose samples are asked for. */
struct eval_node *add_bare_range(struct adding *a, const struct expr *range);
struct eval_node *add_forecast(struct adding *a, const struct expr *call);
/* Whether the modifier @ of an expression means another time than the tick's. */
bool has_at(const struct adding *a, const struct expr *expr);
/* An adding whose nodes are evaluated at the time of the modifier; false with the error set. again:
 * at every tick. */
bool at_begin(struct adding *a, const struct expr *expr, bool again, struct adding *ret,
              struct eval_sub **ret_sub);
struct eval_node *at_end(struct adding *a, struct eval_sub *sub, struct eval_node *foreign,
                         struct eval_node *argument);

#endif
