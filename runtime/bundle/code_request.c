/* The bytes of a request for code and of its answer. */
#include "runtime/bundle/code_request.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bundle/bundle_part.h"
#include "runtime/bundle/code_identity.h" /* of the build folder */

#define REQUEST_MAGIC "heal code request"
#define ANSWER_MAGIC  "heal code"

static void code_format(struct cbor *cbor, const char *magic)
{
    uint64_t format = CODE_FORMAT;
    cbor_word(cbor, magic);
    cbor_uint(cbor, &format, UINT64_MAX);
    if (cbor_good(cbor) && format != CODE_FORMAT) {
        cbor_refuse(cbor, STATUS_PROTOCOL, "format %llu is not known here, only %d",
                    (unsigned long long)format, CODE_FORMAT);
    }
}

static void code_request(struct cbor *cbor, struct code_request *request, struct bundle *sources)
{
    cbor_array(cbor, 4);
    code_format(cbor, REQUEST_MAGIC);
    cbor_map(cbor, 4);
    cbor_key(cbor, "abi");
    bundle_part_abi(cbor, &request->abi);
    cbor_key(cbor, "cpu");
    bundle_part_cpu(cbor, &request->cpu);
    if (cbor_good(cbor) && request->cpu == BUNDLE_NATIVE) {
        cbor_refuse(cbor, STATUS_PROTOCOL, "code for 'native' is not made on request");
    }
    cbor_key(cbor, "sources");
    bundle_part_sources(cbor, sources);
    cbor_key(cbor, "tick_ns");
    cbor_uint(cbor, &request->tick_ns, INT64_MAX);
    if (cbor_good(cbor) && request->tick_ns == 0) {
        cbor_refuse(cbor, STATUS_PROTOCOL, "the tick is 0");
    }
    bundle_part_sections(cbor, sources);
}

enum status code_request_write(struct code_request *request, uint8_t **ret, size_t *ret_length,
                               struct error *error)
{
    struct cbor cbor;
    struct bundle sources = {.sources = request->sources, .source_count = request->source_count};
    bundle_part_prepare(&sources);
    cbor_write(&cbor, CODE_REQUEST_BYTES_MAX, error);
    code_request(&cbor, request, &sources);
    return cbor_take(&cbor, ret, ret_length);
}

enum status code_request_read(struct arena *arena, const void *bytes, size_t length,
                              struct code_request *ret, struct error *error)
{
    struct cbor cbor;
    struct code_request request = {0};
    struct bundle sources = {0};
    CHECK(sodium_init() >= 0);
    if (length > CODE_REQUEST_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT, "a request for code of more than %d bytes",
                         CODE_REQUEST_BYTES_MAX);
    }
    cbor_read(&cbor, bytes, length, arena, error);
    code_request(&cbor, &request, &sources);
    TRY(cbor_end(&cbor));
    request.sources = sources.sources;
    request.source_count = sources.source_count;
    *ret = request;
    return STATUS_OK;
}

void code_request_key(const void *bytes, size_t length, uint8_t ret[CODE_KEY_BYTES])
{
    crypto_generichash_state state;
    CHECK(sodium_init() >= 0);
    crypto_generichash_init(&state, NULL, 0, CODE_KEY_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)CODE_IDENTITY, strlen(CODE_IDENTITY));
    crypto_generichash_update(&state, bytes, length);
    crypto_generichash_final(&state, ret, CODE_KEY_BYTES);
}

/* ---- the answer ---- */

static void code_objects(struct cbor *cbor, struct bundle *objects)
{
    cbor_array(cbor, 2);
    bundle_part_bounded(cbor, objects, bundle_part_objects);
    bundle_part_sections(cbor, objects);
}

struct answer {
    uint8_t key[CODE_KEY_BYTES], hash[TRUST_HASH_BYTES];
    const void *bytes;
    size_t length;
};

static void code_answer(struct cbor *cbor, struct answer *answer)
{
    cbor_array(cbor, 6);
    code_format(cbor, ANSWER_MAGIC);
    cbor_bytes(cbor, answer->key, sizeof(answer->key));
    cbor_bytes(cbor, answer->hash, sizeof(answer->hash));
    bundle_part_length(cbor, &answer->length, CODE_ANSWER_BYTES_MAX);
    cbor_view(cbor, &answer->bytes, answer->length);
}

static void hash_of(const struct answer *answer, uint8_t ret[TRUST_HASH_BYTES])
{
    crypto_generichash(ret, TRUST_HASH_BYTES, answer->bytes, answer->length, NULL, 0);
}

enum status code_answer_wrap(const uint8_t key[CODE_KEY_BYTES], const void *bytes, size_t length,
                             uint8_t **ret, size_t *ret_length, struct error *error)
{
    struct cbor cbor;
    struct answer answer = {.bytes = bytes, .length = length};
    CHECK(sodium_init() >= 0);
    memcpy(answer.key, key, sizeof(answer.key));
    hash_of(&answer, answer.hash);
    cbor_write(&cbor, CODE_ANSWER_BYTES_MAX, error);
    code_answer(&cbor, &answer);
    return cbor_take(&cbor, ret, ret_length);
}

enum status code_answer_write(const uint8_t key[CODE_KEY_BYTES], struct bundle *objects,
                              uint8_t **ret, size_t *ret_length, struct error *error)
{
    struct cbor cbor;
    uint8_t *bytes = NULL;
    size_t length = 0;
    struct bundle only = {.objects = objects->objects, .object_count = objects->object_count};
    bundle_part_prepare(&only);
    cbor_write(&cbor, CODE_ANSWER_BYTES_MAX, error);
    code_objects(&cbor, &only);
    TRY(cbor_take(&cbor, &bytes, &length));
    enum status status = code_answer_wrap(key, bytes, length, ret, ret_length, error);
    free(bytes);
    return status;
}

enum status code_answer_read(struct arena *arena, const void *bytes, size_t length,
                             const uint8_t key[CODE_KEY_BYTES], struct bundle *ret,
                             struct error *error)
{
    struct cbor cbor;
    struct answer answer = {.length = 0};
    struct bundle objects = {0};
    uint8_t found[TRUST_HASH_BYTES];
    CHECK(sodium_init() >= 0);
    if (length > CODE_ANSWER_BYTES_MAX) {
        return error_set(error, STATUS_LIMIT, "code of more than %d bytes", CODE_ANSWER_BYTES_MAX);
    }
    cbor_read(&cbor, bytes, length, arena, error);
    code_answer(&cbor, &answer);
    TRY(cbor_end(&cbor));
    hash_of(&answer, found);
    if (memcmp(found, answer.hash, sizeof(found)) != 0) {
        return error_set(error, STATUS_PROTOCOL, "its bytes are not those that were made");
    }
    if (memcmp(answer.key, key, CODE_KEY_BYTES) != 0) {
        return error_set(error, STATUS_DENIED,
                         "it is the answer to another request, or of a healc of another build");
    }
    cbor_read(&cbor, answer.bytes, answer.length, arena, error);
    code_objects(&cbor, &objects);
    TRY(cbor_end(&cbor));
    *ret = objects;
    return STATUS_OK;
}
