/* The words every file of heal may use: checks, status, errors, time.
 *
 *     NODISCARD enum status store_open(struct store *store, const char *path, struct error *error);
 *     ...
 *     TRY(store_open(&store, path, error));
 *     CHECK(store.writers == 1);
 */
#ifndef HEAL_LANG_BASE_H
#define HEAL_LANG_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a)            (sizeof(a) / sizeof((a)[0]))
#define FLATTEN                 __attribute__((flatten)) /* what it calls in its file becomes part of it */
#define NODISCARD               __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

enum { NAME_BYTES_MAX = 63 }; /* of a policy, action, channel, pool or service */

/* heal is wrong: print the place to standard error and abort. On in release too. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
_Noreturn void check_failed(const char *cond, const char *file, int line);

/* The world failed. The one who detects it writes the message. */
enum status {
    STATUS_OK,
    STATUS_IO,        /* the system said no */
    STATUS_LIMIT,     /* larger than a named limit */
    STATUS_PROTOCOL,  /* bytes from outside that do not follow their format */
    STATUS_DENIED,    /* a bound, a grant, a signature or a permission says no */
    STATUS_NOT_FOUND, /* no such object */
};

/* One sentence without a full stop. */
struct error {
    char message[400];
};

/* Writes the message and returns status. error may be NULL. */
enum status error_set(struct error *error, enum status status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The only macro that returns. */
#define TRY(call)                         \
    do {                                  \
        enum status try_status_ = (call); \
        if (try_status_ != STATUS_OK) {   \
            return try_status_;           \
        }                                 \
    } while (0)

/* A point in time: nanoseconds since 1970-01-01T00:00:00Z. A span of time: nanoseconds.
 * Two types, so that adding two instants does not compile. */
struct instant {
    int64_t ns;
};
struct duration {
    int64_t ns;
};

#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

static inline struct instant instant_add(struct instant a, struct duration d)
{
    return (struct instant){a.ns + d.ns};
}
static inline struct duration instant_sub(struct instant a, struct instant b)
{
    return (struct duration){a.ns - b.ns};
}
static inline struct duration duration_seconds(double seconds)
{
    return (struct duration){(int64_t)(seconds * (double)NS_PER_S)};
}
static inline double duration_to_seconds(struct duration d)
{
    return (double)d.ns / (double)NS_PER_S;
}
static inline double instant_to_seconds(struct instant t)
{
    return (double)t.ns / (double)NS_PER_S;
}

/* Writes d the way a policy would (1h30m, 250ms, 0s) into ret[size]; returns ret. */
char *duration_print(struct duration d, char *ret, size_t size);

/* malloc, calloc and realloc that abort when memory is out; the caller frees. */
void *heap_alloc(size_t size);           /* zeroed */
void *heap_resize(void *p, size_t size); /* not zeroed */
char *heap_strdup(const char *text);

/* Grows a heap array to hold at least count + 1 items; items and capacity are updated. */
#define ARRAY_RESERVE(items, count, capacity)                              \
    do {                                                                   \
        if ((count) >= (capacity)) {                                       \
            (capacity) = (capacity) ? 2 * (capacity) : 8;                  \
            (items) = heap_resize((items), (capacity) * sizeof(*(items))); \
        }                                                                  \
    } while (0)

/* As ARRAY_RESERVE, but a quarter more each time: for what there may be a million of. */
#define MANY_RESERVE(items, count, capacity)                               \
    do {                                                                   \
        if ((count) >= (capacity)) {                                       \
            (capacity) += (capacity) / 4 + 8;                              \
            (items) = heap_resize((items), (capacity) * sizeof(*(items))); \
        }                                                                  \
    } while (0)

/* FNV-1a, 64 bits: names of programs and records, never of attacker-chosen table keys. */
#define HASH_INIT 0xcbf29ce484222325ULL
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size);

/* Bytes of the well-formed UTF-8 sequence at text; 0 when there is none. */
size_t utf8_length(const unsigned char *text, size_t left);
bool utf8_is_valid(const char *text);

/* Edit distance with adjacent swaps (Damerau 1964, restricted), at most 255; for suggestions. */
unsigned edit_distance(const char *a, const char *b);

#endif
