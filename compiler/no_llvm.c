/* In the place of jit.c and emit_*.c where healc is built without LLVM. */
#include "compiler/jit.h"

enum status jit_groups(const struct abi_plan *plan, const uint32_t *groups, size_t count,
                       const struct code_options *options, enum code_form form, uint8_t **ret_bytes,
                       size_t *ret_size, struct error *error)
{
    (void)plan, (void)groups, (void)count, (void)options, (void)form;
    (void)ret_bytes, (void)ret_size;
    return error_set(error, STATUS_DENIED, "this healc was built without LLVM (HEAL_LLVM=OFF)");
}
