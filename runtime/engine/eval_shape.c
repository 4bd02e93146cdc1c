/* What can be said of a node before it has slots. */
#include "runtime/engine/eval_node.h"

/* One value without labels, whatever the series are. */
bool node_is_scalar(const struct eval_node *node)
{
    switch ((int)node->kind) {
    case NODE_NUMBER:
    case NODE_TIME:
    case NODE_SCALAR: return true;
    case NODE_END:
    case NODE_RENAME: return node->in[0]->scalar;
    case NODE_BINARY:
    case NODE_REACHES: return node->in[0]->scalar && node->in[1]->scalar;
    default: return false;
    }
}

/* Groups by the name of the metric. */
static bool has_names(const struct eval_node *node)
{
    bool named = node->kind == NODE_HISTOGRAM;
    for (size_t i = 0; i < node->p.name_count; i++) {
        named |= !node->p.without && strcmp(node->p.names[i], LABEL_NAME_KEY) == 0;
    }
    return named;
}

/* Several slots of the node may have the same labels, were it not for the metric's name: at most
 * one of them is present. */
bool node_may_repeat(const struct eval_node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_TIME:
    case NODE_ABSENT:
    case NODE_SCALAR:
    case NODE_VECTOR:
    case NODE_STEP: return false;
    case NODE_RENAME: return (node->p.minus || node->p.together) && node_may_repeat(node->in[0]);
    case NODE_SELECT: return node->p.metric == NULL;
    case NODE_AGGREGATE:
    case NODE_HISTOGRAM: return node->in[0] && has_names(node);
    case NODE_SET: return node->p.op == OPERATOR_OR || node_may_repeat(node->in[0]);
    case NODE_BINARY:
    case NODE_REACHES:
        return node->p.group != GROUP_NONE || node->p.on || node->p.name_count > 0 ||
               node_may_repeat(node->in[0]) || node_may_repeat(node->in[1]);
    case NODE_LABELS:
    case NODE_COUNT_VALUES: return true;
    case NODE_AT: return node_may_repeat(node->foreign);
    case NODE_SAMPLED: return node_may_repeat(node->foreign ? node->foreign : node->in[0]);
    case NODE_PAST:
    case NODE_WINDOW:
    case NODE_FORECAST:
    case NODE_PICK:
    case NODE_END:
    case NODE_MATH:
    case NODE_TIMESTAMP:
    case NODE_SORT:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE: return node_may_repeat(node->in[0]);
    }
    return true;
}

/* Some slot may have the name of a metric. */
static bool may_name(const struct eval_node *node)
{
    switch (node->kind) {
    case NODE_SELECT:
    case NODE_LABELS: return true;
    case NODE_NUMBER:
    case NODE_TIME:
    case NODE_FORECAST:
    case NODE_REACHES:
    case NODE_ABSENT:
    case NODE_SCALAR:
    case NODE_VECTOR:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE:
    case NODE_STEP: return false;
    case NODE_RENAME: return (node->p.minus || node->p.together) && may_name(node->in[0]);
    case NODE_AGGREGATE:
    case NODE_COUNT_VALUES: return has_names(node) && may_name(node->in[0]);
    case NODE_BINARY: {
        const bool vectors = !node->in[0]->scalar && !node->in[1]->scalar;
        const bool compares = operator_infos[node->p.op].kind == OPERATOR_COMPARE;
        return (compares || !vectors) && (may_name(node->in[0]) || may_name(node->in[1]));
    }
    case NODE_SET: return may_name(node->in[0]) || may_name(node->in[1]);
    case NODE_AT:
    case NODE_SAMPLED: return may_name(node->foreign ? node->foreign : node->in[0]);
    case NODE_WINDOW:
    case NODE_PAST:
    case NODE_HISTOGRAM:
    case NODE_PICK:
    case NODE_END:
    case NODE_MATH:
    case NODE_TIMESTAMP:
    case NODE_SORT: return may_name(node->in[0]);
    }
    return true;
}

/* Some slot may have a name that goes at the end of the expression. */
bool node_may_drop(const struct eval_node *node)
{
    if (!may_name(node)) {
        return false;
    }
    switch (node->kind) {
    case NODE_RENAME:
    case NODE_MATH:
    case NODE_TIMESTAMP:
    case NODE_HISTOGRAM: return true;
    case NODE_WINDOW: return node->p.window != WINDOW_LAST_OVER_TIME || node_may_drop(node->in[0]);
    case NODE_BINARY:
        return operator_infos[node->p.op].kind != OPERATOR_COMPARE || node->p.return_bool ||
               node_may_drop(node->in[0]) || node_may_drop(node->in[1]);
    case NODE_SET: return node_may_drop(node->in[0]) || node_may_drop(node->in[1]);
    case NODE_AT:
    case NODE_SAMPLED: return node_may_drop(node->foreign ? node->foreign : node->in[0]);
    case NODE_AGGREGATE:
    case NODE_COUNT_VALUES:
    case NODE_LABELS:
    case NODE_PICK:
    case NODE_SORT:
    case NODE_PAST: return node_may_drop(node->in[0]);
    case NODE_NUMBER:
    case NODE_TIME:
    case NODE_SELECT:
    case NODE_FORECAST:
    case NODE_REACHES:
    case NODE_END:
    case NODE_ABSENT:
    case NODE_SCALAR:
    case NODE_VECTOR:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE:
    case NODE_STEP: return false;
    }
    return true;
}
