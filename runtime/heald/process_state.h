/* The state folder and the things the parent opens before it starts anybody. */
#ifndef HEAL_RUNTIME_HEALD_PROCESS_STATE_H
#define HEAL_RUNTIME_HEALD_PROCESS_STATE_H

#include "runtime/config/config.h"

/* Makes STATE (0700, or 0711 when engine and actor are different users) and STATE/actions (0700),
 * each of its role's user, and locks STATE/lock; refused when
 * another heald has it, with its pid. The lock is held as long as *ret_lock_fd is open. */
NODISCARD enum status process_state_open(const struct config *config, int *ret_lock_fd,
                                         struct error *error);
/* The listening control socket: 0660, of the control group. Needs the lock. */
NODISCARD enum status process_control_open(const struct config *config, int *ret_fd,
                                           struct error *error);
/* A sealed memfd of the effective configuration. */
NODISCARD enum status process_config_open(const struct config *config, int *ret_fd,
                                          struct error *error);

#endif
