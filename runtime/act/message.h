/* Messages between engine and actor: one datagram of MESSAGE_BYTES over a SOCK_SEQPACKET socket,
 * with every field checked on the way in. The engine can name an action only by numbers: grant and
 * target are indices into lists that the actor loaded itself.
 *
 *     uint8_t bytes[MESSAGE_BYTES];
 *     message_encode(&(struct message){.kind = MESSAGE_PROBE, .id = 7, .epoch = 2}, bytes);
 *     TRY(message_decode(bytes, got, &message, error)); */
#ifndef HEAL_RUNTIME_ACT_MESSAGE_H
#define HEAL_RUNTIME_ACT_MESSAGE_H

#include "lang/base.h"
#include "runtime/engine/outcome.h"
#include "runtime/engine/record.h"

enum {
    MESSAGE_BYTES = 2048,
    MESSAGE_NUMBERS_MAX = 4,
    MESSAGE_TEXT_BYTES = 1400, /* with its NUL */
    MESSAGE_KEY_BYTES = 96
};

enum message_kind {
    MESSAGE_HELLO,  /* engine: my epoch */
    MESSAGE_ACT,    /* engine: do this once */
    MESSAGE_PROBE,  /* engine: what became of this id? raises the epoch first */
    MESSAGE_NOTIFY, /* engine: tell people */
    /* answers */
    MESSAGE_RESULT,
    MESSAGE_NOTIFIED,
    MESSAGE_KINDS
};

enum refusal {
#define REFUSAL(name, text) REFUSAL_##name,
#include "runtime/act/refusal.def"
#undef REFUSAL
    REFUSAL_COUNT
};

/* What a policy says is at stake, for those whom a notification reaches. */
enum impact { IMPACT_NONE, IMPACT_LOW, IMPACT_MEDIUM, IMPACT_HIGH, IMPACT_CRITICAL, IMPACT_COUNT };

/* Fields that a kind does not use are zero. */
struct message {
    enum message_kind kind;
    uint64_t id; /* of the action, or of the notification */
    uint32_t epoch;
    /* ACT */
    uint16_t grant, target;
    uint32_t number_count;
    double numbers[MESSAGE_NUMBERS_MAX];
    struct instant deadline; /* not started after it; 0: none */
    bool undo;               /* it takes back what was done before */
    /* NOTIFY */
    uint16_t channel;
    bool resolved;      /* the incident is over: said to channels that can end what they began */
    enum impact impact; /* NONE: the policy does not say */
    uint64_t incident;
    struct instant time;
    char policy[NAME_BYTES];
    char object[TARGET_BYTES];   /* the target's text */
    char key[MESSAGE_KEY_BYTES]; /* equal for notifications that say the same */
    /* RESULT, NOTIFIED */
    enum outcome outcome;
    enum refusal refusal;
    bool delivered;
    int32_t exit_code; /* of the child; -signal if a signal ended it */
    struct instant started, ended;
    char text[MESSAGE_TEXT_BYTES]; /* NOTIFY: the words; answers: escaped output, or the reason */
};

void message_encode(const struct message *message, uint8_t ret[MESSAGE_BYTES]);

/* STATUS_PROTOCOL: not a message of this version, or a field is out of its range. Numbers are taken
 * as they are, NaN too: the actor judges them. */
NODISCARD enum status message_decode(const uint8_t *bytes, size_t size, struct message *ret,
                                     struct error *error);

const char *outcome_text(enum outcome outcome);
const char *refusal_text(enum refusal refusal);
/* "", "low", "medium", "high", "critical" */
const char *impact_text(enum impact impact);

/* How many of the first bytes message_escape can write whole into size. */
size_t message_fits(const char *bytes, size_t count, size_t size);

/* Writes bytes as printable ASCII with \n and \xNN into ret[size], always ended; as much of the end
 * of bytes as fits. */
void message_escape(const char *bytes, size_t count, char *ret, size_t size);

#endif
