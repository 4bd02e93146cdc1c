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
    return load(emit, emit->word, place(emit, column, emit->i8, emit->byte), 1);
}

void emit_store_bits(struct emit *emit, uint32_t column, LLVMValueRef bits)
{
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
LLVMValueRef emit_scalar(struct emit *emit, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return LLVMConstBitCast(LLVMConstInt(emit->i64, bits, 0), emit->real);
}

LLVMValueRef emit_real(struct emit *emit, double value)
{
    return constant(emit_scalar(emit, value));
}

LLVMValueRef emit_byte(struct emit *emit, uint8_t value)
{
    return constant(LLVMConstInt(emit->i8, value, 0));
}

LLVMValueRef emit_bits(struct emit *emit, LLVMValueRef lanes)
{
    return LLVMBuildBitCast(emit->builder, lanes, emit->i8, "");
}

static LLVMValueRef half(struct emit *emit, LLVMValueRef lanes, unsigned from)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(emit->context);
    LLVMValueRef index[EMIT_LANES / 2];
    for (unsigned i = 0; i < EMIT_LANES / 2; i++) {
        index[i] = LLVMConstInt(i32, from + i, 0);
    }
    return LLVMBuildShuffleVector(emit->builder, lanes, LLVMGetPoison(LLVMTypeOf(lanes)),
                                  LLVMConstVector(index, EMIT_LANES / 2), "");
}

static LLVMValueRef half_test(struct emit *emit, LLVMRealPredicate predicate, LLVMValueRef x,
                              LLVMValueRef y, unsigned from)
{
    LLVMTypeRef four = LLVMIntTypeInContext(emit->context, EMIT_LANES / 2);
    LLVMValueRef lanes =
        LLVMBuildFCmp(emit->builder, predicate, half(emit, x, from), half(emit, y, from), "");
    return LLVMBuildZExt(emit->builder, LLVMBuildBitCast(emit->builder, lanes, four, ""), emit->i8,
                         "");
}

/* Without mask registers eight lanes are two vectors of four, each with an instruction that takes
 * its sign bits; asked for eight at once, LLVM packs them first. */
LLVMValueRef emit_test(struct emit *emit, LLVMRealPredicate predicate, LLVMValueRef x,
                       LLVMValueRef y)
{
    if (emit->wide) {
        return emit_bits(emit, LLVMBuildFCmp(emit->builder, predicate, x, y, ""));
    }
    const unsigned four = EMIT_LANES / 2;
    LLVMValueRef high = LLVMBuildShl(emit->builder, half_test(emit, predicate, x, y, four),
                                     LLVMConstInt(emit->i8, four, 0), "");
    return LLVMBuildOr(emit->builder, half_test(emit, predicate, x, y, 0), high, "");
}

/* Bits to lanes as wide as the values they choose between. */
static LLVMValueRef lanes_of(struct emit *emit, LLVMValueRef bits, LLVMTypeRef element)
{
    LLVMTypeRef mask = LLVMVectorType(emit->i1, EMIT_LANES);
    LLVMValueRef each[EMIT_LANES];
    if (emit->wide) {
        return LLVMBuildBitCast(emit->builder, bits, mask, "");
    }
    for (unsigned i = 0; i < EMIT_LANES; i++) {
        each[i] = LLVMConstInt(element, 1ULL << i, 0);
    }
    LLVMValueRef one = LLVMBuildZExt(emit->builder, bits, element, "");
    LLVMValueRef set =
        LLVMBuildAnd(emit->builder, emit_splat(emit, one), LLVMConstVector(each, EMIT_LANES), "");
    return LLVMBuildICmp(emit->builder, LLVMIntNE, set, LLVMConstNull(LLVMTypeOf(set)), "");
}

LLVMValueRef emit_choose(struct emit *emit, LLVMValueRef bits, LLVMValueRef yes, LLVMValueRef no)
{
    LLVMTypeRef element = LLVMTypeOf(yes) == emit->reals ? emit->i64 : emit->i8;
    return LLVMBuildSelect(emit->builder, lanes_of(emit, bits, element), yes, no, "");
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

/* What is seldom stands out of the way and gets the spills. */
static void seldom(struct emit *emit, LLVMValueRef branch)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(emit->context);
    LLVMMetadataRef weights[] = {
        LLVMMDStringInContext2(emit->context, "branch_weights", strlen("branch_weights")),
        LLVMValueAsMetadata(LLVMConstInt(i32, 1, 0)),
        LLVMValueAsMetadata(LLVMConstInt(i32, 1000, 0))};
    LLVMMetadataRef node = LLVMMDNodeInContext2(emit->context, weights, ARRAY_LEN(weights));
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(emit->context, "prof", 4),
                    LLVMMetadataAsValue(emit->context, node));
}

LLVMBasicBlockRef emit_unless(struct emit *emit, LLVMValueRef bits, uint8_t other, const char *name)
{
    LLVMBasicBlockRef then = LLVMAppendBasicBlockInContext(emit->context, emit->function, name);
    LLVMBasicBlockRef behind = LLVMAppendBasicBlockInContext(emit->context, emit->function, "");
    LLVMValueRef differ =
        LLVMBuildICmp(emit->builder, LLVMIntNE, bits, LLVMConstInt(emit->i8, other, 0), "");
    seldom(emit, LLVMBuildCondBr(emit->builder, differ, then, behind));
    LLVMPositionBuilderAtEnd(emit->builder, then);
    return behind;
}

void emit_end(struct emit *emit, LLVMBasicBlockRef behind)
{
    LLVMBuildBr(emit->builder, behind);
    LLVMPositionBuilderAtEnd(emit->builder, behind);
}
