/* From a record to rows, and from outcomes to what is learned. */
#include <string.h>

#include "runtime/store/memory_part.h"

static const char *const statement_texts[MEMORY_STATEMENTS] = {
#define STATEMENT(name, sql) [MEMORY_##name] = sql,
#include "runtime/store/memory.def"
#undef STATEMENT
};

int memory_prepare(struct memory_db *memory)
{
    for (size_t i = 0; i < MEMORY_STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(memory->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &memory->statements[i], NULL);
        if (code != SQLITE_OK) {
            return code;
        }
    }
    return SQLITE_OK;
}

void memory_finalize(struct memory_db *memory)
{
    for (size_t i = 0; i < MEMORY_STATEMENTS; i++) {
        sqlite3_finalize(memory->statements[i]);
        memory->statements[i] = NULL;
    }
}

int memory_run(struct memory_db *memory, enum memory_statement which)
{
    sqlite3_stmt *stmt = memory->statements[which];
    int code = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ---- binding what a statement names ---- */

static int bind_number(sqlite3_stmt *stmt, const char *name, uint64_t value)
{
    const int at = sqlite3_bind_parameter_index(stmt, name);
    return at ? sqlite3_bind_int64(stmt, at, (sqlite3_int64)value) : SQLITE_OK;
}

static int bind_text(sqlite3_stmt *stmt, const char *name, const char *value)
{
    const int at = sqlite3_bind_parameter_index(stmt, name);
    return at ? sqlite3_bind_text(stmt, at, value, -1, SQLITE_STATIC) : SQLITE_OK;
}

static int apply(struct memory_db *memory, enum memory_statement which, const struct record *record)
{
    sqlite3_stmt *stmt = memory->statements[which];
    char cause[NAME_BYTES];
    record_cause(record->text, cause);
    const int code =
        bind_number(stmt, ":sequence", record->sequence) |
        bind_number(stmt, ":time", (uint64_t)record->time.ns) |
        bind_number(stmt, ":incident", record->incident) |
        bind_number(stmt, ":action_id", record->action_id) |
        bind_text(stmt, ":kind", record_infos[record->kind].text) |
        bind_text(stmt, ":policy", record->policy) | bind_text(stmt, ":target", record->target) |
        bind_text(stmt, ":type", record->type) | bind_text(stmt, ":action", record->action) |
        bind_text(stmt, ":text", record->text) | bind_text(stmt, ":cause", cause);
    return code == SQLITE_OK ? memory_run(memory, which) : SQLITE_NOMEM;
}

static int apply_both(struct memory_db *memory, enum memory_statement one,
                      enum memory_statement other, const struct record *record)
{
    const int code = apply(memory, one, record);
    return code == SQLITE_OK ? apply(memory, other, record) : code;
}

static int apply_kind(struct memory_db *memory, const struct record *record)
{
    char cause[NAME_BYTES];
    switch (record->kind) {
    case RECORD_OPENED: return apply(memory, MEMORY_OPENED, record);
    case RECORD_CONCLUDED:
        return record_cause(record->text, cause) ? apply(memory, MEMORY_CAUSE, record) : SQLITE_OK;
    case RECORD_CLOSED: return apply(memory, MEMORY_CLOSED, record);
    case RECORD_INTENT: return apply(memory, MEMORY_INTENT, record);
    case RECORD_DISPATCHED: return apply(memory, MEMORY_SENT, record);
    case RECORD_DROPPED:
    case RECORD_REFUSED: /* by the actor; a guard's comes when nothing is under way */
    case RECORD_SUCCEEDED:
    case RECORD_TIMED_OUT:
    case RECORD_UNKNOWN: return apply(memory, MEMORY_DONE, record);
    case RECORD_FAILED: return apply_both(memory, MEMORY_DONE, MEMORY_OUTCOME, record);
    case RECORD_ABORTED: /* judged by it, unless something judged it before */
        return apply_both(memory, MEMORY_ABORTED, MEMORY_JUDGED, record);
    case RECORD_VERIFIED:
    case RECORD_UNVERIFIED: return apply_both(memory, MEMORY_JUDGED, MEMORY_OUTCOME, record);
    case RECORD_UNDONE: return apply(memory, MEMORY_JUDGED, record);
    case RECORD_STARTED:
    case RECORD_LOADED:
    case RECORD_MEASURED:
    case RECORD_CHOSEN:
    case RECORD_PLANNED:
    case RECORD_RESOLVED:
    case RECORD_ROLLED_BACK:
    case RECORD_JOINED:
    case RECORD_ASKED:
    case RECORD_APPROVED:
    case RECORD_DENIED:
    case RECORD_ESCALATED:
    case RECORD_INHIBITED:
    case RECORD_OVER:
    case RECORD_ACKNOWLEDGED:
    case RECORD_DEMOTED:
    case RECORD_PROMOTED:
    case RECORD_NOTIFIED:
    case RECORD_STOPPED:
    case RECORD_RESUMED:
    case RECORD_EVENT:
    case RECORD_KINDS: break;
    }
    return SQLITE_OK;
}

int memory_apply(struct memory_db *memory, const struct record *record)
{
    const int code = apply_kind(memory, record);
    return code == SQLITE_OK && record->incident != 0 && record->kind != RECORD_NOTIFIED
               ? apply(memory, MEMORY_LAST, record)
               : code;
}

int memory_note(struct memory_db *memory, uint64_t sequence, const uint8_t hash[JOURNAL_HASH_BYTES])
{
    sqlite3_stmt *stmt = memory->statements[MEMORY_NOTE];
    const int code = sqlite3_bind_int64(stmt, 1, (sqlite3_int64)sequence) |
                     sqlite3_bind_blob(stmt, 2, hash, JOURNAL_HASH_BYTES, SQLITE_STATIC);
    return code == SQLITE_OK ? memory_run(memory, MEMORY_NOTE) : SQLITE_NOMEM;
}

/* ---- learning ---- */

static int write_model(struct memory_db *memory, const struct learn_key *key, struct instant time)
{
    sqlite3_stmt *stmt = memory->statements[MEMORY_MODEL];
    const struct learned learned = learn_of(memory->learning, key, time);
    const int code =
        sqlite3_bind_text(stmt, 1, key->policy, -1, SQLITE_STATIC) |
        sqlite3_bind_text(stmt, 2, key->class, -1, SQLITE_STATIC) |
        sqlite3_bind_text(stmt, 3, key->action, -1, SQLITE_STATIC) |
        sqlite3_bind_int64(stmt, 4, (sqlite3_int64)learned.verified) |
        sqlite3_bind_int64(stmt, 5, (sqlite3_int64)learned.unverified) |
        sqlite3_bind_int64(stmt, 6, (sqlite3_int64)learned.failed) |
        sqlite3_bind_double(stmt, 7, learned.weight) | sqlite3_bind_double(stmt, 8, learned.mean) |
        sqlite3_bind_double(stmt, 9, learned.low) | sqlite3_bind_double(stmt, 10, learned.high) |
        sqlite3_bind_int64(stmt, 11, learned.last.ns);
    return code == SQLITE_OK ? memory_run(memory, MEMORY_MODEL) : SQLITE_NOMEM;
}

/* False: the row is none that this heald wrote. */
static bool outcome_of(sqlite3_stmt *stmt, struct learn_key *ret_key, enum learn_result *ret)
{
    const char *const texts[] = {
        (const char *)sqlite3_column_text(stmt, 2), (const char *)sqlite3_column_text(stmt, 3),
        (const char *)sqlite3_column_text(stmt, 4), (const char *)sqlite3_column_text(stmt, 5)};
    static const struct {
        enum record_kind kind;
        enum learn_result result;
    } kinds[] = {{RECORD_VERIFIED, LEARN_VERIFIED},
                 {RECORD_UNVERIFIED, LEARN_UNVERIFIED},
                 {RECORD_ABORTED, LEARN_UNVERIFIED},
                 {RECORD_FAILED, LEARN_FAILED}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!texts[i] || strlen(texts[i]) >= (i == 1 ? LEARN_CLASS_BYTES : NAME_BYTES)) {
            return false;
        }
    }
    *ret_key = (struct learn_key){texts[0], texts[1], texts[2]};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(texts[3], record_infos[kinds[i].kind].text) == 0) {
            *ret = kinds[i].result;
            return true;
        }
    }
    return false;
}

int memory_learn(struct memory_db *memory, uint64_t from, bool models)
{
    sqlite3_stmt *stmt = memory->statements[MEMORY_OUTCOMES];
    int code = sqlite3_bind_int64(stmt, 1, (sqlite3_int64)from);
    while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct learn_key key;
        enum learn_result result;
        const struct instant time = {sqlite3_column_int64(stmt, 1)};
        code = SQLITE_CORRUPT;
        if (outcome_of(stmt, &key, &result)) {
            learn_outcome(memory->learning, &key, time, result);
            code = models ? write_model(memory, &key, time) : SQLITE_OK;
        }
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}
