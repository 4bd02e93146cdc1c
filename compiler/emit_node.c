/* Operators without state: arithmetic, comparisons, renames. See run_binary() of the reference
 * evaluator, whose bits these are. */
#include "compiler/emit.h"

/* Presence and unknown of two operands joined; a scalar holds for all. */
static struct emit_lane join(struct emit *emit, const struct emit_lane *x,
                             const struct emit_lane *y)
{
    LLVMBuilderRef b = emit->builder;
    if (!x->present) {
        return (struct emit_lane){.present = y->present,
                                  .unknown = LLVMBuildOr(b, x->unknown, y->unknown, "")};
    }
    if (!y->present) {
        return (struct emit_lane){.present = x->present,
                                  .unknown = LLVMBuildOr(b, x->unknown, y->unknown, "")};
    }
    return (struct emit_lane){.present = LLVMBuildAnd(b, x->present, y->present, ""),
                              .unknown = LLVMBuildOr(b, x->unknown, y->unknown, "")};
}

struct emit_lane emit_arithmetic(struct emit *emit, const struct abi_node *node)
{
    const struct emit_lane *x = &emit->lanes[node->input[0]], *y = &emit->lanes[node->input[1]];
    struct emit_lane lane = join(emit, x, y);
    switch ((int)node->kind) {
    case ABI_ADD: lane.value = LLVMBuildFAdd(emit->builder, x->value, y->value, ""); break;
    case ABI_SUBTRACT: lane.value = LLVMBuildFSub(emit->builder, x->value, y->value, ""); break;
    case ABI_MULTIPLY: lane.value = LLVMBuildFMul(emit->builder, x->value, y->value, ""); break;
    default:
        CHECK(node->kind == ABI_DIVIDE);
        lane.value = LLVMBuildFDiv(emit->builder, x->value, y->value, "");
    }
    return lane;
}

LLVMRealPredicate emit_predicate(enum abi_compare compare)
{
    static const LLVMRealPredicate predicates[] = {
        [ABI_EQ] = LLVMRealOEQ, [ABI_NE] = LLVMRealUNE, [ABI_LE] = LLVMRealOLE,
        [ABI_LT] = LLVMRealOLT, [ABI_GE] = LLVMRealOGE, [ABI_GT] = LLVMRealOGT};
    return predicates[compare];
}

LLVMValueRef emit_bool(struct emit *emit, enum abi_compare compare, LLVMValueRef x, LLVMValueRef y)
{
    LLVMValueRef is_true = LLVMBuildFCmp(emit->builder, emit_predicate(compare), x, y, "");
    return LLVMBuildSelect(emit->builder, is_true, emit_real(emit, 1), emit_real(emit, 0), "");
}

struct emit_lane emit_compare(struct emit *emit, const struct abi_node *node)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane *x = &emit->lanes[node->input[0]], *y = &emit->lanes[node->input[1]];
    struct emit_lane lane = join(emit, x, y);
    /* a - a is NaN for NaN and infinity, and 0 for all others. */
    LLVMValueRef none = LLVMBuildFAdd(b, LLVMBuildFSub(b, x->value, x->value, ""),
                                      LLVMBuildFSub(b, y->value, y->value, ""), "");
    LLVMValueRef is_nan = emit_test(emit, LLVMRealUNE, none, emit_real(emit, 0));
    lane.unknown = LLVMBuildOr(b, lane.unknown, LLVMBuildAnd(b, is_nan, lane.present, ""), "");
    if (node->return_bool) {
        lane.value = emit_bool(emit, node->compare, x->value, y->value);
    } else {
        LLVMValueRef is_true = emit_test(emit, emit_predicate(node->compare), x->value, y->value);
        lane.present = LLVMBuildAnd(b, lane.present, is_true, "");
        lane.value = x->present ? x->value : y->value;
    }
    return lane;
}

/* Slots of the left side that the right side has, or has not. */
struct emit_lane emit_set(struct emit *emit, const struct abi_node *node)
{
    LLVMBuilderRef b = emit->builder;
    const struct emit_lane *x = &emit->lanes[node->input[0]], *y = &emit->lanes[node->input[1]];
    LLVMValueRef wanted = node->kind == ABI_AND ? y->present : LLVMBuildNot(b, y->present, "");
    return (struct emit_lane){.value = x->value,
                              .present = LLVMBuildAnd(b, x->present, wanted, ""),
                              .unknown = LLVMBuildOr(b, x->unknown, y->unknown, "")};
}

struct emit_lane emit_rename(struct emit *emit, const struct abi_node *node)
{
    struct emit_lane lane = emit->lanes[node->input[0]];
    if (node->kind == ABI_NEGATE) {
        lane.value = LLVMBuildFNeg(emit->builder, lane.value, "");
    }
    return lane;
}
