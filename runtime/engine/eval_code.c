/* Kernels in the place of the reference evaluator's loops.
 *
 * A group runs on its kernel while its inputs can be brought into the order of its slots
 * (eval_join.h); else its nodes run as ever. State is the nodes' own, so either may take over from
 * the other at any tick. */
#include <stdlib.h>

#include "runtime/engine/eval_join.h"

struct node_code {
    const struct abi_group *group;
    struct eval_node **members, **inputs;
    abi_kernel_f *kernel; /* NULL: none was given */
    uint64_t generation;  /* shapes of all of its nodes, when last looked at */
    bool decided, same;
    bool anew; /* it was decided anew since its kernel last ran */
    struct join join;
    struct abi_columns columns;
    double *tail; /* the last, incomplete block of each input */
};

struct eval_code {
    struct abi_plan *plan;
    struct node_code *groups;
    struct node_code **by_hash;
    size_t node_count; /* of the evaluator when the plan was made */
    size_t running;    /* nodes */
};

static int compare_hash(const void *a, const void *b)
{
    const struct node_code *x = *(struct node_code *const *)a, *y = *(struct node_code *const *)b;
    return x->group->hash < y->group->hash ? -1 : x->group->hash > y->group->hash;
}

static struct eval_node **nodes_of(const struct eval *eval, const uint32_t *at, size_t count)
{
    struct eval_node **nodes = heap_alloc((count + 1) * sizeof(struct eval_node *));
    for (size_t i = 0; i < count; i++) {
        nodes[i] = eval->nodes[at[i]];
    }
    return nodes;
}

static struct eval_code *code_new(const struct eval *eval)
{
    struct eval_code *code = heap_alloc(sizeof *code);
    code->plan = eval_plan(eval);
    code->node_count = eval->node_count;
    const size_t count = code->plan->group_count;
    code->groups = heap_alloc((count + 1) * sizeof *code->groups);
    code->by_hash = heap_alloc((count + 1) * sizeof(struct node_code *));
    for (size_t i = 0; i < count; i++) {
        const struct abi_group *group = &code->plan->groups[i];
        code->groups[i] =
            (struct node_code){.group = group,
                               .members = nodes_of(eval, group->members, group->member_count),
                               .inputs = nodes_of(eval, group->inputs, group->input_count)};
        code->by_hash[i] = &code->groups[i];
    }
    if (count > 0) {
        qsort(code->by_hash, count, sizeof(struct node_code *), compare_hash);
    }
    return code;
}

/* The root's values may be gathered ones, which go. */
static void keep_values(struct node_code *code)
{
    struct eval_node *root = code->members[code->group->member_count - 1];
    for (size_t i = 0; i < code->join.input_count; i++) {
        if (code->join.input[i].index && root->values == code->join.input[i].values) {
            memcpy(root->own, root->values, root->count * sizeof *root->own);
            root->values = root->own;
        }
    }
}

void code_free(struct eval *eval)
{
    struct eval_code *code = eval->code;
    if (!code) {
        return;
    }
    for (size_t i = 0; i < code->plan->group_count; i++) {
        keep_values(&code->groups[i]);
        free(code->groups[i].members);
        free(code->groups[i].inputs);
        free(code->groups[i].tail);
        join_release(&code->groups[i].join);
    }
    for (size_t i = 0; i < eval->node_count; i++) {
        eval->nodes[i]->run = RUN_REFERENCE;
        eval->nodes[i]->code = NULL;
    }
    free(code->groups);
    free(code->by_hash);
    abi_plan_free(code->plan);
    free(code);
    eval->code = NULL;
}

static struct eval_code *code_of(struct eval *eval)
{
    if (!eval->code) {
        eval->code = code_new(eval);
    }
    CHECK(eval->code->node_count == eval->node_count); /* nothing is added afterwards */
    return eval->code;
}

/* The groups with the hash: windows by the same function are several. */
static struct node_code **find_groups(const struct eval_code *code, uint64_t hash,
                                      size_t *ret_count)
{
    const struct abi_group key_group = {.hash = hash};
    const struct node_code key = {.group = &key_group}, *wanted = &key;
    struct node_code **end = code->by_hash + code->plan->group_count;
    struct node_code **found = bsearch(&wanted, code->by_hash, code->plan->group_count,
                                       sizeof(struct node_code *), compare_hash);
    *ret_count = 0;
    if (!found) {
        return NULL;
    }
    while (found > code->by_hash && found[-1]->group->hash == hash) {
        found--;
    }
    while (found + *ret_count < end && found[*ret_count]->group->hash == hash) {
        ++*ret_count;
    }
    return found;
}

bool eval_use_code(struct eval *eval, uint64_t hash, abi_kernel_f *kernel)
{
    size_t count;
    struct node_code **found = find_groups(code_of(eval), hash, &count);
    for (size_t i = 0; i < count; i++) {
        found[i]->kernel = kernel;
        found[i]->decided = false;
    }
    return count > 0;
}

/* An object of windows has them all. */
static bool is_window(uint64_t hash)
{
    for (uint32_t kind = 0; kind < WINDOW_KINDS; kind++) {
        if (abi_window_hash(kind) == hash) {
            return true;
        }
    }
    return false;
}

bool eval_wants_code(struct eval *eval, uint64_t hash)
{
    size_t count;
    return find_groups(code_of(eval), hash, &count) != NULL || is_window(hash);
}

size_t eval_lacks_code(struct eval *eval)
{
    const struct eval_code *code = code_of(eval);
    size_t count = 0;
    for (size_t i = 0; i < code->plan->group_count; i++) {
        count += code->groups[i].kernel == NULL;
    }
    return count;
}

size_t eval_code_nodes(const struct eval *eval)
{
    return eval->code ? eval->code->running : 0;
}

uint64_t code_hash(const struct eval_node *root, uint32_t *ret_members)
{
    *ret_members = root->code->group->member_count;
    return root->code->group->hash;
}

/* ---- which groups can run ---- */

static void decide(struct node_code *code)
{
    const struct abi_group *group = code->group;
    uint64_t generation = 0;
    for (uint32_t i = 0; i < group->member_count; i++) {
        generation += code->members[i]->shape;
    }
    if (code->decided && generation == code->generation) {
        return;
    }
    code->decided = code->anew = true;
    code->generation = generation;
    bool late = true; /* nodes that run early run on the reference evaluator */
    for (uint32_t i = 0; i < group->member_count; i++) {
        late &= code->members[i]->index >= code->members[i]->eval->early;
    }
    /* Windows have lanes. */
    code->same = code->kernel && late &&
                 (code->members[0]->kind == NODE_WINDOW ||
                  join_find(&code->join, code->members, group->member_count, code->inputs,
                            group->input_count));
    for (uint32_t i = 0; i < group->member_count; i++) {
        code->members[i]->run = !code->same          ? RUN_REFERENCE
                                : i == group->run_at ? RUN_KERNEL
                                                     : RUN_INSIDE;
        code->members[i]->code = code;
    }
}

void code_decide(struct eval *eval)
{
    struct eval_code *code = eval->code;
    if (!code) {
        return;
    }
    code->running = 0;
    for (size_t i = 0; i < code->plan->group_count; i++) {
        decide(&code->groups[i]);
        code->running += code->groups[i].same ? code->groups[i].group->member_count : 0;
    }
}

/* ---- a tick ---- */

static void state_columns(const struct eval_node *node, size_t from, void **columns)
{
    const size_t word = from / 64;
    columns[0] = node->state.mean + from;
    if (node->kind == NODE_EWMA) {
        columns[1] = node->state.begun + word;
        return;
    }
    columns[1] = node->state.variance + from;
    columns[2] = node->state.history + from;
    columns[3] = node->state.begun + word;
}

/* What a node's readers read of it. */
static void value_columns(const struct eval_node *node, const double *values, size_t from,
                          void **columns)
{
    const size_t word = from / 64;
    columns[0] = (void *)(uintptr_t)(values + from);
    if (node->kind == NODE_MOMENTS) {
        *++columns = node->variance + from;
    }
    columns[1] = node->present + word;
    columns[2] = node->unknown + word;
}

static bool node_is_score(const struct eval_node *node)
{
    return node->kind == NODE_ZSCORE || (node->kind == NODE_ZSCORE_COMPARE && !node->p.return_bool);
}

/* Where the values of a stored member are written. */
static double *values_of(const struct node_code *code, uint32_t member)
{
    const struct abi_group *group = code->group;
    bool shared = group->scores != ABI_NONE && node_is_score(code->members[member]);
    return code->members[shared ? group->scores : member]->own;
}

/* Columns from slot `from` on. The kernel only reads those of inputs. */
static void set_columns(struct node_code *code, size_t from)
{
    const struct abi_group *group = code->group;
    for (uint32_t i = 0; i < group->input_count; i++) {
        const struct eval_node *in = code->inputs[i];
        if (group->input_column[i] == ABI_NONE) {
            continue;
        }
        void **columns = &code->columns.column[group->input_column[i]];
        const struct join_input *joined = &code->join.input[i];
        if (in->scalar) {
            columns[0] = (void *)(uintptr_t)in->values;
            columns[1] = in->unknown;
        } else if (joined->index) {
            columns[0] = joined->values + from;
            columns[1] = joined->present + from / 64;
            columns[2] = joined->unknown + from / 64;
        } else {
            value_columns(in, in->values, from, columns);
        }
    }
    for (uint32_t i = 0; i < group->member_count; i++) {
        if (group->state[i] != ABI_NONE) {
            state_columns(code->members[i], from, &code->columns.column[group->state[i]]);
        }
        if (group->stored[i] != ABI_NONE) {
            value_columns(code->members[i], values_of(code, i), from,
                          &code->columns.column[group->stored[i]]);
        }
    }
}

static const double *input_values(const struct node_code *code, uint32_t input)
{
    const struct join_input *joined = &code->join.input[input];
    return joined->index ? joined->values : code->inputs[input]->values;
}

/* Values of inputs may end at the last slot (those of the store do): the last block is a copy. */
static void set_tail(struct node_code *code, size_t from, size_t count)
{
    const struct abi_group *group = code->group;
    if (!code->tail) {
        code->tail = heap_alloc((group->input_count + 1) * ABI_BLOCK * sizeof *code->tail);
    }
    for (uint32_t i = 0; i < group->input_count; i++) {
        const struct eval_node *in = code->inputs[i];
        if (group->input_column[i] != ABI_NONE && !in->scalar) {
            double *tail = code->tail + (size_t)i * ABI_BLOCK;
            memcpy(tail, input_values(code, i) + from, count * sizeof *tail);
            code->columns.column[group->input_column[i]] = tail;
        }
    }
}

void code_window(struct eval_node *node, size_t from, size_t past)
{
    struct node_code *code = node->code;
    const struct samples *samples = node->in[0]->state.samples;
    struct abi_span span = {node->p.range.ns / NS_PER_MS, node->p.offset.ns / NS_PER_MS};
    void **columns = code->columns.column;
    columns[ABI_WINDOW_TILES] = samples->tiles;
    columns[ABI_WINDOW_STATES] = node->window->states;
    columns[ABI_WINDOW_ARGUMENT] =
        node->in_count > 1 ? (void *)(uintptr_t)node->in[1]->values : NULL;
    columns[ABI_WINDOW_VALUES] = node->window->values;
    columns[ABI_WINDOW_PRESENT] = node->window->present;
    columns[ABI_WINDOW_SPAN] = &span;
    code->kernel(&code->columns, (int64_t)(from * TILE_LANES), (int64_t)(past * TILE_LANES),
                 node->eval->now_ms);
}

/* Bits behind the last slot are nobody's. */
static void clear_rest(struct eval_node *node)
{
    const size_t last = node->count / 64;
    const uint64_t keep = (1ULL << (node->count % 64)) - 1;
    node->present[last] &= keep;
    node->unknown[last] &= keep;
}

/* The group's turn on the reference evaluator, for this tick. */
static void run_members(struct node_code *code)
{
    for (uint32_t i = 0; i < code->group->member_count; i++) {
        node_run_reference(code->members[i]);
    }
    code->members[0]->eval->code->running -= code->group->member_count;
}

/* Which blocks the kernel has to go over, on the node at whose turn it runs. */
static void code_fresh(struct node_code *code, struct eval_node *at)
{
    const struct abi_group *group = code->group;
    bool all = code->anew;
    for (uint32_t i = 0; i < group->member_count; i++) {
        struct eval_node *member = code->members[i];
        fresh_begin(member);
        all |= group->state[i] != ABI_NONE;
    }
    for (uint32_t i = 0; i < group->member_count; i++) {
        fresh_add(at, code->members[i]);
    }
    for (uint32_t i = 0; i < group->input_count; i++) {
        const struct eval_node *in = code->inputs[i];
        if (in->scalar || code->join.input[i].index) {
            all |= in->fresh != FRESH_NONE;
        } else {
            fresh_add(at, in);
        }
    }
    at->fresh = all ? FRESH_ALL : at->fresh;
    code->anew = false;
}

/* Blocks from..past of the root; the last, incomplete one is apart. */
static void run_blocks(struct node_code *code, size_t count, size_t from, size_t past,
                       int64_t now_ms)
{
    const size_t whole = count / ABI_BLOCK, rest = count % ABI_BLOCK;
    const size_t end = past < whole ? past : whole;
    if (from < end) {
        set_columns(code, 0);
        code->kernel(&code->columns, (int64_t)(from * ABI_BLOCK), (int64_t)(end * ABI_BLOCK),
                     now_ms);
    }
    if (rest > 0 && past > whole) {
        set_columns(code, whole * ABI_BLOCK);
        set_tail(code, whole * ABI_BLOCK, rest);
        code->kernel(&code->columns, 0, ABI_BLOCK, now_ms);
    }
}

void code_run(struct eval_node *at)
{
    struct node_code *code = at->code;
    const struct abi_group *group = code->group;
    if (code->join.contended && join_contends(code->members, group->member_count)) {
        run_members(code);
        return;
    }
    code_fresh(code, at);
    if (at->fresh == FRESH_ALL) {
        join_gather(&code->join);
    }
    for (size_t from = 0, past = 0; fresh_next(at, &from, &past);) {
        run_blocks(code, at->count, from, past, at->eval->now_ms);
    }
    for (uint32_t i = 0; i < group->member_count; i++) {
        struct eval_node *member = code->members[i];
        fresh_add(member, at);
        fresh_end(member);
        if (group->stored[i] != ABI_NONE) {
            member->values = values_of(code, i);
            if (at->count % ABI_BLOCK > 0) {
                clear_rest(member);
            }
        }
    }
    if (group->alias != ABI_NONE) {
        struct eval_node *root = code->members[group->member_count - 1];
        for (uint32_t i = 0; i < group->input_count; i++) {
            root->values = group->inputs[i] == group->alias ? input_values(code, i) : root->values;
        }
    }
}
