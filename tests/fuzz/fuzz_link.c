/* The linker under hostile objects: it refuses, or what it links lies in its slab, kernels in its
 * code, every hash once. What was linked is read and never run. */
#include "runtime/code/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

/* Every page of the slab is there to be read, and each kernel is in its code. */
static void check_linked(const struct slab *slab)
{
    size_t text_size, kernel_size;
    uint64_t hash, before = 0;
    const uint8_t *text = slab_text(slab, &text_size);
    CHECK(text_size > 0 && text_size <= slab_bytes(slab));
    for (size_t i = 0; i < slab_bytes(slab); i++) {
        sink = text[i];
    }
    for (size_t i = 0; i < slab_count(slab); i++) {
        abi_kernel_f *kernel = slab_kernel(slab, i, &hash, &kernel_size);
        const uintptr_t from = (uintptr_t)kernel - (uintptr_t)text;
        CHECK(kernel_size > 0 && from < text_size && kernel_size <= text_size - from);
        CHECK(kernel == slab_find(slab, hash) && (i == 0 || hash > before));
        before = hash;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {""};
    struct slab *slab = slab_new();
    if (slab_add(slab, data, size, &error) == STATUS_OK && slab_link(slab, &error) == STATUS_OK) {
        check_linked(slab);
    } else {
        CHECK(error.message[0] != '\0');
    }
    slab_free(slab);
    return 0;
}
