/* The words of a notification as JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* RFC 3339, in UTC, to the millisecond. */
static char *print_time(struct instant time, char ret[40])
{
    struct tm parts;
    int64_t ns = time.ns < 0 ? 0 : time.ns;
    time_t seconds = (time_t)(ns / NS_PER_S);
    size_t used = gmtime_r(&seconds, &parts) ? strftime(ret, 40, "%Y-%m-%dT%H:%M:%S", &parts) : 0;
    snprintf(ret + used, 40 - used, ".%03dZ", (int)(ns % NS_PER_S / NS_PER_MS));
    return ret;
}

void voice_incident_key(const struct message *message, char ret[LETTER_KEY_BYTES])
{
    uint64_t hash = hash_bytes(HASH_INIT, message->policy, strlen(message->policy) + 1);
    hash = hash_bytes(hash, message->object, strlen(message->object));
    snprintf(ret, LETTER_KEY_BYTES, "heal-%" PRIu64 "-%016" PRIx64, message->incident, hash);
}

char *voice_json_webhook(const struct message *message)
{
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

/* The three characters that Slack's mark-up knows, so that no text becomes a link or a mention. */
static size_t put_slack(char *ret, const char *text)
{
    size_t used = 0;
    for (const char *c = text; *c; c++) {
        const char *entity = *c == '&' ? "&amp;" : *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : NULL;
        used += (size_t)(entity ? snprintf(ret + used, 6, "%s", entity)
                                : snprintf(ret + used, 2, "%c", *c));
    }
    return used;
}

char *voice_json_slack(const struct message *message)
{
    char text[5 * (NAME_BYTES + TARGET_BYTES + MESSAGE_TEXT_BYTES) + 32];
    size_t used = (size_t)snprintf(text, sizeof text, "%s*", message->resolved ? "Over: " : "");
    used += put_slack(text + used, message->policy);
    used += (size_t)snprintf(text + used, 4, "* ");
    used += put_slack(text + used, message->object);
    used += (size_t)snprintf(text + used, 4, "\n");
    put_slack(text + used, message->text);
    return dump(json_pack("{s:o}", "text", any_string(text)));
}

/* As much of text as fits, whole characters. */
static json_t *clipped(char *text, size_t bytes_max)
{
    if (strlen(text) > bytes_max) {
        size_t end = bytes_max;
        while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80) {
            end--;
        }
        text[end] = '\0';
    }
    return any_string(text);
}

char *voice_json_pagerduty(const struct message *message, const char *routing_key)
{
    static const char *const severities[IMPACT_COUNT] = {"error", "info", "warning", "error",
                                                         "critical"};
    enum { SUMMARY_BYTES_MAX = 1000 }; /* PagerDuty takes 1024 characters */
    char key[LETTER_KEY_BYTES], time[40];
    char summary[NAME_BYTES + TARGET_BYTES + MESSAGE_TEXT_BYTES + 8];
    voice_incident_key(message, key);
    json_t *event =
        json_pack("{s:o, s:s, s:s}", "routing_key", any_string(routing_key), "event_action",
                  message->resolved ? "resolve" : "trigger", "dedup_key", key);
    if (!message->resolved) {
        snprintf(summary, sizeof summary, "%s%s%s: %s", message->policy,
                 message->object[0] ? " " : "", message->object, message->text);
        json_t *details =
            json_pack("{s:o, s:o, s:I, s:o}", "policy", any_string(message->policy), "target",
                      any_string(message->object), "incident", (json_int_t)message->incident,
                      "text", any_string(message->text));
        json_object_set_new(
            event, "payload",
            json_pack("{s:o, s:o, s:s, s:s, s:o}", "summary", clipped(summary, SUMMARY_BYTES_MAX),
                      "source", any_string(message->object[0] ? message->object : message->policy),
                      "severity", severities[message->impact], "timestamp",
                      print_time(message->time, time), "custom_details", details));
    }
    return dump(event);
}

/* The target's labels are the alert's, after what names it. */
static json_t *alert_labels(const struct message *message)
{
    json_t *labels =
        json_pack("{s:o, s:s}", "alertname", any_string(message->policy), "job", "heald");
    for (const char *at = message->object; *at;) {
        char key[TARGET_BYTES], value[TARGET_BYTES];
        size_t piece = strcspn(at, ","), name = strcspn(at, "=,");
        if (name > 0 && name < piece && piece < TARGET_BYTES) {
            snprintf(key, sizeof key, "%.*s", (int)name, at);
            snprintf(value, sizeof value, "%.*s", (int)(piece - name - 1), at + name + 1);
            json_object_set_new(labels, key, any_string(value));
        }
        at += piece + (at[piece] == ',');
    }
    if (message->impact != IMPACT_NONE) {
        json_object_set_new(labels, "impact", json_string(impact_text(message->impact)));
    }
    return labels;
}

char *voice_json_alertmanager(const struct message *message, struct duration ends_after)
{
    char starts[40], ends[40], incident[24];
    struct instant end = message->resolved ? message->time : instant_add(message->time, ends_after);
    snprintf(incident, sizeof incident, "%" PRIu64, message->incident);
    json_t *alert = json_pack("{s:o, s:{s:o, s:s}, s:s}", "labels", alert_labels(message),
                              "annotations", "summary", any_string(message->text), "incident",
                              incident, "endsAt", print_time(end, ends));
    if (!message->resolved) { /* what is over began when Alertmanager was told */
        json_object_set_new(alert, "startsAt", json_string(print_time(message->time, starts)));
    }
    return dump(json_pack("[o]", alert));
}
