#include "compiler/window.h"

#include <string.h>

#include "runtime/abi.h"
#include "stdlib/window.h"

#ifdef HEAL_WINDOW_OBJECTS
#    define OBJECT(level)                                       \
        __asm__(".pushsection .rodata\n"                        \
                ".balign 16\n"                                  \
                "heal_windows_" level "_begin:\n"               \
                ".incbin \"" HEAL_WINDOW_OBJECTS level ".o\"\n" \
                "heal_windows_" level "_end:\n"                 \
                ".popsection\n")
OBJECT("v2");
OBJECT("v3");
OBJECT("v4");
#    define HIDDEN __attribute__((visibility("hidden")))
extern const char heal_windows_v2_begin[] HIDDEN, heal_windows_v2_end[] HIDDEN;
extern const char heal_windows_v3_begin[] HIDDEN, heal_windows_v3_end[] HIDDEN;
extern const char heal_windows_v4_begin[] HIDDEN, heal_windows_v4_end[] HIDDEN;
static const struct {
    const char *begin, *end;
} objects[] = {[CODE_V2] = {heal_windows_v2_begin, heal_windows_v2_end},
               [CODE_V3] = {heal_windows_v3_begin, heal_windows_v3_end},
               [CODE_V4] = {heal_windows_v4_begin, heal_windows_v4_end}};
#else
static const struct {
    const char *begin, *end;
} objects[] = {[CODE_V2] = {NULL, NULL}, [CODE_V3] = {NULL, NULL}, [CODE_V4] = {NULL, NULL}};
#endif

bool window_object_there(void)
{
    return objects[CODE_V2].begin != NULL;
}

static enum code_cpu level_here(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("x86-64-v4")   ? CODE_V4
           : __builtin_cpu_supports("x86-64-v3") ? CODE_V3
                                                 : CODE_V2;
}

struct code_object window_object(enum code_cpu cpu)
{
    CHECK(window_object_there());
    const enum code_cpu level = cpu == CODE_NATIVE ? level_here() : cpu;
    const size_t size = (size_t)((uintptr_t)objects[level].end - (uintptr_t)objects[level].begin);
    struct code_object object = {
        .cpu = cpu, .abi = ABI_VERSION, .hash_count = WINDOW_KINDS, .size = size};
    object.bytes = heap_alloc(size);
    memcpy(object.bytes, objects[level].begin, size);
    object.hashes = heap_alloc(WINDOW_KINDS * sizeof *object.hashes);
    for (uint32_t kind = 0; kind < WINDOW_KINDS; kind++) {
        object.hashes[kind] = abi_window_hash(kind);
    }
    return object;
}
