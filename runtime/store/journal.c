/* The journal: one table, one writer, one chain of hashes, one note of its head. */
#include "runtime/store/journal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/store/journal_files.h"
#include "runtime/store/journal_row.h"

#define APPLICATION_ID 0x6865616cLL /* "heal" */
#define SCHEMA_VERSION 1LL

/* The whole schema. A journal whose schema differs in one byte is not opened. */
static const char *const schema[] = {
    "CREATE TABLE journal (sequence INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind TEXT NOT "
    "NULL, "
    "incident INTEGER NOT NULL, action_id INTEGER NOT NULL, epoch INTEGER NOT NULL, rung INTEGER "
    "NOT "
    "NULL, program_hash INTEGER NOT NULL, policy TEXT NOT NULL, target TEXT NOT NULL, action TEXT "
    "NOT "
    "NULL, type TEXT NOT NULL, text TEXT NOT NULL, hash BLOB NOT NULL) STRICT",
    "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the "
    "journal "
    "is append-only'); END",
    "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the "
    "journal "
    "is append-only'); END",
};

/* Pages of the write-ahead log: journal_rest() empties it from the first on; an append that finds
 * the second does it itself. */
enum { LOG_PAGES_REST = 256, LOG_PAGES_MAX = 4096 };

struct journal {
    sqlite3 *db;
    int log_pages;
    sqlite3_stmt *begin, *commit, *rollback, *insert;
    int lock_fd, note_fd;
    struct journal_note note; /* of the last committed record */
    bool failed;              /* the device failed: take nothing more */
    point_f *point;
    void *point_context;
};

static void point_at(struct journal *journal, enum point point)
{
    if (journal->point) {
        journal->point(journal->point_context, point);
    }
}

static enum status fail(struct journal *journal, int code, struct error *error, const char *what)
{
    int kind = code & 0xff;
    enum status status = kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB || kind == SQLITE_SCHEMA
                             ? STATUS_PROTOCOL
                             : STATUS_IO;
    const char *why = journal->db ? sqlite3_errmsg(journal->db) : sqlite3_errstr(code);
    return error_set(error, status, "the journal: %s: %s", what, why);
}

static enum status run(struct journal *journal, const char *sql, struct error *error)
{
    int code = sqlite3_exec(journal->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? STATUS_OK : fail(journal, code, error, "cannot set up");
}

static enum status prepare(struct journal *journal, const char *sql, sqlite3_stmt **ret,
                           struct error *error)
{
    int code = sqlite3_prepare_v3(journal->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
    return code == SQLITE_OK ? STATUS_OK : fail(journal, code, error, "cannot prepare");
}

/* The first column of the only row that sql gives. */
static enum status ask_number(struct journal *journal, const char *sql, int64_t *ret,
                              struct error *error)
{
    sqlite3_stmt *stmt = NULL;
    TRY(prepare(journal, sql, &stmt, error));
    int code = sqlite3_step(stmt);
    *ret = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    enum status status = code == SQLITE_ROW ? STATUS_OK : fail(journal, code, error, "cannot read");
    sqlite3_finalize(stmt);
    return status;
}

static int note_log_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    struct journal *journal = context;
    journal->log_pages = pages;
    if (pages >= LOG_PAGES_MAX) {
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    return SQLITE_OK;
}

static enum status set_up_connection(struct journal *journal, struct error *error)
{
    sqlite3_db_config(journal->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(journal->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(journal->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_extended_result_codes(journal->db, 1);
    /* Exclusive before WAL: then the log's index lives in our memory and no other process can join.
     */
    TRY(run(journal,
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA cache_size=-256; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0;"
            "PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=0;",
            error));
    sqlite3_wal_hook(journal->db, note_log_pages, journal);
    return STATUS_OK;
}

static enum status create_schema(struct journal *journal, struct error *error)
{
    TRY(run(journal, "BEGIN IMMEDIATE", error));
    for (size_t i = 0; i < ARRAY_LEN(schema); i++) {
        TRY(run(journal, schema[i], error));
    }
    char sql[120];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%lld; PRAGMA user_version=%lld; COMMIT",
             APPLICATION_ID, SCHEMA_VERSION);
    return run(journal, sql, error);
}

static enum status verify_schema(struct journal *journal, struct error *error)
{
    int64_t id, version;
    TRY(ask_number(journal, "PRAGMA application_id", &id, error));
    TRY(ask_number(journal, "PRAGMA user_version", &version, error));
    if (id != APPLICATION_ID) {
        return error_set(error, STATUS_PROTOCOL, "the journal: this file is not a journal of heal");
    }
    if (version != SCHEMA_VERSION) {
        return error_set(error, STATUS_PROTOCOL,
                         "the journal: it has format %" PRId64 ", this heald writes format %lld",
                         version, SCHEMA_VERSION);
    }
    sqlite3_stmt *stmt = NULL;
    TRY(prepare(journal, "SELECT sql FROM sqlite_schema ORDER BY name", &stmt, error));
    size_t found = 0;
    bool same = true;
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *sql = (const char *)sqlite3_column_text(stmt, 0);
        same = same && sql && found < ARRAY_LEN(schema) && strcmp(sql, schema[found]) == 0;
        found++;
    }
    enum status status =
        code == SQLITE_DONE ? STATUS_OK : fail(journal, code, error, "cannot read");
    sqlite3_finalize(stmt);
    if (status == STATUS_OK && (!same || found != ARRAY_LEN(schema))) {
        return error_set(error, STATUS_PROTOCOL, "the journal: its tables were changed");
    }
    return status;
}

static enum status verify_pages(struct journal *journal, struct error *error)
{
    sqlite3_stmt *stmt = NULL;
    TRY(prepare(journal, "PRAGMA quick_check(1)", &stmt, error));
    int code = sqlite3_step(stmt);
    const char *answer = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    enum status status = STATUS_OK;
    if (!answer) {
        status = fail(journal, code, error, "cannot check");
    } else if (strcmp(answer, "ok") != 0) {
        status =
            error_set(error, STATUS_PROTOCOL, "the journal: its file is damaged: %.200s", answer);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* The hash stored in the row of a sequence; that of sequence 0 is the genesis. */
static enum status stored_hash(struct journal *journal, uint64_t sequence,
                               uint8_t ret[JOURNAL_HASH_BYTES], struct error *error)
{
    if (sequence == 0) {
        journal_row_genesis(ret);
        return STATUS_OK;
    }
    sqlite3_stmt *stmt = NULL;
    TRY(prepare(journal, "SELECT hash FROM journal WHERE sequence = ?", &stmt, error));
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)sequence);
    int code = sqlite3_step(stmt);
    bool ok = code == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) == JOURNAL_HASH_BYTES;
    if (ok) {
        memcpy(ret, sqlite3_column_blob(stmt, 0), JOURNAL_HASH_BYTES);
    }
    sqlite3_finalize(stmt);
    return ok ? STATUS_OK
              : error_set(error, STATUS_PROTOCOL, "the journal: record %" PRIu64 " cannot be read",
                          sequence);
}

/* Walks the chain from a sequence to the end; note says where the walk ended well. */
static enum status walk(struct journal *journal, uint64_t from, uint64_t incident,
                        journal_visit_f *visit, void *context, struct journal_note *note,
                        struct error *error)
{
    note->sequence = from - 1;
    TRY(stored_hash(journal, note->sequence, note->hash, error));
    sqlite3_stmt *stmt = NULL;
    TRY(prepare(journal,
                "SELECT " JOURNAL_COLUMNS " FROM journal WHERE sequence >= ? ORDER BY sequence",
                &stmt, error));
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)from);
    enum status status = STATUS_OK;
    bool more = true;
    int code = SQLITE_ROW;
    while (more && status == STATUS_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct record record;
        uint8_t stored[JOURNAL_HASH_BYTES], computed[JOURNAL_HASH_BYTES];
        bool good =
            journal_row_read(stmt, &record, stored) && record.sequence == note->sequence + 1;
        if (good) {
            journal_row_hash(&record, note->hash, computed);
            good = memcmp(stored, computed, sizeof stored) == 0;
        }
        if (!good) {
            status =
                error_set(error, STATUS_PROTOCOL,
                          "the journal: the chain is broken after record %" PRIu64, note->sequence);
            break;
        }
        note->sequence = record.sequence;
        memcpy(note->hash, computed, sizeof computed);
        if (visit && (incident == 0 || record.incident == incident)) {
            more = visit(context, &record);
        }
    }
    if (status == STATUS_OK && more && code != SQLITE_DONE) {
        status = fail(journal, code, error, "cannot read");
    }
    sqlite3_finalize(stmt);
    return status;
}

/* The note may be older than the table (a crash came between), never newer, and must lie on it. */
static enum status verify_note(struct journal *journal, const struct journal_note *noted,
                               struct error *error)
{
    if (noted->sequence > journal->note.sequence) {
        return error_set(error, STATUS_PROTOCOL,
                         "the journal: it ends at record %" PRIu64 " but %" PRIu64
                         " were committed: its end is lost",
                         journal->note.sequence, noted->sequence);
    }
    uint8_t hash[JOURNAL_HASH_BYTES];
    TRY(stored_hash(journal, noted->sequence, hash, error));
    if (memcmp(hash, noted->hash, sizeof hash) != 0) {
        return error_set(error, STATUS_PROTOCOL,
                         "the journal: record %" PRIu64 " is not the one that was committed",
                         noted->sequence);
    }
    return STATUS_OK;
}

static enum status open_db(struct journal *journal, const char *path, bool fresh,
                           struct error *error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                (fresh ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &journal->db, flags, NULL);
    if (code != SQLITE_OK) {
        return fail(journal, code, error, "cannot open");
    }
    TRY(set_up_connection(journal, error));
    int64_t tables;
    TRY(ask_number(journal, "SELECT count(*) FROM sqlite_schema", &tables, error));
    if (tables == 0 && fresh) {
        TRY(create_schema(journal, error));
    }
    TRY(verify_schema(journal, error));
    return verify_pages(journal, error);
}

static enum status prepare_all(struct journal *journal, struct error *error)
{
    TRY(prepare(journal, "BEGIN IMMEDIATE", &journal->begin, error));
    TRY(prepare(journal, "COMMIT", &journal->commit, error));
    TRY(prepare(journal, "ROLLBACK", &journal->rollback, error));
    return prepare(journal,
                   "INSERT INTO journal (" JOURNAL_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                   &journal->insert, error);
}

static enum status open_parts(struct journal *journal, const char *path, struct error *error)
{
    TRY(journal_lock(path, &journal->lock_fd, error));
    struct journal_note noted;
    bool found;
    TRY(journal_note_open(path, &journal->note_fd, &noted, &found, error));
    if (noted.sequence > 0 && access(path, F_OK) != 0) {
        return error_set(error, STATUS_PROTOCOL,
                         "the journal: '%s' is gone but its note says it had %" PRIu64 " records",
                         path, noted.sequence);
    }
    /* Without a committed record it may be half made: a crash during creation. */
    TRY(open_db(journal, path, noted.sequence == 0, error));
    TRY(walk(journal, 1, 0, NULL, NULL, &journal->note, error));
    if (found) {
        TRY(verify_note(journal, &noted, error));
    } else if (journal->note.sequence > 0) {
        return error_set(error, STATUS_PROTOCOL, "the journal: its note '%s.head' is missing",
                         path);
    } else {
        TRY(journal_note_write(journal->note_fd, &journal->note, error));
        TRY(journal_note_sync(journal->note_fd, path, error));
    }
    return prepare_all(journal, error);
}

enum status journal_open(const char *path, struct journal **ret, struct error *error)
{
    if (strlen(path) >= JOURNAL_PATH_BYTES) {
        return error_set(error, STATUS_LIMIT, "the journal: its path is too long");
    }
    if (sodium_init() < 0) {
        return error_set(error, STATUS_IO, "the journal: libsodium cannot start");
    }
    struct journal *journal = heap_alloc(sizeof *journal);
    journal->lock_fd = journal->note_fd = -1;
    enum status status = open_parts(journal, path, error);
    if (status != STATUS_OK) {
        journal_close(journal);
        return status;
    }
    *ret = journal;
    return STATUS_OK;
}

void journal_close(struct journal *journal)
{
    if (!journal) {
        return;
    }
    sqlite3_finalize(journal->begin);
    sqlite3_finalize(journal->commit);
    sqlite3_finalize(journal->rollback);
    sqlite3_finalize(journal->insert);
    sqlite3_close(journal->db);
    if (journal->note_fd >= 0) {
        close(journal->note_fd);
    }
    if (journal->lock_fd >= 0) {
        close(journal->lock_fd);
    }
    free(journal);
}

static int step_reset(sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int insert_all(struct journal *journal, const struct record *records, size_t count,
                      struct journal_note *note)
{
    for (size_t i = 0; i < count; i++) {
        struct record record = records[i];
        uint8_t hash[JOURNAL_HASH_BYTES];
        record.sequence = note->sequence + 1;
        journal_row_hash(&record, note->hash, hash);
        int code = journal_row_bind(journal->insert, &record, hash);
        if (code == SQLITE_OK) {
            code = step_reset(journal->insert);
        }
        sqlite3_clear_bindings(journal->insert);
        if (code != SQLITE_OK) {
            return code;
        }
        note->sequence = record.sequence;
        memcpy(note->hash, hash, sizeof hash);
    }
    return SQLITE_OK;
}

enum status journal_append(struct journal *journal, struct record *records, size_t count,
                           struct error *error)
{
    if (count > JOURNAL_APPEND_MAX) {
        return error_set(error, STATUS_LIMIT,
                         "the journal: %zu records in one step, the limit is %d", count,
                         JOURNAL_APPEND_MAX);
    }
    if (journal->failed) {
        return error_set(error, STATUS_IO, "the journal: its device failed before; restart heald");
    }
    if (count == 0) {
        return STATUS_OK;
    }
    struct journal_note note = journal->note;
    point_at(journal, POINT_JOURNAL_BEGIN);
    int code = step_reset(journal->begin);
    if (code == SQLITE_OK) {
        code = insert_all(journal, records, count, &note);
    }
    if (code == SQLITE_OK) {
        point_at(journal, POINT_JOURNAL_COMMIT);
        code = step_reset(journal->commit);
    }
    if (code != SQLITE_OK) {
        enum status status = fail(journal, code, error, "cannot append");
        if (!sqlite3_get_autocommit(journal->db)) {
            step_reset(journal->rollback);
        }
        /* After a failed fsync nobody knows what the disk holds: only a new open may say. */
        journal->failed = code == SQLITE_IOERR_FSYNC || (code & 0xff) == SQLITE_CORRUPT ||
                          !sqlite3_get_autocommit(journal->db);
        return status;
    }
    point_at(journal, POINT_JOURNAL_COMMITTED);
    for (size_t i = 0; i < count; i++) {
        records[i].sequence = journal->note.sequence + 1 + i;
    }
    journal->note = note;
    /* The rows are durable: a note that cannot be written costs only its protection. */
    enum status noted = journal_note_write(journal->note_fd, &note, NULL);
    (void)noted;
    point_at(journal, POINT_JOURNAL_NOTED);
    return STATUS_OK;
}

void journal_rest(struct journal *journal)
{
    if (journal->log_pages >= LOG_PAGES_REST && !journal->failed) {
        journal->log_pages = 0;
        sqlite3_wal_checkpoint_v2(journal->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
}

enum status journal_scan(struct journal *journal, uint64_t from_sequence, uint64_t incident,
                         journal_visit_f *visit, void *context, struct error *error)
{
    if (from_sequence == 0) {
        from_sequence = 1;
    }
    if (from_sequence > journal->note.sequence) {
        return STATUS_OK;
    }
    struct journal_note end;
    return walk(journal, from_sequence, incident, visit, context, &end, error);
}

uint64_t journal_last(const struct journal *journal)
{
    return journal->note.sequence;
}

const uint8_t *journal_head(const struct journal *journal)
{
    return journal->note.hash;
}

enum status journal_hash(struct journal *journal, uint64_t sequence,
                         uint8_t ret[JOURNAL_HASH_BYTES], struct error *error)
{
    return stored_hash(journal, sequence, ret, error);
}

void journal_set_point(struct journal *journal, point_f *point, void *context)
{
    journal->point = point;
    journal->point_context = context;
}
