/* Reads a flight recording, event by event, and believes nothing.
 *
 *     TRY(flight_reader_open(&reader, state, life_ms, error));
 *     while ((status = flight_next(&reader, &event, error)) == STATUS_OK) { ... }
 *     flight_reader_release(&reader);
 *
 * STATUS_NOT_FOUND ends it: the last whole frame was read. reader.cut tells that bytes follow that
 * are no whole frame: heald was killed over it, or writes it now. STATUS_PROTOCOL: a byte is not as
 * it was written, with its place. */
#ifndef HEAL_RUNTIME_FLIGHT_READER_H
#define HEAL_RUNTIME_FLIGHT_READER_H

#include "runtime/flight/event.h"
#include "runtime/flight/points.h"
#include "runtime/flight/wire.h"

struct flight_reader {
    int folder_fd; /* -1: one segment from memory */
    int64_t life_ms;
    uint32_t segments; /* of the life, up to the first that is missing */
    bool gap;          /* others are behind that one */
    uint32_t segment;  /* at hand */
    uint8_t *file;     /* all of it */
    const uint8_t *bytes;
    size_t length, at; /* the next frame begins at */
    uint64_t checksum;
    uint8_t *unpacked; /* content of a compressed frame */
    struct wire_in in; /* what is left of the frame's content */
    size_t frame_at;
    bool cut, begun;
    struct instant time, now, start;
    uint32_t epoch;
    char version[64]; /* of who recorded it */
    struct points points;
    struct store_point *items; /* [POINTS_MAX] */
    struct label labels[STORE_LABELS_MAX];
    struct record record;
    struct engine_host host;
    struct arena arena; /* of one event's lists */
};

/* The recording of the life that began then (folder.h). STATUS_NOT_FOUND: there is none. */
NODISCARD enum status flight_reader_open(struct flight_reader *reader, const char *state,
                                         int64_t life_ms, struct error *error);
/* One segment from memory, which must outlive the reader. */
void flight_reader_bytes(struct flight_reader *reader, const uint8_t *bytes, size_t length);
/* What the event points to lives until the next call. */
NODISCARD enum status flight_next(struct flight_reader *reader, struct flight_event *ret,
                                  struct error *error);
void flight_reader_release(struct flight_reader *reader);

#endif
