/* The parent's side of the compile child: healc in a cage, started for a request of the engine.
 *
 * The parent reads neither the request nor the answer. It hands the request's memory file to the
 * child and the socket to the child to the engine, says how the child ended, and kills one that
 * takes too long. One child at a time: a newer request ends the older one. */
#ifndef HEAL_RUNTIME_HEALD_PROCESS_COMPILER_H
#define HEAL_RUNTIME_HEALD_PROCESS_COMPILER_H

#include <sys/types.h>

#include "runtime/config/config.h"
#include "runtime/heald/process_words.h"

enum {
#ifdef HEAL_CRASH_POINTS /* its tests do not wait so long */
    COMPILER_WALL_MS = 5000,
#else
    COMPILER_WALL_MS = 300000, /* some ten thousand kernels */
#endif
    COMPILER_NICE = 10
};

struct compiler {
    const struct config *config;
    char path[4096]; /* of healc, beside heald */
    pid_t pid;       /* 0: not running */
    struct words words;
    uint32_t number; /* of its request; 0: nobody waits for it */
    int64_t deadline_ms;
    int next_fd; /* the request that waits for its end; -1 */
    uint32_t next_number;
    bool late;
};

void compiler_init(struct compiler *compiler, const struct config *config);
/* Takes the descriptor of the engine's request. engine_fd: where to answer. */
void compiler_ask(struct compiler *compiler, int engine_fd, uint32_t number, int take_request_fd,
                  int64_t now_ms);
/* The engine is gone, or heald stops: nobody waits any more. */
void compiler_forget(struct compiler *compiler);
/* Kills a child whose time is over; gives when to look again, at most until_ms. */
int64_t compiler_due(struct compiler *compiler, int64_t now_ms, int64_t until_ms);
/* The child was reaped. */
void compiler_ended(struct compiler *compiler, int engine_fd, int wait_status, int64_t now_ms);

#endif
