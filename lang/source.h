/* Source texts and places in them. All texts of one compilation share one offset space, so a place
 * is two offsets and the file follows from them.
 *
 *     struct sources sources = {0};
 *     const struct source *s = sources_add(&sources, "a.heal", text, length);
 *     struct position p = sources_position(&sources, span.start);   // p.path, p.line, p.column
 */
#ifndef HEAL_LANG_SOURCE_H
#define HEAL_LANG_SOURCE_H

#include "lang/base.h"

enum { SOURCE_BYTES_MAX = 16 * 1024 * 1024, SOURCES_MAX = 4096 };

/* Half-open: [start, end) in the shared offset space. {0, 0} is "no place". */
struct span {
    uint32_t start;
    uint32_t end;
};

struct source {
    char *path;
    char *text; /* NUL-terminated, length bytes, one NUL more for the lexer */
    size_t length;
    uint32_t base;   /* offset of text[0]; the first source starts at 1 */
    uint32_t *lines; /* offsets in text where lines start */
    size_t line_count;
};

struct sources {
    struct source **items;
    size_t count;
    size_t capacity;
};

struct position {
    const struct source *source; /* NULL when there is no place */
    size_t line;                 /* from 1 */
    size_t column;               /* from 1, in code points */
};

/* Copies text in. NULL with error set when a limit is passed. */
const struct source *sources_add(struct sources *sources, const char *path, const char *text,
                                 size_t length, struct error *error);
/* Reads a whole file ("-" is standard input). NULL with error set when it cannot be read. */
const struct source *sources_read(struct sources *sources, const char *path, struct error *error);
struct position sources_position(const struct sources *sources, uint32_t offset);
/* In one source; no place where the offset is not of it. */
struct position source_position(const struct source *source, uint32_t offset);
void sources_release(struct sources *sources);

static inline struct span span_join(struct span a, struct span b)
{
    return (struct span){a.start, b.end};
}

#endif
