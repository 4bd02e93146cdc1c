/* healc --compile-child USER: heald's compile child, one request for machine code long. */
#ifndef HEAL_COMPILER_HEALC_COMPILE_CHILD_H
#define HEAL_COMPILER_HEALC_COMPILE_CHILD_H

#include "lang/base.h"

enum {
    COMPILE_CPU_SECONDS_MAX = 280,
    COMPILE_FILES_MAX = 16,
};
#define COMPILE_MEMORY_BYTES_MAX (1ULL << 30) /* on top of what is mapped at the start */

/* Started by heald with a socket in CODE_FD. Becomes USER ("none": stays). Never returns. */
_Noreturn void compile_child_main(const char *user);

#endif
