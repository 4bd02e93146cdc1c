/* Blocks of one size, many to an allocation. */
#include "runtime/engine/slab.h"

#include <stdlib.h>

enum { EACH = 8, BLOCKS_FIRST = 8 };

/* In front of its blocks, at the start of a cache line. */
struct slab_chunk {
    void *owner; /* first: slab_owner() reads it for every label */
    struct slab *slab;
    struct slab_chunk *next, *before;
    void *memory;
    uint16_t free;           /* place of the first free block; 0 is none */
    uint16_t taken, touched; /* blocks; those behind were never taken */
    uint16_t count;
};
_Static_assert(sizeof(struct slab_chunk) <= SLAB_LINE, "a chunk starts with one line");
_Static_assert(SLAB_CHUNK_BYTES / EACH <= UINT16_MAX, "a place has 16 bits");

static struct slab_chunk *chunk_of(const void *block, uint16_t place)
{
    return (struct slab_chunk *)((uintptr_t)block - (uintptr_t)place * EACH);
}

static void unlink_chunk(struct slab_chunk **list, struct slab_chunk *chunk)
{
    *(chunk->before ? &chunk->before->next : list) = chunk->next;
    if (chunk->next) {
        chunk->next->before = chunk->before;
    }
}

static void link_chunk(struct slab_chunk **list, struct slab_chunk *chunk)
{
    chunk->before = NULL;
    chunk->next = *list;
    if (*list) {
        (*list)->before = chunk;
    }
    *list = chunk;
}

static size_t chunk_bytes(const struct slab *slab, size_t count)
{
    return 2 * SLAB_LINE + count * slab->size;
}

/* The first ones are small: a store may have few series. */
static void chunk_new(struct slab *slab)
{
    const size_t most = (SLAB_CHUNK_BYTES - chunk_bytes(slab, 0)) / slab->size;
    size_t count = slab->taken > BLOCKS_FIRST ? slab->taken : BLOCKS_FIRST;
    count = count < most ? count : most;
    void *memory = heap_resize(NULL, chunk_bytes(slab, count));
    struct slab_chunk *chunk =
        (struct slab_chunk *)(((uintptr_t)memory + SLAB_LINE - 1) / SLAB_LINE * SLAB_LINE);
    *chunk = (struct slab_chunk){
        .owner = slab->owner, .slab = slab, .memory = memory, .count = (uint16_t)count};
    slab->bytes += chunk_bytes(slab, count);
    link_chunk(&slab->open, chunk);
}

static void chunk_free(struct slab_chunk *chunk)
{
    struct slab *slab = chunk->slab;
    unlink_chunk(&slab->open, chunk);
    slab->bytes -= chunk_bytes(slab, chunk->count);
    free(chunk->memory);
}

void *slab_take(struct slab *slab, uint16_t *ret_place)
{
    if (!slab->open) {
        chunk_new(slab);
    }
    struct slab_chunk *chunk = slab->open;
    uint16_t place = chunk->free;
    if (place == 0) {
        place = (uint16_t)((SLAB_LINE + chunk->touched++ * slab->size) / EACH);
    }
    char *block = (char *)chunk + (size_t)place * EACH;
    if (chunk->free != 0) {
        chunk->free = *(uint16_t *)(void *)block;
    }
    if (++chunk->taken == chunk->count) {
        unlink_chunk(&slab->open, chunk);
        link_chunk(&slab->full, chunk);
    }
    slab->taken++;
    *ret_place = place;
    return block;
}

void slab_give(void *block, uint16_t place)
{
    struct slab_chunk *chunk = chunk_of(block, place);
    struct slab *slab = chunk->slab;
    CHECK(chunk->taken > 0);
    if (chunk->taken-- == chunk->count) {
        unlink_chunk(&slab->full, chunk);
        link_chunk(&slab->open, chunk);
    }
    *(uint16_t *)block = chunk->free;
    chunk->free = place;
    slab->taken--;
    if (chunk->taken == 0) {
        chunk_free(chunk);
    }
}

void *slab_owner(const void *block, uint16_t place)
{
    return chunk_of(block, place)->owner;
}

static void release_all(struct slab_chunk *chunk)
{
    while (chunk) {
        struct slab_chunk *next = chunk->next;
        free(chunk->memory);
        chunk = next;
    }
}

void slab_release(struct slab *slab)
{
    release_all(slab->open);
    release_all(slab->full);
    slab->open = slab->full = NULL;
    slab->taken = slab->bytes = 0;
}
