/* What the hands share among themselves. A run of a hand begins with struct hand_run. */
#ifndef HEAL_RUNTIME_ACT_HAND_INTERNAL_H
#define HEAL_RUNTIME_ACT_HAND_INTERNAL_H

#include "runtime/act/hand.h"
#include "runtime/act/transfer.h"

struct hand {
    /* Whether the grant suits the hand, for one of its targets; NULL: any does. */
    enum status (*check)(const struct grant *grant, const char *target, struct error *error);
    enum status (*start)(struct hands *hands, const struct hand_order *order,
                         struct duration uptime, struct hand_run **ret, struct error *error);
    bool (*step)(struct hand_run *run, struct duration uptime, struct hand_result *ret);
    void (*end)(struct hand_run *run, struct duration uptime);
    enum hand_resume resumes;
};

struct hand_run {
    const struct hand *hand;
};

struct hands {
    struct hand_settings settings;
    struct transfers *transfers;
};

extern const struct hand hand_exec, hand_http, hand_kubernetes, hand_systemd;

#endif
