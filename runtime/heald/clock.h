/* One clock for all processes of heald: the wall's time when the parent started, plus what
 * CLOCK_BOOTTIME says has passed since. A step of the wall clock during a run has no effect.
 *
 *     clock_start(&anchor);  clock_export(&anchor);      // parent
 *     clock_import(&anchor, &error);                     // child: the same anchor
 *     struct instant now = clock_now(&anchor); */
#ifndef HEAL_RUNTIME_HEALD_CLOCK_H
#define HEAL_RUNTIME_HEALD_CLOCK_H

#include "lang/base.h"

enum { CLOCK_BOOT_BYTES = 40 };

struct clock_anchor {
    struct instant wall;
    int64_t boottime_ns;
    char boot[CLOCK_BOOT_BYTES]; /* the kernel's id of this boot */
};

void clock_start(struct clock_anchor *ret);
struct instant clock_now(const struct clock_anchor *anchor);
/* Since whenever, at the pace of this machine: for how long something took. */
struct duration clock_elapsed(void *unused);

/* Ticks whose times are whole periods apart, however late each one comes: what is due every period,
 * or must last for some, is not at the mercy of the scheduler. */
struct clock_ticks {
    struct instant last;
    struct duration period;
    bool begun; /* the first expiration is at once */
};
void clock_ticks_start(struct clock_ticks *ret, struct duration period, struct instant now);
/* The time of the newest of so many more ticks; never after now. A clock that went on without
 * ticks, as in a suspended machine, begins anew. */
struct instant clock_ticks_next(struct clock_ticks *ticks, uint64_t expirations,
                                struct instant now);

/* Through the environment variable HEAL_CLOCK. */
void clock_export(const struct clock_anchor *anchor);
NODISCARD enum status clock_import(struct clock_anchor *ret, struct error *error);

#endif
