/* Joins below a kernel: inputs of a group in the order of the kernel's slots.
 *
 * Members without state work slot by slot, so they may as well work in the order of their readers:
 * index vectors move down to the group's inputs, and these are gathered once a tick.
 *
 *     if (join_find(&join, members, member_count, inputs, input_count)) ...
 *     join_gather(&join);
 *     join_release(&join);
 */
#ifndef HEAL_RUNTIME_ENGINE_EVAL_JOIN_H
#define HEAL_RUNTIME_ENGINE_EVAL_JOIN_H

#include "runtime/engine/eval_node.h"

struct join_input {
    uint32_t *index; /* of each slot of the kernel, SLOT_NONE: it has none; NULL: the same slots */
    double *values;  /* gathered, for whole blocks of slots; NULL without an index */
    uint64_t *present, *unknown;
};
struct join {
    struct eval_node **inputs;
    struct join_input *input; /* [input_count] */
    size_t input_count, count;
    bool contended; /* some member has slots of which only one may be present */
};

/* From anew, after slots have changed. False when the group has to run on the reference evaluator:
 * a member with state, or with slots that contend, is not in the order of the kernel; an input
 * is wanted in two orders; several slots of a right side match one of the left; slots of equal
 * labels become one. */
bool join_find(struct join *join, struct eval_node **members, size_t member_count,
               struct eval_node **inputs, size_t input_count);
void join_gather(struct join *join);
/* Two slots that contend may both be present at this tick: the reference evaluator has to look. */
bool join_contends(struct eval_node *const *members, size_t member_count);
void join_release(struct join *join);

#endif
