/* Kernels as LLVM IR: eight slots at a time, values as <8 x double>, presence and unknown as i8.
 * Where no bit depends on a value there are two loops, one of them over bits only, 64 slots at a
 * time. Only compiler/emit_* and compiler/jit.c include this.
 *
 * No pointer of the process and no fast-math flag enters the IR; every floating point operation is
 * the one of stdlib/column.c, in its order, so that results are the same bit for bit. */
#ifndef HEAL_COMPILER_EMIT_H
#define HEAL_COMPILER_EMIT_H

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>

#include "runtime/abi.h"

enum { EMIT_LANES = 8 };

enum emit_phase { EMIT_BOTH, EMIT_BITS, EMIT_VALUES }; /* what a loop stores */

/* A node's column in the loop. */
struct emit_lane {
    LLVMValueRef value; /* <8 x double>; of a scalar: a splat; of moments: x - mean */
    LLVMValueRef present,
        unknown; /* of emit->word, a bit a slot; present NULL for a scalar: it holds for all */
    /* Of moments: the variance; d |d|; bits where d is NaN; those and what is unknown; lanes where
     * x - mean is d, else d is 0 (NULL: all). */
    LLVMValueRef variance, square, nan, unsure, counts;
};

struct emit {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    const struct abi_plan *plan;
    const struct abi_group *group;
    bool wide;                                            /* the CPU has mask registers (AVX-512) */
    LLVMTypeRef i1, i8, i64, pointer, real, bytes, reals; /* the last two of 8 lanes */
    LLVMValueRef function, columns[ABI_COLUMNS_MAX];
    enum emit_phase phase;
    LLVMTypeRef word;                       /* i8, and i64 in the loop over bits only */
    LLVMValueRef slot, byte;                /* of the first lane; slot / 8 */
    struct emit_lane *lanes;                /* [plan->node_count] */
    LLVMDIBuilderRef debug;                 /* NULL: the plan tells no places */
    LLVMMetadataRef unit, file, subprogram; /* file: of the root */
    const char *path;                       /* of file */
};

/* Adds k_HASH to the module. */
void emit_group(struct emit *emit, const struct abi_group *group);

/* emit_debug.c: line tables, so that a debugger shows where in the policy an instruction comes
 * from. Between open and close; begin once a function, then the place of each node before its code.
 */
void emit_debug_open(struct emit *emit);
void emit_debug_begin(struct emit *emit);
void emit_debug_place(struct emit *emit, const struct abi_node *node);
void emit_debug_close(struct emit *emit);

/* A loop over slots from lo to hi from where the builder stands; at its end the builder stands
 * behind it. bits: of loop.word, or-ed over all turns and returned as i64. */
struct emit_loop {
    LLVMBasicBlockRef entry, body, end;
    LLVMTypeRef word;
    LLVMValueRef lo, hi, step, any;
};
struct emit_loop emit_loop_begin(struct emit *emit, LLVMValueRef lo, LLVMValueRef hi, unsigned step,
                                 LLVMTypeRef word);
LLVMValueRef emit_loop_end(struct emit *emit, struct emit_loop *loop, LLVMValueRef bits);
/* The lanes of inputs and of the first members, at the current slot. */
void emit_members(struct emit *emit, uint32_t count);

/* emit_column.c: columns at the current slot. */
LLVMValueRef emit_load_reals(struct emit *emit, uint32_t column);
void emit_store_reals(struct emit *emit, uint32_t column, LLVMValueRef value);
LLVMValueRef emit_load_bits(struct emit *emit, uint32_t column); /* emit->word */
void emit_store_bits(struct emit *emit, uint32_t column, LLVMValueRef bits);
LLVMValueRef emit_load_bytes(struct emit *emit, uint32_t column); /* <8 x i8> */
void emit_store_bytes(struct emit *emit, uint32_t column, LLVMValueRef bytes);
LLVMValueRef emit_splat(struct emit *emit, LLVMValueRef scalar);
LLVMValueRef emit_scalar(struct emit *emit, double value);
LLVMValueRef emit_real(struct emit *emit, double value);  /* a splat */
LLVMValueRef emit_byte(struct emit *emit, uint8_t value); /* a splat */
/* Bits of a comparison of reals; lanes (<8 x i1>, what LLVM's comparisons give) to bits and back.
 */
LLVMValueRef emit_test(struct emit *emit, LLVMRealPredicate predicate, LLVMValueRef x,
                       LLVMValueRef y);
LLVMValueRef emit_bits(struct emit *emit, LLVMValueRef lanes);
LLVMValueRef emit_choose(struct emit *emit, LLVMValueRef bits, LLVMValueRef yes, LLVMValueRef no);
LLVMValueRef emit_fabs(struct emit *emit, LLVMValueRef value);
LLVMValueRef emit_sqrt(struct emit *emit, LLVMValueRef value);
/* What follows runs only where bits != other; returns the block behind it, for emit_end(). */
LLVMBasicBlockRef emit_unless(struct emit *emit, LLVMValueRef bits, uint8_t other,
                              const char *name);
void emit_end(struct emit *emit, LLVMBasicBlockRef behind);

/* Families. member: index in the group. */
struct emit_lane emit_arithmetic(struct emit *emit, const struct abi_node *node); /* emit_node.c */
struct emit_lane emit_compare(struct emit *emit, const struct abi_node *node);
struct emit_lane emit_set(struct emit *emit, const struct abi_node *node);
struct emit_lane emit_rename(struct emit *emit, const struct abi_node *node);
LLVMRealPredicate emit_predicate(enum abi_compare compare);
/* Lanes to 1 and 0. */
LLVMValueRef emit_bool(struct emit *emit, enum abi_compare compare, LLVMValueRef x, LLVMValueRef y);
struct emit_lane emit_ewma(struct emit *emit, const struct abi_node *node, uint32_t member);
struct emit_lane emit_moments(struct emit *emit, const struct abi_node *node, uint32_t member);
/* The value of a comparison that is a filter is NULL: emit_score() where it passes. */
struct emit_lane emit_zscore(struct emit *emit, const struct abi_node *node);
LLVMValueRef emit_deviation(struct emit *emit, const struct emit_lane *moments); /* d */
LLVMValueRef emit_score(struct emit *emit, const struct emit_lane *moments);
/* Bits of what is present, and NaN or infinite. */
LLVMValueRef emit_nan(struct emit *emit, LLVMValueRef value, LLVMValueRef present);
/* The whole body of a group of moments with several readers; what was present, as i64. */
LLVMValueRef emit_fan(struct emit *emit);

#endif
