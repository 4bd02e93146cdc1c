/* One tick of the nodes that work on one value at a time. */
#include <math.h>

#include "runtime/engine/eval_node.h"

/* Scalars of which one is unknown make all of it unknown. */
static void scalars_unknown(struct eval_node *node)
{
    for (size_t i = 1; i < node->in_count; i++) {
        if (bit_get(node->in[i]->unknown, 0)) {
            bits_fill(node->unknown, node->count, true);
        }
    }
}

void run_math(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    const double a = node->in_count > 1 ? node->in[1]->values[0] : 1;
    const double b = node->in_count > 2 ? node->in[2]->values[0] : 0;
    copy_bits(node->present, child->present, node->count);
    copy_bits(node->unknown, child->unknown, node->count);
    scalars_unknown(node);
    if (node->p.math == MATH_CLAMP && a > b) {
        bits_fill(node->present, node->count, false);
    }
    kernel_math(node->p.math, child->values, node->count, a, b, node->own);
}

/* The one value that is there, else NaN. */
void run_scalar(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    size_t present = 0;
    node->own[0] = NAN;
    for (size_t i = 0; i < child->count; i++) {
        if (bit_get(child->present, i)) {
            node->own[0] = present++ == 0 ? child->values[i] : NAN;
        }
    }
    node->present[0] = 1;
    node->unknown[0] = any_bit(child->unknown, child->count);
}

void run_vector(struct eval_node *node)
{
    node->own[0] = node->in[0]->values[0];
    node->present[0] = 1;
    node->unknown[0] = node->in[0]->unknown[0] & 1;
}

static double sample_seconds(const struct eval_node *select, size_t slot, int64_t offset_ms)
{
    const struct store *store = select->eval->store;
    const struct ring *ring = &store->series[select->left[slot]].ring;
    double value;
    int64_t time_ms = 0;
    bool there =
        ring_instant(ring, select->eval->now_ms - offset_ms, store->lookback_ms, &value, &time_ms);
    return there ? (double)time_ms / 1e3 : 0;
}

void run_timestamp(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    const bool past = child->kind == NODE_PAST && child->in[0]->kind == NODE_SELECT;
    const struct eval_node *select = past ? child->in[0] : child;
    copy_bits(node->present, child->present, node->count);
    copy_bits(node->unknown, child->unknown, node->count);
    for (size_t i = 0; i < node->count; i++) {
        if (!node->p.raw || select->kind != NODE_SELECT) {
            node->own[i] = (double)node->eval->now_ms / 1e3;
        } else if (bit_get(node->present, i)) {
            node->own[i] = sample_seconds(select, i, past ? child->p.offset.ns / NS_PER_MS : 0);
        }
    }
}
