#include "tests/conformance/machine.h"

#include "compiler/code.h"

static bool take_kernels(struct eval *eval, const struct slab *slab)
{
    for (size_t i = 0; i < slab_count(slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(slab, i, &hash, &size);
        if (!eval_use_code(eval, hash, kernel) && !eval_wants_code(eval, hash)) {
            return false;
        }
    }
    return true;
}

bool machine_use(struct machine *machine, struct eval *eval, struct error *error)
{
    struct abi_plan *plan = eval_plan(eval);
    const struct code_options options = {.cpu = CODE_NATIVE, .plain = true};
    struct code_object *objects = NULL;
    size_t count = 0;
    machine->slab = slab_new();
    bool good = code_compile_plan(plan, &options, &objects, &count, error) == STATUS_OK;
    for (size_t i = 0; i < count && good; i++) {
        good = slab_add(machine->slab, objects[i].bytes, objects[i].size, error) == STATUS_OK;
    }
    good = good && (count == 0 || slab_link(machine->slab, error) == STATUS_OK);
    good = good && (count == 0 || take_kernels(eval, machine->slab));
    code_objects_free(objects, count);
    abi_plan_free(plan);
    return good;
}

void machine_release(struct machine *machine)
{
    if (machine->slab) {
        slab_free(machine->slab);
    }
    machine->slab = NULL;
}
