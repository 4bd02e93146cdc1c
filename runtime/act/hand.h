/* Hands: what carries actions out. Each family of connectors is one hand, a row of hand.c. A hand
 * waits for nothing; it is stepped until it says how the action ended.
 *
 *     TRY(hand_start(hands, &order, uptime, &run, error));
 *     while (!hand_step(run, uptime, &result)) { ... poll epoll_fd ... }
 *
 * A hand that speaks with others notes what it is about to do before anything leaves this host:
 * what has no note has had no effect. With a note it can find out, after a crash, what became of
 * it. */
#ifndef HEAL_RUNTIME_ACT_HAND_H
#define HEAL_RUNTIME_ACT_HAND_H

#include "runtime/act/grant.h"

enum {
    HAND_TEXT_BYTES = 400,
    HAND_NOTE_BYTES = 512, /* printable ASCII, with its NUL */
    HAND_KEY_BYTES = 40
};

struct hand_result {
    enum outcome outcome; /* SUCCEEDED, FAILED, TIMED_OUT, UNKNOWN or NEVER_STARTED */
    int32_t exit_code;    /* of a program: -signal if a signal ended it */
    char text[HAND_TEXT_BYTES];
};

/* Makes a note of an action durable; not STATUS_OK: nothing may happen. Later notes add up, and the
 * last one counts. */
typedef enum status hand_note_f(void *context, const char *note, struct error *error);

/* One action. Borrowed for the time of hand_start, but for grant and context, which live on. */
struct hand_order {
    const struct grant *grant;
    const char *target;                  /* canonical text */
    const struct grant_command *command; /* the filled-in template, where the connector takes one */
    const double *numbers;               /* grant->parameter_count of them */
    char key[HAND_KEY_BYTES]; /* of this action, the same at every try; no other ever had it */
    struct instant time;      /* when it was latched */
    const char *former;       /* NULL: carry it out. A note: find out what became of it. */
    hand_note_f *note;
    void *note_context;
};

struct hands;    /* what the runs share */
struct hand_run; /* one action under way */

/* An API server of Kubernetes. */
struct kubernetes_settings {
    const char *server;               /* its URL without a path; NULL: there is none */
    const char *ca_file, *token_file; /* NULL: what the system trusts, no token */
    struct duration timeout;          /* of one request */
};

/* What hands need of the host. Strings live as long as the hands. */
struct hand_settings {
    struct kubernetes_settings kubernetes;
    const char *systemd_bus; /* address of the bus that systemd is on */
    int epoll_fd;            /* woken when a run has news; -1: the caller steps often enough */
};

NODISCARD enum status hands_new(const struct hand_settings *settings, struct hands **ret,
                                struct error *error);
/* After the last run. */
void hands_free(struct hands *hands);

/* Whether the grant says what its hand needs, and the target is one that it can act on. */
NODISCARD enum status hand_check(const struct grant *grant, const char *target,
                                 struct error *error);

/* How a hand finds out what became of an action that a former actor began. */
enum hand_resume {
    RESUME_NEVER, /* it cannot, and makes no notes */
    RESUME_LOOKS, /* it looks, and changes nothing */
    RESUME_ACTS   /* it may do it again, where that does what doing it once does */
};
enum hand_resume hand_resumes(enum connector connector);

/* Fills in how an action ended, in the words of what was said of it. */
void hand_ended(struct hand_result *ret, enum outcome outcome, const char *said);

/* Not STATUS_OK: nothing was started. */
NODISCARD enum status hand_start(struct hands *hands, const struct hand_order *order,
                                 struct duration uptime, struct hand_run **ret,
                                 struct error *error);
/* true: it ended, ret is filled, the run is freed. */
bool hand_step(struct hand_run *run, struct duration uptime, struct hand_result *ret);
/* Asks the run to end soon. What it began may have happened then: it says so. */
void hand_end(struct hand_run *run, struct duration uptime);

#endif
