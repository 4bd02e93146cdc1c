/* The seccomp filter of a role. */
#ifndef HEAL_RUNTIME_SANDBOX_SANDBOX_FILTER_H
#define HEAL_RUNTIME_SANDBOX_SANDBOX_FILTER_H

#include "runtime/sandbox/sandbox.h"

/* Loads it into all threads. *ret_lacks: the kernel has no seccomp, and nothing was done. */
NODISCARD enum status sandbox_filter_load(enum sandbox_role role, bool *ret_lacks,
                                          struct error *error);

#endif
