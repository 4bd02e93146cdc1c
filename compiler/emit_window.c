/* A window over samples: a call of its function in stdlib for each tile. */
#include <stdio.h>
#include <string.h>

#include "compiler/emit.h"
#include "stdlib/window.h"

static LLVMValueRef function_of(struct emit *emit, const struct abi_node *node, LLVMTypeRef *type)
{
    LLVMTypeRef parameters[] = {emit->pointer, emit->pointer, emit->i64,
                                emit->i64,     emit->real,    emit->pointer};
    char name[80];
    snprintf(name, sizeof name, "kernel_window_%s", kernel_window_infos[node->window].text);
    *type = LLVMFunctionType(emit->i64, parameters, ARRAY_LEN(parameters), 0);
    LLVMValueRef function = LLVMGetNamedFunction(emit->module, name);
    emit->calls_stdlib = true;
    return function ? function : LLVMAddFunction(emit->module, name, *type);
}

/* base + index * size bytes. */
static LLVMValueRef element(struct emit *emit, uint32_t column, LLVMValueRef index, size_t size)
{
    LLVMValueRef at = LLVMBuildMul(emit->builder, index, LLVMConstInt(emit->i64, size, 0), "");
    return LLVMBuildInBoundsGEP2(emit->builder, emit->i8, emit->columns[column], &at, 1, "");
}

static LLVMValueRef argument(struct emit *emit, const struct abi_node *node)
{
    if (node->input_count < 2) {
        return LLVMConstReal(emit->real, 0);
    }
    const struct abi_group *group = emit->group;
    const struct abi_node *input = &emit->plan->nodes[node->input[1]];
    uint32_t column = group->input_column[group->input_count - 1];
    CHECK(input->scalar && group->inputs[group->input_count - 1] == node->input[1]);
    return input->kind == ABI_NUMBER
               ? emit_scalar(emit, input->number)
               : LLVMBuildLoad2(emit->builder, emit->real, emit->columns[column], "argument");
}

static LLVMValueRef before_now(struct emit *emit, int64_t ms)
{
    LLVMValueRef now = LLVMGetParam(emit->function, 3);
    return LLVMBuildSub(emit->builder, now, LLVMConstInt(emit->i64, (uint64_t)ms, 1), "");
}

LLVMValueRef emit_window(struct emit *emit)
{
    LLVMBuilderRef b = emit->builder;
    const struct abi_group *group = emit->group;
    const struct abi_node *node = &emit->plan->nodes[group->members[0]];
    LLVMTypeRef type;
    LLVMValueRef function = function_of(emit, node, &type);
    LLVMValueRef start = before_now(emit, node->offset_ms + node->range_ms);
    LLVMValueRef end = before_now(emit, node->offset_ms), ahead = argument(emit, node);
    struct emit_loop loop = emit_loop_begin(emit, LLVMGetParam(emit->function, 1),
                                            LLVMGetParam(emit->function, 2), ABI_BLOCK, emit->i64);
    LLVMValueRef shift = LLVMConstInt(emit->i64, 6, 0);
    LLVMValueRef tile = LLVMBuildLShr(b, emit->slot, shift, "tile");
    LLVMValueRef call[] = {
        element(emit, group->input_column[0], tile, sizeof(struct kernel_tile)),
        element(emit, group->state[0], tile, kernel_window_infos[node->window].state_bytes),
        start,
        end,
        ahead,
        element(emit, group->root_column, emit->slot, sizeof(double))};
    _Static_assert((int)TILE_LANES == (int)ABI_BLOCK && ABI_BLOCK == 1 << 6,
                   "a tile is a word of bits");
    LLVMValueRef present = LLVMBuildCall2(b, type, function, call, ARRAY_LEN(call), "present");
    emit->word = emit->i64;
    emit_store_bits(emit, group->root_column + 1, present);
    return emit_loop_end(emit, &loop, present);
}
