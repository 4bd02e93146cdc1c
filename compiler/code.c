/* Objects of a plan, without a word of LLVM. */
#include "compiler/code.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/jit.h"
#include "runtime/abi.h"

static enum status compile_part(const struct abi_plan *plan, const uint32_t *groups, size_t count,
                                const struct code_options *options, struct code_object *ret,
                                struct error *error)
{
    *ret = (struct code_object){.cpu = options->cpu, .abi = ABI_VERSION, .hash_count = count};
    TRY(jit_groups(plan, groups, count, options, CODE_OBJECT, &ret->bytes, &ret->size, error));
    ret->hashes = heap_alloc(count * sizeof *ret->hashes);
    for (size_t i = 0; i < count; i++) {
        ret->hashes[i] = plan->groups[groups[i]].hash;
    }
    return STATUS_OK;
}

/* The groups that this healc makes code for; the caller frees. */
static uint32_t *groups_of(const struct abi_plan *plan, size_t *ret_count)
{
    uint32_t *groups = heap_alloc((plan->group_count + 1) * sizeof *groups);
    *ret_count = 0;
    for (size_t i = 0; i < plan->group_count; i++) {
        if (jit_can(plan, &plan->groups[i])) {
            groups[(*ret_count)++] = (uint32_t)i;
        }
    }
    return groups;
}

enum status code_compile_plan(const struct abi_plan *plan, const struct code_options *options,
                              struct code_object **ret, size_t *ret_count, struct error *error)
{
    const size_t part =
        options->kernels_per_object ? options->kernels_per_object : CODE_KERNELS_PER_OBJECT;
    size_t count = 0, group_count;
    uint32_t *groups = groups_of(plan, &group_count);
    struct code_object *objects = heap_alloc((group_count / part + 1) * sizeof *objects);
    enum status status = STATUS_OK;
    for (size_t first = 0; first < group_count && status == STATUS_OK; first += part) {
        size_t rest = group_count - first;
        status = compile_part(plan, groups + first, rest < part ? rest : part, options,
                              &objects[count], error);
        count += status == STATUS_OK;
    }
    free(groups);
    if (status != STATUS_OK) {
        code_objects_free(objects, count);
        return status;
    }
    *ret = objects;
    *ret_count = count;
    return STATUS_OK;
}

enum status code_compile(const struct program *program, enum code_cpu cpu, struct code_object **ret,
                         size_t *ret_count, struct error *error)
{
    struct abi_plan *plan = abi_plan_new(program, duration_seconds(CODE_TICK_SECONDS), error);
    if (!plan) {
        return STATUS_DENIED;
    }
    enum status status =
        code_compile_plan(plan, &(struct code_options){.cpu = cpu}, ret, ret_count, error);
    abi_plan_free(plan);
    return status;
}

void code_objects_free(struct code_object *objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(objects[i].hashes);
        free(objects[i].bytes);
    }
    free(objects);
}

bool code_cpu_find(const char *text, enum code_cpu *ret)
{
    static const char *const texts[] = {
        [CODE_V2] = "v2", [CODE_V3] = "v3", [CODE_V4] = "v4", [CODE_NATIVE] = "native"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(texts[i], text) == 0) {
            *ret = (enum code_cpu)i;
            return true;
        }
    }
    return false;
}

static enum status write_out(const char *path, const uint8_t *bytes, size_t size,
                             struct error *error)
{
    FILE *out = path ? fopen(path, "wb") : stdout;
    if (!out) {
        return error_set(error, STATUS_IO, "cannot write '%.200s': %s", path, strerror(errno));
    }
    bool good = fwrite(bytes, 1, size, out) == size;
    int code = errno;
    if ((path ? fclose(out) : fflush(out)) != 0) {
        code = good ? errno : code;
        good = false;
    }
    return good ? STATUS_OK
                : error_set(error, STATUS_IO, "cannot write %s%.200s%s: %s", path ? "'" : "",
                            path ? path : "standard output", path ? "'" : "", strerror(code));
}

enum status code_emit(const struct program *program, enum code_cpu cpu, enum code_form form,
                      const char *output, struct error *error)
{
    const struct code_options options = {.cpu = cpu};
    struct abi_plan *plan = abi_plan_new(program, duration_seconds(CODE_TICK_SECONDS), error);
    uint8_t *bytes = NULL;
    size_t size = 0, group_count;
    if (!plan) {
        return STATUS_DENIED;
    }
    uint32_t *groups = groups_of(plan, &group_count);
    enum status status =
        group_count == 0
            ? error_set(error, STATUS_NOT_FOUND,
                        "no operator of these policies has code in this version")
            : jit_groups(plan, groups, group_count, &options, form, &bytes, &size, error);
    free(groups);
    if (status == STATUS_OK) {
        status = write_out(output, bytes, size, error);
    }
    free(bytes);
    abi_plan_free(plan);
    return status;
}
