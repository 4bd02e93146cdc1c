/* Machine code for a checked program: objects, the only currency between compiler and engine.
 *
 *     TRY(code_compile(program, CODE_NATIVE, &objects, &count, error));
 *     ... into a bundle ...
 *     code_objects_free(objects, count);
 *
 * Only compiler/emit_* and compiler/jit.c know LLVM; this header does not. An object holds kernels,
 * each named k_HASH by the hash of its operator (operator, inputs, parameters, ABI), so equal
 * operators of all policies are one kernel. */
#ifndef HEAL_COMPILER_CODE_H
#define HEAL_COMPILER_CODE_H

#include "lang/ast.h"

enum code_cpu { CODE_V2, CODE_V3, CODE_V4, CODE_NATIVE };

struct code_object {
    enum code_cpu cpu;
    uint32_t abi;
    uint64_t *hashes; /* of its kernels */
    size_t hash_count;
    uint8_t *bytes; /* ELF relocatable, x86-64 */
    size_t size;
};

NODISCARD enum status code_compile(const struct program *program, enum code_cpu cpu,
                                   struct code_object **ret, size_t *ret_count,
                                   struct error *error);
void code_objects_free(struct code_object *objects, size_t count);

#endif
