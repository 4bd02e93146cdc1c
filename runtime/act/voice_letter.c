/* Where and how each kind of channel is told. */
#include "runtime/act/voice_letter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    set_json(letter, voice_json_webhook(channel, message));
    add_line(letter, "Idempotency-Key: %016" PRIx64, message->id);
    add_line(letter, "X-Heal-Dedup: %s", key);
    return STATUS_OK;
}

static write_f *const writers[CHANNEL_COUNT] = {
    [CHANNEL_WEBHOOK] = write_webhook,
};

enum status voice_letter_write(const struct voice_channel *channel, const struct message *message,
                               struct voice_letter *ret, struct error *error)
{
    CHECK(channel->kind < CHANNEL_COUNT && writers[channel->kind]);
    memset(ret, 0, sizeof *ret);
    ret->request.method = "POST";
    ret->request.lines = ret->line_items;
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
