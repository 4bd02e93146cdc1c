#include "tests/conformance/machine.h"

#include <stdio.h>
#include <stdlib.h>

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

static bool compile(struct machine *machine, const struct eval *eval, struct error *error)
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
    machine->empty = count == 0;
    code_objects_free(objects, count);
    abi_plan_free(plan);
    return good;
}

bool machine_use(struct machine *machine, struct eval *eval, struct error *error)
{
    return compile(machine, eval, error) && (machine->empty || take_kernels(eval, machine->slab));
}

void machine_release(struct machine *machine)
{
    if (machine->slab) {
        slab_free(machine->slab);
    }
    machine->slab = NULL;
}

void *machine_new(struct engine *engine)
{
    struct machine *machine = heap_alloc(sizeof *machine);
    struct error error = {""};
    if (!compile(machine, engine_eval(engine), &error)) {
        printf("no machine code: %s\n", error.message);
        machine_free(machine);
        return NULL;
    }
    return machine;
}

void machine_take(void *of, struct engine *engine)
{
    const struct machine *machine = of;
    for (size_t i = 0; !machine->empty && i < slab_count(machine->slab); i++) {
        uint64_t hash;
        size_t size;
        abi_kernel_f *kernel = slab_kernel(machine->slab, i, &hash, &size);
        CHECK(engine_use_code(engine, hash, kernel) || engine_wants_code(engine, hash));
    }
}

void machine_free(void *machine)
{
    machine_release(machine);
    free(machine);
}
