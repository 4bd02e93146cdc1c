/* One fact in the history of heald: what the core decided or learned. The journal keeps them;
 * recovery and `healctl explain` read them back. A record is plain data and the same on every
 * machine. */
#ifndef HEAL_RUNTIME_ENGINE_RECORD_H
#define HEAL_RUNTIME_ENGINE_RECORD_H

#include "lang/base.h"

enum record_kind {
#define RECORD(name, text, word) RECORD_##name,
#include "runtime/engine/record.def"
#undef RECORD
    RECORD_KINDS
};
struct record_info {
    const char *text, *word;
};
extern const struct record_info record_infos[RECORD_KINDS];

enum {
    NAME_BYTES = NAME_BYTES_MAX + 1, /* with its NUL */
    TARGET_BYTES = 256, /* a target's text with its NUL; longer ones are never acted on */
    TEXT_BYTES = 512
};

struct record {
    uint64_t sequence;   /* given by the journal, from 1 */
    struct instant time; /* the engine's now */
    enum record_kind kind;
    uint64_t incident;  /* 0: none */
    uint64_t action_id; /* 0: none */
    uint32_t epoch;
    uint32_t rung;         /* from 0 */
    uint64_t program_hash; /* the policy's, so that history is read with the right text */
    char policy[NAME_BYTES];
    char target[TARGET_BYTES]; /* canonical key labels: "namespace=shop,pod=a"; "" is the whole
                                  policy */
    char action[NAME_BYTES];
    char type[NAME_BYTES]; /* entity type of the target: "pod" */
    char text[TEXT_BYTES]; /* the reason in the policy's own words */
};

/* How the text of a CONCLUDED record begins that says which cause was chosen; the cause's name and
 * a comma follow. */
#define CAUSE_WORD "cause "
/* The same of a CHOSEN record, for a plan; the plan's name and a colon follow. */
#define PLAN_WORD "plan "
bool record_has_cause(const char *text, const char *cause);
/* The name of the cause that the text says was chosen; false, and "": it says none. */
bool record_cause(const char *text, char ret[NAME_BYTES]);

#endif
