/* Voices: how heald tells people. At least once, fail open: a notification is tried again until it
 * is delivered, refused for good, or out of time; the engine sends it again if no NOTIFIED ever
 * came. Nothing here waits, so a hanging receiver delays no action.
 *
 *     TRY(voice_new(channels, count, NULL, log, done, context, &voice, error));
 *     refusal = voice_send(voice, message, uptime);
 *     poll(voice_fd(voice), ...), then voice_step(voice, uptime) */
#ifndef HEAL_RUNTIME_ACT_VOICE_H
#define HEAL_RUNTIME_ACT_VOICE_H

#include "lang/connector.h"
#include "runtime/act/message.h"

enum {
    VOICE_CHANNELS_MAX = 64,
    VOICE_QUEUE_MAX = 256,
    VOICE_PARALLEL_MAX = 8,
};

/* How a mail is encrypted on its way: STARTTLS or nothing at all is sent, from the first byte, or
 * not. */
enum voice_tls { VOICE_STARTTLS, VOICE_IMPLICIT, VOICE_PLAIN };

/* Names go into texts and logs; URLs and what files hold never do, they may be secrets. A field
 * that a kind does not use is zero. */
struct voice_channel {
    const char *name;
    enum channel_kind kind;
    const char *url;      /* of webhook, pagerduty and alertmanager: http or https */
    const char *url_file; /* of slack */
    const char *key_file; /* of pagerduty */
    const char *authorization_file, *ca_file; /* NULL: none, what the system trusts */
    struct {
        const char *server; /* HOST:PORT */
        enum voice_tls tls;
        const char *from;
        const char *const *to;
        size_t to_count;
        const char *user, *password_file; /* NULL: none */
    } email;
    struct duration ends_after; /* of an alert of alertmanager */
    struct duration timeout;    /* of one try; 0: that of the limits */
};

struct voice_limits {
    struct duration attempt;  /* one try, in all */
    struct duration back_off; /* after the first try; doubles, at most a minute */
    struct duration give_up;  /* from voice_send on */
    unsigned attempts_max;
};
#define VOICE_LIMITS_DEFAULT \
    ((struct voice_limits){{10 * NS_PER_S}, {1 * NS_PER_S}, {900 * NS_PER_S}, 8})

/* A line for the process to log. */
typedef void voice_log_f(void *context, const char *channel, const struct message *message);
/* What became of a notification; text says why not, or how often it was tried. */
typedef void voice_done_f(void *context, uint64_t id, bool delivered, const char *text);

struct voice;

/* limits NULL: the default. The channels' strings live as long as the voice. */
NODISCARD enum status voice_new(const struct voice_channel *channels, size_t count,
                                const struct voice_limits *limits, voice_log_f *log,
                                voice_done_f *done, void *context, struct voice **ret,
                                struct error *error);
void voice_free(struct voice *voice);

/* Takes a NOTIFY. REFUSAL_CHANNEL or REFUSAL_FULL: not taken; else done is called once, maybe at
 * once. */
enum refusal voice_send(struct voice *voice, const struct message *message, struct duration uptime);

/* Moves transfers on; call when voice_fd wakes and at least each 200 ms while voice_waiting. */
void voice_step(struct voice *voice, struct duration uptime);
int voice_fd(const struct voice *voice);
size_t voice_waiting(const struct voice *voice);

#endif
