/* The table of hands. */
#include <stdlib.h>

#include "runtime/act/hand_internal.h"

static const struct hand *const table[HAND_COUNT] = {
    [HAND_EXEC] = &hand_exec,
};

enum status hands_new(const struct hand_settings *settings, struct hands **ret, struct error *error)
{
    (void)error;
    struct hands *hands = heap_alloc(sizeof *hands);
    hands->settings = *settings;
    *ret = hands;
    return STATUS_OK;
}

void hands_free(struct hands *hands)
{
    free(hands);
}

static const struct hand *hand_of(enum connector connector)
{
    CHECK(connector < CONNECTOR_COUNT);
    return table[connector_infos[connector].hand];
}

enum hand_resume hand_resumes(enum connector connector)
{
    return hand_of(connector)->resumes;
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
