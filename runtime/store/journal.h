/* The journal: what heald decided, in order, for good. One append-only SQLite table; each row's
 * hash covers the row and the hash before it, so that no row can be changed, dropped or swapped
 * unseen. Beside PATH lie PATH-wal (SQLite's), PATH.lock (one heald at a time) and PATH.head: the
 * last committed sequence and hash, by which a journal that lost its end, or came back from an
 * older copy, is known.
 *
 *     TRY(journal_open("/var/lib/heal/journal.db", &journal, error));
 *     TRY(journal_append(journal, records, count, error));   (durable when it returns)
 *     TRY(journal_scan(journal, 1, 0, visit, context, error));
 *     journal_close(journal);
 *
 * A journal that does not verify is not opened: STATUS_PROTOCOL, and only journal_repair, started
 * by a person, makes it usable again. */
#ifndef HEAL_RUNTIME_STORE_JOURNAL_H
#define HEAL_RUNTIME_STORE_JOURNAL_H

#include "lang/base.h"
#include "runtime/engine/record.h"
#include "runtime/store/point.h"

enum {
    JOURNAL_APPEND_MAX = 4096, /* records in one transaction */
    JOURNAL_PATH_BYTES = 3900, /* of the path, so that its companions have a name too */
    JOURNAL_HASH_BYTES = 32
};

struct journal;

/* Opens or creates, takes the lock and verifies every row. STATUS_DENIED: another heald holds it.
 * STATUS_PROTOCOL: damaged, or not a journal of this version. STATUS_IO: the system said no. */
NODISCARD enum status journal_open(const char *path, struct journal **ret, struct error *error);

/* Writes what is in the write-ahead log into the table and lets go of the lock. NULL is fine. */
void journal_close(struct journal *journal);

/* Appends all of records[count], or none, in one transaction that is on the disk when it returns,
 * and sets their sequences. On STATUS_IO (disk full, error of the device) the journal is as before;
 * after an error of the device it takes nothing more until it is opened again. STATUS_LIMIT: more
 * than JOURNAL_APPEND_MAX. */
NODISCARD enum status journal_append(struct journal *journal, struct record *records, size_t count,
                                     struct error *error);

/* For when nothing is urgent: moves what the write-ahead log holds into the table once it is long,
 * so that no append has to wait for that. */
void journal_rest(struct journal *journal);

/* Called for each record; the record lives until the call returns. false ends the scan. */
typedef bool journal_visit_f(void *context, const struct record *record);

/* Visits records from from_sequence on, in order; of one incident only if incident is not 0. Each
 * row is verified again on the way: STATUS_PROTOCOL if it is not what was written. */
NODISCARD enum status journal_scan(struct journal *journal, uint64_t from_sequence,
                                   uint64_t incident, journal_visit_f *visit, void *context,
                                   struct error *error);

/* Sequence of the last record; 0: empty. */
uint64_t journal_last(const struct journal *journal);

/* The hash of the last record, JOURNAL_HASH_BYTES of it. */
const uint8_t *journal_head(const struct journal *journal);

/* The hash of a record from 1 on to the last. STATUS_PROTOCOL: it cannot be read. */
NODISCARD enum status journal_hash(struct journal *journal, uint64_t sequence,
                                   uint8_t ret[JOURNAL_HASH_BYTES], struct error *error);

/* Has point called at each durable step of an append. */
void journal_set_point(struct journal *journal, point_f *point, void *context);

struct journal_repair {
    bool damaged;                        /* false: it was whole and was left alone */
    uint64_t kept;                       /* records in the longest good prefix */
    uint64_t noted;                      /* the last sequence by the head note; 0: no note */
    char aside[JOURNAL_PATH_BYTES + 40]; /* where the damaged file was put */
    char damage[sizeof((struct error *)0)->message]; /* what was wrong */
};

/* For a person: puts a damaged journal aside, with its log and note (nothing is deleted), and
 * builds a new one from its longest good prefix and one record that tells of the repair. */
NODISCARD enum status journal_repair(const char *path, struct instant now,
                                     struct journal_repair *ret, struct error *error);

#endif
