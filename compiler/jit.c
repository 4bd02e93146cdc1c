/* The target machine, the short pass list, and bytes out of a module. */
#include "compiler/jit.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/emit.h"

/* On vector IR the loop passes of O2 gain nothing and double the time; and what the code generator
 * does above its level Less costs a tenth of the time for code that is no faster. */
#define PASSES "always-inline,globaldce,function(early-cse,instcombine<no-verify-fixpoint>)"
#define TRIPLE "x86_64-unknown-linux-gnu"

struct jit {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTargetMachineRef machine;
    char *cpu, *features; /* LLVM's messages */
    bool wide;
};

static enum status wrong(struct error *error, const char *what, const char *why)
{
    return error_set(error, STATUS_LIMIT, "LLVM %s: %.300s", what, why ? why : "no reason given");
}

static void target_init(void)
{
    static bool done;
    if (!done) {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
        done = true;
    }
}

static void cpu_names(struct jit *jit, enum code_cpu cpu)
{
    static const char *const levels[] = {
        [CODE_V2] = "x86-64-v2", [CODE_V3] = "x86-64-v3", [CODE_V4] = "x86-64-v4"};
    if (cpu == CODE_NATIVE) {
        jit->cpu = LLVMGetHostCPUName();
        jit->features = LLVMGetHostCPUFeatures();
        jit->wide = strstr(jit->features, "+avx512dq") != NULL;
    } else {
        jit->cpu = LLVMCreateMessage(levels[cpu]);
        jit->features = LLVMCreateMessage("");
        jit->wide = cpu == CODE_V4;
    }
}

static enum status jit_open(struct jit *jit, const struct code_options *options,
                            struct error *error)
{
    LLVMTargetRef target;
    char *message = NULL;
    target_init();
    jit->context = LLVMContextCreate();
    jit->module = LLVMModuleCreateWithNameInContext("heal", jit->context);
    jit->builder = LLVMCreateBuilderInContext(jit->context);
    cpu_names(jit, options->cpu);
    if (LLVMGetTargetFromTriple(TRIPLE, &target, &message)) {
        enum status status = wrong(error, "has no target", message);
        LLVMDisposeMessage(message);
        return status;
    }
    jit->machine =
        LLVMCreateTargetMachine(target, TRIPLE, jit->cpu, jit->features,
                                options->plain ? LLVMCodeGenLevelNone : LLVMCodeGenLevelLess,
                                LLVMRelocPIC, LLVMCodeModelSmall);
    if (!jit->machine) {
        return wrong(error, "has no machine for this CPU", jit->cpu);
    }
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(jit->machine);
    LLVMSetModuleDataLayout(jit->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMSetTarget(jit->module, TRIPLE);
    return STATUS_OK;
}

static void jit_close(struct jit *jit)
{
    if (jit->machine) {
        LLVMDisposeTargetMachine(jit->machine);
    }
    LLVMDisposeMessage(jit->cpu);
    LLVMDisposeMessage(jit->features);
    LLVMDisposeBuilder(jit->builder);
    LLVMDisposeModule(jit->module);
    LLVMContextDispose(jit->context);
}

static void set_attribute(struct jit *jit, LLVMValueRef function, const char *key,
                          const char *value)
{
    LLVMAttributeRef attribute = LLVMCreateStringAttribute(jit->context, key, (unsigned)strlen(key),
                                                           value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
}

static void set_target(void *context, LLVMValueRef function)
{
    struct jit *jit = context;
    set_attribute(jit, function, "target-cpu", jit->cpu);
    set_attribute(jit, function, "target-features", jit->features);
}

static enum status emit_groups(struct jit *jit, const struct abi_plan *plan, const uint32_t *groups,
                               size_t count, struct error *error)
{
    struct emit emit = {.context = jit->context,
                        .module = jit->module,
                        .builder = jit->builder,
                        .plan = plan,
                        .wide = jit->wide,
                        .lanes = heap_alloc((plan->node_count + 1) * sizeof *emit.lanes)};
    emit_debug_open(&emit);
    for (size_t i = 0; i < count; i++) {
        emit_group(&emit, &plan->groups[groups[i]]);
        set_target(jit, emit.function);
    }
    emit_debug_close(&emit);
    free(emit.lanes);
    return emit_stdlib(&emit, set_target, jit)
               ? STATUS_OK
               : wrong(error, "refuses the bitcode of stdlib", NULL);
}

static enum status run_passes(struct jit *jit, struct error *error)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef failed = LLVMRunPasses(jit->module, PASSES, jit->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (failed) {
        char *message = LLVMGetErrorMessage(failed);
        enum status status = wrong(error, "refuses the passes", message);
        LLVMDisposeErrorMessage(message);
        return status;
    }
    return STATUS_OK;
}

static enum status verify(struct jit *jit, struct error *error)
{
    char *message = NULL;
    enum status status = STATUS_OK;
    if (LLVMVerifyModule(jit->module, LLVMReturnStatusAction, &message)) {
        status = wrong(error, "refuses the IR", message);
    }
    LLVMDisposeMessage(message);
    return status;
}

static void bytes_copy(const void *from, size_t size, uint8_t **ret_bytes, size_t *ret_size)
{
    *ret_bytes = heap_alloc(size + 1);
    memcpy(*ret_bytes, from, size);
    *ret_size = size;
}

static enum status jit_write(struct jit *jit, enum code_form form, uint8_t **ret_bytes,
                             size_t *ret_size, struct error *error)
{
    if (form == CODE_IR) {
        char *text = LLVMPrintModuleToString(jit->module);
        bytes_copy(text, strlen(text), ret_bytes, ret_size);
        LLVMDisposeMessage(text);
        return STATUS_OK;
    }
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(
            jit->machine, jit->module, form == CODE_ASSEMBLY ? LLVMAssemblyFile : LLVMObjectFile,
            &message, &buffer)) {
        enum status status = wrong(error, "cannot make code", message);
        LLVMDisposeMessage(message);
        return status;
    }
    bytes_copy(LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer), ret_bytes, ret_size);
    LLVMDisposeMemoryBuffer(buffer);
    return STATUS_OK;
}

bool jit_can(const struct abi_plan *plan, const struct abi_group *group)
{
    return plan->nodes[group->members[0]].kind != ABI_WINDOW || emit_stdlib_there();
}

enum status jit_groups(const struct abi_plan *plan, const uint32_t *groups, size_t count,
                       const struct code_options *options, enum code_form form, uint8_t **ret_bytes,
                       size_t *ret_size, struct error *error)
{
    struct jit jit = {0};
    enum status status = jit_open(&jit, options, error);
    if (status == STATUS_OK) {
        status = emit_groups(&jit, plan, groups, count, error);
    }
    if (status == STATUS_OK) {
        status = verify(&jit, error);
    }
    if (status == STATUS_OK && !options->plain) {
        status = run_passes(&jit, error);
    }
    if (status == STATUS_OK) {
        status = jit_write(&jit, form, ret_bytes, ret_size, error);
    }
    jit_close(&jit);
    return status;
}
