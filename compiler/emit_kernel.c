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
    LLVMTypeRef parameters[] = {emit->pointer, emit->i64, emit->i64, emit->i64};
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
            if (input->kind == ABI_MOMENTS) {
                lane->variance = emit_load_reals(emit, ++column);
            }
            lane->present = emit_load_bits(emit, column + 1);
            lane->unknown = emit_load_bits(emit, column + 2);
        }
        if (input->kind == ABI_MOMENTS) {
            lane->nan = emit_nan(emit, lane->value, lane->present);
            lane->unsure = LLVMBuildOr(emit->builder, lane->unknown, lane->nan, "");
            lane->square =
                LLVMBuildFMul(emit->builder, lane->value, emit_fabs(emit, lane->value), "");
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
    case ABI_MOMENTS: return emit_moments(emit, node, member);
    case ABI_ZSCORE:
    case ABI_ZSCORE_COMPARE: return emit_zscore(emit, node);
    case ABI_OTHER:
    case ABI_NUMBER:
    case ABI_WINDOW: break;
    }
    CHECK(false); /* the first two have no group, the last has one for itself */
    return (struct emit_lane){0};
}

static const struct abi_node *root_of(const struct emit *emit)
{
    return &emit->plan->nodes[emit->group->members[emit->group->member_count - 1]];
}

/* A filter's values are read only where it lets them through, which is seldom. */
static void store_values(struct emit *emit, const struct emit_lane *lane)
{
    const struct abi_group *group = emit->group;
    const struct abi_node *root = root_of(emit);
    bool filter = root->kind == ABI_AND || root->kind == ABI_UNLESS ||
                  (root->kind == ABI_COMPARE && !root->return_bool);
    if (!lane->value) {
        LLVMBasicBlockRef behind = emit_unless(emit, lane->present, 0, "passes");
        emit_store_reals(emit, group->root_column, emit_score(emit, &emit->lanes[root->input[0]]));
        emit_end(emit, behind);
    } else if (filter) {
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
    uint32_t bits_at = group->root_column + 1;
    if (root_of(emit)->kind == ABI_MOMENTS) {
        emit_store_reals(emit, group->root_column, emit_deviation(emit, lane));
        emit_store_reals(emit, bits_at++, lane->variance);
    } else if (emit->phase != EMIT_BITS && group->alias == ABI_NONE) {
        store_values(emit, lane);
    }
    if (emit->phase != EMIT_VALUES) {
        emit_store_bits(emit, bits_at, lane->present);
        emit_store_bits(emit, bits_at + 1, lane->unknown);
    }
}

void emit_members(struct emit *emit, uint32_t count)
{
    load_vectors(emit);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = emit->group->members[i];
        emit->lanes[at] = emit_member(emit, i);
        /* Only a group's root may leave its value to those few slots where it is read. */
        if (!emit->lanes[at].value && i + 1 < emit->group->member_count) {
            emit->lanes[at].value = emit_score(emit, &emit->lanes[emit->plan->nodes[at].input[0]]);
        }
    }
}

/* The body at emit->slot; returns the presence of the root's slots. */
static LLVMValueRef emit_body(struct emit *emit)
{
    emit_members(emit, emit->group->member_count);
    const struct emit_lane *root =
        &emit->lanes[emit->group->members[emit->group->member_count - 1]];
    store_root(emit, root);
    return root->present;
}

struct emit_loop emit_loop_begin(struct emit *emit, LLVMValueRef lo, LLVMValueRef hi, unsigned step,
                                 LLVMTypeRef word)
{
    LLVMBuilderRef b = emit->builder;
    struct emit_loop loop = {
        .word = word, .lo = lo, .hi = hi, .step = LLVMConstInt(emit->i64, step, 0)};
    loop.entry = LLVMGetInsertBlock(b);
    loop.body = LLVMAppendBasicBlockInContext(emit->context, emit->function, "loop");
    loop.end = LLVMAppendBasicBlockInContext(emit->context, emit->function, "end");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, lo, hi, ""), loop.body, loop.end);
    LLVMPositionBuilderAtEnd(b, loop.body);
    emit->slot = LLVMBuildPhi(b, emit->i64, "slot");
    loop.any = LLVMBuildPhi(b, word, "any");
    emit->byte = LLVMBuildLShr(b, emit->slot, LLVMConstInt(emit->i64, 3, 0), "");
    return loop;
}

LLVMValueRef emit_loop_end(struct emit *emit, struct emit_loop *loop, LLVMValueRef bits)
{
    LLVMBuilderRef b = emit->builder;
    LLVMValueRef none = LLVMConstInt(loop->word, 0, 0);
    LLVMValueRef any = LLVMBuildOr(b, loop->any, bits, "");
    LLVMValueRef next = LLVMBuildAdd(b, emit->slot, loop->step, "");
    LLVMBasicBlockRef last = LLVMGetInsertBlock(b);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, loop->hi, ""), loop->body, loop->end);
    LLVMAddIncoming(emit->slot, &loop->lo, &loop->entry, 1);
    LLVMAddIncoming(emit->slot, &next, &last, 1);
    LLVMAddIncoming(loop->any, &none, &loop->entry, 1);
    LLVMAddIncoming(loop->any, &any, &last, 1);
    LLVMMoveBasicBlockAfter(loop->end, last);
    LLVMPositionBuilderAtEnd(b, loop->end);
    LLVMValueRef all = LLVMBuildPhi(b, loop->word, "");
    LLVMAddIncoming(all, &none, &loop->entry, 1);
    LLVMAddIncoming(all, &any, &last, 1);
    return LLVMBuildZExt(b, all, emit->i64, "");
}

/* All slots in one phase. What the other phase needs is dead here and goes with the passes. */
static LLVMValueRef emit_slots(struct emit *emit, enum emit_phase phase)
{
    emit->phase = phase;
    emit->word = phase == EMIT_BITS ? emit->i64 : emit->i8;
    load_scalars(emit);
    struct emit_loop loop =
        emit_loop_begin(emit, LLVMGetParam(emit->function, 1), LLVMGetParam(emit->function, 2),
                        phase == EMIT_BITS ? ABI_BLOCK : EMIT_LANES, emit->word);
    return emit_loop_end(emit, &loop, emit_body(emit));
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
    if (emit->plan->nodes[group->members[0]].kind == ABI_WINDOW) {
        LLVMBuildRet(emit->builder, emit_window(emit));
    } else if (group->run_at + 1 < group->member_count) {
        emit->phase = EMIT_BOTH;
        emit->word = emit->i8;
        load_scalars(emit);
        LLVMBuildRet(emit->builder, emit_fan(emit));
    } else if (only_arithmetic(emit)) {
        LLVMValueRef any = emit_slots(emit, EMIT_BITS);
        emit_slots(emit, EMIT_VALUES);
        LLVMBuildRet(emit->builder, any);
    } else {
        LLVMBuildRet(emit->builder, emit_slots(emit, EMIT_BOTH));
    }
}
