/* What a tick changes: most ticks bring samples to few series, or to none, and what did not change
 * is not computed again. Blocks of 64 slots, as kernels work on them.
 *
 * A node starts from what its slots say: all of it is fresh when they were made anew, when another
 * evaluator than before runs it, or when what it had did not follow slot by slot from what it read.
 * It then adds what is fresh below it. */
#include <math.h>
#include <stdlib.h>

#include "runtime/engine/eval_node.h"

static size_t blocks_of(const struct eval_node *node)
{
    return BIT_WORDS(node->count);
}

void fresh_mark(struct eval_node *node, size_t block)
{
    if (node->fresh == FRESH_NONE) {
        node->fresh = FRESH_SOME;
        memset(node->fresh_blocks, 0, BIT_WORDS(blocks_of(node)) * sizeof *node->fresh_blocks);
    }
    if (node->fresh == FRESH_SOME) {
        bit_set(node->fresh_blocks, block);
    }
}

void fresh_begin(struct eval_node *node)
{
    const uint64_t before = node->ran;
    node->fresh = FRESH_NONE;
    node->ran = node->generation;
    if (before == node->generation && node->settled && node->ran_by == node->run) {
        return;
    }
    if (before == 0 || !node->settled || node->ran_by != node->run || !node->patched ||
        before + 1 != node->generation || node->kind == NODE_SELECT) {
        node->fresh = FRESH_ALL;
        return;
    }
    for (size_t i = 0; i < node->changed_count; i++) {
        fresh_mark(node, node->changed[i] / 64);
    }
}

bool fresh_inputs(const struct eval_node *node)
{
    bool some = node->foreign != NULL;
    for (size_t i = 0; i < node->in_count; i++) {
        some |= node->in[i]->fresh != FRESH_NONE;
    }
    return some;
}

void fresh_add(struct eval_node *node, const struct eval_node *other)
{
    if (other->fresh == FRESH_ALL || other->count != node->count) {
        node->fresh = FRESH_ALL;
    }
    if (other->fresh == FRESH_NONE || node->fresh == FRESH_ALL) {
        return;
    }
    const size_t words = BIT_WORDS(blocks_of(node));
    if (node->fresh == FRESH_NONE) {
        memset(node->fresh_blocks, 0, words * sizeof *node->fresh_blocks);
    }
    node->fresh = FRESH_SOME;
    for (size_t w = 0; w < words; w++) {
        node->fresh_blocks[w] |= other->fresh_blocks[w];
    }
}

bool fresh_next(const struct eval_node *node, size_t *ret_from, size_t *ret_past)
{
    const size_t count = blocks_of(node);
    size_t from = *ret_past;
    if (node->fresh == FRESH_NONE) {
        return false;
    }
    while (from < count && !fresh_at(node, from)) {
        const bool whole = from % 64 == 0 && node->fresh_blocks[from / 64] == 0;
        from += whole ? 64 : 1;
    }
    *ret_from = from;
    while (from < count && fresh_at(node, from)) {
        from++;
    }
    *ret_past = from;
    return *ret_from < count;
}

void fresh_end(struct eval_node *node)
{
    node->ran_by = node->run;
    node->settled = !node->blind && !node->faulted && !node->overflow &&
                    node->contention[0].group_count == 0 && node->contention[1].group_count == 0;
    if (!node->settled) {
        node->fresh = FRESH_ALL;
    }
}

/* What the comparison, of a window on one side and a number on the other, finds beyond. */
static struct samples_watch watch_of(const struct eval_node *reader)
{
    struct samples_watch watch = {0};
    if (reader->kind != NODE_BINARY || reader->p.return_bool) {
        return watch;
    }
    const bool turned = reader->in[0]->kind == NODE_NUMBER;
    const struct eval_node *number = reader->in[!turned];
    const enum operator op = reader->p.op;
    const bool more = op == OPERATOR_GT || op == OPERATOR_GE;
    watch.set = number->kind == NODE_NUMBER && isfinite(number->p.number) &&
                (more || op == OPERATOR_LT || op == OPERATOR_LE);
    watch.above = more == turned;
    watch.bound = number->p.number;
    return watch;
}

void watches_find(struct eval *eval)
{
    const size_t count = eval->node_count;
    struct eval_node **reader = heap_alloc((count + 1) * sizeof(struct eval_node *));
    size_t *readers = heap_alloc((count + 1) * sizeof *readers);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < eval->nodes[i]->in_count; k++) {
            const struct eval_node *in = eval->nodes[i]->in[k];
            if (in->eval == eval) {
                readers[in->index]++;
                reader[in->index] = eval->nodes[i];
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct eval_node *node = eval->nodes[i];
        const bool alone = readers[i] == 1 && !node->outside && eval->root == eval;
        node->watch = (struct samples_watch){0};
        if (alone && node->kind == NODE_WINDOW && kernel_window_infos[node->p.window].runs) {
            node->watch = watch_of(reader[i]);
        }
    }
    free(reader);
    free(readers);
    eval->watched = count;
}
