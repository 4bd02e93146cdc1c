/* Units of systemd: their names, and what a bus message says of one. The message is hostile.
 *
 *     TRY(systemd_unit_name("unit=nginx.service", name, error));
 *     if (systemd_unit_read(message, &unit)) { ... unit.active ... } */
#ifndef HEAL_RUNTIME_ACT_SYSTEMD_UNIT_H
#define HEAL_RUNTIME_ACT_SYSTEMD_UNIT_H

#include <systemd/sd-bus.h>

#include "lang/base.h"

enum { UNIT_NAME_BYTES = 256, UNIT_WORD_BYTES = 32, UNIT_INVOCATION_BYTES = 33 };

struct systemd_unit {
    char id[UNIT_NAME_BYTES]; /* its first name */
    char load[UNIT_WORD_BYTES], active[UNIT_WORD_BYTES];
    char invocation[UNIT_INVOCATION_BYTES]; /* in hex; "": it does not run, or never did */
    bool has_job;
};

/* From what GetAll of org.freedesktop.systemd1.Unit answers. false: it is something else. */
bool systemd_unit_read(sd_bus_message *message, struct systemd_unit *ret);

/* The unit that a target names by its label unit. STATUS_DENIED: it names none, none of a kind that
 * can be acted on, or one that heald may not act on. */
NODISCARD enum status systemd_unit_name(const char *target, char ret[UNIT_NAME_BYTES],
                                        struct error *error);

/* Whether heald runs in that unit, or speaks over it: it is not to end itself. */
bool systemd_unit_is_own(const char *name);

#endif
