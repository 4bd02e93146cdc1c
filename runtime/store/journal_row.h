/* How a record becomes a row and bytes: shared by the journal and its repair. */
#ifndef HEAL_RUNTIME_STORE_JOURNAL_ROW_H
#define HEAL_RUNTIME_STORE_JOURNAL_ROW_H

#include <sqlite3.h>

#include "runtime/store/journal.h"

/* The columns, in the order that journal_row_bind and journal_row_read know. */
#define JOURNAL_COLUMNS                                                                 \
    "sequence, time_ns, kind, incident, action_id, epoch, rung, program_hash, policy, " \
    "target, action, type, text, hash"

/* Writes the hash of a record that follows previous. The encoding is the same on every machine. */
void journal_row_hash(const struct record *record, const uint8_t previous[JOURNAL_HASH_BYTES],
                      uint8_t ret[JOURNAL_HASH_BYTES]);

/* The hash before the first record. */
void journal_row_genesis(uint8_t ret[JOURNAL_HASH_BYTES]);

/* Binds a record and its hash to an INSERT of JOURNAL_COLUMNS. Returns an SQLite code. */
int journal_row_bind(sqlite3_stmt *insert, const struct record *record,
                     const uint8_t hash[JOURNAL_HASH_BYTES]);

/* Reads the current row of a SELECT of JOURNAL_COLUMNS. false: not a row that a journal wrote. */
bool journal_row_read(sqlite3_stmt *select, struct record *ret,
                      uint8_t ret_hash[JOURNAL_HASH_BYTES]);

#endif
