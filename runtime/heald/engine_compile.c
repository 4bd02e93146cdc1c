/* Asking for machine code, and taking it. */
#include "runtime/heald/engine_compile.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/heald/code_cache.h"
#include "runtime/heald/engine_code.h"
#include "runtime/heald/engine_debug.h"
#include "runtime/heald/log.h"
#include "runtime/heald/process_engine.h"

static void say(struct engine_compile *compile, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct engine_compile *compile, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(compile->text, sizeof compile->text, fmt, args);
    va_end(args);
}

static void stop_waiting(struct engine_compile *compile)
{
    compile->making = false;
    if (compile->socket_fd >= 0) {
        close(compile->socket_fd);
        compile->socket_fd = -1;
    }
}

static void give_up(struct engine_compile *compile, enum log_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void give_up(struct engine_compile *compile, enum log_level level, const char *fmt, ...)
{
    char why[CODE_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    stop_waiting(compile);
    say(compile, "no machine code: %s", why);
    log_say(level, "machine code is not made, the reference evaluator goes on: %s", why);
}

void engine_compile_init(struct engine_compile *compile)
{
    *compile = (struct engine_compile){.socket_fd = -1};
}

void engine_compile_release(struct engine_compile *compile)
{
    stop_waiting(compile);
}

/* ---- taking ---- */

/* Links what an answer holds, once it is believed, and hands it to the engine. */
static enum status take(struct engine_process *process, const uint8_t *bytes, size_t length,
                        const char *word, struct error *error)
{
    struct engine_compile *compile = &process->compile;
    struct generation *generation = process->generation;
    struct arena arena = {0};
    struct bundle objects;
    enum status status = code_answer_read(&arena, bytes, length, compile->key, &objects, error);
    if (status == STATUS_OK) {
        status = engine_code_take(generation->engine, &objects, &generation->made, error);
    }
    arena_release(&arena);
    if (status == STATUS_OK) {
        engine_debug_linked(generation, generation->made);
        size_t lacks = engine_lacks_code(generation->engine);
        say(compile, lacks > 0 ? "%s in part" : "%s", word);
        log_say(LOG_INFO, "machine code is %s: %zu kernels, %zu lack", word,
                slab_count(generation->made), lacks);
    }
    return status;
}

static bool take_kept(struct engine_process *process)
{
    const char *state = process->start->config->state;
    struct error error;
    uint8_t *bytes = NULL;
    size_t length = 0;
    enum status status = code_cache_read(state, process->compile.key, &bytes, &length, &error);
    if (status == STATUS_NOT_FOUND) {
        return false;
    }
    if (status != STATUS_OK) {
        log_say(LOG_WARN, "kept machine code is not used: %s", error.message);
        return false;
    }
    status = take(process, bytes, length, "cached", &error);
    free(bytes);
    if (status != STATUS_OK) {
        log_say(LOG_WARN, "kept machine code is removed and made again: %s", error.message);
        code_cache_drop(state, process->compile.key);
    }
    return status == STATUS_OK;
}

static void take_made(struct engine_process *process, int fd)
{
    struct error error;
    uint8_t *bytes = NULL;
    size_t length = 0;
    enum status status = handover_read(fd, CODE_ANSWER_BYTES_MAX, &bytes, &length, &error);
    if (status == STATUS_OK) {
        status = take(process, bytes, length, "made", &error);
    }
    if (status != STATUS_OK) {
        give_up(&process->compile, LOG_WARN, "the compiler's answer is refused: %.150s",
                error.message);
    } else if (code_cache_write(process->start->config->state, process->compile.key, bytes, length,
                                &error) != STATUS_OK) {
        log_say(LOG_WARN, "machine code is not kept for the next start: %s", error.message);
    }
    free(bytes);
}

/* ---- asking ---- */

/* The bytes are the heap's. */
static enum status write_request(const struct engine_process *process, int level, uint8_t **ret,
                                 size_t *ret_length, struct error *error)
{
    const struct program *program = process->generation->program;
    struct code_request request = {.tick_ns = (uint64_t)process->start->config->tick.ns,
                                   .abi = ABI_VERSION,
                                   .cpu = (enum bundle_cpu)level};
    for (const struct file *file = program->files; file; file = file->next) {
        request.source_count++;
    }
    request.sources = heap_alloc(request.source_count * sizeof *request.sources);
    size_t at = 0;
    for (const struct file *file = program->files; file; file = file->next) {
        request.sources[at++] = (struct bundle_source){
            .path = file->source->path, .text = file->source->text, .length = file->source->length};
    }
    enum status status = code_request_write(&request, ret, ret_length, error);
    free(request.sources);
    return status;
}

static enum status ask(struct engine_process *process, const uint8_t *bytes, size_t length,
                       struct error *error)
{
    struct engine_compile *compile = &process->compile;
    const struct process_message message = {.kind = PROCESS_COMPILE, .number = ++compile->number};
    int fd = -1;
    TRY(handover_seal("request for code", bytes, length, &fd, error));
    enum status status = handover_send(PROCESS_FD_PARENT, &message, sizeof message, fd, error);
    close(fd);
    return status;
}

void engine_compile_begin(struct engine_process *process)
{
    struct engine_compile *compile = &process->compile;
    struct error error;
    uint8_t *bytes = NULL;
    size_t length = 0, lacks = engine_lacks_code(process->generation->engine);
    int level = engine_code_level();
    stop_waiting(compile);
    if (lacks == 0) {
        say(compile, "%s", process->generation->slab ? "of the bundle" : "none is needed");
        return;
    }
    if (level < 0) {
        give_up(compile, LOG_INFO, "this CPU is older than all that code is made for");
        return;
    }
    enum status status = write_request(process, level, &bytes, &length, &error);
    if (status == STATUS_OK) {
        code_request_key(bytes, length, compile->key);
        if (!take_kept(process)) {
            status = ask(process, bytes, length, &error);
            compile->making = true;
            say(compile, "making");
            log_say(LOG_INFO, "machine code is asked for: %zu kernels lack", lacks);
        }
    }
    free(bytes);
    if (status != STATUS_OK) {
        give_up(compile, LOG_WARN, "it cannot be asked for: %.150s", error.message);
    }
}

/* ---- what comes back ---- */

void engine_compile_socket(struct engine_process *process, uint32_t number, int take_fd)
{
    struct engine_compile *compile = &process->compile;
    if (!compile->making || number != compile->number || compile->socket_fd >= 0) {
        close(take_fd); /* of a request that is history */
        return;
    }
    compile->socket_fd = take_fd;
}

void engine_compile_answer(struct engine_process *process)
{
    struct engine_compile *compile = &process->compile;
    struct code_reply reply;
    struct error error;
    int fd = -1;
    enum status status =
        handover_receive(compile->socket_fd, &reply, sizeof reply, MSG_DONTWAIT, &fd, &error);
    if (status == STATUS_NOT_FOUND) { /* the parent will say how it ended */
        close(compile->socket_fd);
        compile->socket_fd = -1;
        return;
    }
    if (status == STATUS_IO) {
        return; /* nothing is there yet */
    }
    stop_waiting(compile);
    if (status != STATUS_OK) {
        give_up(compile, LOG_WARN, "the compiler's answer is refused: %.150s", error.message);
    } else if (reply.good && fd >= 0) {
        take_made(process, fd);
    } else {
        reply.text[sizeof reply.text - 1] = '\0';
        give_up(compile, LOG_WARN, "the compiler says: %.150s", reply.text);
    }
    if (fd >= 0) {
        close(fd);
    }
}

void engine_compile_ended(struct engine_process *process, const struct process_message *message)
{
    struct engine_compile *compile = &process->compile;
    if (compile->making && message->number == compile->number && compile->socket_fd >= 0) {
        engine_compile_answer(process); /* it was sent before the end */
    }
    if (!compile->making || message->number != compile->number) {
        return;
    }
    switch (message->end) {
    case PROCESS_COMPILER_EXITED:
        give_up(compile, LOG_WARN, "the compiler ended with exit code %d", message->value);
        return;
    case PROCESS_COMPILER_KILLED:
        give_up(compile, LOG_WARN, "the compiler died of signal %d", message->value);
        return;
    case PROCESS_COMPILER_LATE:
        give_up(compile, LOG_WARN, "the compiler took longer than %d s", message->value);
        return;
    case PROCESS_COMPILER_ABSENT:
        give_up(compile, LOG_INFO, "there is no healc beside heald");
        return;
    case PROCESS_COMPILER_FAILED:
        give_up(compile, LOG_WARN, "the compiler cannot be started: %s", strerror(message->value));
        return;
    }
}
