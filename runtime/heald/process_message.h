/* What the parent and a child say to each other over PROCESS_FD_PARENT. */
#ifndef HEAL_RUNTIME_HEALD_PROCESS_MESSAGE_H
#define HEAL_RUNTIME_HEALD_PROCESS_MESSAGE_H

#include "lang/base.h"

struct process_message {
    enum process_message_kind {
        PROCESS_READY = 1, /* child: it works */
        PROCESS_PEER,      /* parent: with a descriptor, the fresh peer */
    } kind;
};

/* Sends a peer's descriptor. */
NODISCARD enum status process_message_send_peer(int socket_fd, int fd, struct error *error);
/* Receives a peer's descriptor; *ret_fd is -1 when the message carries none. STATUS_NOT_FOUND: the
 * other side is gone. */
NODISCARD enum status process_message_receive(int socket_fd, int *ret_fd, struct error *error);

#endif
