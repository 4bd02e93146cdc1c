#include "runtime/engine/eval_join.h"

#include <stdlib.h>

/* What is known of a node while its group is looked at. */
struct place {
    const struct eval_node *node;
    uint32_t *index; /* of each slot of the kernel; NULL: the same slots */
    bool known, member;
};

struct finding {
    struct place *places; /* members, then inputs */
    size_t place_count;
    size_t count; /* slots of the kernel */
    bool contended;
};

static struct place *place_of(const struct finding *f, const struct eval_node *node)
{
    for (size_t i = 0; i < f->place_count; i++) {
        if (f->places[i].node == node) {
            return &f->places[i];
        }
    }
    CHECK(false); /* a node of the group */
    return NULL;
}

/* index, then via: where a slot of the kernel is in the child of a node. */
static uint32_t *composed(const struct finding *f, const uint32_t *index, const uint32_t *via)
{
    uint32_t *to = heap_alloc((f->count + 1) * sizeof *to);
    for (size_t i = 0; i < f->count; i++) {
        uint32_t at = index ? index[i] : (uint32_t)i;
        to[i] = at == SLOT_NONE ? SLOT_NONE : via ? via[at] : at;
    }
    return to;
}

static bool has_contention(const struct eval_node *member)
{
    return member->contention[0].group_count > 0 || member->contention[1].group_count > 0;
}

static bool descend(struct finding *f, struct place *place);

/* The child's slots are those of `via` at the slots of its reader. */
static bool settle(struct finding *f, const struct eval_node *child, const uint32_t *index,
                   const uint32_t *via)
{
    if (child->scalar) {
        return true;
    }
    struct place *place = place_of(f, child);
    uint32_t *to = composed(f, index, via);
    if (index_is_same(to, f->count, child->count)) {
        free(to);
        to = NULL;
    }
    if (place->known) {
        bool agree = (!to && !place->index) ||
                     (to && place->index && memcmp(to, place->index, f->count * sizeof *to) == 0);
        free(to);
        return agree;
    }
    place->known = true;
    place->index = to;
    return !place->member || descend(f, place);
}

/* The right slot of each left slot's group; NULL when a group has several. */
static uint32_t *matches(const struct eval_node *set)
{
    const struct eval_node *left = set->in[0], *right = set->in[1];
    uint32_t *of_group = heap_alloc((set->group_count + 1) * sizeof *of_group);
    uint32_t *match = heap_alloc((left->count + 1) * sizeof *match);
    bool alone = true;
    memset(of_group, 0xff, (set->group_count + 1) * sizeof *of_group);
    for (size_t j = 0; j < right->count; j++) {
        alone &= of_group[set->right[j]] == SLOT_NONE;
        of_group[set->right[j]] = (uint32_t)j;
    }
    for (size_t i = 0; i < left->count; i++) {
        match[i] = of_group[set->left[i]];
    }
    free(of_group);
    if (!alone) {
        free(match);
    }
    return alone ? match : NULL;
}

static bool descend_set(struct finding *f, const struct eval_node *set, const uint32_t *index)
{
    uint32_t *match = matches(set);
    bool good = match && settle(f, set->in[0], index, NULL) && settle(f, set->in[1], index, match);
    free(match);
    return good;
}

static bool descend(struct finding *f, struct place *place)
{
    const struct eval_node *node = place->node;
    if (place->index && (node_has_state(node) || has_contention(node))) {
        return false;
    }
    f->contended |= has_contention(node);
    const bool renames = node->kind == NODE_RENAME || node->kind == NODE_END;
    if (renames && node->count != node->in[0]->count) {
        return false; /* several slots became one */
    }
    if (node->kind == NODE_SET) {
        return descend_set(f, node, place->index);
    }
    bool good = true;
    for (size_t i = 0; i < node->in_count && good; i++) {
        const uint32_t *via = node->kind != NODE_BINARY ? NULL : i ? node->right : node->left;
        good = settle(f, node->in[i], place->index, via);
    }
    return good;
}

static void take_inputs(struct join *join, const struct finding *f, size_t member_count)
{
    const size_t blocks = BIT_WORDS(f->count);
    for (size_t i = 0; i < join->input_count; i++) {
        struct place *place = &f->places[member_count + i];
        if (!place->index) {
            continue;
        }
        join->input[i] =
            (struct join_input){.index = place->index,
                                .values = heap_alloc((blocks * 64 + 1) * sizeof(double)),
                                .present = heap_alloc((blocks + 1) * sizeof(uint64_t)),
                                .unknown = heap_alloc((blocks + 1) * sizeof(uint64_t))};
        place->index = NULL;
    }
}

bool join_find(struct join *join, struct eval_node **members, size_t member_count,
               struct eval_node **inputs, size_t input_count)
{
    const struct eval_node *root = members[member_count - 1];
    struct finding f = {.count = root->count, .place_count = member_count + input_count};
    f.places = heap_alloc((f.place_count + 1) * sizeof *f.places);
    for (size_t i = 0; i < f.place_count; i++) {
        bool member = i < member_count;
        f.places[i] = (struct place){.node = member ? members[i] : inputs[i - member_count],
                                     .member = member};
    }
    join_release(join);
    *join = (struct join){.inputs = inputs,
                          .input = heap_alloc((input_count + 1) * sizeof *join->input),
                          .input_count = input_count,
                          .count = root->count};
    bool good = true;
    for (size_t i = member_count; i-- > 0 && good;) { /* readers before what they read */
        struct place *place = &f.places[i];
        if (!place->known) { /* a root */
            place->known = true;
            good = !place->node->scalar && place->node->count == f.count && descend(&f, place);
        }
    }
    for (size_t i = 0; i < input_count && good; i++) {
        good = !f.places[member_count + i].index || inputs[i]->kind != NODE_MOMENTS;
    }
    if (good) {
        take_inputs(join, &f, member_count);
        join->contended = f.contended;
    }
    for (size_t i = 0; i < f.place_count; i++) {
        free(f.places[i].index);
    }
    free(f.places);
    return good;
}

static void gather(const struct eval_node *in, struct join_input *to, size_t count)
{
    for (size_t base = 0; base < count; base += 64) {
        const size_t part = count - base < 64 ? count - base : 64;
        uint64_t present = 0, unknown = 0;
        for (size_t i = 0; i < part; i++) {
            const uint32_t at = to->index[base + i];
            if (at == SLOT_NONE) {
                to->values[base + i] = 0;
                continue;
            }
            to->values[base + i] = in->values[at];
            present |= (uint64_t)bit_get(in->present, at) << i;
            unknown |= (uint64_t)bit_get(in->unknown, at) << i;
        }
        to->present[base / 64] = present;
        to->unknown[base / 64] = unknown;
    }
}

void join_gather(struct join *join)
{
    for (size_t i = 0; i < join->input_count; i++) {
        if (join->input[i].index) {
            gather(join->inputs[i], &join->input[i], join->count);
        }
    }
}

/* At most what the member will have there: comparisons may yet take it away. Members that are read
 * several times are looked at several times; where that is too often, the answer is yes. */
static bool maybe_present(const struct eval_node *node, size_t slot, const struct node_code *code,
                          size_t *budget)
{
    if (node->scalar || *budget == 0) {
        return true;
    }
    --*budget;
    if (node->code != code) {
        return bit_get(node->present, slot);
    }
    if (node->kind != NODE_BINARY) {
        return maybe_present(node->in[0], slot, code, budget);
    }
    const size_t left = node->left ? node->left[slot] : slot;
    const size_t right = node->right ? node->right[slot] : slot;
    return maybe_present(node->in[0], left, code, budget) &&
           maybe_present(node->in[1], right, code, budget);
}

static bool contends(const struct eval_node *member, const struct contention *contention)
{
    for (size_t g = 0; g < contention->group_count; g++) {
        size_t present = 0;
        for (uint32_t i = contention->starts[g]; i < contention->starts[g + 1]; i++) {
            size_t budget = 4 * ABI_MEMBERS_MAX;
            present += maybe_present(member, contention->slots[i], member->code, &budget);
        }
        if (present > 1) {
            return true;
        }
    }
    return false;
}

bool join_contends(struct eval_node *const *members, size_t member_count)
{
    for (size_t i = 0; i < member_count; i++) {
        if (contends(members[i], &members[i]->contention[0]) ||
            contends(members[i], &members[i]->contention[1])) {
            return true;
        }
    }
    return false;
}

void join_release(struct join *join)
{
    for (size_t i = 0; i < join->input_count; i++) {
        free(join->input[i].index);
        free(join->input[i].values);
        free(join->input[i].present);
        free(join->input[i].unknown);
    }
    free(join->input);
    *join = (struct join){0};
}
