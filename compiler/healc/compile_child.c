/* The compile child: a cage, one request, one answer, the end. It opens no file and no socket. */
#include "compiler/healc/compile_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compiler/code.h"
#include "compiler/healc/option.h"
#include "lang/check.h"
#include "lang/parser.h"
#include "runtime/abi.h"
#include "runtime/bundle/code_request.h"
#include "runtime/handover/handover.h"
#include "runtime/heald/process_message.h"
#include "runtime/sandbox/sandbox.h"

_Static_assert((int)CODE_V2 == (int)BUNDLE_V2 && (int)CODE_V3 == (int)BUNDLE_V3 &&
                   (int)CODE_V4 == (int)BUNDLE_V4,
               "the compiler's CPU levels are the request's");

/* ---- the cage ---- */

/* Bytes of the address space that are in use. */
static enum status mapped_bytes(uint64_t *ret, struct error *error)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    bool good = file && fscanf(file, "%llu", &pages) == 1;
    if (file) {
        fclose(file);
    }
    *ret = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return good ? STATUS_OK
                : error_set(error, STATUS_IO, "cannot read /proc/self/statm: %s", strerror(errno));
}

static bool limit(int resource, rlim_t most)
{
    const struct rlimit limit = {most, most};
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static enum status cage(const char *user, struct error *error)
{
    char report[SANDBOX_REPORT_BYTES];
    uint64_t mapped = 0;
    const struct sandbox sandbox = {.role = SANDBOX_COMPILE, .user = user};
    TRY(mapped_bytes(&mapped, error));
    if (!limit(RLIMIT_AS, mapped + COMPILE_MEMORY_BYTES_MAX) ||
        !limit(RLIMIT_CPU, COMPILE_CPU_SECONDS_MAX) || !limit(RLIMIT_NOFILE, COMPILE_FILES_MAX) ||
        !limit(RLIMIT_FSIZE, CODE_ANSWER_BYTES_MAX)) {
        return error_set(error, STATUS_IO, "cannot limit the compiler: %s", strerror(errno));
    }
    TRY(sandbox_apply(&sandbox, report, error));
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user forgets it */
    for (const char *line = report; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, "user", 4) != 0 && strstr(line, " NOT ") != NULL) {
            fprintf(stderr, "healc: %.*s\n", (int)strcspn(line, "\n"), line);
        }
    }
    return STATUS_OK;
}

/* ---- from sources to objects ---- */

static struct program *read_program(struct arena *arena, const struct code_request *request,
                                    struct error *error)
{
    struct sources *sources = arena_alloc(arena, sizeof *sources);
    struct bundle bundle = {.sources = request->sources, .source_count = request->source_count};
    struct diag_list diags;
    diag_list_init(&diags, arena, sources);
    struct program *program = parse_program_texts(arena, sources, bundle_texts(arena, &bundle),
                                                  bundle.source_count, &diags);
    if (diags.errors == 0) {
        (void)check_program(program, &diags, &(struct check_options){0});
    }
    if (diags.errors > 0) {
        (void)error_set(error, STATUS_PROTOCOL, "the sources do not pass the checks: %.100s",
                        diags.first->message);
        return NULL;
    }
    return program;
}

static enum status make_objects(struct arena *arena, const struct code_request *request,
                                struct code_object **ret, size_t *ret_count, struct error *error)
{
    const struct code_options options = {.cpu = (enum code_cpu)request->cpu};
    const struct program *program = read_program(arena, request, error);
    struct abi_plan *plan =
        program ? abi_plan_new(program, (struct duration){(int64_t)request->tick_ns}, error) : NULL;
    if (!plan) {
        return STATUS_PROTOCOL;
    }
    enum status status = code_compile_plan(plan, &options, ret, ret_count, error);
    abi_plan_free(plan);
    return status;
}

static enum status answer_write(struct arena *arena, const uint8_t key[CODE_KEY_BYTES],
                                const struct code_object *made, size_t count, uint8_t **ret,
                                size_t *ret_length, struct error *error)
{
    struct bundle objects = {.objects = arena_alloc(arena, count * sizeof(*objects.objects)),
                             .object_count = count};
    for (size_t i = 0; i < count; i++) {
        objects.objects[i] = (struct bundle_object){.cpu = (enum bundle_cpu)made[i].cpu,
                                                    .abi = made[i].abi,
                                                    .kernels = made[i].hashes,
                                                    .kernel_count = made[i].hash_count,
                                                    .bytes = made[i].bytes,
                                                    .length = made[i].size};
    }
    return code_answer_write(key, &objects, ret, ret_length, error);
}

static enum status compile(const uint8_t *bytes, size_t length, int *ret_fd, struct error *error)
{
    struct arena arena = {0};
    struct code_request request;
    struct code_object *made = NULL;
    uint8_t key[CODE_KEY_BYTES], *answer = NULL;
    size_t count = 0, answer_length = 0;
    TRY(code_request_read(&arena, bytes, length, &request, error));
    if (request.abi != ABI_VERSION) {
        return error_set(error, STATUS_DENIED, "this healc makes code for ABI %d, not %u",
                         ABI_VERSION, request.abi);
    }
    code_request_key(bytes, length, key);
    TRY(make_objects(&arena, &request, &made, &count, error));
    TRY(answer_write(&arena, key, made, count, &answer, &answer_length, error));
    return handover_seal("machine code", answer, answer_length, ret_fd, error);
}

/* ---- the socket ---- */

static enum status take_request(uint8_t **ret, size_t *ret_length, struct error *error)
{
    struct process_message message;
    int fd = -1;
    TRY(handover_receive(CODE_FD, &message, sizeof message, 0, &fd, error));
    if (message.kind != PROCESS_COMPILE || fd < 0) {
        return error_set(error, STATUS_PROTOCOL, "it was asked for nothing");
    }
    return handover_read(fd, CODE_REQUEST_BYTES_MAX, ret, ret_length, error);
}

static enum status serve(const char *user, int *ret_fd, struct error *error)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    TRY(cage(user, error));
    TRY(take_request(&bytes, &length, error));
    return compile(bytes, length, ret_fd, error);
}

/* The system takes the memory back: nothing is freed on the way. */
_Noreturn void compile_child_main(const char *user)
{
    struct error error = {{0}};
    struct code_reply reply = {0};
    int fd = -1;
    reply.good = serve(user, &fd, &error) == STATUS_OK;
    snprintf(reply.text, sizeof reply.text, "%.*s", CODE_TEXT_BYTES - 1, error.message);
    if (handover_send(CODE_FD, &reply, sizeof reply, fd, &error) != STATUS_OK) {
        fprintf(stderr, "healc: --compile-child is started by heald only: %s\n", error.message);
        _exit(HEALC_FAILED);
    }
    _exit(reply.good ? HEALC_OK : HEALC_FINDINGS);
}
