/* Tells one channel one thing: voice_probe NAME=VALUE... Prints "told" or "not told", and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/act/voice.h"

static struct duration uptime(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (struct duration){t.tv_sec * NS_PER_S + t.tv_nsec};
}

static void on_log(void *context, const char *channel, const struct message *message)
{
    (void)context;
    printf("log %s %s\n", channel, message->text);
}

static void on_done(void *context, uint64_t id, bool delivered, const char *text)
{
    (void)context;
    (void)id;
    printf("%s: %s\n", delivered ? "told" : "not told", text);
}

static const char *value_of(int argc, char **argv, const char *name)
{
    size_t length = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') {
            return argv[i] + length + 1;
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
#define VALUE(name)       value_of(argc, argv, name)
#define NUMBER(name)      (VALUE(name) ? strtoll(VALUE(name), NULL, 10) : 0)
#define TEXT(field, name) snprintf(field, sizeof(field), "%s", VALUE(name) ? VALUE(name) : "")
    const char *to[] = {VALUE("to"), VALUE("also_to")};
    struct voice_channel channel = {.name = "probed",
                                    .kind = channel_find(VALUE("kind") ? VALUE("kind") : ""),
                                    .url = VALUE("url"),
                                    .url_file = VALUE("url_file"),
                                    .key_file = VALUE("key_file"),
                                    .authorization_file = VALUE("authorization_file"),
                                    .ca_file = VALUE("ca_file"),
                                    .ends_after = {NUMBER("ends_after_s") * NS_PER_S},
                                    .timeout = {NUMBER("timeout_ms") * NS_PER_MS}};
    channel.email.server = VALUE("server");
    channel.email.tls = (enum voice_tls)NUMBER("tls");
    channel.email.from = VALUE("from");
    channel.email.to = to;
    channel.email.to_count = to[1] ? 2 : 1;
    channel.email.user = VALUE("user");
    channel.email.password_file = VALUE("password_file");
    struct voice_limits limits = {{700 * NS_PER_MS}, {50 * NS_PER_MS}, {8 * NS_PER_S}, 4};
    struct message message = {.kind = MESSAGE_NOTIFY,
                              .id = 7,
                              .incident = (uint64_t)NUMBER("incident"),
                              .impact = (enum impact)NUMBER("impact"),
                              .resolved = NUMBER("resolved") != 0,
                              .time = {NUMBER("time_s") * NS_PER_S}};
    TEXT(message.policy, "policy");
    TEXT(message.object, "object");
    TEXT(message.key, "key");
    TEXT(message.text, "text");
    struct voice *voice = NULL;
    if (channel.kind == CHANNEL_COUNT ||
        voice_new(&channel, 1, &limits, on_log, on_done, NULL, &voice, NULL) != STATUS_OK ||
        voice_send(voice, &message, uptime()) != REFUSAL_NONE) {
        return 2;
    }
    while (voice_waiting(voice) > 0) {
        voice_step(voice, uptime());
        usleep(2000);
    }
    voice_free(voice);
    return 0;
}
