/* The table of hands. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "runtime/act/hand_internal.h"

static const struct hand *const table[HAND_COUNT] = {
    [HAND_EXEC] = &hand_exec,
    [HAND_HTTP] = &hand_http,
    [HAND_KUBERNETES] = &hand_kubernetes,
    [HAND_SYSTEMD] = &hand_systemd,
};

enum status hands_new(const struct hand_settings *settings, struct hands **ret, struct error *error)
{
    struct hands *hands = heap_alloc(sizeof *hands);
    hands->settings = *settings;
    enum status status = transfers_new(&hands->transfers, error);
    if (status == STATUS_OK && settings->epoll_fd >= 0) {
        int fd = transfers_fd(hands->transfers);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(settings->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            status = error_set(error, STATUS_IO, "cannot watch transfers: %s", strerror(errno));
        }
    }
    if (status != STATUS_OK) {
        hands_free(hands);
        return status;
    }
    *ret = hands;
    return STATUS_OK;
}

void hands_free(struct hands *hands)
{
    if (hands) {
        transfers_free(hands->transfers);
        free(hands);
    }
}

static const struct hand *hand_of(enum connector connector)
{
    CHECK(connector < CONNECTOR_COUNT);
    return table[connector_infos[connector].hand];
}

enum status hand_check(const struct grant *grant, const char *target, struct error *error)
{
    const struct hand *hand = hand_of(grant->connector);
    return hand->check ? hand->check(grant, target, error) : STATUS_OK;
}

enum hand_resume hand_resumes(enum connector connector)
{
    return hand_of(connector)->resumes;
}

void hand_ended(struct hand_result *ret, enum outcome outcome, const char *said)
{
    *ret = (struct hand_result){.outcome = outcome};
    snprintf(ret->text, sizeof ret->text, "%s%s", said,
             outcome == OUTCOME_UNKNOWN ? "; it may have been done" : "");
}

enum status hand_start(struct hands *hands, const struct hand_order *order, struct duration uptime,
                       struct hand_run **ret, struct error *error)
{
    const struct hand *hand = hand_of(order->grant->connector);
    TRY(hand->start(hands, order, uptime, ret, error));
    (*ret)->hand = hand;
    return STATUS_OK;
}

bool hand_step(struct hand_run *run, struct duration uptime, struct hand_result *ret)
{
    return run->hand->step(run, uptime, ret);
}

void hand_end(struct hand_run *run, struct duration uptime)
{
    run->hand->end(run, uptime);
}
