/* Functions of stdlib that are written in C over lanes (stdlib/lanes.h): compiled to bitcode when
 * healc is built, embedded, and copied into a module that calls them. They stay functions of their
 * own there: a module has one of each, whatever the number of its kernels. */
#include <llvm-c/BitReader.h>
#include <llvm-c/Linker.h>
#include <llvm-c/Target.h>
#include <stdio.h>
#include <string.h>

#include "compiler/emit.h"

#ifdef HEAL_BITCODE
__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "heal_bitcode_begin:\n"
        ".incbin \"" HEAL_BITCODE "\"\n"
        "heal_bitcode_end:\n"
        ".popsection\n");
extern const char heal_bitcode_begin[] __attribute__((visibility("hidden")));
extern const char heal_bitcode_end[] __attribute__((visibility("hidden")));

static size_t library_bytes(void)
{
    return (size_t)((uintptr_t)heal_bitcode_end - (uintptr_t)heal_bitcode_begin);
}
#else
static const char heal_bitcode_begin[1];

static size_t library_bytes(void)
{
    return 0;
}
#endif

bool emit_stdlib_there(void)
{
    return library_bytes() > 0;
}

/* Of the machine the bitcode was made on, or what only C needs. */
static void strip(LLVMValueRef function)
{
    static const char *const words[] = {"target-cpu", "target-features", "tune-cpu",
                                        "min-legal-vector-width", "frame-pointer"};
    const LLVMAttributeIndex at = (LLVMAttributeIndex)LLVMAttributeFunctionIndex;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        LLVMRemoveStringAttributeAtIndex(function, at, words[i], (unsigned)strlen(words[i]));
    }
    LLVMRemoveEnumAttributeAtIndex(function, at, LLVMGetEnumAttributeKindForName("uwtable", 7));
}

/* What is linkonce is copied only where something refers to it. */
static void offer(LLVMModuleRef library)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(library); f; f = LLVMGetNextFunction(f)) {
        if (!LLVMIsDeclaration(f) && LLVMGetLinkage(f) == LLVMExternalLinkage) {
            LLVMSetLinkage(f, LLVMLinkOnceODRLinkage);
        }
    }
    for (LLVMValueRef v = LLVMGetFirstGlobal(library); v; v = LLVMGetNextGlobal(v)) {
        if (!LLVMIsDeclaration(v) && LLVMGetLinkage(v) == LLVMExternalLinkage) {
            LLVMSetLinkage(v, LLVMLinkOnceODRLinkage);
        }
    }
}

/* Private: they leave no symbol, and calls of them no relocation. */
static void settle(struct emit *emit, emit_function_f *each, void *context)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(emit->module); f; f = LLVMGetNextFunction(f)) {
        size_t length;
        if (!LLVMIsDeclaration(f) && strncmp(LLVMGetValueName2(f, &length), "k_", 2) != 0) {
            strip(f);
            LLVMSetLinkage(f, LLVMPrivateLinkage);
            each(context, f);
        }
    }
    for (LLVMValueRef v = LLVMGetFirstGlobal(emit->module); v; v = LLVMGetNextGlobal(v)) {
        LLVMSetLinkage(v, LLVMPrivateLinkage);
    }
}

bool emit_stdlib(struct emit *emit, emit_function_f *each, void *context)
{
    if (!emit->calls_stdlib) {
        return true;
    }
    LLVMModuleRef library;
    LLVMMemoryBufferRef bytes =
        LLVMCreateMemoryBufferWithMemoryRange(heal_bitcode_begin, library_bytes(), "stdlib", 0);
    if (LLVMGetBitcodeModuleInContext2(emit->context, bytes, &library)) { /* owns bytes */
        return false;
    }
    LLVMSetModuleDataLayout(library, LLVMGetModuleDataLayout(emit->module));
    LLVMSetTarget(library, LLVMGetTarget(emit->module));
    offer(library);
    if (LLVMLinkModules2(emit->module, library)) { /* owns library */
        return false;
    }
    settle(emit, each, context);
    return true;
}
