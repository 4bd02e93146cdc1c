/* The actor's own copy of the host's guards: it opens and checks the signed bundle by itself, and
 * again when the files of bundle, signature or key are others than before. So nobody has to tell
 * it, and nobody can keep it from it.
 *
 *     struct actor_guards guards = {.config = config};
 *     actor_guards_renew(&guards, actor);       at the start, and before messages are taken
 *     actor_guards_release(&guards);            after actor_free()
 *
 * What cannot be loaded changes nothing: the guards before go on; before the first ones nothing
 * starts. */
#ifndef HEAL_RUNTIME_HEALD_ACTOR_GUARDS_H
#define HEAL_RUNTIME_HEALD_ACTOR_GUARDS_H

#include "runtime/act/actor.h"
#include "runtime/config/config.h"

enum { ACTOR_GUARD_FILES = 3, ACTOR_GUARD_RETRY_S = 5 };

/* Which file it is, and as of when; zero where there is none. */
struct actor_guard_file {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
};

struct actor_guards {
    const struct config *config;
    struct guard_set *set; /* in force; NULL: none */
    uint64_t serial;       /* the highest that was loaded */
    bool tried;
    struct duration tried_at; /* since boot */
    struct actor_guard_file files[ACTOR_GUARD_FILES];
};

/* Loads them if they changed; after a failure before the first success every
 * ACTOR_GUARD_RETRY_S. uptime: since boot. */
void actor_guards_renew(struct actor_guards *guards, struct actor *actor, struct duration uptime);
void actor_guards_release(struct actor_guards *guards);

#endif
