/* Machine code for a checked program: objects, the only currency between compiler and engine.
 *
 *     TRY(code_compile(program, CODE_NATIVE, &objects, &count, error));
 *     ... into a bundle ...
 *     code_objects_free(objects, count);
 *
 * Only compiler/emit_* and compiler/jit.c know LLVM; this header does not. An object holds kernels,
 * each named k_HASH by the hash of its group (operators, inputs, parameters, ABI; see
 * runtime/abi.h), so equal groups of all policies are one kernel. Operators without code are not in
 * any object: the reference evaluator runs them. */
#ifndef HEAL_COMPILER_CODE_H
#define HEAL_COMPILER_CODE_H

#include "lang/ast.h"

struct abi_plan;

enum code_cpu { CODE_V2, CODE_V3, CODE_V4, CODE_NATIVE };
enum code_form { CODE_OBJECT, CODE_IR, CODE_ASSEMBLY };
enum { CODE_KERNELS_PER_OBJECT = 64, CODE_TICK_SECONDS = 1 };

struct code_options {
    enum code_cpu cpu;
    bool plain; /* no passes and the simplest instruction selection, for tests and previews */
    size_t kernels_per_object; /* 0: CODE_KERNELS_PER_OBJECT */
};

struct code_object {
    enum code_cpu cpu;
    uint32_t abi;
    uint64_t *hashes; /* of its kernels */
    size_t hash_count;
    uint8_t *bytes; /* ELF relocatable, x86-64 */
    size_t size;
};

/* The program is checked. Policies without `every` are sampled each CODE_TICK_SECONDS.
 * STATUS_DENIED in a healc that was built without LLVM. */
NODISCARD enum status code_compile(const struct program *program, enum code_cpu cpu,
                                   struct code_object **ret, size_t *ret_count,
                                   struct error *error);
void code_objects_free(struct code_object *objects, size_t count);

/* The same for a plan that is at hand. */
NODISCARD enum status code_compile_plan(const struct abi_plan *plan,
                                        const struct code_options *options,
                                        struct code_object **ret, size_t *ret_count,
                                        struct error *error);
/* native, v2, v3 or v4. */
bool code_cpu_find(const char *text, enum code_cpu *ret);

/* What healc compile --emit writes: IR, assembly or one object with all kernels, to a file or
 * (NULL) standard output. */
NODISCARD enum status code_emit(const struct program *program, enum code_cpu cpu,
                                enum code_form form, const char *output, struct error *error);

#endif
