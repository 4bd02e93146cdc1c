/* From channel to channel, until somebody says that it is seen: of one incident. */
#ifndef HEAL_RUNTIME_ENGINE_CLIMB_H
#define HEAL_RUNTIME_ENGINE_CLIMB_H

#include "lang/base.h"

struct climb {
    struct instant began; /* the first page; ns 0: nothing climbs */
    struct instant last;  /* the page that the ladder sent last */
    uint32_t level;       /* how many steps behind the first channel were told */
    bool acknowledged;
};

#endif
