/* What a flight recording tells, one event at a time, as the reader gives it.
 *
 * A recording is one life of an engine: SEGMENT, STORE, the TEXTs of the program and PROGRAM, a
 * RESTORE for each record of the journal; then what it was fed. Events between two STEPs came
 * between two steps. GAVE tells what the step before it gave; a step without one gave nothing. */
#ifndef HEAL_RUNTIME_FLIGHT_EVENT_H
#define HEAL_RUNTIME_FLIGHT_EVENT_H

#include "runtime/engine/engine.h"

enum flight_kind {
#define EVENT(name, text) FLIGHT_##name,
#include "runtime/flight/event.def"
#undef EVENT
    FLIGHT_KINDS
};
extern const char *const flight_kind_texts[FLIGHT_KINDS];

enum {
    FLIGHT_FORMAT = 1,
    FLIGHT_TEXT_BYTES_MAX = SOURCE_BYTES_MAX, /* of one source text */
    FLIGHT_PATH_BYTES_MAX = 4096,
    FLIGHT_GRANTS_MAX = 4096,
    FLIGHT_TARGETS_MAX = 65536, /* of one grant */
    FLIGHT_MODES_MAX = 65536,
    FLIGHT_EXTERNAL_MAX = 256,
    FLIGHT_INPUTS_MAX = 65536, /* of one step */
    FLIGHT_WORD_BYTES_MAX = 4096
};
/* Times and spans of time are from 0 to this: sums of a few of them are still numbers. */
#define FLIGHT_NS_MAX (INT64_MAX / 2)

struct flight_event {
    enum flight_kind kind;
    uint32_t number; /* SEGMENT: its number. EPOCH, SEGMENT: the epoch. SOURCE ANSWERED HEARD FAILED
                        SERIES: the source. EXPECT: how many */
    uint32_t epoch;  /* SEGMENT EPOCH */
    uint32_t series; /* SERIES HOLD LET_GO SAMPLE STALE: of the store */
    struct instant time; /* SEGMENT: start of the life; NOW SAMPLE POINTS STALE ANSWERED HEARD
                            FAILED EXPIRE STEP */
    struct instant now;  /* of the last NOW, or of a later EXPIRE or STEP */
    double value;        /* SAMPLE */
    struct store_limits limits; /* STORE */
    const char *name;           /* SOURCE SERIES; TEXT: its path; END: why; SEGMENT: who wrote it */
    const char *text;           /* TEXT */
    size_t length;              /* TEXT */
    struct duration interval, grace;  /* SOURCE */
    const struct label *labels;       /* SERIES */
    const struct store_point *points; /* POINTS */
    const struct input *inputs;       /* STEP */
    size_t count;                     /* labels, points, inputs; GAVE: records */
    uint64_t hash;                    /* PROGRAM: of the program; GAVE: of all effects up to here */
    const struct record *record;      /* RESTORE */
    const struct engine_host *host; /* PROGRAM; external_url, texts and lists live with the event */
};

/* The running hash of what an engine gave: of all effects, in order, that went before and these.
 * The first one is 0. Sequences of records are the journal's and not in it. */
uint64_t flight_hash(uint64_t before, const struct effects *effects);
/* The same of one record. */
/* What a record has beside its sequence and time; the kind by its text, for numbers may change. */
struct wire_out;
void flight_put_record(struct wire_out *out, const struct record *record);
uint64_t flight_hash_record(uint64_t before, const struct record *record);
/* The name of the first field in which they differ, their sequences left aside; NULL: in none. */
const char *flight_record_difference(const struct record *a, const struct record *b);

#endif
