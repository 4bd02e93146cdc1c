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
/* Through the environment variable HEAL_CLOCK. */
void clock_export(const struct clock_anchor *anchor);
NODISCARD enum status clock_import(struct clock_anchor *ret, struct error *error);

#endif
