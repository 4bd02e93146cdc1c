/* Exponential averages: kernel_ewma(), kernel_zscore() and kernel_zscore_compare() of
 * stdlib/column.c, eight slots at a time. */
#include <float.h>
#include <math.h>

#include "compiler/emit.h"
#include "stdlib/kernel.h"

/* Present and finite: only such samples are folded in. */
static LLVMValueRef folded(struct emit *emit, const struct emit_lane *x)
{
    LLVMValueRef size = emit_fabs(emit, x->value);
    LLVMValueRef finite =
        LLVMBuildFCmp(emit->builder, LLVMRealOLE, size, emit_real(emit, DBL_MAX), "");
    return LLVMBuildAnd(emit->builder, x->present, emit_bits(emit, finite), "");
}

/* The block that the builder leaves for a rare one, and what either brings back. */
struct detour {
    LLVMBasicBlockRef before, rare, behind;
};

static struct detour detour(struct emit *emit, LLVMValueRef bits, const char *name)
{
    struct detour d = {.before = LLVMGetInsertBlock(emit->builder)};
    d.behind = emit_unless(emit, bits, UINT8_MAX, name);
    d.rare = LLVMGetInsertBlock(emit->builder);
    return d;
}

static LLVMValueRef either(struct emit *emit, struct detour *d, LLVMValueRef common,
                           LLVMValueRef rare)
{
    LLVMValueRef phi = LLVMBuildPhi(emit->builder, LLVMTypeOf(common), "");
    LLVMAddIncoming(phi, &common, &d->before, 1);
    LLVMAddIncoming(phi, &rare, &d->rare, 1);
    return phi;
}

struct emit_lane emit_ewma(struct emit *emit, const struct abi_node *node, uint32_t member)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane *x = &emit->lanes[node->input[0]];
    const uint32_t mean_at = emit->group->state[member], begun_at = mean_at + 1;
    LLVMValueRef mean = emit_load_reals(emit, mean_at), begun = emit_load_bits(emit, begun_at);
    LLVMValueRef active = folded(emit, x);
    LLVMValueRef step = LLVMBuildFSub(b, x->value, mean, "");
    step = LLVMBuildFMul(b, emit_real(emit, node->number), step, "");
    LLVMValueRef next = LLVMBuildFAdd(b, mean, step, "");
    struct detour d = detour(emit, LLVMBuildAnd(b, active, begun, ""), "beginning");
    LLVMValueRef first = emit_choose(emit, begun, next, x->value);
    first = emit_choose(emit, active, first, mean);
    LLVMValueRef started = LLVMBuildOr(b, begun, active, "");
    emit_store_bits(emit, begun_at, started);
    emit_end(emit, d.behind);
    mean = either(emit, &d, next, first);
    begun = either(emit, &d, begun, started);
    emit_store_reals(emit, mean_at, mean);
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

/* Some slot has no sample, or is young: its history grows, its first sample is its mean. */
static void fold_some(struct emit *emit, const struct emit_lane *x, const struct moments *m,
                      LLVMValueRef active, LLVMValueRef *mean, LLVMValueRef *variance)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef history = emit_load_bytes(emit, m->at + 2);
    LLVMValueRef least = emit_byte(emit, KERNEL_HISTORY_MIN);
    LLVMValueRef first = LLVMBuildICmp(b, LLVMIntEQ, history, emit_byte(emit, 0), "");
    LLVMValueRef young = LLVMBuildICmp(b, LLVMIntULT, history, least, "");
    LLVMValueRef more = LLVMBuildAdd(b, history, emit_byte(emit, 1), "");
    more = LLVMBuildSelect(b, young, more, history, "");
    LLVMValueRef grown = emit_choose(emit, active, more, history);
    LLVMValueRef full = LLVMBuildICmp(b, LLVMIntUGE, grown, least, "");
    emit_store_bytes(emit, m->at + 2, grown);
    emit_store_bits(
        emit, m->at + 3,
        LLVMBuildOr(b, m->ripe, LLVMBuildAnd(b, emit_bits(emit, full), active, ""), ""));
    *mean = LLVMBuildSelect(b, first, x->value, *mean, "");
    *variance = LLVMBuildSelect(b, first, emit_real(emit, 0), *variance, "");
    *mean = emit_choose(emit, active, *mean, m->mean);
    *variance = emit_choose(emit, active, *variance, m->variance);
}

static LLVMValueRef score(struct emit *emit, const struct moments *m)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef zero = emit_real(emit, 0);
    LLVMValueRef still = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOEQ, m->d, zero, ""),
                                      LLVMBuildFCmp(b, LLVMRealOEQ, m->variance, zero, ""), "");
    LLVMValueRef z = LLVMBuildFDiv(b, m->d, emit_sqrt(emit, m->variance), "");
    return LLVMBuildSelect(b, still, zero, z, "");
}

/* d |d| op k |k| v: neither root nor division. */
static LLVMValueRef beyond(struct emit *emit, const struct abi_node *node, const struct moments *m)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef square = LLVMBuildFMul(b, m->d, emit_fabs(emit, m->d), "");
    LLVMValueRef bound =
        LLVMBuildFMul(b, emit_real(emit, node->bound * fabs(node->bound)), m->variance, "");
    return emit_predicate(emit, node->compare, square, bound);
}

/* What a z-score's slots are when every one is present, finite and ripe. */
static struct emit_lane scored(struct emit *emit, const struct abi_node *node,
                               const struct emit_lane *x, const struct moments *m,
                               LLVMValueRef is_true)
{
    struct emit_lane lane = {.present = LLVMConstInt(emit->i8, UINT8_MAX, 0),
                             .unknown = x->unknown};
    if (node->kind == ABI_ZSCORE) {
        lane.value = score(emit, m);
    } else if (node->return_bool) {
        lane.value =
            LLVMBuildSelect(emit->builder, is_true, emit_real(emit, 1), emit_real(emit, 0), "");
    } else {
        lane.present = emit_bits(emit, is_true);
    }
    return lane;
}

/* And when some are not: too young is unknown, and for a comparison so is NaN. */
static struct emit_lane scored_some(struct emit *emit, const struct abi_node *node,
                                    const struct emit_lane *x, const struct moments *m,
                                    const struct emit_lane *all)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef unsure = LLVMBuildNot(b, m->ripe, "");
    if (node->kind == ABI_ZSCORE_COMPARE) {
        LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, x->value, x->value, "");
        unsure = LLVMBuildOr(b, unsure, emit_bits(emit, is_nan), "");
    }
    unsure = LLVMBuildAnd(b, unsure, x->present, "");
    struct emit_lane lane = {.unknown = LLVMBuildOr(b, unsure, x->unknown, "")};
    if (node->kind == ABI_ZSCORE_COMPARE && !node->return_bool) {
        lane.present = LLVMBuildAnd(b, x->present, m->ripe, "");
        lane.present = LLVMBuildAnd(b, lane.present, all->present, "");
    } else {
        lane.present = LLVMBuildAnd(b, x->present, LLVMBuildNot(b, unsure, ""), "");
    }
    return lane;
}

/* Mostly all eight slots are present, finite and ripe, and nothing has to be chosen. The fold:
 * v = (1 - alpha) (v + alpha d d), m = m + alpha d. */
struct emit_lane emit_zscore(struct emit *emit, const struct abi_node *node, uint32_t member)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane x = emit->lanes[node->input[0]];
    const bool root = member + 1 == emit->group->member_count;
    const struct moments m = moments_load(emit, &x, member);
    LLVMValueRef is_true = node->kind == ABI_ZSCORE ? NULL : beyond(emit, node, &m);
    struct emit_lane lane = scored(emit, node, &x, &m, is_true);
    LLVMValueRef active = folded(emit, &x);
    LLVMValueRef step = LLVMBuildFMul(b, emit_real(emit, node->number), m.d, "");
    LLVMValueRef mean = LLVMBuildFAdd(b, m.mean, step, "");
    LLVMValueRef variance = LLVMBuildFAdd(b, m.variance, LLVMBuildFMul(b, step, m.d, ""), "");
    variance = LLVMBuildFMul(b, emit_real(emit, 1 - node->number), variance, "");
    LLVMValueRef some_mean = mean, some_variance = variance;
    struct detour d = detour(emit, LLVMBuildAnd(b, active, m.ripe, ""), "some");
    fold_some(emit, &x, &m, active, &some_mean, &some_variance);
    struct emit_lane some = scored_some(emit, node, &x, &m, &lane);
    emit_end(emit, d.behind);
    mean = either(emit, &d, mean, some_mean);
    variance = either(emit, &d, variance, some_variance);
    lane.present = either(emit, &d, lane.present, some.present);
    lane.unknown = either(emit, &d, lane.unknown, some.unknown);
    emit_store_reals(emit, m.at, mean);
    emit_store_reals(emit, m.at + 1, variance);
    if (!lane.value && !root) {
        lane.value = score(emit, &m);
    } else if (!lane.value) { /* few are true: the root and the division only for those */
        LLVMBasicBlockRef behind = emit_unless(emit, lane.present, 0, "fires");
        emit_store_reals(emit, emit->group->root_column, score(emit, &m));
        emit_end(emit, behind);
    }
    return lane;
}
