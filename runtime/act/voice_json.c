/* The words of a notification as JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "runtime/act/voice_letter.h"

/* A label's bytes need not be UTF-8; what is not becomes the replacement character. */
static json_t *any_string(const char *text)
{
    json_t *ret = json_string(text);
    if (ret) {
        return ret;
    }
    char safe[3 * MESSAGE_TEXT_BYTES + 1];
    size_t used = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c && used + 3 < sizeof safe; c++) {
        if (*c < 0x80) {
            safe[used++] = (char)*c;
        } else {
            memcpy(safe + used, "\xef\xbf\xbd", 3);
            used += 3;
        }
    }
    safe[used] = '\0';
    return json_string(safe);
}

static char *dump(json_t *take_json)
{
    char *ret = take_json ? json_dumps(take_json, JSON_COMPACT) : NULL;
    json_decref(take_json);
    return ret;
}

char *voice_json_webhook(const struct voice_channel *channel, const struct message *message)
{
    (void)channel;
    char time[40], incident[24];
    int64_t ns = message->time.ns < 0 ? 0 : message->time.ns;
    snprintf(time, sizeof time, "%lld.%09lld", ns / NS_PER_S, ns % NS_PER_S);
    snprintf(incident, sizeof incident, "%" PRIu64, message->incident);
    return dump(json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:b, s:s}", "schema",
                          "heal.notification/1", "incident", incident, "policy",
                          any_string(message->policy), "target", any_string(message->object),
                          "text", any_string(message->text), "key", any_string(message->key),
                          "time", time, "resolved", (int)message->resolved, "impact",
                          impact_text(message->impact)));
}
