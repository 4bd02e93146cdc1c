/* The flight recorder: everything an engine is fed in one life, in order, so that the life can be
 * run again (replay.h) and must give the same effects, bit for bit.
 *
 *     struct flight *flight = flight_open(&options, now, epoch);
 *     flight_store(flight, &limits);              // the store as it is made
 *     flight_program(flight, &sources, program->hash, &host);
 *     flight_restore(flight, &record);            // ... and whatever the engine and its store get
 *     ...
 *     flight_step(flight, now, inputs, count);    // before engine_step(): what kills it is on file
 *     engine_step(engine, now, inputs, count, &effects);
 *     flight_gave(flight, &effects);              // before any of them leaves the process
 *
 * Call each function where its namesake of store or engine is called, with the same values, after
 * it succeeded. NULL is a recorder that is off.
 *
 * Nothing here waits for the disk or fails: a file that cannot be written, a disk with little room
 * left or a limit reached end the recording, and flight_state() says why. What was recorded stays.
 *
 * Every series and sample is recorded, whether or not a statement reads it: the places of all
 * series in the store, and when each is forgotten, decide in which order values are added up.
 *
 * The format: segments (folder.h), each MAGIC and frames. A frame is its length (4 bytes, the least
 * first), the length before compression with zstd (4 bytes; 0: it is not compressed), its XXH3 as
 * it lies there, seeded with the checksum of the frame before (8 bytes; the first of a life with
 * 0), and the content: events (event.h), each a byte that says which and what it has (wire.h). */
#ifndef HEAL_RUNTIME_FLIGHT_FLIGHT_H
#define HEAL_RUNTIME_FLIGHT_FLIGHT_H

#include "lang/parser.h"
#include "runtime/flight/event.h"

#define FLIGHT_MAGIC "healflt1"

enum {
    FLIGHT_MAGIC_BYTES = 8,
    FLIGHT_FRAME_HEAD_BYTES = 20,
    FLIGHT_FRAME_BYTES = 1 << 18, /* about; content is written once it is as long */
    FLIGHT_FRAME_BYTES_MAX = FLIGHT_TEXT_BYTES_MAX + (1 << 20),
    FLIGHT_SEGMENT_BYTES_MIN = 1 << 20,
    FLIGHT_SEGMENT_BYTES_MAX = 1 << 26, /* a frame more at most */
    FLIGHT_PACK_BYTES_MIN = 512,        /* shorter content is not compressed */
    FLIGHT_LOOK_BYTES = 1 << 20,        /* written between two looks at the room on the disk */
    FLIGHT_SLOW_MS = 2000               /* a write that took longer is the last one */
};
#define FLIGHT_DISK_FREE_MIN (64LL << 20) /* the journal needs room too */

struct flight_options {
    const char *state;      /* folder; recordings are in `flight` below it */
    const char *version;    /* of who records; lives as long as the recorder */
    uint64_t bytes_max;     /* of all recordings; those of earlier lives go first */
    uint64_t disk_free_min; /* ends when less is left on the disk */
    uint64_t segment_bytes; /* 0: an eighth of bytes_max, within FLIGHT_SEGMENT_BYTES_* */
    bool plain;             /* nothing is compressed */
};

struct flight;
/* now: of the engine, at its start. Never NULL; one that cannot be written has ended. */
struct flight *flight_open(const struct flight_options *options, struct instant now,
                           uint32_t epoch);
/* Ends it as one whose life ended well, unless it has ended already. NULL is fine. */
void flight_close(struct flight *flight);

/* Ends it while its life goes on: something happened that is not on file. */
void flight_stop(struct flight *flight, const char *why);

struct flight_state {
    bool on;              /* what the engine is fed is still recorded */
    char why[400];        /* it is not */
    struct instant since; /* start of the life */
    uint64_t bytes;       /* of this life, on file */
    uint64_t samples, steps, records;
    uint64_t hash; /* of all effects */
};
/* Of NULL: off. */
struct flight_state flight_state(const struct flight *flight);

/* ---- what the engine is ---- */

void flight_store(struct flight *flight, const struct store_limits *limits);
/* The first one, or a reload: on replay engine_new(), and engine_adopt() where there was one. The
 * sources are those the program was parsed from, in their order; without overrides. */
void flight_program(struct flight *flight, const struct sources *sources, uint64_t hash,
                    const struct engine_host *host);
void flight_restore(struct flight *flight, const struct record *record);
void flight_epoch(struct flight *flight, uint32_t epoch); /* the host's is another one now */

/* ---- what it is fed ---- */

void flight_expect(struct flight *flight, size_t sources);
void flight_source(struct flight *flight, uint32_t source, const char *name,
                   struct duration interval, struct duration grace);
void flight_series(struct flight *flight, uint32_t series, uint32_t source, const char *name,
                   const struct label *labels, size_t count);
void flight_hold(struct flight *flight, uint32_t series);
void flight_let_go(struct flight *flight, uint32_t series);
void flight_append(struct flight *flight, uint32_t series, struct instant now, struct instant time,
                   double value);
void flight_append_all(struct flight *flight, struct instant now, struct instant time,
                       const struct store_point *points, size_t count);
void flight_stale(struct flight *flight, uint32_t series, struct instant time);
void flight_answered(struct flight *flight, uint32_t source, struct instant time);
void flight_heard(struct flight *flight, uint32_t source, struct instant time);
void flight_failed(struct flight *flight, uint32_t source, struct instant time);
void flight_expire(struct flight *flight, struct instant now);
void flight_page_again(struct flight *flight);

/* ---- steps ---- */

void flight_step(struct flight *flight, struct instant now, const struct input *inputs,
                 size_t count);
void flight_gave(struct flight *flight, const struct effects *effects);

#endif
