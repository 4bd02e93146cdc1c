/* Machine code that was made on this host, kept in STATE/code under the key of its request.
 *
 * The folder and its files must be this user's alone; the bytes are believed by whoever reads them
 * (code_answer_read), not here. The least recently used go. */
#ifndef HEAL_RUNTIME_HEALD_CODE_CACHE_H
#define HEAL_RUNTIME_HEALD_CODE_CACHE_H

#include "runtime/bundle/code_request.h"

enum { CODE_CACHE_FILES_MAX = 16, CODE_CACHE_SCAN_MAX = 4096 };

/* The bytes are the caller's to free. STATUS_NOT_FOUND: none are kept. */
NODISCARD enum status code_cache_read(const char *state, const uint8_t key[CODE_KEY_BYTES],
                                      uint8_t **ret, size_t *ret_length, struct error *error);
/* Whole or not at all, and durable. */
NODISCARD enum status code_cache_write(const char *state, const uint8_t key[CODE_KEY_BYTES],
                                       const uint8_t *bytes, size_t length, struct error *error);
void code_cache_drop(const char *state, const uint8_t key[CODE_KEY_BYTES]);

#endif
