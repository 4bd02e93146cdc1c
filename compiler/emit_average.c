/* Exponential averages: kernel_ewma(), kernel_zscore() and kernel_zscore_compare() of
 * stdlib/column.c, eight slots at a time. */
#include <float.h>
#include <math.h>

#include "compiler/emit.h"
#include "stdlib/kernel.h"

static LLVMValueRef choose(struct emit *emit, LLVMValueRef mask, LLVMValueRef yes, LLVMValueRef no)
{
    return LLVMBuildSelect(emit->builder, mask, yes, no, "");
}

/* Present and finite: only such samples are folded in. */
static LLVMValueRef folded(struct emit *emit, const struct emit_lane *x)
{
    LLVMValueRef size = emit_fabs(emit, x->value);
    LLVMValueRef finite =
        LLVMBuildFCmp(emit->builder, LLVMRealOLE, size, emit_real(emit, DBL_MAX), "");
    return LLVMBuildAnd(emit->builder, x->present, finite, "");
}

struct emit_lane emit_ewma(struct emit *emit, const struct abi_node *node, uint32_t member)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane *x = &emit->lanes[node->input[0]];
    const uint32_t mean_at = emit->group->state[member], begun_at = mean_at + 1;
    LLVMValueRef mean = emit_load_reals(emit, mean_at), begun = emit_load_bits(emit, begun_at);
    LLVMValueRef active = folded(emit, x);
    LLVMValueRef d = LLVMBuildFSub(b, x->value, mean, "");
    LLVMValueRef step = LLVMBuildFMul(b, emit_real(emit, node->number), d, "");
    LLVMValueRef next = choose(emit, begun, LLVMBuildFAdd(b, mean, step, ""), x->value);
    mean = choose(emit, active, next, mean);
    begun = LLVMBuildOr(b, begun, active, "");
    emit_store_reals(emit, mean_at, mean);
    emit_store_bits(emit, begun_at, begun);
    LLVMValueRef waiting = LLVMBuildAnd(b, x->present, LLVMBuildNot(b, begun, ""), "");
    return (struct emit_lane){.value = mean,
                              .present = LLVMBuildAnd(b, x->present, begun, ""),
                              .unknown = LLVMBuildOr(b, x->unknown, waiting, "")};
}

struct moments {
    uint32_t at; /* first column: mean, variance, history, ripe */
    LLVMValueRef mean, variance, ripe, d;
};

static struct moments moments_load(struct emit *emit, const struct emit_lane *x, uint32_t member)
{
    struct moments m = {.at = emit->group->state[member]};
    m.mean = emit_load_reals(emit, m.at);
    m.variance = emit_load_reals(emit, m.at + 1);
    m.ripe = emit_load_bits(emit, m.at + 3);
    m.d = LLVMBuildFSub(emit->builder, x->value, m.mean, "");
    return m;
}

/* Some slot is young: its history grows; its first sample is its mean. */
static void fold_young(struct emit *emit, const struct emit_lane *x, const struct moments *m,
                       LLVMValueRef active, LLVMValueRef *mean, LLVMValueRef *variance)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef history = emit_load_bytes(emit, m->at + 2);
    LLVMValueRef first = LLVMBuildICmp(b, LLVMIntEQ, history, emit_byte(emit, 0), "");
    LLVMValueRef young =
        LLVMBuildICmp(b, LLVMIntULT, history, emit_byte(emit, KERNEL_HISTORY_MIN), "");
    young = LLVMBuildAnd(b, young, active, "");
    first = LLVMBuildAnd(b, first, active, "");
    LLVMValueRef more = LLVMBuildAdd(b, history, emit_byte(emit, 1), "");
    LLVMValueRef full = LLVMBuildICmp(b, LLVMIntEQ, more, emit_byte(emit, KERNEL_HISTORY_MIN), "");
    full = LLVMBuildAnd(b, full, young, "");
    emit_store_bytes(emit, m->at + 2, choose(emit, young, more, history));
    emit_store_bits(emit, m->at + 3, LLVMBuildOr(b, m->ripe, full, ""));
    *mean = choose(emit, first, x->value, *mean);
    *variance = choose(emit, first, emit_real(emit, 0), *variance);
}

static LLVMValueRef either(struct emit *emit, LLVMValueRef a, LLVMBasicBlockRef from_a,
                           LLVMValueRef b, LLVMBasicBlockRef from_b)
{
    LLVMValueRef phi = LLVMBuildPhi(emit->builder, LLVMTypeOf(a), "");
    LLVMAddIncoming(phi, &a, &from_a, 1);
    LLVMAddIncoming(phi, &b, &from_b, 1);
    return phi;
}

/* Folds x into the state: v = (1 - alpha) (v + alpha d d), m = m + alpha d. */
static void fold(struct emit *emit, const struct emit_lane *x, const struct moments *m,
                 double alpha)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef active = folded(emit, x);
    LLVMValueRef step = LLVMBuildFMul(b, emit_real(emit, alpha), m->d, "");
    LLVMValueRef mean = LLVMBuildFAdd(b, m->mean, step, "");
    LLVMValueRef variance = LLVMBuildFAdd(b, m->variance, LLVMBuildFMul(b, step, m->d, ""), "");
    variance = LLVMBuildFMul(b, emit_real(emit, 1 - alpha), variance, "");
    mean = choose(emit, active, mean, m->mean);
    variance = choose(emit, active, variance, m->variance);
    LLVMValueRef unripe = LLVMBuildAnd(b, active, LLVMBuildNot(b, m->ripe, ""), "");
    LLVMValueRef some = emit_any(emit, unripe), young_mean = mean, young_variance = variance;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef behind = emit_when(emit, some, "young");
    LLVMBasicBlockRef young = LLVMGetInsertBlock(b);
    fold_young(emit, x, m, active, &young_mean, &young_variance);
    emit_end(emit, behind);
    mean = either(emit, mean, before, young_mean, young);
    variance = either(emit, variance, before, young_variance, young);
    emit_store_reals(emit, m->at, mean);
    emit_store_reals(emit, m->at + 1, variance);
}

static LLVMValueRef score(struct emit *emit, const struct moments *m)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef zero = emit_real(emit, 0);
    LLVMValueRef still = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOEQ, m->d, zero, ""),
                                      LLVMBuildFCmp(b, LLVMRealOEQ, m->variance, zero, ""), "");
    LLVMValueRef z = LLVMBuildFDiv(b, m->d, emit_sqrt(emit, m->variance), "");
    return choose(emit, still, zero, z);
}

/* d |d| op k |k| v: neither root nor division. */
static struct emit_lane compared(struct emit *emit, const struct abi_node *node,
                                 const struct emit_lane *x, const struct moments *m)
{
    LLVMBuilderRef b = emit->builder;
    struct emit_lane lane;
    LLVMValueRef square = LLVMBuildFMul(b, m->d, emit_fabs(emit, m->d), "");
    LLVMValueRef bound =
        LLVMBuildFMul(b, emit_real(emit, node->bound * fabs(node->bound)), m->variance, "");
    LLVMValueRef is_true = emit_predicate(emit, node->compare, square, bound);
    LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, x->value, x->value, "");
    LLVMValueRef young = LLVMBuildNot(b, m->ripe, "");
    LLVMValueRef unsure = LLVMBuildAnd(b, x->present, LLVMBuildOr(b, young, is_nan, ""), "");
    is_true = LLVMBuildAnd(b, is_true, LLVMBuildAnd(b, x->present, m->ripe, ""), "");
    lane.unknown = LLVMBuildOr(b, unsure, x->unknown, "");
    if (node->return_bool) {
        lane.present = LLVMBuildAnd(b, x->present, LLVMBuildNot(b, unsure, ""), "");
        lane.value = choose(emit, is_true, emit_real(emit, 1), emit_real(emit, 0));
    } else {
        lane.present = is_true;
        lane.value = NULL;
    }
    return lane;
}

struct emit_lane emit_zscore(struct emit *emit, const struct abi_node *node, uint32_t member)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane x = emit->lanes[node->input[0]];
    const bool root = member + 1 == emit->group->member_count;
    struct moments m = moments_load(emit, &x, member);
    struct emit_lane lane;
    if (node->kind == ABI_ZSCORE) {
        lane.present = LLVMBuildAnd(b, x.present, m.ripe, "");
        /* Not the input's unknown: see run_zscore(), which adds it after. */
        LLVMValueRef young = LLVMBuildAnd(b, x.present, LLVMBuildNot(b, m.ripe, ""), "");
        lane.unknown = LLVMBuildOr(b, young, x.unknown, "");
        lane.value = score(emit, &m);
    } else {
        lane = compared(emit, node, &x, &m);
    }
    if (!lane.value && !root) {
        lane.value = score(emit, &m);
    } else if (!lane.value) { /* few are true: the root and the division only for those */
        LLVMBasicBlockRef behind = emit_when(emit, emit_any(emit, lane.present), "fires");
        emit_store_reals(emit, emit->group->root_column, score(emit, &m));
        emit_end(emit, behind);
    }
    fold(emit, &x, &m, node->number);
    return lane;
}
