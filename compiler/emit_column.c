/* Loads and stores of columns at the slots of the loop, and the few words LLVM-C lacks. */
#include <stdio.h>
#include <string.h>

#include "compiler/emit.h"

static LLVMValueRef place(struct emit *emit, uint32_t column, LLVMTypeRef type, LLVMValueRef index)
{
    return LLVMBuildInBoundsGEP2(emit->builder, type, emit->columns[column], &index, 1, "");
}

static LLVMValueRef load(struct emit *emit, LLVMTypeRef type, LLVMValueRef from, unsigned align)
{
    LLVMValueRef value = LLVMBuildLoad2(emit->builder, type, from, "");
    LLVMSetAlignment(value, align);
    return value;
}

static void store(struct emit *emit, LLVMValueRef value, LLVMValueRef to, unsigned align)
{
    LLVMSetAlignment(LLVMBuildStore(emit->builder, value, to), align);
}

LLVMValueRef emit_load_reals(struct emit *emit, uint32_t column)
{
    return load(emit, emit->reals, place(emit, column, emit->real, emit->slot), 8);
}

void emit_store_reals(struct emit *emit, uint32_t column, LLVMValueRef value)
{
    store(emit, value, place(emit, column, emit->real, emit->slot), 8);
}

LLVMValueRef emit_load_bits(struct emit *emit, uint32_t column)
{
    LLVMValueRef bits = load(emit, emit->i8, place(emit, column, emit->i8, emit->byte), 1);
    return LLVMBuildBitCast(emit->builder, bits, emit->mask, "");
}

void emit_store_bits(struct emit *emit, uint32_t column, LLVMValueRef mask)
{
    LLVMValueRef bits = LLVMBuildBitCast(emit->builder, mask, emit->i8, "");
    store(emit, bits, place(emit, column, emit->i8, emit->byte), 1);
}

LLVMValueRef emit_load_bytes(struct emit *emit, uint32_t column)
{
    return load(emit, emit->bytes, place(emit, column, emit->i8, emit->slot), 1);
}

void emit_store_bytes(struct emit *emit, uint32_t column, LLVMValueRef bytes)
{
    store(emit, bytes, place(emit, column, emit->i8, emit->slot), 1);
}

LLVMValueRef emit_splat(struct emit *emit, LLVMValueRef scalar)
{
    LLVMTypeRef vector = LLVMVectorType(LLVMTypeOf(scalar), EMIT_LANES);
    LLVMValueRef zero = LLVMConstInt(LLVMInt32TypeInContext(emit->context), 0, 0);
    LLVMValueRef one =
        LLVMBuildInsertElement(emit->builder, LLVMGetPoison(vector), scalar, zero, "");
    LLVMTypeRef index = LLVMVectorType(LLVMInt32TypeInContext(emit->context), EMIT_LANES);
    return LLVMBuildShuffleVector(emit->builder, one, LLVMGetPoison(vector), LLVMConstNull(index),
                                  "");
}

static LLVMValueRef constant(LLVMValueRef scalar)
{
    LLVMValueRef lanes[EMIT_LANES];
    for (int i = 0; i < EMIT_LANES; i++) {
        lanes[i] = scalar;
    }
    return LLVMConstVector(lanes, EMIT_LANES);
}

/* By its bits: LLVMConstReal() would lose the payload of a NaN. */
LLVMValueRef emit_real(struct emit *emit, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return constant(LLVMConstBitCast(LLVMConstInt(emit->i64, bits, 0), emit->real));
}

LLVMValueRef emit_byte(struct emit *emit, uint8_t value)
{
    return constant(LLVMConstInt(emit->i8, value, 0));
}

LLVMValueRef emit_mask(struct emit *emit, bool value)
{
    return constant(LLVMConstInt(emit->i1, value, 0));
}

LLVMValueRef emit_any(struct emit *emit, LLVMValueRef mask)
{
    LLVMValueRef bits = LLVMBuildBitCast(emit->builder, mask, emit->i8, "");
    return LLVMBuildICmp(emit->builder, LLVMIntNE, bits, LLVMConstInt(emit->i8, 0, 0), "");
}

static LLVMValueRef unary(struct emit *emit, const char *name, LLVMValueRef value)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMTypeRef type = LLVMIntrinsicGetType(emit->context, id, &emit->reals, 1);
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(emit->module, id, &emit->reals, 1);
    return LLVMBuildCall2(emit->builder, type, function, &value, 1, "");
}

LLVMValueRef emit_fabs(struct emit *emit, LLVMValueRef value)
{
    return unary(emit, "llvm.fabs", value);
}

LLVMValueRef emit_sqrt(struct emit *emit, LLVMValueRef value)
{
    return unary(emit, "llvm.sqrt", value);
}

LLVMBasicBlockRef emit_when(struct emit *emit, LLVMValueRef condition, const char *name)
{
    LLVMBasicBlockRef then = LLVMAppendBasicBlockInContext(emit->context, emit->function, name);
    LLVMBasicBlockRef behind = LLVMAppendBasicBlockInContext(emit->context, emit->function, "");
    LLVMBuildCondBr(emit->builder, condition, then, behind);
    LLVMPositionBuilderAtEnd(emit->builder, then);
    return behind;
}

void emit_end(struct emit *emit, LLVMBasicBlockRef behind)
{
    LLVMBuildBr(emit->builder, behind);
    LLVMPositionBuilderAtEnd(emit->builder, behind);
}
