/* The bytes of the feed, as its writer and its reader see them. Private to feed_*.c.
 *
 * A record: u32 bytes (all of it, a multiple of 8), u32 kind, payload, zero to seven bytes of
 * padding. Text: u32 length, bytes, one zero byte. Points: i64 time, u64 count, the points. */
#ifndef HEAL_RUNTIME_INGEST_FEED_LAYOUT_H
#define HEAL_RUNTIME_INGEST_FEED_LAYOUT_H

#include <stdatomic.h>

#include "runtime/ingest/feed.h"

enum {
    FEED_HEADER_BYTES = 4096,
    FEED_PREFIX_BYTES = 8,
    FEED_NEAR_BYTES = 1 << 14,
    FEED_POINTS_MAX = 1000 /* of one record, which is read several times in a near cache */
};
_Static_assert(sizeof(struct feed_point) == 16, "points are written as they are");
#define FEED_MAGIC 0x3164656566616568ULL /* "heafeed1" */

struct feed_header {
    uint64_t magic;
    char gap0[56];
    _Atomic uint64_t head; /* written by the producer */
    char gap1[56];
    _Atomic uint64_t tail; /* written by the consumer */
    char gap2[56];
    _Atomic uint32_t generation; /* written by the consumer: "all definitions again, please" */
};
_Static_assert(sizeof(struct feed_header) <= FEED_HEADER_BYTES, "the header fits its page");

/* Maps fd after checking that its size is right and can no longer change (else a peer could shrink
 * it and kill this process with SIGBUS). */
NODISCARD enum status feed_map(int fd, struct feed_header **ret_header, size_t *ret_bytes,
                               struct error *error);
void feed_unmap(struct feed_header *header, size_t bytes);

#endif
