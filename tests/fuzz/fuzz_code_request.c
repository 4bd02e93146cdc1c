/* Arbitrary bytes as a request for code and as an answer: what a reader accepts is what a writer
 * makes of it, and memory stays within a multiple of the bytes. */
#include <stdlib.h>
#include <string.h>

#include "runtime/bundle/code_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_request(struct arena *arena, const uint8_t *data, size_t size)
{
    struct code_request request;
    struct error error;
    if (code_request_read(arena, data, size, &request, &error) == STATUS_OK) {
        uint8_t *again = NULL;
        size_t length = 0;
        CHECK(code_request_write(&request, &again, &length, &error) == STATUS_OK);
        CHECK(length == size && memcmp(again, data, size) == 0);
        free(again);
    }
}

/* The bytes behind a hash that is right: the reader is not to stop at the first check. */
static void as_answer(struct arena *arena, const uint8_t *data, size_t size)
{
    static const uint8_t key[CODE_KEY_BYTES];
    struct bundle objects;
    struct error error;
    uint8_t *bytes = NULL, *again = NULL;
    size_t length = 0, again_length = 0;
    if (code_answer_wrap(key, data, size, &bytes, &length, &error) == STATUS_OK &&
        code_answer_read(arena, bytes, length, key, &objects, &error) == STATUS_OK) {
        CHECK(code_answer_write(key, &objects, &again, &again_length, &error) == STATUS_OK);
        CHECK(again_length == length && memcmp(again, bytes, length) == 0);
    }
    free(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    as_request(&arena, data, size);
    as_answer(&arena, data, size);
    CHECK(arena.total_bytes <= 64 * size + 512 * 1024);
    arena_release(&arena);
    return 0;
}
