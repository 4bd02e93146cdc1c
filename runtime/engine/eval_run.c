/* One tick of a node: arithmetic over the columns of its children. Nothing here allocates, except
 * the ring of a sampled expression when it grows. */
#include <math.h>
#include <stdlib.h>

#include "runtime/engine/eval_node.h"

/* ---- bits ---- */

void bits_fill(uint64_t *bits, size_t count, bool one)
{
    memset(bits, one ? 0xff : 0, BIT_WORDS(count) * sizeof *bits);
    if (one && count % 64 != 0) {
        bits[count / 64] = (1ULL << (count % 64)) - 1;
    }
}

void bits_gather(const uint64_t *from, const uint32_t *index, size_t count, uint64_t *ret)
{
    for (size_t base = 0; base < count; base += 64) {
        size_t part = count - base < 64 ? count - base : 64;
        uint64_t word = 0;
        for (size_t i = 0; i < part; i++) {
            word |= (uint64_t)bit_get(from, index[base + i]) << i;
        }
        ret[base / 64] = word;
    }
}

void copy_bits(uint64_t *to, const uint64_t *from, size_t count)
{
    if (count > 0) {
        memcpy(to, from, BIT_WORDS(count) * sizeof *to);
    }
}

/* At most one slot of each group may be present; else none is, and all are unknown. */
void contend(struct eval_node *node, const struct contention *contention)
{
    for (size_t g = 0; g < contention->group_count; g++) {
        const uint32_t *slot = contention->slots + contention->starts[g];
        size_t n = contention->starts[g + 1] - contention->starts[g], present = 0;
        for (size_t i = 0; i < n; i++) {
            present += bit_get(node->present, slot[i]);
        }
        for (size_t i = 0; i < n && present > 1; i++) {
            bit_clear(node->present, slot[i]);
            bit_set(node->unknown, slot[i]);
        }
        node->eval->many_to_many += present > 1;
        node->faulted |= present > 1;
    }
}

/* ---- selectors ---- */

static uint64_t unknown_word(const struct eval_node *select, size_t block, int64_t horizon_ms)
{
    const struct eval *eval = select->eval;
    const struct store *store = eval->store;
    const size_t past = (block + 1) * 64 < select->count ? (block + 1) * 64 : select->count;
    uint64_t word = 0;
    for (size_t i = block * 64; i < past; i++) {
        uint32_t id = select->left[i], from = store->series[id].source;
        const struct store_source *source = &store->sources[from];
        int64_t seen_ms = source->has_answered ? instant_to_ms(source->answered) : eval->now_ms;
        const bool unknown = store->series[id].doubtful ||
                             (!eval->observed[from] && store->time_ms[id] > seen_ms - horizon_ms);
        word |= (uint64_t)unknown << i % 64;
    }
    return word;
}

void select_unknown(struct eval_node *node, const struct eval_node *select, int64_t horizon_ms)
{
    enum { DOUBT, QUIET }; /* of node->heard; silences are other numbers */
    const struct eval *eval = node->eval;
    const bool doubt = eval->store->doubtful_count > 0;
    const uint64_t heard = doubt ? DOUBT : eval->silence == 0 ? QUIET : eval->silence;
    const bool same = heard != DOUBT && node->heard == heard;
    node->heard = heard;
    if (heard == QUIET && (!same || node->fresh == FRESH_ALL)) {
        bits_fill(node->unknown, node->count, false);
        node->fresh = FRESH_ALL;
    }
    for (size_t b = 0; heard != QUIET && b < BIT_WORDS(node->count); b++) {
        if (same && !fresh_at(node, b) && !fresh_at(select, b)) {
            continue;
        }
        const uint64_t word = unknown_word(select, b, horizon_ms);
        if (word != node->unknown[b]) {
            node->unknown[b] = word;
            fresh_mark(node, b);
        }
    }
}

/* Whether the end of a series, too, may be later than now: a grid lags behind the tick. */
static bool runs_behind(const struct eval *eval)
{
    return eval->root != eval || eval->reach_ms > 0 || !eval->store->limits.live;
}

/* Slots whose newest sample, or whose end, is later than now: what they had at now is in their
 * rings, and is looked for again at the next tick. */
static void select_future(struct eval_node *node, const int64_t *newest, size_t from, size_t past)
{
    const struct store *store = node->eval->store;
    const int64_t now_ms = node->eval->now_ms;
    for (size_t i = from; i < past; i++) {
        const struct series *series = &store->series[node->left[i]];
        double value;
        int64_t time_ms;
        if ((newest[i] <= now_ms && newest[i] != MS_NEVER) ||
            ring_newest_ms(&series->ring) <= now_ms) {
            continue;
        }
        node->until_ms[i / 64] = now_ms + 1;
        if (!ring_instant(&series->ring, now_ms, store->lookback_ms, &value, &time_ms)) {
            continue;
        }
        if (node->values != node->own) {
            memcpy(node->own, node->values, node->count * sizeof *node->own);
            node->values = node->own;
        }
        node->own[i] = value;
        bit_set(node->present, i);
    }
}

/* Blocks of series that each block of slots reads; ids mostly go upwards. */
static void select_reads(struct eval_node *node)
{
    const size_t blocks = BIT_WORDS(node->count);
    size_t count = 0;
    node->reads_of = node->generation;
    node->reads = heap_resize(node->reads, (node->count + 1) * sizeof *node->reads);
    node->reads_from = heap_resize(node->reads_from, (blocks + 1) * sizeof *node->reads_from);
    for (size_t i = 0; i < node->count; i++) {
        const uint32_t block = node->left[i] / 64;
        if (i % 64 == 0) {
            node->reads_from[i / 64] = (uint32_t)count;
        }
        if (i % 64 == 0 || node->reads[count - 1] != block) {
            node->reads[count++] = block;
        }
    }
    node->reads_from[blocks] = (uint32_t)count;
}

/* Some series of the block has changed since the node last looked. */
static bool select_touched(const struct eval_node *node, size_t block)
{
    const uint64_t *touched = node->eval->store->touched;
    if (node->contiguous) {
        const size_t past = (block + 1) * 64 < node->count ? (block + 1) * 64 : node->count;
        return touched[(node->left[0] + block * 64) / 64] >= node->looked ||
               touched[(node->left[0] + past - 1) / 64] >= node->looked;
    }
    bool some = false;
    for (uint32_t i = node->reads_from[block]; i < node->reads_from[block + 1] && !some; i++) {
        some = touched[node->reads[i]] >= node->looked;
    }
    return some;
}

static void select_fresh(struct eval_node *node)
{
    if (!node->contiguous && node->reads_of != node->generation) {
        select_reads(node);
        node->fresh = FRESH_ALL;
    }
    for (size_t b = 0; node->fresh != FRESH_ALL && b < BIT_WORDS(node->count); b++) {
        if (node->eval->now_ms >= node->until_ms[b] || select_touched(node, b)) {
            fresh_mark(node, b);
        }
    }
    node->looked = store_look(node->eval->store);
}

static void run_select(struct eval_node *node)
{
    const struct eval *eval = node->eval;
    const struct store *store = eval->store;
    node->blind = node->count == 0 && !eval->warm;
    if (node->count == 0) {
        return;
    }
    select_fresh(node);
    select_unknown(node, node, store->lookback_ms);
    /* One that is not evaluated at each tick has values of its own. */
    const bool own = !node->contiguous || eval->root != eval;
    const int64_t *newest = node->contiguous ? store->time_ms + node->left[0] : node->newest_ms;
    node->values = own ? node->own : store->value + node->left[0];
    for (size_t from = 0, past = 0; fresh_next(node, &from, &past);) {
        const size_t first = from * 64, last = past * 64 < node->count ? past * 64 : node->count;
        for (size_t i = first; own && i < last; i++) {
            node->own[i] = store->value[node->left[i]];
            node->newest_ms[i] = store->time_ms[node->left[i]];
        }
        const bool future =
            kernel_present(newest + first, last - first, eval->now_ms - store->lookback_ms,
                           eval->now_ms, node->present + from, node->until_ms + from);
        if (future || runs_behind(eval)) {
            select_future(node, newest, first, last);
        }
    }
}

/* ---- two operands ---- */

struct operands {
    const double *x, *y;
    size_t x_step, y_step; /* 0: one value for all pairs */
};

/* One side's values in the order of the pairs. */
static const double *operand(struct eval_node *node, int side, size_t *ret_step)
{
    const struct eval_node *child = node->in[side];
    const uint32_t *index = side ? node->right : node->left;
    *ret_step = child->scalar ? 0 : 1;
    if (child->scalar || (side ? node->right_same : node->left_same)) {
        return child->values;
    }
    for (size_t i = 0; i < node->count; i++) {
        node->scratch[side][i] = child->values[index[i]];
    }
    return node->scratch[side];
}

static void join_bits(struct eval_node *node, int side, bool first)
{
    const struct eval_node *child = node->in[side];
    const uint32_t *index = side ? node->right : node->left;
    const bool same = side ? node->right_same : node->left_same;
    const size_t words = BIT_WORDS(node->count);
    if (child->scalar) {
        if (first) {
            bits_fill(node->present, node->count, true);
            bits_fill(node->unknown, node->count, bit_get(child->unknown, 0));
        }
        if (!first && bit_get(child->unknown, 0)) {
            bits_fill(node->unknown, node->count, true);
        }
        return;
    }
    const uint64_t *present = child->present, *unknown = child->unknown;
    if (!same) {
        bits_gather(child->present, index, node->count, node->scratch_bits[0]);
        bits_gather(child->unknown, index, node->count, node->scratch_bits[1]);
        present = node->scratch_bits[0];
        unknown = node->scratch_bits[1];
    }
    for (size_t w = 0; w < words; w++) {
        node->present[w] = first ? present[w] : node->present[w] & present[w];
        node->unknown[w] = first ? unknown[w] : node->unknown[w] | unknown[w];
    }
}

static struct operands operands(struct eval_node *node)
{
    struct operands o;
    o.x = operand(node, 0, &o.x_step);
    o.y = operand(node, 1, &o.y_step);
    join_bits(node, 0, true);
    join_bits(node, 1, false);
    return o;
}

static enum kernel_compare compare_of(enum operator op)
{
    switch ((int)op) {
    case OPERATOR_EQ: return COMPARE_EQ;
    case OPERATOR_NE: return COMPARE_NE;
    case OPERATOR_LE: return COMPARE_LE;
    case OPERATOR_LT: return COMPARE_LT;
    case OPERATOR_GE: return COMPARE_GE;
    default: CHECK(op == OPERATOR_GT); return COMPARE_GT;
    }
}

static enum kernel_arithmetic arithmetic_of(enum operator op)
{
    switch ((int)op) {
    case OPERATOR_ADD: return KERNEL_ADD;
    case OPERATOR_SUB: return KERNEL_SUBTRACT;
    case OPERATOR_MUL: return KERNEL_MULTIPLY;
    case OPERATOR_DIV: return KERNEL_DIVIDE;
    case OPERATOR_MOD: return KERNEL_MODULO;
    case OPERATOR_ATAN2: return KERNEL_ATAN2;
    default: CHECK(op == OPERATOR_POW); return KERNEL_POWER;
    }
}

static void run_compare(struct eval_node *node, const struct operands *o)
{
    uint64_t *is_true = node->scratch_bits[0], *is_nan = node->scratch_bits[1];
    kernel_compare(compare_of(node->p.op), o->x, o->x_step, o->y, o->y_step, node->count, is_true,
                   is_nan);
    for (size_t w = 0; w < BIT_WORDS(node->count); w++) {
        node->unknown[w] |= is_nan[w] & node->present[w];
        node->present[w] &= node->p.return_bool ? UINT64_MAX : is_true[w];
    }
    if (node->p.return_bool) {
        node->values = node->own;
        for (size_t i = 0; i < node->count; i++) {
            node->own[i] = bit_get(is_true, i);
        }
        return;
    }
    /* A filter keeps the left value; against a scalar, the vector's. */
    node->values = o->x_step || !o->y_step ? o->x : o->y;
}

static void run_binary(struct eval_node *node)
{
    struct operands o = operands(node);
    contend(node, &node->contention[0]);
    if (node->p.group == GROUP_NONE) {
        contend(node, &node->contention[1]); /* ambiguous even where the filter leaves one */
    }
    if (operator_infos[node->p.op].kind == OPERATOR_COMPARE) {
        run_compare(node, &o);
    } else {
        kernel_arithmetic(arithmetic_of(node->p.op), o.x, o.x_step, o.y, o.y_step, node->count,
                          node->own);
    }
    contend(node, &node->contention[1]);
}

/* The side on which a slot was first seen says which way the threshold is crossed. */
static void reach_one(struct eval_node *node, size_t i, const struct kernel_forecast *fit,
                      double threshold)
{
    int8_t *side = &node->state.side[i];
    if (isnan(threshold)) {
        bit_set(node->unknown, i);
        bit_clear(node->present, i);
        return;
    }
    if (*side == 0) {
        *side = fit->newest < threshold ? 1 : fit->newest > threshold ? -1 : 0;
    }
    bool across = *side == 0 || (*side > 0 ? fit->newest >= threshold : fit->newest <= threshold);
    double chance = across ? 1 : kernel_forecast_chance(fit, threshold, *side < 0);
    node->chance[i] = chance;
    if (isnan(chance)) {
        bit_set(node->unknown, i);
    }
    if (!(node->p.strict ? chance > node->p.bound : chance >= node->p.bound)) {
        bit_clear(node->present, i);
    }
}

static void run_reaches(struct eval_node *node)
{
    struct operands o = operands(node);
    contend(node, &node->contention[0]);
    for (size_t i = 0; i < node->count; i++) {
        node->own[i] = o.x[i];
        node->chance[i] = NAN;
        if (bit_get(node->present, i)) {
            reach_one(node, i, &node->in[0]->fits[node->left[i]], o.y[i * o.y_step]);
        }
    }
    contend(node, &node->contention[1]);
}

/* Bits of the groups that have a bit among the slots. */
static void group_bits(const uint64_t *bits, const uint32_t *group, size_t count,
                       size_t group_count, uint64_t *ret)
{
    memset(ret, 0, (BIT_WORDS(group_count) + 1) * sizeof *ret);
    for (size_t i = 0; i < count; i++) {
        if (bit_get(bits, i)) {
            bit_set(ret, group[i]);
        }
    }
}

static void run_set(struct eval_node *node)
{
    const struct eval_node *a = node->in[0], *b = node->in[1];
    const struct eval_node *other = node->p.op == OPERATOR_OR ? a : b;
    const uint32_t *other_group = other == a ? node->left : node->right;
    uint64_t *in = node->scratch_bits[0], *unknown = node->scratch_bits[1];
    node->values = node->own;
    group_bits(other->present, other_group, other->count, node->group_count, in);
    group_bits(other->unknown, other_group, other->count, node->group_count, unknown);
    bits_fill(node->present, node->count, false);
    bits_fill(node->unknown, node->count, false);
    for (size_t i = 0; i < node->count; i++) {
        bool first = i < a->count;
        const struct eval_node *from = first ? a : b;
        size_t j = first ? i : i - a->count;
        uint32_t group = first ? node->left[j] : node->right[j];
        bool matters = node->p.op != OPERATOR_OR || !first;
        bool wanted = node->p.op == OPERATOR_AND;
        node->own[i] = from->values[j];
        if (bit_get(from->present, j) && (!matters || bit_get(in, group) == wanted)) {
            bit_set(node->present, i);
        }
        if (bit_get(from->unknown, j) || (matters && bit_get(unknown, group))) {
            bit_set(node->unknown, i);
        }
    }
}

/* ---- one operand ---- */

/* Several slots of the child lead to one: the present one is its value. */
static void rename_together(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    uint64_t *twice = node->scratch_bits[0];
    bits_fill(node->present, node->count, false);
    bits_fill(node->unknown, node->count, false);
    bits_fill(twice, node->count, false);
    node->values = node->own;
    for (size_t i = 0; i < child->count; i++) {
        const uint32_t to = node->left[i];
        if (bit_get(child->unknown, i)) {
            bit_set(node->unknown, to);
        }
        if (bit_get(child->present, i)) {
            bit_set(bit_get(node->present, to) ? twice : node->present, to);
            node->own[to] = child->values[i];
        }
    }
    for (size_t w = 0; w < BIT_WORDS(node->count); w++) {
        node->present[w] &= ~twice[w];
        node->unknown[w] |= twice[w];
        node->eval->many_to_many += (uint64_t)__builtin_popcountll(twice[w]);
        node->faulted |= twice[w] != 0;
    }
}

static void run_rename(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    if (node->count != child->count) { /* never where it negates */
        rename_together(node);
        return;
    }
    copy_bits(node->present, child->present, node->count);
    copy_bits(node->unknown, child->unknown, node->count);
    node->values = child->values;
    if (node->p.minus) {
        node->values = node->own;
        for (size_t i = 0; i < node->count; i++) {
            node->own[i] = -child->values[i];
        }
    }
}

bool any_bit(const uint64_t *bits, size_t count)
{
    uint64_t any = 0;
    for (size_t w = 0; w < BIT_WORDS(count); w++) {
        any |= bits[w];
    }
    return any != 0;
}

static void run_absent(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    node->own[0] = 1;
    node->present[0] = !any_bit(child->present, child->count);
    node->unknown[0] = any_bit(child->unknown, child->count);
}

static void run_ewma(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    kernel_ewma(child->values, child->present, node->count, node->p.number, node->state.mean,
                node->state.begun);
    copy_bits(node->present, child->present, node->count);
    copy_bits(node->unknown, child->unknown, node->count);
    for (size_t i = 0; i < node->count; i++) {
        node->own[i] = node->state.mean[i];
        if (bit_get(child->present, i) && !bit_get(node->state.begun, i)) {
            bit_clear(node->present, i); /* only NaN or Inf so far */
            bit_set(node->unknown, i);
        }
    }
    contend(node, &node->contention[1]);
}

static void run_moments(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    const struct kernel_moments state = {node->state.mean, node->state.variance,
                                         node->state.history, node->state.begun};
    kernel_moments(child->values, child->present, node->count, node->p.number, &state, node->own,
                   node->variance, node->present);
    for (size_t w = 0; w < BIT_WORDS(node->count); w++) {
        node->unknown[w] = child->unknown[w] | (child->present[w] & ~node->present[w]);
    }
    contend(node, &node->contention[1]);
}

static void run_zscore(struct eval_node *node)
{
    const struct eval_node *moments = node->in[0];
    node->values = node->own;
    kernel_zscore(moments->values, moments->variance, node->count, node->own);
    copy_bits(node->present, moments->present, node->count);
    copy_bits(node->unknown, moments->unknown, node->count);
}

static void run_zscore_compare(struct eval_node *node)
{
    const struct eval_node *moments = node->in[0];
    const struct node_parameters *p = &node->p;
    node->values = node->own;
    kernel_zscore_compare(compare_of(p->op), p->bound, moments->values, moments->variance,
                          moments->present, node->count, node->own, node->present, node->unknown);
    for (size_t i = 0; p->return_bool && i < node->count; i++) {
        node->own[i] = bit_get(node->present, i);
    }
    for (size_t w = 0; w < BIT_WORDS(node->count); w++) {
        node->present[w] =
            p->return_bool ? moments->present[w] & ~node->unknown[w] : node->present[w];
        node->unknown[w] |= moments->unknown[w];
    }
}

static void run_sort(struct eval_node *node)
{
    const struct eval_node *child = node->in[0];
    node->values = child->values;
    copy_bits(node->present, child->present, node->count);
    copy_bits(node->unknown, child->unknown, node->count);
}

static void run_labels(struct eval_node *node)
{
    run_sort(node);
    contend(node, &node->contention[1]);
}

static void run_time(struct eval_node *node)
{
    node->own[0] = node->kind == NODE_TIME ? (double)node->eval->now_ms / 1e3 : node->p.number;
    node->present[0] = 1;
}

static void run_kind(struct eval_node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_TIME: run_time(node); break;
    case NODE_SELECT: run_select(node); break;
    case NODE_SAMPLED: run_sampled(node); break;
    case NODE_PAST: run_past(node); break;
    case NODE_WINDOW: run_window(node); break;
    case NODE_FORECAST: run_forecast(node); break;
    case NODE_REACHES: run_reaches(node); break;
    case NODE_BINARY: run_binary(node); break;
    case NODE_SET: run_set(node); break;
    case NODE_AGGREGATE: run_aggregate(node); break;
    case NODE_PICK: run_pick(node); break;
    case NODE_COUNT_VALUES: run_count_values(node); break;
    case NODE_HISTOGRAM: run_histogram(node); break;
    case NODE_RENAME:
    case NODE_END: run_rename(node); break;
    case NODE_ABSENT: run_absent(node); break;
    case NODE_MATH: run_math(node); break;
    case NODE_SCALAR: run_scalar(node); break;
    case NODE_VECTOR: run_vector(node); break;
    case NODE_TIMESTAMP: run_timestamp(node); break;
    case NODE_SORT: run_sort(node); break;
    case NODE_LABELS: run_labels(node); break;
    case NODE_AT: run_at(node); break;
    case NODE_EWMA: run_ewma(node); break;
    case NODE_MOMENTS: run_moments(node); break;
    case NODE_ZSCORE: run_zscore(node); break;
    case NODE_ZSCORE_COMPARE: run_zscore_compare(node); break;
    case NODE_STEP: step_run(node); break;
    }
}

/* What no child can see, the node cannot say. */
static void pass_blindness(struct eval_node *node)
{
    for (size_t i = 0; i < node->in_count; i++) {
        node->blind |= node->in[i]->blind;
        node->overflow |= node->in[i]->overflow;
        node->faulted |= node->in[i]->faulted;
    }
    node->blind |= node->overflow;
    if (node->blind) {
        bits_fill(node->unknown, node->count, true);
    }
}

void node_run_reference(struct eval_node *node)
{
    node->blind = node->faulted = false;
    node->fresh = FRESH_ALL;
    run_kind(node);
    pass_blindness(node);
    node->fresh = FRESH_ALL;
    node->ran = 0;
}

/* Its values and bits are what it makes of its inputs', whenever it is. */
static bool follows(const struct eval_node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_BINARY:
    case NODE_SET:
    case NODE_AGGREGATE:
    case NODE_PICK:
    case NODE_RENAME:
    case NODE_END:
    case NODE_ABSENT:
    case NODE_MATH:
    case NODE_SCALAR:
    case NODE_VECTOR:
    case NODE_SORT:
    case NODE_LABELS:
    case NODE_HISTOGRAM:
    case NODE_ZSCORE:
    case NODE_ZSCORE_COMPARE: return true;
    case NODE_TIMESTAMP: return node->p.raw && node->in[0]->kind == NODE_SELECT;
    case NODE_TIME:
    case NODE_SELECT:
    case NODE_SAMPLED:
    case NODE_PAST:
    case NODE_WINDOW:
    case NODE_FORECAST:
    case NODE_REACHES:
    case NODE_COUNT_VALUES:
    case NODE_AT:
    case NODE_EWMA:
    case NODE_MOMENTS:
    case NODE_STEP: break;
    }
    return false;
}

/* These say themselves which of their blocks are fresh. */
static bool goes_by_blocks(const struct eval_node *node)
{
    return node->kind == NODE_SELECT || node->kind == NODE_SAMPLED || node->kind == NODE_WINDOW;
}

/* A kernel's nodes are fresh as it says at its turn, unless what they read is blind. */
static void run_inside(struct eval_node *node)
{
    pass_blindness(node);
    if (node->blind || node->faulted) {
        node->settled = false;
        node->fresh = FRESH_ALL;
    }
}

void node_run(struct eval_node *node)
{
    node->blind = node->faulted = false;
    if (node->run == RUN_INSIDE) {
        run_inside(node);
        return;
    }
    if (node->run == RUN_KERNEL && node->kind != NODE_WINDOW) {
        code_run(node);
    } else {
        const bool moved = node->ran != node->generation; /* so may be the columns it lends */
        fresh_begin(node);
        if (moved || !follows(node) || node->fresh != FRESH_NONE || fresh_inputs(node)) {
            node->fresh = goes_by_blocks(node) ? node->fresh : FRESH_ALL;
            run_kind(node);
        }
    }
    pass_blindness(node);
    fresh_end(node);
}
