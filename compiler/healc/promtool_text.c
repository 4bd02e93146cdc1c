/* Texts of alerts and samples, and sets of them. */
#include "compiler/healc/promtool_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/base.h"

void words_add(struct words *words, const char *text)
{
    size_t length = strlen(text);
    if (words->length + length + 1 > words->capacity) {
        words->capacity = 2 * (words->length + length) + 64;
        words->bytes = heap_resize(words->bytes, words->capacity);
    }
    memcpy(words->bytes + words->length, text, length + 1);
    words->length += length;
}

void words_pair(struct words *words, const char *name, const char *value, bool first)
{
    char one[3] = "";
    words_add(words, first ? "" : ", ");
    words_add(words, name);
    words_add(words, "=\"");
    for (; *value; value++) {
        snprintf(one, sizeof one, *value == '\n' ? "\\n" : "%c", *value);
        words_add(words, *value == '"' ? "\\\"" : *value == '\\' ? "\\\\" : one);
    }
    words_add(words, "\"");
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void texts_take(struct texts *texts, struct words *words)
{
    ARRAY_RESERVE(texts->items, texts->count, texts->capacity);
    texts->items[texts->count++] = words->bytes;
    *words = (struct words){0};
}

void texts_sort(struct texts *texts)
{
    if (texts->count > 1) {
        qsort(texts->items, texts->count, sizeof *texts->items, text_order);
    }
}

bool texts_equal(const struct texts *a, const struct texts *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = strcmp(a->items[i], b->items[i]) == 0;
    }
    return equal;
}

void texts_join(const struct texts *texts, struct words *words)
{
    words_add(words, texts->count ? "" : "nothing");
    for (size_t i = 0; i < texts->count; i++) {
        words_add(words, i ? "; " : "");
        words_add(words, texts->items[i]);
    }
}

void texts_release(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        free(texts->items[i]);
    }
    free(texts->items);
}
