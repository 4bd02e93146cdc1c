/* The key that verbs use when none is named: ~/.config/heal/development.key and .pub. */
#ifndef HEAL_COMPILER_HEALC_KEY_H
#define HEAL_COMPILER_HEALC_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/trust/trust.h"

/* The path of the secret key; false after a message. make: the folders above it are made. */
bool key_default_path(const char *verb, bool make, char *ret, size_t size);
/* Reads the secret key at path, made with its public half when it is not there, which is said.
 * False after a message. Wipe it with trust_secret_wipe. */
bool key_secret(const char *verb, const char *path, struct trust_secret *ret);

#endif
