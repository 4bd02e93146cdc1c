/* Line tables: each instruction points to the file and line of the operator it computes, as the
 * policy's sources are called in their bundle. No types, variables or columns: what a stack trace
 * shows, and no more. */
#include <string.h>

#include "compiler/emit.h"

enum { DWARF_VERSION = 4 };

static void add_flag(struct emit *emit, const char *name, unsigned value)
{
    LLVMValueRef number = LLVMConstInt(LLVMInt32TypeInContext(emit->context), value, 0);
    LLVMAddModuleFlag(emit->module, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(number));
}

static LLVMMetadataRef file_of(struct emit *emit, const char *path)
{
    return LLVMDIBuilderCreateFile(emit->debug, path, strlen(path), "", 0);
}

static const struct abi_node *root_of(const struct emit *emit)
{
    return &emit->plan->nodes[emit->group->members[emit->group->member_count - 1]];
}

void emit_debug_open(struct emit *emit)
{
    static const char producer[] = "healc";
    const char *path = emit->plan->node_count > 0 ? emit->plan->nodes[0].path : NULL;
    if (!path) {
        return;
    }
    emit->debug = LLVMCreateDIBuilder(emit->module);
    emit->unit = LLVMDIBuilderCreateCompileUnit(
        emit->debug, LLVMDWARFSourceLanguageC, file_of(emit, path), producer, strlen(producer), 1,
        "", 0, 0, "", 0, LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0);
    add_flag(emit, "Debug Info Version", LLVMDebugMetadataVersion());
    add_flag(emit, "Dwarf Version", DWARF_VERSION);
}

void emit_debug_begin(struct emit *emit)
{
    const struct abi_node *root = root_of(emit);
    size_t length = 0;
    emit->subprogram = NULL;
    LLVMSetCurrentDebugLocation2(emit->builder, NULL);
    if (!emit->debug || !root->path) {
        return;
    }
    const char *name = LLVMGetValueName2(emit->function, &length);
    emit->path = root->path;
    emit->file = file_of(emit, root->path);
    LLVMMetadataRef type =
        LLVMDIBuilderCreateSubroutineType(emit->debug, emit->file, NULL, 0, LLVMDIFlagZero);
    emit->subprogram =
        LLVMDIBuilderCreateFunction(emit->debug, emit->unit, name, length, "", 0, emit->file,
                                    root->line, type, 0, 1, root->line, LLVMDIFlagZero, 1);
    LLVMSetSubprogram(emit->function, emit->subprogram);
    emit_debug_place(emit, root);
}

/* An operator of another file than the root's has a scope that says so. */
void emit_debug_place(struct emit *emit, const struct abi_node *node)
{
    if (!emit->subprogram || !node->path) {
        return;
    }
    LLVMMetadataRef scope = emit->subprogram;
    if (strcmp(node->path, emit->path) != 0) {
        scope =
            LLVMDIBuilderCreateLexicalBlockFile(emit->debug, scope, file_of(emit, node->path), 0);
    }
    LLVMSetCurrentDebugLocation2(
        emit->builder, LLVMDIBuilderCreateDebugLocation(emit->context, node->line, 0, scope, NULL));
}

void emit_debug_close(struct emit *emit)
{
    if (emit->debug) {
        LLVMDIBuilderFinalize(emit->debug);
        LLVMDisposeDIBuilder(emit->debug);
    }
}
