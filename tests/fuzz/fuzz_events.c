/* Bodies of events under libFuzzer: any bytes are events within their limits or an error in plain
 * words, and each event's labels are read back. */
#include <stdlib.h>
#include <string.h>

#include "runtime/ingest/event_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct event *event, struct instant now)
{
    struct label labels[EVENT_LABELS_MAX + 1];
    json_t *json = NULL;
    const size_t length = strlen(event->set);
    const size_t count = event_set_labels(event->set, length, labels, &json);
    CHECK(length <= EVENT_SET_BYTES_MAX && count >= 1);
    for (size_t i = 1; i < count; i++) {
        CHECK(strcmp(labels[i - 1].name, labels[i].name) < 0);
    }
    CHECK(event->text == NULL || strlen(event->text) <= EVENT_TEXT_BYTES_MAX);
    CHECK(event->ms <= now.ns / NS_PER_MS + EVENT_FUTURE_MAX_S * 1000LL &&
          event->ms >= now.ns / NS_PER_MS - EVENT_AGE_MAX_S * 1000LL);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct instant now = {1700000000 * NS_PER_S};
    struct event events[EVENT_COUNT_MAX];
    struct error error = {""};
    size_t count = 0;
    if (size > EVENT_BODY_BYTES_MAX) {
        return 0;
    }
    const enum status status =
        event_body_read((const char *)data, size, now, events, &count, &error);
    CHECK(status == STATUS_OK ? count >= 1 : count == 0 && error.message[0] != '\0');
    for (const char *c = error.message; status != STATUS_OK && *c; c++) {
        CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
    for (size_t i = 0; i < count; i++) {
        check_event(&events[i], now);
    }
    events_release(events, count);
    return 0;
}
