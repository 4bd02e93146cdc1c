/* The http hand: sends one granted request, and knows what an answer, or none, means.
 *
 * What may have happened is never said to have failed: once a request may have left this host, only
 * an answer that says so makes it undone. It is sent again where nothing can have happened, and
 * elsewhere only if the grant says that doing it twice does what doing it once does. */
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/act/hand_internal.h"
#include "runtime/act/secret.h"

#define BACK_OFF_FIRST (200 * NS_PER_MS)
#define BACK_OFF_MAX   (10 * NS_PER_S)
#define TRY_LEAST      (100 * NS_PER_MS) /* a try in less would only hide what the last one said */

enum {
    DIGEST_BYTES = 16,
    LINE_BYTES = GRANT_HEADER_NAME_MAX + SECRET_BYTES + 4,
    SHOWN_BYTES = 200
};

struct http_run {
    struct hand_run base;
    struct transfers *transfers;
    const struct grant *grant;
    hand_note_f *note;
    void *note_context;
    char *url, *body;
    size_t body_bytes;
    char key[HAND_KEY_BYTES];
    struct duration deadline, next_at;
    unsigned tries;
    bool noted, ending;
    bool doubt; /* an earlier try may have been carried out */
    struct transfer *transfer;
    char said[HAND_TEXT_BYTES / 2 + 100]; /* of the last try */
};

static void say(struct http_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct http_run *run, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(run->said, sizeof run->said, fmt, args);
    va_end(args);
}

static void run_free(struct http_run *run)
{
    transfer_free(run->transfer);
    free(run->url);
    free(run->body);
    free(run);
}

static bool finish(struct http_run *run, enum outcome outcome, struct hand_result *ret)
{
    hand_ended(ret, outcome, run->said);
    run_free(run);
    return true;
}

/* No more tries. */
static bool give_up(struct http_run *run, struct hand_result *ret)
{
    return finish(run, run->doubt ? OUTCOME_UNKNOWN : OUTCOME_FAILED, ret);
}

/* ---- a try ---- */

/* The lines of the header, of which lines[i] is the caller's. */
static enum status make_lines(const struct http_run *run, char *lines[], size_t *ret_count,
                              struct error *error)
{
    const struct grant_request *request = run->grant->request;
    size_t count = 0;
    bool typed = run->body_bytes == 0;
    for (size_t i = 0; i < request->header_count; i++) {
        char secret[SECRET_BYTES];
        const struct grant_header *header = &request->headers[i];
        if (header->file) {
            TRY(secret_read(header->file, secret, error));
        }
        lines[count] = heap_alloc(LINE_BYTES);
        snprintf(lines[count++], LINE_BYTES, "%.*s: %s", GRANT_HEADER_NAME_MAX, header->name,
                 header->file ? secret : header->value);
        *ret_count = count;
        typed = typed || strcasecmp(header->name, "Content-Type") == 0;
    }
    lines[count] = heap_alloc(LINE_BYTES);
    snprintf(lines[count++], LINE_BYTES, "Idempotency-Key: %s", run->key);
    lines[count++] = heap_strdup("Expect:");
    if (!typed) {
        lines[count++] = heap_strdup("Content-Type: application/json");
    }
    *ret_count = count;
    return STATUS_OK;
}

static enum status send_request(struct http_run *run, struct duration uptime, struct error *error)
{
    const struct grant_request *request = run->grant->request;
    char *lines[GRANT_HEADERS_MAX + 3];
    size_t count = 0;
    int64_t left = run->deadline.ns - uptime.ns;
    enum status status = make_lines(run, lines, &count, error);
    if (status == STATUS_OK) {
        bool bodied = run->body_bytes > 0 || request->method != METHOD_DELETE;
        const struct transfer_request sent = {
            .method = request_method_texts[request->method],
            .url = run->url,
            .body = bodied ? run->body : NULL,
            .body_bytes = run->body_bytes,
            .lines = (const char *const *)lines,
            .line_count = count,
            .ca_file = request->ca_file,
            .timeout = {left < request->timeout.ns ? left : request->timeout.ns}};
        status = transfer_start(run->transfers, &sent, uptime, &run->transfer, error);
    }
    for (size_t i = 0; i < count; i++) {
        free(lines[i]);
    }
    return status;
}

/* So that another request is never taken for this one. */
static void make_note(const struct http_run *run, char ret[HAND_NOTE_BYTES])
{
    unsigned char digest[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1];
    crypto_generichash_state state;
    const char *method = request_method_texts[run->grant->request->method];
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    crypto_generichash_update(&state, (const unsigned char *)method, strlen(method) + 1);
    crypto_generichash_update(&state, (const unsigned char *)run->url, strlen(run->url) + 1);
    crypto_generichash_update(&state, (const unsigned char *)run->body, run->body_bytes);
    crypto_generichash_final(&state, digest, sizeof digest);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    snprintf(ret, HAND_NOTE_BYTES, "request %s", hex);
}

/* false: it cannot be tried; run->said says why. */
static bool try_once(struct http_run *run, struct duration uptime)
{
    struct error error = {{0}};
    char note[HAND_NOTE_BYTES];
    enum status status = STATUS_OK;
    if (!run->noted) {
        make_note(run, note);
        status = run->note(run->note_context, note, &error);
        run->noted = status == STATUS_OK;
    }
    run->tries++;
    if (status == STATUS_OK) {
        status = send_request(run, uptime, &error);
    }
    if (status != STATUS_OK) {
        say(run, "%.250s", error.message);
    }
    return status == STATUS_OK;
}

/* ---- what an answer means ---- */

enum verdict {
    VERDICT_YES,
    VERDICT_NO,    /* it was not done, and will not be */
    VERDICT_LATER, /* it was not done, and may be asked for again */
    VERDICT_DOUBT  /* it may have been done */
};

static enum verdict judge_status(long status)
{
    if (status >= 200 && status < 300) {
        return VERDICT_YES;
    }
    if (status == 408 || status == 425 || status == 429 || status == 503) {
        return VERDICT_LATER;
    }
    return status >= 300 && status < 500 ? VERDICT_NO : VERDICT_DOUBT;
}

static void say_answer(struct http_run *run, const struct transfer_answer *answer)
{
    char shown[SHOWN_BYTES];
    if (answer->redirect[0]) {
        message_escape(answer->redirect, strlen(answer->redirect), shown, sizeof shown);
        say(run, "it answered %ld and points to %s, where no request is sent", answer->status,
            shown);
        return;
    }
    size_t count = message_fits(answer->body, answer->body_bytes, sizeof shown);
    message_escape(answer->body, count, shown, sizeof shown);
    say(run, "it answered %ld%s%s%s", answer->status, answer->cut ? " and too much" : "",
        shown[0] ? ": " : "", shown);
}

static enum verdict judge(struct http_run *run, const struct transfer_answer *answer)
{
    if (answer->answered) {
        say_answer(run, answer);
        return judge_status(answer->status);
    }
    say(run, answer->sent ? "no whole answer came: %s" : "nothing was sent: %s", answer->fault);
    return answer->sent ? VERDICT_DOUBT : VERDICT_LATER;
}

/* Whether there is time for another try; then it is set. */
static bool try_later(struct http_run *run, struct duration uptime, int64_t asked_s)
{
    int64_t wait = BACK_OFF_FIRST;
    for (unsigned i = 1; i < run->tries && wait < BACK_OFF_MAX; i++) {
        wait *= 2;
    }
    int64_t left = run->deadline.ns - uptime.ns;
    if (asked_s > left / NS_PER_S) {
        size_t used = strlen(run->said);
        snprintf(run->said + used, sizeof run->said - used,
                 "; it wants %" PRId64 " s to pass, which the timeout does not have", asked_s);
        return false;
    }
    wait = asked_s * NS_PER_S > wait ? asked_s * NS_PER_S : wait;
    run->next_at.ns = uptime.ns + wait;
    return wait + TRY_LEAST < left;
}

static bool take_answer(struct http_run *run, const struct transfer_answer *answer,
                        struct duration uptime, struct hand_result *ret)
{
    int64_t asked_s = answer->answered ? answer->retry_after_s : 0;
    bool untouched = !answer->sent;
    enum verdict verdict = judge(run, answer);
    transfer_free(run->transfer);
    run->transfer = NULL;
    run->doubt = run->doubt || verdict == VERDICT_DOUBT;
    switch (verdict) {
    case VERDICT_YES: return finish(run, OUTCOME_SUCCEEDED, ret);
    case VERDICT_NO: return give_up(run, ret);
    case VERDICT_LATER:
    case VERDICT_DOUBT: break;
    }
    bool again = !run->ending && (untouched || run->grant->idempotent);
    return again && try_later(run, uptime, asked_s) ? false : give_up(run, ret);
}

/* ---- the hand ---- */

static enum status check_former(const struct http_run *run, const char *former, struct error *error)
{
    char note[HAND_NOTE_BYTES];
    make_note(run, note);
    if (!run->grant->idempotent) {
        return error_set(error, STATUS_DENIED,
                         "its grant does not say idempotent: true, so it is "
                         "not sent again to find out");
    }
    return strcmp(note, former) == 0
               ? STATUS_OK
               : error_set(error, STATUS_DENIED, "its grant says another request by now");
}

static enum status http_start(struct hands *hands, const struct hand_order *order,
                              struct duration uptime, struct hand_run **ret, struct error *error)
{
    struct http_run *run = heap_alloc(sizeof *run);
    run->transfers = hands->transfers;
    run->grant = order->grant;
    run->note = order->note;
    run->note_context = order->note_context;
    run->url = heap_strdup(order->command->url);
    run->body = heap_strdup(order->command->body);
    run->body_bytes = order->command->body_bytes;
    run->deadline.ns = uptime.ns + order->grant->timeout.ns;
    run->next_at = uptime;
    run->noted = run->doubt = order->former != NULL;
    memcpy(run->key, order->key, sizeof run->key);
    if (order->former) {
        enum status status = check_former(run, order->former, error);
        if (status != STATUS_OK) {
            run_free(run);
            return status;
        }
    }
    *ret = &run->base;
    return STATUS_OK;
}

static bool http_step(struct hand_run *base, struct duration uptime, struct hand_result *ret)
{
    struct http_run *run = (struct http_run *)base;
    transfers_step(run->transfers, uptime);
    if (!run->transfer) {
        bool over = run->ending || uptime.ns >= run->deadline.ns;
        bool due = !over && uptime.ns >= run->next_at.ns;
        return over || (due && !try_once(run, uptime)) ? give_up(run, ret) : false;
    }
    const struct transfer_answer *answer = transfer_answer(run->transfer);
    if (answer) {
        return take_answer(run, answer, uptime, ret);
    }
    if (run->ending) {
        run->doubt = run->doubt || transfer_sent(run->transfer);
        say(run, "no answer had come");
        return give_up(run, ret);
    }
    return false; /* the transfer keeps the time */
}

static void http_end(struct hand_run *base, struct duration uptime)
{
    (void)uptime;
    ((struct http_run *)base)->ending = true;
}

const struct hand hand_http = {
    .start = http_start, .step = http_step, .end = http_end, .resumes = RESUME_ACTS};
