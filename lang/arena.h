/* Memory with one lifetime: everything allocated from an arena is freed together.
 *
 *     struct arena arena = {0};
 *     char *name = arena_printf(&arena, "%s.%s", a, b);
 *     arena_release(&arena);
 *
 * Memory is zeroed and aligned for any type. Out of memory aborts. */
#ifndef HEAL_LANG_ARENA_H
#define HEAL_LANG_ARENA_H

#include "lang/base.h"

struct arena_block;
struct arena {
    struct arena_block *block; /* newest first */
    size_t used;               /* bytes used in the newest block */
    size_t total_bytes;        /* bytes taken from the heap */
};

void *arena_alloc(struct arena *arena, size_t size);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
void arena_release(struct arena *arena); /* frees all; the arena is empty and usable again */

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

#endif
