/* The folder of flight recordings: one life of an engine is a few files, its segments.
 *
 *     STATE/flight/0001790000000123.0000.flight     start of the life in ms, number of the segment
 *
 * Names sort by age. Only the user of the engine may read them (0700, 0600): they hold policies. */
#ifndef HEAL_RUNTIME_FLIGHT_FOLDER_H
#define HEAL_RUNTIME_FLIGHT_FOLDER_H

#include "lang/base.h"

enum {
    FLIGHT_FILES_MAX = 65536,    /* in the folder */
    FLIGHT_SEGMENTS_MAX = 10000, /* of one life */
    FLIGHT_NAME_BYTES = 40
};

struct flight_file {
    int64_t life_ms;
    uint32_t segment;
    uint64_t bytes;
};
/* Sorted: the oldest life first, its segments in order. Other files are passed over. */
struct flight_files {
    struct flight_file *items;
    size_t count, capacity;
};

/* The folder below a state folder; makes it when make. STATUS_NOT_FOUND: it is not there. */
NODISCARD enum status flight_folder_open(const char *state, bool make, int *ret_fd,
                                         struct error *error);
/* STATUS_LIMIT for more than FLIGHT_FILES_MAX. */
NODISCARD enum status flight_folder_list(int folder_fd, struct flight_files *ret,
                                         struct error *error);
void flight_files_release(struct flight_files *files);
/* The last life that began at or before the time; -1 when there is none. */
int64_t flight_files_life(const struct flight_files *files, struct instant time);
void flight_file_name(const struct flight_file *file, char ret[FLIGHT_NAME_BYTES]);

#endif
