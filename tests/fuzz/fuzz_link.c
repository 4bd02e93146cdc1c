/* The linker under hostile objects: it refuses or links, and never reads or writes outside. What
 * was linked is not run. */
#include "runtime/code/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct slab *slab = slab_new();
    if (slab_add(slab, data, size, &error) == STATUS_OK && slab_link(slab, &error) == STATUS_OK) {
        for (size_t i = 0; i < slab_count(slab); i++) {
            uint64_t hash;
            size_t bytes;
            CHECK(slab_kernel(slab, i, &hash, &bytes) == slab_find(slab, hash));
        }
    }
    slab_free(slab);
    return 0;
}
