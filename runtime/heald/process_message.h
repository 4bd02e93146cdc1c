/* What the parent and a child say to each other over PROCESS_FD_PARENT. */
#ifndef HEAL_RUNTIME_HEALD_PROCESS_MESSAGE_H
#define HEAL_RUNTIME_HEALD_PROCESS_MESSAGE_H

#include "runtime/handover/handover.h"

/* How a compile child ended; value says more. */
enum process_compiler_end {
    PROCESS_COMPILER_EXITED, /* its exit code */
    PROCESS_COMPILER_KILLED, /* by this signal */
    PROCESS_COMPILER_LATE,   /* after so many seconds: the parent killed it */
    PROCESS_COMPILER_ABSENT, /* there is no healc */
    PROCESS_COMPILER_FAILED, /* errno: it could not be started */
};

struct process_message {
    enum process_message_kind {
        PROCESS_READY = 1,     /* child: it works */
        PROCESS_PEER,          /* parent: with a descriptor, the fresh peer */
        PROCESS_COMPILE,       /* engine: with a descriptor, the request for code `number` */
        PROCESS_COMPILER,      /* parent: with a descriptor, the socket to the compile child */
        PROCESS_COMPILER_ENDED /* parent: what became of the child for `number` */
    } kind;
    uint32_t number;
    enum process_compiler_end end;
    int32_t value;
};

#endif
