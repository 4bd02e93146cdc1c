/* What a node remembers, over a rebuild of its slots and over a reload. */
#include <stdlib.h>

#include "runtime/engine/eval_keys.h"

static void state_move(struct eval_node *node, size_t to, struct node_state *old, size_t from)
{
    struct node_state *state = &node->state;
    if (state->lane) {
        state->lane[to] = old->lane[from];
        old->lane[from] = SLOT_NONE;
    } else if (state->side) {
        state->side[to] = old->side[from];
    } else {
        state->mean[to] = old->mean[from];
        state->variance[to] = old->variance[from];
        state->history[to] = old->history[from];
        if (bit_get(old->begun, from)) {
            bit_set(state->begun, to);
        }
    }
}

void state_reset(struct eval_node *node, size_t slot)
{
    struct node_state *state = &node->state;
    if (state->lane) {
        samples_lane_free(state->samples, state->lane[slot]);
        state->lane[slot] = samples_lane_new(state->samples);
    } else if (state->side) {
        state->side[slot] = 0;
    } else {
        state->mean[slot] = state->variance[slot] = 0;
        state->history[slot] = 0;
        bit_clear(state->begun, slot);
    }
}

/* Gives every slot the state it had under the same labels. */
void state_carry(struct eval_node *node, const struct label_set **labels, const char **names,
                 size_t count, struct node_state *old)
{
    struct keys keys = {0};
    bool *taken = heap_alloc(count);
    for (size_t i = 0; i < count; i++) {
        keys_add(&keys, labels[i], names[i]);
    }
    /* With equal label sets the first slot keeps the state; numbers of keys then run behind slots.
     */
    uint32_t *first = heap_alloc((keys.count + 1) * sizeof *first);
    for (size_t i = count; i-- > 0;) {
        first[keys_find(&keys, labels[i], names[i])] = (uint32_t)i;
    }
    for (size_t i = 0; i < node->count; i++) {
        uint32_t key = keys_find(&keys, node->labels[i], node->names[i]);
        if (key != SLOT_NONE && !taken[first[key]]) {
            taken[first[key]] = true;
            state_move(node, i, old, first[key]);
        }
    }
    free(first);
    free(taken);
    keys_release(&keys);
}

static struct samples *samples_for(const struct eval_node *node)
{
    struct duration interval = node->p.every;
    if (node->p.raw) {
        const struct store *store = node->eval->store;
        interval = store->sources[store->series[node->in[0]->left[0]].source].interval;
    }
    return samples_new(node->p.range.ns / NS_PER_MS, interval.ns / NS_PER_MS, node->count);
}

/* Every slot keeps its lane; those of slots that are gone are given to the new ones. */
void lanes_carry(struct eval_node *node, const struct label_set **labels, const char **names,
                 size_t count, struct node_state *old)
{
    struct node_state *state = &node->state;
    state->samples = old->samples;
    old->samples = NULL;
    for (size_t i = 0; i < node->count; i++) {
        state->lane[i] = SLOT_NONE;
    }
    if (count > 0) {
        state_carry(node, labels, names, count, old);
    }
    for (size_t i = 0; i < count; i++) {
        if (old->lane[i] != SLOT_NONE) {
            samples_lane_free(state->samples, old->lane[i]);
        }
    }
    if (node->count > 0 && !state->samples) {
        state->samples = samples_for(node);
    }
    node->lanes_same = true;
    for (size_t i = 0; i < node->count; i++) {
        state->lane[i] =
            state->lane[i] == SLOT_NONE ? samples_lane_new(state->samples) : state->lane[i];
        node->lanes_same &= state->lane[i] == i;
    }
}

void node_take(struct eval_node *node, struct eval_node *from)
{
    CHECK(node->kind == from->kind && node->eval->store == from->eval->store);
    struct eval_node saved = *node;
#define SWAP(field)                \
    do {                           \
        node->field = from->field; \
        from->field = saved.field; \
    } while (0)
    SWAP(labels);
    SWAP(names);
    SWAP(drops);
    SWAP(count);
    SWAP(capacity);
    SWAP(own);
    SWAP(present);
    SWAP(unknown);
    SWAP(fresh_blocks);
    SWAP(left);
    SWAP(right);
    SWAP(chance);
    SWAP(variance);
    SWAP(scratch[0]);
    SWAP(scratch[1]);
    SWAP(scratch_bits[0]);
    SWAP(scratch_bits[1]);
    SWAP(state);
    SWAP(sampled);
    SWAP(has_sampled);
#undef SWAP
    node->built = from->built = false;
    node->ran = from->ran = 0;
}

/* What a node is, and whose. */
static void be(struct eval_node *node, const struct eval_node *as)
{
    node->eval = as->eval;
    node->index = as->index;
    node->span = as->span;
    node->p = as->p;
    memcpy(node->in, as->in, sizeof node->in);
    node->sub = as->sub;
    node->foreign = as->foreign;
    node->outside = as->outside;
    node->kept = as->kept;
    node->run = as->run;
    node->code = as->code;
    node->window = NULL; /* it is asked for again */
}

void node_take_all(struct eval_node *node, struct eval_node *from)
{
    CHECK(node->hash == from->hash && node->eval->store == from->eval->store);
    struct eval_node taken = *from, left = *node;
    be(&taken, node);
    be(&left, from);
    *node = taken;
    *from = left;
}
