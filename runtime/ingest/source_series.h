/* The series of one source, as the feed knows them.
 *
 * A series is found by its key, the bytes its source writes before the value, or by its identity,
 * which is what the feed calls it: two keys may be one series. Of both only the marks are kept: the
 * bytes come with every sample, and encode() makes an identity of a key. Sources send the same
 * series in the same order nearly always, so each entry knows which came after it the last time.
 *
 *     n = source_series_find(&series, key);
 *     if (n == SOURCE_SERIES_NONE) { size = encode(...); n = source_series_identify(&series, size);
 * } if (n == SOURCE_SERIES_NONE) { n = source_series_add(&series, key, size); } */
#ifndef HEAL_RUNTIME_INGEST_SOURCE_SERIES_H
#define HEAL_RUNTIME_INGEST_SOURCE_SERIES_H

#include "lang/base.h"
#include "runtime/ingest/exposition.h"
#include "runtime/ingest/feed.h"
#include "runtime/ingest/lookup.h"

#define SOURCE_SERIES_NONE LOOKUP_NONE

struct source_entry {
    uint64_t key_hash, identity_hash;
    uint32_t key_size;
    uint32_t number;     /* in the feed */
    uint32_t generation; /* of the feed, plus one, under which it was defined; 0 is never */
    uint32_t next;       /* entry of the sample after it */
    uint32_t family;     /* the caller's */
    uint32_t seen;       /* round of its last sample */
};

/* The identity of a key into buffer, as feed_encode_series() gives it; 0 when over a limit. */
typedef size_t source_encode_f(void *ctx, struct slice key, void *buffer, size_t size);

/* A key where it stands in the body. */
struct source_unsaid {
    struct slice key;
    uint32_t n;
};

struct source_series {
    struct feed_writer *feed;
    uint32_t id;         /* of the source in the feed */
    uint32_t generation; /* plus one, under which the source was announced; 0 is never */
    char *name;
    struct duration interval, grace;
    source_encode_f *encode;
    void *ctx;
    struct source_entry *items;
    size_t count, capacity;
    struct lookup by_key, by_identity;
    struct source_unsaid *unsaid; /* entries of this body that the reader does not know */
    size_t unsaid_count, unsaid_capacity;
    unsigned char encoded[FEED_RECORD_BYTES_MAX]; /* of the key that was encoded last */
};

struct source_options {
    uint32_t id;                     /* below FEED_SOURCES_MAX, unique in the feed */
    const char *name;                /* unique */
    struct duration interval, grace; /* as store_source() takes them */
};

/* Checks the options; copies the name. */
NODISCARD enum status source_series_init(struct source_series *series, struct feed_writer *feed,
                                         const struct source_options *options,
                                         source_encode_f *encode, void *ctx, struct error *error);
void source_series_release(struct source_series *series);

/* The mark of the entry's key; of NONE no key. Word by word: what is written in parts and read as a
 * whole right after waits for memory. */
static inline void source_series_mark(const struct source_series *series, uint32_t n,
                                      struct key_mark *ret)
{
    enum { AHEAD = 16 };
    const bool known = n != SOURCE_SERIES_NONE;
    if (known) { /* where no entry need be: an address, and not a pointer to one */
        const uintptr_t items = (uintptr_t)series->items;
        __builtin_prefetch((const void *)(items + (n + (uintptr_t)AHEAD) * sizeof *series->items));
    }
    ret->hash = known ? series->items[n].key_hash : 0;
    ret->size = known ? series->items[n].key_size : 0;
}

uint32_t source_series_find(const struct source_series *series, struct slice key);
/* The entry of the identity in series->encoded[0..size). */
uint32_t source_series_identify(struct source_series *series, size_t size);
/* A new entry of a key and its identity in encoded; NONE when the feed has no number left. */
uint32_t source_series_add(struct source_series *series, struct slice key, size_t size);
/* Takes back the newest entries, down to count. */
void source_series_cut(struct source_series *series, size_t count);
/* Forgets entries for which keep() is false; moved(ctx, from, to) tells where the others are now.
 */
typedef bool source_keep_f(void *ctx, uint32_t n);
typedef void source_moved_f(void *ctx, uint32_t from, uint32_t to);
void source_series_sweep(struct source_series *series, source_keep_f *keep, source_moved_f *moved,
                         void *ctx);

/* Tells a reader that has just attached that the source exists; cheap when it knows. */
void source_series_announce(struct source_series *series);
bool source_series_announced(const struct source_series *series);
/* Tells the reader what the number of an entry with that key means, unless it knows. Commits. */
NODISCARD enum status source_series_define(struct source_series *series, uint32_t n,
                                           struct slice key);
/* Notes the key of an entry that the reader does not know: it is of an older generation. */
void source_series_note(struct source_series *series, uint32_t n, struct slice key);
/* Tells the reader all that was noted; the bodies are still there. */
NODISCARD enum status source_series_define_noted(struct source_series *series);
void source_series_forget_noted(struct source_series *series);

#endif
