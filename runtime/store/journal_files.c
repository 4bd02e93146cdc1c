/* The lock and the head note of a journal. */
#include "runtime/store/journal_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    NOTE_MAGIC_BYTES = 8,
    NOTE_SUM_BYTES = 16,
    NOTE_BYTES = NOTE_MAGIC_BYTES + 8 + JOURNAL_HASH_BYTES + NOTE_SUM_BYTES
};
static const char note_magic[NOTE_MAGIC_BYTES + 1] = "healhd1\n";

static enum status open_beside(const char *path, const char *suffix, int *ret, struct error *error)
{
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    *ret = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*ret < 0) {
        return error_set(error, STATUS_IO, "the journal: cannot open '%s': %s", name,
                         strerror(errno));
    }
    return STATUS_OK;
}

enum status journal_lock(const char *path, int *ret, struct error *error)
{
    TRY(open_beside(path, ".lock", ret, error));
    if (flock(*ret, LOCK_EX | LOCK_NB) != 0) {
        return error_set(error, STATUS_DENIED,
                         errno == EWOULDBLOCK ? "the journal: another heald holds '%s'"
                                              : "the journal: cannot lock '%s'",
                         path);
    }
    return STATUS_OK;
}

static void note_sum(const uint8_t *bytes, uint8_t ret[NOTE_SUM_BYTES])
{
    crypto_generichash(ret, NOTE_SUM_BYTES, bytes, NOTE_BYTES - NOTE_SUM_BYTES, NULL, 0);
}

enum status journal_note_open(const char *path, int *ret_fd, struct journal_note *ret,
                              bool *ret_found, struct error *error)
{
    uint8_t bytes[NOTE_BYTES + 1], sum[NOTE_SUM_BYTES];
    memset(ret, 0, sizeof *ret);
    TRY(open_beside(path, ".head", ret_fd, error));
    ssize_t got = pread(*ret_fd, bytes, sizeof bytes, 0);
    *ret_found = got != 0;
    if (got == 0) {
        return STATUS_OK;
    }
    if (got == NOTE_BYTES) {
        note_sum(bytes, sum);
    }
    if (got != NOTE_BYTES || memcmp(bytes, note_magic, NOTE_MAGIC_BYTES) != 0 ||
        memcmp(bytes + NOTE_BYTES - NOTE_SUM_BYTES, sum, sizeof sum) != 0) {
        return error_set(error, STATUS_PROTOCOL, "the journal: its note '%s.head' is damaged",
                         path);
    }
    for (int i = 0; i < 8; i++) {
        ret->sequence |= (uint64_t)bytes[NOTE_MAGIC_BYTES + i] << (8 * i);
    }
    memcpy(ret->hash, bytes + NOTE_MAGIC_BYTES + 8, JOURNAL_HASH_BYTES);
    return STATUS_OK;
}

enum status journal_note_write(int fd, const struct journal_note *note, struct error *error)
{
    uint8_t bytes[NOTE_BYTES];
    memcpy(bytes, note_magic, NOTE_MAGIC_BYTES);
    for (int i = 0; i < 8; i++) {
        bytes[NOTE_MAGIC_BYTES + i] = (uint8_t)(note->sequence >> (8 * i));
    }
    memcpy(bytes + NOTE_MAGIC_BYTES + 8, note->hash, JOURNAL_HASH_BYTES);
    note_sum(bytes, bytes + NOTE_BYTES - NOTE_SUM_BYTES);
    if (pwrite(fd, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return error_set(error, STATUS_IO, "the journal: cannot write its note: %s",
                         strerror(errno));
    }
    return STATUS_OK;
}

enum status journal_folder_sync(const char *path, struct error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) : 1;
    snprintf(folder, sizeof folder, "%.*s", length ? length : 1, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    return ok ? STATUS_OK
              : error_set(error, STATUS_IO, "the journal: cannot sync its folder: %s",
                          strerror(why));
}

enum status journal_note_sync(int fd, const char *path, struct error *error)
{
    if (fsync(fd) != 0) {
        return error_set(error, STATUS_IO, "the journal: cannot sync its note: %s",
                         strerror(errno));
    }
    return journal_folder_sync(path, error);
}
