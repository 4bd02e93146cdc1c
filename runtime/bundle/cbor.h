/* Deterministic CBOR (RFC 8949, 4.2.1), read and written by the same calls.
 *
 *     struct cbor out, in;
 *     cbor_write(&out, limit_bytes, error);
 *     cbor_read(&in, bytes, length, &arena, error);
 *     ... cbor_map(c, 1); cbor_key(c, "serial"); cbor_uint(c, &x->serial, UINT64_MAX); ...
 *
 * A format is one function over struct cbor: run on a writer it writes the values, run on a reader
 * it fills them. So what is accepted is exactly what would have been written: a longer head than
 * needed, an indefinite length, a tag, a key missing, unknown, twice or out of order are all bytes
 * that differ. Nothing here follows a nesting that the bytes ask for; depth is that of the calls.
 * The first failure stays: every later call is idle, and a reader's values are then zero. */
#ifndef HEAL_RUNTIME_BUNDLE_CBOR_H
#define HEAL_RUNTIME_BUNDLE_CBOR_H

#include "lang/arena.h"

struct cbor {
    bool reads;
    enum status status;
    struct error *error;
    /* a reader: borrows the bytes, copies texts and makes arrays in the arena */
    const uint8_t *start, *at, *end;
    struct arena *arena;
    /* a writer: the heap's until taken */
    uint8_t *bytes;
    size_t length, capacity, limit_bytes;
};

void cbor_read(struct cbor *cbor, const void *bytes, size_t length, struct arena *arena,
               struct error *error);
void cbor_write(struct cbor *cbor, size_t limit_bytes, struct error *error);
/* Of a reader: nothing may be left. Gives the first failure. */
NODISCARD enum status cbor_end(struct cbor *cbor);
/* Of a writer: hands the bytes over, or frees them and gives the first failure. */
NODISCARD enum status cbor_take(struct cbor *cbor, uint8_t **ret, size_t *ret_length);

/* Says what is wrong with a value just read or about to be written; the first one stays. */
void cbor_refuse(struct cbor *cbor, enum status status, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool cbor_good(const struct cbor *cbor);

void cbor_uint(struct cbor *cbor, uint64_t *value, uint64_t max);
void cbor_bool(struct cbor *cbor, bool *value);
/* In the shortest of the three widths that holds it; not a NaN and not below zero. */
void cbor_double(struct cbor *cbor, double *value);
/* UTF-8 of at most max bytes without control characters; a NUL-terminated copy. */
void cbor_text(struct cbor *cbor, const char **value, size_t max);
/* Exactly this text. */
void cbor_word(struct cbor *cbor, const char *word);
/* Exactly size bytes. */
void cbor_bytes(struct cbor *cbor, uint8_t *value, size_t size);
/* length bytes that stay where they are. */
void cbor_view(struct cbor *cbor, const void **value, size_t length);

void cbor_array(struct cbor *cbor, size_t count); /* of exactly count items */
void cbor_map(struct cbor *cbor, size_t count);
#define cbor_key cbor_word
/* An array of at most max items of at least min_bytes each; a reader gives the memory for items of
 * item_size bytes, zeroed. */
void *cbor_items(struct cbor *cbor, void *items, size_t *count, size_t max, size_t min_bytes,
                 size_t item_size);

#endif
