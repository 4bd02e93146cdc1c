/* Bytes and descriptors handed from process to process over a SOCK_SEQPACKET socket.
 *
 *     TRY(handover_seal("request", bytes, length, &fd, error));
 *     TRY(handover_send(socket_fd, &message, sizeof(message), fd, error));
 *     ... and on the other side ...
 *     TRY(handover_receive(socket_fd, &message, sizeof(message), MSG_DONTWAIT, &fd, error));
 *     TRY(handover_read(fd, LIMIT, &bytes, &length, error));
 *
 * Sealed bytes are a memory file that nobody can change any more, whoever holds it. */
#ifndef HEAL_RUNTIME_HANDOVER_HANDOVER_H
#define HEAL_RUNTIME_HANDOVER_HANDOVER_H

#include "lang/base.h"

NODISCARD enum status handover_seal(const char *name, const void *bytes, size_t length, int *ret_fd,
                                    struct error *error);
/* A copy of sealed bytes, the caller's to free. STATUS_DENIED for a descriptor that is not sealed
 * or holds nothing, STATUS_LIMIT for more than limit bytes. Does not close fd. */
NODISCARD enum status handover_read(int fd, size_t limit, uint8_t **ret, size_t *ret_length,
                                    struct error *error);

/* One message of size bytes, with a descriptor unless fd is -1; never waits. fd stays open. */
NODISCARD enum status handover_send(int socket_fd, const void *message, size_t size, int fd,
                                    struct error *error);
/* One message of exactly size bytes; *ret_fd is -1 when it carries no descriptor. flags: 0 or
 * MSG_DONTWAIT. STATUS_NOT_FOUND: the other side is gone. */
NODISCARD enum status handover_receive(int socket_fd, void *message, size_t size, int flags,
                                       int *ret_fd, struct error *error);

#endif
