/* LLVM's side: a module of groups to an object, IR or assembly. */
#ifndef HEAL_COMPILER_JIT_H
#define HEAL_COMPILER_JIT_H

#include "compiler/code.h"
#include "runtime/abi.h"

/* These groups, of which none is a window, of the plan as bytes of the kind, on the heap. */
NODISCARD enum status jit_groups(const struct abi_plan *plan, const uint32_t *groups, size_t count,
                                 const struct code_options *options, enum code_form form,
                                 uint8_t **ret_bytes, size_t *ret_size, struct error *error);

#endif
