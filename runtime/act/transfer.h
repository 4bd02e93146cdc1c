/* Transfers: requests over HTTP, and mails, that nobody waits for. libcurl's multi interface behind
 * one descriptor. No proxy, no redirect, no reused connection (on which libcurl would send a
 * request twice by itself), certificates are verified, answers and times are bounded.
 *
 *     TRY(transfers_new(&transfers, error));
 *     TRY(transfer_start(transfers, &request, uptime, &transfer, error));
 *     poll(transfers_fd(transfers), ...), transfers_step(transfers, uptime)
 *     if ((answer = transfer_answer(transfer))) { ...; transfer_free(transfer); } */
#ifndef HEAL_RUNTIME_ACT_TRANSFER_H
#define HEAL_RUNTIME_ACT_TRANSFER_H

#include "lang/base.h"

enum {
    TRANSFER_URL_BYTES = 2048,
    TRANSFER_FAULT_BYTES = 120,
    TRANSFER_ANSWER_MAX = 64 << 10, /* what is read of an answer where no request says otherwise */
    TRANSFER_LINES_MAX = 64
};

/* A mail over SMTP, instead of a request over HTTP. */
struct transfer_mail {
    const char *from;
    const char *const *to;
    size_t to_count;
    const char *user, *password; /* NULL: none */
    const char *text;            /* UTF-8 */
    bool tls_required;           /* STARTTLS, or nothing is sent; smtps:// needs no word */
};

/* All of it is copied, or used only within transfer_start. */
struct transfer_request {
    const char *method; /* "POST"; NULL: a mail */
    const char *url;
    const char *body; /* NULL: none */
    size_t body_bytes;
    const char *const *lines; /* of the header: "Name: value"; of a mail too */
    size_t line_count;
    const char *ca_file; /* NULL: what the system trusts */
    struct duration timeout;
    size_t answer_max; /* 0: TRANSFER_ANSWER_MAX */
    const struct transfer_mail *mail;
};

struct transfer_answer {
    bool sent;     /* some of the request may have left this host */
    bool answered; /* a whole answer came, or one that was cut off where it became too long */
    bool cut;
    long status;           /* of HTTP or SMTP; 0: none came */
    int64_t retry_after_s; /* 0: it did not say */
    char *body;            /* ended by NUL; of the transfer */
    size_t body_bytes;
    char fault[TRANSFER_FAULT_BYTES];  /* without an answer: why */
    char redirect[TRANSFER_URL_BYTES]; /* where a redirect points, without query; "": it is none */
};

struct transfers;
struct transfer;

NODISCARD enum status transfers_new(struct transfers **ret, struct error *error);
/* After the last transfer. */
void transfers_free(struct transfers *transfers);
int transfers_fd(const struct transfers *transfers);
/* Moves them on: when the descriptor wakes, and each 200 ms. */
void transfers_step(struct transfers *transfers, struct duration uptime);

/* Not STATUS_OK: nothing was begun. */
NODISCARD enum status transfer_start(struct transfers *transfers,
                                     const struct transfer_request *request, struct duration uptime,
                                     struct transfer **ret, struct error *error);
/* NULL while it is under way. */
const struct transfer_answer *transfer_answer(const struct transfer *transfer);
/* Whether some of it may have left this host by now. */
bool transfer_sent(const struct transfer *transfer);
/* Ends it, whatever it does. transfer may be NULL. */
void transfer_free(struct transfer *transfer);

#endif
