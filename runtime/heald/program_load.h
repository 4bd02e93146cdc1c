/* From a bundle that was opened, its signature checked, to the program of its sources. The engine
 * and the actor each do it by themselves. */
#ifndef HEAL_RUNTIME_HEALD_PROGRAM_LOAD_H
#define HEAL_RUNTIME_HEALD_PROGRAM_LOAD_H

#include "runtime/bundle/bundle.h"
#include "runtime/config/config.h"

/* Parses, checks, and compares with the manifest. The program is the arena's; sources must be
 * empty. Findings go to the log, the first error also to error. */
NODISCARD enum status program_load(struct arena *arena, struct sources *sources,
                                   const struct bundle *bundle, struct program **ret,
                                   struct error *error);

/* STATUS_NOT_FOUND: a guard file that heald.yaml names is not in the bundle. ret: the host names
 * one, and there is a guard; without, nothing may act. */
NODISCARD enum status program_guarded(const struct config *config, const struct bundle *bundle,
                                      const struct program *program, bool *ret,
                                      struct error *error);

#endif
