/* The series of one source, as the feed knows them. */
#include "runtime/ingest/source_series.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/text.h"

enum status source_series_init(struct source_series *s, struct feed_writer *feed,
                               const struct source_options *options, source_encode_f *encode,
                               void *ctx, struct error *error)
{
    size_t size = strnlen(options->name, FEED_TEXT_BYTES_MAX + 1);
    if (options->id >= FEED_SOURCES_MAX) {
        return error_set(error, STATUS_LIMIT, "more than %d sources", FEED_SOURCES_MAX);
    }
    if (size == 0 || size > FEED_TEXT_BYTES_MAX || text_utf8_check(options->name, size) != size) {
        return error_set(error, STATUS_LIMIT,
                         "a source needs a name of UTF-8 text of at most %d bytes",
                         FEED_TEXT_BYTES_MAX);
    }
    if (options->interval.ns <= 0 || options->grace.ns < 0) {
        return error_set(error, STATUS_LIMIT, "source '%.100s' has no interval", options->name);
    }
    s->feed = feed;
    s->id = options->id;
    s->name = heap_strdup(options->name);
    s->interval = options->interval;
    s->grace = options->grace;
    s->encode = encode;
    s->ctx = ctx;
    return STATUS_OK;
}

void source_series_release(struct source_series *s)
{
    source_series_cut(s, 0);
    lookup_release(&s->by_key);
    lookup_release(&s->by_identity);
    source_series_forget_noted(s);
    free(s->items);
    free(s->name);
}

uint32_t source_series_find(const struct source_series *s, struct slice key)
{
    const struct key_mark mark = key_mark(key.text, key.size);
    size_t at = 0;
    uint32_t n;
    while ((n = lookup_next(&s->by_key, mark.hash, &at)) != LOOKUP_NONE) {
        if (s->items[n].key_hash == mark.hash && s->items[n].key_size == mark.size) {
            break;
        }
    }
    return n;
}

uint32_t source_series_identify(struct source_series *s, size_t size)
{
    const uint64_t hash = lookup_hash(s->encoded, size);
    size_t at = 0;
    uint32_t n;
    while ((n = lookup_next(&s->by_identity, hash, &at)) != LOOKUP_NONE) {
        if (s->items[n].identity_hash == hash) {
            break;
        }
    }
    return n;
}

/* A quarter more each time: there may be a million. */
static void reserve(struct source_series *s)
{
    if (s->count == s->capacity) {
        s->capacity += s->capacity / 4 + 64;
        s->items = heap_resize(s->items, s->capacity * sizeof *s->items);
    }
}

uint32_t source_series_add(struct source_series *s, struct slice key, size_t size)
{
    uint32_t number, n = (uint32_t)s->count;
    if (!feed_number_take(s->feed, &number)) {
        return SOURCE_SERIES_NONE;
    }
    reserve(s);
    struct source_entry *entry = &s->items[s->count++];
    *entry = (struct source_entry){.key_hash = lookup_hash(key.text, key.size),
                                   .identity_hash = lookup_hash(s->encoded, size),
                                   .key_size = key.size,
                                   .number = number,
                                   .next = SOURCE_SERIES_NONE,
                                   .family = LOOKUP_NONE};
    lookup_add(&s->by_key, entry->key_hash, n);
    lookup_add(&s->by_identity, entry->identity_hash, n);
    return n;
}

static void rebuild_lookups(struct source_series *s)
{
    lookup_clear(&s->by_key);
    lookup_clear(&s->by_identity);
    for (size_t i = 0; i < s->count; i++) {
        lookup_add(&s->by_key, s->items[i].key_hash, (uint32_t)i);
        lookup_add(&s->by_identity, s->items[i].identity_hash, (uint32_t)i);
    }
}

void source_series_cut(struct source_series *s, size_t count)
{
    if (s->count == count) {
        return;
    }
    while (s->count > count) {
        struct source_entry *entry = &s->items[--s->count];
        feed_number_give(s->feed, entry->number);
    }
    for (size_t i = 0; i < s->count; i++) {
        if (s->items[i].next >= count) {
            s->items[i].next = SOURCE_SERIES_NONE;
        }
    }
    rebuild_lookups(s);
}

/* Tells the engine that a number is free; the series may come back under another. False when that
 * cannot be said now. */
static bool forget(struct source_series *s, struct source_entry *entry)
{
    if (entry->generation != 0 && entry->generation == s->generation &&
        feed_write_forget(s->feed, entry->number) != STATUS_OK) {
        return false;
    }
    feed_number_give(s->feed, entry->number);
    return true;
}

void source_series_sweep(struct source_series *s, source_keep_f *keep, source_moved_f *moved,
                         void *ctx)
{
    uint32_t *map = heap_alloc((s->count + 1) * sizeof *map);
    size_t kept = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        bool stays = keep(ctx, i) || !forget(s, &s->items[i]);
        map[i] = stays ? (uint32_t)kept : SOURCE_SERIES_NONE;
        if (stays) {
            moved(ctx, i, (uint32_t)kept);
            s->items[kept++] = s->items[i];
        }
    }
    for (size_t i = 0; i < kept; i++) {
        uint32_t next = s->items[i].next;
        s->items[i].next = next < s->count ? map[next] : SOURCE_SERIES_NONE;
    }
    s->count = kept;
    rebuild_lookups(s);
    free(map);
    feed_commit(s->feed);
}

bool source_series_announced(const struct source_series *s)
{
    return s->generation == feed_writer_generation(s->feed) + 1;
}

void source_series_announce(struct source_series *s)
{
    if (source_series_announced(s)) {
        return;
    }
    feed_urgent(s->feed, true);
    uint32_t generation = feed_writer_generation(s->feed) + 1;
    if (feed_write_source(s->feed, s->id, s->name, s->interval, s->grace) == STATUS_OK) {
        s->generation = generation;
    }
    feed_commit(s->feed);
    feed_urgent(s->feed, false);
}

enum status source_series_define(struct source_series *s, uint32_t n, struct slice key)
{
    struct source_entry *entry = &s->items[n];
    if (entry->generation == s->generation) {
        return STATUS_OK;
    }
    size_t size = s->encode(s->ctx, key, s->encoded, sizeof s->encoded);
    CHECK(size > 0);
    TRY(feed_write_series(s->feed, entry->number, s->id, s->encoded, size));
    entry->generation = s->generation;
    feed_commit(s->feed);
    return STATUS_OK;
}

void source_series_note(struct source_series *s, uint32_t n, struct slice key)
{
    ARRAY_RESERVE(s->unsaid, s->unsaid_count, s->unsaid_capacity);
    s->unsaid[s->unsaid_count++] = (struct source_unsaid){key, n};
}

enum status source_series_define_noted(struct source_series *s)
{
    for (size_t i = 0; i < s->unsaid_count; i++) {
        TRY(source_series_define(s, s->unsaid[i].n, s->unsaid[i].key));
    }
    return STATUS_OK;
}

/* Few bodies have any: their memory is not kept. */
void source_series_forget_noted(struct source_series *s)
{
    free(s->unsaid);
    s->unsaid = NULL;
    s->unsaid_count = s->unsaid_capacity = 0;
}
