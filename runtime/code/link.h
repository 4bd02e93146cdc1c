/* The linker of machine code: relocatable ELF objects of kernels into memory that can be run.
 *
 * An object is read as if an enemy had written it: only .text and .rodata*, only the relocations
 * PC32, PLT32 and 64 between them, only functions named k_ and sixteen digits of hash; five
 * sections of debug information are passed over by name; everything else is refused, with the
 * reason. What the code does when it runs is not looked at: that an object may be trusted has to be
 * known before (a signature).
 *
 *     struct slab *slab = slab_new();
 *     TRY(slab_add(slab, bytes, size, error));       all objects of a generation
 *     TRY(slab_link(slab, error));                   maps them; nothing can be added any more
 *     abi_kernel_f *kernel = slab_find(slab, hash);
 *     slab_free(slab);                               no kernel may be running
 *
 * No page is ever writable and executable, nor executable after having been writable at the same
 * address, so it works under PR_SET_MDWE. */
#ifndef HEAL_RUNTIME_CODE_LINK_H
#define HEAL_RUNTIME_CODE_LINK_H

#include "runtime/abi.h"

enum {
    LINK_OBJECT_BYTES_MAX = 16 << 20,
    LINK_SLAB_BYTES_MAX = 256 << 20,
    LINK_SECTIONS_MAX = 64,     /* of one object */
    LINK_KERNELS_MAX = 1 << 20, /* of one slab */
    LINK_ALIGNMENT_MAX = 64
};

struct slab;
struct slab *slab_new(void);
void slab_free(struct slab *slab);
/* Checks and copies the object. On failure the slab is as before. */
NODISCARD enum status slab_add(struct slab *slab, const uint8_t *bytes, size_t size,
                               struct error *error);
/* Lays out, relocates and maps all that was added. */
NODISCARD enum status slab_link(struct slab *slab, struct error *error);
abi_kernel_f *slab_find(const struct slab *slab, uint64_t hash); /* NULL when it is not there */
size_t slab_count(const struct slab *slab);                      /* kernels */
/* In the order of their hashes. size: bytes of code, for maps of symbols. */
abi_kernel_f *slab_kernel(const struct slab *slab, size_t index, uint64_t *ret_hash,
                          size_t *ret_size);
size_t slab_bytes(const struct slab *slab); /* mapped */
/* Where the code lies: every kernel is within, and between them what they call. */
const uint8_t *slab_text(const struct slab *slab, size_t *ret_size);

/* For debuggers: asked for before slab_link(), the objects stay with the slab, and tell in the
 * headers of their sections where those are mapped. Nothing reads them here any more. */
void slab_keep(struct slab *slab);
size_t slab_object_count(const struct slab *slab); /* 0 where none are kept */
const uint8_t *slab_object(const struct slab *slab, size_t index, size_t *ret_size);

#endif
