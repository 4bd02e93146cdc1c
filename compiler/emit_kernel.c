/* One group as one function: the loop over its slots, its inputs, its members, its root. */
#include <stdio.h>
#include <stdlib.h>

#include "compiler/emit.h"

static void types(struct emit *emit)
{
    emit->i1 = LLVMInt1TypeInContext(emit->context);
    emit->i8 = LLVMInt8TypeInContext(emit->context);
    emit->i64 = LLVMInt64TypeInContext(emit->context);
    emit->real = LLVMDoubleTypeInContext(emit->context);
    emit->pointer = LLVMPointerTypeInContext(emit->context, 0);
    emit->bytes = LLVMVectorType(emit->i8, EMIT_LANES);
    emit->reals = LLVMVectorType(emit->real, EMIT_LANES);
}

static void function_new(struct emit *emit)
{
    static const char *const attributes[] = {"nounwind", "nofree", "norecurse"};
    LLVMTypeRef parameters[] = {emit->pointer, emit->i64, emit->i64, emit->real};
    char name[32];
    snprintf(name, sizeof name, "k_%016llx", (unsigned long long)emit->group->hash);
    emit->function =
        LLVMAddFunction(emit->module, name, LLVMFunctionType(emit->i64, parameters, 4, 0));
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        unsigned kind =
            LLVMGetEnumAttributeKindForName(attributes[i], __builtin_strlen(attributes[i]));
        LLVMAddAttributeAtIndex(emit->function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                                LLVMCreateEnumAttribute(emit->context, kind, 0));
    }
}

static void load_column_pointers(struct emit *emit)
{
    LLVMValueRef columns = LLVMGetParam(emit->function, 0);
    for (uint32_t i = 0; i < emit->group->column_count; i++) {
        LLVMValueRef index = LLVMConstInt(emit->i64, i, 0);
        LLVMValueRef at =
            LLVMBuildInBoundsGEP2(emit->builder, emit->pointer, columns, &index, 1, "");
        emit->columns[i] = LLVMBuildLoad2(emit->builder, emit->pointer, at, "");
    }
}

/* Before the loop: what is the same for all slots. */
static void load_scalars(struct emit *emit)
{
    LLVMBuilderRef b = emit->builder;
    for (uint32_t i = 0; i < emit->group->input_count; i++) {
        const struct abi_node *input = &emit->plan->nodes[emit->group->inputs[i]];
        struct emit_lane *lane = &emit->lanes[emit->group->inputs[i]];
        uint32_t column = emit->group->input_column[i];
        *lane = (struct emit_lane){0};
        if (input->kind == ABI_NUMBER) {
            lane->value = emit_real(emit, input->number);
            lane->unknown = LLVMConstInt(emit->word, 0, 0);
        } else if (input->scalar) {
            LLVMValueRef value = LLVMBuildLoad2(b, emit->real, emit->columns[column], "");
            LLVMValueRef bits = LLVMBuildLoad2(b, emit->i8, emit->columns[column + 1], "");
            LLVMSetAlignment(value, 8);
            LLVMSetAlignment(bits, 1);
            lane->value = emit_splat(emit, value);
            lane->unknown = LLVMBuildSExt(b, LLVMBuildTrunc(b, bits, emit->i1, ""), emit->word, "");
        }
    }
}

static void load_vectors(struct emit *emit)
{
    for (uint32_t i = 0; i < emit->group->input_count; i++) {
        const struct abi_node *input = &emit->plan->nodes[emit->group->inputs[i]];
        struct emit_lane *lane = &emit->lanes[emit->group->inputs[i]];
        uint32_t column = emit->group->input_column[i];
        if (!input->scalar) {
            lane->value = emit_load_reals(emit, column);
            lane->present = emit_load_bits(emit, column + 1);
            lane->unknown = emit_load_bits(emit, column + 2);
        }
    }
}

static struct emit_lane emit_member(struct emit *emit, uint32_t member)
{
    const struct abi_node *node = &emit->plan->nodes[emit->group->members[member]];
    emit_debug_place(emit, node);
    switch (node->kind) {
    case ABI_ADD:
    case ABI_SUBTRACT:
    case ABI_MULTIPLY:
    case ABI_DIVIDE: return emit_arithmetic(emit, node);
    case ABI_COMPARE: return emit_compare(emit, node);
    case ABI_AND:
    case ABI_UNLESS: return emit_set(emit, node);
    case ABI_RENAME:
    case ABI_NEGATE: return emit_rename(emit, node);
    case ABI_EWMA: return emit_ewma(emit, node, member);
    case ABI_ZSCORE:
    case ABI_ZSCORE_COMPARE: return emit_zscore(emit, node, member);
    case ABI_OTHER:
    case ABI_NUMBER: break;
    }
    CHECK(node->kind != ABI_OTHER && node->kind != ABI_NUMBER); /* such have no group */
    return (struct emit_lane){0};
}

/* A filter's values are read only where it lets them through, which is seldom. */
static void store_values(struct emit *emit, const struct emit_lane *lane)
{
    const struct abi_group *group = emit->group;
    const struct abi_node *root = &emit->plan->nodes[group->members[group->member_count - 1]];
    bool filter = root->kind == ABI_AND || root->kind == ABI_UNLESS ||
                  (root->kind == ABI_COMPARE && !root->return_bool);
    if (filter) {
        LLVMBasicBlockRef behind = emit_unless(emit, lane->present, 0, "passes");
        emit_store_reals(emit, group->root_column, lane->value);
        emit_end(emit, behind);
    } else {
        emit_store_reals(emit, group->root_column, lane->value);
    }
}

static void store_root(struct emit *emit, const struct emit_lane *lane)
{
    const struct abi_group *group = emit->group;
    if (emit->phase != EMIT_BITS && lane->value && group->alias == ABI_NONE) {
        store_values(emit, lane);
    }
    if (emit->phase != EMIT_VALUES) {
        emit_store_bits(emit, group->root_column + 1, lane->present);
        emit_store_bits(emit, group->root_column + 2, lane->unknown);
    }
}

/* The body at emit->slot; returns the presence of the root's slots. */
static LLVMValueRef emit_body(struct emit *emit)
{
    struct emit_lane lane = {0};
    load_vectors(emit);
    for (uint32_t i = 0; i < emit->group->member_count; i++) {
        lane = emit_member(emit, i);
        emit->lanes[emit->group->members[i]] = lane;
    }
    store_root(emit, &lane);
    return lane.present;
}

/* A loop over all slots from where the builder stands; it then stands behind it. Returns what was
 * present, or-ed. What the other phase needs is dead here and goes with the passes. */
static LLVMValueRef emit_loop(struct emit *emit, enum emit_phase phase)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef lo = LLVMGetParam(emit->function, 1), hi = LLVMGetParam(emit->function, 2);
    emit->phase = phase;
    emit->word = phase == EMIT_BITS ? emit->i64 : emit->i8;
    load_scalars(emit);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(emit->context, emit->function, "loop");
    LLVMBasicBlockRef end = LLVMAppendBasicBlockInContext(emit->context, emit->function, "end");
    LLVMValueRef none = LLVMConstInt(emit->word, 0, 0);
    LLVMValueRef step = LLVMConstInt(emit->i64, phase == EMIT_BITS ? ABI_BLOCK : EMIT_LANES, 0);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, lo, hi, ""), loop, end);
    LLVMPositionBuilderAtEnd(b, loop);
    emit->slot = LLVMBuildPhi(b, emit->i64, "slot");
    LLVMValueRef any = LLVMBuildPhi(b, emit->word, "any");
    emit->byte = LLVMBuildLShr(b, emit->slot, LLVMConstInt(emit->i64, 3, 0), "");
    LLVMValueRef now_any = LLVMBuildOr(b, any, emit_body(emit), "");
    LLVMValueRef next = LLVMBuildAdd(b, emit->slot, step, "");
    LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, hi, ""), loop, end);
    LLVMAddIncoming(emit->slot, &lo, &entry, 1);
    LLVMAddIncoming(emit->slot, &next, &last, 1);
    LLVMAddIncoming(any, &none, &entry, 1);
    LLVMAddIncoming(any, &now_any, &last, 1);
    LLVMMoveBasicBlockAfter(end, last);
    LLVMPositionBuilderAtEnd(b, end);
    LLVMValueRef all = LLVMBuildPhi(b, emit->word, "");
    LLVMAddIncoming(all, &none, &entry, 1);
    LLVMAddIncoming(all, &now_any, &last, 1);
    return LLVMBuildZExt(b, all, emit->i64, "");
}

/* No bit of it depends on a value. */
static bool only_arithmetic(const struct emit *emit)
{
    for (uint32_t i = 0; i < emit->group->member_count; i++) {
        switch ((int)emit->plan->nodes[emit->group->members[i]].kind) {
        case ABI_ADD:
        case ABI_SUBTRACT:
        case ABI_MULTIPLY:
        case ABI_DIVIDE:
        case ABI_NEGATE:
        case ABI_RENAME: break;
        default: return false;
        }
    }
    return true;
}

void emit_group(struct emit *emit, const struct abi_group *group)
{
    emit->group = group;
    types(emit);
    function_new(emit);
    emit_debug_begin(emit);
    LLVMPositionBuilderAtEnd(emit->builder,
                             LLVMAppendBasicBlockInContext(emit->context, emit->function, "entry"));
    load_column_pointers(emit);
    if (only_arithmetic(emit)) {
        LLVMValueRef any = emit_loop(emit, EMIT_BITS);
        emit_loop(emit, EMIT_VALUES);
        LLVMBuildRet(emit->builder, any);
    } else {
        LLVMBuildRet(emit->builder, emit_loop(emit, EMIT_BOTH));
    }
}
