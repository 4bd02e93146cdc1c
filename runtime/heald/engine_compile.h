/* Machine code for what the bundle brought none for: from the cache, or from the compile child.
 *
 * Until it is there, or where it cannot be made, the reference evaluator computes the same. One try
 * a generation. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_COMPILE_H
#define HEAL_RUNTIME_HEALD_ENGINE_COMPILE_H

#include "runtime/bundle/code_request.h"
#include "runtime/heald/process_message.h"

struct engine_process;

struct engine_compile {
    bool making;
    int socket_fd;   /* to the child; -1 */
    uint32_t number; /* of the last request */
    uint8_t key[CODE_KEY_BYTES];
    char text[CODE_TEXT_BYTES + 80]; /* where the code is from, or why there is none */
};

void engine_compile_init(struct engine_compile *compile);
void engine_compile_release(struct engine_compile *compile);
/* For the generation that was just put in its place. */
void engine_compile_begin(struct engine_process *process);
/* The parent gave the socket to the child. */
void engine_compile_socket(struct engine_process *process, uint32_t number, int take_fd);
/* The child answered, or is gone. */
void engine_compile_answer(struct engine_process *process);
/* The parent says how the child ended. */
void engine_compile_ended(struct engine_process *process, const struct process_message *message);

#endif
