/* Source texts with their line maps. */
#include "lang/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void source_map_lines(struct source *source)
{
    size_t capacity = 0;
    for (size_t i = 0; i <= source->length; i++) {
        if (i == 0 || source->text[i - 1] == '\n') {
            ARRAY_RESERVE(source->lines, source->line_count, capacity);
            source->lines[source->line_count++] = (uint32_t)i;
        }
    }
}

const struct source *sources_add(struct sources *sources, const char *path, const char *text,
                                 size_t length, struct error *error)
{
    if (length > SOURCE_BYTES_MAX) {
        error_set(error, STATUS_LIMIT, "'%s' has %zu bytes; at most %d are read", path, length,
                  SOURCE_BYTES_MAX);
        return NULL;
    }
    const struct source *last = sources->count ? sources->items[sources->count - 1] : NULL;
    size_t base = last ? last->base + last->length + 1 : 1;
    if (sources->count >= SOURCES_MAX || base + length + 1 > UINT32_MAX) {
        error_set(error, STATUS_LIMIT, "'%s' is one source too many; at most %d are read together",
                  path, SOURCES_MAX);
        return NULL;
    }
    struct source *source = heap_alloc(sizeof *source);
    source->path = heap_strdup(path);
    source->text = heap_alloc(length + 2);
    if (length > 0) {
        memcpy(source->text, text, length);
    }
    source->length = length;
    source->base = (uint32_t)base;
    source_map_lines(source);
    ARRAY_RESERVE(sources->items, sources->count, sources->capacity);
    sources->items[sources->count++] = source;
    return source;
}

const struct source *sources_read(struct sources *sources, const char *path, struct error *error)
{
    bool standard_input = strcmp(path, "-") == 0;
    FILE *file = standard_input ? stdin : fopen(path, "rb");
    if (!file) {
        error_set(error, STATUS_IO, "cannot open '%s': %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t length = 0, capacity = 0;
    for (;;) {
        if (length + 4096 > capacity) {
            capacity = capacity ? 2 * capacity : 16384;
            text = heap_resize(text, capacity);
        }
        size_t n = fread(text + length, 1, capacity - length, file);
        length += n;
        if (n == 0 || length > SOURCE_BYTES_MAX) {
            break;
        }
    }
    bool failed = ferror(file) != 0;
    int code = errno;
    if (!standard_input) {
        fclose(file);
    }
    const struct source *source = NULL;
    if (failed) {
        error_set(error, STATUS_IO, "cannot read '%s': %s", path, strerror(code));
    } else {
        source = sources_add(sources, standard_input ? "<stdin>" : path, text, length, error);
    }
    free(text);
    return source;
}

struct position sources_position(const struct sources *sources, uint32_t offset)
{
    const struct source *source = NULL;
    for (size_t low = 0, high = sources->count; low < high;) {
        size_t middle = (low + high) / 2;
        if (sources->items[middle]->base <= offset) {
            source = sources->items[middle];
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return source ? source_position(source, offset) : (struct position){0};
}

struct position source_position(const struct source *source, uint32_t offset)
{
    if (offset < source->base || offset > source->base + source->length) {
        return (struct position){0};
    }
    uint32_t at = offset - source->base;
    size_t low = 0, high = source->line_count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (source->lines[middle] <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    size_t column = 1;
    for (uint32_t i = source->lines[low]; i < at; i++) {
        column += ((unsigned char)source->text[i] & 0xC0) != 0x80;
    }
    return (struct position){source, low + 1, column};
}

void sources_release(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        free(sources->items[i]->path);
        free(sources->items[i]->text);
        free(sources->items[i]->lines);
        free(sources->items[i]);
    }
    free(sources->items);
    *sources = (struct sources){0};
}
