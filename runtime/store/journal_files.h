/* The files beside a journal: its lock and the note of its head. */
#ifndef HEAL_RUNTIME_STORE_JOURNAL_FILES_H
#define HEAL_RUNTIME_STORE_JOURNAL_FILES_H

#include "runtime/store/journal.h"

struct journal_note {
    uint64_t sequence;
    uint8_t hash[JOURNAL_HASH_BYTES];
};

/* Takes PATH.lock or says who else may hold it (STATUS_DENIED). Closing ret lets go. */
NODISCARD enum status journal_lock(const char *path, int *ret, struct error *error);

/* Opens PATH.head, made if missing. ret_found is false and ret zero if it holds nothing yet;
 * STATUS_PROTOCOL if it holds something else than a note. */
NODISCARD enum status journal_note_open(const char *path, int *ret_fd, struct journal_note *ret,
                                        bool *ret_found, struct error *error);

/* One write inside one sector, into the page cache: it outlives the process, and after a power loss
 * it is only older, which verification allows. */
NODISCARD enum status journal_note_write(int fd, const struct journal_note *note,
                                         struct error *error);

/* Makes the note and its name durable; once, when the journal is made. */
NODISCARD enum status journal_note_sync(int fd, const char *path, struct error *error);

/* fsync of the folder that holds path. */
NODISCARD enum status journal_folder_sync(const char *path, struct error *error);

#endif
