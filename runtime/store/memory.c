/* The memory's file: opened, checked, put aside, caught up with the journal, asked. */
#include "runtime/store/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/store/memory_part.h"

#define APPLICATION_ID 0x6865616dLL /* "heam" */
#define SCHEMA_VERSION 1

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE applied (id INTEGER PRIMARY KEY CHECK (id = 0), sequence INTEGER NOT NULL,"
    " hash BLOB NOT NULL) STRICT;"
    "CREATE TABLE incidents (id INTEGER PRIMARY KEY, policy TEXT NOT NULL, target TEXT NOT NULL,"
    " type TEXT NOT NULL, cause TEXT NOT NULL, text TEXT NOT NULL, opened_ns INTEGER NOT NULL,"
    " closed_ns INTEGER, ended TEXT NOT NULL, last TEXT NOT NULL) STRICT;"
    "CREATE INDEX incidents_opened ON incidents (opened_ns, id);"
    "CREATE INDEX incidents_policy ON incidents (policy, target, cause);"
    "CREATE TABLE actions (id INTEGER PRIMARY KEY, incident INTEGER NOT NULL, action TEXT NOT NULL,"
    " target TEXT NOT NULL, type TEXT NOT NULL, undo INTEGER NOT NULL, begun_ns INTEGER NOT NULL,"
    " ended_ns INTEGER, result TEXT NOT NULL) STRICT;"
    "CREATE INDEX actions_incident ON actions (incident);"
    "CREATE TABLE outcomes (sequence INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL,"
    " incident INTEGER NOT NULL, policy TEXT NOT NULL, target TEXT NOT NULL, class TEXT NOT NULL,"
    " action TEXT NOT NULL, result TEXT NOT NULL) STRICT;"
    "CREATE TABLE models (policy TEXT NOT NULL, class TEXT NOT NULL, action TEXT NOT NULL,"
    " verified INTEGER NOT NULL, unverified INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " weight REAL NOT NULL, mean REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL,"
    " last_ns INTEGER NOT NULL, PRIMARY KEY (policy, class, action)) STRICT, WITHOUT ROWID;";

struct memory_db *memory_new(const char *path, struct journal *journal)
{
    struct memory_db *memory = heap_alloc(sizeof *memory);
    CHECK(strlen(path) < sizeof memory->path);
    snprintf(memory->path, sizeof memory->path, "%s", path);
    memory->journal = journal;
    memory->learning = learning_new();
    return memory;
}

static void close_db(struct memory_db *memory)
{
    memory_finalize(memory);
    sqlite3_close(memory->db);
    memory->db = NULL;
}

void memory_free(struct memory_db *memory)
{
    if (memory) {
        close_db(memory);
        learning_free(memory->learning);
        free(memory);
    }
}

/* ---- news ---- */

PRINTF_LIKE(2, 3)
static void tell(struct memory_db *memory, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(memory->news, sizeof memory->news, fmt, args);
    va_end(args);
}

/* It goes on later. The same trouble is told once. */
static void put_off(struct memory_db *memory, struct instant now, const char *why)
{
    close_db(memory);
    memory->failures++;
    memory->retry = instant_add(now, duration_seconds(MEMORY_RETRY_S));
    if (strcmp(memory->trouble, why) != 0) {
        snprintf(memory->trouble, sizeof memory->trouble, "%s", why);
        tell(memory,
             "the memory of incidents cannot be written now (%.300s); the journal has all of "
             "it, and it is tried again",
             why);
    }
}

/* ---- putting aside ---- */

static bool move(const char *path, const char *suffix, const char *to_suffix)
{
    char from[JOURNAL_PATH_BYTES + 16], to[JOURNAL_PATH_BYTES + 16];
    snprintf(from, sizeof from, "%s%s", path, suffix);
    snprintf(to, sizeof to, "%s%s", path, to_suffix);
    if (unlink(to) != 0 && errno != ENOENT) {
        return false;
    }
    return rename(from, to) == 0 || errno == ENOENT;
}

/* Its log first: without it the file is an old copy of itself, which is put aside once more. */
static void put_aside(struct memory_db *memory, struct instant now, const char *why)
{
    char shared[JOURNAL_PATH_BYTES + 16];
    close_db(memory);
    memory->checked = false;
    if (!move(memory->path, "-wal", ".aside-wal") || !move(memory->path, "", ".aside")) {
        char reason[200];
        snprintf(reason, sizeof reason, "it cannot be put aside: %s", strerror(errno));
        put_off(memory, now, reason);
        return;
    }
    snprintf(shared, sizeof shared, "%s-shm", memory->path);
    unlink(shared);
    memory->rebuilds++;
    memory->applied = 0;
    tell(memory, "the memory of incidents was put aside (%.300s) and is rebuilt from the journal",
         why);
}

/* ---- opening ---- */

/* What went wrong with the file: it is put aside when it is the file, and waited for when it is the
 * world. */
static void fail(struct memory_db *memory, struct instant now, int code)
{
    char why[200];
    snprintf(why, sizeof why, "%s", memory->db ? sqlite3_errmsg(memory->db) : sqlite3_errstr(code));
    if (code == SQLITE_IOERR_SHORT_READ || code == SQLITE_IOERR_DATA) {
        put_aside(memory, now, why);
        return;
    }
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM: put_off(memory, now, why); break;
    default: put_aside(memory, now, why); break;
    }
}

static int number_of(struct memory_db *memory, const char *sql, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(memory->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        *ret = sqlite3_column_int64(stmt, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return code;
}

/* A fresh file: the tables, and nothing applied. */
static int create(struct memory_db *memory)
{
    char sql[sizeof schema + 200];
    snprintf(sql, sizeof sql,
             "%sPRAGMA application_id=%lld;PRAGMA user_version=%d;"
             "INSERT INTO applied VALUES (0, 0, zeroblob(%d));COMMIT;",
             schema, APPLICATION_ID, SCHEMA_VERSION, JOURNAL_HASH_BYTES);
    return sqlite3_exec(memory->db, sql, NULL, NULL, NULL);
}

/* "" when the pages are whole; else what is wrong. */
static int check_pages(struct memory_db *memory, char ret[200])
{
    sqlite3_stmt *stmt = NULL;
    ret[0] = '\0';
    int code = sqlite3_prepare_v2(memory->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *answer = (const char *)sqlite3_column_text(stmt, 0);
        if (!answer || strcmp(answer, "ok") != 0) {
            snprintf(ret, 200, "%.180s", answer ? answer : "no answer");
        }
        code = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return code;
}

/* Whether the last record it has is the journal's. */
static int check_place(struct memory_db *memory, bool *ret_same)
{
    sqlite3_stmt *stmt = NULL;
    uint8_t hash[JOURNAL_HASH_BYTES];
    *ret_same = false;
    int code =
        sqlite3_prepare_v2(memory->db, "SELECT sequence, hash FROM applied", -1, &stmt, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const int64_t sequence = sqlite3_column_int64(stmt, 0);
        memory->applied = sequence >= 0 ? (uint64_t)sequence : UINT64_MAX;
        *ret_same = memory->applied == 0 ||
                    (memory->applied <= journal_last(memory->journal) &&
                     sqlite3_column_bytes(stmt, 1) == JOURNAL_HASH_BYTES &&
                     journal_hash(memory->journal, memory->applied, hash, NULL) == STATUS_OK &&
                     memcmp(sqlite3_column_blob(stmt, 1), hash, sizeof hash) == 0);
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int open_file(struct memory_db *memory)
{
    int code = sqlite3_open_v2(memory->path, &memory->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                   SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW,
                               NULL);
    if (code != SQLITE_OK) {
        return code;
    }
    sqlite3_db_config(memory->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(memory->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(memory->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(memory->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_extended_result_codes(memory->db, 1);
    sqlite3_busy_timeout(memory->db, 0);
    return sqlite3_exec(
        memory->db,
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-512;"
        "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON;",
        NULL, NULL, NULL);
}

/* Looks at what was opened. "" in why: it may be used. */
static int inspect(struct memory_db *memory, char why[200])
{
    int64_t tables = 0, id = 0, version = 0;
    bool same = false;
    why[0] = '\0';
    int code = number_of(memory, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code == SQLITE_OK && tables == 0) {
        code = create(memory);
    }
    code = code != SQLITE_OK ? code : number_of(memory, "PRAGMA application_id", &id);
    code = code != SQLITE_OK ? code : number_of(memory, "PRAGMA user_version", &version);
    if (code == SQLITE_OK && (id != APPLICATION_ID || version != SCHEMA_VERSION)) {
        snprintf(why, 200, "it is not of this version of heald");
        return SQLITE_OK;
    }
    if (code == SQLITE_OK && !memory->checked) {
        code = check_pages(memory, why);
        memory->checked = code == SQLITE_OK && why[0] == '\0';
    }
    if (code == SQLITE_OK && why[0] == '\0') {
        code = memory_prepare(memory);
        code = code != SQLITE_OK ? code : check_place(memory, &same);
        if (code == SQLITE_OK && !same) {
            snprintf(why, 200, "its last record is not one of this journal");
        }
    }
    return code;
}

/* True when it is open and may be used. */
static bool open_db(struct memory_db *memory, struct instant now)
{
    char why[200] = "";
    if (memory->db) {
        return true;
    }
    int code = open_file(memory);
    code = code != SQLITE_OK ? code : inspect(memory, why);
    if (code == SQLITE_OK && why[0] == '\0') {
        learning_clear(memory->learning);
        code = memory_learn(memory, 0, false);
    }
    if (code != SQLITE_OK) {
        fail(memory, now, code);
    } else if (why[0] != '\0') {
        put_aside(memory, now, why);
    }
    return code == SQLITE_OK && why[0] == '\0';
}

/* ---- catching up ---- */

struct catching {
    struct memory_db *memory;
    uint64_t last;
    size_t count;
    int code;
};

static bool catch_record(void *context, const struct record *record)
{
    struct catching *catching = context;
    catching->code = memory_apply(catching->memory, record);
    catching->last = record->sequence;
    return catching->code == SQLITE_OK && ++catching->count < MEMORY_RECORDS_MAX;
}

static int catch_up(struct memory_db *memory, struct catching *catching, struct error *error)
{
    uint8_t hash[JOURNAL_HASH_BYTES];
    int code = memory_run(memory, MEMORY_BEGIN);
    if (code != SQLITE_OK) {
        return code;
    }
    if (journal_scan(memory->journal, memory->applied + 1, 0, catch_record, catching, error) !=
            STATUS_OK ||
        (catching->code == SQLITE_OK &&
         journal_hash(memory->journal, catching->last, hash, error) != STATUS_OK)) {
        return SQLITE_ABORT;
    }
    code = catching->code;
    code = code != SQLITE_OK ? code : memory_learn(memory, memory->applied, true);
    code = code != SQLITE_OK ? code : memory_note(memory, catching->last, hash);
    return code != SQLITE_OK ? code : memory_run(memory, MEMORY_COMMIT);
}

const char *memory_rest(struct memory_db *memory, struct instant now)
{
    memory->news[0] = '\0';
    if (now.ns >= memory->retry.ns &&
        (memory->applied < journal_last(memory->journal) || !memory->db) && open_db(memory, now) &&
        memory->applied < journal_last(memory->journal)) {
        struct catching catching = {.memory = memory};
        struct error error = {""};
        const int code = catch_up(memory, &catching, &error);
        if (code == SQLITE_ABORT) {
            put_off(memory, now, error.message); /* the journal cannot be read */
        } else if (code != SQLITE_OK) {
            fail(memory, now, code);
        } else {
            memory->applied = catching.last;
            memory->trouble[0] = '\0';
        }
    }
    return memory->news[0] != '\0' ? memory->news : NULL;
}

/* ---- what is known ---- */

struct memory_state memory_state(const struct memory_db *memory)
{
    const uint64_t last = journal_last(memory->journal);
    return (struct memory_state){.applied = memory->applied,
                                 .behind = last > memory->applied ? last - memory->applied : 0,
                                 .rebuilds = memory->rebuilds,
                                 .failures = memory->failures,
                                 .trouble = memory->trouble};
}

const struct learning *memory_learning(const struct memory_db *memory)
{
    return memory->learning;
}

static const char *column_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text ? text : "";
}

static int read_actions(struct memory_db *memory, struct memory_incident *incident)
{
    sqlite3_stmt *stmt = memory->statements[MEMORY_ACTIONS];
    int code = sqlite3_bind_int64(stmt, 1, (sqlite3_int64)incident->id) |
               sqlite3_bind_int64(stmt, 2, MEMORY_ACTIONS_MAX);
    while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct memory_action *action = &incident->actions[incident->action_count++];
        snprintf(action->action, sizeof action->action, "%s", column_text(stmt, 0));
        snprintf(action->result, sizeof action->result, "%s", column_text(stmt, 1));
        action->undo = sqlite3_column_int(stmt, 2) != 0;
        action->begun.ns = sqlite3_column_int64(stmt, 3);
        action->ended.ns = sqlite3_column_int64(stmt, 4);
        code = SQLITE_OK;
    }
    sqlite3_reset(stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int read_history(struct memory_db *memory, const struct memory_query *query,
                        memory_visit_f *visit, void *context)
{
    sqlite3_stmt *stmt = memory->statements[MEMORY_HISTORY];
    int code = sqlite3_bind_text(stmt, 1, query->policy, -1, SQLITE_STATIC) |
               sqlite3_bind_text(stmt, 2, query->target, -1, SQLITE_STATIC) |
               sqlite3_bind_int64(stmt, 3, (sqlite3_int64)query->limit);
    while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct memory_incident incident = {.id = (uint64_t)sqlite3_column_int64(stmt, 0),
                                           .policy = column_text(stmt, 1),
                                           .target = column_text(stmt, 2),
                                           .type = column_text(stmt, 3),
                                           .cause = column_text(stmt, 4),
                                           .text = column_text(stmt, 5),
                                           .opened = {sqlite3_column_int64(stmt, 6)},
                                           .closed = {sqlite3_column_int64(stmt, 7)},
                                           .ended = column_text(stmt, 8),
                                           .last = column_text(stmt, 9)};
        code = read_actions(memory, &incident);
        if (code == SQLITE_OK) {
            visit(context, &incident);
        }
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

enum status memory_history(struct memory_db *memory, const struct memory_query *query,
                           memory_visit_f *visit, void *context, struct error *error)
{
    CHECK(query->limit >= 1 && query->limit <= MEMORY_HISTORY_MAX);
    if (!memory->db) {
        return error_set(error, STATUS_IO, "the memory of incidents cannot be read now%s%.300s",
                         memory->trouble[0] ? ": " : "", memory->trouble);
    }
    const int code = read_history(memory, query, visit, context);
    if (code != SQLITE_OK) { /* it is looked at, and put aside if need be, at the next rest */
        const enum status status =
            error_set(error, STATUS_IO, "the memory of incidents cannot be read: %s",
                      sqlite3_errmsg(memory->db));
        memory->checked = false;
        close_db(memory);
        return status;
    }
    return STATUS_OK;
}
