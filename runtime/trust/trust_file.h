/* Whole files, read and written. */
#ifndef HEAL_RUNTIME_TRUST_TRUST_FILE_H
#define HEAL_RUNTIME_TRUST_TRUST_FILE_H

#include "lang/base.h"

/* Reads a regular file that is no link, at most limit bytes, into a NUL-terminated heap text. */
NODISCARD enum status trust_file_read(int folder_fd, const char *name, size_t limit,
                                      char **ret_text, size_t *ret_length, struct error *error);
/* Writes a file beside and renames it over name, synced. */
NODISCARD enum status trust_file_write(int folder_fd, const char *name, const char *text,
                                       size_t length, unsigned mode, struct error *error);

#endif
