/* What the engine asks the compile child for, and its answer: the sources of a bundle, and machine
 * code for them.
 *
 * request   ["heal code request", 1, {abi, cpu, sources, tick_ns}, [bytes of each source]]
 * answer    ["heal code", 1, key, blake2b, length, bytes], of bytes that are
 *           [objects as in a bundle's manifest, [bytes of each object]]
 *
 * Both are deterministic CBOR (cbor.h). The key is the BLAKE2b-256 of the request and of the
 * identity of the compiler: all that the code depends on. So an answer that is kept is known by it,
 * and a healc of another build than the one who asks is found out. Readers believe nothing. */
#ifndef HEAL_RUNTIME_BUNDLE_CODE_REQUEST_H
#define HEAL_RUNTIME_BUNDLE_CODE_REQUEST_H

#include "runtime/bundle/bundle.h"

enum {
    CODE_FORMAT = 1,
    CODE_KEY_BYTES = 32,
    CODE_REQUEST_BYTES_MAX = 16 << 20,
    CODE_ANSWER_BYTES_MAX = 64 << 20,
    CODE_TEXT_BYTES = 200, /* of a refusal */
    CODE_FD = 3,           /* the child's socket */
};

struct code_request {
    uint64_t tick_ns;
    uint32_t abi;
    enum bundle_cpu cpu; /* not native */
    struct bundle_source *sources;
    size_t source_count;
};

/* What the child says over its socket, with a descriptor of the answer where it is good. */
struct code_reply {
    uint32_t good;
    char text[CODE_TEXT_BYTES]; /* else why not */
};

/* Sorts and hashes the sources; the bytes are the heap's. STATUS_LIMIT: too large for a child. */
NODISCARD enum status code_request_write(struct code_request *request, uint8_t **ret,
                                         size_t *ret_length, struct error *error);
/* ret borrows bytes. */
NODISCARD enum status code_request_read(struct arena *arena, const void *bytes, size_t length,
                                        struct code_request *ret, struct error *error);
/* Of the bytes of a request. */
void code_request_key(const void *bytes, size_t length, uint8_t ret[CODE_KEY_BYTES]);

/* Puts bytes that are said to be objects into an answer; those are the heap's. */
NODISCARD enum status code_answer_wrap(const uint8_t key[CODE_KEY_BYTES], const void *bytes,
                                       size_t length, uint8_t **ret, size_t *ret_length,
                                       struct error *error);
/* The objects of bundle, whatever else it has; the bytes are the heap's. */
NODISCARD enum status code_answer_write(const uint8_t key[CODE_KEY_BYTES], struct bundle *objects,
                                        uint8_t **ret, size_t *ret_length, struct error *error);
/* The objects, which borrow bytes. STATUS_DENIED: whole, and the answer to another request. */
NODISCARD enum status code_answer_read(struct arena *arena, const void *bytes, size_t length,
                                       const uint8_t key[CODE_KEY_BYTES], struct bundle *ret,
                                       struct error *error);

#endif
