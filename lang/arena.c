/* Memory with one lifetime. */
#include "lang/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK_BYTES = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    max_align_t bytes[];
};

static void arena_grow(struct arena *arena, size_t size)
{
    size_t capacity = size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES;
    CHECK(capacity <= SIZE_MAX - sizeof(struct arena_block));
    struct arena_block *block = heap_alloc(sizeof *block + capacity);
    block->next = arena->block;
    block->capacity = capacity;
    arena->block = block;
    arena->used = 0;
    arena->total_bytes += sizeof *block + capacity;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    CHECK(size <= SIZE_MAX / 2);
    size = (size + align - 1) / align * align;
    if (!arena->block || arena->used + size > arena->block->capacity) {
        arena_grow(arena, size);
    }
    void *p = (char *)arena->block->bytes + arena->used;
    arena->used += size;
    return p;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_alloc(arena, length + 1);
    if (length > 0) {
        memcpy(copy, text, length);
    }
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, fmt, again);
    va_end(again);
    return text;
}

void arena_release(struct arena *arena)
{
    while (arena->block) {
        struct arena_block *next = arena->block->next;
        free(arena->block);
        arena->block = next;
    }
    *arena = (struct arena){0};
}
