/* The object of all windows (compiler/window/window_object.c), inside healc. */
#ifndef HEAL_COMPILER_WINDOW_H
#define HEAL_COMPILER_WINDOW_H

#include "compiler/code.h"

/* False in a healc that was built without clang: the reference evaluator computes windows. */
bool window_object_there(void);
/* A copy for the level; for CODE_NATIVE that of the best level this CPU has. */
struct code_object window_object(enum code_cpu cpu);

#endif
