/* The repair of a damaged journal: everything is kept aside, the longest good prefix goes on. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/store/journal_files.h"
#include "runtime/store/journal_row.h"

enum { REPAIR_BATCH = 256 };

struct name {
    char text[PATH_MAX];
};

static struct name beside(const char *path, const char *suffix)
{
    struct name ret;
    int length = snprintf(ret.text, sizeof ret.text, "%s%s", path, suffix);
    CHECK(length > 0 && (size_t)length < sizeof ret.text); /* JOURNAL_PATH_BYTES leaves room */
    return ret;
}

static enum status copy_bytes(int from, int to)
{
    static uint8_t buffer[1 << 16];
    for (;;) {
        ssize_t got = read(from, buffer, sizeof buffer);
        if (got == 0) {
            return fsync(to) == 0 ? STATUS_OK : STATUS_IO;
        }
        if (got < 0 || write(to, buffer, (size_t)got) != got) {
            return STATUS_IO;
        }
    }
}

/* A durable copy under a new name; a missing source is no error. */
static enum status copy_file(const char *from, const char *to, struct error *error)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 && errno == ENOENT) {
        return STATUS_OK;
    }
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum status status = out < 0 ? STATUS_IO : copy_bytes(in, out);
    int why = errno;
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, STATUS_IO, "the journal: cannot copy '%s' to '%s': %s", from, to,
                           strerror(why));
}

static void remove_family(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".head", ".lock"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        unlink(beside(path, suffixes[i]).text);
    }
}

/* Appends to journal what work holds, up to the first row that does not follow. */
static enum status salvage(sqlite3 *work, struct journal *journal, struct error *error)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(work, "SELECT " JOURNAL_COLUMNS " FROM journal ORDER BY sequence", -1,
                           &stmt, NULL) != SQLITE_OK) {
        return STATUS_OK; /* nothing in it can be read */
    }
    struct record *batch = heap_alloc(REPAIR_BATCH * sizeof *batch);
    uint8_t hash[JOURNAL_HASH_BYTES], stored[JOURNAL_HASH_BYTES], computed[JOURNAL_HASH_BYTES];
    uint64_t sequence = 0;
    size_t count = 0;
    enum status status = STATUS_OK;
    journal_row_genesis(hash);
    while (status == STATUS_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        struct record *record = &batch[count];
        if (!journal_row_read(stmt, record, stored) || record->sequence != sequence + 1) {
            break;
        }
        journal_row_hash(record, hash, computed);
        if (memcmp(stored, computed, sizeof stored) != 0) {
            break;
        }
        memcpy(hash, stored, sizeof hash);
        sequence++;
        if (++count == REPAIR_BATCH) {
            status = journal_append(journal, batch, count, error);
            count = 0;
        }
    }
    if (status == STATUS_OK) {
        status = journal_append(journal, batch, count, error);
    }
    free(batch);
    sqlite3_finalize(stmt);
    return status;
}

/* Fills a fresh journal from a copy of the damaged one, which SQLite may change as it recovers it.
 */
static enum status rebuild(const char *path, const char *fresh, struct instant now,
                           struct journal_repair *ret, struct error *error)
{
    struct name work = beside(path, ".repair");
    struct journal *journal = NULL;
    sqlite3 *db = NULL;
    remove_family(work.text);
    remove_family(fresh);
    TRY(copy_file(path, work.text, error));
    TRY(copy_file(beside(path, "-wal").text, beside(work.text, "-wal").text, error));
    TRY(journal_open(fresh, &journal, error));
    enum status status = STATUS_OK;
    if (sqlite3_open_v2(work.text, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_exec(db, "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON", NULL, NULL, NULL);
        status = salvage(db, journal, error);
    }
    sqlite3_close(db);
    ret->kept = journal_last(journal);
    struct record note = {.time = now, .kind = RECORD_STARTED};
    snprintf(note.text, sizeof note.text,
             "the journal was repaired: %" PRIu64 " records kept of %" PRIu64
             " committed; the damaged one lies in %.300s",
             ret->kept, ret->noted > ret->kept ? ret->noted : ret->kept, ret->aside);
    if (status == STATUS_OK) {
        status = journal_append(journal, &note, 1, error);
    }
    journal_close(journal);
    remove_family(work.text);
    return status;
}

static enum status swap(const char *path, const char *fresh, const struct journal_repair *repair,
                        struct error *error)
{
    struct name head = beside(path, ".head"), log = beside(path, "-wal");
    TRY(copy_file(path, repair->aside, error));
    TRY(copy_file(log.text, beside(repair->aside, "-wal").text, error));
    TRY(copy_file(head.text, beside(repair->aside, ".head").text, error));
    TRY(journal_folder_sync(path, error));
    /* The old log must be gone before the new table has its name: SQLite would replay it. A crash
     * in between leaves a journal whose note says that its end is lost, and the copies. */
    if ((unlink(log.text) != 0 && errno != ENOENT) || rename(fresh, path) != 0 ||
        rename(beside(fresh, ".head").text, head.text) != 0) {
        return error_set(error, STATUS_IO, "the journal: cannot put the repaired one in place: %s",
                         strerror(errno));
    }
    unlink(beside(fresh, ".lock").text);
    return journal_folder_sync(path, error);
}

enum status journal_repair(const char *path, struct instant now, struct journal_repair *ret,
                           struct error *error)
{
    struct journal *journal = NULL;
    struct error damage = {{0}};
    memset(ret, 0, sizeof *ret);
    enum status status = journal_open(path, &journal, &damage);
    if (status == STATUS_OK) {
        ret->kept = ret->noted = journal_last(journal);
        journal_close(journal);
        return STATUS_OK;
    }
    if (status != STATUS_PROTOCOL) {
        return error_set(error, status, "%s", damage.message);
    }
    ret->damaged = true;
    snprintf(ret->damage, sizeof ret->damage, "%s", damage.message);
    snprintf(ret->aside, sizeof ret->aside, "%s.damaged-%" PRId64, path, now.ns);
    int lock = -1, note_fd = -1;
    struct journal_note note = {0};
    bool found;
    status = journal_lock(path, &lock, error);
    if (status == STATUS_OK) {
        if (journal_note_open(path, &note_fd, &note, &found, NULL) == STATUS_OK) {
            ret->noted = note.sequence;
        }
        if (note_fd >= 0) {
            close(note_fd);
        }
        struct name fresh = beside(path, ".new");
        status = rebuild(path, fresh.text, now, ret, error);
        if (status == STATUS_OK) {
            status = swap(path, fresh.text, ret, error);
        }
    }
    if (lock >= 0) {
        close(lock);
    }
    return status;
}
