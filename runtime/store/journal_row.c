/* Records as rows and as the bytes that the chain of hashes covers. */
#include "runtime/store/journal_row.h"

#include <sodium.h>
#include <string.h>

enum { ENCODING_BYTES = 16 * 8 + 3 * NAME_BYTES + TARGET_BYTES + TEXT_BYTES + 64 };

struct encoding {
    uint8_t bytes[ENCODING_BYTES];
    size_t used;
};

static void put_u64(struct encoding *out, uint64_t value)
{
    CHECK(out->used + 8 <= sizeof out->bytes);
    for (int i = 0; i < 8; i++) {
        out->bytes[out->used++] = (uint8_t)(value >> (8 * i));
    }
}

static void put_text(struct encoding *out, const char *text, size_t capacity)
{
    const char *end = memchr(text, '\0', capacity);
    CHECK(end);
    size_t length = (size_t)(end - text);
    put_u64(out, length);
    CHECK(out->used + length <= sizeof out->bytes);
    memcpy(out->bytes + out->used, text, length);
    out->used += length;
}

void journal_row_genesis(uint8_t ret[JOURNAL_HASH_BYTES])
{
    static const char seed[] = "heal.journal/1";
    crypto_generichash(ret, JOURNAL_HASH_BYTES, (const unsigned char *)seed, sizeof seed - 1, NULL,
                       0);
}

void journal_row_hash(const struct record *record, const uint8_t previous[JOURNAL_HASH_BYTES],
                      uint8_t ret[JOURNAL_HASH_BYTES])
{
    CHECK(record->kind < RECORD_KINDS);
    struct encoding out = {.used = JOURNAL_HASH_BYTES};
    memcpy(out.bytes, previous, JOURNAL_HASH_BYTES);
    put_u64(&out, record->sequence);
    put_u64(&out, (uint64_t)record->time.ns);
    /* The kind goes in by its stable text: a new row in record.def changes no old hash. */
    put_text(&out, record_infos[record->kind].text, NAME_BYTES);
    put_u64(&out, record->incident);
    put_u64(&out, record->action_id);
    put_u64(&out, record->epoch);
    put_u64(&out, record->rung);
    put_u64(&out, record->program_hash);
    put_text(&out, record->policy, sizeof record->policy);
    put_text(&out, record->target, sizeof record->target);
    put_text(&out, record->action, sizeof record->action);
    put_text(&out, record->type, sizeof record->type);
    put_text(&out, record->text, sizeof record->text);
    crypto_generichash(ret, JOURNAL_HASH_BYTES, out.bytes, out.used, NULL, 0);
}

static int bind_text(sqlite3_stmt *insert, int column, const char *text)
{
    return sqlite3_bind_text(insert, column, text, -1, SQLITE_STATIC);
}

int journal_row_bind(sqlite3_stmt *insert, const struct record *record,
                     const uint8_t hash[JOURNAL_HASH_BYTES])
{
    int failed = 0;
    failed |= sqlite3_bind_int64(insert, 1, (sqlite3_int64)record->sequence);
    failed |= sqlite3_bind_int64(insert, 2, record->time.ns);
    failed |= bind_text(insert, 3, record_infos[record->kind].text);
    failed |= sqlite3_bind_int64(insert, 4, (sqlite3_int64)record->incident);
    failed |= sqlite3_bind_int64(insert, 5, (sqlite3_int64)record->action_id);
    failed |= sqlite3_bind_int64(insert, 6, record->epoch);
    failed |= sqlite3_bind_int64(insert, 7, record->rung);
    failed |= sqlite3_bind_int64(insert, 8, (sqlite3_int64)record->program_hash);
    failed |= bind_text(insert, 9, record->policy);
    failed |= bind_text(insert, 10, record->target);
    failed |= bind_text(insert, 11, record->action);
    failed |= bind_text(insert, 12, record->type);
    failed |= bind_text(insert, 13, record->text);
    failed |= sqlite3_bind_blob(insert, 14, hash, JOURNAL_HASH_BYTES, SQLITE_STATIC);
    return failed ? SQLITE_NOMEM : SQLITE_OK;
}

static bool read_text(sqlite3_stmt *select, int column, char *ret, size_t size)
{
    if (sqlite3_column_type(select, column) != SQLITE_TEXT) {
        return false;
    }
    const unsigned char *text = sqlite3_column_text(select, column);
    size_t length = (size_t)sqlite3_column_bytes(select, column);
    if (!text || length >= size || memchr(text, '\0', length)) {
        return false;
    }
    memcpy(ret, text, length);
    ret[length] = '\0';
    return true;
}

static bool read_u64(sqlite3_stmt *select, int column, uint64_t *ret)
{
    *ret = (uint64_t)sqlite3_column_int64(select, column);
    return sqlite3_column_type(select, column) == SQLITE_INTEGER;
}

static bool read_u32(sqlite3_stmt *select, int column, uint32_t *ret)
{
    uint64_t wide;
    bool ok = read_u64(select, column, &wide) && wide <= UINT32_MAX;
    *ret = ok ? (uint32_t)wide : 0;
    return ok;
}

static bool read_kind(sqlite3_stmt *select, int column, enum record_kind *ret)
{
    char text[NAME_BYTES];
    if (!read_text(select, column, text, sizeof text)) {
        return false;
    }
    for (unsigned kind = 0; kind < RECORD_KINDS; kind++) {
        if (strcmp(record_infos[kind].text, text) == 0) {
            *ret = (enum record_kind)kind;
            return true;
        }
    }
    return false;
}

bool journal_row_read(sqlite3_stmt *select, struct record *ret,
                      uint8_t ret_hash[JOURNAL_HASH_BYTES])
{
    uint64_t time;
    memset(ret, 0, sizeof *ret);
    bool ok = read_u64(select, 0, &ret->sequence) && read_u64(select, 1, &time) &&
              read_kind(select, 2, &ret->kind) && read_u64(select, 3, &ret->incident) &&
              read_u64(select, 4, &ret->action_id) && read_u32(select, 5, &ret->epoch) &&
              read_u32(select, 6, &ret->rung) && read_u64(select, 7, &ret->program_hash) &&
              read_text(select, 8, ret->policy, sizeof ret->policy) &&
              read_text(select, 9, ret->target, sizeof ret->target) &&
              read_text(select, 10, ret->action, sizeof ret->action) &&
              read_text(select, 11, ret->type, sizeof ret->type) &&
              read_text(select, 12, ret->text, sizeof ret->text);
    if (!ok || sqlite3_column_type(select, 13) != SQLITE_BLOB ||
        sqlite3_column_bytes(select, 13) != JOURNAL_HASH_BYTES) {
        return false;
    }
    ret->time.ns = (int64_t)time;
    memcpy(ret_hash, sqlite3_column_blob(select, 13), JOURNAL_HASH_BYTES);
    return true;
}
