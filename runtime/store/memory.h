/* The memory of incidents: what happened, what was done and how it ended, in tables to ask
 * questions of. A projection of the journal into an SQLite file of its own: nothing is known here
 * that the journal does not say, so the file can be thrown away at any time and is made anew. It
 * names the last record it has, with its hash; where that is not the journal's, or the file is
 * damaged or of another version, it is put aside (PATH.aside, the one before it goes) and rebuilt.
 *
 *     struct memory_db *memory = memory_new("/var/lib/heal/memory.db", journal);
 *     const char *news = memory_rest(memory, now);        (between ticks; NULL: nothing to tell)
 *     TRY(memory_history(memory, &query, visit, context, error));
 *     memory_free(memory);
 *
 * What it cannot write now (another program holds the file, the disk is full) it writes later; the
 * journal has it. No call waits for a lock. An incident is told by its policy, its target and its
 * cause, and an outcome by policy, class (type of target and cause) and action: two deployments
 * never share a history. */
#ifndef HEAL_RUNTIME_STORE_MEMORY_H
#define HEAL_RUNTIME_STORE_MEMORY_H

#include "runtime/engine/learn.h"
#include "runtime/store/journal.h"

enum {
    MEMORY_RECORDS_MAX = 64,  /* of the journal, taken in at one rest */
    MEMORY_RETRY_S = 5,       /* after it could not be written */
    MEMORY_ACTIONS_MAX = 16,  /* told of one incident; the first ones */
    MEMORY_HISTORY_MAX = 1000 /* incidents told at once */
};

struct memory_db;

/* The journal is borrowed and must outlive it. Opens nothing yet. */
struct memory_db *memory_new(const char *path, struct journal *journal);
void memory_free(struct memory_db *memory); /* NULL is fine */

/* Takes in what the journal has more, at most MEMORY_RECORDS_MAX records. What a person should
 * hear, once; it lives until the next call. NULL: nothing new. */
const char *memory_rest(struct memory_db *memory, struct instant now);

struct memory_state {
    uint64_t applied, behind;    /* records */
    uint64_t rebuilds, failures; /* of this life */
    const char *trouble;         /* why it is not written now; "" when it is. Borrowed */
};
struct memory_state memory_state(const struct memory_db *memory);

/* What the outcomes taught, as far as they are applied. */
const struct learning *memory_learning(const struct memory_db *memory);

struct memory_action {
    char action[NAME_BYTES];
    char result[NAME_BYTES]; /* the kind of its last record: "verified" */
    bool undo;
    struct instant begun, ended; /* 0: not yet, or never */
};

struct memory_incident {
    uint64_t id;
    const char *policy, *target, *type, *cause; /* cause "": none was chosen */
    const char *text;                           /* what the policy is about */
    const char *ended;                          /* why it was closed; "" while it is open */
    const char *last;                           /* kind of its last record */
    struct instant opened, closed;              /* 0: open */
    struct memory_action actions[MEMORY_ACTIONS_MAX];
    size_t action_count;
};

/* NULL: any. */
struct memory_query {
    const char *policy, *target;
    size_t limit; /* 1..MEMORY_HISTORY_MAX */
};

/* The incident lives until the call returns. */
typedef void memory_visit_f(void *context, const struct memory_incident *incident);
/* The newest first. STATUS_IO: it cannot be read now. */
NODISCARD enum status memory_history(struct memory_db *memory, const struct memory_query *query,
                                     memory_visit_f *visit, void *context, struct error *error);

#endif
