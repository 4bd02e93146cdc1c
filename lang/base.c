/* Checks, errors, heap and small words shared by all of heal. */
#include "lang/base.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "heal: broken invariant: %s (%s:%d)\n", cond, file, line);
    abort();
}

enum status error_set(struct error *error, enum status status, const char *fmt, ...)
{
    if (error) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(error->message, sizeof error->message, fmt, args);
        va_end(args);
    }
    return status;
}

char *duration_print(struct duration d, char *ret, size_t size)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {{"d", 86400 * NS_PER_S},
                 {"h", 3600 * NS_PER_S},
                 {"m", 60 * NS_PER_S},
                 {"s", NS_PER_S},
                 {"ms", NS_PER_MS}};
    uint64_t rest = d.ns < 0 ? 0 - (uint64_t)d.ns : (uint64_t)d.ns;
    size_t used = 0;
    if (size == 0) {
        return ret;
    }
    ret[0] = '\0';
    if (d.ns < 0) {
        used += (size_t)snprintf(ret, size, "-");
    }
    for (size_t i = 0; i < ARRAY_LEN(units) && used < size; i++) {
        uint64_t n = rest / (uint64_t)units[i].ns;
        rest %= (uint64_t)units[i].ns;
        if (n > 0) {
            used += (size_t)snprintf(ret + used, size - used, "%" PRIu64 "%s", n, units[i].unit);
        }
    }
    if (used == 0) {
        snprintf(ret, size, "0s");
    }
    return ret;
}

void *heap_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    CHECK(p != NULL);
    return p;
}

void *heap_resize(void *p, size_t size)
{
    p = realloc(p, size ? size : 1);
    CHECK(p != NULL);
    return p;
}

char *heap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(heap_alloc(size), text, size);
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ p[i]) * 0x100000001b3ULL;
    }
    return hash;
}

enum { EDIT_LENGTH_MAX = 63 };

unsigned edit_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    if (na > EDIT_LENGTH_MAX || nb > EDIT_LENGTH_MAX) {
        return strcmp(a, b) == 0 ? 0 : 255;
    }
    unsigned row[3][EDIT_LENGTH_MAX + 1];
    unsigned *before = row[0], *last = row[1], *now = row[2];
    for (size_t j = 0; j <= nb; j++) {
        last[j] = (unsigned)j;
        before[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= na; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            now[j] = best;
        }
        unsigned *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[nb];
}

size_t utf8_length(const unsigned char *text, size_t left)
{
    unsigned char c = text[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xC2 && c < 0xE0 ? 2
               : c >= 0xE0 && c < 0xF0 ? 3
               : c >= 0xF0 && c < 0xF5 ? 4
                                       : 0;
    if (n == 0 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool bad = (c == 0xE0 && text[1] < 0xA0) || (c == 0xED && text[1] >= 0xA0) ||
               (c == 0xF0 && text[1] < 0x90) || (c == 0xF4 && text[1] >= 0x90);
    return bad ? 0 : n;
}

bool utf8_is_valid(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text), n = 1;
    for (; left > 0 && n > 0; at += n, left -= n) {
        n = utf8_length(at, left);
    }
    return n > 0;
}
