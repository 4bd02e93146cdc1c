/* Names, UTF-8, escapes, and a growing text with a limit. */
#include "runtime/ingest/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_is_name_start(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

bool text_is_name(unsigned char c)
{
    return text_is_name_start(c) || (c >= '0' && c <= '9');
}

bool text_metric_name_valid(const char *text, size_t size)
{
    if (size == 0 || !text_is_name_start((unsigned char)text[0])) {
        return false;
    }
    for (size_t i = 1; i < size; i++) {
        if (!text_is_name((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

bool text_label_name_valid(const char *text, size_t size)
{
    return text_metric_name_valid(text, size) && memchr(text, ':', size) == NULL;
}

/* Length of the sequence at p, 0 when it is not well formed. The second byte's range is what keeps
 * overlong forms and surrogates out. */
static size_t sequence_length(const unsigned char *p, size_t rest)
{
    unsigned char lead = p[0];
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    unsigned char low = 0x80, high = 0xbf;
    if (lead < 0xc2 || lead > 0xf4 || rest < length) {
        return 0;
    }
    switch (lead) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

size_t text_utf8_check(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    while (i < size) {
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t length = sequence_length(p + i, size - i);
        if (length == 0) {
            return i;
        }
        i += length;
    }
    return size;
}

void text_init(struct text *text, size_t limit)
{
    *text = (struct text){.limit = limit};
}

void text_release(struct text *text)
{
    free(text->bytes);
    *text = (struct text){.limit = text->limit};
}

void text_clear(struct text *text)
{
    text->size = 0;
    text->full = false;
}

void text_add(struct text *text, const char *bytes, size_t size)
{
    if (text->full || size > text->limit - text->size) {
        text->full = true;
        return;
    }
    if (size > text->capacity - text->size) {
        size_t capacity = text->capacity ? text->capacity : 4096;
        while (capacity - text->size < size) {
            capacity *= 2;
        }
        text->bytes = heap_resize(text->bytes, capacity);
        text->capacity = capacity;
    }
    if (size > 0) {
        memcpy(text->bytes + text->size, bytes, size);
    }
    text->size += size;
}

void text_print(struct text *text, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    int size = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    CHECK(size >= 0 && (size_t)size < sizeof line);
    text_add(text, line, (size_t)size);
}

void text_add_escaped(struct text *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        unsigned char c = (unsigned char)bytes[i];
        size_t length = 1;
        if (c >= 0x80) {
            length = sequence_length((const unsigned char *)bytes + i, size - i);
        }
        if (length == 0) {
            text_add(text, "\xef\xbf\xbd", 3);
            length = 1;
        } else if (c == '\\' || c == '"') {
            text_add(text, c == '"' ? "\\\"" : "\\\\", 2);
        } else if (c == '\n') {
            text_add(text, "\\n", 2);
        } else if (c == '\0') {
            text_add(text, "\xef\xbf\xbd", 3); /* no text of the engine holds a zero byte */
        } else {
            text_add(text, bytes + i, length);
        }
        i += length;
    }
}

void text_add_number(struct text *text, double value)
{
    if (isnan(value)) {
        text_add(text, "NaN", 3);
    } else if (isinf(value)) {
        text_add(text, value > 0 ? "+Inf" : "-Inf", 4);
    } else if (value == floor(value) && fabs(value) < 1e15) {
        text_print(text, "%.0f", value);
    } else {
        text_print(text, "%.17g", value);
    }
}
