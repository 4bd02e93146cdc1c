/* What one try of telling a channel sends: a request of the channel's own shape.
 *
 *     TRY(voice_letter_write(channel, message, &letter, error));
 *     transfer_start(transfers, &letter.request, ...)
 *     voice_letter_release(&letter) */
#ifndef HEAL_RUNTIME_ACT_VOICE_LETTER_H
#define HEAL_RUNTIME_ACT_VOICE_LETTER_H

#include "runtime/act/secret.h"
#include "runtime/act/transfer.h"
#include "runtime/act/voice.h"

enum { LETTER_LINES_MAX = 10, LETTER_LINE_BYTES = SECRET_BYTES + 100, LETTER_KEY_BYTES = 48 };

struct voice_letter {
    struct transfer_request request; /* points into what follows */
    struct transfer_mail mail;
    char *body;
    char url[SECRET_BYTES + 32], password[SECRET_BYTES];
    char lines[LETTER_LINES_MAX][LETTER_LINE_BYTES];
    const char *line_items[LETTER_LINES_MAX];
};

/* Not of CHANNEL_LOG. Everything but request.timeout is set. The error tells what cannot be read.
 */
NODISCARD enum status voice_letter_write(const struct voice_channel *channel,
                                         const struct message *message, struct voice_letter *ret,
                                         struct error *error);
void voice_letter_release(struct voice_letter *letter);

/* The JSON bodies; the caller frees them. NULL: out of memory. */
char *voice_json_webhook(const struct message *message);
char *voice_json_slack(const struct message *message);
char *voice_json_pagerduty(const struct message *message, const char *routing_key);
char *voice_json_alertmanager(const struct message *message, struct duration ends_after);

/* The same for all notifications of one incident, and for no other's. ASCII. */
void voice_incident_key(const struct message *message, char ret[LETTER_KEY_BYTES]);

#endif
