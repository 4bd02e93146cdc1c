/* Secrets are read from their files each time they are used, so that they can be replaced. */
#ifndef HEAL_RUNTIME_ACT_SECRET_H
#define HEAL_RUNTIME_ACT_SECRET_H

#include "lang/base.h"

enum { SECRET_BYTES = 4096 };

/* The one line of a file, without its end. Errors name the file and never what it holds.
 * STATUS_PROTOCOL: it is empty, has several lines or a control character. STATUS_LIMIT: too long.
 */
NODISCARD enum status secret_read(const char *path, char ret[SECRET_BYTES], struct error *error);

#endif
