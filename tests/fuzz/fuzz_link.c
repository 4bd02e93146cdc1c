/* The linker under hostile objects: it refuses, or what it links lies in its slab, kernels in its
 * code, every hash once, and the object that debuggers are told differs from what came only in the
 * addresses of its sections. What was linked is read and never run. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

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

static void check_kept(const struct slab *slab, const uint8_t *data, size_t size)
{
    size_t kept_size, text_size;
    const uint8_t *kept = slab_object(slab, 0, &kept_size);
    const uintptr_t from = (uintptr_t)slab_text(slab, &text_size);
    uint8_t *copy = heap_alloc(size);
    Elf64_Ehdr header;
    CHECK(slab_object_count(slab) == 1 && kept_size == size);
    memcpy(copy, kept, size);
    memcpy(&header, data, sizeof header);
    for (size_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr s, came;
        memcpy(&s, kept + header.e_shoff + i * sizeof s, sizeof s);
        memcpy(&came, data + header.e_shoff + i * sizeof s, sizeof s);
        CHECK(s.sh_addr == 0 || (s.sh_addr >= from && s.sh_addr - from <= slab_bytes(slab) &&
                                 came.sh_size <= slab_bytes(slab) - (s.sh_addr - from)));
        memcpy(copy + header.e_shoff + i * sizeof s, &came, sizeof s);
    }
    CHECK(memcmp(copy, data, size) == 0);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {""};
    struct slab *slab = slab_new();
    slab_keep(slab);
    if (slab_add(slab, data, size, &error) == STATUS_OK && slab_link(slab, &error) == STATUS_OK) {
        check_linked(slab);
        check_kept(slab, data, size);
    } else {
        CHECK(error.message[0] != '\0');
    }
    slab_free(slab);
    return 0;
}
