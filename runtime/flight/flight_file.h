/* Segments of a flight recording as they are written: frames, the budget of bytes, the room on the
 * disk. What is wrong is an error, after which nothing more may be written. */
#ifndef HEAL_RUNTIME_FLIGHT_FLIGHT_FILE_H
#define HEAL_RUNTIME_FLIGHT_FLIGHT_FILE_H

#include "runtime/flight/flight.h"
#include "runtime/flight/folder.h"
#include "runtime/flight/wire.h"

struct flight_file_writer {
    struct flight_options options;
    struct flight_files older; /* recordings of earlier lives */
    size_t older_gone;         /* of them */
    uint64_t older_bytes;      /* of those that are left */
    uint64_t bytes;            /* of this life */
    uint64_t segment_at, looked_at;
    bool looked; /* at the room on the disk */
    uint64_t checksum;
    struct flight_file file; /* the segment at hand */
    struct instant start;
    uint32_t epoch;
    int folder_fd, fd;
    struct wire_out frame;
    void *packer; /* zstd's */
};

NODISCARD enum status flight_file_open(struct flight_file_writer *writer,
                                       const struct flight_options *options, struct instant start,
                                       uint32_t epoch, struct error *error);
/* pack: compressed, where that is shorter. */
NODISCARD enum status flight_file_write(struct flight_file_writer *writer, const uint8_t *content,
                                        size_t length, bool pack, struct error *error);
/* The last frame, for which there always is room: why (at most 400 bytes) nothing follows; "" is
 * the end of the life. */
void flight_file_end(struct flight_file_writer *writer, const char *why);
/* Also after an error, and more than once. */
void flight_file_close(struct flight_file_writer *writer);

#endif
