/* Once-latches: the actor's own memory of what it started. STATE/actions/<id> is created with
 * O_EXCL and made durable before anything starts, so that one id cannot start twice, whoever asks.
 * Lines of notes follow, made by hands that must know later what they were about to do, and at the
 * end the result. STATE/actions/EPOCH holds the highest epoch seen.
 *
 *     TRY(latch_open("/var/lib/heal", &latches, error));
 *     TRY(latch_take(latches, id, &entry, error));      STATUS_DENIED: it was taken before
 *     ... start, wait ...
 *     TRY(latch_finish(latches, id, &result, error)); */
#ifndef HEAL_RUNTIME_ACT_LATCH_H
#define HEAL_RUNTIME_ACT_LATCH_H

#include "runtime/act/message.h"
#include "runtime/store/point.h"

enum {
    LATCH_BOOT_BYTES = 40,
    LATCH_LINE_BYTES = 4096,
    LATCH_NOTE_BYTES = 512,      /* of one note, with its NUL */
    LATCH_BYTES_MAX = 16 * 1024, /* of a whole file */
    LATCH_CONNECTOR_BYTES = 40,
    LATCHES_MAX = 1000000
};

struct latches;

struct latch_entry {
    uint64_t id;
    uint32_t epoch;
    char action[NAME_BYTES];
    char target[TARGET_BYTES];
    struct instant time;
    struct duration uptime;                /* since boot, suspend counted */
    char boot[LATCH_BOOT_BYTES];           /* which boot that was */
    char connector[LATCH_CONNECTOR_BYTES]; /* "": not on record, as of former versions */
    double numbers[MESSAGE_NUMBERS_MAX];
    size_t number_count;
    uint64_t undoes; /* the start that it takes back; 0: none, or not on record */
};

/* What is known of an action that was latched and has no result. */
struct latch_doubt {
    struct latch_entry entry;
    bool noted;                  /* a note was begun */
    char note[LATCH_NOTE_BYTES]; /* the last one; "" where it cannot be read */
};

/* Opens or makes the folder and reads the epoch. An EPOCH file that cannot be understood is
 * STATUS_PROTOCOL: a person must look, for the highest epoch is not known. */
NODISCARD enum status latch_open(const char *state_folder, struct latches **ret,
                                 struct error *error);
void latch_close(struct latches *latches);

uint32_t latch_epoch(const struct latches *latches);

/* Makes a higher epoch durable; a lower or equal one changes nothing. */
NODISCARD enum status latch_raise_epoch(struct latches *latches, uint32_t epoch,
                                        struct error *error);

/* Durable when it returns STATUS_OK. STATUS_DENIED: the id was taken before. STATUS_IO or
 * STATUS_LIMIT: it could not be made durable, and nothing may start. */
NODISCARD enum status latch_take(struct latches *latches, const struct latch_entry *entry,
                                 struct error *error);

/* Appends outcome, exit_code, started, ended and text of a RESULT. */
NODISCARD enum status latch_finish(struct latches *latches, uint64_t id,
                                   const struct message *result, struct error *error);

/* Appends a note, printable ASCII of less than LATCH_NOTE_BYTES; durable when it returns STATUS_OK.
 * STATUS_LIMIT: there is no room for another, only for the result. */
NODISCARD enum status latch_note(struct latches *latches, uint64_t id, const char *note,
                                 struct error *error);

/* What became of an id: NEVER_STARTED without a latch, the result if there is one, else UNKNOWN.
 * Fills outcome, exit_code, started, ended and text of ret. true: it is UNKNOWN for want of a
 * result, and ret_doubt says what the latch knows. */
bool latch_probe(struct latches *latches, uint64_t id, struct message *ret,
                 struct latch_doubt *ret_doubt);

/* Visits what every readable latch began; false from visit ends it. STATUS_PROTOCOL: one cannot be
 * read, so that caps cannot be counted; its name is told. */
typedef bool latch_visit_f(void *context, const struct latch_entry *entry);
NODISCARD enum status latch_each(struct latches *latches, latch_visit_f *visit, void *context,
                                 struct error *error);

void latch_set_point(struct latches *latches, point_f *point, void *context);

#endif
