/* Events in the engine: each one is a record of the journal, so that what a window counts outlives
 * a restart. The text of the record is the event's labels as JSON and its time in milliseconds
 * since 1970: {"kind":"deploy","service":"checkout"} 1764338587000 */
#ifndef HEAL_RUNTIME_HEALD_ENGINE_EVENTS_H
#define HEAL_RUNTIME_HEALD_ENGINE_EVENTS_H

#include "lang/ast.h"
#include "runtime/config/config.h"
#include "runtime/engine/series.h"
#include "runtime/flight/flight.h"
#include "runtime/store/journal.h"

/* The record of an event; false when its labels are none that ingest lets through. */
NODISCARD bool engine_event_record(const struct label_set *labels, struct instant time,
                                   struct record *ret);
/* Gives the store, and the flight recorder, the events of the journal that a window can still see.
 * Before the first sample of the feed. */
NODISCARD enum status engine_events_restore(struct journal *journal, struct store *store,
                                            struct flight *flight, struct instant now,
                                            struct error *error);
/* Refuses policies that ask for events of a host that takes none: they would count zero for ever.
 */
NODISCARD enum status engine_events_check(const struct config *config, struct program *program,
                                          struct arena *arena, struct error *error);

#endif
