/* The grants of heald.yaml as the actor takes them; `heald -n` checks them the same way. */
#ifndef HEAL_RUNTIME_HEALD_GRANT_LIST_H
#define HEAL_RUNTIME_HEALD_GRANT_LIST_H

#include "runtime/act/grant.h"
#include "runtime/config/config.h"

struct grant_list {
    struct grant *items;
    size_t count;
};

/* The strings stay config's, which must outlive the list. The first grant that cannot be used is
 * the error: a placeholder without a value, a target that is no canonical text. */
NODISCARD enum status grant_list_load(const struct config *config, struct grant_list *ret,
                                      struct error *error);
void grant_list_release(struct grant_list *list);

#endif
