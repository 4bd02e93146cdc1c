/* Shared by memory.c and memory_apply.c. */
#ifndef HEAL_RUNTIME_STORE_MEMORY_PART_H
#define HEAL_RUNTIME_STORE_MEMORY_PART_H

#include <sqlite3.h>

#include "runtime/store/memory.h"

/* Statements, each prepared once a connection. */
enum memory_statement {
#define STATEMENT(name, sql) MEMORY_##name,
#include "runtime/store/memory.def"
#undef STATEMENT
    MEMORY_STATEMENTS
};

struct memory_db {
    char path[JOURNAL_PATH_BYTES];
    struct journal *journal;
    sqlite3 *db; /* NULL: not open */
    sqlite3_stmt *statements[MEMORY_STATEMENTS];
    struct learning *learning;
    bool checked; /* its pages are known to be whole */
    uint64_t applied;
    struct instant retry; /* 0: at once */
    uint64_t rebuilds, failures;
    char trouble[sizeof((struct error *)0)->message];
    char news[TEXT_BYTES];
};

/* SQLITE_OK, or what failed. */
int memory_prepare(struct memory_db *memory);
void memory_finalize(struct memory_db *memory);
int memory_run(struct memory_db *memory, enum memory_statement which);
/* Teaches `learning` the outcomes of records after `from`; models: writes what it knows then. */
int memory_learn(struct memory_db *memory, uint64_t from, bool models);
/* One record of the journal. */
int memory_apply(struct memory_db *memory, const struct record *record);
/* The place of the journal that is taken in. */
int memory_note(struct memory_db *memory, uint64_t sequence,
                const uint8_t hash[JOURNAL_HASH_BYTES]);

#endif
