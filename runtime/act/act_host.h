/* The world of a real actor: clocks, the STOP file, the hands, one epoll descriptor that wakes when
 * one of them has news.
 *
 *     TRY(act_host_open("/var/lib/heal", &settings, &host, error));
 *     host.env.answer = ...; host.env.notify = ...; host.env.context stays &host; host.user is
 * yours poll(host.epoll_fd, ...) with ACTOR_STEP_MS, then actor_step(actor) */
#ifndef HEAL_RUNTIME_ACT_ACT_HOST_H
#define HEAL_RUNTIME_ACT_ACT_HOST_H

#include "runtime/act/actor.h"

struct act_host {
    struct act_env env; /* env.context is the act_host */
    void *user;         /* for the functions that the caller fills in: answer, notify, point */
    struct hands *hands;
    int state_fd, epoll_fd;
    char boot[LATCH_BOOT_BYTES];
};

/* Fills in all of ret->env but answer and notify, and epoll_fd of the settings. ret must not move
 * afterwards. */
NODISCARD enum status act_host_open(const char *state_folder, const struct hand_settings *settings,
                                    struct act_host *ret, struct error *error);
void act_host_close(struct act_host *host);

#endif
