/* Arbitrary bytes as a bundle of a hostile signer: what the reader accepts is what a writer makes
 * of it, and memory stays within a multiple of the bytes. */
#include <stdlib.h>
#include <string.h>

#include "runtime/bundle/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct bundle bundle;
    struct error error;
    if (bundle_read(&arena, data, size, &bundle, &error) == STATUS_OK) {
        uint8_t *again = NULL;
        size_t length = 0;
        CHECK(bundle_write(&bundle, &again, &length, &error) == STATUS_OK);
        CHECK(length == size && memcmp(again, data, size) == 0);
        free(again);
    }
    CHECK(arena.total_bytes <= 32 * size + 256 * 1024);
    arena_release(&arena);
    return 0;
}
