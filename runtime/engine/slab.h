/* Blocks of one size, many to an allocation, each in cache lines of its own where its size is a
 * multiple of one. A block costs its bytes and no more; memory that no block uses any more is given
 * back.
 *
 * Whoever takes a block keeps its place, at most SLAB_PLACE_BYTES_MAX in eights of bytes, for
 * instance in the block, and says it when the block is given back.
 *
 *     struct slab slab = {.size = 64};
 *     uint16_t place;
 *     void *block = slab_take(&slab, &place);
 *     slab_give(block, place);
 *     slab_release(&slab);        // all that was taken is gone */
#ifndef HEAL_RUNTIME_ENGINE_SLAB_H
#define HEAL_RUNTIME_ENGINE_SLAB_H

#include "lang/base.h"

enum { SLAB_CHUNK_BYTES = 16384, SLAB_LINE = 64 };

struct slab_chunk;
struct slab {
    uint32_t size;           /* of a block in bytes, a multiple of 8, 8 to 1024 */
    void *owner;             /* the caller's: slab_owner() finds it from a block */
    struct slab_chunk *open; /* with free blocks */
    struct slab_chunk *full;
    size_t taken; /* blocks */
    size_t bytes; /* of all chunks */
};

/* Not zeroed. */
void *slab_take(struct slab *slab, uint16_t *ret_place);
void slab_give(void *block, uint16_t place);
/* Of the slab that the block was taken from. */
void *slab_owner(const void *block, uint16_t place);
void slab_release(struct slab *slab);

#endif
