/* Where and how each kind of channel is told. */
#include "runtime/act/voice_letter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void add_line(struct voice_letter *letter, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add_line(struct voice_letter *letter, const char *fmt, ...)
{
    size_t i = letter->request.line_count++;
    CHECK(i < LETTER_LINES_MAX);
    va_list args;
    va_start(args, fmt);
    vsnprintf(letter->lines[i], LETTER_LINE_BYTES, fmt, args);
    va_end(args);
    letter->line_items[i] = letter->lines[i];
}

static void set_json(struct voice_letter *letter, char *take_body)
{
    CHECK(take_body);
    letter->body = take_body;
    letter->request.body = take_body;
    letter->request.body_bytes = strlen(take_body);
    add_line(letter, "Content-Type: application/json");
    add_line(letter, "Expect:");
}

typedef enum status write_f(const struct voice_channel *channel, const struct message *message,
                            struct voice_letter *letter, struct error *error);

static enum status write_webhook(const struct voice_channel *channel, const struct message *message,
                                 struct voice_letter *letter, struct error *error)
{
    char key[MESSAGE_KEY_BYTES];
    (void)error;
    message_escape(message->key, strlen(message->key), key, sizeof key);
    letter->request.url = channel->url;
    set_json(letter, voice_json_webhook(message));
    add_line(letter, "Idempotency-Key: %016" PRIx64, message->id);
    add_line(letter, "X-Heal-Dedup: %s", key);
    return STATUS_OK;
}

static enum status write_slack(const struct voice_channel *channel, const struct message *message,
                               struct voice_letter *letter, struct error *error)
{
    TRY(secret_read(channel->url_file, letter->url, error));
    letter->request.url = letter->url;
    set_json(letter, voice_json_slack(message));
    return STATUS_OK;
}

static enum status write_pagerduty(const struct voice_channel *channel,
                                   const struct message *message, struct voice_letter *letter,
                                   struct error *error)
{
    char key[SECRET_BYTES];
    TRY(secret_read(channel->key_file, key, error));
    letter->request.url = channel->url;
    set_json(letter, voice_json_pagerduty(message, key));
    return STATUS_OK;
}

static enum status write_alertmanager(const struct voice_channel *channel,
                                      const struct message *message, struct voice_letter *letter,
                                      struct error *error)
{
    size_t length = strlen(channel->url);
    while (length > 0 && channel->url[length - 1] == '/') {
        length--;
    }
    if (length >= SECRET_BYTES) {
        return error_set(error, STATUS_LIMIT, "its URL is too long");
    }
    snprintf(letter->url, sizeof letter->url, "%.*s/api/v2/alerts", (int)length, channel->url);
    letter->request.url = letter->url;
    if (channel->authorization_file) {
        char secret[SECRET_BYTES];
        TRY(secret_read(channel->authorization_file, secret, error));
        add_line(letter, "Authorization: %s", secret);
    }
    set_json(letter, voice_json_alertmanager(message, channel->ends_after));
    return STATUS_OK;
}

/* ---- mail ---- */

static void add_addresses(struct voice_letter *letter, const struct voice_channel *channel)
{
    char line[LETTER_LINE_BYTES];
    int used = snprintf(line, sizeof line, "To: ");
    for (size_t i = 0; i < channel->email.to_count && used < (int)sizeof line; i++) {
        used += snprintf(line + used, sizeof line - (size_t)used, "%s%s", i ? ", " : "",
                         channel->email.to[i]);
    }
    add_line(letter, "From: heald <%s>", channel->email.from);
    add_line(letter, "%s", line);
}

/* What came from outside is escaped to ASCII, so that it stays within its line. */
static void add_subject(struct voice_letter *letter, const struct message *message)
{
    char policy[NAME_BYTES], object[200];
    message_escape(message->policy, strlen(message->policy), policy, sizeof policy);
    message_escape(message->object, strlen(message->object), object, sizeof object);
    add_line(letter, "Subject: [heald] %s%s%s%s", message->resolved ? "over: " : "", policy,
             object[0] ? " " : "", object);
}

static void add_date(struct voice_letter *letter, struct instant time)
{
    char date[64];
    struct tm parts;
    time_t seconds = (time_t)(time.ns / NS_PER_S);
    if (gmtime_r(&seconds, &parts) &&
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &parts) > 0) {
        add_line(letter, "Date: %s", date);
    }
}

/* Mails of one incident hang together. */
static void add_thread(struct voice_letter *letter, const struct message *message)
{
    char own[MESSAGE_KEY_BYTES], incident[LETTER_KEY_BYTES];
    size_t used = 0;
    for (const char *c = message->key; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-';
        own[used++] = plain ? *c : '_';
    }
    own[used] = '\0';
    voice_incident_key(message, incident);
    add_line(letter, "Message-ID: <%s@heald.invalid>", own);
    add_line(letter, "References: <%s@heald.invalid>", incident);
}

static char *mail_text(const struct message *message)
{
    enum { MAIL_BYTES = MESSAGE_TEXT_BYTES + TARGET_BYTES + NAME_BYTES + 200 };
    char *text = heap_alloc(3 * MAIL_BYTES), *out = text;
    char plain[MAIL_BYTES];
    snprintf(plain, sizeof plain,
             "%s%s\n\npolicy: %s\ntarget: %s\nimpact: %s\nincident: %" PRIu64 "\n",
             message->resolved ? "Over: " : "", message->text, message->policy, message->object,
             impact_text(message->impact), message->incident);
    bool good = utf8_is_valid(plain);
    for (const char *c = plain; *c; c++) {
        if (*c == '\n') {
            *out++ = '\r';
        }
        *out++ = (unsigned char)*c >= 0x80 && !good ? '?' : *c;
    }
    *out = '\0';
    return text;
}

static enum status write_email(const struct voice_channel *channel, const struct message *message,
                               struct voice_letter *letter, struct error *error)
{
    if (channel->email.password_file) {
        TRY(secret_read(channel->email.password_file, letter->password, error));
    }
    snprintf(letter->url, sizeof letter->url, "smtp%s://%.1000s",
             channel->email.tls == VOICE_IMPLICIT ? "s" : "", channel->email.server);
    letter->body = mail_text(message);
    letter->mail = (struct transfer_mail){.from = channel->email.from,
                                          .to = channel->email.to,
                                          .to_count = channel->email.to_count,
                                          .user = channel->email.user,
                                          .password = letter->password,
                                          .text = letter->body,
                                          .tls_required = channel->email.tls == VOICE_STARTTLS};
    letter->request.method = NULL;
    letter->request.mail = &letter->mail;
    letter->request.url = letter->url;
    add_addresses(letter, channel);
    add_subject(letter, message);
    add_date(letter, message->time);
    add_thread(letter, message);
    add_line(letter, "Auto-Submitted: auto-generated");
    return STATUS_OK;
}

static write_f *const writers[CHANNEL_COUNT] = {
    [CHANNEL_WEBHOOK] = write_webhook,           [CHANNEL_SLACK] = write_slack,
    [CHANNEL_PAGERDUTY] = write_pagerduty,       [CHANNEL_EMAIL] = write_email,
    [CHANNEL_ALERTMANAGER] = write_alertmanager,
};

enum status voice_letter_write(const struct voice_channel *channel, const struct message *message,
                               struct voice_letter *ret, struct error *error)
{
    CHECK(channel->kind < CHANNEL_COUNT && writers[channel->kind]);
    memset(ret, 0, sizeof *ret);
    ret->request.method = "POST";
    ret->request.lines = ret->line_items;
    ret->request.ca_file = channel->ca_file;
    enum status status = writers[channel->kind](channel, message, ret, error);
    if (status != STATUS_OK) {
        voice_letter_release(ret);
    }
    return status;
}

void voice_letter_release(struct voice_letter *letter)
{
    free(letter->body);
    letter->body = NULL;
}
