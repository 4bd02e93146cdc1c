/* Words of people to the engine over the control socket: yes and no to what waits for them. Who
 * speaks is what the kernel says of the socket's other end, never what the request says. */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_OVERSIGHT_H
#define HEAL_RUNTIME_HEALD_ENGINE_OVERSIGHT_H

#include "runtime/heald/process_engine.h"

/* The id of a request; 0 when it has none. */
uint64_t request_id(const struct control_request *request);
/* The words of a request; "" when it has none. */
const char *request_why(const struct control_request *request);

/* Answers approve and deny. */
json_t *engine_decision_json(struct engine_process *process, const struct control_request *request);
/* Answers ack. */
json_t *engine_acknowledge_json(struct engine_process *process,
                                const struct control_request *request);
/* Answers mode: shows it, or sets it where the request names one. */
json_t *engine_mode_json(struct engine_process *process, const struct control_request *request);

#endif
